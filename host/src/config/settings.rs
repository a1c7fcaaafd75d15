//! The table of all settings: what the parser accepts, what its hints suggest and what the documentation lists.
//!
//! A setting that is not here does not exist: the parser looks up name, type and limits in this table. `settings.md`
//! beside this file is printed from it; a test keeps them in step.

use super::{
    defaults as d,
    setting::{Default as D, Place, Setting, Type as T},
};

const HTTP: &[&str] = &["http"];
const KAFKA: &[&str] = &["kafka"];
const TOPICS: &[&str] = &["kafka", "log"];
const FILE: &[&str] = &["file"];
const GENERATOR: &[&str] = &["generator"];
const CASSANDRA: &[&str] = &["cassandra"];
const TABLES: &[&str] = &["cassandra", "sqlite"];
const LOG: &[&str] = &["log"];
const LINES: &[&str] = &["file", "stdout"];
const ALL: &[&str] = &[];

/// Levels of Cassandra that are not weaker than one replica's own word (`any` is: a hint is enough for it).
const CONSISTENCIES: &[&str] = &["one", "two", "three", "quorum", "all", "local_quorum", "each_quorum", "local_one"];

/// What a stage can grant to its plugin.
pub const CAPABILITIES: &[&str] = &["state", "random", "clock"];

