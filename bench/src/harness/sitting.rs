//! One sitting: programs that take turns go in, the figures of each come out, run by run.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context, Result};

use crate::{Plan, measure::Used, stats::Spread};

/// What is measured of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    CpuPerMillion,
    Throughput,
    PeakMemory,
    Busy,
    Latency50,
    Latency99,
    Latency999,
    Start,
    Keys,
}

impl Measure {
    /// Its heading, with its unit.
    pub fn heading(self) -> &'static str {
        match self {
            Self::CpuPerMillion => "CPU s / 1 M",
            Self::Throughput => "records / s",
            Self::PeakMemory => "peak MiB",
            Self::Busy => "machine busy %",
            Self::Latency50 => "p50 ms",
            Self::Latency99 => "p99 ms",
            Self::Latency999 => "p99.9 ms",
            Self::Start => "ms",
            Self::Keys => "keys kept",
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuPerMillion => "cpu_s_per_million",
            Self::Throughput => "records_per_s",
            Self::PeakMemory => "peak_mib",
            Self::Busy => "machine_busy_percent",
            Self::Latency50 => "p50_ms",
            Self::Latency99 => "p99_ms",
            Self::Latency999 => "p999_ms",
            Self::Start => "start_ms",
            Self::Keys => "keys",
        }
    }

    pub fn shown(self, value: f64) -> String {
        match self {
            Self::CpuPerMillion => format!("{value:.3}"),
            Self::Throughput | Self::Keys => thousands(value),
            Self::PeakMemory | Self::Busy | Self::Start => format!("{value:.0}"),
            Self::Latency50 | Self::Latency99 | Self::Latency999 => format!("{value:.1}"),
        }
    }
}

/// The figures of one run.
pub type Figures = BTreeMap<Measure, f64>;

/// The usual figures of a run over so many records.
pub fn figures(used: &Used, records: u64) -> Figures {
    let (records, wall) = (records as f64, used.wall.as_secs_f64());
    let mut figures = BTreeMap::from([
        (Measure::CpuPerMillion, used.cpu.as_secs_f64() * 1e6 / records),
        (Measure::Throughput, records / wall),
        (Measure::Busy, used.machine_busy * 100.0),
    ]);
    figures.extend(used.peak_kib.map(|peak| (Measure::PeakMemory, peak as f64 / 1024.0)));
    figures
}

/// A program that takes part.
pub struct Contender<'a> {
    pub name: &'static str,
    run: Box<dyn FnMut() -> Result<Figures> + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, run: impl FnMut() -> Result<Figures> + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// All runs of one program.
pub struct Series {
    pub name: &'static str,
    pub runs: Vec<Figures>,
}

impl Series {
    pub fn spread(&self, measure: Measure) -> Spread {
        Spread::of(&self.of(measure))
    }

    /// That measure, run by run.
    pub fn of(&self, measure: Measure) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.get(&measure).copied()).collect()
    }
}

/// Lets the programs take turns. A first round, which fills caches, does not count.
pub fn take_turns(plan: &Plan, contenders: Vec<Contender<'_>>) -> Result<Vec<Series>> {
    let mut contenders: Vec<_> = contenders.into_iter().filter(|contender| plan.wants(base(contender.name))).collect();
    let mut series: Vec<Series> =
        contenders.iter().map(|contender| Series { name: contender.name, runs: Vec::new() }).collect();
    for round in 0..=plan.runs {
        for (contender, series) in contenders.iter_mut().zip(&mut series) {
            let warm_up = round == 0;
            // The same program twice needs no second warm-up.
            if warm_up && base(contender.name) != contender.name {
                continue;
            }
            let begun = Instant::now();
            let figures = (contender.run)().with_context(|| format!("program `{}`", contender.name))?;
            let shown: Vec<String> = figures
                .iter()
                .map(|(measure, value)| format!("{} {}", measure.shown(*value), measure.heading()))
                .collect();
            let round = if warm_up { "warm-up".to_owned() } else { format!("run {round}/{}", plan.runs) };
            eprintln!(
                "  {round:>8} {:<20} {} ({:.1} s)",
                contender.name,
                shown.join(", "),
                begun.elapsed().as_secs_f64()
            );
            if !warm_up {
                series.runs.push(figures);
            }
        }
    }
    Ok(series)
}

/// The program's name where it takes part a second time.
pub fn base(name: &str) -> &str {
    name.strip_suffix(AGAIN).unwrap_or(name)
}

/// Ends the name of a program that takes part a second time.
pub const AGAIN: &str = " again";

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
