//! A report on a terminal: tables with small bars, at most a hundred characters wide.

use std::fmt::Write;

use super::{
    Letters, Limit, Report, Series,
    words::{harmless, instant, percent, rows, span, thousands},
};

const LINE_CHARS: usize = 100;
const BAR_CHARS: usize = 24;
/// Bars are this long at least beside long names, which are cut for it.
const LEAST_BAR_CHARS: usize = 8;
/// A share, and what stands between the cells of a line.
const SHARE_CHARS: usize = 8;
const GAP_CHARS: usize = 2;
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SPARK_CHARS: i64 = 60;
/// Values, domains and reasons that are listed of each.
const LISTED: usize = 10;

/// The report as a text.
pub fn text(report: &Report) -> String {
    let contents = &report.contents;
    let mut out = format!("{}\n{}\n", report.table, extent(report));
    out.push_str("\nmissing values\n");
    let missing: Vec<_> = contents.columns.iter().map(|column| (harmless(&column.column), column.rows)).collect();
    out.push_str(&bars(&missing, contents.rows));
    if let Some(dates) = &contents.registered {
        let missing = contents.missing("registered_date");
        let (parsed, unreadable) = (thousands(dates.parsed.total()), thousands(dates.unreadable));
        let _ = writeln!(
            out,
            "\nregistered_date\n  {parsed} are dates, {unreadable} are not, {} missing",
            thousands(missing)
        );
        out.push_str(&over_time(&dates.parsed, "users"));
    }
    out.push_str("\narrival\n");
    if contents.arrived.total() < contents.rows {
        let _ = writeln!(out, "  of {} it is not known", rows(contents.rows - contents.arrived.total()));
    }
    out.push_str(&over_time(&contents.arrived, "users"));
    if let Some(genders) = &contents.genders {
        out.push_str("\ngender\n");
        out.push_str(&ranking(&genders.top(LISTED), genders.total(), contents.rows));
    }
    if let Some(domains) = &contents.domains {
        let _ = writeln!(out, "\ntop {LISTED} email domains (of {} seen)", thousands(domains.counts.distinct() as u64));
        out.push_str(&ranking(&domains.counts.top(LISTED), domains.counts.total(), contents.rows));
        if domains.without > 0 {
            let _ = writeln!(out, "  {} with an email that has no domain", rows(domains.without));
        }
        if domains.counts.other() > 0 {
            let certain = if domains.counts.is_certain(LISTED) { "none of them" } else { "one of them may be" };
            let _ = writeln!(
                out,
                "  {} of domains beyond the first {}, {certain} among the top {LISTED}",
                rows(domains.counts.other()),
                thousands(domains.counts.distinct() as u64)
            );
        }
    }
    out.push_str("\ntime to live\n");
    out.push_str(&expiry(report));
    if !report.letters.is_empty() {
        out.push_str("\ndead letters by stage and reason, since the first start\n");
        out.push_str(&dead_letters(&report.letters));
    }
    out
}

/// How much of the table was read.
pub fn extent(report: &Report) -> String {
    let count = rows(report.contents.rows);
    match (report.contents.more, report.limit) {
        (true, Limit(Some(_))) => format!("the first {count}; there are more (`--limit all` reads all)"),
        _ => format!("{count}: all that are alive"),
    }
}

/// What is said of when rows expire.
pub fn expiry(report: &Report) -> String {
    let (contents, mut out) = (&report.contents, String::new());
    if let Some((first, last)) = contents.expiring.ends() {
        let _ = writeln!(
            out,
            "  {} expire between {} and {} (in {} to {})",
            rows(contents.expiring.total()),
            instant(first),
            instant(last),
            span(first - report.taken_ms),
            span(last - report.taken_ms),
        );
    }
    if contents.staying() > 0 || contents.rows == 0 {
        let _ = writeln!(out, "  {} without an end", rows(contents.staying()));
    }
    out
}

