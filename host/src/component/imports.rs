//! The store, the database and the mailer, as the component sees them.
//!
//! Nothing here decides anything. It bounds what passes in both directions, and no call takes
//! longer than the call that it is part of: the engine's clock stands still while a component
//! waits for its host.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout_at};
use tracing::Instrument;

use super::limits::{EDITS, ENTRIES, OVERDUE, PATH};
use super::state::State;
use crate::contract::{database, mailer, store};
use crate::mail::Mailer;
use crate::metrics::Operation;
use crate::random::jittered;
use crate::store::rules::{MAX_KEY, check_changes, check_collection, check_key};
use crate::store::{
    AUDIT, COLLECTIONS, Change, Database, Entry, Error, Expectation, Put, Relocation, Removal,
    Sizes, USERS, Verdict,
};

/// The pause before a second conflict in a row is told: up to this, doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// What a deadline leaves open about a write.
const NOT_KNOWN: &str = "; it is not known whether the change was made";
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl store::Host for State {
    async fn load(&mut self, key: String) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        let store = self.host.store.clone();
        let answer = self.within(Operation::Load, "", store.load(&COLLECTIONS, &key)).await;
        Ok(answer.and_then(|entries| self.fitting(entries)))
    }

    async fn commit(&mut self, changes: Vec<Change>) -> wasmtime::Result<Result<Verdict, Error>> {
        if let Err(error) = acceptable(&changes) {
            return Ok(Err(error));
        }
        let store = self.host.store.clone();
        let verdict = self.within(Operation::Commit, NOT_KNOWN, store.commit(&changes)).await;
        Ok(match verdict {
            Ok(Verdict::Conflict) => self.conflict().await,
            other => {
                if matches!(other, Ok(Verdict::Committed(_))) {
                    self.note_move(&changes);
                }
                self.conflicts = 0;
                other
            }
        })
    }

    async fn report(
        &mut self,
        collection: String,
        key: String,
        problem: String,
    ) -> wasmtime::Result<()> {
        let tenant = &self.host.settings.tenant;
        if [&collection, &key, &problem].iter().all(|text| text.len() <= MAX_KEY) {
            tracing::warn!(%tenant, %collection, %key, %problem, "a record cannot be used");
        }
        Ok(())
    }

    async fn overdue(
        &mut self,
        before: u64,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let limit = limit.min(OVERDUE);
        let store = self.host.store.clone();
        let keys =
            self.within(Operation::Overdue, "", store.overdue(&COLLECTIONS, before, limit)).await;
        Ok(keys.map(|mut keys| {
            keys.truncate(limit as usize);
            keys
        }))
    }
}

impl State {
    /// A user who has another address now.
    fn note_move(&self, made: &[Change]) {
        for change in made {
            if let Change::Move(it) = change
                && it.collection == USERS
            {
                // One call moves one user.
                let _ = self.seen.moved.set(it.to.clone());
            }
        }
    }

    /// The component cannot sleep, and two calls that lose to each other in lockstep would go on
    /// doing so: the host waits for it, each time for another random while.
    async fn conflict(&mut self) -> Result<Verdict, Error> {
        self.conflicts = self.conflicts.saturating_add(1);
        if self.conflicts < 2 {
            return Ok(Verdict::Conflict);
        }
        let doubled = FIRST_PAUSE * 2u32.saturating_pow((self.conflicts - 2).min(8));
        let pause = jittered(doubled.min(LONGEST_PAUSE));
        if Instant::now() + pause >= self.store_deadline() {
            return Err(Error::Unavailable(
                "others kept changing the same records until the call's deadline".into(),
            ));
        }
        sleep(pause).await;
        Ok(Verdict::Conflict)
    }

