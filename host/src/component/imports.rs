//! The store, the database and the mailer, as the component sees them.
//!
//! Nothing here decides anything. It bounds what passes in both directions, and no call takes
//! longer than the call that it is part of: the engine's clock stands still while a component
//! waits for its host.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout_at};

use super::limits::{CHANGES, EDITS, ENTRIES, KEY, OVERDUE, PATH};
use super::state::State;
use crate::contract::{database, mailer, store};
use crate::store::{COLLECTIONS, Change, Database, Edit, Entry, Error, Sizes, Verdict};

/// The pause before a second conflict in a row is told: up to this, doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// What a deadline leaves open about a write.
const NOT_KNOWN: &str = "; it is not known whether the change was made";
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl store::Host for State {
    async fn load(&mut self, key: String) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        if let Err(error) = name(&key) {
            return Ok(Err(error));
        }
        let store = self.host.store.clone();
        let answer = within(self.store_deadline(), "", store.load(&COLLECTIONS, &key)).await;
        Ok(answer.and_then(|entries| self.fitting(entries)))
    }

    async fn commit(&mut self, changes: Vec<Change>) -> wasmtime::Result<Result<Verdict, Error>> {
        if let Err(error) = acceptable(&changes) {
            return Ok(Err(error));
        }
        let store = self.host.store.clone();
        let verdict = within(self.store_deadline(), NOT_KNOWN, store.commit(&changes)).await;
        Ok(match verdict {
            Ok(Verdict::Conflict) => self.conflict().await,
            other => {
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
        if name(&collection).is_ok() && name(&key).is_ok() && name(&problem).is_ok() {
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
            within(self.store_deadline(), "", store.overdue(&COLLECTIONS, before, limit)).await;
        Ok(keys.map(|mut keys| {
            keys.truncate(limit as usize);
            keys
        }))
    }
}

impl State {
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

/// Between half of it and all of it.
fn jittered(pause: Duration) -> Duration {
    // Without randomness the pause is merely less well spread.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// What the store answers, or that it did not answer in time.
async fn within<T>(
    deadline: Instant,
    unknown: &str,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if Instant::now() >= deadline {
        // Nothing is begun that nobody could wait for.
        return Err(Error::Unavailable("the call's deadline has passed".into()));
    }
    timeout_at(deadline.into(), answer).await.unwrap_or_else(|_| {
        Err(Error::Unavailable(format!("no answer before the call's deadline{unknown}")))
    })
}

fn acceptable(changes: &[Change]) -> Result<(), Error> {
    if changes.len() > CHANGES {
        return Err(too_much("changes", CHANGES));
    }
    changes.iter().try_for_each(|change| match change {
        Change::Put(put) => {
            name(&put.collection)?;
            name(&put.key)?;
            paths(&put.edits)
        }
        Change::Move(relocation) => {
            name(&relocation.collection)?;
            name(&relocation.key)?;
            name(&relocation.to)?;
            paths(&relocation.edits)
        }
        Change::Remove(removal) => name(&removal.collection).and_then(|()| name(&removal.key)),
        Change::Expect(expect) => name(&expect.collection).and_then(|()| name(&expect.key)),
    })
}

fn paths(edits: &[Edit]) -> Result<(), Error> {
    if edits.len() > EDITS {
        return Err(too_much("edits", EDITS));
    }
    match edits.iter().any(|edit| edit.path.len() > PATH) {
        true => Err(too_much("names in a path", PATH)),
        false => Ok(()),
    }
}

fn name(name: &str) -> Result<(), Error> {
    match name.len() > KEY {
        true => Err(too_much("bytes in a key", KEY)),
        false => Ok(()),
    }
}

fn too_much(what: &str, most: usize) -> Error {
    Error::Other(format!("more than {most} {what}"))
}

impl database::Host for State {
    async fn create(&mut self, collection: String) -> wasmtime::Result<Result<(), Error>> {
        let create = async {
            name(&collection)?;
            let database = self.granted()?;
            within(self.store_deadline(), NOT_KNOWN, database.create(&collection)).await
        };
        Ok(create.await)
    }

    async fn drop(&mut self, collection: String) -> wasmtime::Result<Result<(), Error>> {
        let drop = async {
            name(&collection)?;
            let database = self.granted()?;
            within(self.store_deadline(), NOT_KNOWN, database.remove(&collection)).await
        };
        Ok(drop.await)
    }

    async fn drop_all(&mut self) -> wasmtime::Result<Result<(), Error>> {
        let drop_all = async {
            let database = self.granted()?;
            within(self.store_deadline(), NOT_KNOWN, database.remove_all()).await
        };
        Ok(drop_all.await)
    }

    async fn count(&mut self, collection: String) -> wasmtime::Result<Result<u64, Error>> {
        let count = async {
            name(&collection)?;
            let database = self.granted()?;
            within(self.store_deadline(), "", database.count(&collection)).await
        };
        Ok(count.await)
    }

    async fn size(&mut self) -> wasmtime::Result<Result<Sizes, Error>> {
        let size = async {
            let database = self.granted()?;
            within(self.store_deadline(), "", database.size()).await
        };
        Ok(size.await)
    }

    async fn raw_stats(&mut self) -> wasmtime::Result<Result<String, Error>> {
        let raw_stats = async {
            let database = self.granted()?;
            within(self.store_deadline(), "", database.raw_stats()).await
        };
        Ok(raw_stats.await)
    }
}

impl mailer::Host for State {
    async fn send(
        &mut self,
        message: mailer::Message,
    ) -> wasmtime::Result<Result<mailer::Delivery, mailer::Error>> {
        let Some(mailer) = self.host.mailer.clone() else {
            return Ok(Err(mailer::Error::Unconfigured));
        };
        // The component has looked already; a line break here would add headers of its own to
        // the mail, so the host looks again.
        if [&message.to, &message.subject].iter().any(|field| field.chars().any(char::is_control)) {
            return Ok(Err(mailer::Error::Rejected(
                "a control character in the address or the subject".into(),
            )));
        }
        let deadline = self.mail_deadline();
        if Instant::now() >= deadline {
            return Ok(Err(mailer::Error::Other("no time is left to send it".into())));
        }
        let answer = timeout_at(deadline.into(), mailer.send(&message)).await;
        Ok(answer.unwrap_or_else(|_| {
            Err(mailer::Error::Other(
                "no answer before the call's deadline; it is not known whether the message was taken"
                    .into(),
            ))
        }))
    }
}

impl crate::contract::types::Host for State {}
