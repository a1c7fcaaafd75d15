//! What one reading of a file gathers while its tables are walked: faults, and the places of secrets.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{Spanned, de::DeValue};

use super::{
    env::{self, Reason},
    fault::Fault,
    secret,
};

/// Longest piece of a file that a message quotes.
const MAX_QUOTED_CHARS: usize = 60;

/// One reading of one file.
pub(super) struct Context<'a> {
    text: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
    folder: PathBuf,
    /// What was found to be wrong so far.
    pub faults: Vec<Fault>,
    /// Byte offsets of what must not be shown.
    pub secrets: Vec<Range<usize>>,
}

/// A text value with its variables replaced.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The value.
    pub value: String,
    /// Where it stands in the file, quotes included.
    pub span: Range<usize>,
    /// Whether any of it came from the environment.
    pub from_variable: bool,
}

impl Text {
    /// For messages. What came from the environment may be a secret that landed in the wrong setting.
    pub fn quoted(&self) -> String {
        if self.from_variable {
            return "the value from the environment".to_owned();
        }
        if self.value.is_empty() {
            return "an empty text".to_owned();
        }
        match self.value.char_indices().nth(MAX_QUOTED_CHARS) {
            Some((end, _)) => format!("`{}…`", self.value.get(..end).unwrap_or_default().escape_debug()),
            None => format!("`{}`", self.value.escape_debug()),
        }
    }
}

impl<'a> Context<'a> {
    pub fn new(path: &Path, text: &'a str, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut secrets = Vec::new();
        let mut begin = 0;
        // comments too: an address that was tried yesterday is shown beside today's fault
        for line in text.split_inclusive('\n') {
            if line.contains("://") {
                let found = secret::secrets_of_url(line).into_iter();
                secrets.extend(found.map(|range| begin + range.start..begin + range.end));
            }
            begin += line.len();
        }
        Self { text, env, folder, faults: Vec::new(), secrets }
    }

    /// Notes what is wrong.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The text of the file with its secrets covered.
    pub fn masked(&self) -> String {
        secret::cover(self.text, &self.secrets)
    }

    /// A relative path, joined with the folder of the file.
    pub fn in_folder(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// A text with its variables replaced; one that cannot be replaced is a fault.
    pub fn substitute(&mut self, value: &str, span: Range<usize>) -> Option<Text> {
        let substituted = env::substitute(value, self.env);
        // escapes make the value differ from what stands in the file; then the whole of it is the place
        let verbatim = self.text.get(span.clone()).and_then(|raw| raw.find(value)).map(|offset| span.start + offset);
        let faultless = substituted.faults.is_empty();
        for fault in substituted.faults {
            let place = verbatim.map_or(span.clone(), |begin| begin + fault.at..begin + fault.at + fault.len);
            self.fault(match fault.reason {
                Reason::Unset(name) => {
                    Fault::new("unset-variable", place, format!("environment variable `{name}` is not set"))
                        .hint(format!("set it, or give a default: `${{{name}:-…}}`"))
                        .label("not set")
                }
                Reason::NotClosed => Fault::new("bad-variable", place, "`${` is not closed")
                    .hint("close it with `}`, or write `$$` for a dollar sign")
                    .label("begins here"),
                Reason::NotAName => Fault::new("bad-variable", place, "`${…}` does not name an environment variable")
                    .hint("write `${NAME}` or `${NAME:-default}` (letters, digits and `_`), or `$$` for a dollar sign")
                    .label("not a name"),
                Reason::Nested => Fault::new("bad-variable", place, "the default of a variable holds another variable")
                    .hint("write out the default; variables are not nested")
                    .label("nested"),
            });
        }
        faultless.then_some(Text { value: substituted.value, span, from_variable: substituted.from_variable })
    }

    /// Hides every text in a value.
    pub fn hide(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().for_each(|item| self.hide(item)),
            DeValue::Table(table) => table.iter().for_each(|(_, value)| self.hide(value)),
            _ => self.secrets.push(value.span()),
        }
    }

    /// Hides in a value whatever stands under a name like a secret's.
    pub fn hide_secrets_in(&mut self, name: &str, value: &Spanned<DeValue<'_>>) {
        if secret::looks_secret(name) {
            return self.hide(value);
        }
        match value.get_ref() {
            DeValue::Array(items) => items.iter().for_each(|item| self.hide_secrets_in("", item)),
            DeValue::Table(table) => {
                table.iter().for_each(|(name, value)| self.hide_secrets_in(name.get_ref(), value));
            }
            _ => {}
        }
    }
}
