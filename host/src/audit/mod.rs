//! What has happened to accounts, and on whose behalf: the audit log.
//!
//! It is written by the host, in the collection [`AUDIT`] of the tenant's own store, one record for
//! each event; the component can neither read nor write it. An event is written after its call was
//! decided and before its answer is given. One is missing only where the process ended between the two,
//! or the store failed; the latter is said in the log of the program, with the event.
//!
//! - `event`: an event, and which of them are wanted;
//! - `names`: what each function is called in it;
//! - `flood`: how much of what strangers are refused is written.
//!
//! No password, code, token, custom data or name of a browser is in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use tokio::time::timeout_at;

use crate::component::{Aftermath, Caller, Clock};
use crate::error::CallError;
use crate::random;
use crate::store::rules::MAX_CHANGES;
use crate::store::{AUDIT, Change, Database, Edit, Error, Put, Removal, Store, Verdict};

mod event;
mod flood;
mod names;
#[cfg(test)]
mod tests;

pub use event::{Event, Events, MAX_EVENTS, Query};
use flood::Flood;
pub(crate) use names::Subject;

/// The most events that are looked at for one answer.
const MAX_LOOKED_AT: usize = 20_000;

/// The most bytes of an address that the component looks up.
const MAX_ADDRESS: usize = 320;

/// The outcome of a call whose address is none.
const NO_ADDRESS: u16 = 503;

/// The event that counts those that were not written.
const NOT_RECORDED: &str = "refusals-not-recorded";

/// What the log is told of an answer.
pub(crate) struct Told {
    pub(crate) success: bool,
    /// The number of the outcome, if it is one.
    pub(crate) code: Option<u16>,
    /// The account, where the answer says which.
    pub(crate) about: Option<String>,
}

impl Told {
    /// It was done, and there is nothing more to say.
    pub(crate) fn done() -> Self {
        Self { success: true, code: None, about: None }
    }
}

/// The log of one tenant.
pub(crate) struct Log {
    tenant: String,
    days: u32,
    store: Arc<dyn Store>,
    database: Option<Arc<dyn Database>>,
    clock: Clock,
    flood: Mutex<Flood>,
}

impl Log {
    pub(crate) fn new(
        tenant: &str,
        days: u32,
        store: Arc<dyn Store>,
        database: Option<Arc<dyn Database>>,
        clock: Clock,
    ) -> Self {
        let (tenant, flood) = (tenant.to_owned(), Mutex::new(Flood::new(Instant::now())));
        Self { tenant, days, store, database, clock, flood }
    }

    /// Whether anything is written.
    pub(crate) fn is_kept(&self) -> bool {
        self.days > 0
    }

    /// What is to be written of a call that was answered like this; nothing where the call was not
    /// begun, or is one that leaves no event.
    pub(crate) fn draft(
        &self,
        subject: &Subject,
        caller: &Caller,
        aftermath: &Aftermath,
        told: Result<Told, &CallError>,
    ) -> Option<Event> {
        let (outcome, told) = match told {
            Ok(told) => (told.code.map_or_else(|| "done".to_owned(), |it| it.to_string()), told),
            Err(CallError::Usage(_) | CallError::Overloaded { .. }) => return None,
            Err(error) => (error.kind().to_owned(), Told { success: false, ..Told::done() }),
        };
        let mut event = self.event(subject.event(&told)?, &outcome, caller);
        // Anybody is signed out: a success of a token that opens nothing tells nothing. Nor does a
        // hidden answer of 201: whoever floods gets as many of both as he likes.
        let account = aftermath.account.as_deref();
        let known = !subject.by_token || account.is_some();
        let open = told.success && known && !(caller.hides_accounts() && told.code == Some(201));
        if !open && event.by == "stranger" && !self.flood().admits(Instant::now()) {
            return None;
        }
        if account.is_some() && event.by == "stranger" {
            event.by = "session".into();
        }
        // What is no address may be anything that somebody has typed, such as his password.
        let typed = subject.about.as_deref().filter(|_| told.code != Some(NO_ADDRESS));
        let about = account.or(told.about.as_deref()).or(typed);
        event.about = about.map(str::to_ascii_lowercase);
        if told.success && event.event == names::EMAIL_CHANGE {
            event.to.clone_from(&aftermath.moved);
        }
        event.function = Some(subject.function.to_owned());
        Some(event)
    }

