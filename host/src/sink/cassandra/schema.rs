//! The keyspace and the table: creating them where the configuration says so, and checking that the table can take
//! the rows.
//!
//! Names are always quoted in CQL, so a column is the field of exactly that name. An existing table is never altered:
//! what differs is named, with the statement that would mend it.

use scylla::{
    client::session::Session,
    cluster::{ClusterState, metadata},
    errors::{ExecutionError, PrepareError},
    frame::types::Consistency,
    statement::{Statement, prepared::PreparedStatement},
};

use super::shape::{columns_of, differences};
use crate::{
    config::{CassandraSink, CreateTable},
    sink::{
        OpenContext, OpenError,
        table::{Column, Table, wanted_columns},
    },
};

/// Finds the table or creates it, and says which columns are written.
pub async fn prepare_table(
    session: &Session,
    config: &CassandraSink,
    context: &OpenContext,
) -> Result<Table, OpenError> {
    let wanted = wanted_columns(config.create.as_ref(), context)?;
    let find = || find(&session.get_cluster_state(), config).cloned();
    if find().is_none() {
        create(session, config, context, wanted.as_deref()).await?;
    }
    let Some(existing) = find() else {
        let message = format!("table {} was created but is not visible yet", table_name(config));
        return Err(OpenError { url: context.display.clone(), message, hint: None, retryable: true });
    };
    if let Some(differences) = wanted.as_ref().and_then(|wanted| differences(&existing, wanted, config)) {
        let table = table_name(config);
        return Err(OpenError {
            url: context.display.clone(),
            message: format!("table {table} differs from the configuration: {}", differences.what),
            hint: Some(format!("to mend it: {}", differences.mending)),
            retryable: false,
        });
    }
    if context.dead_letters {
        return Ok(Table::of_dead_letters(context.pipeline.clone()));
    }
    Ok(Table::of_fields(columns_of(&existing, config, context)?))
}

/// How long the table's rows live, whoever has created it.
pub async fn read_ttl(
    session: &Session,
    config: &CassandraSink,
    context: &OpenContext,
) -> Result<Option<i32>, OpenError> {
    let failed = |error: String| OpenError {
        url: context.display.clone(),
        message: format!("cannot read the default_time_to_live of {}: {error}", table_name(config)),
        hint: None,
        retryable: true,
    };
    let cql = "SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    let mut select = Statement::new(cql);
    // The schema lies on every node, and not every consistency for writes is one for reads.
    select.set_consistency(Consistency::One);
    let answer = session.query_unpaged(select, (&config.keyspace, &config.table)).await;
    let rows = answer.map_err(|error| failed(error.to_string()))?.into_rows_result();
    let rows = rows.map_err(|error| failed(error.to_string()))?;
    let ttl = rows.maybe_first_row::<(Option<i32>,)>().map_err(|error| failed(error.to_string()))?;
    Ok(ttl.and_then(|(ttl,)| ttl).filter(|ttl| *ttl > 0))
}

/// Prepares the one statement that writes a row: all columns, the write timestamp, and where rows expire their lifetime.
pub async fn prepare_insert(
    session: &Session,
    config: &CassandraSink,
    context: &OpenContext,
    table: &Table,
    ttl_s: Option<i32>,
) -> Result<PreparedStatement, OpenError> {
    let names: Vec<String> = table.columns().iter().map(|column| quoted(&column.name)).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let ttl = if ttl_s.is_some() { " AND TTL ?" } else { "" };
    let cql =
        format!("INSERT INTO {} ({}) VALUES ({marks}) USING TIMESTAMP ?{ttl}", table_name(config), names.join(", "));
    let mut insert = session.prepare(cql.as_str()).await.map_err(|error| {
        let refused = matches!(&error, PrepareError::AllAttemptsFailed { first_attempt } if is_refusal(first_attempt));
        // Of several hosts that create the table at the same time, one may ask before the node has it.
        let not_yet = config.create.is_some() && error.to_string().contains("does not exist");
        OpenError {
            url: context.display.clone(),
            message: format!("cannot prepare `{cql}`: {error}"),
            hint: None,
            retryable: !refused || not_yet,
        }
    })?;
    // The write timestamp makes it so.
    insert.set_is_idempotent(true);
    Ok(insert)
}

