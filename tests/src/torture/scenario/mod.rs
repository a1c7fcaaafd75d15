//! The scenarios: one file each says what is broken, and when. Each gets a trial and hands back a line for the summary.

pub mod group;
pub mod kills;
pub mod outages;
pub mod stop;
pub mod swaps;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{
    flow::Truth,
    host::{Home, Host, Summary},
    watch::Watch,
};

/// A host that does nothing for so long, with engines that answer, is stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// An orderly stop takes no longer.
pub const STOP: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A start writes less to the changelog than this, and a commit of a batch of new ids writes more.
const COMMIT_BYTES: u64 = 2_048;

/// Waits until a host has committed something. Returns how long that took.
pub fn progress(home: &Home, host: &mut Host, from: u64) -> Result<Duration> {
    let begun = Instant::now();
    while home.changelog_bytes() < from + COMMIT_BYTES {
        host.must_run()?;
        if begun.elapsed() > PATIENCE {
            bail!("the host has committed nothing for {PATIENCE:?}; its logs are in {}", home.folder().display());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(begun.elapsed())
}

/// The last run: alone, undisturbed, until everything is done.
pub fn drain(home: &mut Home, truth: &Truth, watch: &mut Watch) -> Result<Summary> {
    let most = PATIENCE + Duration::from_millis(truth.records);
    let summary = home.start_until_caught_up()?.finish(most, |_| {
        watch.say("last run", Watch::committed);
        Ok(())
    });
    watch.done_saying();
    summary
}

/// What the check found, if no other fault was seen on the way either.
pub fn held(checked: Result<String>, faults: &[String]) -> Result<String> {
    let all: Vec<String> =
        checked.as_ref().err().map(|error| format!("{error:#}")).into_iter().chain(faults.iter().cloned()).collect();
    if all.is_empty() { checked } else { bail!("{}", all.join("\n  ")) }
}
