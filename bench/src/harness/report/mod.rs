//! What was measured on one path: a table on the terminal, JSON and a plot in files.

mod json;
mod plot;
mod table;

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    sitting::{Measure, Series},
    stats::Spread,
};

/// The figures of one path.
pub struct Report {
    /// Its name on the command line.
    pub path: &'static str,
    pub title: String,
    /// Records of each run.
    pub records: u64,
    /// In the order in which they are shown; the first one is plotted.
    pub measures: Vec<Measure>,
    pub series: Vec<Series>,
    pub ratios: Vec<Ratio>,
    pub limits: Vec<Limit>,
}

/// What a figure should not be above.
pub struct Limit {
    pub measure: Measure,
    pub program: &'static str,
    pub at_most: f64,
}

/// A comparison of two programs.
pub struct Ratio {
    pub measure: Measure,
    pub of: &'static str,
    pub to: &'static str,
    /// What it should not be above.
    pub goal: Option<f64>,
}

impl Report {
    /// Prints the tables.
    pub fn print(&self) {
        print!("{}", table::table(self));
    }

    /// Writes JSON and plot into the folder, over those of an earlier run.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        let file = |ending| folder.join(format!("{}.{ending}", self.path));
        for (path, text) in [
            (file("json"), format!("{}\n", serde_json::to_string_pretty(&json::json(self))?)),
            (file("svg"), plot::svg(self)),
        ] {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("  {}", path.display());
        }
        Ok(())
    }

    /// A comparison round by round, so that what slowed down a whole round changes nothing; `None` where a program did not
    /// take part.
    fn spread(&self, ratio: &Ratio) -> Option<Spread> {
        let runs =
            |name: &str| self.series.iter().find(|series| series.name == name).map(|series| series.of(ratio.measure));
        let (of, to) = (runs(ratio.of)?, runs(ratio.to)?);
        Some(Spread::of(&of.iter().zip(&to).map(|(of, to)| of / to).collect::<Vec<_>>()))
    }
}
