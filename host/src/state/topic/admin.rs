//! The topic itself: made where it is missing, widened where its source has grown, refused where it would lose state.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    error::RDKafkaErrorCode as Code,
};

use super::{ASK, MAX_FRAME_BYTES, TopicError};
use crate::{
    config::TopicState,
    kafka::{self, Asker, BrokerLog, Quiet},
    state::Seconds,
};

/// Frames are kept at least that long, so that positions and totals survive a week without a host.
const MIN_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// Time between two looks for a topic that was just created.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) async fn ensure(
    settings: &ClientConfig,
    config: &TopicState,
    partitions: usize,
    longest_ttl_s: Option<Seconds>,
) -> Result<(), TopicError> {
    let error = |message: String, hint: Option<String>, retryable| TopicError {
        url: config.display.clone(),
        message,
        hint,
        retryable,
    };
    let admin: AdminClient<Quiet> = settings
        .create_with_context(Quiet(BrokerLog::new(&config.display)))
        .map_err(|e| error(kafka::words(&e), None, false))?;
    let options = AdminOptions::new().request_timeout(Some(ASK)).operation_timeout(Some(ASK));
    let deadline = Instant::now() + ASK;
    let mut made = false;
    loop {
        let known = count(settings, &config.topic).await.map_err(|e| error(e.message, e.hint, e.retryable))?;
        let asked = match known {
            Some(known) if known >= partitions => break,
            // It takes a moment until all brokers have heard of it.
            _ if made => Ok(Vec::new()),
            None => {
                let retention = retention_ms(longest_ttl_s);
                let topic =
                    NewTopic::new(&config.topic, partitions as i32, TopicReplication::Fixed(config.replication))
                        .set("cleanup.policy", "delete")
                        .set("retention.bytes", "-1")
                        .set("retention.ms", &retention)
                        .set("message.timestamp.type", "CreateTime")
                        .set("max.message.bytes", MAX_FRAME_BYTES);
                admin.create_topics([&topic], &options).await
            }
            Some(_) => admin.create_partitions([&NewPartitions::new(&config.topic, partitions)], &options).await,
        };
        let asked = asked.map_err(|e| error(kafka::words(&e), None, true))?;
        match asked.into_iter().next() {
            // Another host may have been faster.
            None | Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => {}
            Some(Err((_, code))) => {
                let hint =
                    format!("create topic `{}` with {partitions} partitions, or allow this user to", config.topic);
                return Err(error(format!("cannot make the topic: {code}"), Some(hint), !kafka::is_refusal(code)));
            }
        }
        if !std::mem::replace(&mut made, true) {
            tracing::info!(state = %config.display, partitions, "changelog topic created, or widened");
        }
        if Instant::now() > deadline {
            return Err(error("it was created, but no broker has it yet".to_owned(), None, true));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&config.topic)], &options).await;
    let described = described.map_err(|e| error(kafka::words(&e), None, true))?;
    // A broker that does not let us look is taken at its word.
    let Some(Ok(described)) = described.into_iter().next() else { return Ok(()) };
    let value = |name: &str| described.entries.iter().find(|entry| entry.name == name).and_then(|e| e.value.clone());
    if let Some((setting, wanted)) = fault(&value, longest_ttl_s) {
        let message = format!("the topic has {setting}, by which it would lose state");
        return Err(error(message, Some(format!("set {wanted} on topic `{}`", config.topic)), false));
    }
    Ok(())
}

/// A setting that would lose state, and what it should be.
fn fault(value: &dyn Fn(&str) -> Option<String>, longest_ttl_s: Option<Seconds>) -> Option<(String, String)> {
    if let Some(policy) = value("cleanup.policy").filter(|policy| policy.contains("compact")) {
        return Some((format!("cleanup.policy={policy}"), "cleanup.policy=delete".to_owned()));
    }
    if let Some(bytes) = value("retention.bytes").filter(|bytes| bytes != "-1") {
        return Some((format!("retention.bytes={bytes}"), "retention.bytes=-1".to_owned()));
    }
    let needed_ms = longest_ttl_s.map_or(i64::MAX, |ttl| i64::from(ttl) * 1000);
    let retention = value("retention.ms")?;
    let kept_ms = retention.parse::<i64>().ok().filter(|ms| *ms >= 0)?;
    (kept_ms < needed_ms)
        .then(|| (format!("retention.ms={retention}"), format!("retention.ms={}", retention_ms(longest_ttl_s))))
}

/// Twice the longest TTL; for ever (-1) where an entry has none.
fn retention_ms(longest_ttl_s: Option<Seconds>) -> String {
    match longest_ttl_s {
        None => "-1".to_owned(),
        Some(ttl) => (MIN_RETENTION.as_millis() as i64).max(i64::from(ttl) * 2000).to_string(),
    }
}

async fn count(settings: &ClientConfig, topic: &str) -> Result<Option<usize>, kafka::Unreachable> {
    let (settings, topic) = (settings.clone(), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || Asker::new(&settings)?.partitions(&topic)).await;
    asked.unwrap_or_else(|stopped| {
        Err(kafka::Unreachable { message: format!("opening was stopped: {stopped}"), hint: None, retryable: true })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_would_lose_state_is_refused_with_the_setting_that_mends_it() {
        let fault_of = |name: &'static str, set: &'static str, ttl| {
            fault(&|asked| (asked == name).then(|| set.to_owned()), ttl).map(|(_, wanted)| wanted)
        };
        assert_eq!(fault_of("cleanup.policy", "compact,delete", None).unwrap(), "cleanup.policy=delete");
        assert_eq!(fault_of("retention.bytes", "1000", None).unwrap(), "retention.bytes=-1");
        assert_eq!(fault_of("retention.ms", "604800000", None).unwrap(), "retention.ms=-1");
        assert_eq!(fault_of("retention.ms", "1000", Some(2)).unwrap(), "retention.ms=604800000");
        assert_eq!(fault_of("retention.ms", "604800000", Some(1200)), None);
        assert_eq!(fault_of("retention.ms", "-1", None), None);
    }
}
