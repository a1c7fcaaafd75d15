//! The numbers at the head of an HTML report.

use std::fmt::Write;

use super::escaped;
use crate::report::{
    Report,
    words::{instant, percent, span, thousands},
};

/// One tile for each number that people look for first.
pub fn tiles(report: &Report) -> String {
    let contents = &report.contents;
    let mut out = String::from("<dl class=\"tiles\">\n");
    let mut tile = |name: &str, value: String, note: String| {
        let _ =
            writeln!(out, "<div><dt>{name}</dt><dd>{}<small>{}</small></dd></div>", escaped(&value), escaped(&note));
    };
    let note = if contents.more { "there are more in the table" } else { "all that are alive" };
    tile("Rows", thousands(contents.rows), note.to_owned());
    let missing: u64 = contents.columns.iter().map(|column| column.rows).sum();
    let columns = contents.columns.iter().filter(|column| column.rows > 0).count();
    let note = match columns {
        0 => format!("in none of {} columns", contents.columns.len()),
        columns => format!("in {columns} of {} columns", contents.columns.len()),
    };
    tile("Missing values", thousands(missing), note);
    if let Some(dates) = &contents.registered {
        let all = dates.parsed.total() + dates.unreadable;
        let note = format!("{} of those in registered_date", percent(dates.parsed.total(), all));
        tile("Dates", thousands(dates.parsed.total()), note);
    }
    if let Some(domains) = &contents.domains {
        let more = if domains.counts.other() > 0 { "at least " } else { "" };
        let first = domains.counts.top(1).first().map_or(String::new(), |(domain, _)| format!("most often {domain}"));
        tile("Email domains", format!("{more}{}", thousands(domains.counts.distinct() as u64)), first);
    }
    let dead: Vec<u64> = report
        .letters
        .iter()
        .filter_map(|one| one.known.as_ref().ok())
        .map(|totals| totals.dead_lettered_total())
        .collect();
    if !report.letters.is_empty() {
        let known = if dead.len() == report.letters.len() { "" } else { ", as far as they are known here" };
        tile("Dead letters", thousands(dead.iter().sum()), format!("since the first start{known}"));
    }
    match contents.expiring.ends() {
        Some((_, last)) => {
            let note = match contents.staying() {
                0 => format!("at {}", instant(last)),
                staying => format!("at {}, and {} stay", instant(last), thousands(staying)),
            };
            tile("The last row expires in", span(last - report.taken_ms), note);
        }
        None => tile("Time to live", "none".to_owned(), "rows stay".to_owned()),
    }
    out.push_str("</dl>\n");
    out
}
