//! When to strike: moments that are spread over a whole run, whatever the machine's speed.
//!
//! A moment is a throw of the seeded dice, stretched by what was learnt of the speed so far. So the same seed strikes at
//! the same points of the work, about, on any machine; and never all records are done before the last strike.

use std::time::Duration;

use xtask::dataset::Dice;

/// Of the records, so many percent are to be done by the last strike; the rest is left for the final run.
const SHARE_PERCENT: u64 = 90;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

pub struct Pace {
    records: u64,
    strikes: u64,
    done: u64,
    /// Seconds of work and the records done in them, the latest most.
    lately: (f64, f64),
    /// The mean of the last pause.
    mean: Duration,
}

/// How much of what was learnt lately still counts at the next strike. A machine's speed changes with what else it does.
const FADE: f64 = 0.9;

impl Pace {
    /// For so many strikes within so many records.
    pub fn new(records: u64, strikes: u64) -> Self {
        Self { records: records * SHARE_PERCENT / 100, strikes, done: 0, lately: (0.0, 0.0), mean: FIRST_PAUSE }
    }

    /// How long the host works until the next strike, from the first progress that was seen.
    pub fn pause(&mut self, dice: &mut Dice) -> Duration {
        let left = self.records.saturating_sub(self.done) as f64;
        let (seconds, records) = self.lately;
        let work = |of: f64| match records >= 1.0 {
            true => Duration::try_from_secs_f64(seconds / records * of).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE),
            false => FIRST_PAUSE,
        };
        // What was done is only known about, least of all after the first strikes: one wrong guess must not spend the run.
        let mean = work(left / self.strikes.max(1) as f64).min(self.mean * 2);
        self.mean = mean.max(FIRST_PAUSE);
        self.strikes = self.strikes.saturating_sub(1);
        // Where strikes are few, one throw could be more than all that is left.
        mean.mul_f64(dice.below(2_000) as f64 / 1_000.0).min(work(left))
    }

    /// A strike came after so much work, and now so many records are done.
    pub fn struck(&mut self, worked: Duration, done: u64) {
        let records = done.saturating_sub(self.done);
        self.lately = (self.lately.0 * FADE + worked.as_secs_f64(), self.lately.1 * FADE + records as f64);
        self.done = self.done.max(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records done after all strikes at a host that does so many a second at first, and so many in the end.
    fn done_after(records: u64, strikes: u64, speeds: (f64, f64), seed: u64) -> u64 {
        let (mut pace, mut dice, mut done) = (Pace::new(records, strikes), Dice::new(seed, 0), 0);
        for strike in 0..strikes {
            let pause = pace.pause(&mut dice);
            let share = strike as f64 / strikes as f64;
            let speed = speeds.0 * (1.0 - share) + speeds.1 * share;
            // The batch that shows the first progress comes on top.
            done += 250 + (pause.as_secs_f64() * speed) as u64;
            pace.struck(pause, done);
        }
        done
    }

    #[test]
    fn strikes_cover_the_run_and_never_outlast_it_at_any_speed() {
        for seed in 0..20 {
            for speeds in [(500.0, 500.0), (40_000.0, 40_000.0), (20_000.0, 2_000.0), (2_000.0, 20_000.0)] {
                let done = done_after(1_000_000, 200, speeds, seed);
                assert!(
                    (700_000..1_000_000).contains(&done),
                    "{done} records after the last strike, {speeds:?}, seed {seed}"
                );
            }
        }
    }
    #[test]
    fn a_few_strikes_do_not_outlast_it_either() {
        for seed in 0..1_000 {
            let done = done_after(30_000, 8, (4_000.0, 4_000.0), seed);
            assert!(done < 30_000, "{done} records after the last strike, seed {seed}");
        }
    }
}
