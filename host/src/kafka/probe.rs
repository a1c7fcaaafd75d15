//! A look at a topic before it is used: whether a broker answers, and how many partitions the topic has.
//!
//! A consumer without a group asks, so that the question never creates the topic. It blocks for at most [`PATIENCE`].

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::{IsError, RDKafkaErrorCode},
};

use super::{BrokerLog, Quiet, is_refusal, words};

/// How long opening waits for a broker before it says that there is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Why a topic could not be looked at.
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

/// The number of partitions, or `None` where the topic does not exist.
pub(crate) fn partitions(config: &ClientConfig, topic: &str) -> Result<Option<usize>, Unreachable> {
    let mut config = config.clone();
    config.remove("group.id");
    let brokers = config.get("bootstrap.servers").unwrap_or_default().to_owned();
    let consumer: BaseConsumer<Quiet> = config
        .create_with_context(Quiet(BrokerLog::new(&brokers)))
        .map_err(|error| Unreachable { message: words(&error), hint: None, retryable: false })?;
    let metadata = match consumer.fetch_metadata(Some(topic), PATIENCE) {
        Ok(metadata) => metadata,
        Err(error) => return Err(no_answer(&consumer, &brokers, &words(&error), error.rdkafka_error_code())),
    };
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().filter(|error| error.is_error()).map(RDKafkaErrorCode::from) {
        None => Ok(Some(found.partitions().len()).filter(|count| *count > 0)),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
        Some(code) => Err(Unreachable::new(format!("broker {brokers} refuses topic `{topic}`: {code}"), Some(code))),
    }
}

/// Collects what librdkafka has to say about the brokers; the call itself only says that time is up.
fn no_answer(
    consumer: &BaseConsumer<Quiet>,
    brokers: &str,
    words: &str,
    mut code: Option<RDKafkaErrorCode>,
) -> Unreachable {
    let deadline = Instant::now() + Duration::from_millis(100);
    while Instant::now() < deadline {
        if let Some(Err(error)) = consumer.poll(Duration::from_millis(10)) {
            code = error.rdkafka_error_code().filter(|code| is_refusal(*code)).or(code);
        }
    }
    let reason = consumer.context().0.last_error().unwrap_or_else(|| words.to_owned());
    Unreachable::new(format!("no answer from broker {brokers} within {PATIENCE:?}: {reason}"), code)
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
        let error = partitions(&config, "t").unwrap_err();
        assert!(error.retryable);
        assert!(error.message.contains(&brokers) && error.message.contains("refused"), "{}", error.message);
    }
}
