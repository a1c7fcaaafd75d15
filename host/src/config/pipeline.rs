//! `[[pipeline]]`: from the tables to [`PipelineConfig`]s, and what must hold between the parts of one.

use super::{
    context::{Context, Text},
    defaults as d,
    fault::Fault,
    model::*,
    schedule::schedule,
    setting::Place,
    sink::sink,
    source::source,
    stage::stages,
    state::state,
    tree::Section,
    url::{self, Role},
};

/// The pipelines that are free of faults; every fault is noted.
pub(super) fn pipelines(cx: &mut Context<'_>, file: &Section<'_>) -> Vec<PipelineConfig> {
    let mut names: Vec<String> = Vec::new();
    let mut pipelines: Vec<PipelineConfig> = Vec::new();
    for mut section in file.sections(cx, "pipeline", Place::Pipeline) {
        section.check_names(cx, None);
        section.require(cx, "name", "add `name = \"…\"`");
        let name = section.text(cx, "name");
        let name = name.and_then(|name| check_name(cx, name, "pipeline", "use letters, digits, `-` and `_`"));
        if let Some(name) = &name {
            if names.contains(name) {
                let message = format!("there is a pipeline `{name}` already");
                let fault = Fault::new("duplicate-name", section.value_span("name"), message);
                cx.fault(fault.hint("give one of them another name; positions and state are kept by it"));
            }
            names.push(name.clone());
        }
        let pipeline = pipeline(cx, &section, name);
        if let Some(pipeline) = pipeline {
            shared_group(cx, &section, &pipeline, &pipelines);
            pipelines.push(pipeline);
        }
    }
    pipelines
}

/// A name that can be part of a file's name and a metric's label.
pub(super) fn check_name(cx: &mut Context<'_>, name: Text, of: &str, hint: &str) -> Option<String> {
    let is_fine = name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_fine && (1..=d::MAX_NAME_CHARS).contains(&name.value.len()) {
        return Some(name.value);
    }
    let message = format!("{} cannot be the name of a {of}", name.quoted());
    cx.fault(
        Fault::new("bad-name", name.span, message).hint(format!("{hint} (at most {} characters)", d::MAX_NAME_CHARS)),
    );
    None
}

fn pipeline(cx: &mut Context<'_>, section: &Section<'_>, name: Option<String>) -> Option<PipelineConfig> {
    section.require(cx, "source", "add `[pipeline.source]` with a `url`");
    section.require(cx, "sink", "add `[pipeline.sink]` with a `url`");
    // a pipeline without name is faulty; its parts are looked at all the same
    let group_name = name.as_deref().unwrap_or("unnamed");
    let source = section.section(cx, "source", Place::Source);
    let sets_bytes = source.as_ref().is_some_and(|table| table.has("batch_bytes"));
    let source = source.and_then(|mut table| self::source(cx, &mut table, group_name));
    let stages = stages(cx, section);
    let sink_table = section.section(cx, "sink", Place::Sink);
    let sink = sink_table.and_then(|mut table| sink(cx, &mut table, Role::Sink));
    let dead_letters = match section.section(cx, "dead_letters", Place::Sink) {
        Some(mut table) => self::sink(cx, &mut table, Role::DeadLetters),
        None if section.has("dead_letters") => None,
        // whatever is missing was said; without it there is no default to speak of
        None => match (&source, &sink) {
            (Some(source), Some(sink)) => default_dead_letters(cx, section, source, sink),
            _ => None,
        },
    };
    let state = state(cx, section, source.as_ref());
    let probation = probation(cx, section);
    let workers = section.count(cx, "workers").map_or_else(d::workers, |workers| workers as usize);
    let commit_interval = section.time(cx, "commit_interval").unwrap_or(d::COMMIT_INTERVAL);
    let run_for = section.time(cx, "for");
    let until_caught_up = section.choice(cx, "until").is_some();
    let schedule = schedule(cx, section);
    let (mut source, sink, dead_letters) = (source?, sink?, dead_letters?);
    if !sets_bytes && waits_for_each_batch(&sink.endpoint) {
        source.batch_bytes = d::WAITED_BATCH_BYTES;
    }
    no_loop(cx, section, &source, &sink, "sink");
    no_loop(cx, section, &source, &dead_letters, "dead_letters");
    if dead_letters.endpoint == SinkEndpoint::Discard {
        let message = "rejected and refused records are thrown away";
        let fault = Fault::new("lost-records", section.value_span("dead_letters"), message).warning();
        cx.fault(fault.hint("keep them in a topic or a file: `url = \"file:dead_letters.jsonl\"`"));
    }
    Some(PipelineConfig {
        name: name?,
        source,
        stages,
        sink,
        dead_letters,
        state,
        probation,
        workers,
        commit_interval,
        run_for,
        until_caught_up,
        schedule,
    })
}

/// Whether a batch costs such a sink an answer or an fsync, whatever its size, for which the next one waits.
fn waits_for_each_batch(sink: &SinkEndpoint) -> bool {
    matches!(sink, SinkEndpoint::Kafka(_) | SinkEndpoint::Log(_) | SinkEndpoint::Sqlite(_))
}

