//! How often a pipeline's stages were changed while it ran, and what came of it; for whoever shows or scrapes it.

use serde::Serialize;

/// A longer reason is cut: a compiler's messages, or a plugin's own words.
const MAX_WHY_BYTES: usize = 8 << 10;

/// Since this process began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Swaps {
    /// Versions that took the place of others.
    pub swapped: u64,
    /// Candidates that were refused; what ran went on.
    pub refused: u64,
    /// Versions that were put back by those before them.
    pub put_back: u64,
    /// The last refusal.
    pub last_refused: Option<Setback>,
    /// The last time that a version was put back.
    pub last_put_back: Option<Setback>,
}

/// Why and when something new did not come to stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setback {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// Why.
    pub why: String,
}

/// How often the configuration and the plugins were read again, and how often all of it was refused; since this process began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reloads {
    /// How often.
    pub done: u64,
    /// How often nothing was changed, as something in it was wrong.
    pub refused: u64,
    /// The last refusal.
    pub last_refused: Option<Setback>,
}

impl Setback {
    pub(super) fn now(why: &str) -> Self {
        let why = why.get(..why.floor_char_boundary(MAX_WHY_BYTES)).unwrap_or_default();
        Self { time_ms: super::now_ms(), why: why.to_owned() }
    }
}

impl Swaps {
    pub(super) fn refuse(&mut self, why: &str) {
        self.refused += 1;
        self.last_refused = Some(Setback::now(why));
    }

    pub(super) fn put_back(&mut self, why: &str) {
        self.put_back += 1;
        self.last_put_back = Some(Setback::now(why));
    }
}
