//! A data set on disk: NAME.ndjson with the lines, NAME.ids with what must be in the table, NAME.truth.json with counts.
//!
//! The counts come from the verdicts that the lines were made for, not from reading the lines again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{PARTITIONS, Reason, Verdict, records};

/// What a correct pipeline makes of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// All lines.
    pub records: u64,
    /// Lines that belong into the table: valid, and the first of their id.
    pub valid_unique: u64,
    /// Valid lines whose id came earlier and that repeat the earlier line.
    pub duplicates_same_content: u64,
    /// Valid lines whose id came earlier, with other content.
    pub duplicates_other_content: u64,
    /// Lines to be rejected, by reason code; every code is there.
    pub invalid: BTreeMap<&'static str, u64>,
    /// The size of NAME.ndjson.
    pub bytes: u64,
    /// The SHA-256 of NAME.ndjson, in hex.
    pub sha256: String,
}

impl Truth {
    /// Valid lines whose id came earlier.
    pub fn duplicates(&self) -> u64 {
        self.duplicates_same_content + self.duplicates_other_content
    }

    /// Lines to be rejected.
    pub fn invalid_total(&self) -> u64 {
        self.invalid.values().sum()
    }

    fn count(&mut self, verdict: &Verdict) {
        self.records += 1;
        match verdict {
            Verdict::First { .. } => self.valid_unique += 1,
            Verdict::Duplicate { same_content: true, .. } => self.duplicates_same_content += 1,
            Verdict::Duplicate { same_content: false, .. } => self.duplicates_other_content += 1,
            Verdict::Invalid(reason) => *self.invalid.entry(reason.code()).or_default() += 1,
        }
    }
}

/// Writes the three files of a data set into a folder, which is made if it is missing.
pub fn write(count: u64, seed: u64, name: &str, folder: &Path) -> Result<Truth> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{name}.ndjson"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);

    let mut truth = Truth { invalid: Reason::ALL.map(|reason| (reason.code(), 0)).into(), ..Truth::default() };
    let mut digest = Sha256::new();
    let mut ids = Vec::new();
    for (mut line, verdict) in records(count, seed) {
        truth.count(&verdict);
        if let Verdict::First { id } = verdict {
            ids.push(id);
        }
        line.push('\n');
        truth.bytes += line.len() as u64;
        digest.update(&line);
        out.write_all(line.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    out.flush().with_context(|| format!("cannot write {}", path.display()))?;
    truth.sha256 = hex(&digest.finalize());

    ids.sort_unstable();
    let ids: String = ids.into_iter().flat_map(|id| [id, "\n".to_owned()]).collect();
    fs::write(folder.join(format!("{name}.ids")), &ids).with_context(|| format!("cannot write {name}.ids"))?;
    let counts = json!({
        "records": truth.records,
        "seed": seed,
        "partitions": PARTITIONS,
        "bytes": truth.bytes,
        "sha256": truth.sha256,
        "ids_sha256": hex(&Sha256::digest(&ids)),
        "valid_unique": truth.valid_unique,
        "duplicates": truth.duplicates(),
        "duplicates_same_content": truth.duplicates_same_content,
        "duplicates_other_content": truth.duplicates_other_content,
        "invalid_total": truth.invalid_total(),
        "invalid": truth.invalid,
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&counts)?);
    fs::write(folder.join(format!("{name}.truth.json")), text)
        .with_context(|| format!("cannot write {name}.truth.json"))?;
    Ok(truth)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
