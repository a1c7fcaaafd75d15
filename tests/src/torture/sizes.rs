//! How large a trial is: a scenario and what the command line wants go in, numbers come out.

use std::{fmt, time::Duration};

use clap::{Args, ValueEnum};

/// A scenario by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// `kill -9` of the host at random moments
    Kills,
    /// SIGTERM under full load, again and again
    Stop,
    /// Cassandra killed, frozen, timing out
    Cassandra,
    /// Kafka restarted
    Kafka,
    /// Three hosts in one group, one lost and one started every few seconds
    Group,
    /// Another version of a plugin swapped in again and again
    Swaps,
}

impl Name {
    /// In the order in which they run: what fails fastest comes first.
    pub const ALL: [Name; 6] = [Name::Kills, Name::Stop, Name::Swaps, Name::Cassandra, Name::Kafka, Name::Group];

    pub const fn as_str(self) -> &'static str {
        match self {
            Name::Kills => "kills",
            Name::Stop => "stop",
            Name::Cassandra => "cassandra",
            Name::Kafka => "kafka",
            Name::Group => "group",
            Name::Swaps => "swaps",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What the command line wants otherwise than by default.
#[derive(Args)]
pub struct Wanted {
    /// Records of each scenario [default: 1000000 of `kills`, less of the others]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1_000..))]
    records: Option<u64>,
    /// Kills of `kills` [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    kills: Option<u64>,
    /// Stops of `stop` [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stops: Option<u64>,
    /// Swaps of `swaps` [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    swaps: Option<u64>,
    /// Outages of `cassandra` and `kafka` [default: 10 and 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    outages: Option<u64>,
    /// How long Cassandra stands still, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS")]
    freeze: Option<u64>,
    /// How long hosts of `group` come and go, in seconds [default: 180]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl Wanted {
    /// As it was typed.
    pub fn shown(&self) -> String {
        let all = [
            ("records", self.records),
            ("kills", self.kills),
            ("stops", self.stops),
            ("swaps", self.swaps),
            ("outages", self.outages),
            ("freeze", self.freeze),
            ("seconds", self.seconds),
        ];
        all.iter().filter_map(|(name, value)| value.map(|value| format!(" --{name} {value}"))).collect()
    }
}

/// The size of one trial.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub records: u64,
    /// How often something is broken.
    pub times: u64,
    /// How long it stays so, or how long it goes on.
    pub time: Duration,
}

impl Sizes {
    /// Of a scenario, by default or as it is wanted.
    pub fn of(name: Name, short: bool, wanted: &Wanted) -> Self {
        let (records, times, seconds) = match (name, short) {
            (Name::Kills, false) => (1_000_000, 200, 0),
            (Name::Kills, true) => (30_000, 10, 0),
            (Name::Stop, false) => (500_000, 50, 0),
            (Name::Stop, true) => (20_000, 5, 0),
            (Name::Cassandra, false) => (500_000, 10, 60),
            (Name::Cassandra, true) => (20_000, 3, 6),
            (Name::Kafka, false) => (500_000, 5, 0),
            (Name::Kafka, true) => (20_000, 1, 0),
            (Name::Group, false) => (500_000, 0, 180),
            (Name::Group, true) => (40_000, 0, 30),
            (Name::Swaps, false) => (1_000_000, 1_000, 0),
            (Name::Swaps, true) => (20_000, 10, 0),
        };
        let wanted_times = match name {
            Name::Kills => wanted.kills,
            Name::Stop => wanted.stops,
            Name::Cassandra | Name::Kafka => wanted.outages,
            Name::Swaps => wanted.swaps,
            Name::Group => None,
        };
        let wanted_seconds = match name {
            Name::Cassandra => wanted.freeze,
            Name::Group => wanted.seconds,
            _ => None,
        };
        Self {
            records: wanted.records.unwrap_or(records),
            times: wanted_times.unwrap_or(times),
            time: Duration::from_secs(wanted_seconds.unwrap_or(seconds)),
        }
    }
}
