//! A Kafka and a Cassandra of the harness's own, to be broken: ports go in, running engines come out.
//!
//! They listen on ports that nothing else uses, so whoever else works on this machine keeps his engines. Their data is
//! deleted at the beginning and at the end. Topics and rows of a trial are made and read here, without the host.

use std::{collections::HashSet, future::Future, time::Duration};

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig,
};
use scylla::client::session_builder::SessionBuilder;
use tokio::runtime::Runtime;
use uuid::Uuid;
use xtask::services::{Kind, Service, Started};

/// Away from the engines' usual ports; each takes the next one, too, for its peers.
const KAFKA_PORT: u16 = 29392;
const CASSANDRA_PORT: u16 = 9342;
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Both engines, stopped and wiped when dropped unless they are to be kept.
pub struct Engines {
    pub kafka: Service,
    pub cassandra: Service,
    runtime: Runtime,
    keep: bool,
}

impl Engines {
    /// Starts them with nothing in them.
    pub fn start(keep: bool) -> Result<Self> {
        let runtime = Runtime::new().context("cannot start the I/O runtime")?;
        let kafka = Service::at(Kind::Kafka, KAFKA_PORT)?;
        let cassandra = Service::at(Kind::Cassandra, CASSANDRA_PORT)?.synced();
        let engines = Self { kafka, cassandra, runtime, keep };
        for service in [&engines.kafka, &engines.cassandra] {
            let begun = std::time::Instant::now();
            service.resume().or_else(|error| if service.pid().is_some() { Err(error) } else { Ok(()) })?;
            service.wipe()?;
            if service.start()? != Started::Now {
                bail!("will not break the {} at {}: it was not started from here", service.kind(), service.address());
            }
            println!("{}: {} answers ({:.1} s)", service.kind(), service.address(), begun.elapsed().as_secs_f64());
        }
        Ok(engines)
    }

    /// Makes a topic; `append` decides which of its partitions a record goes to.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = AdminClient::from_config(&self.client())?;
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(ADMIN_TIMEOUT));
        for made in self.wait(admin.create_topics([&new], &options))? {
            made.map_err(|(name, error)| anyhow::anyhow!("cannot create topic {name}: {error}"))?;
        }
        Ok(())
    }

    /// Settings of a client of this Kafka.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka.address()).set("log_level", "0");
        config
    }

    /// All ids of a table; an error if one is there twice.
    pub fn ids(&self, table: &str) -> Result<HashSet<u128>> {
        let node = self.cassandra.address();
        self.wait(async {
            let session = SessionBuilder::new().known_node(&node).build().await.context("cannot reach Cassandra")?;
            let mut rows = session.query_iter(format!("SELECT id FROM {table}"), ()).await?.rows_stream::<(Uuid,)>()?;
            let mut ids = HashSet::new();
            while let Some((id,)) = rows.try_next().await? {
                if !ids.insert(id.as_u128()) {
                    bail!("{table} has two rows of id {id}");
                }
            }
            Ok(ids)
        })
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        if self.keep {
            println!("kept: kafka at {}, cassandra at {}", self.kafka.address(), self.cassandra.address());
            return;
        }
        for service in [&self.kafka, &self.cassandra] {
            if let Err(error) = service.wipe() {
                eprintln!("{}: {error:#}", service.kind());
            }
        }
    }
}
