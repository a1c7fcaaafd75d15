//! Tables whose keys are the user's own: `headers` of HTTP and `options` of Kafka. Their values are secrets.

use super::{context::Context, fault::Fault, tree::Section};

/// What the delivery guarantees depend on, and who sets it instead.
const RESERVED: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "the brokers stand in the `url`"),
    (&["group.id"], "use the setting `group`"),
    (&["auto.offset.reset"], "use the setting `start`"),
    (
        &["enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms", "enable.auto.offset.store"],
        "a position is stored only once its records are written; a timer would lose what is in flight",
    ),
    (&["acks", "request.required.acks"], "a record counts as written only once all replicas in sync have it"),
    (
        &[
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "retries",
            "message.send.max.retries",
        ],
        "the order within a partition must survive a retry",
    ),
    (&["transactional.id"], "records are written at least once and idempotently, without transactions"),
    (&["delivery.timeout.ms", "message.timeout.ms"], "use the sink's `timeout`"),
    (&["partitioner"], "a key must go to the same partition whoever writes it, or duplicates could not be told"),
    (&["partition.assignment.strategy"], "the state of a partition moves with it, in the way the host arranges"),
];

/// `[….options]`, without what must not be set.
pub(super) fn options(cx: &mut Context<'_>, section: &Section<'_>) -> Vec<(String, String)> {
    let mut options = Vec::new();
    for (key, value) in section.texts(cx, "options") {
        let reserved = RESERVED.iter().find(|(names, _)| names.contains(&key.value.as_str()));
        if let Some((_, reason)) = reserved {
            let message = format!("`{}` is not yours to set: {reason}", key.value);
            cx.fault(Fault::new("reserved-option", key.span, message).hint("remove it").label("set by the host"));
            continue;
        }
        options.push((key.value, value.value));
    }
    options
}

/// `[….headers]`
pub(super) fn headers(cx: &mut Context<'_>, section: &Section<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (key, value) in section.texts(cx, "headers") {
        if key.value.parse::<reqwest::header::HeaderName>().is_err() {
            let message = format!("{} cannot be the name of an HTTP header", key.quoted());
            cx.fault(Fault::new("bad-name", key.span, message).hint("use letters, digits and `-`"));
        } else if value.value.parse::<reqwest::header::HeaderValue>().is_err() {
            let message = format!("the value of `{}` cannot be sent in an HTTP header", key.value);
            cx.fault(
                Fault::new("bad-value", value.span, message).hint("remove line feeds and other control characters"),
            );
        } else {
            headers.push((key.value, value.value));
        }
    }
    headers
}
