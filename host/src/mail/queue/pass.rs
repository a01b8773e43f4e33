//! One round over the mails that are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout_at;

use super::record::{Record, removal};
use super::seal::Unopened;
use super::settle::Fate;
use super::{ATTEMPT, Inner, LEASE, QueuedMailer, bounded};
use crate::contract::mailer::Guard;
use crate::mail::transport::Failure;
use crate::store::{Error, MAIL, Verdict};

/// The most attempts at one mail. Its end comes long before: with the longest life that a code can
/// have, a day, this is far above what the waits between attempts allow. It bounds what somebody
/// does who can write to the store.
const MOST_ATTEMPTS: u32 = 2000;

/// How much one pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many records it looks at. 64 by default.
    pub mails: u32,
    /// After this it begins no further one; what has begun is finished. 10 s by default.
    pub time: Duration,
    /// How long one attempt may take, at most [`ATTEMPT`], which is the default. An attempt that
    /// is cut counts as failed for now, although the server may have taken the mail.
    pub attempt: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { mails: 64, time: Duration::from_secs(10), attempt: ATTEMPT }
    }
}

/// What a pass did. Records that others had in hand are counted nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// Mails that are out.
    pub delivered: u32,
    /// Mails that wait for another attempt.
    pub postponed: u32,
    /// Mails that will never be sent, and are gone.
    pub dropped: u32,
    /// Whether more may be due than this pass looked at.
    pub more: bool,
}

impl QueuedMailer {
    /// Look at mails that are due: claim them, make one attempt each, a few at a time.
    ///
    /// What has been begun is finished even if the future that this function returned is dropped;
    /// [`close`](QueuedMailer::close) waits for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store does not answer, [`Error::Other`] for a clock that
    /// stands before 1970. What was done before stays done.
    pub async fn pass(&self, budget: &Budget) -> Result<Passed, Error> {
        let inner = &self.inner;
        let until = Instant::now() + budget.time;
        let before = inner.now()?.saturating_add(1);
        let mut keys = bounded(inner.store.overdue(&[MAIL], before, budget.mails)).await?;
        let mut passed =
            Passed { more: keys.len() as u64 >= u64::from(budget.mails), ..Passed::default() };
        spread(&mut keys);
        let attempt = budget.attempt.min(ATTEMPT);
        let stopped = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::with_capacity(keys.len());
        for key in keys {
            let permit = Arc::clone(&inner.working).acquire_owned();
            let Ok(Ok(permit)) = timeout_at(until.into(), permit).await else {
                passed.more = true;
                break;
            };
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let (inner, stopped) = (Arc::clone(inner), Arc::clone(&stopped));
            // Tasks of their own: a mail must not be left between its attempt and its removal.
            tasks.push(tokio::spawn(async move {
                let fate = inner.handle(&key, attempt).await;
                // A store that does not answer for one does not answer for the others.
                stopped.fetch_or(fate.is_err(), Ordering::Relaxed);
                drop(permit);
                fate
            }));
        }
        let mut failed = None;
        for task in tasks {
            match task.await {
                Ok(Ok(Fate::Delivered)) => passed.delivered += 1,
                Ok(Ok(Fate::Postponed)) => passed.postponed += 1,
                Ok(Ok(Fate::Dropped)) => passed.dropped += 1,
                Ok(Ok(Fate::Elsewhere)) => {}
                Ok(Err(error)) => failed = Some(error),
                Err(_) => failed = Some(Error::Other("the work on a mail was stopped".into())),
            }
        }
        failed.map_or(Ok(passed), Err)
    }
}

