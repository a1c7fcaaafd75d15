//! From a source's configuration to a source.

use super::{OpenContext, Source, SourceError, file, generator, http, kafka, log};
use crate::config::{SourceConfig, SourceEndpoint};

/// Opens the source that the configuration names.
pub async fn open(config: &SourceConfig, context: &OpenContext) -> Result<Box<dyn Source>, SourceError> {
    Ok(match &config.endpoint {
        SourceEndpoint::Http(http) => Box::new(http::open(http, context).await?),
        SourceEndpoint::Kafka(kafka) => Box::new(kafka::open(kafka, context).await?),
        SourceEndpoint::Log(log) => Box::new(log::open(log, context).await?),
        SourceEndpoint::File(file) => Box::new(file::open(file, context).await?),
        SourceEndpoint::Generator(generator) => Box::new(generator::open(generator, context).await?),
    })
}
