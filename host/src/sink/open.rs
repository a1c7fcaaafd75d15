//! From a sink's configuration to a sink.

use super::{AppendedFile, CassandraTable, Discard, OpenContext, OpenError, Sink, SqliteTable, Stdout, kafka, log};
use crate::config::{SinkConfig, SinkEndpoint};

/// Opens the sink that the configuration names.
pub async fn open(config: &SinkConfig, context: &OpenContext) -> Result<Box<dyn Sink>, OpenError> {
    Ok(match &config.endpoint {
        SinkEndpoint::Kafka(kafka) => Box::new(kafka::open(kafka, context).await?),
        SinkEndpoint::Cassandra(cassandra) => Box::new(CassandraTable::open(cassandra, context).await?),
        SinkEndpoint::Log(log) => Box::new(log::open(log, context).await?),
        SinkEndpoint::Sqlite(sqlite) => Box::new(SqliteTable::open(sqlite, context).await?),
        SinkEndpoint::File(file) => Box::new(AppendedFile::open(file, context).await?),
        SinkEndpoint::Stdout(format) => Box::new(Stdout::open(*format, context).await?),
        SinkEndpoint::Discard => Box::new(Discard::open(context).await?),
    })
}
