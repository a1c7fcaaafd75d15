//! Names that a plugin can have: those that are names of crates, packages and modules alike.

use std::path::Path;

/// Longest name that the registries take.
const LONGEST: usize = 64;
/// Rust's keywords, and names that cargo or a plugin's own dependencies have taken.
const TAKEN: [&str; 70] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "con",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "millstream",
    "millstream-sdk",
    "millstream_sdk",
    "mod",
    "move",
    "mut",
    "nul",
    "override",
    "plugin",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "wit_world",
    "yield",
];

/// The name of the plugin in that folder, or why it cannot have it.
pub(super) fn of(folder: &Path) -> Result<String, String> {
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
        return Err(format!("`{}` ends in no name; write for example `my-filter`", folder.display()));
    };
    let known = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_');
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || !name.chars().all(known) {
        return Err(format!(
            "`{name}` is no name of a crate: it has to begin with a lower-case letter, and to have lower-case letters, digits, \
             `-` and `_` only; write for example `my-filter`"
        ));
    }
    if name.len() > LONGEST {
        return Err(format!("`{name}` is no name of a crate: it has {} letters, {LONGEST} are the most", name.len()));
    }
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` is no name of a crate: it is a keyword or taken; write for example `my-{name}`"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_crates_are_taken_and_others_are_not() {
        for (folder, name) in [("recent", "recent"), ("plugins/my-filter_2", "my-filter_2"), ("/tmp/a/", "a")] {
            assert_eq!(of(Path::new(folder)), Ok(name.to_owned()));
        }
        for folder in ["", "/", "..", "a/..", "2nd", "-a", "Recent", "a b", "a.b", "é", "fn", "test", "serde", "std"] {
            assert!(of(Path::new(folder)).is_err(), "{folder:?} was taken");
        }
        assert!(of(Path::new(&"a".repeat(64))).is_ok() && of(Path::new(&"a".repeat(65))).is_err());
    }

    #[test]
    fn what_is_taken_is_in_order_and_named_once() {
        assert!(TAKEN.is_sorted_by(|one, other| one < other));
    }
}
