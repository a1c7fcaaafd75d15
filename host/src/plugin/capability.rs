//! What a plugin may use of the host beyond the records it is handed: nothing, unless its stage grants it.
//!
//! `log` is no capability: every plugin built with the SDK needs it to tell of a panic, and the host bounds it.

use std::fmt;

use super::instance::InitError;

/// Something that a stage can grant to its plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Stores that the host keeps.
    State,
    /// Random words with each record.
    Random,
    /// The records' timestamps.
    Clock,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::State, Self::Random, Self::Clock];

    /// As `pipeline.toml` names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Random => "random",
            Self::Clock => "clock",
        }
    }
}

/// What a stage grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Capability>);

impl Grants {
    /// Those of that name; what is no capability grants nothing.
    pub fn named(words: &[&str]) -> Self {
        Self(Capability::ALL.into_iter().filter(|capability| words.contains(&capability.word())).collect())
    }

    /// Fails where a plugin asks for more.
    pub(super) fn cover(&self, plugin: &str, asked: &[Capability]) -> Result<(), InitError> {
        let is_missing = |capability: &Capability| asked.contains(capability) && !self.0.contains(capability);
        let missing: Vec<Capability> = Capability::ALL.into_iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let needed = |capability: &Capability| missing.contains(capability) || self.0.contains(capability);
        let grants = Self(Capability::ALL.into_iter().filter(needed).collect());
        Err(InitError::NotGranted { plugin: plugin.to_owned(), missing: Self(missing), grants })
    }

    /// "`state` and `random`"
    pub(super) fn in_words(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|capability| format!("`{}`", capability.word())).collect();
        words.join(" and ")
    }
}

impl fmt::Display for Grants {
    /// As `pipeline.toml` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|capability| format!("\"{}\"", capability.word())).collect();
        write!(f, "grant = [{}]", words.join(", "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_plugin_what_it_lacks_and_the_line_that_grants_it_and_what_it_had() {
        let granted = Grants::named(&["clock", "unknown"]);
        granted.cover("p", &[Capability::Clock]).unwrap();
        let error = granted.cover("p", &[Capability::Random, Capability::Clock, Capability::State]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the plugin `p` asks for `state` and `random`, which its stage does not grant; add `grant = [\"state\", \
             \"random\", \"clock\"]` to the stage"
        );
    }
}
