//! A report as one HTML file that needs nothing else: no network, no server, no other file. To be sent to somebody.
//!
//! Every number stands in the document itself, in tiles and tables; the charts are drawn from them by the script in the
//! file. Whatever came from a record is escaped, and the file's own policy lets no other script run and nothing be loaded.

mod chart;
mod tiles;

use std::fmt::Write;

use self::{chart::Chart, tiles::tiles};
use super::{Report, text::extent, words::instant};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/charts.js");
/// See `vendor/README.md`.
const ECHARTS: &str = include_str!("vendor/echarts.js");

/// The reports as one document.
pub fn html(reports: &[Report]) -> String {
    // Known to nobody who could have put a script into the data.
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let mut sections = String::new();
    let mut data = Vec::new();
    for report in reports {
        section(&mut sections, &mut data, report);
    }
    let title = reports.first().map_or("Millstream", |report| report.table.as_str());
    // Within a script element only `<` could end it.
    let data = serde_json::Value::from(data).to_string().replace('<', "\\u003c");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"Millstream {version}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title} - report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{sections}\
         <footer>Made by Millstream {version}. This file needs no network and loads nothing.</footer>\n\
         <noscript><p>The charts need JavaScript; their numbers are in the tables.</p></noscript>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script nonce=\"{nonce}\">\n{ECHARTS}</script>\n<script nonce=\"{nonce}\">\n{SCRIPT}</script>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        title = escaped(title),
    )
}

/// One table's part.
fn section(out: &mut String, data: &mut Vec<serde_json::Value>, report: &Report) {
    let (scheme, place) = report.table.split_once(':').unwrap_or(("", &report.table));
    let (folder, name) = place.rsplit_once('/').unwrap_or(("", place));
    let _ = write!(
        out,
        "<main>\n<header>\n<h1>{}</h1>\n<p>{}:{}</p>\n<p>{} &middot; read at <time>{}</time></p>\n</header>\n{}<div class=\"charts\">\n",
        escaped(name),
        escaped(scheme),
        escaped(folder),
        escaped(&extent(report)),
        instant(report.taken_ms),
        tiles(report),
    );
    for chart in Chart::all(report) {
        chart.figure(out, data.len());
        data.push(chart.data());
    }
    out.push_str("</div>\n</main>\n");
}

/// A text that can do nothing in a document, within an attribute neither.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
