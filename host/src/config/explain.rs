//! What each code means and what to do about it: the sections of `codes.md`.

use super::suggest::nearest;

const PAGE: &str = include_str!("codes.md");

/// A code and the text about it.
pub struct Explanation {
    /// As it stands in a message.
    pub code: &'static str,
    /// Markdown.
    pub text: &'static str,
}

/// All codes, in the order of the page.
pub fn explanations() -> impl Iterator<Item = Explanation> {
    PAGE.split("\n## ").skip(1).filter_map(|section| {
        let (code, text) = section.split_once('\n')?;
        Some(Explanation { code, text: text.trim() })
    })
}

/// What is said about a code; otherwise the nearest code there is, if one is near.
pub fn explain(code: &str) -> Result<Explanation, Option<&'static str>> {
    let found = explanations().find(|explanation| explanation.code == code);
    found.ok_or_else(|| nearest(code, explanations().map(|explanation| explanation.code)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;
    use crate::{config::CODES, plugin::CallError};

    #[test]
    fn every_code_is_explained_once() {
        let explained: Vec<_> = explanations().map(|explanation| explanation.code).collect();
        assert_eq!(explained.iter().collect::<BTreeSet<_>>().len(), explained.len());
        for (code, _) in CODES {
            assert!(explained.contains(code), "{code} is missing in codes.md");
        }
        for error in [
            CallError::Refused(String::new()),
            CallError::Timeout(Duration::ZERO),
            CallError::Memory(0),
            CallError::Table(0),
            CallError::Trap(String::new()),
            CallError::Answer(String::new()),
        ] {
            assert!(explained.contains(&error.code()), "{} is missing in codes.md", error.code());
        }
        assert!(explanations().all(|explanation| explanation.text.len() > 20));
    }

    #[test]
    fn a_misspelt_code_is_told_with_the_one_that_was_meant() {
        assert_eq!(explain("toml-syntax").unwrap_or_else(|_| unreachable!()).code, "toml-syntax");
        assert_eq!(explain("toml-sintax").err(), Some(Some("toml-syntax")));
        assert_eq!(explain("nothing like it").err(), Some(None));
    }
}
