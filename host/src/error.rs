//! Why a call was not decided, or a tenant not set up.
//!
//! An *outcome* (wrong password, no such user) is not an error: it is an answer. These are the
//! cases without an answer, split by what the caller does next.

use std::time::Duration;

/// A call that got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call itself is wrong: no such function, an unknown or missing key, a wrong type. Nothing
    /// was done. To be mended by whoever made the call.
    #[error("{0}")]
    Usage(String),
    /// The store did not answer, or a conflict lasted until the deadline. Nothing was changed; the
    /// same call may be made again.
    #[error("storage error: {0}")]
    Store(String),
    /// A setting is unusable.
    #[error("settings: {0}")]
    Settings(String),
    /// Too many calls wait for their turn, or this one has waited too long. Nothing was done.
    #[error("overloaded: try again in {} s", .retry_after.as_secs())]
    Overloaded {
        /// When to come again: as soon as those who wait now, and those who were told so before,
        /// have had their turn. Whole seconds, 1 to 60.
        retry_after: Duration,
    },
    /// The component was stopped: it trapped, or used more memory or time than it may. Only this
    /// call is hurt; what it had committed before stays.
    #[error("the component was stopped: {0}")]
    Component(String),
    /// Anything else, such as an operation that this host does not grant.
    #[error("{0}")]
    Other(String),
}

impl CallError {
    /// Which of these it is, in a word that programs look for: in the answers of `batch`, in metrics
    /// and in the audit log.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Store(_) => "storage",
            Self::Settings(_) => "settings",
            Self::Overloaded { .. } => "overloaded",
            Self::Component(_) => "component",
            Self::Other(_) => "other",
        }
    }
}

/// A runtime or tenant that could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A setting is wrong: the text names the key, the problem and the place.
    #[error("{0}")]
    Settings(String),
    /// The component cannot be used: not a component, or of another version of the contract.
    #[error("component: {0}")]
    Component(String),
    /// The store cannot be opened.
    #[error("store: {0}")]
    Store(String),
    /// The mailer cannot be set up.
    #[error("mail: {0}")]
    Mail(String),
}
