//! `[pipeline.state]`: from the table to a [`TopicState`].

use super::{
    context::Context,
    fault::Fault,
    model::*,
    options::options,
    secret,
    setting::Place,
    source::address,
    tree::Section,
    url::{Address, Role},
};

/// `None` where there is no such table, or where a fault leaves none; every fault is noted.
pub(super) fn state(cx: &mut Context<'_>, pipeline: &Section<'_>, source: Option<&SourceConfig>) -> Option<TopicState> {
    let mut section = pipeline.section(cx, "state", Place::State)?;
    section.check_names(cx, None);
    section.require(cx, "url", "add `url = \"kafka://host:port/topic\"`");
    let url = section.text(cx, "url")?;
    let replication = section.count(cx, "replication_factor").and_then(|count| i32::try_from(count).ok());
    let mut options = options(cx, &section);
    let Some(Address::Kafka { brokers, topic }) = address(cx, &url, Role::State) else { return None };
    match source.map(|source| &source.endpoint) {
        Some(SourceEndpoint::Kafka(source)) => {
            if source.topic == topic {
                let message = format!("`{topic}` is the source of this pipeline, too");
                let fault = Fault::new("loop", section.value_span("url"), message);
                cx.fault(fault.hint("name a topic that nothing else writes to"));
            }
            if !section.has("options") {
                options.clone_from(&source.options);
            }
        }
        Some(_) => {
            let message = "state in a topic moves with the partitions of a `kafka:` source, and this is another one";
            let fault = Fault::new("state-without-kafka", section.value_span("url"), message);
            cx.fault(fault.hint("remove `[pipeline.state]`; the state is then kept in files below `data_dir`"));
        }
        None => {}
    }
    // The broker's own replication factor.
    let replication = replication.unwrap_or(-1);
    Some(TopicState { display: secret::mask_url(&url.value), brokers, topic, replication, options })
}
