//! HTTP API → format → topic, request after request, from a server that answers at once.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{Names, kafka_discard::LONGEST};
use crate::{
    Plan,
    engines::Engines,
    host::{self, Host},
    measure::{self, Running, Used},
    native,
    report::{Ratio, Report},
    serve::RESULTS,
    sitting::{Contender, Figures, Measure, figures, take_turns},
};

const RECORDS: u64 = 200_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LETTERS: &str = "millstream-bench.http.dead_letters";

pub fn measure(plan: &Plan, host: &Host, engines: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS).next_multiple_of(RESULTS);
    println!("http-kafka: {records} records, {RESULTS} in each answer");
    engines.ensure(LETTERS)?;
    let kafka = engines.kafka()?;
    let names = Names::default();

    let millstream = || -> Result<Figures> {
        let (topic, server) = (names.next(), Server::start(records)?);
        engines.create(&topic)?;
        let config = config(&server.url, kafka, &topic);
        let before = engines.records(LETTERS)?.unwrap_or(0);
        let mut running = Running::start(host.command(&config, &[])?)?;
        let begun = running.begun();
        let done = || -> Result<u64> {
            let letters = engines.records(LETTERS)?.unwrap_or(0) - before;
            Ok(engines.records(&topic)?.unwrap_or(0) + letters)
        };
        while done()? < records {
            running.must_run()?;
            if begun.elapsed() > LONGEST {
                bail!("not all records are written after {LONGEST:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let wall = begun.elapsed();
        running.terminate()?;
        let (used, _) = running.finish(LONGEST)?;
        engines.delete(&topic)?;
        Ok(figures(&Used { wall, ..used }, records))
    };
    let native = || -> Result<Figures> {
        let (topic, server) = (names.next(), Server::start(records)?);
        engines.create(&topic)?;
        let wanted = records.to_string();
        let arguments = ["http", "--url", &server.url, "--brokers", kafka, "--topic", &topic];
        let more = ["--dead-letters", LETTERS, "--records", &wanted];
        let (used, _) = measure::run(native::command(&[&arguments[..], &more[..]].concat())?, LONGEST)?;
        engines.delete(&topic)?;
        Ok(figures(&used, records))
    };
    let series = take_turns(
        plan,
        vec![
            Contender::new("millstream", millstream),
            Contender::new("native", native),
            Contender::new("millstream again", millstream),
            Contender::new("native again", native),
        ],
    )?;
    let ratio = |of, to| Ratio { measure: Measure::CpuPerMillion, of, to, goal: None };
    Ok(Report {
        path: "http-kafka",
        title: "HTTP API → format-user → Kafka".to_owned(),
        records,
        measures: vec![Measure::CpuPerMillion, Measure::Throughput, Measure::PeakMemory],
        series,
        ratios: vec![
            ratio("millstream", "native"),
            ratio("millstream", "millstream again"),
            ratio("native", "native again"),
        ],
        limits: Vec::new(),
    })
}

fn config(url: &str, kafka: &str, topic: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"bench\"\ndead_letters = {{ url = \"kafka://{kafka}/{LETTERS}\" }}\n\n\
         [pipeline.source]\nurl = \"{url}\"\nevery = \"1ms\"\nsplit = \"/results\"\n\n{}\n\
         [pipeline.sink]\nurl = \"kafka://{kafka}/{topic}\"\n",
        host::FORMAT
    )
}

/// A server in a process of its own, so that neither its time nor its memory is mixed up with anything.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(records: u64) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", "--records", &records.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the server")?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut server = Self { child, url: String::new() };
        let begun = Instant::now();
        BufReader::new(out).read_line(&mut server.url)?;
        server.url.truncate(server.url.trim_end().len());
        if server.url.is_empty() {
            bail!("the server said nothing for {:?}", begun.elapsed());
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is not there any more, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
