//! Chains of the shipped plugins, and batches of seeded records for them.

use std::sync::Arc;

use anyhow::{Context, Result};
use millstream::{
    plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build},
    random_user::write_user,
    record::{Batch, Headers, Record},
    transform::{Chain, StageSpec},
};
use std::time::Duration;
use xtask::{
    dataset::{self, Verdict},
    shell,
};

/// Records of a batch, as a source fills them by default.
pub const BATCH_RECORDS: usize = 4096;
const SEED: u64 = 20_260_101;

/// A shipped plugin with the settings of the shipped pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// Makes flat users of raw documents.
    FormatUser,
    /// The notebook's rules.
    Validate,
    /// By id.
    Dedup,
}

impl Shipped {
    /// All of them, in the order of the way of the data.
    pub const ALL: [Shipped; 3] = [Shipped::FormatUser, Shipped::Validate, Shipped::Dedup];
    /// Those that store flat users.
    pub const STORE: [Shipped; 2] = [Shipped::Validate, Shipped::Dedup];

    /// The plugin's name, which is that of its crate's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::FormatUser => "format-user",
            Self::Validate => "validate",
            Self::Dedup => "dedup",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::FormatUser | Self::Validate => "{}",
            Self::Dedup => r#"{"key": "id", "format": "uuid", "ttl": "12h"}"#,
        }
    }

    /// Whether it takes raw documents rather than flat users.
    pub fn takes_documents(self) -> bool {
        self == Self::FormatUser
    }

    /// Builds it, unless that was done, and loads it as a stage.
    pub fn stage(self, engine: &PluginEngine) -> Result<StageSpec> {
        let folder = shell::workspace().join("plugins").join(self.name());
        let built = build(&folder, &mut |_| {}).with_context(|| format!("plugin {}", self.name()))?;
        Ok(StageSpec {
            name: StageName { pipeline: "bench".into(), stage: self.name().into() },
            plugin: Plugin::load(engine, &built.wasm)?,
            config: self.config().to_owned(),
            limits: Limits {
                // Slow on purpose: with fuel counted, or without optimisation.
                timeout: Duration::from_secs(10),
                grants: Grants::named(&["state", "random"]),
                ..Limits::default()
            },
        })
    }
}

/// A chain of these stages, which measures nothing but what a pipeline would run.
pub fn chain(engine: &PluginEngine, stages: &[Shipped]) -> Result<Chain> {
    let specs: Result<Vec<_>> = stages.iter().map(|stage| stage.stage(engine)).collect();
    Ok(Chain::new(specs?)?)
}

/// Batches of flat users: 2 % are invalid, 5 % repeat an id.
pub fn users(batches: usize) -> Vec<Arc<Batch>> {
    users_of(batches, dataset::records(u64::MAX, SEED))
}

/// Those of the users that validate has nothing against.
pub fn valid_users(batches: usize) -> Vec<Arc<Batch>> {
    users_of(batches, dataset::records(u64::MAX, SEED).filter(|(_, verdict)| !matches!(verdict, Verdict::Invalid(_))))
}

fn users_of(batches: usize, mut records: impl Iterator<Item = (String, Verdict)>) -> Vec<Arc<Batch>> {
    batch_up(batches, |_, value| {
        value.extend(records.next().map(|(line, _)| line.into_bytes()).unwrap_or_default());
    })
}

/// Batches of raw documents of the Random User API.
pub fn documents(batches: usize) -> Vec<Arc<Batch>> {
    batch_up(batches, |n, value| write_user(SEED, n, value))
}

fn batch_up(batches: usize, mut write: impl FnMut(u64, &mut Vec<u8>)) -> Vec<Arc<Batch>> {
    let mut value = Vec::new();
    let mut made = Vec::with_capacity(batches);
    for number in 0..batches {
        let mut batch = Batch::new("bench".into());
        for row in 0..BATCH_RECORDS {
            let n = (number * BATCH_RECORDS + row) as u64;
            value.clear();
            write(n, &mut value);
            batch.push(Record {
                key: None,
                value: Some(&value),
                headers: Headers::default(),
                timestamp_ms: 1_700_000_000_000,
                partition: (n % dataset::PARTITIONS) as i32,
                offset: (n / dataset::PARTITIONS) as i64,
            });
        }
        made.push(Arc::new(batch));
    }
    made
}