/// Names with counts, shares and bars.
fn bars(counts: &[(String, u64)], whole: u64) -> String {
    let width = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0);
    let numbers = width(&mut counts.iter().map(|(_, count)| thousands(*count).len()));
    let room = LINE_CHARS.saturating_sub(numbers + SHARE_CHARS + 4 * GAP_CHARS);
    let names =
        width(&mut counts.iter().map(|(name, _)| name.chars().count())).min(room.saturating_sub(LEAST_BAR_CHARS));
    let longest = room.saturating_sub(names).min(BAR_CHARS) as u64;
    let mut out = String::new();
    for (name, count) in counts {
        let full = match whole {
            0 => 0,
            whole => (count * longest).div_ceil(whole),
        };
        let bar = "█".repeat(usize::try_from(full).unwrap_or(0));
        let name = match name.char_indices().nth(names) {
            Some(_) => name.chars().take(names.saturating_sub(1)).chain(['…']).collect(),
            None => name.clone(),
        };
        let line = format!("  {name:<names$}  {:>numbers$}  {:>8}  {bar}", thousands(*count), percent(*count, whole));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The most frequent texts, and the rest together.
fn ranking(top: &[(&str, u64)], total: u64, whole: u64) -> String {
    let mut counts: Vec<_> = top.iter().map(|(text, count)| (harmless(text), *count)).collect();
    let rest = total - top.iter().map(|(_, count)| count).sum::<u64>();
    if rest > 0 {
        counts.push(("all others".to_owned(), rest));
    }
    bars(&counts, whole)
}

/// From when to when, how many in each stretch, and when most.
fn over_time(series: &Series, what: &str) -> String {
    let Some((first, last)) = series.ends() else { return String::new() };
    let mut out = format!("  from {} to {}\n", instant(first), instant(last));
    let drawn = series.at_most(SPARK_CHARS);
    let _ = writeln!(out, "  {what} per {}: {}", drawn.step().name, sparks(&drawn));
    if let Some((begin, most)) = series.busiest() {
        let _ = writeln!(out, "  most in one {}: {} from {}", series.step().name, thousands(most), instant(begin));
    }
    out
}

fn sparks(series: &Series) -> String {
    let (Some((_, most)), step_ms) = (series.busiest(), series.step().ms) else { return String::new() };
    let mut out = String::new();
    let mut next = None;
    for (begin, count) in series.buckets() {
        let empty = next.map_or(0, |next| (begin - next) / step_ms);
        // As many as fit were asked for, unless there are instants beyond all history.
        out.extend(std::iter::repeat_n('·', usize::try_from(empty.clamp(0, SPARK_CHARS)).unwrap_or(0)));
        let level = (count * SPARKS.len() as u64).div_ceil(most).saturating_sub(1);
        out.extend(usize::try_from(level).ok().and_then(|level| SPARKS.get(level)));
        next = Some(begin.saturating_add(step_ms));
    }
    out
}

fn dead_letters(all: &[Letters]) -> String {
    let mut counts = Vec::new();
    let mut out = String::new();
    for Letters { pipeline, known } in all {
        match known {
            Ok(totals) => {
                let mut causes: Vec<_> = totals.dead_lettered.iter().filter(|(_, count)| **count > 0).collect();
                causes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
                let rest: u64 = causes.iter().skip(LISTED).map(|(_, count)| **count).sum();
                for (cause, count) in causes.into_iter().take(LISTED) {
                    let name = format!("{pipeline}: {}: {}", harmless(&cause.stage), harmless(&cause.reason));
                    counts.push((name, *count));
                }
                if rest > 0 {
                    counts.push((format!("{pipeline}: other reasons"), rest));
                }
            }
            Err(why) => {
                let _ = writeln!(out, "  {pipeline}: not known, as {why}");
            }
        }
    }
    let whole = all.iter().filter_map(|one| one.known.as_ref().ok()).map(|totals| totals.consumed).sum();
    if counts.is_empty() && out.is_empty() {
        out.push_str("  none\n");
    }
    bars(&counts, whole) + &out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::Tally,
        state::{Cause, Totals},
    };

    #[test]
    fn dead_letters_are_told_by_pipeline_stage_and_reason_and_can_do_nothing_to_a_terminal() {
        let mut totals = Totals { consumed: 20_100, written: 99, ..Totals::default() };
        for n in 0..10_000 {
            totals.dead_letter_one(&Cause::new("validate", "bad_email"));
            totals.dead_letter_one(&Cause::new("mine", &format!("\x1b[2Jreason {n}")));
        }
        totals.dead_letter_one(&Cause::new("sink", "bad_value"));
        let letters = vec![
            Letters { pipeline: "store".to_owned(), known: Ok(totals) },
            Letters { pipeline: "other".to_owned(), known: Err("it has not run yet".to_owned()) },
        ];
        let report = Report {
            table: "sqlite:x.db/t".to_owned(),
            taken_ms: 0,
            limit: Limit::ALL,
            contents: Tally::new(&[]).contents(false),
            letters,
        };
        let text = text(&report);
        let told = text.split("dead letters").nth(1).unwrap_or_default();
        assert!(told.contains("  store: validate: bad_email       10,000    49.8 %"), "{told}");
        assert!(told.contains("  store: other reasons"), "{told}");
        assert!(told.contains("  other: not known, as it has not run yet"), "{told}");
        assert!(told.lines().count() < 16 && !text.contains('\x1b'), "{told}");
        assert!(text.contains("0 rows: all that are alive"), "{text}");
    }
}
