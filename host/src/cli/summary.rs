//! What is printed at the end: what became of the records, why some did not arrive, and where the others are.

use std::fmt::Write;

use crate::{
    pipeline::{Ending, Report, chain_of},
    report::thousands,
    state::Totals,
};

/// The summary of a run, counted from the start of the process.
pub fn summary(reports: &[Report]) -> String {
    let mut text = String::new();
    let header = ["pipeline", "consumed", "written", "dropped", "dead letters"].map(str::to_owned);
    let mut table = vec![header];
    for report in reports {
        let run = since_start(report);
        let counts = [run.consumed, run.written, run.dropped_total(), run.dead_lettered_total()].map(thousands);
        let [consumed, written, dropped, dead] = counts;
        table.push([report.name.clone(), consumed, written, dropped, dead]);
    }
    text.push('\n');
    text.push_str(&align(&table));
    for report in reports {
        let run = since_start(report);
        for (what, causes) in [("dropped", &run.dropped), ("dead-lettered", &run.dead_lettered)] {
            for (cause, count) in causes.iter().filter(|(_, count)| **count > 0) {
                let _ = writeln!(
                    text,
                    "  {}: {} {what} by {}: {}",
                    report.name,
                    thousands(*count),
                    cause.stage,
                    cause.reason
                );
            }
        }
    }
    text.push('\n');
    for report in reports {
        let config = &report.config;
        let _ = writeln!(text, "{}: {} -> {}", report.name, config.source.display, config.sink.display);
        if report.figures.totals.dead_lettered_total() > 0 {
            let _ = writeln!(text, "  dead letters in {}", config.dead_letters.display);
        }
        if let Some(first) = report.first_written {
            let _ = writeln!(text, "  first record stored {:.1} s after the start", first.as_secs_f64());
        }
        if report.figures.retries > 0 {
            let _ = writeln!(text, "  {} attempts were repeated", thousands(report.figures.retries));
        }
        // One that could not be opened does not know what was before: its zeros would say that there was nothing.
        if report.result.is_ok() || report.figures.totals.consumed > 0 {
            let _ = writeln!(text, "  {}", balance(report));
        }
        if let (Some(schedule), Some(runs)) = (&config.schedule, &report.runs) {
            let [begun, failed, skipped] = [runs.begun, runs.failed, runs.skipped].map(thousands);
            let _ = writeln!(
                text,
                "  {begun} runs at {schedule}, {failed} failed; {skipped} times skipped, as a run was going"
            );
        }
        match &report.result {
            Ok(Ending::Drained) => {
                if let Some(waiting) = report.figures.waiting() {
                    let _ = writeln!(text, "  it was waiting when it ended: {waiting}");
                }
            }
            Ok(Ending::Abandoned { records, why }) => {
                let records = thousands(*records as u64);
                let _ = writeln!(
                    text,
                    "  {records} records were still under way ({why}); they are read again at the next start"
                );
            }
            Err(error) => {
                let _ = writeln!(text, "  FAILED: {}", chain_of(error));
            }
        }
    }
    text
}

/// The conservation meter since the pipeline first ran, in words.
fn balance(report: &Report) -> String {
    let all = &report.figures.totals;
    let split = if all.split > 0 { format!(" + {} split", thousands(all.split)) } else { String::new() };
    let sum = format!(
        "{} consumed{split} = {} written + {} dropped + {} dead-lettered, since the first start",
        thousands(all.consumed),
        thousands(all.written),
        thousands(all.dropped_total()),
        thousands(all.dead_lettered_total())
    );
    match all.drift() {
        0 => format!("nothing lost: {sum}"),
        drift => format!("RECORDS UNACCOUNTED FOR ({drift}): {sum}"),
    }
}

fn since_start(report: &Report) -> Totals {
    report.figures.totals.since(&report.figures.at_start)
}

/// The first column to the left, the others to the right.
pub fn align<const N: usize>(table: &[[String; N]]) -> String {
    let mut text = String::new();
    let width = |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for row in table {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = width(column).unwrap_or(0);
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
