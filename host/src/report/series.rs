//! How many rows fall into each minute, in bounded memory: instants go in, counts by time come out.
//!
//! Counts are kept by the minute as long as there are at most [`MOST_BUCKETS`] minutes with rows; beyond that by five
//! minutes, by the hour, and so on. Each step is a whole number of the one before, so that no count is ever an estimate,
//! and which step is reached depends on the instants alone, not on their order.

use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1_440 * MINUTE_MS;
/// Steps begin at multiples of their length from here: Monday, 5 January 1970, so that a week begins on a Monday.
const ANCHOR_MS: i64 = 4 * DAY_MS;
/// Most buckets that are told apart: a week of minutes, or 27 years of days.
pub const MOST_BUCKETS: usize = 10_080;

/// A length of time and its name in "rows per …".
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// How long a bucket is.
    pub ms: i64,
    /// What it is called.
    pub name: &'static str,
}

const MINUTE: Step = Step { ms: MINUTE_MS, name: "minute" };
/// Longer than a minute, each a whole number of the one before.
const LONGER: [Step; 9] = [
    Step { ms: 5 * MINUTE_MS, name: "5 minutes" },
    Step { ms: 15 * MINUTE_MS, name: "15 minutes" },
    Step { ms: 60 * MINUTE_MS, name: "hour" },
    Step { ms: 360 * MINUTE_MS, name: "6 hours" },
    Step { ms: DAY_MS, name: "day" },
    Step { ms: 7 * DAY_MS, name: "week" },
    Step { ms: 28 * DAY_MS, name: "4 weeks" },
    Step { ms: 364 * DAY_MS, name: "52 weeks" },
    Step { ms: 3640 * DAY_MS, name: "520 weeks" },
];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    step: &'static Step,
    buckets: BTreeMap<i64, u64>,
    total: u64,
    ends: Option<(i64, i64)>,
}

impl Default for Series {
    fn default() -> Self {
        Self { step: &MINUTE, buckets: BTreeMap::new(), total: 0, ends: None }
    }
}

impl Series {
    /// Counts a row at an instant, in Unix milliseconds.
    pub fn add(&mut self, at_ms: i64) {
        self.total += 1;
        let (first, last) = self.ends.unwrap_or((at_ms, at_ms));
        self.ends = Some((first.min(at_ms), last.max(at_ms)));
        *self.buckets.entry(beginning(at_ms, self.step.ms)).or_default() += 1;
        while self.buckets.len() > MOST_BUCKETS && self.coarsen() {}
    }

    /// How long each bucket is.
    pub fn step(&self) -> &'static Step {
        self.step
    }

    /// The buckets with rows, each by its beginning in Unix milliseconds.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (i64, u64)> {
        self.buckets.iter().map(|(begin, rows)| (*begin, *rows))
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first and the last instant.
    pub fn ends(&self) -> Option<(i64, i64)> {
        self.ends
    }

    /// The bucket with the most rows; of several the first.
    pub fn busiest(&self) -> Option<(i64, u64)> {
        self.buckets().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    /// The same rows in buckets so long that at most `most` of them, with those without rows, cover the whole time.
    pub fn at_most(&self, most: i64) -> Self {
        let mut series = self.clone();
        let Some((first, last)) = self.ends else { return series };
        let covers = |series: &Self| (last.saturating_sub(first)) / series.step.ms < most;
        while !covers(&series) && series.coarsen() {}
        series
    }

    /// Goes on with longer buckets, if there are any.
    fn coarsen(&mut self) -> bool {
        let Some(longer) = LONGER.iter().find(|longer| longer.ms > self.step.ms) else { return false };
        self.step = longer;
        let mut coarser = BTreeMap::new();
        for (begin, rows) in &self.buckets {
            *coarser.entry(beginning(*begin, longer.ms)).or_default() += rows;
        }
        self.buckets = coarser;
        true
    }
}

fn beginning(at_ms: i64, step_ms: i64) -> i64 {
    let since = at_ms.saturating_sub(ANCHOR_MS);
    since.saturating_sub(since.rem_euclid(step_ms)).saturating_add(ANCHOR_MS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_are_counted_by_the_minute_while_there_are_few_minutes() {
        let mut series = Series::default();
        for second in [0, 59, 60, 61, 119, 86_400 * 365 * 20] {
            series.add(second * 1_000);
        }
        assert_eq!(series.step().name, "minute");
        assert_eq!(series.buckets().collect::<Vec<_>>(), [(0, 2), (60_000, 3), (630_720_000_000, 1)]);
        assert_eq!(series.busiest(), Some((60_000, 3)));
        assert_eq!(series.ends(), Some((0, 630_720_000_000)));
    }

    #[test]
    fn each_step_is_a_whole_number_of_the_one_before() {
        assert!(LONGER.iter().all(|step| step.ms % MINUTE_MS == 0));
        assert!(LONGER.windows(2).all(|pair| matches!(pair, [a, b] if b.ms % a.ms == 0)));
    }

    #[test]
    fn a_week_begins_on_a_monday() {
        let (sunday, monday) = (1_701_043_199_999, 1_701_043_200_000); // 2023-11-26T23:59:59.999Z and a millisecond later
        let begins = |at_ms| beginning(at_ms, 7 * DAY_MS);
        assert_eq!((begins(monday), begins(sunday)), (monday, monday - 7 * DAY_MS));
    }

    #[test]
    fn any_instants_fit_into_the_bound() {
        let mut series = Series::default();
        for i in 0..200_000_i64 {
            series.add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) % 253_402_300_800_000);
        }
        series.add(i64::MIN);
        series.add(i64::MAX);
        assert!(series.buckets().len() <= MOST_BUCKETS + 2);
        assert_eq!(series.buckets().map(|(_, rows)| rows).sum::<u64>(), 200_002);
    }

    #[test]
    fn what_is_drawn_covers_the_whole_time() {
        let mut series = Series::default();
        for minute in 0..3_000 {
            series.add(minute * MINUTE_MS);
        }
        let drawn = series.at_most(100);
        assert_eq!((drawn.step().name, drawn.total()), ("hour", 3_000));
        assert_eq!(drawn.buckets().len(), 50);
        assert_eq!(series.step().name, "minute");
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(mut instants in prop::collection::vec(0..40_000_000_000_i64, 0..300)) {
            let series = |instants: &[i64]| {
                let mut series = Series::default();
                instants.iter().for_each(|at| series.add(*at * 100));
                series
            };
            let forwards = series(&instants);
            instants.reverse();
            prop_assert_eq!(series(&instants), forwards);
        }
    }
}
