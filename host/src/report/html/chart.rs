//! The charts of an HTML report: each a figure with a heading, a drawing that the script makes, a text that says what the
//! drawing shows, and its numbers as a table.

use std::fmt::Write;

use serde_json::{Value, json};

use super::escaped;
use crate::report::{
    Counts, Report, Series,
    words::{instant, percent, rows, thousands},
};

/// Most points of a line: more would not be told apart.
const POINTS: i64 = 500;
/// Most bars.
const BARS: usize = 10;

/// What is drawn.
pub enum Drawing {
    /// Rows by time.
    Time(Series),
    /// Names with counts, and what they are parts of. The first `drawn` are drawn, the others only listed.
    Bars { bars: Vec<(String, u64)>, drawn: usize, whole: u64 },
}

/// See the module.
pub struct Chart {
    title: String,
    /// What else is to be said, in one or two sentences.
    note: String,
    /// What is counted, and by what.
    units: [&'static str; 2],
    drawing: Drawing,
}

impl Chart {
    /// All charts of a report, in the order of the page.
    pub fn all(report: &Report) -> Vec<Self> {
        let contents = &report.contents;
        let mut all = Vec::new();
        if let Some(dates) = &contents.registered {
            let (unreadable, missing) = (dates.unreadable, contents.missing("registered_date"));
            let rest = format!("{} are no date, {} missing.", thousands(unreadable), thousands(missing));
            all.push(Self::time("Users by registered date", &dates.parsed, "users", &rest));
        }
        all.push(Self::time("Users by arrival", &contents.arrived, "users", "By the write timestamp of each row."));
        if let Some(genders) = &contents.genders {
            all.push(Self::ranking("Gender", genders, contents.rows, "gender"));
        }
        if let Some(domains) = &contents.domains {
            let mut chart = Self::ranking("Top 10 email domains", &domains.counts, contents.rows, "domain");
            if domains.without > 0 {
                let _ = write!(chart.note, " {} with an email that has no domain.", rows(domains.without));
            }
            all.push(chart);
        }
        let bars = contents.columns.iter().map(|column| (column.column.clone(), column.rows)).collect();
        let (columns, drawn) =
            (contents.columns.len(), contents.columns.iter().filter(|column| column.rows > 0).count());
        let note = match drawn {
            0 => format!("In none of {columns} columns."),
            drawn => format!("Of {}, in {drawn} of {columns} columns.", rows(contents.rows)),
        };
        let drawing = Drawing::Bars { bars, drawn, whole: contents.rows };
        all.push(Self { title: "Missing values".to_owned(), note, units: ["rows", "column"], drawing });
        all.extend(Self::dead_letters(report));
        if contents.expiring.total() > 0 {
            let note = match contents.staying() {
                0 => "Every row has an end.".to_owned(),
                staying => format!("{} stay.", rows(staying)),
            };
            all.push(Self::time("Rows by the time they expire", &contents.expiring, "rows", &note));
        }
        all
    }

    fn time(title: &str, series: &Series, unit: &'static str, note: &str) -> Self {
        let drawn = series.at_most(POINTS);
        let mut said = match (series.ends(), series.busiest()) {
            (Some((first, last)), Some((begin, most))) => format!(
                "{} from {} to {}. Most in one {}: {}, from {}. ",
                thousands(series.total()),
                instant(first),
                instant(last),
                series.step().name,
                thousands(most),
                instant(begin),
            ),
            _ => "None. ".to_owned(),
        };
        said.push_str(note);
        Self {
            title: format!("{title}, per {}", drawn.step().name),
            note: said,
            units: [unit, "from"],
            drawing: Drawing::Time(drawn),
        }
    }

    fn ranking(title: &str, counts: &Counts, whole: u64, by: &'static str) -> Self {
        let mut bars: Vec<(String, u64)> = counts.top(BARS).into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        let rest = counts.total() - bars.iter().map(|(_, count)| count).sum::<u64>();
        let mut note = format!("Of {}; {} different.", rows(whole), thousands(counts.distinct() as u64));
        if rest > 0 {
            bars.push(("all others".to_owned(), rest));
        }
        if counts.other() > 0 {
            let certain = if counts.is_certain(BARS) { "none of them is" } else { "one of them may be" };
            let _ = write!(note, " {} of others, {certain} among the first {BARS}.", rows(counts.other()));
        }
        Self {
            title: title.to_owned(),
            note,
            units: ["rows", by],
            drawing: Drawing::Bars { drawn: bars.len(), bars, whole },
        }
    }

