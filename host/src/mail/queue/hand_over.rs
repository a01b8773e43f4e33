//! From a message to an attempt, and to a record when that is not enough.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{TryAcquireError, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::record::{Document, Record};
use super::{ATTEMPT, Inner, LEASE, Options, QueuedMailer, bounded, delay};
use crate::mail::render::{message_id, random, render};
use crate::mail::transport::{Failure, Outgoing};
use crate::mail::{Delivery, Error, Guard, Mailer, Message};
use crate::store::{Error as StoreError, MAIL, Verdict};

/// A mail that is ready to go, and how long it is worth sending.
struct Letter {
    mail: Outgoing,
    valid_until: u64,
    guard: Option<Guard>,
}

/// Whose turn the next attempt at a mail is.
enum Next {
    /// Anybody's, at once: it was not tried yet.
    Now,
    /// Anybody's, once it is due: it was tried so many times.
    Waits(u32),
    /// Ours: the first attempt is still under way.
    InHand,
}

#[async_trait]
impl Mailer for QueuedMailer {
    /// Make one attempt, and queue the message if that failed for now.
    ///
    /// # Errors
    /// [`Error::Rejected`] when the server, or a look at the address, says that the message can
    /// never be delivered; [`Error::Other`] when it was taken neither by the server nor by the
    /// queue, when its time is over, and when the queue is closed. Nothing of it is kept then.
    async fn send(&self, message: &Message) -> Result<Delivery, Error> {
        let inner = &self.inner;
        if message.valid_until <= inner.now().map_err(other)? {
            return Err(Error::Other("its time was over before it was sent".into()));
        }
        let letter = inner.letter(message)?;
        let permit = match Arc::clone(&inner.first).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(TryAcquireError::NoPermits) => None,
            Err(TryAcquireError::Closed) => {
                return Err(Error::Other("the queue is closed".into()));
            }
        };
        let Some(permit) = permit.filter(|_| inner.circuit.lets_through()) else {
            tracing::info!(tenant = %inner.tenant, "a mail is queued without an attempt");
            return inner.put(&letter, Next::Waits(0)).await.map(|_| Delivery::Queued);
        };
        // A task of its own: whoever waits may be cut off, and the mail must not be lost between
        // the attempt and the queue.
        let (tell, told) = oneshot::channel();
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            inner.first_attempt(letter, tell).await;
            drop(permit);
        });
        told.await.unwrap_or_else(|_| Err(Error::Other("the attempt was stopped".into())))
    }

    /// Put the message into the queue; whether its guard holds is looked at before the attempt.
    ///
    /// # Errors
    /// As [`QueuedMailer::send`], but for what only an attempt can tell.
    async fn enqueue(&self, message: &Message) -> Result<(), Error> {
        let inner = &self.inner;
        if message.valid_until <= inner.now().map_err(other)? {
            return Err(Error::Other("its time was over before it was queued".into()));
        }
        if inner.first.is_closed() {
            return Err(Error::Other("the queue is closed".into()));
        }
        inner.put(&inner.letter(message)?, Next::Now).await?;
        inner.arrived.notify_one();
        Ok(())
    }
}

impl Inner {
    fn letter(&self, message: &Message) -> Result<Letter, Error> {
        let id = message_id(self.from.email.domain())?;
        let rendered = render(message, self.from.clone(), &id)?;
        let envelope = rendered.envelope();
        let to = envelope.to().first().map(ToString::to_string);
        Ok(Letter {
            mail: Outgoing {
                from: self.from.email.to_string(),
                to: to.ok_or_else(|| Error::Other("the message has no receiver".into()))?,
                content: Zeroizing::new(rendered.formatted()),
            },
            // What every store's integers hold.
            valid_until: message.valid_until.min(i64::MAX.unsigned_abs()),
            guard: message.guard.clone(),
        })
    }

