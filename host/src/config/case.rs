//! `[[test]]`: records for a pipeline's stages, and what must become of each.

use toml::{Spanned, de::DeValue};

use super::{
    context::Context,
    fault::Fault,
    json::json,
    model::{Expected, Made, PipelineConfig, TestConfig, TestRecord},
    setting::Place,
    tree::Section,
};

/// Settings of a record of which exactly one says what must become of it.
const OUTCOMES: [&str; 4] = ["kept", "written", "dropped", "rejected"];

/// The tests that are free of faults; every fault is noted.
pub(super) fn tests(cx: &mut Context<'_>, file: &Section<'_>, pipelines: &[PipelineConfig]) -> Vec<TestConfig> {
    let mut tests = Vec::new();
    for mut section in file.sections(cx, "test", Place::Test) {
        section.check_names(cx, None);
        section.require(cx, "name", "add `name = \"…\"`: what it shows");
        section.require(cx, "record", "add `[[test.record]]` with a `value` and what must become of it");
        let name = section.text(cx, "name").map(|name| name.value);
        let pipeline = pipeline(cx, &section, pipelines);
        let mut records = Vec::new();
        for mut record in section.sections(cx, "record", Place::TestRecord) {
            records.extend(self::record(cx, &mut record));
        }
        if let (Some(name), Some(pipeline)) = (name, pipeline) {
            tests.push(TestConfig { name, pipeline, records, span: section.span.clone() });
        }
    }
    tests
}

/// The pipeline that is tested: the one that is named, or the only one.
fn pipeline(cx: &mut Context<'_>, section: &Section<'_>, pipelines: &[PipelineConfig]) -> Option<String> {
    let named = section.text(cx, "pipeline");
    if named.is_none() && section.has("pipeline") {
        return None;
    }
    match (named, pipelines) {
        (Some(named), _) if pipelines.iter().any(|pipeline| pipeline.name == named.value) => Some(named.value),
        (None, [only]) => Some(only.name.clone()),
        // What is wrong with the pipelines was said.
        (_, []) => None,
        (named, _) => {
            let names: Vec<_> = pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
            let (message, span) = match named {
                Some(named) => (format!("there is no pipeline {}", named.quoted()), named.span),
                None => ("it does not say which pipeline it is for".to_owned(), section.span.clone()),
            };
            let hint = format!("name one by `pipeline`: {}", super::tree::quote_all(&names));
            cx.fault(Fault::new("unknown-pipeline", span, message).hint(hint));
            None
        }
    }
}

fn record(cx: &mut Context<'_>, section: &mut Section<'_>) -> Option<TestRecord> {
    section.check_names(cx, None);
    section.require(cx, "value", "add `value = …`: a text, or a table that becomes JSON");
    let key = section.text(cx, "key").map(|key| key.value);
    let timestamp_ms = section.count(cx, "timestamp").and_then(|time| i64::try_from(time).ok());
    let value = section.made(cx, "value", false);
    let (kept, written) = (section.flag(cx, "kept"), section.made(cx, "written", true));
    let (dropped, rejected) = (section.text(cx, "dropped"), section.text(cx, "rejected"));
    let stage = section.text(cx, "by").map(|by| by.value);
    let said: Vec<_> = OUTCOMES.into_iter().filter(|outcome| section.has(outcome)).collect();
    if said.len() != 1 {
        let message = match said.as_slice() {
            [] => "it does not say what must become of the record".to_owned(),
            several => {
                format!("it says several things that must become of the record: {}", super::tree::quote_all(several))
            }
        };
        let hint = format!("give it one of {}", super::tree::quote_all(&OUTCOMES));
        cx.fault(Fault::new("one-outcome", section.span.clone(), message).hint(hint).label("this record"));
        return None;
    }
    let expected = match (kept, written, dropped, rejected) {
        (Some(true), ..) => Expected::Kept,
        (Some(false), ..) => {
            let fault = Fault::new("bad-value", section.value_span("kept"), "`kept` is `true` or is not there");
            cx.fault(fault.hint("say by `written`, `dropped` or `rejected` what must become of the record"));
            return None;
        }
        (_, Some(written), ..) => Expected::Written(written),
        (_, _, Some(reason), _) => Expected::Dropped { reason: reason.value, stage },
        (_, _, _, Some(reason)) => Expected::Rejected { reason: reason.value, stage },
        _ => return None,
    };
    let value = value?.into_iter().next()?;
    Some(TestRecord { key, value, timestamp_ms, expected, span: section.span.clone() })
}

impl Section<'_> {
    /// A text, or a table that becomes JSON; where there may be `several`, also a list of those.
    fn made(&self, cx: &mut Context<'_>, name: &str, several: bool) -> Option<Vec<Made>> {
        let (setting, value) = self.get(name)?;
        let items: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(items) if several => items.iter().collect(),
            _ => vec![value],
        };
        let mut made = Vec::new();
        for item in items {
            made.push(match item.get_ref() {
                DeValue::String(text) => Made::Text(cx.substitute(text, item.span())?.value),
                DeValue::Table(_) => Made::Json(json(cx, item)?),
                _ => {
                    self.wrong_type(cx, setting, item, "write it as a text, or as a table `{ … }` that becomes JSON");
                    return None;
                }
            });
        }
        Some(made)
    }
}
