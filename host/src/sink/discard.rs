//! `discard:` acknowledges everything and keeps nothing: for measuring what comes before the sink.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Failure, OpenContext, OpenError, Sink, WriteBatch};

/// Takes everything, keeps nothing.
#[derive(Debug, Default)]
pub struct Discard;

impl Discard {
    /// There is nothing to open.
    pub async fn open(_: &OpenContext) -> Result<Self, OpenError> {
        Ok(Self)
    }
}

impl Sink for Discard {
    fn write<'a>(&'a mut self, _: &'a Arc<WriteBatch>, _: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async { Vec::new() })
    }
}
