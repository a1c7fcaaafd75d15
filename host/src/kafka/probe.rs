//! Questions about a topic: whether a broker answers, how many partitions there are, where they begin and end.
//!
//! A consumer without a group asks, so that the question never creates the topic. It never fetches: a broker answers
//! the requests of a connection one after the other, and a fetch that waits for records would hold up the answers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{IsError, KafkaError, RDKafkaErrorCode},
};

use super::{BrokerLog, Quiet, is_refusal, words};

/// How long opening waits for a broker before it says that there is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) struct Unreachable {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) retryable: bool,
}

impl Unreachable {
    fn new(message: String, code: Option<RDKafkaErrorCode>) -> Self {
        let refused = code.is_some_and(is_refusal);
        let hint = if refused {
            "check the credentials in `options` and what the broker allows them"
        } else {
            "check that the broker runs and can be reached from here"
        };
        Self { message, hint: Some(hint.to_owned()), retryable: !refused }
    }
}

/// A client that only asks.
pub(crate) struct Asker {
    consumer: BaseConsumer<Quiet>,
    brokers: String,
}

impl Asker {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Unreachable> {
        let mut config = config.clone();
        config.remove("group.id");
        let brokers = config.get("bootstrap.servers").unwrap_or_default().to_owned();
        let consumer = config.create_with_context(Quiet(BrokerLog::new(&brokers))).map_err(|error| Unreachable {
            message: words(&error),
            hint: None,
            retryable: false,
        })?;
        Ok(Self { consumer, brokers })
    }

    /// The number of partitions, or `None` where the topic does not exist. Blocks for at most [`PATIENCE`].
    pub(crate) fn partitions(&self, topic: &str) -> Result<Option<usize>, Unreachable> {
        let metadata = match self.consumer.fetch_metadata(Some(topic), PATIENCE) {
            Ok(metadata) => metadata,
            Err(error) => return Err(self.no_answer(&words(&error), error.rdkafka_error_code())),
        };
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().filter(|error| error.is_error()).map(RDKafkaErrorCode::from) {
            None => Ok(Some(found.partitions().len()).filter(|count| *count > 0)),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => {
                let message = format!("broker {} refuses topic `{topic}`: {code}", self.brokers);
                Err(Unreachable::new(message, Some(code)))
            }
        }
    }

    /// The first offset or the end of each partition.
    pub(crate) fn offsets(
        &self,
        topic: &str,
        partitions: &[i32],
        which: Offset,
        patience: Duration,
    ) -> Result<BTreeMap<i32, i64>, RDKafkaErrorCode> {
        let code = |error: KafkaError| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(topic, *partition);
        }
        list.set_all_offsets(which).map_err(code)?;
        let list = self.consumer.offsets_for_times(list, patience).map_err(code)?;
        let mut offsets = BTreeMap::new();
        for element in list.elements() {
            element.error().map_err(code)?;
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0);
            offsets.insert(element.partition(), offset.ok_or(RDKafkaErrorCode::UnknownPartition)?);
        }
        Ok(offsets)
    }

    /// Takes what librdkafka has to say; left alone it would pile up.
    pub(crate) fn serve(&self) {
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }

    /// Collects what librdkafka has to say about the brokers; the call itself only says that time is up.
    fn no_answer(&self, words: &str, mut code: Option<RDKafkaErrorCode>) -> Unreachable {
        let deadline = Instant::now() + Duration::from_millis(100);
        while Instant::now() < deadline {
            if let Some(Err(error)) = self.consumer.poll(Duration::from_millis(10)) {
                code = error.rdkafka_error_code().filter(|code| is_refusal(*code)).or(code);
            }
        }
        let reason = self.consumer.context().0.last_error().unwrap_or_else(|| words.to_owned());
        Unreachable::new(format!("no answer from broker {} within {PATIENCE:?}: {reason}", self.brokers), code)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_down_is_named_with_the_reason() {
        // A port that was free a moment ago refuses connections.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let brokers = format!("127.0.0.1:{port}");
        let config = super::super::settings(&brokers, "p", &[], &[]).unwrap();
        let error = Asker::new(&config).unwrap().partitions("t").unwrap_err();
        assert!(error.retryable);
        assert!(error.message.contains(&brokers) && error.message.contains("refused"), "{}", error.message);
    }
}
