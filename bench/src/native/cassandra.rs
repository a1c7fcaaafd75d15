//! The table: rows go in, up to so many writes are under way at once; each is a prepared statement, or a few in an
//! unlogged batch. The consistency is the same as Millstream's default.

use anyhow::{Context, Result};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    statement::{
        Consistency,
        batch::{Batch, BatchStatement, BatchType},
        prepared::PreparedStatement,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

use super::user::Cells;

/// Rows under way at once; Millstream's default.
const CONCURRENCY: usize = 128;
/// How long a row waits for others.
const LINGER: Duration = Duration::from_millis(5);
const COLUMNS: &str =
    "id, first_name, last_name, gender, address, post_code, email, username, registered_date, phone, picture";

type Row = (
    Uuid,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

pub struct Table {
    session: Arc<Session>,
    insert: Arc<PreparedStatement>,
    /// Rows in a request.
    size: usize,
    waiting: Vec<Row>,
    since: Instant,
    under_way: FuturesUnordered<BoxFuture<'static, Result<()>>>,
}

impl Table {
    /// Connects to `host:port/keyspace.table`.
    pub async fn open(url: &str, size: usize) -> Result<Self> {
        let (node, table) = url.split_once('/').context("a table is named as host:port/keyspace.table")?;
        let session = SessionBuilder::new().known_node(node).build().await.context("cannot reach Cassandra")?;
        let insert = format!("INSERT INTO {table} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let mut insert = session.prepare(insert).await?;
        insert.set_consistency(Consistency::LocalQuorum);
        insert.set_is_idempotent(true);
        Ok(Self {
            session: session.into(),
            insert: insert.into(),
            size: size.max(1),
            waiting: Vec::new(),
            since: Instant::now(),
            under_way: FuturesUnordered::new(),
        })
    }

    pub async fn write(&mut self, id: Uuid, cells: Cells) -> Result<()> {
        let [first, last, gender, address, post_code, email, username, registered, phone, picture] = cells;
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push((id, first, last, gender, address, post_code, email, username, registered, phone, picture));
        if self.waiting.len() >= self.size { self.send().await } else { Ok(()) }
    }

    /// Ends when the rows that wait have waited long enough. Meanwhile the writes under way go on.
    pub async fn linger(&mut self) -> Result<()> {
        let (waits, until) = (!self.waiting.is_empty(), self.since + LINGER);
        loop {
            tokio::select! {
                Some(sent) = self.under_way.next() => sent?,
                () = tokio::time::sleep_until(until), if waits => return Ok(()),
                else => std::future::pending().await,
            }
        }
    }

    /// Sends the rows that wait; waits while there are too many under way.
    pub async fn send(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        while self.under_way.len() * self.size >= CONCURRENCY {
            self.under_way.next().await.transpose()?;
        }
        self.under_way.push(Box::pin(send(self.session.clone(), self.insert.clone(), rows)));
        Ok(())
    }

    pub async fn finish(mut self) -> Result<()> {
        self.send().await?;
        while let Some(sent) = self.under_way.next().await {
            sent?;
        }
        Ok(())
    }
}

async fn send(session: Arc<Session>, insert: Arc<PreparedStatement>, rows: Vec<Row>) -> Result<()> {
    if let [row] = rows.as_slice() {
        session.execute_unpaged(&insert, row).await?;
        return Ok(());
    }
    let statements = vec![BatchStatement::PreparedStatement((*insert).clone()); rows.len()];
    let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
    batch.set_consistency(Consistency::LocalQuorum);
    session.batch(&batch, rows).await?;
    Ok(())
}