    /// Tell the caller what became of the mail, at the latest when his patience is over; then see
    /// to it that this becomes true.
    async fn first_attempt(&self, letter: Letter, tell: oneshot::Sender<Result<Delivery, Error>>) {
        let began = Instant::now();
        let mut attempt = pin!(self.attempt(&letter.mail, ATTEMPT));
        let Ok(ended) = timeout(self.options.patience, attempt.as_mut()).await else {
            self.circuit.rest();
            tracing::warn!(tenant = %self.tenant, "the mail server is slow: a mail is queued");
            // The attempt is not broken off: it may be about to succeed, and a second one would
            // be a second mail then.
            let put = async {
                let put = self.put(&letter, Next::InHand).await;
                // Whoever is not there any more to be told has been told that it is not known.
                let (answer, record) = match put {
                    Ok(record) => (Ok(Delivery::Queued), Some(record)),
                    Err(error) => (Err(error), None),
                };
                let _ = tell.send(answer);
                record
            };
            let (record, ended) = tokio::join!(put, attempt);
            if let Some(record) = record {
                self.settle(&record, ended).await;
            }
            return;
        };
        self.circuit.learn(began, !matches!(ended, Err(Failure::Temporary(_))));
        let answer = match ended {
            Ok(()) => Ok(Delivery::Accepted),
            Err(Failure::Permanent(reason)) => Err(Error::Rejected(reason)),
            Err(Failure::Temporary(reason)) => {
                tracing::warn!(tenant = %self.tenant, %reason, "a mail is queued");
                self.put(&letter, Next::Waits(1)).await.map(|_| Delivery::Queued)
            }
        };
        let _ = tell.send(answer);
    }

    /// One attempt, however long the transport means to take.
    pub(super) async fn attempt(&self, mail: &Outgoing, longest: Duration) -> Result<(), Failure> {
        timeout(longest, self.transport.deliver(mail)).await.unwrap_or_else(|_| {
            Err(Failure::Temporary("the mail server did not answer in time".into()))
        })
    }

    /// Put a mail into the store.
    async fn put(&self, letter: &Letter, next: Next) -> Result<Record, Error> {
        let refused = |why: &str| {
            Error::Other(format!("the mail server does not take mail at the moment, and {why}"))
        };
        match bounded(self.has_room(letter.guard.is_some())).await {
            Ok(true) => {}
            Ok(false) => {
                let capacity = self.options.capacity;
                tracing::error!(tenant = %self.tenant, capacity, "the mail queue is full");
                return Err(refused("too many mails are waiting"));
            }
            Err(error) => {
                tracing::error!(tenant = %self.tenant, %error, "the mail queue cannot be read");
                return Err(refused("the store cannot keep it"));
            }
        }
        self.write(letter, next).await.map_err(|error| {
            tracing::error!(tenant = %self.tenant, %error, "a mail cannot be queued");
            refused("the store cannot keep it")
        })
    }

    /// Whether one more mail may wait. What holds no code, which is a mail without a guard, has half of
    /// the places: somebody waits for a code, and nobody for a notice.
    async fn has_room(&self, is_guarded: bool) -> Result<bool, StoreError> {
        let Options { capacity, .. } = self.options;
        let capacity = if is_guarded { capacity } else { capacity.div_ceil(2) };
        let waiting = match &self.database {
            Some(database) => database.count(MAIL).await?,
            // Every record of a mail is due at some time.
            None => self.store.overdue(&[MAIL], u64::MAX, capacity).await?.len() as u64,
        };
        Ok(waiting < u64::from(capacity))
    }

    async fn write(&self, letter: &Letter, next: Next) -> Result<Record, StoreError> {
        let now = self.now()?;
        let key = random().map_err(|error| StoreError::Other(error.to_string()))?;
        let key = format!("mail:{key}");
        let (due, attempts, worker) = match next {
            Next::Now => (0, 0, None),
            Next::Waits(attempts) => (delay::until_next(attempts), attempts, None),
            Next::InHand => (LEASE.as_secs(), 1, Some(self.worker.clone())),
        };
        let mut document = Document {
            queued: now,
            valid_until: letter.valid_until,
            due: now.saturating_add(due),
            attempts,
            worker,
            guard: letter.guard.clone(),
            key: String::new(),
            sealed: String::new(),
        };
        let sealed = self.keys.seal(&document.bound(&key), &letter.mail)?;
        (document.key, document.sealed) = (sealed.key, sealed.text);
        let changes = [document.creation(&key)?];
        match bounded(self.store.commit(&changes)).await? {
            Verdict::Committed(versions) => {
                let version = versions.into_iter().next();
                let version = version.ok_or_else(|| {
                    StoreError::Other("the store named no version for what it wrote".into())
                })?;
                Ok(Record { key, version, document })
            }
            Verdict::Conflict => Err(StoreError::Other("a random key was taken".into())),
        }
    }
}

fn other(error: StoreError) -> Error {
    Error::Other(error.to_string())
}
