//! `[[pipeline.stage]]`: from the tables to the [`StageConfig`]s of a pipeline.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    context::{Context, Text},
    defaults as d,
    fault::Fault,
    json::json,
    model::StageConfig,
    pipeline::check_name,
    setting::Place,
    tree::Section,
};

/// The stages that are free of faults; every fault is noted.
pub(super) fn stages(cx: &mut Context<'_>, pipeline: &Section<'_>) -> Vec<StageConfig> {
    let mut stages: Vec<StageConfig> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for mut section in pipeline.sections(cx, "stage", Place::Stage) {
        section.check_names(cx, None);
        section.require(cx, "plugin", "add `plugin = \"…\"`: a `.wasm` file or a crate folder");
        let plugin = plugin(cx, &section);
        let name = name(cx, &section, plugin.as_ref());
        if let Some(name) = &name {
            if names.contains(name) {
                let message = format!("there is a stage `{name}` in this pipeline already");
                let place = if section.has("name") { section.value_span("name") } else { section.value_span("plugin") };
                cx.fault(Fault::new("duplicate-name", place, message).hint("give one of them another `name`"));
            }
            names.push(name.clone());
        }
        let memory = section.bytes(cx, "memory").unwrap_or(d::STAGE_MEMORY);
        let output = section.bytes(cx, "output").unwrap_or(d::STAGE_OUTPUT);
        let table = section.count(cx, "table").map_or(d::STAGE_TABLE, |entries| entries as usize);
        let log = section.count(cx, "log").map_or(d::STAGE_LOG, |messages| messages as u32);
        let timeout = section.time(cx, "timeout").unwrap_or(d::STAGE_TIMEOUT);
        let grant = section.choices(cx, "grant");
        let config = match section.table(cx, "config") {
            Some(table) => {
                cx.hide_secrets_in("", table);
                json(cx, table)
            }
            None => Some(Value::Object(Map::new())),
        };
        let (Some(name), Some(plugin), Some(config)) = (name, plugin, config) else { continue };
        stages.push(StageConfig {
            name,
            plugin: cx.in_folder(&plugin.value),
            config,
            memory,
            table,
            output,
            timeout,
            log,
            grant,
            span: section.span.clone(),
            plugin_span: plugin.span,
            config_span: section.value_span("config"),
            grant_span: section.value_span("grant"),
        });
    }
    stages
}

fn plugin(cx: &mut Context<'_>, section: &Section<'_>) -> Option<Text> {
    let plugin = section.text(cx, "plugin")?;
    if plugin.value.is_empty() {
        let fault = Fault::new("bad-value", plugin.span, "`plugin` is empty");
        cx.fault(fault.hint("name a `.wasm` file or a crate folder"));
        return None;
    }
    Some(plugin)
}

/// The given one, or else the plugin's file or folder name.
fn name(cx: &mut Context<'_>, section: &Section<'_>, plugin: Option<&Text>) -> Option<String> {
    if section.has("name") {
        let name = section.text(cx, "name")?;
        return check_name(cx, name, "stage", "use letters, digits, `-` and `_`");
    }
    let plugin = plugin?;
    let path = Path::new(&plugin.value);
    let name =
        if path.extension().is_some_and(|extension| extension == "wasm") { path.file_stem() } else { path.file_name() };
    let name = Text {
        value: name.unwrap_or_default().to_string_lossy().into_owned(),
        span: plugin.span.clone(),
        from_variable: plugin.from_variable,
    };
    check_name(cx, name, "stage", "add `name = \"…\"`, as the plugin's own name will not do")
}
