//! `[pipeline.source]`: from the table to a [`SourceConfig`].

use super::{
    context::{Context, Text},
    defaults as d,
    fault::Fault,
    model::*,
    options::{headers, options},
    secret,
    tree::Section,
    url::{self, Address, Role},
};

/// `None` where a fault leaves no source; every fault is noted.
pub(super) fn source(cx: &mut Context<'_>, section: &mut Section<'_>, pipeline: &str) -> Option<SourceConfig> {
    let url = section.text(cx, "url");
    let kind = url.as_ref().map_or(section.raw("url"), |url| Some(&url.value));
    let kind = kind.and_then(|url| url::kind_of(url, Role::Source));
    section.check_names(cx, kind);
    section.require(cx, "url", "add `url = \"…\"`, such as `log:topic` or `https://host/path`");

    let batch_records = section.count(cx, "batch_records").and_then(|count| usize::try_from(count).ok());
    let batch_bytes = section.bytes(cx, "batch_bytes");
    let linger = section.time(cx, "linger");
    let trigger = trigger(cx, section);
    let drain = section.time(cx, "drain");
    let address = url.as_ref().and_then(|url| address(cx, url, Role::Source));
    let is_usable = address.is_some();
    let address = address.or_else(|| url::stand_in(kind?))?;
    let url = url.map(|url| url.value).unwrap_or_default();
    let endpoint = endpoint(cx, section, &url, address, pipeline)?;
    is_usable.then(|| SourceConfig {
        display: secret::mask_url(&url),
        endpoint,
        batch_records: batch_records.unwrap_or(d::BATCH_RECORDS),
        batch_bytes: batch_bytes.unwrap_or(d::BATCH_BYTES),
        linger: linger.unwrap_or(d::LINGER),
        trigger,
        drain: drain.unwrap_or(d::DRAIN),
    })
}

/// The address, or a fault at the `url`.
pub(super) fn address(cx: &mut Context<'_>, url: &Text, role: Role) -> Option<Address> {
    match url::parse(&url.value, role) {
        Ok(address) => Some(address),
        Err(fault) => {
            let message = match url.from_variable {
                true => format!("{} (the address comes from the environment)", fault.unquoted()),
                false => fault.message,
            };
            cx.fault(Fault::new(fault.code, url.span.clone(), message).hint(fault.hint).label("this address"));
            None
        }
    }
}

fn trigger(cx: &mut Context<'_>, section: &Section<'_>) -> Option<Trigger> {
    let records = section.count(cx, "trigger_records").and_then(|count| usize::try_from(count).ok());
    let interval = section.time(cx, "trigger_interval");
    if records.is_none() && interval.is_none() {
        return None;
    }
    Some(Trigger { records, interval: interval.unwrap_or(d::TRIGGER_INTERVAL) })
}

fn endpoint(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    url: &str,
    address: Address,
    pipeline: &str,
) -> Option<SourceEndpoint> {
    Some(match address {
        Address::Http => SourceEndpoint::Http(HttpSource {
            url: url.to_owned(),
            headers: headers(cx, section),
            every: section.time(cx, "every").unwrap_or(d::HTTP_EVERY),
            split: split(cx, section),
            timeout: section.time(cx, "timeout").unwrap_or(d::HTTP_TIMEOUT),
            max_bytes: section.bytes(cx, "max_bytes").unwrap_or(d::HTTP_MAX_BYTES),
            retry_max_delay: section.time(cx, "retry_max_delay").unwrap_or(d::HTTP_RETRY_MAX_DELAY),
        }),
        Address::Kafka { brokers, topic } => SourceEndpoint::Kafka(KafkaSource {
            brokers,
            topic,
            group: group(cx, section, pipeline),
            start: start(cx, section),
            instance: instance(cx, section),
            options: options(cx, section),
        }),
        Address::Log { topic } => {
            SourceEndpoint::Log(LogSource { topic, group: group(cx, section, pipeline), start: start(cx, section) })
        }
        Address::File { path } => SourceEndpoint::File(FileSource {
            path: cx.in_folder(&path),
            follow: section.flag(cx, "follow").unwrap_or(false),
        }),
        Address::Generator => SourceEndpoint::Generator(GeneratorSource {
            seed: section.count(cx, "seed").unwrap_or(d::GENERATOR_SEED),
            records: section.count(cx, "records"),
            rate: section.count(cx, "rate"),
        }),
        // the role was checked with the address
        Address::Cassandra { .. } | Address::Sqlite { .. } | Address::Stdout | Address::Discard => return None,
    })
}

fn start(cx: &mut Context<'_>, section: &Section<'_>) -> Start {
    match section.choice(cx, "start") {
        Some("latest") => Start::Latest,
        _ => Start::Earliest,
    }
}

fn group(cx: &mut Context<'_>, section: &Section<'_>, pipeline: &str) -> String {
    let default = || format!("{}{pipeline}", d::GROUP_PREFIX);
    let Some(group) = section.text(cx, "group") else { return default() };
    let is_fine = !group.value.is_empty() && group.value.len() <= 249 && !group.value.contains(char::is_control);
    if !is_fine {
        let message = format!("{} cannot be the name of a consumer group", group.quoted());
        cx.fault(Fault::new("bad-name", group.span, message).hint("leave it out for `millstream-<pipeline>`"));
    }
    group.value
}

fn instance(cx: &mut Context<'_>, section: &Section<'_>) -> Option<String> {
    let instance = section.text(cx, "instance")?;
    let is_fine =
        !instance.value.is_empty() && instance.value.len() <= 249 && !instance.value.contains(char::is_control);
    if !is_fine {
        let message = format!("{} cannot be the name of a member of a group", instance.quoted());
        cx.fault(Fault::new("bad-name", instance.span, message).hint("give each host a short name of its own"));
        return None;
    }
    Some(instance.value)
}

fn split(cx: &mut Context<'_>, section: &Section<'_>) -> Option<String> {
    let split = section.text(cx, "split")?;
    let pointer = split.value.replace("~0", "").replace("~1", "");
    if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.contains('~') {
        let message = format!("`split` is a JSON pointer, not {}", split.quoted());
        let hint = match split.value.contains('~') {
            true => "write `~0` for `~` and `~1` for `/` in a name".to_owned(),
            false => format!("write it like `\"/{}\"`", split.value.replace('.', "/").trim_start_matches(['$', '/'])),
        };
        let hint = if split.from_variable { "write it like `\"/results\"`".to_owned() } else { hint };
        cx.fault(Fault::new("bad-value", split.span, message).hint(hint));
        return None;
    }
    Some(split.value)
}
