//! What a stage may use: of the machine, and of the host.

use std::time::Duration;

use super::Grants;
use crate::config::defaults as d;

/// What a stage may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Linear memory of an instance, in bytes.
    pub memory: usize,
    /// Entries of an instance's tables.
    pub table: usize,
    /// Time of one call.
    pub timeout: Duration,
    /// What a call may return: new values, keys and reasons, in bytes.
    pub output: usize,
    /// Messages that it may log in a second.
    pub log: u32,
    /// What it may use of the host.
    pub grants: Grants,
}

impl Default for Limits {
    /// Those of a stage that sets none.
    fn default() -> Self {
        Self {
            memory: d::STAGE_MEMORY,
            table: d::STAGE_TABLE,
            timeout: d::STAGE_TIMEOUT,
            output: d::STAGE_OUTPUT,
            log: d::STAGE_LOG,
            grants: Grants::default(),
        }
    }
}
