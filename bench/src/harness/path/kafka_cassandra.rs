//! Topic → validate → dedup → table, at the same consistency: row by row and in batches, as native programs do it.

use anyhow::Result;

use super::{
    Names,
    kafka_discard::{LETTERS, LONGEST, config},
};
use crate::{
    Plan, data,
    engines::{self, Engines},
    host::{self, Host},
    measure, native,
    report::{Ratio, Report},
    sitting::{Contender, Figures, Measure, figures, take_turns},
};

const RECORDS: u64 = 200_000;
pub(super) const KEYSPACE: &str = "millstream_bench";
const TABLE: &str = "millstream_bench.users";

pub fn measure(plan: &Plan, host: &Host, engines: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("kafka-cassandra: {records} records");
    let topic = data::topic(engines, &plan.folder, records)?;
    engines.ensure(LETTERS)?;
    let (kafka, cassandra) = (engines.kafka()?, engines.cassandra()?);
    create(engines, TABLE)?;
    let names = Names::default();

    let millstream = || -> Result<Figures> {
        empty(engines, TABLE)?;
        let sink = format!("cassandra://{cassandra}/{TABLE}");
        let config = config(kafka, &topic.name, &names.next(), host::STORE, &sink);
        let (used, summary) = measure::run(host.command(&config, &["--until", "caught-up"])?, LONGEST)?;
        host::check(&summary, &topic.truth)?;
        Ok(figures(&used, records))
    };
    let native = |batch: &'static str| {
        let (topic, names) = (&topic, &names);
        move || -> Result<Figures> {
            empty(engines, TABLE)?;
            let (group, table) = (names.next(), format!("{cassandra}/{TABLE}"));
            let arguments = ["kafka", "--brokers", kafka, "--topic", &topic.name, "--group", &group];
            let more = ["--dead-letters", LETTERS, "--table", &table, "--batch", batch];
            let (used, printed) = measure::run(native::command(&[&arguments[..], &more[..]].concat())?, LONGEST)?;
            native::check(&printed, &topic.truth)?;
            Ok(figures(&used, records))
        }
    };
    let series = take_turns(
        plan,
        vec![
            Contender::new("millstream", millstream),
            Contender::new("native", native("1")),
            Contender::new("millstream again", millstream),
            Contender::new("native again", native("1")),
            Contender::new("native, batches of 10", native("10")),
            Contender::new("native, batches of 50", native("50")),
        ],
    )?;
    let ratio = |of, to, goal| Ratio { measure: Measure::CpuPerMillion, of, to, goal };
    Ok(Report {
        path: "kafka-cassandra",
        title: "Kafka → validate → dedup → Cassandra at LOCAL_QUORUM, dead letters to Kafka".to_owned(),
        records,
        measures: vec![Measure::CpuPerMillion, Measure::Throughput, Measure::PeakMemory, Measure::Busy],
        series,
        ratios: vec![
            ratio("millstream", "native", Some(1.0)),
            ratio("millstream", "native, batches of 10", Some(1.0)),
            ratio("millstream", "native, batches of 50", None),
            Ratio { measure: Measure::Throughput, of: "native", to: "millstream", goal: Some(1.0) },
            ratio("millstream", "millstream again", None),
            ratio("native", "native again", None),
        ],
        limits: Vec::new(),
    })
}

/// Makes the table of the shipped pipeline, if it is not there.
pub(super) fn create(engines: &Engines, table: &str) -> Result<()> {
    engines::runtime()?.block_on(async {
        let session = engines.session().await?;
        let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
        let keyspace = format!("CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}");
        session.query_unpaged(keyspace, ()).await?;
        let columns = [
            "first_name",
            "last_name",
            "gender",
            "address",
            "post_code",
            "email",
            "username",
            "registered_date",
            "phone",
            "picture",
        ]
        .map(|column| format!("{column} text"))
        .join(", ");
        let table = format!("CREATE TABLE IF NOT EXISTS {table} (id uuid PRIMARY KEY, {columns})");
        session.query_unpaged(table, ()).await?;
        session.await_schema_agreement().await?;
        Ok(())
    })
}

pub(super) fn empty(engines: &Engines, table: &str) -> Result<()> {
    engines::runtime()?.block_on(async {
        engines.session().await?.query_unpaged(format!("TRUNCATE {table}"), ()).await?;
        Ok(())
    })
}
