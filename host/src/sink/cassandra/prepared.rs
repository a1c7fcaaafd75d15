//! What rows are written with, kept in step with a table that others may drop or alter meanwhile.
//!
//! A table that has changed makes the database refuse rows that are not at fault. So a refusal counts only if the schema
//! is still the one that the statement was prepared for; otherwise the table is looked at again: if it can take the
//! rows, the statement is prepared anew and they are retried; if not, they wait, and it is said what would mend the
//! table. Some changes of a type the database would not even refuse; they are seen because the driver looks now and then.

use std::sync::Arc;

use scylla::{client::session::Session, cluster::ClusterState};
use uuid::Uuid;

use super::{
    connect,
    encode::EncodedRow,
    failure::{REFUSED, SCHEMA_CHANGED, UNREACHABLE},
    schema::{self, table_name},
    send::Sender,
    shape::differences,
};
use crate::{
    config::CassandraSink,
    sink::{Failure, OpenContext, OpenError, table::Table},
};

/// How long connecting anew may take before it is tried again.
const RECONNECT: std::time::Duration = std::time::Duration::from_secs(5);

/// See the module.
pub struct Prepared {
    config: CassandraSink,
    context: OpenContext,
    session: Arc<Session>,
    table: Table,
    sender: Sender,
    ttl_s: Option<i32>,
    /// The schema that the statement was prepared for; `None` where the nodes did not agree on one.
    version: Option<Uuid>,
    /// What the driver knew when the table was last compared. It replaces it as a whole.
    cluster: Arc<ClusterState>,
    /// Whether the table was found unable to take the rows; then none are sent until it is.
    unfit: bool,
    /// Whether no node could be reached the last time.
    cut_off: bool,
}

/// Why no row can be written at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Reason code.
    pub code: &'static str,
    /// What has changed and what to do.
    pub detail: String,
}

impl Prepared {
    /// Connects, creates what is missing if the configuration says so, and prepares.
    pub async fn open(config: &CassandraSink, context: &OpenContext) -> Result<Self, OpenError> {
        let session = Arc::new(connect::connect(config, context).await?);
        let table = schema::prepare_table(&session, config, context).await?;
        let version = version(&session).await;
        let cluster = session.get_cluster_state();
        let ttl_s = schema::read_ttl(&session, config, context).await?;
        let insert = schema::prepare_insert(&session, config, context, &table, ttl_s).await?;
        let sender = Sender::new(Arc::clone(&session), insert, &config.keyspace, config.concurrency);
        let (config, context) = (config.clone(), context.clone());
        Ok(Self { config, context, session, table, sender, ttl_s, version, cluster, unfit: false, cut_off: false })
    }

    /// The columns that are written. They stay the same; one that the table gets later is left null.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// How long an attempt may take.
    pub fn timeout(&self) -> std::time::Duration {
        self.context.timeout
    }

    /// How many seconds a row lives; `None` where it stays.
    pub fn ttl_s(&self) -> Option<i32> {
        self.ttl_s
    }

    /// Makes sure, before rows are encoded, that the table can take them as far as the driver knows.
    pub async fn catch_up(&mut self) -> Result<(), Change> {
        if self.cut_off {
            self.reconnect().await?;
        }
        let known = self.session.get_cluster_state();
        if !self.unfit {
            if Arc::ptr_eq(&known, &self.cluster) {
                return Ok(());
            }
            let found = schema::find(&known, &self.config);
            if found.is_some_and(|found| differences(found, self.table.columns(), &self.config).is_none()) {
                self.cluster = known;
                return Ok(());
            }
        }
        self.look_again().await
    }