/// The table as the driver last saw it.
pub fn find<'a>(cluster: &'a ClusterState, config: &CassandraSink) -> Option<&'a metadata::Table> {
    cluster.get_keyspace(&config.keyspace)?.tables.get(&config.table)
}

/// The statement that creates the table, with these columns and that lifetime of rows in seconds.
pub fn table_cql(config: &CassandraSink, columns: &[Column], ttl_s: Option<u64>) -> String {
    let mut parts: Vec<String> =
        columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.column_type)).collect();
    let key: Vec<String> = columns.iter().filter(|column| column.key).map(|column| quoted(&column.name)).collect();
    parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    let create = format!("CREATE TABLE IF NOT EXISTS {} ({})", table_name(config), parts.join(", "));
    match ttl_s {
        Some(seconds) => format!("{create} WITH default_time_to_live = {seconds}"),
        None => create,
    }
}

/// Keyspace and table, quoted.
pub fn table_name(config: &CassandraSink) -> String {
    format!("{}.{}", quoted(&config.keyspace), quoted(&config.table))
}

/// A name in double quotes, whatever is in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn create(
    session: &Session,
    config: &CassandraSink,
    context: &OpenContext,
    wanted: Option<&[Column]>,
) -> Result<(), OpenError> {
    let keyspace_missing = session.get_cluster_state().get_keyspace(&config.keyspace).is_none();
    let mut statements = Vec::new();
    if keyspace_missing {
        statements.push(keyspace_cql(config));
    }
    if let Some(wanted) = wanted {
        statements.push(table_cql(config, wanted, ttl_seconds(config.create.as_ref())));
    }
    if config.create.is_none() || wanted.is_none() {
        let missing = if keyspace_missing { "keyspace and table" } else { "table" };
        statements.extend(wanted.is_none().then(|| format!("CREATE TABLE {} (…)", table_name(config))));
        return Err(OpenError {
            url: context.display.clone(),
            message: format!("there is no {missing} {}", table_name(config)),
            hint: Some(format!("add `create` with `columns` to the sink, or run: {}", statements.join("; "))),
            retryable: false,
        });
    }
    for cql in statements {
        let created = session.query_unpaged(cql.as_str(), ()).await;
        created.map_err(|error| OpenError {
            url: context.display.clone(),
            message: format!("cannot run `{cql}`: {error}"),
            hint: None,
            retryable: !is_refused(&error),
        })?;
    }
    session.refresh_metadata().await.map_err(|error| OpenError {
        url: context.display.clone(),
        message: format!("cannot read the schema of {}: {error}", table_name(config)),
        hint: None,
        retryable: true,
    })
}

fn keyspace_cql(config: &CassandraSink) -> String {
    let factor = config.create.as_ref().map_or(1, |create| create.replication_factor);
    let replication = match &config.local_dc {
        Some(datacenter) => {
            format!("'class': 'NetworkTopologyStrategy', '{}': {factor}", datacenter.replace('\'', "''"))
        }
        None => format!("'class': 'SimpleStrategy', 'replication_factor': {factor}"),
    };
    format!("CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {{{replication}}}", quoted(&config.keyspace))
}

/// Whole seconds, since Cassandra counts no finer; rounded up, or a short life would become an endless one.
fn ttl_seconds(create: Option<&CreateTable>) -> Option<u64> {
    create?.ttl.map(|ttl| ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0))
}

fn is_refused(error: &ExecutionError) -> bool {
    matches!(error, ExecutionError::LastAttemptError(error) if is_refusal(error))
}

/// Whether the database has understood the statement and does not want it.
fn is_refusal(error: &scylla::errors::RequestAttemptError) -> bool {
    use scylla::errors::{DbError, RequestAttemptError};
    let RequestAttemptError::DbError(error, _) = error else {
        return false;
    };
    matches!(error, DbError::SyntaxError | DbError::Invalid | DbError::Unauthorized | DbError::ConfigError)
}