impl Inner {
    /// Work on one record that was due when it was found.
    async fn handle(&self, key: &str, longest: Duration) -> Result<Fate, Error> {
        let Some(record) = self.find(key).await? else { return Ok(Fate::Elsewhere) };
        let record = match record {
            Ok(record) => record,
            Err(version) => {
                tracing::error!(tenant = %self.tenant, mail = %key, "no mail of ours: removed");
                self.change(removal(key, &version)).await?;
                return Ok(Fate::Dropped);
            }
        };
        if self.was_sent(key) {
            self.change(record.removal()).await?;
            self.sent().retain(|sent| sent != key);
            return Ok(Fate::Elsewhere);
        }
        let now = self.now()?;
        let document = &record.document;
        if document.due > now {
            // Claimed by somebody else since it was found.
            return Ok(Fate::Elsewhere);
        }
        if document.valid_until <= now || document.attempts >= MOST_ATTEMPTS {
            self.drop_for(&record, "its time is over").await;
            return Ok(Fate::Dropped);
        }
        match self.holds(document.guard.as_ref()).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(
                    tenant = %self.tenant, mail = %key, "a mail is not needed any more"
                );
                self.change(record.removal()).await?;
                return Ok(Fate::Dropped);
            }
            Err(error @ Error::Unavailable(_)) => return Err(error),
            // Nothing of the queue is wrong, so its other mails must go on.
            Err(error) => return self.put_off(record, &format!("its guard: {error}")).await,
        }
        let mail = match self.keys.open(&record.bound(), &document.key, &document.sealed) {
            Ok(mail) => mail,
            Err(Unopened::UnknownKey) => {
                tracing::error!(
                    tenant = %self.tenant, mail = %key, id = %document.key,
                    "a mail was sealed with a key that is not here: list it in old_secret_keys"
                );
                return self.put_off(record, "its key is not here").await;
            }
            Err(Unopened::Tampered) => {
                self.drop_for(&record, "it is not what was sealed: somebody changed it").await;
                return Ok(Fate::Dropped);
            }
        };
        let Some(claimed) = self.claim(record).await? else { return Ok(Fate::Elsewhere) };
        let began = Instant::now();
        let ended = self.attempt(&mail, longest).await;
        if !matches!(ended, Err(Failure::Temporary(_))) {
            self.circuit.learn(began, true);
        }
        Ok(self.settle(&claimed, ended).await)
    }

    /// The record; its version alone when it is none of ours; none when it is gone.
    async fn find(&self, key: &str) -> Result<Option<Result<Record, String>>, Error> {
        let entries = bounded(self.store.load(&[MAIL], key)).await?;
        let entry = entries.into_iter().find(|entry| entry.collection == MAIL);
        Ok(entry.map(|entry| Record::read(key, &entry).ok_or(entry.version)))
    }

    fn was_sent(&self, key: &str) -> bool {
        self.sent().iter().any(|sent| sent == key)
    }

    /// Whether what must stand in the store for a mail to be worth sending stands there.
    async fn holds(&self, guard: Option<&Guard>) -> Result<bool, Error> {
        let Some(guard) = guard else { return Ok(true) };
        let Ok(wanted) = serde_json::from_str::<Value>(&guard.value) else { return Ok(false) };
        let entries = bounded(self.store.load(&[&guard.collection], &guard.key)).await?;
        let entry = entries.iter().find(|entry| entry.collection == guard.collection);
        let Some(entry) = entry else { return Ok(false) };
        let document: Value = serde_json::from_str(&entry.document)
            .map_err(|_| Error::Damaged("the record is no JSON".into()))?;
        let found = guard.path.iter().try_fold(&document, |value, name| value.get(name.as_str()));
        Ok(found == Some(&wanted))
    }

    /// As an attempt that failed, without one.
    async fn put_off(&self, mut record: Record, reason: &str) -> Result<Fate, Error> {
        record.document.attempts = record.document.attempts.saturating_add(1);
        self.postpone(&record, reason).await
    }

    /// Make the record ours for the time of one attempt; none when somebody else was faster.
    async fn claim(&self, mut record: Record) -> Result<Option<Record>, Error> {
        let attempts = record.document.attempts.saturating_add(1);
        let due = self.now()?.saturating_add(LEASE.as_secs());
        let claim = record.scheduled(due, attempts, Some(&self.worker));
        let Verdict::Committed(versions) = self.change(claim).await? else { return Ok(None) };
        let version = versions.into_iter().next();
        record.version = version
            .ok_or_else(|| Error::Other("the store named no version for what it wrote".into()))?;
        record.document.due = due;
        record.document.attempts = attempts;
        record.document.worker = Some(self.worker.clone());
        Ok(Some(record))
    }
}

/// Begin somewhere else than other hosts do, which found the same keys in the same order.
fn spread(keys: &mut [String]) {
    let random = getrandom::u32().unwrap_or(0) as usize;
    if let Some(begin) = random.checked_rem(keys.len()) {
        keys.rotate_left(begin);
    }
}
