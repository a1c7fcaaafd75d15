//! The driver's errors as failures of a row: what a later attempt may mend, and what it never will.

use scylla::errors::{BadQuery, DbError, ExecutionError, RequestAttemptError};

use crate::sink::Failure;

/// The code of a failure for which no node could be asked.
pub const UNREACHABLE: &str = "unreachable";
/// The code of a failure for which the record is at fault only if the table is still what it was.
pub const REFUSED: &str = "refused";
/// The code of a failure for which the table is at fault, as it is not what it was.
pub const SCHEMA_CHANGED: &str = "schema_changed";

/// The failure of row `row`, in the database's own words where it has said something.
pub fn of(row: u32, error: &ExecutionError) -> Failure {
    let failure = |retryable, code, detail| Failure { row, retryable, code, detail };
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, message)) => {
            let (retryable, code) = classify(error);
            let hint = if code == UNAUTHORIZED { GRANT } else { "" };
            failure(retryable, code, format!("{error}: {message}{hint}"))
        }
        // The statement that was prepared is not known as such any more.
        ExecutionError::LastAttemptError(
            RequestAttemptError::RepreparedIdChanged { .. } | RequestAttemptError::RepreparedIdMissingInBatch,
        ) => failure(true, SCHEMA_CHANGED, error.to_string()),
        ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_),
        ) => failure(false, "too_large", error.to_string()),
        // A primary key beyond 64 KiB.
        ExecutionError::BadQuery(BadQuery::ValuesTooLongForKey(..) | BadQuery::SerializationError(_)) => {
            failure(false, "too_large", error.to_string())
        }
        ExecutionError::RequestTimeout(_) => failure(true, "timeout", error.to_string()),
        // Connections that broke, nodes that are gone, an answer that could not be read: it may have been written or
        // not, and writing it again does no harm.
        _ => failure(true, UNREACHABLE, error.to_string()),
    }
}

const UNAUTHORIZED: &str = "unauthorized";
const GRANT: &str = "; grant the user MODIFY on the table, and writing goes on by itself";

/// Whether a later attempt may succeed, and the reason code.
fn classify(error: &DbError) -> (bool, &'static str) {
    match error {
        DbError::SyntaxError
        | DbError::Invalid
        | DbError::FunctionFailure { .. }
        | DbError::ConfigError
        | DbError::AlreadyExists { .. } => (false, REFUSED),
        // No record is at fault, and a right that was taken away can be given back.
        DbError::Unauthorized | DbError::AuthenticationError => (true, UNAUTHORIZED),
        DbError::Overloaded | DbError::RateLimitReached { .. } => (true, "overloaded"),
        DbError::Unavailable { .. } | DbError::IsBootstrapping => (true, "unavailable"),
        DbError::WriteTimeout { .. } | DbError::ReadTimeout { .. } => (true, "timeout"),
        // Among them a failed write on a replica and errors that this driver does not know yet: the record is not
        // at fault as far as anyone can say.
        _ => (true, "failed"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use scylla::{errors::WriteType, frame::types::Consistency};

    use super::*;

    fn of_db(error: DbError) -> Failure {
        of(7, &ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, "its words".to_owned())))
    }

    #[test]
    fn a_write_timeout_is_retried_and_an_invalid_request_is_not() {
        let (consistency, write_type) = (Consistency::Quorum, WriteType::Simple);
        let timeout = of_db(DbError::WriteTimeout { consistency, received: 1, required: 2, write_type });
        assert_eq!((timeout.row, timeout.retryable, timeout.code), (7, true, "timeout"));
        let invalid = of_db(DbError::Invalid);
        assert_eq!((invalid.retryable, invalid.code), (false, "refused"));
        assert!(invalid.detail.ends_with(": its words"), "{}", invalid.detail);
        assert!(of_db(DbError::Overloaded).retryable);
        assert!(of_db(DbError::Unavailable { consistency, required: 2, alive: 1 }).retryable);
        let unauthorized = of_db(DbError::Unauthorized);
        assert!(unauthorized.retryable && unauthorized.detail.contains("grant"), "{}", unauthorized.detail);
        assert!(of(7, &ExecutionError::EmptyPlan).retryable);
    }
}
