//! `millstream dlq show`: dead letters as they are, with what is known of them.

use std::{collections::VecDeque, fmt::Write};

use serde_json::{Value, json};

use super::{Format, ShowArgs, ago, load, pipelines};
use crate::{
    cli::{
        Exit,
        progress::Screen,
        run::{drive, runtime},
    },
    config::PipelineConfig,
    dead_letters::{Letter, Scan},
};

/// How much of a key or value the text shows, in characters; JSON has all of it.
const SHOWN: usize = 1_000;

/// Shows them.
pub fn show(args: &ShowArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let Some(loaded) = load(&args.config, screen)? else { return Ok(Exit::Usage) };
    let Some(wanted) = pipelines(&loaded, args.pipeline.as_deref()) else { return Ok(Exit::Usage) };
    drive(runtime()?, async {
        let mut exit = Exit::Fine;
        for pipeline in wanted {
            match latest(pipeline, &loaded.config.host.data_dir, args).await {
                Ok(letters) => print!("{letters}"),
                Err(error) => {
                    eprintln!("error: pipeline `{}`: {error}", pipeline.name);
                    exit = Exit::Failed;
                }
            }
        }
        Ok(exit)
    })
}

/// By time, and by partition and offset where that is the same.
type Order = (Option<i64>, i32, i64);

/// The latest letters of a pipeline, the newest first.
async fn latest(pipeline: &PipelineConfig, data_dir: &std::path::Path, args: &ShowArgs) -> anyhow::Result<String> {
    let which = args.which.which();
    let mut scan = Scan::open(&pipeline.dead_letters, data_dir, &pipeline.name).await?;
    let mut shown: VecDeque<(Order, String)> = VecDeque::new();
    while let Some(batch) = scan.next().await? {
        for row in 0..batch.len() {
            let Some(letter) = Letter::read(batch.record(row)) else { continue };
            if letter.pipeline != pipeline.name || !which.takes(&letter) {
                continue;
            }
            let order = (letter.time_ms, letter.record.partition, letter.record.offset);
            let at = shown.partition_point(|(other, _)| *other < order);
            if at == 0 && shown.len() >= args.limit {
                continue;
            }
            let text = match args.format {
                Format::Text => text(&pipeline.dead_letters.display, &letter),
                Format::Json => format!("{}\n", object(&letter)),
            };
            shown.insert(at, (order, text));
            if shown.len() > args.limit {
                shown.pop_front();
            }
        }
    }
    Ok(shown.into_iter().rev().map(|(_, text)| text).collect())
}

fn text(topic: &str, letter: &Letter<'_>) -> String {
    let mut text = format!("{topic}, partition {}, offset {}\n", letter.record.partition, letter.record.offset);
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<9} {what}");
    };
    let detail = if letter.detail.is_empty() { String::new() } else { format!(": {}", letter.detail) };
    line("reason", format!("{}{detail}", letter.reason));
    let sha256 = letter.sha256.get(..12).map(|sha256| format!(", sha256 {sha256}")).unwrap_or_default();
    let version = format!("{} {}", letter.plugin, letter.version);
    line("by", format!("{} ({}{sha256}) of pipeline {}", letter.stage, version.trim_end(), letter.pipeline));
    line("record", format!("{}, partition {}, offset {}", letter.topic, letter.partition, letter.offset));
    if let Some(time_ms) = letter.time_ms {
        line("rejected", format!("{} ago, after {} earlier attempts", ago(time_ms), letter.attempt));
    }
    let shown = |bytes: Option<&[u8]>| match bytes {
        None => "null".to_owned(),
        Some(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let more = if text.chars().count() > SHOWN { "…" } else { "" };
            text.chars()
                .take(SHOWN)
                .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
                .collect::<String>()
                + more
        }
    };
    line("key", shown(letter.record.key));
    line("value", shown(letter.record.value));
    text.push('\n');
    text
}

fn object(letter: &Letter<'_>) -> Value {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    json!({
        "partition": letter.record.partition, "offset": letter.record.offset,
        "pipeline": letter.pipeline, "stage": letter.stage, "plugin": letter.plugin, "version": letter.version,
        "sha256": letter.sha256, "reason": letter.reason, "detail": letter.detail,
        "source": { "topic": letter.topic, "partition": letter.partition, "offset": letter.offset },
        "time_ms": letter.time_ms, "attempt": letter.attempt,
        "key": text(letter.record.key), "value": text(letter.record.value),
    })
}
