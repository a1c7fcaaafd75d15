//! What is logged of plugins that fail: who, why and on which record. Never once per record.

use std::time::Instant;

use super::{stage::Stage, work::Work};
use crate::plugin::{CallError, Failure, Told};

impl Stage {
    /// Tells of a record that the plugin failed on by itself.
    pub(super) fn report(&self, failure: &Failure, work: &Work, row: usize) {
        let error = &failure.error;
        match self.plugin().failures().note(error, Instant::now()) {
            Told::InFull => {
                let record = work.batch.record(work.rows.get(row).map_or(0, |row| row.origin) as usize);
                let (said, plugin) = (self.descriptor(), self.plugin());
                tracing::error!(
                    pipeline = %self.pipeline(),
                    stage = %self.name(),
                    plugin = said.name,
                    version = said.version,
                    sha256 = plugin.sha256(),
                    topic = %work.batch.topic,
                    partition = record.partition,
                    offset = record.offset,
                    "plugin failed on a record, which goes to the dead letters; the next ones like it are only counted: \
                     {}: {error}{}",
                    error.code(),
                    failure.backtrace
                );
            }
            told => self.sum_up(&told),
        }
    }

    /// Tells of a batch that the plugin failed on, although it fails on none of its records.
    pub(super) fn report_batch(&self, error: &CallError, records: usize) {
        match self.plugin().failures().note(error, Instant::now()) {
            Told::InFull => tracing::warn!(
                pipeline = %self.pipeline(),
                stage = %self.name(),
                plugin = self.descriptor().name,
                version = self.descriptor().version,
                sha256 = self.plugin().sha256(),
                records,
                "plugin failed on a batch, but on none of its records; the next times are only counted: {}: {error}",
                error.code()
            ),
            told => self.sum_up(&told),
        }
    }

    /// Tells how often the plugin failed, where that is due.
    pub(super) fn report_what_is_due(&self) {
        self.sum_up(&self.plugin().failures().due(Instant::now()));
    }

    fn sum_up(&self, told: &Told) {
        let Told::Sum(failures) = told else { return };
        tracing::warn!(
            pipeline = %self.pipeline(),
            stage = %self.name(),
            plugin = self.descriptor().name,
            version = self.descriptor().version,
            sha256 = self.plugin().sha256(),
            failures,
            "plugin failed again; the records and reasons are in the dead letters"
        );
    }
}
