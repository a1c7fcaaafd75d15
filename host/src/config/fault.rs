//! What is wrong with a configuration, where, and what to do about it.
//!
//! A [`Fault`] is one thing at one place; [`Faults`] are all of a file, for a terminal (with the lines in question), for
//! a log or a pipe (a line each) and for programs (JSON). The text they quote has its secrets masked already; nothing
//! here ever sees them.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Every code of this parser and what it stands for. Codes are stable: scripts may rely on them.
pub const CODES: &[(&str, &str)] = &[
    ("cannot-read", "the file cannot be read"),
    ("toml-syntax", "the file is not TOML"),
    ("unknown-setting", "there is no such setting here"),
    ("misplaced-setting", "the setting belongs to another kind of source or sink, or to another table"),
    ("missing-setting", "a required setting is not there"),
    ("wrong-type", "the value is of another type"),
    ("bad-value", "the value is of the right type and means nothing"),
    ("out-of-range", "the value is too small or too large"),
    ("unset-variable", "an environment variable is not set and has no default"),
    ("bad-variable", "`${…}` is not closed or names no variable"),
    ("bad-url", "the address lacks something or is malformed"),
    ("unknown-scheme", "the address begins with a word that names no kind of source or sink"),
    ("wrong-scheme", "the kind exists, though not in this role"),
    ("bad-name", "a name that files, Kafka, Cassandra or SQL would refuse"),
    ("duplicate-name", "two of the same name"),
    ("no-pipeline", "the file has no pipeline"),
    ("no-dead-letters", "there is no topic beside which the dead letters could go"),
    ("unknown-pipeline", "a test names no pipeline of the file"),
    ("one-outcome", "a test must say one thing that becomes of a record"),
    ("loop", "the pipeline would read what it writes"),
    ("reserved-option", "the delivery guarantees depend on this option"),
    ("state-without-kafka", "state in a topic needs a source whose partitions it can follow"),
    ("open-admin", "the admin address can be reached by others and has no token"),
    ("schedule", "a schedule whose runs never end, or a time zone without a schedule"),
    ("lost-records", "a warning: rejected records are thrown away"),
    ("shared-group", "a warning: two pipelines share a consumer group"),
    ("unkeyed-before-state", "a warning: records without keys come to a stage that keeps state"),
    ("ttl-below-window", "a warning: rows expire before a stage forgets them"),
];

/// Whether the configuration can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Warning,
}

/// One thing that is wrong, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable; see [`CODES`].
    pub code: &'static str,
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Byte offsets in the file.
    pub span: Range<usize>,
    /// A few words for the place itself.
    pub label: Box<str>,
    /// The pipeline that cannot run because of it, where it is about a plugin rather than the file.
    pub pipeline: Option<Box<str>>,
}

impl Fault {
    /// An error without hint or label.
    pub fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            span,
            label: Box::default(),
            pipeline: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a few words for the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into().into_boxed_str();
        self
    }

    /// Of a plugin of that pipeline.
    #[must_use]
    pub fn of(mut self, pipeline: &str) -> Self {
        self.pipeline = Some(pipeline.into());
        self
    }

    /// As a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// A configuration file's name and text, secrets masked: what faults quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigText {
    /// The file.
    pub path: PathBuf,
    /// Its text; every secret is masked by as many bytes.
    pub masked: String,
}

impl ConfigText {
    /// Line and column of a byte offset, both from 1; columns count characters.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.masked.get(..offset).unwrap_or(&self.masked);
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before.chars().count() - before.get(..line_begin).unwrap_or_default().chars().count() + 1)
    }
}

/// All that is wrong with a file, in the order of the file. `Display` gives a line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    source: Arc<ConfigText>,
    list: Vec<Fault>,
}

impl Faults {
    /// Faults of that file, in the order of their places.
    pub fn new(source: Arc<ConfigText>, mut list: Vec<Fault>) -> Self {
        list.sort_by_key(|fault| fault.span.start);
        Self { source, list }
    }

    /// In the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What they are about.
    pub fn source(&self) -> &Arc<ConfigText> {
        &self.source
    }

    /// For a terminal: every fault with its lines, in colours if wanted, at most `columns` wide.
    pub fn graphical(&self, colours: bool, columns: usize) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(columns);
        let source = NamedSource::new(self.source.path.display().to_string(), self.source.masked.clone());
        let mut page = String::new();
        for fault in &self.list {
            let mut report = String::new();
            if handler.render_report(&mut report, &Shown { fault, source: &source }).is_err() {
                report = self.line(fault);
            }
            page.push_str(report.trim_matches('\n'));
            page.push_str("\n\n");
        }
        page.push_str(&self.summary());
        page.push('\n');
        page
    }

    /// "pipeline.toml: 2 errors, 1 warning"
    pub fn summary(&self) -> String {
        let count = |severity, noun| match self.list.iter().filter(|fault| fault.severity == severity).count() {
            0 => None,
            1 => Some(format!("1 {noun}")),
            several => Some(format!("{several} {noun}s")),
        };
        let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
        let counts: Vec<_> = counts.into_iter().flatten().collect();
        format!(
            "{}: {}",
            self.source.path.display(),
            if counts.is_empty() { "ok".to_owned() } else { counts.join(", ") }
        )
    }

    /// `file:line:column: error[code]: message; hint`
    fn line(&self, fault: &Fault) -> String {
        let (line, column) = self.source.place(fault.span.start);
        let severity = match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let path = self.source.path.display();
        let hint = fault.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{path}:{line}:{column}: {severity}[{}]: {}{hint}", fault.code, fault.message)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.list.iter().map(|fault| self.line(fault)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            code: &'static str,
            severity: Severity,
            message: &'a str,
            hint: Option<&'a str>,
            line: usize,
            column: usize,
            end_line: usize,
            end_column: usize,
        }
        let entries: Vec<_> = self
            .list
            .iter()
            .map(|fault| {
                let ((line, column), (end_line, end_column)) =
                    (self.source.place(fault.span.start), self.source.place(fault.span.end));
                let (message, hint) = (fault.message.as_str(), fault.hint.as_deref());
                Entry { code: fault.code, severity: fault.severity, message, hint, line, column, end_line, end_column }
            })
            .collect();
        let mut faults = serializer.serialize_struct("Faults", 2)?;
        faults.serialize_field("file", &self.source.path.display().to_string())?;
        faults.serialize_field("faults", &entries)?;
        faults.end()
    }
}

/// A fault together with its file, as miette wants it.
struct Shown<'a> {
    fault: &'a Fault,
    source: &'a NamedSource<String>,
}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.fault.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        // without text (the file could not be read) there is nothing to show
        (!self.source.inner().is_empty()).then_some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = if self.fault.label.is_empty() { "here".to_owned() } else { self.fault.label.to_string() };
        let label = LabeledSpan::new_primary_with_span(Some(label), self.fault.span.clone());
        (!self.source.inner().is_empty()).then(|| Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = _>>)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for Shown<'_> {}
