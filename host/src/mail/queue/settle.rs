//! What an attempt means for the record.
//!
//! All of this is over within the claim: a removal is tried [`REMOVALS`] times, each bounded, with
//! short pauses between them.

use std::time::Duration;

use tokio::time::sleep;

use super::record::Record;
use super::{Inner, REMEMBERED, bounded, delay};
use crate::mail::transport::Failure;
use crate::random::jittered;
use crate::store::{Change, Error, Verdict};

/// How often the removal of a mail that is out is tried.
const REMOVALS: u32 = 3;

/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// How the work on one record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is out.
    Delivered,
    /// It waits for its next attempt.
    Postponed,
    /// It will never be sent.
    Dropped,
    /// Somebody else has it, or has finished it.
    Elsewhere,
}

impl Inner {
    /// Do with a record that is ours what the attempt says. What cannot be written now is left to
    /// the end of the claim, and logged.
    pub(super) async fn settle(&self, record: &Record, ended: Result<(), Failure>) -> Fate {
        match ended {
            Ok(()) => {
                tracing::debug!(tenant = %self.tenant, mail = %record.key, "a mail is out");
                self.finish(record).await;
                Fate::Delivered
            }
            Err(Failure::Temporary(reason)) => self.postpone_or_leave(record, &reason).await,
            Err(Failure::Permanent(reason)) => {
                self.drop_for(record, &format!("the mail server refused it: {reason}")).await;
                Fate::Dropped
            }
        }
    }

    /// Remove a record that will never be sent, and say why.
    pub(super) async fn drop_for(&self, record: &Record, reason: &str) {
        let (tenant, mail) = (&self.tenant, &record.key);
        let attempts = record.document.attempts;
        tracing::warn!(%tenant, %mail, attempts, %reason, "a mail is given up");
        if let Err(error) = self.change(record.removal()).await {
            tracing::warn!(%tenant, %mail, %error, "it stays in the queue for now");
        }
    }

    /// Let a record wait for its next attempt, without a worker. One that would wait beyond its
    /// time is given up.
    ///
    /// # Errors
    /// The store's own.
    pub(super) async fn postpone(&self, record: &Record, reason: &str) -> Result<Fate, Error> {
        let attempts = record.document.attempts;
        let due = self.now()?.saturating_add(delay::until_next(attempts));
        if due >= record.document.valid_until {
            let reason = format!("no time is left for another attempt: {reason}");
            self.drop_for(record, &reason).await;
            return Ok(Fate::Dropped);
        }
        tracing::info!(
            tenant = %self.tenant, mail = %record.key, attempts, %reason, "a mail waits"
        );
        Ok(match self.change(record.scheduled(due, attempts, None)).await? {
            Verdict::Committed(_) => Fate::Postponed,
            Verdict::Conflict => Fate::Elsewhere,
        })
    }

    async fn postpone_or_leave(&self, record: &Record, reason: &str) -> Fate {
        self.postpone(record, reason).await.unwrap_or_else(|error| {
            let (tenant, mail) = (&self.tenant, &record.key);
            tracing::warn!(%tenant, %mail, %error, "a mail waits until its claim ends");
            Fate::Postponed
        })
    }

    /// Remove the record of a mail that is out.
    async fn finish(&self, record: &Record) {
        let (tenant, mail) = (&self.tenant, &record.key);
        for tried in 0..REMOVALS {
            if tried > 0 {
                sleep(jittered(PAUSE * 2u32.saturating_pow(tried - 1))).await;
            }
            match self.change(record.removal()).await {
                // A conflict: our own removal of before, or a claim that came after ours.
                Ok(Verdict::Committed(_) | Verdict::Conflict) => return,
                Err(error) => {
                    tracing::warn!(%tenant, %mail, %error, "a mail that is out cannot be removed");
                }
            }
        }
        // As long as this process lives, it does not send it again.
        let mut sent = self.sent();
        if sent.len() >= REMEMBERED {
            sent.pop_front();
        }
        sent.push_back(record.key.clone());
    }

    /// Make one change.
    pub(super) async fn change(&self, change: Change) -> Result<Verdict, Error> {
        bounded(self.store.commit(&[change])).await
    }
}
