//! What can go wrong with the embedded log.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The folder cannot be made or reached.
    #[error("cannot create or reach the folder `{folder}` of the embedded log; check that it may be written")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("cannot {action} in the embedded log `{file}`")]
    Sqlite {
        /// What was attempted.
        action: String,
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version.
    #[error("the embedded log `{file}` has format {found}, this version knows {known}; use a newer millstream")]
    Format {
        /// The database.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// There is no such topic.
    #[error("cannot {action}: the embedded log `{file}` has no topic `{topic}`; it appears with its first record")]
    NoTopic {
        /// What was attempted.
        action: String,
        /// The database.
        file: PathBuf,
        /// The topic.
        topic: String,
    },
    /// The thread that did the work is gone.
    #[error("cannot {action} in the embedded log `{file}`: the process is shutting down")]
    Stopped {
        /// What was attempted.
        action: String,
        /// The database.
        file: PathBuf,
    },
}

impl LogError {
    /// Whether trying again may help: another process holds the lock, or the disk is full or failing for now.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::OutOfMemory
                )
            ),
            Self::Folder { .. } | Self::Format { .. } | Self::NoTopic { .. } | Self::Stopped { .. } => false,
        }
    }

    /// The message with that of its cause, for those who pass it on as text.
    pub fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
