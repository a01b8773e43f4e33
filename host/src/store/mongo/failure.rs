//! What went wrong between us and the server, in words that hold nothing of a record.
//!
//! The driver's own texts quote keys (a duplicate names the address) and the addresses of hosts;
//! only names and numbers of errors are taken from them.

use std::time::Duration;

use mongodb::error::{Error as DriverError, ErrorKind, WriteFailure};
use tokio::time::timeout;

use crate::store::Error;

/// A duplicate key (`DuplicateKey`, and the two that old servers know).
pub(super) const DUPLICATE: [i32; 3] = [11000, 11001, 12582];

/// Why an operation did not succeed.
pub(super) enum Trouble {
    /// The driver says so.
    Driver(Box<DriverError>),
    /// There was no answer in time.
    Silence(Duration),
    /// Others changed the same records while something was half done.
    Overtaken,
}

impl From<DriverError> for Trouble {
    fn from(error: DriverError) -> Self {
        Trouble::Driver(Box::new(error))
    }
}

/// The answer of an operation, or that there was none in time. The driver bounds the selection of a
/// server by itself, but not the wait for an answer.
pub(super) async fn within<T>(
    patience: Duration,
    operation: impl Future<Output = mongodb::error::Result<T>>,
) -> Result<T, Trouble> {
    match timeout(patience, operation).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Silence(patience)),
    }
}

impl Trouble {
    /// The number of the server's error, if it is one.
    pub(super) fn code(&self) -> Option<i32> {
        let Trouble::Driver(error) = self else { return None };
        match error.kind.as_ref() {
            ErrorKind::Command(command) => Some(command.code),
            ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
            ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
            ErrorKind::InsertMany(several) => {
                let refused = several.write_errors.as_ref().and_then(|errors| errors.first());
                let concern = several.write_concern_error.as_ref();
                refused.map(|write| write.code).or(concern.map(|concern| concern.code))
            }
            _ => None,
        }
    }

    /// Whether a unique index refused the write: somebody else was faster.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code().is_some_and(|code| DUPLICATE.contains(&code))
    }

    /// Whether the driver has given this label to the error.
    pub(super) fn has_label(&self, label: &str) -> bool {
        matches!(self, Trouble::Driver(error) if error.contains_label(label))
    }

    /// Whether the server has refused the operation, so that nothing of it was done. Everything
    /// else leaves open whether it was.
    pub(super) fn is_refusal(&self) -> bool {
        let Trouble::Driver(error) = self else { return false };
        match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(_))
            | ErrorKind::InvalidArgument { .. }
            | ErrorKind::Authentication { .. }
            | ErrorKind::ServerSelection { .. } => true,
            ErrorKind::InsertMany(several) => several.write_errors.is_some(),
            // A server that lost its office, or shuts down, may have begun.
            ErrorKind::Command(_) => {
                !["RetryableWriteError", "TransientTransactionError"]
                    .iter()
                    .any(|label| error.contains_label(label))
                    && !self.is_about_office()
            }
            _ => false,
        }
    }

    /// Whether the server is not, or not any more, one that may write: an election, a shutdown, a
    /// step-down (the driver's "state change errors").
    pub(super) fn is_about_office(&self) -> bool {
        const STATE: [i32; 9] = [189, 91, 11600, 11602, 13435, 13436, 10107, 10058, 262];
        self.code().is_some_and(|code| STATE.contains(&code))
    }

    /// In words for whoever made the call.
    pub(super) fn text(&self) -> String {
        let error = match self {
            Trouble::Silence(patience) => {
                return format!("MongoDB did not answer within {} ms", patience.as_millis());
            }
            Trouble::Overtaken => return "others changed the same records meanwhile".into(),
            Trouble::Driver(error) => error,
        };
        match error.kind.as_ref() {
            ErrorKind::Command(it) => format!("MongoDB answered {} ({})", it.code_name, it.code),
            ErrorKind::Write(WriteFailure::WriteError(it)) => {
                let name = it.code_name.as_deref().unwrap_or("an error");
                format!("MongoDB refused the write: {name} ({})", it.code)
            }
            ErrorKind::Write(WriteFailure::WriteConcernError(it)) => {
                format!("MongoDB could not make the write durable: {} ({})", it.code_name, it.code)
            }
            ErrorKind::InsertMany(_) => {
                let code = self.code().unwrap_or_default();
                format!("MongoDB refused the writes: an error ({code})")
            }
            ErrorKind::ServerSelection { .. } => {
                "no MongoDB server is there that may be used".into()
            }
            ErrorKind::Authentication { .. } => "MongoDB refused the log-in of `mongo_uri`".into(),
            ErrorKind::Io(error) => format!("the connection to MongoDB broke: {}", error.kind()),
            ErrorKind::ConnectionPoolCleared { .. } => "the connection to MongoDB broke".into(),
            ErrorKind::DnsResolve { .. } => "the name of the MongoDB server is not known".into(),
            ErrorKind::InvalidTlsConfig { .. } => {
                "the certificates for MongoDB are unusable".into()
            }
            ErrorKind::IncompatibleServer { .. } => "the MongoDB server is too old".into(),
            ErrorKind::Shutdown => "the connection to MongoDB was closed".into(),
            _ => "the MongoDB driver failed".into(),
        }
    }
}

/// Nothing of what was asked is there.
impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let text = trouble.text();
        tracing::debug!("{text}");
        match trouble.is_refusal() && trouble.code().is_some() && !trouble.is_about_office() {
            true => Error::Other(text),
            false => Error::Unavailable(text),
        }
    }
}