    fn fitting(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, Error> {
        if entries.len() > ENTRIES {
            return Err(Error::Damaged(format!("one key has more than {ENTRIES} records")));
        }
        match entries.iter().find(|e| e.document.len() > self.document) {
            Some(entry) => Err(Error::Damaged(format!(
                "a record in {} is larger than {} bytes",
                entry.collection, self.document
            ))),
            None => Ok(entries),
        }
    }

    fn granted(&self) -> Result<Arc<dyn Database>, Error> {
        self.host.database.clone().ok_or_else(|| {
            Error::Other("this host does not grant the administration of the database".into())
        })
    }
}

impl State {
    /// What the store answers, or that it did not answer in time.
    async fn within<T>(
        &self,
        operation: Operation,
        unknown: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let deadline = self.store_deadline();
        if Instant::now() >= deadline {
            // Nothing is begun that nobody could wait for.
            return Err(Error::Unavailable("the call's deadline has passed".into()));
        }
        let begun = Instant::now();
        let span = tracing::debug_span!("store", operation = operation.name());
        // As long as the store takes, without the wait for a permit that was lent meanwhile.
        let answer = async {
            let answer = timeout_at(deadline.into(), answer).await;
            self.metrics.stored(operation, matches!(answer, Ok(Ok(_))), begun);
            answer
        };
        self.wait_for(answer.instrument(span)).await.unwrap_or_else(|_| {
            Err(Error::Unavailable(format!("no answer before the call's deadline{unknown}")))
        })
    }
}

/// Whether a commit is one that a store may be asked for. What it does to documents is looked at by
/// the store; only how much there is of it is bounded here.
fn acceptable(changes: &[Change]) -> Result<(), Error> {
    check_changes(changes)?;
    changes.iter().try_for_each(|change| match change {
        Change::Put(Put { collection, .. })
        | Change::Move(Relocation { collection, .. })
        | Change::Remove(Removal { collection, .. })
        | Change::Expect(Expectation { collection, .. }) => check_is_open(collection),
    })?;
    changes.iter().try_for_each(|change| match change {
        Change::Put(Put { edits, .. }) | Change::Move(Relocation { edits, .. }) => {
            if edits.len() > EDITS {
                return Err(Error::Other(format!("more than {EDITS} edits in a change")));
            }
            match edits.iter().any(|edit| edit.path.len() > PATH) {
                true => Err(Error::Other(format!("more than {PATH} names in a path"))),
                false => Ok(()),
            }
        }
        Change::Remove(_) | Change::Expect(_) => Ok(()),
    })
}

/// Whether the component may have to do with a collection: not with what is written about it.
fn check_is_open(collection: &str) -> Result<(), Error> {
    check_collection(collection)?;
    match collection == AUDIT {
        true => Err(Error::Other("the audit log is the host's alone".into())),
        false => Ok(()),
    }
}

impl database::Host for State {
    async fn create(&mut self, collection: String) -> wasmtime::Result<Result<(), Error>> {
        let create = async {
            check_is_open(&collection)?;
            let database = self.granted()?;
            self.within(Operation::Administer, NOT_KNOWN, database.create(&collection)).await
        };
        Ok(create.await)
    }

    async fn drop(&mut self, collection: String) -> wasmtime::Result<Result<(), Error>> {
        let drop = async {
            check_is_open(&collection)?;
            let database = self.granted()?;
            self.within(Operation::Administer, NOT_KNOWN, database.remove(&collection)).await
        };
        Ok(drop.await)
    }

    async fn drop_all(&mut self) -> wasmtime::Result<Result<(), Error>> {
        let drop_all = async {
            let database = self.granted()?;
            self.within(Operation::Administer, NOT_KNOWN, database.remove_all()).await
        };
        Ok(drop_all.await)
    }

    async fn count(&mut self, collection: String) -> wasmtime::Result<Result<u64, Error>> {
        let count = async {
            check_is_open(&collection)?;
            let database = self.granted()?;
            self.within(Operation::Administer, "", database.count(&collection)).await
        };
        Ok(count.await)
    }

