//! What went wrong, in words of our own: SQLite's messages may quote what a statement was about.

use rusqlite::ErrorCode;

use crate::store::Error;

/// Why work on a connection was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The engine failed.
    Engine(rusqlite::Error),
    /// The work itself cannot be done; the engine is well.
    Refused(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Engine(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(error) => Error::Unavailable(describe(&error)),
            Failure::Refused(error) => error,
        }
    }
}

/// Whether another connection was in the way, so that trying again may help.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SchemaChanged)
    )
}

/// The error without anything from a record.
pub(super) fn describe(error: &rusqlite::Error) -> String {
    let Some(cause) = error.sqlite_error() else {
        return "the file holds something unexpected".to_owned();
    };
    let text = match cause.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "another process holds it too long",
        ErrorCode::DiskFull => "the disk is full",
        ErrorCode::SystemIoFailure => "reading or writing the disk failed",
        ErrorCode::DatabaseCorrupt => "the file is damaged; restore it from a backup",
        ErrorCode::NotADatabase => "not a SQLite database",
        ErrorCode::CannotOpen => "the file or a file beside it cannot be opened",
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly => "no permission to write",
        ErrorCode::OutOfMemory => "out of memory",
        ErrorCode::FileLockingProtocolFailed => "the file system does not lock as it should",
        _ => "SQLite failed",
    };
    format!("{text} (SQLite code {})", cause.extended_code)
}