    /// Sends the rows, and returns those that are not known to be durable. Rows that were refused by a table that is no
    /// longer the same are to be tried again, encoded anew.
    pub async fn send(&mut self, rows: &[EncodedRow<'_>]) -> Vec<Failure> {
        let mut failures = self.sender.send(rows).await;
        self.cut_off = !failures.is_empty() && failures.iter().all(|failure| failure.code == UNREACHABLE);
        let is_doubtful = |failure: &Failure| failure.code == REFUSED || failure.code == SCHEMA_CHANGED;
        let Some(said) = failures.iter().find(|failure| is_doubtful(failure)).map(|failure| failure.detail.clone())
        else {
            return failures;
        };
        let version = version(&self.session).await;
        if version.is_some() && version == self.version && !failures.iter().any(|f| f.code == SCHEMA_CHANGED) {
            return failures;
        }
        let change = self.look_again().await.err().unwrap_or_else(|| Change {
            code: SCHEMA_CHANGED,
            detail: format!("table {} has changed and can take the rows: {said}", table_name(&self.config)),
        });
        for failure in failures.iter_mut().filter(|failure| is_doubtful(failure)) {
            *failure = Failure { row: failure.row, retryable: true, code: change.code, detail: change.detail.clone() };
        }
        failures
    }

    /// Connects anew. The driver would do so by itself, after waits that grow with the length of an outage.
    async fn reconnect(&mut self) -> Result<(), Change> {
        let connected = tokio::time::timeout(RECONNECT, connect::connect(&self.config, &self.context)).await;
        let unreachable = |detail: String| Change { code: UNREACHABLE, detail };
        let session = connected
            .map_err(|_| unreachable(format!("no answer from {} within {RECONNECT:?}", self.config.nodes.join(", "))))?
            .map_err(|error| unreachable(error.message))?;
        self.session = Arc::new(session);
        self.cut_off = false;
        // The statement belongs to the old connection.
        self.look_again().await
    }

    async fn look_again(&mut self) -> Result<(), Change> {
        self.unfit = true;
        let timeout = self.context.timeout;
        let looked = tokio::time::timeout(timeout, self.prepare_again()).await;
        looked.unwrap_or_else(|_| {
            let detail = format!("looking at table {} took longer than {timeout:?}", table_name(&self.config));
            Err(Change { code: "timeout", detail })
        })
    }

    async fn prepare_again(&mut self) -> Result<(), Change> {
        let Self { config, context, session, .. } = &*self;
        let unread = |error: String| Change { code: UNREACHABLE, detail: error };
        let changed = |what: String| Change { code: SCHEMA_CHANGED, detail: what };
        // Before all else: a change that comes in between is one more change.
        let version = version(session).await;
        session.refresh_metadata().await.map_err(|error| unread(error.to_string()))?;
        let cluster = session.get_cluster_state();
        let (name, columns) = (table_name(config), self.table.columns());
        let Some(found) = schema::find(&cluster, config) else {
            let ttl_s = self.ttl_s.map(|ttl_s| ttl_s.unsigned_abs().into());
            let create = schema::table_cql(config, columns, ttl_s);
            let and = "and writing goes on by itself";
            return Err(changed(format!("table {name} is gone; create it again, {and}: {create}")));
        };
        if let Some(differences) = differences(found, columns, config) {
            let (what, mending) = (differences.what, differences.mending);
            // Cassandra hides what is written to a column with a timestamp before it was last dropped.
            let but = "a column that is added again stays empty in rows of records older than its removal";
            return Err(changed(format!("table {name} has changed: {what}; to mend it: {mending} ({but})")));
        }
        let prepared = async {
            let ttl_s = schema::read_ttl(session, config, context).await?;
            Ok((ttl_s, schema::prepare_insert(session, config, context, &self.table, ttl_s).await?))
        };
        let (ttl_s, insert) = prepared.await.map_err(|error: OpenError| match error.retryable {
            true => unread(error.message),
            false => changed(error.message),
        })?;
        self.sender = Sender::new(Arc::clone(session), insert, &config.keyspace, config.concurrency);
        (self.ttl_s, self.version, self.cluster, self.unfit) = (ttl_s, version, cluster, false);
        tracing::info!(pipeline = %self.context.pipeline, sink = %self.context.display, "prepared again: {name} has changed");
        Ok(())
    }
}

/// The version of the schema that all nodes agree on; `None` where they do not, or do not answer.
async fn version(session: &Session) -> Option<Uuid> {
    session.check_schema_agreement().await.ok().flatten()
}
