//! What is known about a setting: its name, where it stands, for which kinds of source or sink, its type and default.
//!
//! The parser, its hints and the documentation all read the same table (`settings.rs`) of these; this module never
//! looks at a file.

use std::{fmt, time::Duration};

use super::settings::SETTINGS;

/// One row of the table of settings.
#[derive(Debug)]
pub struct Setting {
    /// As it is written in the file.
    pub name: &'static str,
    /// The table it belongs to.
    pub place: Place,
    /// The kinds of source or sink that have it; empty: all.
    pub kinds: &'static [&'static str],
    /// What its value may be.
    pub kind_of_value: Type,
    /// What holds where the file leaves it out.
    pub default: Default,
    /// What it does, in one line.
    pub meaning: &'static str,
}

/// A table of `pipeline.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file itself.
    File,
    /// `[host]`
    Host,
    /// `[[pipeline]]`
    Pipeline,
    /// `[pipeline.source]`
    Source,
    /// `[[pipeline.stage]]`
    Stage,
    /// `[pipeline.sink]` and `[pipeline.dead_letters]`
    Sink,
    /// `[pipeline.sink.create]`
    Create,
    /// `[pipeline.state]`
    State,
    /// `[pipeline.probation]`
    Probation,
    /// `[[test]]`
    Test,
    /// `[[test.record]]`
    TestRecord,
}

/// What the value of a setting may be.
#[derive(Debug)]
pub enum Type {
    /// A name of ours: letters, digits, `-` and `_`.
    Name,
    /// The address of a source or a sink.
    Url,
    /// A file or folder, relative to the configuration's folder.
    Path,
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A duration between the limits, both included.
    Time(Duration, Duration),
    /// A size in bytes between the limits, both included.
    Bytes(u64, u64),
    /// A number of something between the limits, both included.
    Count(&'static str, u64, u64),
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A list of some of a few words.
    AnyOf(&'static [&'static str]),
    /// A table whose keys are the user's own and whose values are texts.
    Texts,
    /// A table whose content is the user's own.
    Anything,
    /// A record's value: a text, or a table that becomes JSON.
    Value,
    /// One such value, or a list of them.
    Values,
    /// A table with settings of its own.
    Table,
    /// A list of such tables.
    Tables,
}

/// What holds where the file leaves a setting out.
#[derive(Debug)]
pub enum Default {
    /// It cannot be left out.
    Required,
    /// Said in words.
    Words(&'static str),
    /// The value itself, as it would be written.
    Text(&'static str),
    /// A duration.
    Time(Duration),
    /// A size in bytes.
    Bytes(usize),
    /// A number.
    Count(u64),
}

impl Setting {
    /// Whether a source or a sink of that kind has it; an unknown kind might have anything.
    pub fn is_for(&self, kind: Option<&str>) -> bool {
        self.kinds.is_empty() || kind.is_none_or(|kind| self.kinds.contains(&kind))
    }
}

/// The setting of that name in that table.
pub fn find(place: Place, name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.place == place && setting.name == name)
}

/// All settings of a table that such a source or sink has.
pub fn of(place: Place, kind: Option<&str>) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.place == place && setting.is_for(kind))
}

impl Place {
    /// The table as it is written in the file.
    pub fn header(self) -> &'static str {
        match self {
            Place::File => "the file",
            Place::Host => "[host]",
            Place::Pipeline => "[[pipeline]]",
            Place::Source => "[pipeline.source]",
            Place::Stage => "[[pipeline.stage]]",
            Place::Sink => "[pipeline.sink]",
            Place::Create => "[pipeline.sink.create]",
            Place::State => "[pipeline.state]",
            Place::Probation => "[pipeline.probation]",
            Place::Test => "[[test]]",
            Place::TestRecord => "[[test.record]]",
        }
    }

    /// What a kind is a kind of.
    pub fn noun(self) -> &'static str {
        match self {
            Place::Source => "source",
            Place::State => "state",
            _ => "sink",
        }
    }
}

impl fmt::Display for Type {
    /// Continues the sentence "`linger` is …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Name => f.write_str("a name"),
            Type::Url => f.write_str("an address"),
            Type::Path => f.write_str("a path"),
            Type::Text => f.write_str("a text"),
            Type::Flag => f.write_str("`true` or `false`"),
            Type::Time(..) => f.write_str("a duration"),
            Type::Bytes(..) => f.write_str("a size in bytes"),
            Type::Count("", ..) => f.write_str("a number"),
            Type::Count(what, ..) => write!(f, "a number of {what}"),
            Type::OneOf(words) => f.write_str(&alternatives(words)),
            Type::AnyOf(words) => write!(f, "a list of {}", alternatives(words)),
            Type::Texts => f.write_str("a table of texts"),
            Type::Anything | Type::Table => f.write_str("a table"),
            Type::Value => f.write_str("a text or a table"),
            Type::Values => f.write_str("a text, a table or a list of them"),
            Type::Tables => f.write_str("a list of tables"),
        }
    }
}

/// "`"a"`, `"b"` or `"c"`"
fn alternatives(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

impl fmt::Display for Default {
    /// As the documentation shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Default::Required => f.write_str("required"),
            Default::Words(words) => f.write_str(words),
            Default::Text(text) => write!(f, "`\"{text}\"`"),
            Default::Time(time) => write!(f, "`\"{}\"`", humantime::format_duration(*time)),
            Default::Bytes(bytes) => write!(f, "`\"{}\"`", super::quantity::show_bytes(*bytes as u64)),
            Default::Count(count) => write!(f, "`{count}`"),
        }
    }
}