/// In the order in which the documentation lists them.
#[rustfmt::skip] // a table: one row per setting
pub const SETTINGS: &[Setting] = &[
    row("host", Place::File, ALL, T::Table, D::Words("the defaults below"), "settings of the process"),
    row("pipeline", Place::File, ALL, T::Tables, D::Required, "the pipelines, one table each"),
    row("test", Place::File, ALL, T::Tables, D::Words("none"), "what must become of records, for `millstream test`"),

    row("data_dir", Place::Host, ALL, T::Path, D::Text(d::DATA_DIR), "folder of the embedded log and of the state"),
    row("admin", Place::Host, ALL, T::Text, D::Words("none"), "address such as `127.0.0.1:8642` of the live page (`/`), the metrics (`/metrics`), `/healthz`, `/readyz`, `/pipelines` (the conservation meter), `/versions` and `POST /reload`"),
    row("admin_token", Place::Host, ALL, T::Text, D::Words("none; required where others can reach `admin`"), "what requests to it have to show: `Authorization: Bearer …`, or `?token=…` for a browser; `/healthz` and `/readyz` need none"),
    row("durability", Place::Host, ALL, T::OneOf(&["commit", "os"]), D::Text("commit"), "when a commit counts as durable: once it is fsynced, or once the operating system has it"),
    row("stack", Place::Host, ALL, T::Bytes(d::MIN_STACK, d::MAX_STACK), D::Bytes(d::STACK), "most stack of a plugin's call; read at the start only"),
    row("fuel", Place::Host, ALL, T::Flag, D::Words("`false`"), "counts what plugins execute (`millstream_stage_fuel_total`), which slows them; read at the start only"),

    row("name", Place::Pipeline, ALL, T::Name, D::Required, "unique name"),
    row("source", Place::Pipeline, ALL, T::Table, D::Required, "where its records come from"),
    row("stage", Place::Pipeline, ALL, T::Tables, D::Words("records pass as they are"), "what is done to them, in order"),
    row("sink", Place::Pipeline, ALL, T::Table, D::Required, "where they go"),
    row("dead_letters", Place::Pipeline, ALL, T::Table, D::Words("`<topic>.dead_letters` beside the source's topic, else beside the sink's"), "a sink for rejected and refused records"),
    row("state", Place::Pipeline, ALL, T::Table, D::Words("files below `data_dir`"), "keeps state and positions in a topic, so that they move with the partitions of a `kafka:` source from host to host"),
    row("probation", Place::Pipeline, ALL, T::Table, D::Words("the defaults below"), "when a version that was swapped in is put back"),
    row("workers", Place::Pipeline, ALL, T::Count("threads", 1, d::MAX_WORKERS), D::Words("one per core, at most `8`"), "threads that parse records and run the stages that keep nothing; those that do run on one, in order"),
    row("commit_interval", Place::Pipeline, ALL, T::Time(std::time::Duration::ZERO, d::MAX_COMMIT_INTERVAL), D::Time(d::COMMIT_INTERVAL), "how long batches that are written may wait to be committed together; `\"0s\"` commits each alone, before the next one is written, so that a crash repeats one at most"),
    row("for", Place::Pipeline, ALL, T::Time(d::MIN_TIME, d::MAX_RUN), D::Words("without end"), "ends the pipeline after that time; with `until` a pipeline that has not got there by then has failed"),
    row("until", Place::Pipeline, ALL, T::OneOf(&["caught-up"]), D::Words("without end"), "`\"caught-up\"`: ends the pipeline once it has handled all there was"),
    row("schedule", Place::Pipeline, ALL, T::Text, D::Words("runs at once"), "runs at these times, as cron has them: minute, hour, day, month, day of week (`\"*/5 * * * *\"`); each run ends by `for` or `until`"),
    row("time_zone", Place::Pipeline, ALL, T::Text, D::Words("`\"UTC\"`"), "whose clocks `schedule` is about, such as `\"Europe/Berlin\"`"),

    row("url", Place::Source, ALL, T::Url, D::Required, "what to read: `https://…`, `kafka://host:port/topic`, `log:topic`, `file:path`, `generator:users`"),
    row("batch_records", Place::Source, ALL, T::Count("records", 1, d::MAX_BATCH_RECORDS), D::Count(d::BATCH_RECORDS as u64), "most records in a batch"),
    row("batch_bytes", Place::Source, ALL, T::Bytes(d::MIN_BYTES, d::MAX_BYTES), D::Words("`\"320KiB\"`; `\"2MiB\"` where the sink is `kafka:`, `log:` or `sqlite:`"), "most bytes in a batch"),
    row("linger", Place::Source, ALL, T::Time(std::time::Duration::ZERO, d::MAX_LINGER), D::Time(d::LINGER), "how long a batch waits for more records"),
    row("trigger_records", Place::Source, ALL, T::Count("records", 1, d::MAX_COUNT), D::Words("no limit"), "most records read in each `trigger_interval`"),
    row("trigger_interval", Place::Source, ALL, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Words("none; `\"1s\"` with `trigger_records`"), "time from the beginning of one read to the next"),
    row("start", Place::Source, TOPICS, T::OneOf(&["earliest", "latest"]), D::Text("earliest"), "where to begin without a position: with the oldest record, or with the next one to arrive"),
    row("group", Place::Source, TOPICS, T::Text, D::Words("`millstream-<pipeline>`"), "consumer group: readers of one group share the topic"),
    row("instance", Place::Source, KAFKA, T::Text, D::Words("one kept in `data_dir`; none with `[pipeline.state]`"), "static membership: a host that comes back with the same name within `session.timeout.ms` (20 s) keeps its partitions"),
    row("drain", Place::Source, KAFKA, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::DRAIN), "how long a partition that goes to another host may wait until what was read of it is durable; after that the pipeline begins anew from its last commit"),
    row("options", Place::Source, KAFKA, T::Texts, D::Words("none"), "further settings of librdkafka, as they are"),
    row("every", Place::Source, HTTP, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::HTTP_EVERY), "time from one request to the next"),
    row("split", Place::Source, HTTP, T::Text, D::Words("the whole answer is one record"), "JSON pointer to the array whose items are the records"),
    row("headers", Place::Source, HTTP, T::Texts, D::Words("none"), "sent with every request"),
    row("timeout", Place::Source, HTTP, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::HTTP_TIMEOUT), "longest time for one request"),
    row("max_bytes", Place::Source, HTTP, T::Bytes(d::MIN_BYTES, d::MAX_BYTES), D::Bytes(d::HTTP_MAX_BYTES), "largest answer"),
    row("retry_max_delay", Place::Source, HTTP, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::HTTP_RETRY_MAX_DELAY), "longest wait between failed requests"),
    row("follow", Place::Source, FILE, T::Flag, D::Words("`false`"), "waits for more lines at the end of the file"),
    row("seed", Place::Source, GENERATOR, T::Count("", 0, u64::MAX), D::Count(d::GENERATOR_SEED), "the same seed makes the same records"),
    row("records", Place::Source, GENERATOR, T::Count("records", 1, d::MAX_COUNT), D::Words("without end"), "how many records to make"),
    row("rate", Place::Source, GENERATOR, T::Count("records per second", 1, d::MAX_COUNT), D::Words("as fast as they are taken"), "records per second"),

    row("name", Place::Stage, ALL, T::Name, D::Words("the plugin's file or folder name"), "unique within the pipeline"),
    row("plugin", Place::Stage, ALL, T::Path, D::Required, "a `.wasm` file, or a crate folder that the host builds"),
    row("config", Place::Stage, ALL, T::Anything, D::Words("empty"), "handed to the plugin as JSON"),
    row("memory", Place::Stage, ALL, T::Bytes(d::MIN_STAGE_MEMORY, d::MAX_STAGE_MEMORY), D::Bytes(d::STAGE_MEMORY), "most memory of an instance"),
    row("table", Place::Stage, ALL, T::Count("entries", 1, d::MAX_STAGE_TABLE), D::Count(d::STAGE_TABLE as u64), "most entries of an instance's tables together"),
    row("output", Place::Stage, ALL, T::Bytes(d::MIN_BYTES, d::MAX_BYTES), D::Bytes(d::STAGE_OUTPUT), "most bytes that one call may return"),
    row("timeout", Place::Stage, ALL, T::Time(d::MIN_TIME, d::MAX_STAGE_TIMEOUT), D::Time(d::STAGE_TIMEOUT), "longest time for one call"),
    row("log", Place::Stage, ALL, T::Count("messages", 0, d::MAX_STAGE_LOG), D::Count(d::STAGE_LOG as u64), "most messages that it may log in a second; the others are counted"),
    row("grant", Place::Stage, ALL, T::AnyOf(CAPABILITIES), D::Words("nothing"), "what the plugin may use of the host: stores (`state`), random words with each record (`random`), the records' timestamps (`clock`)"),

    row("url", Place::Sink, ALL, T::Url, D::Required, "where to write: `kafka://host:port/topic`, `cassandra://[user:password@]host[:port]/keyspace.table`, `log:topic`, `sqlite:path/table`, `file:path`, `stdout:`, `discard:`"),
    row("timeout", Place::Sink, ALL, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::SINK_TIMEOUT), "longest time for one attempt to write a batch"),
    row("retry_max_delay", Place::Sink, ALL, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::SINK_RETRY_MAX_DELAY), "longest wait between attempts"),
    row("options", Place::Sink, KAFKA, T::Texts, D::Words("none"), "further settings of librdkafka, as they are"),
    row("create", Place::Sink, TABLES, T::Table, D::Words("what is missing is a fault"), "creates the table (and the keyspace) where it is missing"),
    row("local_dc", Place::Sink, CASSANDRA, T::Text, D::Words("that of the first node reached"), "the datacenter to prefer"),
    row("consistency", Place::Sink, CASSANDRA, T::OneOf(CONSISTENCIES), D::Text(d::CONSISTENCY), "replicas that must confirm a write"),
    row("concurrency", Place::Sink, CASSANDRA, T::Count("writes", 1, d::MAX_CONCURRENCY), D::Count(d::CONCURRENCY as u64), "most writes under way at the same time"),
    row("partitions", Place::Sink, LOG, T::Count("partitions", 1, d::MAX_PARTITIONS), D::Count(d::PARTITIONS as u64), "partitions of the topic, where it is created"),
    row("format", Place::Sink, LINES, T::OneOf(&["value", "envelope"]), D::Words("`\"value\"`; `\"envelope\"` for dead letters"), "a line per record: its value, or a JSON object with key, headers, timestamp and value"),

    row("url", Place::State, ALL, T::Url, D::Required, "the topic: `kafka://host:port/topic`; it is created with as many partitions as the source's"),
    row("replication_factor", Place::State, ALL, T::Count("replicas", 1, d::MAX_REPLICATION_FACTOR), D::Words("the broker's own"), "copies of the topic, where it is created"),
    row("options", Place::State, ALL, T::Texts, D::Words("those of the source"), "further settings of librdkafka, as they are"),

    row("records", Place::Probation, ALL, T::Count("records", 1, d::MAX_COUNT), D::Count(d::PROBATION_RECORDS), "the first records of a new version that are watched"),
    row("time", Place::Probation, ALL, T::Time(d::MIN_TIME, d::MAX_WAIT), D::Time(d::PROBATION_TIME), "and no longer than that"),
    row("rejects", Place::Probation, ALL, T::Count("percent", 0, 100), D::Count(d::PROBATION_REJECTS), "the share of them that it may reject although the version before takes them; beyond it the one before is put back, and runs them again"),
    row("traps", Place::Probation, ALL, T::Count("percent", 0, 100), D::Count(d::PROBATION_TRAPS), "the share of them on which it may trap, or else break a limit, although the version before does not"),

    row("columns", Place::Create, ALL, T::Texts, D::Required, "the columns in order: `name = \"type\"`"),
    row("primary_key", Place::Create, ALL, T::Text, D::Words("the first column"), "the column that identifies a row"),
    row("ttl", Place::Create, ALL, T::Time(d::MIN_TTL, d::MAX_TTL), D::Words("rows stay"), "lifetime of a row"),
    row("replication_factor", Place::Create, CASSANDRA, T::Count("replicas", 1, d::MAX_REPLICATION_FACTOR), D::Count(d::REPLICATION_FACTOR as u64), "copies of each row, where the keyspace is created"),

    row("name", Place::Test, ALL, T::Text, D::Required, "what it shows"),
    row("pipeline", Place::Test, ALL, T::Text, D::Words("the only one"), "the pipeline whose stages are tested"),
    row("record", Place::Test, ALL, T::Tables, D::Required, "the records, handed to the stages in one batch, and what must become of each"),

    row("key", Place::TestRecord, ALL, T::Text, D::Words("none"), "the record's key"),
    row("value", Place::TestRecord, ALL, T::Value, D::Required, "the record's value: a text, or a table that becomes JSON"),
    row("timestamp", Place::TestRecord, ALL, T::Count("milliseconds", 0, d::MAX_TIMESTAMP_MS), D::Words("none"), "the record's time, since 1970"),
    row("kept", Place::TestRecord, ALL, T::Flag, D::Words("none"), "`true`: it must come out of the last stage as it went in, byte for byte"),
    row("written", Place::TestRecord, ALL, T::Values, D::Words("none"), "what must come out of the last stage: a text byte for byte, a table as the same JSON, a list where it is split"),
    row("dropped", Place::TestRecord, ALL, T::Text, D::Words("none"), "the reason for which it must be dropped"),
    row("rejected", Place::TestRecord, ALL, T::Text, D::Words("none"), "the reason for which it must be rejected: the code, or `code: detail`"),
    row("by", Place::TestRecord, ALL, T::Text, D::Words("any stage"), "the stage that must drop or reject it"),
];

const fn row(
    name: &'static str,
    place: Place,
    kinds: &'static [&'static str],
    kind_of_value: T,
    default: D,
    meaning: &'static str,
) -> Setting {
    Setting { name, place, kinds, kind_of_value, default, meaning }
}

/// The table as markdown, for people.
pub fn settings_table() -> String {
    let mut table = String::from("| setting | where | type | default | meaning |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let mut place = match setting.place {
            Place::File => setting.place.header().to_owned(),
            place => format!("`{}`", place.header()),
        };
        if !setting.kinds.is_empty() {
            place = format!("{place} of {}", setting.kinds.join(", "));
        }
        table.push_str(&format!(
            "| `{}` | {place} | {} | {} | {} |\n",
            setting.name, setting.kind_of_value, setting.default, setting.meaning
        ));
    }
    table
}
