//! `group`: three hosts share a topic that is keyed by id; every few seconds one is lost and a new one comes.
//!
//! A new host has an empty folder, so whatever it knows of the partitions it gets is from the state's topic.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::{STOP, drain, held};
use crate::{
    check::{Repeats, check},
    flow::{self, Spread},
    host::Host,
    trial::Trial,
};

const HOSTS: u64 = 3;
/// Between two losses.
const EVERY_MS: (u64, u64) = (2_000, 5_000);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub fn run(trial: &mut Trial<'_>, time: Duration) -> Result<String> {
    trial.tuning.state_in_topic = true;
    trial.create_topics()?;
    let (engines, topic, records, seed) = (trial.engines, trial.topic(), trial.records, trial.seed);
    std::thread::scope(|scope| {
        let filling = scope.spawn(move || flow::fill(engines, &topic, records, seed, Spread::ById, Some(time)));
        let mut churn = Churn { trial, hosts: Vec::new(), started: 0, killed: 0, stopped: 0, faults: Vec::new() };
        let churned = churn.run(time);
        let truth = filling.join().map_err(|_| anyhow!("filling the topic panicked"))??;
        churned?;
        let Churn { started, killed, stopped, faults, .. } = churn;
        let mut watch = trial.watch()?;
        let summary = drain(&mut trial.home("last")?, &truth, &mut watch)?;
        let left = summary.this_run().consumed;
        let found = held(check(trial, &truth, &summary, Repeats::Allowed), &faults)?;
        Ok(format!(
            "{started} hosts, {killed} killed, {stopped} stopped, {left} records left for the last one; {found}"
        ))
    })
}

struct Churn<'a, 'b> {
    trial: &'a mut Trial<'b>,
    hosts: Vec<Host>,
    started: u64,
    killed: u64,
    stopped: u64,
    faults: Vec<String>,
}

impl Churn<'_, '_> {
    fn run(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut watch = self.trial.watch()?;
        while self.hosts.len() < HOSTS as usize {
            self.start()?;
        }
        while begun.elapsed() < time {
            let pause = Duration::from_millis(self.trial.dice.between(EVERY_MS.0, EVERY_MS.1));
            let paused = Instant::now();
            while paused.elapsed() < pause {
                for host in &mut self.hosts {
                    host.must_run()?;
                }
                watch.say(&format!("{} killed, {} stopped", self.killed, self.stopped), |watch| watch.committed());
                std::thread::sleep(LOOK_EVERY);
            }
            let lost = self.hosts.remove(self.trial.dice.below(HOSTS) as usize);
            if self.trial.dice.percent(50) {
                lost.kill()?;
                self.killed += 1;
            } else {
                self.stop(lost)?;
            }
            self.start()?;
        }
        // The newest one may not even listen for signals yet.
        std::thread::sleep(Duration::from_millis(EVERY_MS.0));
        while let Some(host) = self.hosts.pop() {
            self.stop(host)?;
        }
        watch.done_saying();
        Ok(())
    }

    fn stop(&mut self, mut host: Host) -> Result<()> {
        let log = host.log().to_owned();
        let took = host.end()?;
        self.stopped += 1;
        if took > STOP {
            self.faults.push(format!("a host took {took:.1?} to stop; its log is {}", log.display()));
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        self.started += 1;
        self.hosts.push(self.trial.home(&format!("host-{:02}", self.started))?.start()?);
        Ok(())
    }
}
