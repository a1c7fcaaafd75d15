//! The real engines, where a path needs them: started if they do not run, and left running.

use std::{cell::OnceCell, time::Duration};

use anyhow::{Context, Result, anyhow};
use futures::FutureExt;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use scylla::client::{session::Session, session_builder::SessionBuilder};
use xtask::services::{Kind, Service};

use xtask::dataset::PARTITIONS;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Asked for one by one, as a path needs them.
#[derive(Default)]
pub struct Engines {
    kafka: OnceCell<String>,
    cassandra: OnceCell<String>,
}

impl Engines {
    /// Kafka's address.
    pub fn kafka(&self) -> Result<&str> {
        address(&self.kafka, Kind::Kafka)
    }

    /// Cassandra's address.
    pub fn cassandra(&self) -> Result<&str> {
        address(&self.cassandra, Kind::Cassandra)
    }

    /// Settings of a client of Kafka.
    pub fn client(&self) -> Result<ClientConfig> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka()?).set("log_level", "0");
        Ok(config)
    }

    /// How many records are in a topic; `None` if there is no such topic.
    pub fn records(&self, topic: &str) -> Result<Option<u64>> {
        let consumer: BaseConsumer = self.client()?.create()?;
        let metadata = consumer.fetch_metadata(None, TIMEOUT).context("Kafka does not answer")?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        let mut records = 0;
        for partition in found.partitions() {
            let (first, end) = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT)?;
            records += u64::try_from(end - first).unwrap_or(0);
        }
        Ok(Some(records))
    }

    /// Makes a topic, with nothing in it.
    pub fn create(&self, topic: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = AdminClient::from_config(&self.client()?)?;
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let new = [NewTopic::new(topic, PARTITIONS as i32, TopicReplication::Fixed(1)).set("retention.ms", "-1")];
        let runtime = runtime()?;
        for made in runtime.block_on(admin.create_topics(&new, &options))? {
            made.map_err(|(topic, error)| anyhow!("cannot create topic {topic}: {error}"))?;
        }
        Ok(())
    }

    /// Deletes a topic, if it is there.
    pub fn delete(&self, topic: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = AdminClient::from_config(&self.client()?)?;
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let runtime = runtime()?;
        runtime.block_on(admin.delete_topics(&[topic], &options).map(|_| ()));
        Ok(())
    }

    /// Makes sure that there is a topic for dead letters.
    pub fn ensure(&self, topic: &str) -> Result<()> {
        if self.records(topic)?.is_none() { self.create(topic) } else { Ok(()) }
    }

    pub async fn session(&self) -> Result<Session> {
        SessionBuilder::new().known_node(self.cassandra()?).build().await.context("cannot reach Cassandra")
    }
}

pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the I/O runtime")
}

fn address(known: &OnceCell<String>, kind: Kind) -> Result<&str> {
    if known.get().is_none() {
        let service = Service::from_env(kind)?;
        service.start()?;
        // Nobody else can have set it meanwhile.
        let _ = known.set(service.address());
    }
    known.get().map(String::as_str).context("an engine without an address")
}
