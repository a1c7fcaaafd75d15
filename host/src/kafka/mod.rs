//! What the source and the sink for Apache Kafka share: the client's settings, its messages, and a look at a topic.
//!
//! In come a broker list and the user's options, out comes a configuration for librdkafka. Nothing here reads or
//! writes a record.

mod log;
mod probe;

pub(crate) use log::{BrokerLog, Quiet};
pub(crate) use probe::{Asker, PATIENCE, Unreachable};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};

/// Settings that carry the delivery guarantees; an option that changes one of them is refused.
const OURS: [&str; 13] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "auto.offset.reset",
    "partition.assignment.strategy",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "allow.auto.create.topics",
];

/// What a consumer fetches ahead. librdkafka's defaults, 64 MiB or 100,000 records and answers of 50 MiB, would be most of the
/// host's memory: beside its bytes a record that waits takes a few hundred more. Answers of 1 MiB took a fifth less CPU than
/// those of 8 MiB, and brought no fewer records, from a broker that is near. And once that much waits, by default it fetches
/// nothing for a second however soon there is room again
/// ([`fetch.queue.backoff.ms`](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md)), which made a
/// topic of small records take fourteen times as long. Looking every 5 ms took half a percent of a core while it was full;
/// every 2 ms was not measured on its own.
const FETCH_AHEAD: [(&str, &str); 4] = [
    ("queued.max.messages.kbytes", "4096"),
    ("queued.min.messages", "5000"),
    ("fetch.max.bytes", "1048576"),
    ("fetch.queue.backoff.ms", "2"),
];

/// Bounds what a consumer fetches ahead, as far as other settings do not.
pub(crate) fn bound_fetching(settings: &mut ClientConfig) {
    for (name, value) in FETCH_AHEAD {
        if settings.get(name).is_none() {
            settings.set(name, value);
        }
    }
    let bytes = |name: &str| settings.get(name).and_then(|value| value.parse::<u64>().ok());
    // librdkafka refuses answers that are bounded below a message.
    if let (Some(message), Some(answer)) = (bytes("message.max.bytes"), bytes("fetch.max.bytes"))
        && message > answer
    {
        settings.set("fetch.max.bytes", message.to_string());
    }
}

/// The configuration of a client: `defaults`, then the user's options over them. Fails with the name of an option
/// that is not the user's to set.
pub(crate) fn settings(
    brokers: &str,
    pipeline: &str,
    defaults: &[(&str, &str)],
    options: &[(String, String)],
) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    config.set("bootstrap.servers", brokers);
    config.set("client.id", format!("millstream-{pipeline}"));
    config.set("allow.auto.create.topics", "false");
    // A broker closes idle connections; that is no event.
    config.set("log.connection.close", "false");
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in options {
        if OURS.contains(&name.as_str()) {
            return Err(name.clone());
        }
        if name == "debug" {
            config.set_log_level(RDKafkaLogLevel::Debug);
        }
        config.set(name, value);
    }
    Ok(config)
}

/// librdkafka's own words, without the value of an option, which may be a secret.
pub(crate) fn words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, name, _) => {
            format!("librdkafka refuses the option `{name}`: {description}")
        }
        KafkaError::ClientCreation(reason) => format!("librdkafka cannot start: {reason}"),
        other => match other.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => other.to_string(),
        },
    }
}

/// Whether an error will not go away by itself: who we are is not accepted, or not allowed.
pub(crate) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_ahead_is_bounded_and_the_users_options_come_first() {
        let queue = ("queued.max.messages.kbytes".to_owned(), "1024".to_owned());
        let mut settings = settings("b:1", "p", &[], &[queue]).unwrap();
        bound_fetching(&mut settings);
        assert_eq!(settings.get("queued.max.messages.kbytes"), Some("1024"));
        assert_eq!(settings.get("fetch.max.bytes"), Some("1048576"));
        assert!(settings.create::<rdkafka::consumer::BaseConsumer>().is_ok());
        settings.set("message.max.bytes", "67108864");
        bound_fetching(&mut settings);
        assert!(settings.create::<rdkafka::consumer::BaseConsumer>().is_ok());
    }

    #[test]
    fn options_override_defaults_but_not_guarantees() {
        let options = vec![("linger.ms".to_owned(), "50".to_owned())];
        let config = settings("b:9092", "p", &[("linger.ms", "5")], &options).unwrap();
        assert_eq!(config.get("linger.ms"), Some("50"));
        assert_eq!(config.get("client.id"), Some("millstream-p"));
        let options = vec![("acks".to_owned(), "0".to_owned())];
        assert_eq!(settings("b:9092", "p", &[], &options).unwrap_err(), "acks");
    }

    #[test]
    fn a_refused_option_is_named_without_its_value() {
        let options = vec![("no.such.option".to_owned(), "hush".to_owned())];
        let config = settings("b:9092", "p", &[], &options).unwrap();
        let error = config.create::<rdkafka::consumer::BaseConsumer>().err().unwrap();
        let words = words(&error);
        assert!(words.contains("`no.such.option`") && !words.contains("hush"), "{words}");
    }
}
