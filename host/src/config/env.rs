//! Environment variables in text values: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.
//!
//! Works on one value after TOML was parsed, so whatever a variable holds stays a text and cannot become another
//! setting. Any other dollar sign stands for itself, as regular expressions are full of them.

/// A value after substitution.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Substituted {
    /// The value.
    pub value: String,
    /// Whether any of it came from a variable.
    pub from_variable: bool,
    /// What could not be substituted.
    pub faults: Vec<VariableFault>,
}

/// A variable that could not be substituted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VariableFault {
    /// Offset of its `$` in the value.
    pub at: usize,
    /// Bytes from there that belong to it.
    pub len: usize,
    /// Why.
    pub reason: Reason,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// No `}` follows.
    NotClosed,
    /// What stands there is not the name of a variable.
    NotAName,
    /// A default in which another variable begins.
    Nested,
    /// Not set, and without default.
    Unset(String),
}

/// As a shell would, where `:-` also stands in for a variable that is set and empty.
pub(super) fn substitute(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Substituted {
    let mut out = Substituted { value: String::with_capacity(text.len()), from_variable: false, faults: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.value.push_str(before);
        let at = text.len() - after.len() - 1;
        if let Some(after) = after.strip_prefix('$') {
            out.value.push('$');
            rest = after;
        } else if let Some(body) = after.strip_prefix('{') {
            let Some((body, after)) = body.split_once('}') else {
                out.faults.push(VariableFault { at, len: text.len() - at, reason: Reason::NotClosed });
                return out;
            };
            out.from_variable = true;
            match lookup(body, env) {
                Ok(value) => out.value.push_str(&value),
                Err(reason) => out.faults.push(VariableFault { at, len: body.len() + "${}".len(), reason }),
            }
            rest = after;
        } else {
            out.value.push('$');
            rest = after;
        }
    }
    out.value.push_str(rest);
    out
}

fn lookup(body: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Reason> {
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let mut letters = name.chars();
    let first_is_fine = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first_is_fine || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Reason::NotAName);
    }
    match (env(name), default) {
        (_, Some(default)) if default.contains("${") => Err(Reason::Nested),
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Reason::Unset(name.to_owned())),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("kafka-1".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("\"\n[host]\n${HOST}$$".to_owned()),
            _ => None,
        }
    }

    fn value(text: &str) -> String {
        let substituted = substitute(text, &env);
        assert_eq!(substituted.faults, [], "{text}");
        substituted.value
    }

    #[test]
    fn replaces_variables_and_takes_defaults() {
        assert_eq!(value("kafka://${HOST}:9092/${TOPIC:-users}"), "kafka://kafka-1:9092/users");
        assert_eq!(value("${EMPTY}${EMPTY:-instead}${UNSET:-}"), "instead");
        assert_eq!(value("${UNSET:-a:-b}"), "a:-b");
    }

    #[test]
    fn leaves_other_dollar_signs_alone() {
        assert_eq!(value("^a$"), "^a$");
        assert_eq!(value("$$"), "$");
        assert_eq!(value("$${HOST} $HOST"), "${HOST} $HOST");
        assert!(!substitute("$${HOST}", &env).from_variable);
    }

    #[test]
    fn does_not_look_into_what_a_variable_holds() {
        assert_eq!(value("${TRICKY}"), "\"\n[host]\n${HOST}$$");
    }

    #[test]
    fn names_every_variable_that_it_cannot_replace() {
        let faults = substitute("é${A}-${1B}-${}-${C:-${D}}-${E", &env).faults;
        let reasons: Vec<_> = faults.iter().map(|fault| &fault.reason).collect();
        let unset = Reason::Unset("A".to_owned());
        assert_eq!(reasons, [&unset, &Reason::NotAName, &Reason::NotAName, &Reason::Nested, &Reason::NotClosed]);
        assert_eq!((faults[0].at, faults[0].len), (2, 4));
    }
}
