//! Source: nothing, ever. For a pipeline that is opened for its dead letters only.

use futures::future::BoxFuture;

use super::{BatchLimits, Committer, Filled, NoCommit, Source, SourceError};
use crate::record::Batch;

/// Has no records.
pub struct Idle;

impl Source for Idle {
    fn fill<'a>(&'a mut self, _: &'a mut Batch, limits: &'a BatchLimits) -> BoxFuture<'a, Result<Filled, SourceError>> {
        Box::pin(async {
            tokio::time::sleep(limits.idle).await;
            Ok(Filled::Idle)
        })
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(NoCommit)
    }
}
