//! From a sink's configuration to a sink.

use super::{OpenContext, OpenError, Sink};
use crate::config::SinkConfig;

/// Opens the sink that the configuration names.
pub async fn open(config: &SinkConfig, context: &OpenContext) -> Result<Box<dyn Sink>, OpenError> {
    let _ = (config, context);
    Err(OpenError { url: String::new(), message: String::new(), hint: None, retryable: false })
}