    /// An event of now.
    pub(crate) fn event(&self, name: &str, outcome: &str, caller: &Caller) -> Event {
        Event {
            key: String::new(),
            at: self.now(),
            event: name.to_owned(),
            outcome: outcome.to_owned(),
            by: caller.by.name().to_owned(),
            about: None,
            to: None,
            from: caller.from,
            function: None,
            request: caller.request.clone(),
            count: None,
        }
    }

    /// Something that a stranger is refused before any function is called; nothing where these are too
    /// many.
    #[cfg(feature = "gateway")]
    pub(crate) fn refusal(&self, name: &str, outcome: &str, caller: &Caller) -> Option<Event> {
        self.flood().admits(Instant::now()).then(|| self.event(name, outcome, caller))
    }

    /// Write the event. That it could not be is logged: its call was decided and has to be answered.
    pub(crate) async fn write(&self, event: Event, until: Instant) {
        if !self.is_kept() {
            return;
        }
        let missed = self.flood().take(Instant::now());
        let summary = self.not_recorded(missed);
        let Err(error) = self.written(summary.iter().chain([&event]), until).await else { return };
        self.flood().give_back(missed);
        let Event { at, event, outcome, by, about, to, from, function, .. } = &event;
        tracing::error!(
            tenant = self.tenant, %error, at, event, outcome, by, ?about, ?to, ?from, ?function,
            "an event is missing from the audit log"
        );
    }

    /// Say how many refusals were not written, if that is to be said yet: nothing else may happen that
    /// says it.
    pub(crate) async fn settle(&self, until: Instant) {
        if !self.is_kept() {
            return;
        }
        let missed = self.flood().take_all();
        let Some(summary) = self.not_recorded(missed) else { return };
        if let Err(error) = self.written([&summary], until).await {
            self.flood().give_back(missed);
            let tenant = &self.tenant;
            tracing::error!(tenant, %error, missed, "the audit log does not say how much it lacks");
        }
    }

    /// The event that stands for those that were not written.
    fn not_recorded(&self, missed: u64) -> Option<Event> {
        (missed > 0).then(|| Event {
            count: Some(missed),
            ..self.event(NOT_RECORDED, "done", &Caller::stranger())
        })
    }

    async fn written(
        &self,
        events: impl IntoIterator<Item = &Event>,
        until: Instant,
    ) -> Result<(), Error> {
        let puts = events.into_iter().map(|event| self.put(event));
        let changes = puts.collect::<Result<Vec<Change>, Error>>()?;
        match timeout_at(until.into(), self.store.commit(&changes)).await {
            Ok(Ok(Verdict::Committed(_))) => Ok(()),
            Ok(Ok(Verdict::Conflict)) => Err(Error::Other("the key has an event".into())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Unavailable("no answer in time".into())),
        }
    }

