//! The rows of a table of Apache Cassandra, page by page, into a tally. Of columns that no count needs only the write time
//! is asked for, which is there exactly where the value is.
//!
//! A page must pass over all rows that have expired and still lie there, and the database refuses one that passes over too
//! many. So the table is read by ranges of tokens, and a range that is refused is halved from where reading had come.

use scylla::{
    client::session::Session,
    cluster::metadata::{self, ColumnKind},
    deserialize::row::{ColumnIterator, RawColumn},
    errors::{DbError, ExecutionError, RequestAttemptError},
    frame::{
        response::result::{ColumnType, NativeType},
        types::Consistency,
    },
    response::{PagingState, query_result::QueryResult},
    statement::{Statement, prepared::PreparedStatement},
};

use super::{Column, Contents, Failed, Limit, Progress, Tally, Value, is_looked_into};
use crate::{
    config::CassandraSink,
    sink::{
        OpenContext,
        cassandra::{connect::connect, connect::no_answer, quoted, table_name},
    },
};

/// Small, as a page is in memory as a whole and nobody knows how long the values are.
const PAGE_ROWS: i32 = 1_000;
/// A range of fewer tokens is not halved any more: a million of these make up the whole table.
const LEAST_RANGE: u64 = 1 << 44;
const EPOCH_DAY: i64 = 1 << 31;
const DAY_MS: i64 = 86_400_000;

/// Reads the table.
pub async fn read(
    config: &CassandraSink,
    context: &OpenContext,
    limit: Limit,
    now_ms: &(dyn Fn() -> i64 + Sync),
    progress: Progress<'_>,
) -> Result<Contents, Failed> {
    let connected = tokio::time::timeout(context.timeout, connect(config, context)).await;
    let connected = connected.unwrap_or_else(|_| Err(no_answer(config, context)));
    let session = connected.map_err(|error| Failed { message: error.message, hint: error.hint })?;
    let cluster = session.get_cluster_state();
    let table = cluster.get_keyspace(&config.keyspace).and_then(|keyspace| keyspace.tables.get(&config.table));
    let Some(table) = table else {
        let message = format!("there is no table {} at {}", table_name(config), config.nodes.join(", "));
        return Err(Failed::new(message, "run the pipeline that makes it first, or name another table"));
    };
    let asked = Asked::of(table);
    let mut select = Statement::new(asked.cql(config, table));
    select.set_page_size(PAGE_ROWS);
    if config.consistency == "each_quorum" {
        select.set_consistency(Consistency::LocalQuorum); // the other one is for writes only
    }
    let failed =
        |error: String| Failed::new(format!("cannot read {}: {error}", table_name(config)), "see the database's log");
    let mut select = session.prepare(select).await.map_err(|error| failed(error.to_string()))?;
    select.set_is_idempotent(true);
    let mut tally = Tally::new(&asked.columns);
    let mut reading = Reading { session, select, asked, limit, now_ms, progress, tally: &mut tally, last: None };
    // Ascending, the next one at the end.
    let mut ranges = vec![(i64::MIN, i64::MAX)];
    while let Some((from, to)) = ranges.pop() {
        match reading.range(from, to).await {
            Ok(Read::All) => {}
            Ok(Read::UpToTheLimit) => return Ok(tally.contents(true)),
            Err(error) => {
                let from = reading.last.map_or(from, |last| last.saturating_add(1)).max(from);
                let is_divisible = table.clustering_key.is_empty() && to.abs_diff(from) >= LEAST_RANGE;
                if !error.is_too_much() || !is_divisible {
                    return Err(failed(error.to_string()));
                }
                let middle = from.midpoint(to);
                tracing::debug!("{error}; reading the tokens {from} to {to} in two halves");
                ranges.push((middle + 1, to));
                ranges.push((from, middle));
            }
        }
    }
    Ok(tally.contents(false))
}

/// What is asked of each row, in this order: the cells, then write time and time to live of each column that has them,
/// then the token.
struct Asked {
    columns: Vec<Column>,
    cells: Vec<Cell>,
}

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Part of the primary key, so that it is always there.
    Key,
    /// Its value, and its times if `timed`.
    Value { kind: Kind, timed: bool },
    /// Its times alone.
    Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Timestamp,
    Date,
    Other,
}

impl Asked {
    fn of(table: &metadata::Table) -> Self {
        let mut named: Vec<(&String, &metadata::Column)> = table.columns.iter().collect();
        named.sort_by_key(|(name, _)| *name);
        let column = |(name, column): &(&String, &metadata::Column)| Column {
            name: (*name).clone(),
            type_name: type_name(&column.typ),
        };
        let columns = named.iter().map(column).collect();
        let cells = named.iter().map(|(name, column)| {
            let is_key = matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering);
            // Collections have many times, counters none.
            let timed = matches!(&column.typ, ColumnType::Native(native) if *native != NativeType::Counter) && !is_key;
            match (is_looked_into(name), is_key) {
                (true, _) => Cell::Value { kind: kind(&column.typ), timed },
                (false, true) => Cell::Key,
                (false, false) if timed => Cell::Times,
                (false, false) => Cell::Value { kind: Kind::Other, timed },
            }
        });
        let cells = cells.collect();
        Self { columns, cells }
    }

    fn cql(&self, config: &CassandraSink, table: &metadata::Table) -> String {
        let mut asked = Vec::new();
        for (column, cell) in self.columns.iter().zip(&self.cells) {
            let name = quoted(&column.name);
            let times = [format!("WRITETIME({name})"), format!("TTL({name})")];
            match cell {
                Cell::Key => {}
                Cell::Times => asked.extend(times),
                Cell::Value { timed, .. } => {
                    asked.push(name);
                    asked.extend(times.into_iter().filter(|_| *timed));
                }
            }
        }
        let key: Vec<String> = table.partition_key.iter().map(|name| quoted(name)).collect();
        let token = format!("token({})", key.join(", "));
        asked.push(token.clone());
        format!("SELECT {} FROM {} WHERE {token} >= ? AND {token} <= ? LIMIT ?", asked.join(", "), table_name(config))
    }
}

