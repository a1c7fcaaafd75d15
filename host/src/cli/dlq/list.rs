//! `millstream dlq list`: how many dead letters there are, by what they have in common.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Format, ListArgs, ago, letters, load, pipelines};
use crate::{
    cli::{
        Exit,
        progress::Screen,
        run::{drive, runtime},
        summary::align,
    },
    config::PipelineConfig,
    dead_letters::{Letter, Scan, Which},
    report::thousands,
    state::handled_letters,
};

/// Letters that differ only in their records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Kind {
    reason: String,
    stage: String,
    plugin: String,
    version: String,
}

#[derive(Debug, Default, Serialize)]
struct Count {
    letters: u64,
    /// Of these, how many a replay has dealt with.
    replayed: u64,
    oldest_ms: Option<i64>,
    newest_ms: Option<i64>,
}

/// Lists them.
pub fn list(args: &ListArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let Some(loaded) = load(&args.config, screen)? else { return Ok(Exit::Usage) };
    let Some(wanted) = pipelines(&loaded, args.pipeline.as_deref()) else { return Ok(Exit::Usage) };
    let which = args.which.which();
    drive(runtime()?, async {
        let mut exit = Exit::Fine;
        let mut json = Vec::new();
        for pipeline in wanted {
            let counted = count(pipeline, &loaded.config.host.data_dir, &which).await;
            match (counted, args.format) {
                (Ok(counts), Format::Text) => print!("{}", text(pipeline, &counts)),
                (Ok(counts), Format::Json) => json.push(entry(pipeline, &counts)),
                (Err(error), _) => {
                    eprintln!("error: pipeline `{}`: {error}", pipeline.name);
                    exit = Exit::Failed;
                }
            }
        }
        if args.format == Format::Json {
            println!("{}", serde_json::to_string_pretty(&json)?);
        }
        Ok(exit)
    })
}

async fn count(
    pipeline: &PipelineConfig,
    data_dir: &std::path::Path,
    which: &Which,
) -> anyhow::Result<BTreeMap<Kind, Count>> {
    let handled = handled_letters(&data_dir.join("state").join(&pipeline.name))?;
    let mut scan = Scan::open(&pipeline.dead_letters, data_dir, &pipeline.name).await?;
    let mut counts: BTreeMap<Kind, Count> = BTreeMap::new();
    while let Some(batch) = scan.next().await? {
        for row in 0..batch.len() {
            let Some(letter) = Letter::read(batch.record(row)) else { continue };
            if letter.pipeline != pipeline.name || !which.takes(&letter) {
                continue;
            }
            let kind = Kind {
                reason: letter.reason.to_string(),
                stage: letter.stage.to_string(),
                plugin: letter.plugin.to_string(),
                version: letter.version.to_string(),
            };
            let count = counts.entry(kind).or_default();
            count.letters += 1;
            count.replayed += u64::from(handled.contains(scan.topic(), letter.record.partition, letter.record.offset));
            count.oldest_ms = [count.oldest_ms, letter.time_ms].into_iter().flatten().min();
            count.newest_ms = count.newest_ms.max(letter.time_ms);
        }
    }
    Ok(counts)
}

fn text(pipeline: &PipelineConfig, counts: &BTreeMap<Kind, Count>) -> String {
    let total = letters(counts.values().map(|count| count.letters).sum());
    let mut text = format!("{}: {total} in {}\n", pipeline.name, pipeline.dead_letters.display);
    if counts.is_empty() {
        return text;
    }
    let mut table = vec![["  reason", "stage", "plugin", "letters", "replayed", "oldest", "newest"].map(str::to_owned)];
    for (kind, count) in counts {
        let age = |time: Option<i64>| time.map_or_else(|| "-".to_owned(), ago);
        table.push([
            format!("  {}", kind.reason),
            kind.stage.clone(),
            format!("{} {}", kind.plugin, kind.version).trim_end().to_owned(),
            thousands(count.letters),
            thousands(count.replayed),
            age(count.oldest_ms),
            age(count.newest_ms),
        ]);
    }
    text.push_str(&align(&table));
    text
}

fn entry(pipeline: &PipelineConfig, counts: &BTreeMap<Kind, Count>) -> serde_json::Value {
    let one = |(kind, count): (&Kind, &Count)| {
        serde_json::json!({
            "reason": kind.reason, "stage": kind.stage, "plugin": kind.plugin, "version": kind.version,
            "letters": count.letters, "replayed": count.replayed,
            "oldest_ms": count.oldest_ms, "newest_ms": count.newest_ms,
        })
    };
    serde_json::json!({
        "pipeline": pipeline.name,
        "dead_letters": pipeline.dead_letters.display,
        "kinds": counts.iter().map(one).collect::<Vec<_>>(),
    })
}
