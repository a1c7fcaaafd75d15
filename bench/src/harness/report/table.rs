//! The figures as text: a row for each program, then the comparisons.

use std::fmt::Write;

use super::Report;
use crate::sitting::Measure;

pub fn table(report: &Report) -> String {
    let runs = report.series.iter().map(|series| series.runs.len()).max().unwrap_or(0);
    let mut text = format!("\n{}\n{} records, medians of {runs} runs [least, most]\n\n", report.title, report.records);
    let mut rows = vec![
        std::iter::once("program").chain(report.measures.iter().map(|m| m.heading())).map(str::to_owned).collect(),
    ];
    for series in &report.series {
        let mut row = vec![series.name.to_owned()];
        row.extend(report.measures.iter().map(|measure| cell(*measure, series)));
        rows.push(row);
    }
    text.push_str(&aligned(&rows));
    text.push('\n');
    let mut rows = Vec::new();
    for ratio in &report.ratios {
        let Some(spread) = report.spread(ratio) else { continue };
        let goal = ratio.goal.map_or_else(String::new, |goal| held(spread.median, goal));
        rows.push(vec![
            format!("{} / {}", ratio.of, ratio.to),
            format!("{:.2} [{:.2}, {:.2}]", spread.median, spread.min, spread.max),
            ratio.measure.heading().to_owned(),
            goal,
        ]);
    }
    for limit in &report.limits {
        let Some(series) = report.series.iter().find(|series| series.name == limit.program) else { continue };
        let median = series.spread(limit.measure).median;
        let shown = limit.measure.shown(median);
        let heading = limit.measure.heading().to_owned();
        rows.push(vec![limit.program.to_owned(), shown, heading, held(median, limit.at_most)]);
    }
    text.push_str(&aligned(&rows));
    text
}

fn held(value: f64, goal: f64) -> String {
    let held = if value <= goal { "held" } else { "NOT held" };
    format!("at most {goal}: {held}")
}

fn cell(measure: Measure, series: &crate::sitting::Series) -> String {
    let spread = series.spread(measure);
    if spread.median.is_nan() {
        return "-".to_owned();
    }
    let [median, min, max] = [spread.median, spread.min, spread.max].map(|value| measure.shown(value));
    format!("{median} [{min}, {max}]")
}

/// Columns side by side; the first one to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a text never fails.
            let _ = match column {
                0 => write!(line, "  {cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
