//! One attempt at handing a finished mail to whoever carries it on.

use async_trait::async_trait;
use zeroize::Zeroizing;

/// Carries finished mails. It neither keeps nor repeats anything: that is for the
/// queue before it.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Try once, within a bounded time. `Ok` means that the other side has said that it has the
    /// mail and will see to it (RFC 5321 section 4.2.5).
    ///
    /// # Errors
    /// [`Failure::Temporary`] also when no answer came at all: the mail may have been taken then,
    /// and a second attempt must bear the same Message-ID.
    async fn deliver(&self, mail: &Outgoing) -> Result<(), Failure>;

    /// Do everything that comes before a mail (connect, secure, sign in) and no more.
    ///
    /// # Errors
    /// As [`Transport::deliver`].
    async fn check(&self) -> Result<(), Failure>;
}

/// A mail as it goes out. Not `Debug`: it holds a code.
#[derive(Clone)]
pub struct Outgoing {
    /// The sender in the envelope, an address alone.
    pub from: String,
    /// The receiver in the envelope, an address alone.
    pub to: String,
    /// RFC 5322 text in ASCII with CRLF line endings, `Message-ID` and `Date` included.
    pub content: Zeroizing<Vec<u8>>,
}

/// Why an attempt failed. The text is for the operator and for whoever made the call: it holds no
/// secret, and nothing of the mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Another attempt may succeed: the server said so (RFC 5321 section 4.2.1, 4yz), or could not
    /// be reached, or the connection broke.
    #[error("{0}")]
    Temporary(String),
    /// This mail will never be taken (5yz).
    #[error("{0}")]
    Permanent(String),
}
