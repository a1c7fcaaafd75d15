//! `schedule` and `time_zone` of a pipeline: a cron expression and the zone whose clocks it is about.
//!
//! Where clocks are set forward, a time that they leave out comes right after the gap; where they are set back, a time that
//! comes twice counts once. Says when runs are due; runs nothing.

use std::str::FromStr;

use croner::{Cron, errors::CronError};
use jiff::{
    Timestamp,
    tz::{self, TimeZone},
};

use super::{context::Context, fault::Fault, model::PipelineConfig, suggest::nearest, tree::Section};

const UTC: &str = "UTC";

/// When a pipeline runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    expression: String,
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// From an expression that is known to be right.
    fn new(expression: &str, zone: TimeZone) -> Result<Self, String> {
        let words = |error: CronError| match error {
            CronError::EmptyPattern => "it is empty".to_owned(),
            CronError::InvalidPattern(why) | CronError::IllegalCharacters(why) | CronError::ComponentError(why) => {
                why.trim_end_matches('.').to_owned()
            }
            other => other.to_string().trim_end_matches('.').to_owned(),
        };
        let cron = Cron::from_str(expression).map_err(words)?;
        Ok(Self { expression: expression.to_owned(), cron, zone })
    }

    /// The first time after an instant, both in Unix milliseconds; `None` where there is none.
    pub fn next_ms(&self, after_ms: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(after_ms).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        // An expression is about wall clocks; what it finds must never be what was found before.
        Some(next.timestamp().as_millisecond()).filter(|next_ms| *next_ms > after_ms)
    }

    /// An instant on the clocks of the zone: `2026-03-29 03:30:00 CEST`.
    pub fn shown(&self, ms: i64) -> String {
        Timestamp::from_millisecond(ms).map_or_else(
            |_| "beyond all time".to_owned(),
            |at| at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        )
    }
}

impl std::fmt::Display for Schedule {
    /// As in the file: `*/5 * * * * in Europe/Berlin`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.expression, self.zone.iana_name().unwrap_or(UTC))
    }
}

/// `None` where there is no schedule, or a fault leaves none; every fault is noted.
pub(super) fn schedule(cx: &mut Context<'_>, section: &Section<'_>) -> Option<Schedule> {
    let named = section.text(cx, "time_zone");
    let is_named = named.is_some();
    let zone = match named {
        None => Some(TimeZone::UTC),
        Some(name) => {
            let zone = TimeZone::get(&name.value).ok();
            if zone.is_none() {
                let message = format!("there is no time zone {}", name.quoted());
                let known: Vec<String> = tz::db().available().map(|known| known.to_string()).collect();
                let hint = match nearest(&name.value, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write it as `\"Europe/Berlin\"` or `\"UTC\"`".to_owned(),
                };
                cx.fault(Fault::new("bad-value", name.span, message).hint(hint));
            }
            zone
        }
    };
    let Some(expression) = section.text(cx, "schedule") else {
        if is_named && !section.has("schedule") {
            let fault = Fault::new(
                "schedule",
                section.value_span("time_zone"),
                "`time_zone` is that of a `schedule`, and there is none",
            );
            cx.fault(fault.hint("add `schedule = \"*/5 * * * *\"`, or remove it"));
        }
        return None;
    };
    if !section.has("for") && !section.has("until") {
        let fault = Fault::new("schedule", expression.span.clone(), "the runs of this schedule would never end");
        cx.fault(fault.hint("add `until = \"caught-up\"`, or `for` with a time").label("without an end"));
    }
    let fault = |message: String| {
        let hint =
            "write minute, hour, day, month and day of week, such as `\"*/5 * * * *\"` or `\"30 2 * * MON-FRI\"`";
        Fault::new("bad-value", expression.span.clone(), message).hint(hint)
    };
    let schedule = match Schedule::new(&expression.value, zone.clone().unwrap_or(TimeZone::UTC)) {
        Ok(schedule) => schedule,
        Err(why) => {
            cx.fault(fault(format!("{} is no schedule: {why}", expression.quoted())));
            return None;
        }
    };
    if schedule.next_ms(Timestamp::now().as_millisecond()).is_none() {
        cx.fault(fault(format!("{} never comes", expression.quoted())));
        return None;
    }
    zone.map(|_| schedule)
}

impl PipelineConfig {
    /// Runs once and at once, as the command line asks for, whatever the file says.
    pub fn run_now(&mut self) {
        self.schedule = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn berlin(expression: &str) -> Schedule {
        Schedule::new(expression, TimeZone::get("Europe/Berlin").unwrap()).unwrap()
    }

    /// The next times after an instant, on the zone's clocks.
    fn next(schedule: &Schedule, after: &str, times: usize) -> Vec<String> {
        let mut after_ms = after.parse::<Timestamp>().unwrap().as_millisecond();
        let mut next = || {
            after_ms = schedule.next_ms(after_ms).unwrap();
            schedule.shown(after_ms)
        };
        (0..times).map(|_| next()).collect()
    }

    #[test]
    fn times_are_those_of_the_zones_clocks() {
        let schedule = berlin("30 9 * * MON-FRI");
        assert_eq!(schedule.to_string(), "30 9 * * MON-FRI in Europe/Berlin");
        let wanted = ["2026-11-27 09:30:00 CET", "2026-11-30 09:30:00 CET"];
        assert_eq!(next(&schedule, "2026-11-26T08:30:00Z", 2), wanted);
        assert_eq!(next(&schedule, "2026-11-26T08:29:59Z", 1), ["2026-11-26 09:30:00 CET"]);
        let utc = Schedule::new("*/20 * * * *", TimeZone::UTC).unwrap();
        assert_eq!(next(&utc, "2026-11-26T08:30:00Z", 2), ["2026-11-26 08:40:00 UTC", "2026-11-26 09:00:00 UTC"]);
    }

    #[test]
    fn a_time_that_the_clocks_leave_out_is_not_missed() {
        let wanted = ["2026-03-28 02:30:00 CET", "2026-03-29 03:00:00 CEST", "2026-03-30 02:30:00 CEST"];
        assert_eq!(next(&berlin("30 2 * * *"), "2026-03-28T00:00:00Z", 3), wanted);
    }

    #[test]
    fn a_time_that_comes_twice_counts_once() {
        let wanted = ["2026-10-25 02:30:00 CEST", "2026-10-26 02:30:00 CET"];
        assert_eq!(next(&berlin("30 2 * * *"), "2026-10-24T12:00:00Z", 2), wanted);
    }

    #[test]
    fn every_few_minutes_goes_on_through_a_change_of_clocks() {
        let schedule = berlin("*/30 * * * *");
        let mut at_ms = "2026-10-24T22:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        for _ in 0..12 {
            let next_ms = schedule.next_ms(at_ms).unwrap();
            assert_eq!(next_ms - at_ms, 30 * 60_000, "after {}", schedule.shown(at_ms));
            at_ms = next_ms;
        }
    }

    #[test]
    fn what_never_comes_has_no_next_time() {
        assert_eq!(berlin("0 0 30 2 *").next_ms(0), None);
    }
}
