//! Records with what must become of them.

/// `[[test]]`: records for a pipeline's stages, and what must become of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TestConfig {
    /// `name`: what it shows.
    pub name: String,
    /// `pipeline`, or the only one.
    pub pipeline: String,
    /// `[[test.record]]`: handed to the stages in one batch.
    pub records: Vec<TestRecord>,
    /// Where it stands in the file.
    pub span: std::ops::Range<usize>,
}

/// `[[test.record]]`
#[derive(Debug, Clone, PartialEq)]
pub struct TestRecord {
    /// `key`. Default: none.
    pub key: Option<String>,
    /// `value`
    pub value: Made,
    /// `timestamp`, in Unix milliseconds. Default: none.
    pub timestamp_ms: Option<i64>,
    /// What must become of it.
    pub expected: Expected,
    /// Where it stands in the file.
    pub span: std::ops::Range<usize>,
}

/// A record's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// These bytes.
    Text(String),
    /// This JSON; how it is written does not matter.
    Json(serde_json::Value),
}

/// What must become of a record, and nothing else may.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// `kept = true`: it comes out as it went in, byte for byte.
    Kept,
    /// `written`: these come out of it, in this order.
    Written(Vec<Made>),
    /// `dropped`, with this reason, by this stage where one is named.
    Dropped {
        /// The code, or `code: detail`.
        reason: String,
        /// `by`
        stage: Option<String>,
    },
    /// `rejected`, likewise.
    Rejected {
        /// The code, or `code: detail`.
        reason: String,
        /// `by`
        stage: Option<String>,
    },
}
