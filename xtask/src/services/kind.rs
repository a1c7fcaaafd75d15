//! The two engines that the project can start, and the ports of one instance of each.
//!
//! Comes in: the environment. Goes out: names, ports and the jars that make the engine up. Starts nothing.

use anyhow::{Context, Result, bail};
use std::fmt;

/// An engine that the tests need for real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Apache Kafka, one broker that is its own controller.
    Kafka,
    /// Apache Cassandra, one node in `datacenter1`.
    Cassandra,
}

/// A dependency in Maven Central: group, artifact, version.
pub type Artifact = (&'static str, &'static str, &'static str);

impl Kind {
    /// Both, in the order in which they are started.
    pub const ALL: [Kind; 2] = [Kind::Kafka, Kind::Cassandra];

    /// The name on the command line, of the compose service and of the folders.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Kafka => "kafka",
            Kind::Cassandra => "cassandra",
        }
    }

    /// Where clients find it unless told otherwise.
    pub const fn default_port(self) -> u16 {
        match self {
            Kind::Kafka => 29092,
            Kind::Cassandra => 9042,
        }
    }

    /// The variable that moves it to another port.
    pub const fn port_variable(self) -> &'static str {
        match self {
            Kind::Kafka => "MILLSTREAM_KAFKA_PORT",
            Kind::Cassandra => "MILLSTREAM_CASSANDRA_PORT",
        }
    }

    /// The variable by which the end-to-end tests learn its address.
    pub const fn address_variable(self) -> &'static str {
        match self {
            Kind::Kafka => "MILLSTREAM_KAFKA",
            Kind::Cassandra => "MILLSTREAM_CASSANDRA",
        }
    }

    /// What Maven has to fetch; what these depend on comes along.
    pub const fn artifacts(self) -> &'static [Artifact] {
        match self {
            // Kafka logs through slf4j and brings no binding of its own; without one the broker is mute.
            Kind::Kafka => &[
                ("org.apache.kafka", "kafka_2.13", "4.4.0"),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5"),
            ],
            Kind::Cassandra => &[("org.apache.cassandra", "cassandra-all", "5.0.9")],
        }
    }

    /// The Java versions the engine runs on, both ends included.
    pub const fn java_versions(self) -> (u32, u32) {
        match self {
            Kind::Kafka => (17, 25),
            // 5.0 asks for the security manager, which later ones refuse.
            Kind::Cassandra => (11, 17),
        }
    }

    /// The port for clients: the variable's, or the default.
    pub fn port_from_env(self) -> Result<u16> {
        match std::env::var(self.port_variable()) {
            Err(_) => Ok(self.default_port()),
            Ok(text) => {
                let port = text.trim().parse::<u16>().with_context(|| {
                    format!("cannot read {}=`{text}` as a port; give a number, 1024 to 65534", self.port_variable())
                })?;
                if !(1024..65535).contains(&port) {
                    bail!("cannot use {}={port}: give a port from 1024 to 65534", self.port_variable());
                }
                Ok(port)
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