fn kind(column_type: &ColumnType<'_>) -> Kind {
    match column_type {
        ColumnType::Native(NativeType::Text | NativeType::Ascii) => Kind::Text,
        ColumnType::Native(NativeType::Timestamp) => Kind::Timestamp,
        ColumnType::Native(NativeType::Date) => Kind::Date,
        _ => Kind::Other,
    }
}

fn type_name(column_type: &ColumnType<'_>) -> String {
    match column_type {
        ColumnType::Native(native) => format!("{native:?}").to_lowercase(),
        ColumnType::Collection { .. } => "collection".to_owned(),
        ColumnType::Tuple(_) => "tuple".to_owned(),
        ColumnType::Vector { .. } => "vector".to_owned(),
        _ => "user-defined type".to_owned(),
    }
}

/// How far a range was read.
enum Read {
    All,
    UpToTheLimit,
}

struct Reading<'a> {
    session: Session,
    select: PreparedStatement,
    asked: Asked,
    limit: Limit,
    now_ms: &'a (dyn Fn() -> i64 + Sync),
    progress: Progress<'a>,
    tally: &'a mut Tally,
    /// The token of the last row that was counted.
    last: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Page(Box<ExecutionError>),
    #[error("an answer could not be read: {0}")]
    Answer(String),
}

impl ReadError {
    /// Whether less may succeed: rows that have expired and still lie there were too many, or took too long.
    fn is_too_much(&self) -> bool {
        let Self::Page(error) = self else { return false };
        match error.as_ref() {
            ExecutionError::RequestTimeout(_) => true,
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => {
                matches!(error, DbError::ReadFailure { .. } | DbError::ReadTimeout { .. })
            }
            _ => false,
        }
    }
}

impl Reading<'_> {
    async fn range(&mut self, from: i64, to: i64) -> Result<Read, ReadError> {
        // One more than is counted tells whether there are more.
        let left = self.limit.rows().map(|rows| rows.saturating_sub(self.tally.rows()).saturating_add(1));
        let most = left.and_then(|left| i32::try_from(left).ok()).unwrap_or(i32::MAX);
        let mut state = PagingState::start();
        loop {
            let page = self.session.execute_single_page(&self.select, (from, to, most), state).await;
            let page = page.map_err(|error| ReadError::Page(Box::new(error)))?;
            let (page, next) = page;
            if let Read::UpToTheLimit = self.page(page)? {
                return Ok(Read::UpToTheLimit);
            }
            (self.progress)(self.tally.rows());
            match next.into_paging_control_flow() {
                std::ops::ControlFlow::Break(()) => return Ok(Read::All),
                std::ops::ControlFlow::Continue(next) => state = next,
            }
        }
    }

    fn page(&mut self, page: QueryResult) -> Result<Read, ReadError> {
        let answer = |error: &dyn std::error::Error| ReadError::Answer(error.to_string());
        let now_ms = (self.now_ms)();
        let page = page.into_rows_result().map_err(|error| answer(&error))?;
        for row in page.rows::<ColumnIterator<'_, '_>>().map_err(|error| answer(&error))? {
            if self.limit.is_reached(self.tally.rows()) {
                return Ok(Read::UpToTheLimit);
            }
            let mut parts = row.map_err(|error| answer(&error))?;
            let mut next = || -> Result<Option<&[u8]>, ReadError> {
                let part: Option<RawColumn<'_, '_>> = parts.next().transpose().map_err(|error| answer(&error))?;
                Ok(part.and_then(|part| part.slice).map(|slice| slice.as_slice()))
            };
            let (mut written_us, mut ttl_s) = (None, None);
            for (at, cell) in self.asked.cells.iter().enumerate() {
                let (value, timed) = match cell {
                    Cell::Key => (Value::Other, false),
                    Cell::Times => (Value::Other, true),
                    Cell::Value { kind, timed } => (value(*kind, next()?), *timed),
                };
                let mut is_there = value != Value::Missing;
                if timed {
                    let written = next()?.and_then(integer);
                    is_there &= written.is_some();
                    written_us = written_us.max(written);
                    ttl_s = ttl_s.max(next()?.and_then(integer));
                }
                self.tally.cell(at, if is_there { value } else { Value::Missing });
            }
            self.last = next()?.and_then(integer);
            let expires_ms = ttl_s.map(|ttl_s| now_ms.saturating_add(ttl_s.saturating_mul(1_000)));
            self.tally.row(written_us.map(|us| us.div_euclid(1_000)), expires_ms);
        }
        Ok(Read::All)
    }
}

fn value(kind: Kind, bytes: Option<&[u8]>) -> Value<'_> {
    let Some(bytes) = bytes else { return Value::Missing };
    match kind {
        Kind::Text => Value::Text(bytes),
        Kind::Timestamp => integer(bytes).map_or(Value::Other, Value::Instant),
        // Days, counted from 2^31 days before the epoch.
        Kind::Date => bytes
            .try_into()
            .map_or(Value::Other, |days| Value::Instant((i64::from(u32::from_be_bytes(days)) - EPOCH_DAY) * DAY_MS)),
        Kind::Other => Value::Other,
    }
}

/// A big-endian integer of four or eight bytes.
fn integer(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => bytes.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
        8 => bytes.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    }
}
