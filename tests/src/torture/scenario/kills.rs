//! `kills`: the host is killed at random moments, most of them in the midst of its work, some in its start.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{drain, progress};
use crate::{
    check::{Repeats, check},
    flow::Spread,
    pace::Pace,
    trial::Trial,
};

/// So many percent of the kills come before the host has committed anything: while it loads, restores, joins.
const IN_START_PERCENT: u64 = 20;

pub fn run(trial: &mut Trial<'_>, kills: u64) -> Result<String> {
    trial.tuning.instance = true;
    let truth = trial.fill(Spread::ByLine)?;
    let mut home = trial.home("host")?;
    let mut watch = trial.watch()?;
    let mut pace = Pace::new(truth.records, kills * (100 - IN_START_PERCENT) / 100);
    let (mut in_start, mut startup, mut slowest) = (0, Duration::ZERO, Duration::ZERO);
    for kill in 1..=kills {
        let before = home.changelog_bytes();
        let mut host = home.start()?;
        // Not the first one: it tells how long a start takes.
        if kill > 1 && trial.dice.percent(IN_START_PERCENT) {
            std::thread::sleep(startup.mul_f64(trial.dice.below(1_000) as f64 / 1_000.0));
            in_start += 1;
            host.kill()?;
            continue;
        }
        startup = progress(&home, &mut host, before)?;
        slowest = slowest.max(startup);
        let begun = Instant::now();
        std::thread::sleep(pace.pause(&mut trial.dice));
        host.kill()?;
        let done = watch.done(&truth).unwrap_or(0);
        pace.struck(begun.elapsed(), done);
        watch.say(&format!("kill {kill} of {kills}"), |_| Some(done));
        let committed = watch.committed().unwrap_or(0);
        if committed >= truth.records {
            bail!("all records were done after {kill} kills; more `--records` are needed for {kills}");
        }
    }
    let summary = drain(&mut home, &truth, &mut watch)?;
    let left = summary.this_run().consumed;
    let found = check(trial, &truth, &summary, Repeats::Allowed)?;
    if left == 0 {
        bail!("the last kill came after the last record, so not all fell into the work; more `--records` are needed");
    }
    Ok(format!(
        "{kills} kills, {in_start} of them in a start, {left} records left for the last run, slowest start {:.1} s; {found}",
        slowest.as_secs_f64()
    ))
}
