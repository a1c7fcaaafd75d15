//! `[pipeline.sink]` and `[pipeline.dead_letters]`: from the table to a [`SinkConfig`].

use super::{
    context::Context,
    defaults as d,
    fault::Fault,
    model::*,
    options::options,
    secret,
    setting::Place,
    source::address,
    tree::Section,
    url::{self, Address, Role},
};

/// `None` where a fault leaves no sink; every fault is noted.
pub(super) fn sink(cx: &mut Context<'_>, section: &mut Section<'_>, role: Role) -> Option<SinkConfig> {
    let url = section.text(cx, "url");
    let kind = url.as_ref().map_or(section.raw("url"), |url| Some(&url.value));
    let kind = kind.and_then(|url| url::kind_of(url, role));
    section.check_names(cx, kind);
    section.require(cx, "url", "add `url = \"…\"`, such as `log:topic` or `sqlite:path/table`");
    let timeout = section.time(cx, "timeout").unwrap_or(d::SINK_TIMEOUT);
    let retry_max_delay = section.time(cx, "retry_max_delay").unwrap_or(d::SINK_RETRY_MAX_DELAY);
    let address = url.as_ref().and_then(|url| address(cx, url, role));
    let is_usable = address.is_some();
    let address = address.or_else(|| url::stand_in(kind?))?;
    let url = url.map(|url| url.value).unwrap_or_default();
    let endpoint = endpoint(cx, section, address, role)?;
    is_usable.then(|| SinkConfig { display: secret::mask_url(&url), endpoint, timeout, retry_max_delay })
}

/// The table at an address that stands in no file, with the defaults of everything else; or what is wrong with it, and
/// what to do.
pub fn table_at(url: &str) -> Result<SinkConfig, (String, String)> {
    let address = url::parse(url, Role::Sink).map_err(|fault| (fault.message, fault.hint))?;
    let endpoint = match address {
        Address::Cassandra { user, nodes, keyspace, table } => {
            let (user, password) = user.map_or((None, None), |(user, password)| (Some(user), password));
            SinkEndpoint::Cassandra(CassandraSink {
                nodes,
                user,
                password,
                keyspace,
                table,
                local_dc: None,
                create: None,
                consistency: d::CONSISTENCY.to_owned(),
                concurrency: d::CONCURRENCY,
            })
        }
        Address::Sqlite { path, table } => SinkEndpoint::Sqlite(SqliteSink { path: path.into(), table, create: None }),
        _ => {
            let message = format!("`{}` is no table", secret::mask_url(url));
            let hint = "a table is `sqlite:path/table` or `cassandra://[user:password@]host[:port]/keyspace.table`";
            return Err((message, hint.to_owned()));
        }
    };
    let (timeout, retry_max_delay) = (d::SINK_TIMEOUT, d::SINK_RETRY_MAX_DELAY);
    Ok(SinkConfig { display: secret::mask_url(url), endpoint, timeout, retry_max_delay })
}

fn endpoint(cx: &mut Context<'_>, section: &Section<'_>, address: Address, role: Role) -> Option<SinkEndpoint> {
    Some(match address {
        Address::Kafka { brokers, topic } => {
            SinkEndpoint::Kafka(KafkaSink { brokers, topic, options: options(cx, section) })
        }
        Address::Log { topic } => {
            let partitions = section.count(cx, "partitions").and_then(|count| u32::try_from(count).ok());
            SinkEndpoint::Log(LogSink { topic, partitions: partitions.unwrap_or(d::PARTITIONS) })
        }
        Address::Cassandra { user, nodes, keyspace, table } => {
            let (user, password) = user.map_or((None, None), |(user, password)| (Some(user), password));
            let concurrency = section.count(cx, "concurrency").and_then(|count| usize::try_from(count).ok());
            SinkEndpoint::Cassandra(CassandraSink {
                nodes,
                user,
                password,
                keyspace,
                table,
                local_dc: section.text(cx, "local_dc").map(|text| text.value),
                create: create(cx, section, "cassandra"),
                consistency: section.choice(cx, "consistency").unwrap_or(d::CONSISTENCY).to_owned(),
                concurrency: concurrency.unwrap_or(d::CONCURRENCY),
            })
        }
        Address::Sqlite { path, table } => {
            SinkEndpoint::Sqlite(SqliteSink { path: cx.in_folder(&path), table, create: create(cx, section, "sqlite") })
        }
        Address::File { path } => {
            SinkEndpoint::File(FileSink { path: cx.in_folder(&path), format: format(cx, section, role) })
        }
        Address::Stdout => SinkEndpoint::Stdout(format(cx, section, role)),
        Address::Discard => SinkEndpoint::Discard,
        // the role was checked with the address
        Address::Http | Address::Generator => return None,
    })
}

