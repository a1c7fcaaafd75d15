//! Exit codes, as `millstream --help` documents them.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All pipelines ended in order.
    Fine,
    /// A pipeline failed, or a plugin did not build.
    Failed,
    /// The command line or the configuration is wrong; nothing was started.
    Usage,
}

/// A second Ctrl-C, as shells count it: 128 + SIGINT.
pub const INTERRUPTED: i32 = 130;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        })
    }
}
