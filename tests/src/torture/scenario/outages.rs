//! `cassandra` and `kafka`: an engine is killed, restarted and frozen while one host works, and the host gets over it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use xtask::services::{Kind, Service};

use super::{PATIENCE, STOP, drain, held};
use crate::{
    check::{Repeats, check},
    flow::{Spread, Truth},
    host::{Home, Host},
    trial::Trial,
    watch::Watch,
    wire::Wire,
};

/// The host's memory stays below this.
const MOST_KIB: u64 = 250 * 1024;
/// From the engine's return to the first commit.
const RECOVERY: Duration = Duration::from_secs(10);
/// Short, so that a freeze of a few seconds times writes out.
const SINK_TIMEOUT: Duration = Duration::from_secs(5);
/// About a thousand records.
const PREFETCH_KIB: u32 = 512;
const LONGEST_DOWN_MS: u64 = 3_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long writes time out at a stretch: several of the host's attempts.
const TIMING_OUT: Duration = Duration::from_secs(5);

/// What an engine suffers.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// Killed, and started again after a while.
    Killed { down: Duration },
    /// Ended in order, and started again after a while.
    Restarted { down: Duration },
    /// Stands still, with its connections open.
    Frozen(Duration),
    /// Answers every write with a timeout, and carries out some of them.
    TimingOut(Duration),
}

/// Breaks one kind of engine so many times in one run.
pub fn run(trial: &mut Trial<'_>, kind: Kind, outages: u64, freeze: Duration) -> Result<String> {
    trial.tuning.sink_timeout = Some(SINK_TIMEOUT);
    trial.tuning.prefetch_kib = (kind == Kind::Kafka).then_some(PREFETCH_KIB);
    let wire = (kind == Kind::Cassandra).then(|| Wire::to(trial.engines.cassandra.address())).transpose()?;
    trial.tuning.cassandra = wire.as_ref().map(Wire::address);
    let service = match kind {
        Kind::Kafka => &trial.engines.kafka,
        Kind::Cassandra => &trial.engines.cassandra,
    };
    let truth = trial.fill(Spread::ByLine)?;
    let mut home = trial.home("host")?;
    let mut watch = trial.watch()?;
    let mut host = home.start()?;
    let (mut faults, mut slowest) = (Vec::new(), Duration::ZERO);
    for number in 1..=outages {
        // Somewhere in this outage's share of the records, of which one more share is left at the end.
        let share = truth.records / (outages + 1);
        until(share * (number - 1) + trial.dice.below(share), &truth, &mut host, &mut watch)?;
        let down = Duration::from_millis(trial.dice.below(LONGEST_DOWN_MS));
        let outage = match (kind, number % 3, number % 4) {
            (Kind::Kafka, 1, _) | (Kind::Cassandra, _, 2) => Outage::Killed { down },
            (Kind::Kafka, ..) | (Kind::Cassandra, _, 0) => Outage::Restarted { down },
            (Kind::Cassandra, _, 1) => Outage::Frozen(freeze),
            (Kind::Cassandra, ..) => Outage::TimingOut(TIMING_OUT),
        };
        let (back, committed) = match (outage, &wire) {
            (Outage::TimingOut(time), Some(wire)) => time_out(wire, time, &home, &host)?,
            _ => suffer(service, outage, &home)?,
        };
        let took = recovery(&home, &mut host, back, committed)?;
        slowest = slowest.max(took);
        let peak = host.peak_kib() / 1024;
        println!(
            "  outage {number} of {outages}: {outage:?}, first commit after {:.2} s, peak {peak} MiB",
            took.as_secs_f64()
        );
        if took > RECOVERY {
            faults.push(format!(
                "outage {number} ({outage:?}): the first commit came {took:.1?} after the {kind}'s return"
            ));
        }
    }
    until(truth.records * 97 / 100, &truth, &mut host, &mut watch)?;
    let peak = host.peak_kib();
    if peak >= MOST_KIB {
        faults.push(format!("the host had {} MiB of memory", peak / 1024));
    }
    let (_, took) = host.terminate()?;
    if took > STOP {
        faults.push(format!("the host took {took:.1?} to stop"));
    }
    let summary = drain(&mut home, &truth, &mut watch)?;
    let found = held(check(trial, &truth, &summary, Repeats::Allowed), &faults)?;
    Ok(format!(
        "{outages} outages, slowest recovery {:.1} s, peak memory {} MiB; {found}",
        slowest.as_secs_f64(),
        peak / 1024
    ))
}

/// Waits until about so many records are done.
fn until(records: u64, truth: &Truth, host: &mut Host, watch: &mut Watch) -> Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let done = watch.done(truth).unwrap_or(0);
        if done >= records {
            return Ok(());
        }
        if done > last.0 {
            last = (done, Instant::now());
        }
        if last.1.elapsed() > PATIENCE {
            bail!("the host stands still at about {done} of {} records", truth.records);
        }
        host.must_run()?;
        host.peak_kib();
        watch.say("running", |_| Some(done));
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets the engine suffer. Returns when it was back, and how far the changelog was then.
fn suffer(service: &Service, outage: Outage, home: &Home) -> Result<(Instant, u64)> {
    match outage {
        Outage::Killed { down } | Outage::Restarted { down } => {
            match outage {
                Outage::Killed { .. } => service.kill()?,
                _ => service.stop()?,
            }
            std::thread::sleep(down);
            service.start()?;
        }
        Outage::Frozen(time) => {
            service.pause()?;
            std::thread::sleep(time);
            let committed = home.changelog_bytes();
            service.resume()?;
            return Ok((Instant::now(), committed));
        }
        Outage::TimingOut(_) => bail!("the engine itself does not time out"),
    }
    Ok((Instant::now(), home.changelog_bytes()))
}

/// Lets writes time out. Returns as `suffer` does.
fn time_out(wire: &Wire, time: Duration, home: &Home, host: &Host) -> Result<(Instant, u64)> {
    let before = wire.time_out(true);
    std::thread::sleep(time);
    let committed = home.changelog_bytes();
    let answered = wire.time_out(false) - before;
    let back = Instant::now();
    let words = "received only 0 responses";
    if answered == 0 || !std::fs::read_to_string(host.log())?.contains(words) {
        bail!("{answered} writes were answered with a timeout, and `{words}` must be in {}", host.log().display());
    }
    Ok((back, committed))
}

/// From the engine's return to the first commit.
fn recovery(home: &Home, host: &mut Host, back: Instant, committed: u64) -> Result<Duration> {
    while home.changelog_bytes() <= committed {
        host.must_run()?;
        host.peak_kib();
        if back.elapsed() > PATIENCE {
            bail!("the host has committed nothing within {PATIENCE:?} of the engine's return");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(back.elapsed())
}