fn format(cx: &mut Context<'_>, section: &Section<'_>, role: Role) -> Format {
    match (section.choice(cx, "format"), role) {
        (Some("value"), _) => Format::Value,
        (Some(_), _) | (None, Role::DeadLetters) => Format::Envelope,
        (None, _) => Format::Value,
    }
}

/// `[….create]`
fn create(cx: &mut Context<'_>, section: &Section<'_>, kind: &str) -> Option<CreateTable> {
    let mut create = section.section(cx, "create", Place::Create)?;
    create.check_names(cx, Some(kind));
    create.require(cx, "columns", "add `columns = { id = \"uuid\", … }`");
    let columns = columns(cx, &create);
    let primary_key = match create.text(cx, "primary_key") {
        None => columns.first().map(|(name, _)| name.clone()),
        Some(key) if columns.is_empty() || columns.iter().any(|(name, _)| *name == key.value) => Some(key.value),
        Some(key) => {
            let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("{} is not one of the columns", key.quoted());
            let hint = format!("the columns are {}", super::tree::quote_all(&names));
            cx.fault(Fault::new("bad-value", key.span, message).hint(hint));
            None
        }
    };
    let ttl = create.time(cx, "ttl");
    if ttl.is_some_and(|ttl| ttl.subsec_nanos() > 0) {
        let message = "`ttl` has a fraction of a second, and lifetimes are counted in seconds";
        cx.fault(Fault::new("out-of-range", create.value_span("ttl"), message).hint("choose whole seconds"));
    }
    let replication_factor = create.count(cx, "replication_factor").and_then(|count| u32::try_from(count).ok());
    Some(CreateTable {
        columns,
        primary_key: primary_key?,
        ttl,
        replication_factor: replication_factor.unwrap_or(d::REPLICATION_FACTOR),
    })
}

/// Names and types end up in a `CREATE TABLE`, so nothing may stand in them that could end it.
fn columns(cx: &mut Context<'_>, create: &Section<'_>) -> Vec<(String, String)> {
    let mut columns: Vec<(String, String)> = Vec::new();
    let faults_before = cx.faults.len();
    for (name, of_type) in create.texts(cx, "columns") {
        if let Err(fault) = url::identifier(&name.value, "column") {
            cx.fault(Fault::new(fault.code, name.span.clone(), fault.message).hint(fault.hint));
        }
        if columns.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name.value)) {
            let message = format!("there is a column {} already", name.quoted());
            cx.fault(Fault::new("duplicate-name", name.span, message).hint("SQL ignores case in names"));
        }
        let is_fine = of_type.value.chars().all(|c| c.is_ascii_alphanumeric() || "_<>, ".contains(c));
        if !is_fine || !of_type.value.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let message = format!("{} is not a type", of_type.quoted());
            cx.fault(Fault::new("bad-value", of_type.span, message).hint("write a type of CQL, such as `\"text\"`"));
        }
        columns.push((name.value, of_type.value));
    }
    if columns.is_empty() && create.has("columns") && cx.faults.len() == faults_before {
        let fault = Fault::new("bad-value", create.value_span("columns"), "`columns` has no columns");
        cx.fault(fault.hint("add at least the primary key: `{ id = \"uuid\" }`"));
    }
    columns
}
