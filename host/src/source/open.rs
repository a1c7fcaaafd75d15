//! From a source's configuration to a source.

use super::{OpenContext, Source, SourceError};
use crate::config::SourceConfig;

/// Opens the source that the configuration names.
pub async fn open(config: &SourceConfig, context: &OpenContext) -> Result<Box<dyn Source>, SourceError> {
    let _ = (config, context);
    Err(SourceError { url: String::new(), message: String::new(), hint: None, retryable: false })
}
