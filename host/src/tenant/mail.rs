//! How much of the tenant's mail waits.

use super::Tenant;
use crate::error::CallError;
use crate::store::{Error, MAIL};

/// How much mail waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailQueue {
    /// How many mails wait.
    pub length: u64,
    /// How many seconds the oldest has been waiting; none when none waits. An age that grows
    /// means that the mail server takes nothing, or that nobody delivers.
    pub oldest: Option<u64>,
}

impl Tenant {
    /// How much mail waits, on all hosts together; none where the administration of the database
    /// was not granted.
    ///
    /// # Errors
    /// [`CallError::Store`] when the store does not answer.
    pub async fn mail_queue(&self) -> Result<Option<MailQueue>, CallError> {
        let host = &self.inner.host;
        let Some(database) = &host.database else { return Ok(None) };
        let length = database.count(MAIL).await.map_err(store_error)?;
        let first = database.smallest(MAIL, "queued").await.map_err(store_error)?;
        let now =
            (host.clock)().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let oldest = first.map(|first| now.saturating_sub(u64::try_from(first).unwrap_or(0)));
        Ok(Some(MailQueue { length, oldest }))
    }
}

pub(super) fn store_error(error: Error) -> CallError {
    CallError::Store(error.to_string())
}
