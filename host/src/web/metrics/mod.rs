//! `/metrics`: the figures of the process and of each pipeline in the text format of Prometheus.
//!
//! Read from the meters when they are asked for; nothing is counted twice and nothing is counted for this alone. The format
//! is a dozen lines of text per kind, so it is written here rather than by a registry that would keep numbers of its own.

mod table;
mod text;

use std::{collections::BTreeSet, path::Path, time::Instant};

use crate::{
    pipeline::{Activity, Figures, Handle, Host, Reloads},
    state::Totals,
};

pub use table::metrics_table;
use table::{METRICS, Of};
use text::Text;

use super::process::Process;

/// What the metrics of one pipeline are read from.
struct View {
    pipeline: String,
    /// Since this life of the pipeline began.
    since: Totals,
    figures: Figures,
    activity: Activity,
    counts: Counts,
    changelog_bytes: Option<u64>,
}

/// What the metrics of the process are read from.
struct Whole {
    process: Process,
    reloads: Reloads,
}

/// How often stages were swapped, and how often that came to nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub swaps: u64,
    pub rollbacks: u64,
    pub refusals: u64,
}

impl View {
    fn of(handle: &Handle) -> Self {
        let figures = handle.meter.figures();
        Self {
            pipeline: handle.name.clone(),
            since: figures.totals.since(&figures.at_start),
            activity: handle.meter.activity(),
            counts: counts(handle),
            changelog_bytes: changelog_bytes(&handle.state_dir),
            figures,
        }
    }
}

pub(super) fn counts(handle: &Handle) -> Counts {
    let figures = handle.control.figures();
    Counts { swaps: figures.swapped, rollbacks: figures.put_back, refusals: figures.refused }
}

/// All metrics, as they are now.
pub(super) fn render(host: &Host, started: Instant) -> String {
    let views: Vec<View> = host.handles().iter().map(View::of).collect();
    let whole = Whole { process: Process::now(started), reloads: host.reloads() };
    let mut text = Text::default();
    for metric in METRICS {
        text.begin(metric);
        match metric.of {
            Of::Process(read) => read(&whole, &mut text),
            Of::Pipeline(read) => views.iter().for_each(|view| {
                text.pipeline(&view.pipeline);
                read(view, &mut text);
            }),
        }
    }
    text.finish()
}

/// Bytes of the changelog's files; `None` where it is not in files.
pub(super) fn changelog_bytes(folder: &Path) -> Option<u64> {
    let mut bytes = None;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "segment")
            && let Ok(metadata) = entry.metadata()
        {
            *bytes.get_or_insert(0) += metadata.len();
        }
    }
    bytes
}

/// The names of all metrics.
pub fn names() -> BTreeSet<&'static str> {
    METRICS.iter().map(|metric| metric.name).collect()
}