    async fn size(&mut self) -> wasmtime::Result<Result<Sizes, Error>> {
        let size = async {
            let database = self.granted()?;
            self.within(Operation::Administer, "", database.size()).await
        };
        Ok(size.await)
    }

    async fn raw_stats(&mut self) -> wasmtime::Result<Result<String, Error>> {
        let raw_stats = async {
            let database = self.granted()?;
            self.within(Operation::Administer, "", database.raw_stats()).await
        };
        Ok(raw_stats.await)
    }
}

impl mailer::Host for State {
    async fn send(
        &mut self,
        message: mailer::Message,
    ) -> wasmtime::Result<Result<mailer::Delivery, mailer::Error>> {
        let sent = match self.mailer_for(&message) {
            Ok(mailer) => self.taken(mailer.send(&message)).await,
            Err(error) => Err(error),
        };
        self.metrics.handed_over(match &sent {
            Ok(mailer::Delivery::Accepted) => "accepted",
            Ok(mailer::Delivery::Queued) => "queued",
            Err(error) => failed(error),
        });
        Ok(sent)
    }

    async fn enqueue(
        &mut self,
        message: mailer::Message,
    ) -> wasmtime::Result<Result<(), mailer::Error>> {
        let kept = match self.mailer_for(&message) {
            Ok(mailer) => self.taken(mailer.enqueue(&message)).await,
            Err(error) => Err(error),
        };
        self.metrics.handed_over(match &kept {
            Ok(()) => "queued",
            Err(error) => failed(error),
        });
        Ok(kept)
    }
}

/// Why a message was not handed over, in a word.
fn failed(error: &mailer::Error) -> &'static str {
    match error {
        mailer::Error::Unconfigured => "unconfigured",
        mailer::Error::Rejected(_) => "rejected",
        mailer::Error::Other(_) => "error",
    }
}

impl State {
    /// Who takes the message, if it may go out at all.
    fn mailer_for(&self, message: &mailer::Message) -> Result<Arc<dyn Mailer>, mailer::Error> {
        let mailer = self.host.mailer.clone().ok_or(mailer::Error::Unconfigured)?;
        // The component has looked already; a line break here would add headers of its own to
        // the mail, so the host looks again.
        if [&message.to, &message.subject].iter().any(|field| field.chars().any(char::is_control)) {
            return Err(mailer::Error::Rejected(
                "a control character in the address or the subject".into(),
            ));
        }
        if Instant::now() >= self.mail_deadline() {
            return Err(mailer::Error::Other("no time is left to send it".into()));
        }
        Ok(mailer)
    }
}

impl State {
    /// What the mailer answers, or that it did not answer in time.
    async fn taken<T>(
        &self,
        answer: impl Future<Output = Result<T, mailer::Error>>,
    ) -> Result<T, mailer::Error> {
        let answer = timeout_at(self.mail_deadline().into(), answer);
        self.wait_for(answer).await.unwrap_or_else(|_| {
            let problem = "no answer before the call's deadline; it is not known whether the \
                           message was taken";
            Err(mailer::Error::Other(problem.into()))
        })
    }
}

impl crate::contract::types::Host for State {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_reaches_the_audit_log_by_no_kind_of_change() {
        let (collection, key) = (AUDIT.to_owned(), "k".to_owned());
        let (version, edits) = (String::new(), Vec::new());
        for change in [
            Change::Put(Put {
                collection: collection.clone(),
                key: key.clone(),
                version: None,
                edits: edits.clone(),
                due: None,
            }),
            Change::Move(Relocation {
                collection: collection.clone(),
                key: key.clone(),
                version: version.clone(),
                to: "l".into(),
                edits,
                due: None,
            }),
            Change::Remove(Removal { collection: collection.clone(), key: key.clone(), version }),
            Change::Expect(Expectation { collection, key, version: None }),
        ] {
            acceptable(&[change]).expect_err("the audit log");
        }
        check_is_open(AUDIT).expect_err("the audit log");
        assert!(!COLLECTIONS.contains(&AUDIT));
    }
}
