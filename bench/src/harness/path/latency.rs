//! From produce to row at a fixed offered load, with default settings.
//!
//! Records are sent at their time, whether or not the program keeps up, and their latency counts from that time. One in
//! ten is looked for in the table every millisecond until it is there; so figures are up to a millisecond and a read too
//! high.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use scylla::{client::session::Session, statement::prepared::PreparedStatement};
use tokio::task::JoinSet;
use uuid::Uuid;
use xtask::dataset::{self, Verdict};

use super::{
    Names,
    kafka_cassandra::{KEYSPACE, create, empty},
    kafka_discard::{LETTERS, LONGEST, config},
};
use crate::{
    Plan, data,
    engines::{self, Engines},
    host::{self, Host},
    measure::Running,
    native,
    report::{Limit, Report},
    sitting::{Contender, Figures, Measure, take_turns},
    stats::quantile,
};

const RATE: u64 = 1_000;
/// Records sent before those that count, so that all connections are there and warm.
const WARM_UP: u64 = 3 * RATE;
/// Records that count.
const RECORDS: u64 = 20 * RATE;
const SAMPLED: u64 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A row that is not there after that time is lost.
const LOST: Duration = Duration::from_secs(30);

pub fn measure(plan: &Plan, host: &Host, engines: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("latency: {records} records at {RATE} a second");
    engines.ensure(LETTERS)?;
    let (kafka, cassandra) = (engines.kafka()?, engines.cassandra()?);
    let table = format!("{KEYSPACE}.latency");
    create(engines, &table)?;
    let names = Names::default();

    let millstream = |topic: &str| {
        let sink = format!("cassandra://{cassandra}/{table}");
        host.command(&config(kafka, topic, topic, host::STORE, &sink), &[])
    };
    let native = |topic: &str| {
        let table = format!("{cassandra}/{table}");
        let arguments = ["kafka", "--brokers", kafka, "--topic", topic, "--group", topic, "--follow"];
        native::command(&[&arguments[..], &["--dead-letters", LETTERS, "--table", &table]].concat())
    };
    let run = |command: &dyn Fn(&str) -> Result<Command>| -> Result<Figures> {
        let topic = names.next();
        empty(engines, &table)?;
        engines.create(&topic)?;
        let running = Running::start(command(&topic)?)?;
        let figures = engines::runtime()?.block_on(offer(engines, running, &topic, &table, records));
        engines.delete(&topic)?;
        figures
    };
    let series = take_turns(
        plan,
        vec![Contender::new("millstream", || run(&millstream)), Contender::new("native", || run(&native))],
    )?;
    Ok(Report {
        path: "latency",
        title: format!("From produce to row in Cassandra, {RATE} records a second, default settings"),
        records,
        measures: vec![Measure::Latency99, Measure::Latency50, Measure::Latency999, Measure::CpuPerMillion],
        series,
        ratios: Vec::new(),
        limits: vec![Limit { measure: Measure::Latency99, program: "millstream", at_most: 50.0 }],
    })
}

/// Sends the records to a running program, and looks for them in the table.
async fn offer(engines: &Engines, mut running: Running, topic: &str, table: &str, records: u64) -> Result<Figures> {
    let mut settings = engines.client()?;
    settings.set("linger.ms", "0");
    let producer: ThreadedProducer<DefaultProducerContext> = settings.create()?;
    let session = Arc::new(engines.session().await?);
    let select = Arc::new(session.prepare(format!("SELECT id FROM {table} WHERE id = ?")).await?);
    let mut sampled = JoinSet::new();
    let mut begun = Instant::now();
    for (line, (value, verdict)) in (0..).zip(dataset::records(WARM_UP + records, data::SEED)) {
        let due = begun + Duration::from_micros(line * 1_000_000 / RATE);
        tokio::time::sleep_until(due.into()).await;
        let partition = dataset::partition(line) as i32;
        data::send(&producer, BaseRecord::to(topic).partition(partition).payload(value.as_str()))?;
        let Verdict::First { id } = verdict else { continue };
        let id = Uuid::parse_str(&id)?;
        if line == 0 {
            // The program is still on its way to the first record.
            found(&session, &select, id, begun).await?;
            begun = Instant::now();
        } else if line >= WARM_UP && line % SAMPLED == 0 {
            let (session, select) = (session.clone(), select.clone());
            sampled.spawn(async move { found(&session, &select, id, due).await });
        }
        if line % RATE == 0 {
            running.must_run()?;
        }
    }
    let mut latencies = Vec::new();
    while let Some(latency) = sampled.join_next().await {
        latencies.push(latency.context("looking for a row broke")??.as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    producer.flush(LOST)?;
    running.terminate()?;
    // The native one knows no order in which to stop.
    let (used, ..) = running.finish_however(LONGEST)?;
    Ok(Figures::from([
        (Measure::Latency50, quantile(&latencies, 0.5)),
        (Measure::Latency99, quantile(&latencies, 0.99)),
        (Measure::Latency999, quantile(&latencies, 0.999)),
        (Measure::CpuPerMillion, used.cpu.as_secs_f64() * 1e6 / (WARM_UP + records) as f64),
    ]))
}

/// The time from then to when the row was seen.
async fn found(session: &Session, select: &PreparedStatement, id: Uuid, since: Instant) -> Result<Duration> {
    loop {
        let rows = session.execute_unpaged(select, (id,)).await?.into_rows_result()?;
        if rows.rows_num() > 0 {
            return Ok(since.elapsed());
        }
        if since.elapsed() > LOST {
            bail!("no row {id} after {LOST:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
