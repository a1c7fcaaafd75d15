//! `cassandra:` upserts rows into a table of Apache Cassandra or ScyllaDB.
//!
//! Every row is one prepared `INSERT … USING TIMESTAMP ?` over **all** columns, with the write timestamp of
//! [`Stamps`](super::table::Stamps), sent to a replica of its partition. A row is acknowledged when as many replicas
//! as the configured consistency asks for have confirmed it; a timeout is a failure. The driver makes one attempt and
//! never lowers the consistency: retries are the pipeline's. The time to live is the table's own default, counted by
//! the database from the write.

mod connect;
mod encode;
mod failure;
mod schema;

use std::sync::Arc;

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use scylla::{client::session::Session, statement::prepared::PreparedStatement};

use self::encode::{EncodedRow, RowBuffer};
use super::{
    Failure, OpenContext, OpenError, Sink, WriteBatch,
    table::{Stamps, Table},
};
use crate::{config::CassandraSink, record::Field};

/// A table of a Cassandra cluster.
pub struct CassandraTable {
    session: Session,
    insert: PreparedStatement,
    table: Table,
    stamps: Stamps,
    concurrency: usize,
    buffer: RowBuffer,
}

impl CassandraTable {
    /// Connects, creates what is missing if the configuration says so, and checks that the table can take the rows.
    pub async fn open(config: &CassandraSink, context: &OpenContext) -> Result<Self, OpenError> {
        let opening = async {
            let session = connect::connect(config, context).await?;
            let table = schema::prepare_table(&session, config, context).await?;
            let insert = schema::prepare_insert(&session, config, context, &table).await?;
            Ok(Self {
                session,
                insert,
                table,
                stamps: Stamps::default(),
                concurrency: config.concurrency.max(1),
                buffer: RowBuffer::default(),
            })
        };
        let opened = tokio::time::timeout(context.timeout, opening).await;
        opened.unwrap_or_else(|_| Err(connect::no_answer(config, context)))
    }
}

impl Sink for CassandraTable {
    fn fields(&self) -> Vec<Field> {
        self.table.fields()
    }

    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            let Self { session, insert, table, stamps, concurrency, buffer } = self;
            let mut failures = buffer.fill(table, stamps, batch, rows);
            let mut under_way = FuturesUnordered::new();
            for row in buffer.rows() {
                if under_way.len() >= *concurrency {
                    failures.extend(under_way.next().await.flatten());
                }
                under_way.push(write_row(session, insert, row));
            }
            while let Some(failure) = under_way.next().await {
                failures.extend(failure);
            }
            failures.sort_unstable_by_key(|failure| failure.row);
            failures
        })
    }
}

async fn write_row(session: &Session, insert: &PreparedStatement, row: EncodedRow<'_>) -> Option<Failure> {
    let written = session.execute_unpaged(insert, &row).await;
    written.err().map(|error| failure::of(row.row(), &error))
}
