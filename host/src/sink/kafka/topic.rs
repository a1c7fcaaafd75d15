//! The topic that is written to: creates it where it is missing, and asks how large its records may be.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use crate::kafka::{self, BrokerLog, PATIENCE, Quiet};

/// Partitions of a topic that is created here, as many as the embedded log makes.
const PARTITIONS: i32 = 4;
/// The broker's own replication factor.
const BROKER_DEFAULT: i32 = -1;
/// Time between two looks for a topic that was just created.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a topic cannot be used.
pub(super) struct NoTopic {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) retryable: bool,
}

/// Makes sure that the topic exists.
pub(super) async fn ensure(config: &ClientConfig, topic: &str) -> Result<(), NoTopic> {
    if exists(config, topic).await? {
        return Ok(());
    }
    let missing = |message: String, retryable| NoTopic {
        message: format!("topic `{topic}` does not exist and cannot be created: {message}"),
        hint: Some("create it, or allow this user to".to_owned()),
        retryable,
    };
    let admin: AdminClient<Quiet> = config
        .create_with_context(Quiet(BrokerLog::new(topic)))
        .map_err(|error| missing(kafka::words(&error), false))?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(BROKER_DEFAULT));
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    match admin.create_topics([&new], &options).await {
        Ok(results) => match results.into_iter().next() {
            None | Some(Ok(_)) => tracing::info!(topic, partitions = PARTITIONS, "topic created"),
            // Someone else was faster.
            Some(Err((_, Code::TopicAlreadyExists))) => {}
            Some(Err((_, code))) => return Err(missing(code.to_string(), !is_final(code))),
        },
        Err(error) => return Err(missing(kafka::words(&error), true)),
    }
    let deadline = Instant::now() + PATIENCE;
    while !exists(config, topic).await? {
        if Instant::now() > deadline {
            return Err(missing("it was created, but no broker has it yet".to_owned(), true));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

fn is_final(code: Code) -> bool {
    use Code as C;
    kafka::is_refusal(code)
        || matches!(
            code,
            C::InvalidTopic
                | C::InvalidPartitions
                | C::InvalidReplicationFactor
                | C::InvalidConfig
                | C::PolicyViolation
        )
}

async fn exists(config: &ClientConfig, topic: &str) -> Result<bool, NoTopic> {
    let (config, topic) = (config.clone(), topic.to_owned());
    match tokio::task::spawn_blocking(move || kafka::Asker::new(&config)?.partitions(&topic)).await {
        Ok(Ok(found)) => Ok(found.is_some()),
        Ok(Err(e)) => Err(NoTopic { message: e.message, hint: e.hint, retryable: e.retryable }),
        Err(stopped) => {
            Err(NoTopic { message: format!("opening was stopped: {stopped}"), hint: None, retryable: true })
        }
    }
}

/// The largest message set that the topic takes; `None` where the broker does not say. With it librdkafka never sends
/// a set that is refused as a whole because of its size.
pub(super) async fn max_message_bytes(config: &ClientConfig, topic: &str) -> Option<u32> {
    let answer: Result<_, KafkaError> = async {
        let admin: AdminClient<Quiet> = config.create_with_context(Quiet(BrokerLog::new(topic)))?;
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await
    }
    .await;
    let found = answer.ok()?.into_iter().next()?.ok()?;
    let entry = found.entries.iter().find(|entry| entry.name == "max.message.bytes")?;
    entry.value.as_ref()?.parse().ok()
}
