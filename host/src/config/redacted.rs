//! `Debug` for those parts of the configuration that hold secrets: what is printed by accident must not show them.

use std::fmt;

use super::{
    model::{CassandraSink, HttpSource, KafkaSink, KafkaSource, TopicState},
    secret::mask_url,
};

/// A text that is never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for those who need it.
    pub fn exposed(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Names, and stars for the values.
struct Hidden<'a>(&'a [(String, String)]);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "***"))).finish()
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, headers, every, split, timeout, max_bytes, retry_max_delay } = self;
        f.debug_struct("HttpSource")
            .field("url", &mask_url(url))
            .field("headers", &Hidden(headers))
            .field("every", every)
            .field("split", split)
            .field("timeout", timeout)
            .field("max_bytes", max_bytes)
            .field("retry_max_delay", retry_max_delay)
            .finish()
    }
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, topic, group, start, instance, options } = self;
        f.debug_struct("KafkaSource")
            .field("brokers", brokers)
            .field("topic", topic)
            .field("group", group)
            .field("start", start)
            .field("instance", instance)
            .field("options", &Hidden(options))
            .finish()
    }
}

impl fmt::Debug for TopicState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { display, brokers, topic, replication, options } = self;
        f.debug_struct("TopicState")
            .field("display", display)
            .field("brokers", brokers)
            .field("topic", topic)
            .field("replication", replication)
            .field("options", &Hidden(options))
            .finish()
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, topic, options } = self;
        let options = Hidden(options);
        f.debug_struct("KafkaSink").field("brokers", brokers).field("topic", topic).field("options", &options).finish()
    }
}

impl fmt::Debug for CassandraSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, user, password, keyspace, table, local_dc, create, consistency, concurrency } = self;
        f.debug_struct("CassandraSink")
            .field("nodes", nodes)
            .field("user", user)
            .field("password", &password.as_ref().map(|_| "***"))
            .field("keyspace", keyspace)
            .field("table", table)
            .field("local_dc", local_dc)
            .field("create", create)
            .field("consistency", consistency)
            .field("concurrency", concurrency)
            .finish()
    }
}
