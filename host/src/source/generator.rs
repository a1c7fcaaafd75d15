//! Source: made-up users in the shape of the Random User API's results, as many and as fast as wanted.
//!
//! Offset n of partition 0 is user n of the seed, so that a resumed or repeated run makes the same records. They have
//! no key, and no timestamp (-1): a made-up one would make a topic throw them away as too old.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::{BatchLimits, Committer, Filled, NoCommit, OpenContext, Source, SourceError};
use crate::{
    config::GeneratorSource,
    random_user::write_user,
    record::{Batch, HeaderWriter},
};

/// Makes users.
#[derive(Debug)]
pub struct GeneratorReader {
    seed: u64,
    records: Option<u64>,
    rate: Option<u64>,
    topic: Arc<str>,
    /// The next user to make.
    next: u64,
    /// When the first one was due, and which that was; what the rate is counted from.
    began: Option<(Instant, u64)>,
}

/// Begins with the user to resume at.
pub async fn open(config: &GeneratorSource, context: &OpenContext) -> Result<GeneratorReader, SourceError> {
    let next = u64::try_from(context.resume.next_offset(0).unwrap_or(0)).unwrap_or(0);
    Ok(GeneratorReader {
        seed: config.seed,
        records: config.records,
        rate: config.rate,
        topic: "users".into(),
        next,
        began: None,
    })
}

impl GeneratorReader {
    /// When user `n` is due.
    fn due(&mut self, n: u64) -> Instant {
        let (began, first) = *self.began.get_or_insert((Instant::now(), n));
        match self.rate {
            Some(rate) => began + Duration::from_secs_f64(n.saturating_sub(first) as f64 / rate.max(1) as f64),
            None => began,
        }
    }

    fn make(&mut self, batch: &mut Batch) {
        write_user(self.seed, self.next, batch.values.data_mut());
        batch.values.seal();
        batch.keys.push_null();
        HeaderWriter::new(&mut batch.headers).finish();
        batch.timestamps.push(-1);
        batch.partitions.push(0);
        batch.offsets.push(i64::try_from(self.next).unwrap_or(i64::MAX));
        self.next += 1;
    }

    /// Records that are still to be made.
    fn left(&self) -> Option<u64> {
        self.records.map(|records| records.saturating_sub(self.next))
    }

    async fn fill_batch(&mut self, batch: &mut Batch, limits: &BatchLimits) -> Result<Filled, SourceError> {
        batch.topic = Arc::clone(&self.topic);
        let mut deadline = Instant::now() + limits.idle;
        while batch.len() < limits.records && batch.bytes() < limits.bytes {
            if self.left() == Some(0) {
                return Ok(if batch.is_empty() { Filled::End } else { Filled::Records });
            }
            let due = self.due(self.next);
            if due > Instant::now() {
                sleep_until(due.min(deadline)).await;
                if due > deadline {
                    break;
                }
            }
            if batch.is_empty() {
                deadline = Instant::now() + limits.linger;
            }
            self.make(batch);
        }
        Ok(if batch.is_empty() { Filled::Idle } else { Filled::Records })
    }
}

impl Source for GeneratorReader {
    fn fill<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        limits: &'a BatchLimits,
    ) -> BoxFuture<'a, Result<Filled, SourceError>> {
        Box::pin(self.fill_batch(batch, limits))
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(NoCommit)
    }

    fn lags(&self) -> Vec<(i32, u64)> {
        self.left().map(|left| (0, left)).into_iter().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;

    async fn generator(records: Option<u64>, rate: Option<u64>, resume: Option<i64>) -> GeneratorReader {
        let context = OpenContext {
            pipeline: "p".into(),
            display: "generator:users".to_owned(),
            data_dir: "unused".into(),
            resume: resume.into_iter().map(|next| (0, next)).collect(),
            custodian: None,
        };
        open(&GeneratorSource { seed: 4, records, rate }, &context).await.unwrap()
    }

    fn limits(records: usize) -> BatchLimits {
        BatchLimits { records, bytes: 1 << 20, linger: Duration::ZERO, idle: Duration::ZERO }
    }

    async fn fill(source: &mut GeneratorReader, limits: &BatchLimits) -> (Filled, Batch) {
        let mut batch = Batch::new("".into());
        let filled = source.fill(&mut batch, limits).await.unwrap();
        (filled, batch)
    }

    #[tokio::test]
    async fn makes_as_many_as_wanted_and_ends() {
        let mut source = generator(Some(25), None, None).await;
        let mut offsets: Vec<i64> = Vec::new();
        loop {
            match fill(&mut source, &limits(10)).await {
                (Filled::Records, batch) => offsets.extend(&batch.offsets),
                (filled, _) => break assert_eq!(filled, Filled::End),
            }
        }
        assert_eq!(offsets, (0..25).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn resumes_with_the_records_that_a_run_without_a_break_would_make() {
        let (_, whole) = fill(&mut generator(None, None, None).await, &limits(30)).await;
        for done in [1, 13, 29] {
            let (_, rest) = fill(&mut generator(None, None, Some(done)).await, &limits(30 - done as usize)).await;
            assert_eq!(rest.offsets, whole.offsets[done as usize..]);
            for row in 0..rest.len() {
                assert_eq!(rest.record(row).value, whole.record(row + done as usize).value);
                assert_eq!(rest.record(row).key, None);
            }
        }
        assert_eq!(fill(&mut generator(Some(5), None, Some(5)).await, &limits(9)).await.0, Filled::End);
    }

    #[tokio::test]
    async fn a_rate_holds_records_back_until_they_are_due() {
        // one a second: the first at once, the second long after `idle`
        let mut source = generator(None, Some(1), None).await;
        assert_eq!(fill(&mut source, &limits(9)).await.1.len(), 1);
        assert_eq!(fill(&mut source, &limits(9)).await.0, Filled::Idle);
        // 100 a second: three more within 30 ms of the first
        let mut source = generator(None, Some(100), None).await;
        let began = Instant::now();
        let (_, batch) = fill(&mut source, &BatchLimits { linger: Duration::from_secs(30), ..limits(4) }).await;
        assert_eq!(batch.len(), 4);
        assert!(began.elapsed() >= Duration::from_millis(30));
    }

    #[tokio::test]
    async fn a_batch_keeps_to_its_bytes() {
        let mut source = generator(None, None, None).await;
        let (_, batch) = fill(&mut source, &BatchLimits { bytes: 10, ..limits(9) }).await;
        assert_eq!(batch.len(), 1);
    }
}
