//! `millstream plugin bench`: what a plugin costs per record, the host's parsing of its fields included.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{BenchArgs, Exit, Screen, open, stage};
use crate::{
    record::{Batch, Headers, Record},
    samples::Samples,
    transform::{Chain, Processed},
};

/// Batches before the clock starts: the first ones fill caches.
const WARM_UP: u64 = 3;

/// Measures it.
pub fn bench(args: &BenchArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let samples = Samples::of(&args.plugin.plugin)?;
    let values: Vec<Vec<u8>> = match (&args.input, &samples) {
        (Some(file), _) => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
        }
        (None, Some(samples)) => samples.samples.iter().filter_map(|sample| sample.value.clone()).collect(),
        (None, None) => Vec::new(),
    };
    if values.is_empty() {
        eprintln!(
            "error: there are no records to measure with; name a file of them by `--input`, or give the plugin samples"
        );
        return Ok(Exit::Usage);
    }
    let opened = open(&args.plugin.plugin, screen)?;
    let config = args.plugin.config.clone().or_else(|| Some(samples?.config?.to_string()));
    let mut chain = Chain::new(vec![stage(&opened.plugin, config.as_deref().unwrap_or("{}"))])?;
    let task = screen.task("measuring");
    let mut records = values.iter().cycle();
    let mut made = |batch: u64| {
        let mut made = Batch::new("bench".into());
        for row in 0..u64::from(args.batch) {
            let offset = (batch * u64::from(args.batch) + row) as i64;
            let (headers, value) = (Headers::default(), records.next().map(Vec::as_slice));
            made.push(Record { key: None, value, headers, timestamp_ms: 0, partition: 0, offset });
        }
        Arc::new(made)
    };
    let (mut took, mut count, mut slowest) = (Duration::ZERO, 0, Duration::ZERO);
    let (mut kept, mut dropped, mut rejected) = (0, 0, 0);
    for batch in 0.. {
        if count >= args.records {
            break;
        }
        let input = made(batch);
        let began = Instant::now();
        let processed: Processed = chain.run(input)?;
        let one = began.elapsed();
        if batch < WARM_UP {
            continue;
        }
        took += one;
        slowest = slowest.max(one);
        count += u64::from(args.batch);
        kept += processed.write.len();
        dropped += processed.dropped.records.len();
        rejected += processed.rejected.len();
    }
    drop(task);
    let ns = took.as_nanos() as f64 / count as f64;
    println!(
        "{count} records in batches of {}: {ns:.0} ns a record, {:.0} records/s on one core, slowest batch {:.1} ms",
        args.batch,
        1e9 / ns,
        slowest.as_secs_f64() * 1e3
    );
    println!("{kept} went on, {dropped} were dropped, {rejected} rejected");
    Ok(Exit::Fine)
}