    /// The events that are wanted, in the order of their time.
    pub(crate) async fn read(&self, query: &Query) -> Result<Events, CallError> {
        let Some(database) = &self.database else {
            let problem = "the audit log cannot be read: this tenant was given no `database`";
            return Err(CallError::Other(problem.into()));
        };
        let limit = match query.limit {
            0 => MAX_EVENTS,
            limit => limit.min(MAX_EVENTS),
        } as usize;
        let about = query.about.as_deref().map(|about| about.trim().to_lowercase());
        // A prefix stands before all keys that begin with it.
        let since = query.since.map(|since| format!("{since:012x}")).unwrap_or_default();
        let mut after = query.after.clone().unwrap_or_default().max(since);
        let mut found = Events::default();
        let mut looked_at = 0;
        loop {
            let records = database.scan(AUDIT, &after, MAX_EVENTS).await.map_err(failed)?;
            if records.is_empty() {
                return Ok(found);
            }
            found.last = records.last().map(|record| record.key.clone());
            for record in records {
                after.clone_from(&record.key);
                looked_at += 1;
                let Ok(event) = serde_json::from_str::<Event>(&record.document) else {
                    let (tenant, key) = (&self.tenant, &record.key);
                    tracing::warn!(tenant, key, "no event of the audit log");
                    continue;
                };
                if query.until.is_some_and(|until| event.at >= until) {
                    return Ok(found);
                }
                let wanted = query.since.is_none_or(|since| event.at >= since)
                    && (about.is_none() || about == event.about || about == event.to)
                    && query.event.as_ref().is_none_or(|name| event.event == *name);
                if wanted {
                    found.events.push(Event { key: record.key, ..event });
                }
                if found.events.len() >= limit {
                    found.last = Some(after.clone());
                    found.next = Some(after);
                    return Ok(found);
                }
            }
            if looked_at >= MAX_LOOKED_AT {
                found.next = Some(after);
                return Ok(found);
            }
        }
    }

    /// Remove up to `limit` events whose time is over; returns how many there were.
    pub(crate) async fn sweep(&self, limit: u32) -> Result<u32, CallError> {
        // Also where none are written any more: those of before have their time.
        let now = self.now() / 1000;
        let keys = self.store.overdue(&[AUDIT], now, limit).await.map_err(failed)?;
        for keys in keys.chunks(MAX_CHANGES) {
            let mut removals = Vec::with_capacity(keys.len());
            for key in keys {
                for entry in self.store.load(&[AUDIT], key).await.map_err(failed)? {
                    let (collection, version) = (entry.collection, entry.version);
                    removals.push(Change::Remove(Removal {
                        collection,
                        key: key.clone(),
                        version,
                    }));
                }
            }
            let together = self.store.commit(&removals).await.map_err(failed)?;
            if matches!(together, Verdict::Conflict) {
                // Another process was faster with some of them.
                for removal in removals {
                    self.store.commit(&[removal]).await.map_err(failed)?;
                }
            }
        }
        Ok(u32::try_from(keys.len()).unwrap_or(u32::MAX))
    }

    fn put(&self, event: &Event) -> Result<Change, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Other(error.to_string());
        let random = random::hex().map_err(|error| failed(&error))?;
        let key = format!("{:012x}-{}", event.at, random.get(..16).unwrap_or_default());
        let document = serde_json::to_value(event).map_err(|error| failed(&error))?;
        let fields = document.as_object().into_iter().flatten();
        let edits = fields
            .filter(|(name, _)| *name != "key")
            .map(|(name, value)| Edit { path: vec![name.clone()], value: Some(value.to_string()) });
        let due = event.at / 1000 + u64::from(self.days) * 24 * 60 * 60;
        let (collection, edits) = (AUDIT.to_owned(), edits.collect());
        Ok(Change::Put(Put { collection, key, version: None, edits, due: Some(due) }))
    }

    fn now(&self) -> u64 {
        let since = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn flood(&self) -> std::sync::MutexGuard<'_, Flood> {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account that somebody has named, as accounts are known: in lower case. Nothing where it has not
/// the form of an address; whatever the component takes for one has it.
fn account(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let (label, rest) = domain.split_once('.')?;
    let whole = [local, label, rest].iter().all(|part| !part.is_empty());
    let plain = text.len() <= MAX_ADDRESS && text.bytes().all(|byte| byte.is_ascii_graphic());
    (whole && plain).then(|| text.to_ascii_lowercase())
}

fn failed(error: Error) -> CallError {
    CallError::Store(error.to_string())
}
