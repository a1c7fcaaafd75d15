//! The table of all metrics: what is served, what the documentation lists. `metrics.md` beside this file is printed from it;
//! a test keeps them in step.

use super::{View, Whole, text::Text};
use crate::{pipeline::Phase, state::Cause};

/// A row of the table.
pub(super) struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Besides `pipeline`.
    pub labels: &'static [&'static str],
    pub help: &'static str,
    pub of: Of,
}

pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Where its samples are read from.
pub(super) enum Of {
    Process(fn(&Whole, &mut Text)),
    Pipeline(fn(&View, &mut Text)),
}

use Kind::{Counter, Gauge, Histogram};

#[rustfmt::skip] // a table: one row per metric
pub(super) const METRICS: &[Metric] = &[
    pipeline("millstream_records_consumed_total", Counter, &[], "Records read from the source that are durable or accounted for.", |view, text| {
        text.count(&[], view.since.consumed);
    }),
    pipeline("millstream_records_split_total", Counter, &[], "Records that stages added by splitting one into several.", |view, text| {
        text.count(&[], view.since.split);
    }),
    pipeline("millstream_records_written_total", Counter, &[], "Records that the sink acknowledged.", |view, text| {
        text.count(&[], view.since.written);
    }),
    pipeline("millstream_records_dropped_total", Counter, &["stage", "reason"], "Records that a stage left out on purpose, by reason; beyond 100 reasons as `other`.", |view, text| {
        causes(view.since.dropped.iter(), text);
    }),
    pipeline("millstream_records_dead_lettered_total", Counter, &["stage", "reason"], "Records that the dead-letter sink acknowledged, by reason; beyond 100 reasons as `other`.", |view, text| {
        causes(view.since.dead_lettered.iter(), text);
    }),
    pipeline("millstream_records_unaccounted", Gauge, &[], "Consumed and split, less written, dropped and dead-lettered, since the pipeline first ran; anything but 0 is a fault.", |view, text| {
        text.sample(&[], view.figures.totals.drift() as f64);
    }),
    pipeline("millstream_records_under_way", Gauge, &[], "Records that were read and are not durable yet.", |view, text| {
        text.count(&[], view.activity.under_way);
    }),
    pipeline("millstream_lag_records", Gauge, &["partition"], "Records left in the source, where it can say.", |view, text| {
        for (partition, lag) in &view.activity.lags {
            text.count(&[("partition", &partition.to_string())], *lag);
        }
    }),
    pipeline("millstream_retries_total", Counter, &[], "Attempts to read (polls of HTTP included), write or commit that failed and were made again.", |view, text| {
        text.count(&[], view.figures.retries);
    }),
    pipeline("millstream_commits_total", Counter, &[], "Batches made durable.", |view, text| {
        text.count(&[], view.figures.commits);
    }),
    pipeline("millstream_commit_age_seconds", Gauge, &[], "Time since the last batch was durable.", |view, text| {
        if let Some(at) = view.activity.last_commit {
            text.sample(&[], at.elapsed().as_secs_f64());
        }
    }),
    pipeline("millstream_batch_records", Histogram, &[], "Records of a batch.", |view, text| {
        text.histogram(&[], &view.activity.batch_records);
    }),
    pipeline("millstream_batch_latency_seconds", Histogram, &[], "Time from a batch's being read to its being durable.", |view, text| {
        text.histogram(&[], &view.activity.latency);
    }),
    pipeline("millstream_sink_write_seconds", Histogram, &[], "Time that the sink took for a batch, repeated attempts included.", |view, text| {
        text.histogram(&[], &view.activity.write);
    }),
    pipeline("millstream_stage_records_total", Counter, &["stage"], "Records handed to a stage.", |view, text| {
        for stage in &view.activity.stages {
            text.count(&[("stage", &stage.author.stage)], stage.records);
        }
    }),
    pipeline("millstream_stage_seconds", Histogram, &["stage"], "Time that a stage's plugin took for a batch.", |view, text| {
        for stage in &view.activity.stages {
            text.histogram(&[("stage", &stage.author.stage)], &stage.time);
        }
    }),
    pipeline("millstream_stage_fuel_total", Counter, &["stage"], "What a stage's plugin executed, in units of fuel (about one per instruction); where `fuel` in `[host]` is on.", |view, text| {
        for stage in &view.activity.stages {
            if let Some(fuel) = stage.fuel {
                text.count(&[("stage", &stage.author.stage)], fuel);
            }
        }
    }),
    pipeline("millstream_plugin_memory_bytes", Gauge, &["stage"], "Linear memory of a stage's plugin.", |view, text| {
        for stage in &view.activity.stages {
            text.count(&[("stage", &stage.author.stage)], stage.memory);
        }
    }),
    pipeline("millstream_plugin_info", Gauge, &["stage", "plugin", "version", "sha256"], "Which version of which plugin a stage runs.", |view, text| {
        for stage in &view.activity.stages {
            let author = &stage.author;
            text.count(&[("stage", &author.stage), ("plugin", &author.plugin), ("version", &author.version), ("sha256", &author.sha256)], 1);
        }
    }),
    pipeline("millstream_swaps_total", Counter, &[], "Versions of stages that took over while the pipeline ran.", |view, text| {
        text.count(&[], view.counts.swaps);
    }),
    pipeline("millstream_rollbacks_total", Counter, &[], "Versions that were put back during their probation.", |view, text| {
        text.count(&[], view.counts.rollbacks);
    }),
    pipeline("millstream_refusals_total", Counter, &[], "Versions that were refused before they ran.", |view, text| {
        text.count(&[], view.counts.refusals);
    }),
    pipeline("millstream_circuit_open", Gauge, &["stage"], "1 while the pipeline is paused because a stage fails on record after record.", |view, text| {
        for stage in &view.activity.stages {
            let name = &stage.author.stage;
            let open = view.activity.broken.as_ref().is_some_and(|(broken, _)| broken == name);
            text.count(&[("stage", name)], u64::from(open));
        }
    }),
    pipeline("millstream_waiting", Gauge, &[], "1 while the pipeline waits for something that fails, such as a sink that is down.", |view, text| {
        // One that has ended waits for its next run at most.
        let is_waiting = view.activity.phase != Phase::Ended && view.figures.waiting().is_some();
        text.count(&[], u64::from(is_waiting));
    }),
    pipeline("millstream_pipeline_running", Gauge, &[], "1 while the pipeline is at work; 0 while it is opened, and once it has ended or failed.", |view, text| {
        text.count(&[], u64::from(view.activity.phase == Phase::Running));
    }),
    pipeline("millstream_changelog_bytes", Gauge, &[], "Size of the changelog's files, where state is kept in files.", |view, text| {
        if let Some(bytes) = view.changelog_bytes {
            text.count(&[], bytes);
        }
    }),
    process("millstream_build_info", Gauge, &["version"], "The version of the host.", |_, text| {
        text.count(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    }),
    process("millstream_reloads_total", Counter, &["outcome"], "How often configuration and plugins were read again, and whether all of it was `refused`.", |whole, text| {
        let refused = whole.reloads.refused;
        text.count(&[("outcome", "applied")], whole.reloads.done.saturating_sub(refused));
        text.count(&[("outcome", "refused")], refused);
    }),
    process("process_resident_memory_bytes", Gauge, &[], "Memory of the process that is in use.", |whole, text| {
        if let Some(bytes) = whole.process.resident_bytes {
            text.count(&[], bytes);
        }
    }),
    process("process_cpu_seconds_total", Counter, &[], "Processor time of the process.", |whole, text| {
        if let Some(seconds) = whole.process.cpu_s {
            text.sample(&[], seconds);
        }
    }),
    process("process_open_fds", Gauge, &[], "Files and connections that the process has open.", |whole, text| {
        if let Some(files) = whole.process.open_files {
            text.count(&[], files);
        }
    }),
    process("process_start_time_seconds", Gauge, &[], "When the host started, in Unix time.", |whole, text| {
        text.sample(&[], whole.process.started_s);
    }),
];

const fn pipeline(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&View, &mut Text),
) -> Metric {
    Metric { name, kind, labels, help, of: Of::Pipeline(read) }
}

const fn process(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Whole, &mut Text),
) -> Metric {
    Metric { name, kind, labels, help, of: Of::Process(read) }
}

fn causes<'a>(causes: impl Iterator<Item = (&'a Cause, &'a u64)>, text: &mut Text) {
    for (cause, records) in causes {
        text.count(&[("stage", &cause.stage), ("reason", &cause.reason)], *records);
    }
}

/// The table as markdown, for people.
pub fn metrics_table() -> String {
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in METRICS {
        let kind = match metric.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let of_pipeline = matches!(metric.of, Of::Pipeline(_)).then_some("pipeline");
        let labels: Vec<_> = of_pipeline.iter().chain(metric.labels).map(|label| format!("`{label}`")).collect();
        let meaning = metric.help.trim_end_matches('.');
        table.push_str(&format!("| `{}` | {kind} | {} | {meaning} |\n", metric.name, labels.join(", ")));
    }
    table
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn metrics_md_is_the_table_of_metrics() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/metrics/metrics.md");
        if std::env::var_os("MILLSTREAM_UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, metrics_table()).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            kept == metrics_table(),
            "run this with MILLSTREAM_UPDATE_GOLDEN=1, and copy {} into README.md",
            file.display()
        );
    }
}
