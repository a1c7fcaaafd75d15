//! What is likely to be a mistake although each table is right by itself: warnings about pipelines that work together, and
//! about stages and the sink behind them.

use super::{
    context::Context,
    fault::Fault,
    model::{PipelineConfig, SinkEndpoint, SourceEndpoint, StageConfig},
    quantity,
};

/// Notes what holds between stages and sink, and between pipelines that hand records on.
pub(super) fn advise(cx: &mut Context<'_>, pipelines: &[PipelineConfig]) {
    for pipeline in pipelines {
        ttl_below_window(cx, pipeline);
        for writer in pipelines {
            unkeyed_before_state(cx, writer, pipeline);
        }
    }
}

fn keeps_state(stage: &&StageConfig) -> bool {
    stage.grant.contains(&"state")
}

/// Rows that are gone before a stage forgets them cannot come again.
fn ttl_below_window(cx: &mut Context<'_>, pipeline: &PipelineConfig) {
    let create = match &pipeline.sink.endpoint {
        SinkEndpoint::Cassandra(sink) => &sink.create,
        SinkEndpoint::Sqlite(sink) => &sink.create,
        _ => return,
    };
    let Some(lives) = create.as_ref().and_then(|create| create.ttl) else { return };
    for stage in pipeline.stages.iter().filter(keeps_state) {
        let window = stage.config.get("ttl").and_then(|ttl| quantity::parse_time(ttl.as_str()?).ok());
        let Some(window) = window.filter(|window| *window > lives) else { continue };
        let message = format!(
            "stage `{}` remembers {}, the sink's rows live {}: a record that comes again in between is dropped, and its row is \
             gone",
            stage.name,
            humantime::format_duration(window),
            humantime::format_duration(lives)
        );
        let fault = Fault::new("ttl-below-window", stage.config_span.clone(), message).warning();
        cx.fault(fault.hint("give the stage a `ttl` that is no longer than the sink's"));
    }
}

/// Records without a key are spread over the partitions; equal ones may then meet different hosts.
fn unkeyed_before_state(cx: &mut Context<'_>, writer: &PipelineConfig, reader: &PipelineConfig) {
    let (SinkEndpoint::Kafka(sink), SourceEndpoint::Kafka(source)) = (&writer.sink.endpoint, &reader.source.endpoint)
    else {
        return;
    };
    let has_keys = matches!(writer.source.endpoint, SourceEndpoint::Kafka(_) | SourceEndpoint::Log(_));
    if has_keys || !writer.stages.is_empty() || sink.topic != source.topic {
        return;
    }
    if let Some(stage) = reader.stages.iter().find(keeps_state) {
        let message = format!(
            "stage `{}` keeps state, and pipeline `{}` writes records without keys to this topic: equal ones may come to \
             different hosts",
            stage.name, writer.name
        );
        let fault = Fault::new("unkeyed-before-state", stage.span.clone(), message).warning();
        cx.fault(fault.hint("give the records a key by a stage that replaces them, or give the topic one partition"));
    }
}
