//! `cassandra:` upserts rows into a table of Apache Cassandra or ScyllaDB.
//!
//! Every row is a prepared `INSERT … USING TIMESTAMP ?` over **all** columns, with the write timestamp of
//! [`Stamps`](super::table::Stamps). A row is acknowledged when as many replicas as the configured consistency asks
//! for have confirmed it; a timeout is a failure. The driver makes one attempt and never lowers the consistency:
//! retries are the pipeline's. The time to live is the table's own default, counted by the database from the write, or,
//! of a row that may have been written before a crash, what is left of it.

mod connect;
mod encode;
mod failure;
mod schema;
mod send;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use self::{
    encode::{EncodedRow, RowBuffer},
    send::Sender,
};
use super::{
    Failure, OpenContext, OpenError, Sink, WriteBatch,
    table::{Stamps, Table},
};
use crate::{config::CassandraSink, record::Field};

/// A table of a Cassandra cluster.
pub struct CassandraTable {
    sender: Sender,
    table: Table,
    stamps: Stamps,
    buffer: RowBuffer,
    /// Seconds, `None` where rows stay.
    ttl_s: Option<i32>,
}

impl CassandraTable {
    /// Connects, creates what is missing if the configuration says so, and checks that the table can take the rows.
    pub async fn open(config: &CassandraSink, context: &OpenContext) -> Result<Self, OpenError> {
        let opening = async {
            let session = connect::connect(config, context).await?;
            let table = schema::prepare_table(&session, config, context).await?;
            let ttl_s = schema::read_ttl(&session, config, context).await?;
            let insert = schema::prepare_insert(&session, config, context, &table, ttl_s).await?;
            let sender = Sender::new(session, insert, &config.keyspace, config.concurrency);
            Ok(Self { sender, table, stamps: Stamps::default(), buffer: RowBuffer::default(), ttl_s })
        };
        let opened = tokio::time::timeout(context.timeout, opening).await;
        opened.unwrap_or_else(|_| Err(connect::no_answer(config, context)))
    }
}

impl Sink for CassandraTable {
    fn fields(&self) -> Vec<Field> {
        self.table.fields()
    }

    fn lifetime(&self) -> Option<Duration> {
        self.ttl_s.map(|ttl_s| Duration::from_secs(ttl_s.unsigned_abs().into()))
    }

    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            let Self { sender, table, stamps, buffer, ttl_s } = self;
            let mut failures = buffer.fill(table, stamps, batch, rows, *ttl_s);
            let encoded: Vec<EncodedRow<'_>> = buffer.rows().collect();
            failures.extend(sender.send(&encoded).await);
            failures.sort_unstable_by_key(|failure| failure.row);
            failures
        })
    }
}