fn probation(cx: &mut Context<'_>, section: &Section<'_>) -> Probation {
    let default = Probation::default();
    let Some(mut table) = section.section(cx, "probation", Place::Probation) else { return default };
    table.check_names(cx, None);
    Probation {
        records: table.count(cx, "records").unwrap_or(default.records),
        time: table.time(cx, "time").unwrap_or(default.time),
        rejects: table.count(cx, "rejects").unwrap_or(default.rejects),
        traps: table.count(cx, "traps").unwrap_or(default.traps),
    }
}

/// `<topic>.dead_letters` on the engine of the source's topic, or else of the sink's.
fn default_dead_letters(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    source: &SourceConfig,
    sink: &SinkConfig,
) -> Option<SinkConfig> {
    let kafka = |brokers: &String, topic: &String, options: &Vec<(String, String)>| {
        (topic.clone(), Some((brokers.clone(), options.clone())))
    };
    let beside = match (&source.endpoint, &sink.endpoint) {
        (SourceEndpoint::Kafka(KafkaSource { brokers, topic, options, .. }), _) => kafka(brokers, topic, options),
        (SourceEndpoint::Log(log), _) => (log.topic.clone(), None),
        (_, SinkEndpoint::Kafka(KafkaSink { brokers, topic, options })) => kafka(brokers, topic, options),
        (_, SinkEndpoint::Log(log)) => (log.topic.clone(), None),
        _ => {
            let message = "neither source nor sink is a topic, so there is no place for rejected records";
            let fault = Fault::new("no-dead-letters", section.span.clone(), message).label("this pipeline");
            cx.fault(fault.hint("add `[pipeline.dead_letters]` with a `url`, such as `file:dead_letters.jsonl`"));
            return None;
        }
    };
    let (topic, kafka) = beside;
    let topic = format!("{topic}{}", d::DEAD_LETTERS_SUFFIX);
    if url::topic(&topic).is_err() {
        let message = format!("`{topic}` is too long for the name of a topic of dead letters");
        let fault = Fault::new("bad-name", section.span.clone(), message);
        cx.fault(fault.hint("add `[pipeline.dead_letters]` with a `url` that names a shorter one"));
        return None;
    }
    let (display, endpoint) = match kafka {
        Some((brokers, options)) => {
            (format!("kafka://{brokers}/{topic}"), SinkEndpoint::Kafka(KafkaSink { brokers, topic, options }))
        }
        None => (format!("log:{topic}"), SinkEndpoint::Log(LogSink { topic, partitions: d::PARTITIONS })),
    };
    Some(SinkConfig { display, endpoint, timeout: d::SINK_TIMEOUT, retry_max_delay: d::SINK_RETRY_MAX_DELAY })
}

/// A pipeline that reads what it writes never ends and fills its topic.
fn no_loop(cx: &mut Context<'_>, section: &Section<'_>, source: &SourceConfig, sink: &SinkConfig, setting: &str) {
    let share_broker = |a: &str, b: &str| a.split(',').any(|a| b.split(',').any(|b| a == b));
    let same = match (&source.endpoint, &sink.endpoint) {
        (SourceEndpoint::Log(source), SinkEndpoint::Log(sink)) => source.topic == sink.topic,
        (SourceEndpoint::File(source), SinkEndpoint::File(sink)) => source.path == sink.path,
        (SourceEndpoint::Kafka(source), SinkEndpoint::Kafka(sink)) => {
            source.topic == sink.topic && share_broker(&source.brokers, &sink.brokers)
        }
        _ => false,
    };
    if same {
        let message = format!("`{}` is the source of this pipeline, too: it would read what it writes", sink.display);
        let fault = Fault::new("loop", section.value_span(setting), message).label("writes to its own source");
        cx.fault(fault.hint("write to another one"));
    }
}

/// Readers of one group share the partitions: each pipeline would see a part of the records.
fn shared_group(cx: &mut Context<'_>, section: &Section<'_>, pipeline: &PipelineConfig, others: &[PipelineConfig]) {
    let group_of = |pipeline: &PipelineConfig| match &pipeline.source.endpoint {
        SourceEndpoint::Kafka(source) => Some((source.brokers.clone(), source.topic.clone(), source.group.clone())),
        SourceEndpoint::Log(source) => Some((String::new(), source.topic.clone(), source.group.clone())),
        _ => None,
    };
    let Some(group) = group_of(pipeline) else { return };
    // of two pipelines with one name, the name is the fault
    let in_group = |other: &&PipelineConfig| other.name != pipeline.name && group_of(other).as_ref() == Some(&group);
    if let Some(other) = others.iter().find(in_group) {
        let message = format!("pipeline `{}` reads this topic in the same group: each gets a part of it", other.name);
        let fault = Fault::new("shared-group", section.value_span("source"), message).warning();
        cx.fault(fault.hint("leave out `group`, and each pipeline has its own"));
    }
}