    fn dead_letters(report: &Report) -> Option<Self> {
        let (mut bars, mut consumed, mut notes) = (Vec::new(), 0, Vec::new());
        for letters in &report.letters {
            match &letters.known {
                Ok(totals) => {
                    consumed += totals.consumed;
                    for (cause, count) in totals.dead_lettered.iter().filter(|(_, count)| **count > 0) {
                        bars.push((format!("{}: {}: {}", letters.pipeline, cause.stage, cause.reason), *count));
                    }
                }
                Err(why) => notes.push(format!("{}: not known, as {why}.", letters.pipeline)),
            }
        }
        if report.letters.is_empty() {
            return None;
        }
        bars.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest: u64 = bars.iter().skip(BARS).map(|(_, count)| count).sum();
        bars.truncate(BARS);
        if rest > 0 {
            bars.push(("all others".to_owned(), rest));
        }
        let note = format!(
            "Of {} records that the pipelines have consumed since their first start. {}",
            thousands(consumed),
            notes.join(" ")
        );
        Some(Self {
            title: "Dead letters by stage and reason".to_owned(),
            note,
            units: ["records", "pipeline, stage and reason"],
            drawing: Drawing::Bars { drawn: bars.len(), bars, whole: consumed },
        })
    }

    /// What the script draws.
    pub fn data(&self) -> Value {
        match &self.drawing {
            Drawing::Time(series) => json!({
                "kind": "time",
                "unit": self.units[0],
                "step": series.step().ms,
                "points": series.buckets().map(|(begin, rows)| json!([begin, rows])).collect::<Vec<_>>(),
            }),
            Drawing::Bars { bars, drawn, whole } => json!({
                "kind": "bars",
                "unit": self.units[0],
                "bars": bars.iter().take(*drawn).map(|(name, count)| json!([name, count, percent(*count, *whole)])).collect::<Vec<_>>(),
            }),
        }
    }

    /// The chart's part of the document.
    pub fn figure(&self, out: &mut String, id: usize) {
        let (class, cells) = match &self.drawing {
            Drawing::Time(_) => ("time", 2),
            Drawing::Bars { .. } => ("bars", 3),
        };
        let [unit, by] = self.units;
        let _ = write!(
            out,
            "<figure class=\"{class}\">\n<figcaption><h2>{title}</h2><p>{note}</p></figcaption>\n\
             <div class=\"chart\" role=\"img\" data-chart=\"{id}\" aria-label=\"{alt}\"></div>\n\
             <details><summary>The numbers</summary>\n<table><thead><tr><th scope=\"col\">{by}</th><th scope=\"col\">{unit}</th>",
            title = escaped(&self.title),
            note = escaped(self.note.trim()),
            alt = escaped(&self.alternative()),
        );
        out.push_str(if cells == 3 {
            "<th scope=\"col\">share</th></tr></thead>\n<tbody>\n"
        } else {
            "</tr></thead>\n<tbody>\n"
        });
        match &self.drawing {
            Drawing::Time(series) => {
                for (begin, count) in series.buckets() {
                    let _ = writeln!(
                        out,
                        "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                        instant(begin),
                        thousands(count)
                    );
                }
            }
            Drawing::Bars { bars, whole, .. } => {
                for (name, count) in bars {
                    let (count, share, name) = (thousands(*count), percent(*count, *whole), escaped(name));
                    let _ = writeln!(out, "<tr><th scope=\"row\">{name}</th><td>{count}</td><td>{share}</td></tr>");
                }
            }
        }
        out.push_str("</tbody></table>\n</details>\n</figure>\n");
    }

    /// What the drawing shows, for those who do not see it.
    fn alternative(&self) -> String {
        let shown = match &self.drawing {
            Drawing::Time(_) => "A line over time.".to_owned(),
            Drawing::Bars { drawn: 0, .. } => "None.".to_owned(),
            Drawing::Bars { bars, drawn, .. } => {
                let named: Vec<String> =
                    bars.iter().take(*drawn).map(|(name, count)| format!("{name}: {}", thousands(*count))).collect();
                named.join("; ")
            }
        };
        format!("{}. {} {shown}", self.title, self.note.trim())
    }
}
