//! The verdict: what is in the table and in the dead letters, and what the meter says, against the truth.
//!
//! All faults are found before the trial fails. Only looks; the records were made by `flow`, the meter's counts by the host.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, bail};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};

use crate::{
    flow::{PARTITIONS, Truth},
    host::Summary,
    trial::Trial,
};

const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Faults of one kind that are shown; the number says how many there are.
const SHOWN: usize = 5;

/// Whether a dead letter may be there twice: after a crash it may, after a stop in order it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    Allowed,
    Forbidden,
}

/// Checks everything; an error names all that is wrong. Hands back a line about what was found.
pub fn check(trial: &Trial<'_>, truth: &Truth, summary: &Summary, repeats: Repeats) -> Result<String> {
    let mut faults = Vec::new();
    table(trial, truth, &mut faults)?;
    let repeated = letters(trial, truth, &mut faults)?;
    if repeated > 0 && repeats == Repeats::Forbidden {
        faults.push(format!("{repeated} dead letters were written again"));
    }
    meter(truth, summary, &mut faults);
    if !faults.is_empty() {
        bail!("{}", faults.join("\n  "));
    }
    let (ids, invalid) = (truth.ids.len(), truth.invalid.len());
    Ok(format!(
        "{} records: {ids} ids in the table, 0 missing, 0 extra; {invalid} dead letters, each at its position, {repeated} \
         repeated; {} duplicates dropped; meter balanced",
        truth.records, truth.duplicates
    ))
}

fn table(trial: &Trial<'_>, truth: &Truth, faults: &mut Vec<String>) -> Result<()> {
    let ids = trial.engines.ids(&trial.table())?;
    for (what, some) in [("missing from", truth.ids.difference(&ids)), ("too many in", ids.difference(&truth.ids))] {
        let some: Vec<String> = some.map(|id| uuid::Uuid::from_u128(*id).to_string()).collect();
        if !some.is_empty() {
            faults.push(format!("{} ids are {what} the table: {}", some.len(), few(&some)));
        }
    }
    Ok(())
}

/// Compares dead letters with the invalid records. Returns how many are there again.
fn letters(trial: &Trial<'_>, truth: &Truth, faults: &mut Vec<String>) -> Result<u64> {
    let (mut found, mut wrong) = (HashMap::<(i32, i64), u64>::new(), Vec::new());
    read(trial, |message| {
        let position = (number(message, "partition")? as i32, number(message, "offset")?);
        let reason = header(message, "millstream.reason").unwrap_or_default();
        let at = format!("{}/{}", position.0, position.1);
        match truth.invalid.get(&position) {
            None => wrong.push(format!("{at} ({reason}) is a record to be kept")),
            Some(invalid) if invalid.reason != reason => {
                wrong.push(format!("{at} is {}, not {reason}", invalid.reason))
            }
            Some(invalid) if message.payload().unwrap_or_default() != invalid.value.as_bytes() => {
                wrong.push(format!("{at} has not its original bytes"));
            }
            Some(_) => *found.entry(position).or_default() += 1,
        }
        Ok(())
    })?;
    if !wrong.is_empty() {
        faults.push(format!("{} dead letters are wrong: {}", wrong.len(), few(&wrong)));
    }
    let missing: Vec<String> =
        truth.invalid.keys().filter(|at| !found.contains_key(at)).map(|at| format!("{}/{}", at.0, at.1)).collect();
    if !missing.is_empty() {
        faults.push(format!("{} invalid records are not in the dead letters: {}", missing.len(), few(&missing)));
    }
    Ok(found.values().map(|times| times - 1).sum())
}

/// The conservation meter: every record was consumed once, and went where it belongs once.
fn meter(truth: &Truth, summary: &Summary, faults: &mut Vec<String>) {
    let counts = summary.in_all();
    if summary.drift() != 0 {
        faults.push(format!("the meter drifts by {}: {counts:?}", summary.drift()));
    }
    if !summary.drained() {
        faults.push("the last run did not drain".to_owned());
    }
    for (what, counted, true_count) in [
        ("consumed", counts.consumed, truth.records),
        ("written", counts.written, truth.ids.len() as u64),
        ("dropped", counts.dropped, truth.duplicates),
        ("dead-lettered", counts.dead_lettered, truth.invalid.len() as u64),
    ] {
        if counted != true_count {
            faults.push(format!("the meter counts {counted} {what}, and the truth is {true_count}"));
        }
    }
    if counts.dead_lettered_by != truth.by_reason() {
        faults.push(format!(
            "dead letters by reason: {:?}, and the truth is {:?}",
            counts.dead_lettered_by,
            truth.by_reason()
        ));
    }
}

/// Of each dead letter that a stage wrote: partition and offset of its record, and the SHA-256 of the plugin that rejected it.
pub fn authors(trial: &Trial<'_>, stage: &str) -> Result<Vec<(i32, i64, String)>> {
    let mut all = Vec::new();
    read(trial, |message| {
        if header(message, "millstream.stage") == Some(stage) {
            let sha256 = header(message, "millstream.plugin.sha256").unwrap_or_default().to_owned();
            all.push((number(message, "partition")? as i32, number(message, "offset")?, sha256));
        }
        Ok(())
    })?;
    Ok(all)
}

/// Hands over every dead letter.
fn read(trial: &Trial<'_>, mut take: impl FnMut(&BorrowedMessage<'_>) -> Result<()>) -> Result<()> {
    let topic = trial.letters();
    let mut config = trial.engines.client();
    let consumer: BaseConsumer =
        config.set("group.id", format!("{topic}-check")).set("enable.auto.commit", "false").create()?;
    let (mut list, mut left) = (TopicPartitionList::new(), 0);
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(&topic, partition, READ_TIMEOUT)?;
        left += high - low;
        list.add_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    while left > 0 {
        let message =
            consumer.poll(READ_TIMEOUT).with_context(|| format!("{left} records of {topic} do not come"))??;
        take(&message)?;
        left -= 1;
    }
    Ok(())
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    headers.iter().find(|header| header.key == name).and_then(|header| std::str::from_utf8(header.value?).ok())
}

fn number(message: &BorrowedMessage<'_>, name: &str) -> Result<i64> {
    let text = header(message, &format!("millstream.source.{name}")).unwrap_or_default();
    text.parse().with_context(|| format!("a dead letter names its source's {name} as `{text}`"))
}

fn few(all: &[String]) -> String {
    let more = if all.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", all.get(..SHOWN.min(all.len())).unwrap_or_default().join(", "))
}
