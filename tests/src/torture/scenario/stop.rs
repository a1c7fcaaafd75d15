//! `stop`: SIGTERM under full load, again and again. Each ends in order and in time, and the next start repeats nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{STOP, drain, held, progress};
use crate::{
    check::{Repeats, check},
    flow::Spread,
    pace::Pace,
    trial::Trial,
};

pub fn run(trial: &mut Trial<'_>, stops: u64) -> Result<String> {
    let truth = trial.fill(Spread::ByLine)?;
    let mut home = trial.home("host")?;
    let mut watch = trial.watch()?;
    let mut pace = Pace::new(truth.records, stops);
    let (mut consumed, mut slowest, mut faults) = (0, Duration::ZERO, Vec::new());
    for stop in 1..=stops {
        let before = home.changelog_bytes();
        let mut host = home.start()?;
        progress(&home, &mut host, before)?;
        let begun = Instant::now();
        std::thread::sleep(pace.pause(&mut trial.dice));
        let worked = begun.elapsed();
        let (summary, took) = host.terminate()?;
        slowest = slowest.max(took);
        let (all, run) = (summary.in_all().consumed, summary.this_run().consumed);
        if all != consumed + run || summary.drift() != 0 || !summary.drained() {
            faults.push(format!("stop {stop}: after {consumed} records came {run}, and the meter shows {summary:?}"));
        }
        if took > STOP {
            faults.push(format!("stop {stop} took {took:.1?}"));
        }
        consumed = all;
        pace.struck(worked, consumed);
        watch.say(&format!("stop {stop} of {stops}"), |_| Some(consumed));
    }
    let summary = drain(&mut home, &truth, &mut watch)?;
    let left = summary.this_run().consumed;
    if left == 0 {
        bail!("the last stop came after the last record, so not all fell into the work; more `--records` are needed");
    }
    let found = held(check(trial, &truth, &summary, Repeats::Forbidden), &faults)?;
    Ok(format!("{stops} stops, slowest {:.2} s, {left} records left for the last run; {found}", slowest.as_secs_f64()))
}
