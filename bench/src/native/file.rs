//! File of raw API documents → format → validate → dedup → nothing. What a sink would be given, the record's JSON, is made.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, Result};
use uuid::Uuid;

use super::{api::ApiUser, counts::Counts, rules::judge};

const BUFFER: usize = 256 << 10;

pub fn run(input: &Path) -> Result<Counts> {
    let file = File::open(input).with_context(|| format!("cannot read {}", input.display()))?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut work = Work::default();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        work.handle(line.trim_ascii_end());
        line.clear();
    }
    Ok(work.counts)
}

#[derive(Default)]
struct Work {
    seen: HashSet<Uuid>,
    /// What the sink is given.
    out: Vec<u8>,
    counts: Counts,
}

impl Work {
    fn handle(&mut self, document: &[u8]) {
        self.counts.consumed += 1;
        match self.judge(document) {
            Err(reason) => self.counts.reject(reason),
            Ok(id) if self.seen.insert(id) => self.counts.written += 1,
            Ok(_) => self.counts.dropped += 1,
        }
    }

    fn judge(&mut self, document: &[u8]) -> Result<Uuid, &'static str> {
        let text = std::str::from_utf8(document).map_err(|_| "not_json")?;
        let document: ApiUser<'_> = serde_json::from_str(text).map_err(|_| "not_json")?;
        let mut id = Uuid::encode_buffer();
        let id = Uuid::new_v4().hyphenated().encode_lower(&mut id);
        let user = document.format(id)?;
        let id = judge(&user.checked())?;
        self.out.clear();
        serde_json::to_writer(&mut self.out, &user).map_err(|_| "not_json")?;
        Ok(id)
    }
}
