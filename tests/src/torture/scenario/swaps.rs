//! `swaps`: another version of a plugin is swapped in again and again while records flow; each record is handled by exactly one.
//!
//! A version is the plugin itself with another number in a custom section, so that it is compiled anew and does the same.
//! The records come at a pace that keeps the swaps within the work. Rate and memory are written down every second and plotted,
//! before, during and after the storm: `target/torture/storm.svg` and `storm.json`.

use std::{
    collections::BTreeMap,
    io::{Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::{STOP, drain, held, progress};
use crate::{
    check::{Repeats, authors, check},
    flow::{self, Spread},
    host::{Home, Host},
    plot::{self, Sample},
    trial::Trial,
    watch::Watch,
};

/// About what a swap takes where another program shares the machine: compiling most of it.
const SWAP: Duration = Duration::from_millis(330);
/// The flow before the storm and after it, as a share of it.
const CALM: f64 = 0.1;
/// What the p99 of the pauses must stay below.
const MOST_PAUSE: Duration = Duration::from_millis(5);
/// Swaps from which on memory that grows with each would show above the noise, and a p99 is more than the worst of a few.
const ENOUGH: u64 = 100;
/// Most memory of a key that dedup has seen.
const KEY_BYTES: u64 = 40;
const SAMPLE: Duration = Duration::from_secs(1);

pub fn run(trial: &mut Trial<'_>, swaps: u64) -> Result<String> {
    let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    trial.tuning.admin = Some(admin);
    trial.create_topics()?;
    let (engines, topic, records, seed) = (trial.engines, trial.topic(), trial.records, trial.seed);
    let storm = SWAP.mul_f64(swaps as f64);
    let over = storm.mul_f64(1.0 + 2.0 * CALM);
    std::thread::scope(|scope| {
        let filling = scope.spawn(move || flow::fill(engines, &topic, records, seed, Spread::ByLine, Some(over)));
        let stormed = Storm::new(trial, admin)?.blow(swaps, storm.mul_f64(CALM));
        let truth = filling.join().map_err(|_| anyhow!("filling the topic panicked"))??;
        let (mut home, versions, words, mut faults) = stormed?;
        let mut watch = trial.watch()?;
        let summary = drain(&mut home, &truth, &mut watch)?;
        let log = log(&home)?;
        faults.extend(gaps(&log, swaps));
        faults.extend(strangers(&log, &authors(trial, "validate")?));
        let pauses = Pauses::of(&versions);
        if swaps >= ENOUGH && pauses.p99 > MOST_PAUSE {
            faults.push(format!("a swap holds records up for {:.2?} (p99); {MOST_PAUSE:?} is the most", pauses.p99));
        }
        let found = held(check(trial, &truth, &summary, Repeats::Forbidden), &faults)?;
        Ok(format!("{swaps} swaps, pause {pauses}; {words}; {found}"))
    })
}

/// A host, and the plugin that is swapped.
struct Storm {
    home: Home,
    host: Host,
    watch: Watch,
    component: Vec<u8>,
    admin: SocketAddr,
    begun: Instant,
    sampled: Option<Instant>,
    samples: Vec<Sample>,
}

impl Storm {
    fn new(trial: &Trial<'_>, admin: SocketAddr) -> Result<Self> {
        let mut home = trial.home("host")?;
        for plugin in ["validate", "dedup"] {
            std::fs::write(home.folder().join(plugin).with_extension("wasm"), trial.component(plugin)?)?;
        }
        let (before, watch) = (home.changelog_bytes(), trial.watch()?);
        let mut host = home.start()?;
        progress(&home, &mut host, before)?;
        let (component, begun) = (trial.component("validate")?, Instant::now());
        Ok(Self { home, host, watch, component, admin, begun, sampled: None, samples: Vec::new() })
    }

    /// Swaps so often, with calm before and after, and stops the host. Returns its folder, the log of versions, a summary
    /// and what went wrong.
    fn blow(mut self, swaps: u64, calm: Duration) -> Result<(Home, Value, String, Vec<String>)> {
        self.wait(calm, 0)?;
        let (begin, mut before, mut began) = (self.begun.elapsed(), 0, None);
        for number in 1..=swaps {
            // The compiler's own memory comes with the first versions, and stays.
            if number == (swaps / 10).max(1) {
                before = self.host.rss_kib();
                began = Some(self.begun.elapsed());
            }
            let mut version = self.component.clone();
            // A custom section (WebAssembly 2.0, section 5.5.3).
            version.extend_from_slice(&[0, 9, 4]);
            version.extend_from_slice(b"test");
            version.extend_from_slice(&(number as u32).to_le_bytes());
            let folder = self.home.folder();
            std::fs::write(folder.join("new"), version)?;
            std::fs::rename(folder.join("new"), folder.join("validate.wasm"))?;
            let answer = ask(self.admin, "POST /reload")?;
            if !answer.contains("\"swapped\"") && !answer.contains("\"unchanged\"") {
                bail!("swap {number} was answered with {answer}");
            }
            // The watcher may have been faster; then the answer says that nothing is left to be done.
            self.host.must_run()?;
            self.sample(number)?;
        }
        let (end, after) = (self.begun.elapsed(), self.host.rss_kib());
        self.wait(calm, swaps)?;
        let versions = serde_json::from_str(&ask(self.admin, "GET /versions")?).context("the log of versions")?;
        let (_, took) = self.host.terminate()?;
        let mut faults = Vec::new();
        if took > STOP {
            faults.push(format!("the host took {took:.1?} to stop"));
        }
        // What dedup keeps grows with the records, not with the swaps.
        let done = |at: Duration| self.samples.iter().rfind(|sample| sample.seconds <= at.as_secs_f64());
        let since =
            done(end).map_or(0, |sample| sample.records) - began.map_or(0, |at| done(at).map_or(0, |s| s.records));
        let keys = since * KEY_BYTES / 1024;
        if swaps >= ENOUGH && after > before + before / 10 + keys {
            faults.push(format!("memory grew from {before} to {after} KiB"));
        }
        let rate = |from: Duration, to: Duration| rate(&self.samples, from.as_secs_f64(), to.as_secs_f64());
        let title = format!(
            "{swaps} swaps: {:.0} records/s before, {:.0} during, {:.0} after; memory {} MiB before, {} MiB after",
            rate(Duration::ZERO, begin),
            rate(begin, end),
            rate(end, self.begun.elapsed()),
            before >> 10,
            after >> 10,
        );
        let picture = xtask::shell::workspace().join("target").join("torture");
        let words = format!("{title}; {}", picture.join("storm.svg").display());
        let (from, to) = (begin.as_secs_f64(), end.as_secs_f64());
        plot::Storm { samples: &self.samples, from, to, title }.write(&picture)?;
        Ok((self.home, versions, words, faults))
    }

    fn wait(&mut self, time: Duration, swaps: u64) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.host.must_run()?;
            self.sample(swaps)?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn sample(&mut self, swaps: u64) -> Result<()> {
        if self.sampled.is_some_and(|at| at.elapsed() < SAMPLE) {
            return Ok(());
        }
        self.sampled = Some(Instant::now());
        let done = self.watch.committed().unwrap_or(0);
        let seconds = self.begun.elapsed().as_secs_f64();
        self.samples.push(Sample { seconds, swaps, records: done, rss_kib: self.host.rss_kib() });
        self.watch.say(&format!("swap {swaps}"), |_| Some(done));
        Ok(())
    }
}

/// Records per second between two moments, by the samples next to them.
fn rate(samples: &[Sample], from: f64, to: f64) -> f64 {
    let within: Vec<_> = samples.iter().filter(|sample| (from..=to).contains(&sample.seconds)).collect();
    match (within.first(), within.last()) {
        (Some(first), Some(last)) if last.seconds > first.seconds => {
            last.records.saturating_sub(first.records) as f64 / (last.seconds - first.seconds)
        }
        _ => 0.0,
    }
}

/// Asks the host at its admin address; the body of its answer.
fn ask(admin: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(admin).context("the admin address does not answer")?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).ok_or_else(|| anyhow!("no answer: {answer}"))
}

/// The log of versions.
fn log(home: &Home) -> Result<Vec<Value>> {
    let path = home.folder().join(".millstream/state/store/versions.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The first offset of each partition that an entry of it handled.
fn since(entry: &Value) -> BTreeMap<i64, i64> {
    let since = entry.get("since").cloned().unwrap_or_default();
    serde_json::from_value::<Vec<(i64, i64)>>(since).unwrap_or_default().into_iter().collect()
}

/// Dead letters that another version wrote than the one that, by the log, had the record.
fn strangers(log: &[Value], letters: &[(i32, i64, String)]) -> Option<String> {
    let versions: Vec<(BTreeMap<i64, i64>, &str)> = log
        .iter()
        .map(|entry| (since(entry), entry.pointer("/stages/0/sha256").and_then(Value::as_str).unwrap_or_default()))
        .collect();
    let mut strange = letters.iter().filter(|(partition, offset, sha256)| {
        let had = |since: &BTreeMap<i64, i64>| since.get(&i64::from(*partition)).is_none_or(|first| first <= offset);
        versions.iter().rev().find(|(since, _)| had(since)).is_none_or(|(_, version)| version != sha256)
    });
    let first = strange.next()?;
    Some(format!(
        "{} dead letters were written by another version than the log says, such as {first:?}",
        1 + strange.count()
    ))
}

/// Where the log of versions lacks one, or goes back.
fn gaps(entries: &[Value], swaps: u64) -> Vec<String> {
    let mut faults = Vec::new();
    // The first start, the swaps, and the start of the last run.
    if entries.len() as u64 != swaps + 2 {
        faults.push(format!("{} entries in the log of versions after {swaps} swaps", entries.len()));
    }
    let mut known = BTreeMap::new();
    for entry in entries {
        let now = since(entry);
        if known.iter().any(|(partition, offset)| now.get(partition).is_none_or(|now| now < offset)) {
            faults.push(format!("the log of versions goes back: {entry}"));
        }
        known = now;
    }
    faults
}

/// How long swaps held records up.
struct Pauses {
    p50: Duration,
    p99: Duration,
    most: Duration,
}

impl Pauses {
    fn of(versions: &Value) -> Self {
        let entries = versions.pointer("/0/versions").and_then(Value::as_array).cloned().unwrap_or_default();
        let swapped = entries.iter().filter(|entry| entry.get("event").and_then(Value::as_str) == Some("swapped"));
        let mut all: Vec<u64> = swapped.filter_map(|entry| entry.get("pause_us")?.as_u64()).collect();
        all.sort_unstable();
        let at = |share: f64| {
            let index = (all.len().saturating_sub(1) as f64 * share).ceil() as usize;
            Duration::from_micros(all.get(index).copied().unwrap_or(u64::MAX))
        };
        Self { p50: at(0.5), p99: at(0.99), most: at(1.0) }
    }
}

impl std::fmt::Display for Pauses {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:.2?} in the middle, {:.2?} p99, {:.2?} at most", self.p50, self.p99, self.most)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_letter_of_a_version_that_did_not_have_the_record_is_noticed() {
        let entry = |since: &[(i64, i64)], sha256: &str| json!({ "since": since, "stages": [{ "sha256": sha256 }] });
        let log = [entry(&[], "a"), entry(&[(0, 10)], "b"), entry(&[(0, 20), (1, 5)], "c")];
        let letter = |partition, offset, sha256: &str| (partition, offset, sha256.to_owned());
        let right = [letter(0, 9, "a"), letter(0, 10, "b"), letter(1, 4, "b"), letter(1, 5, "c"), letter(0, 99, "c")];
        assert_eq!(strangers(&log, &right), None);
        for wrong in [letter(0, 10, "a"), letter(0, 19, "c"), letter(1, 6, "b")] {
            assert!(strangers(&log, &[wrong]).is_some());
        }
    }
}
