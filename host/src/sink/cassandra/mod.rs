//! `cassandra:` upserts rows into a table of Apache Cassandra or ScyllaDB.
//!
//! Every row is a prepared `INSERT … USING TIMESTAMP ?` over **all** columns, with the write timestamp of
//! [`Stamps`](super::table::Stamps). A row is acknowledged when as many replicas as the configured consistency asks
//! for have confirmed it; a timeout is a failure. The driver makes one attempt and never lowers the consistency:
//! retries are the pipeline's. The time to live is the table's own default, counted by the database from the write, or,
//! of a row that may have been written before a crash, what is left of it. A table that is dropped or altered meanwhile
//! holds the rows up until it can take them again; none is refused for it.

pub(crate) mod connect;
mod encode;
mod failure;
mod prepared;
mod schema;
mod send;
mod shape;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

pub(crate) use self::schema::{quoted, table_name};
use self::{
    encode::{EncodedRow, RowBuffer},
    prepared::Prepared,
};
use super::{Failure, OpenContext, OpenError, Sink, WriteBatch, retry_all, table::Stamps};
use crate::{config::CassandraSink, record::Field};

/// A table of a Cassandra cluster.
pub struct CassandraTable {
    prepared: Prepared,
    stamps: Stamps,
    buffer: RowBuffer,
}

impl CassandraTable {
    /// Connects, creates what is missing if the configuration says so, and checks that the table can take the rows.
    pub async fn open(config: &CassandraSink, context: &OpenContext) -> Result<Self, OpenError> {
        let opened = tokio::time::timeout(context.timeout, Prepared::open(config, context)).await;
        let prepared = opened.unwrap_or_else(|_| Err(connect::no_answer(config, context)))?;
        Ok(Self { prepared, stamps: Stamps::default(), buffer: RowBuffer::default() })
    }
}

impl Sink for CassandraTable {
    fn fields(&self) -> Vec<Field> {
        self.prepared.table().fields()
    }

    fn lifetime(&self) -> Option<Duration> {
        self.prepared.ttl_s().map(|ttl_s| Duration::from_secs(ttl_s.unsigned_abs().into()))
    }

    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            let Self { prepared, stamps, buffer } = self;
            if let Err(change) = prepared.catch_up().await {
                return retry_all(rows, change.code, &change.detail);
            }
            let mut failures = buffer.fill(prepared.table(), stamps, batch, rows, prepared.ttl_s());
            let encoded: Vec<EncodedRow<'_>> = buffer.rows().collect();
            // The driver's own limit is for each request, and an attempt is many of them.
            let timeout = prepared.timeout();
            match tokio::time::timeout(timeout, prepared.send(&encoded)).await {
                Ok(failed) => failures.extend(failed),
                Err(_) => {
                    let detail = format!("not all rows were confirmed within {timeout:?}");
                    let rows: Vec<u32> = encoded.iter().map(EncodedRow::row).collect();
                    failures.extend(retry_all(&rows, "timeout", &detail));
                }
            }
            failures.sort_unstable_by_key(|failure| failure.row);
            failures
        })
    }
}
