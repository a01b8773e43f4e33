//! Committing: read, plan, write; and again while nobody can be blamed for a failure but chance.
//!
//! Three ways lead from a plan to the database. One write to one document is atomic by itself. On a
//! deployment with transactions several writes go into one, where a condition without a write is
//! made to count by a note in the document (or, where there must be none, by one that is put there
//! and taken away again): a transaction's reads alone would not keep two of them from passing each
//! other. On a single server the writes are made one by one ([`single`](super::single)).

use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::ClientSession;
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::ReadConcern;
use tokio::time::sleep;

use super::failure::{Trouble, within};
use super::plan::{Plan, Step, plan};
use super::record::{ID, META, unchanged};
use super::{MongoStore, read, single};
use crate::random::jittered;
use crate::store::rules::new_version;
use crate::store::{Change, Error, Verdict};

/// The pause before a commit is tried again, doubled each time up to the second one; and half of it
/// at random.
const PAUSES: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(200));

/// How an attempt to carry a plan out ended.
pub(super) enum Attempt {
    /// It is done.
    Made,
    /// Somebody else changed one of the documents; nothing of the plan is there.
    Raced,
    /// Nothing of the plan is there, and the server may do better next time.
    Unmade(Trouble),
    /// Whether it is done is not known.
    Unknown(Trouble),
    /// It failed, and is not to be tried again.
    Failed(Error),
}

/// Make the changes, all of them or none where the deployment has transactions.
pub(super) async fn commit(store: &MongoStore, changes: &[Change]) -> Result<Verdict, Error> {
    let (collections, keys) = places(changes);
    let mut pauses = Pauses::until(Instant::now() + store.patience());
    // What an attempt of unknown outcome wanted to leave behind.
    let mut open: Option<(Plan, Trouble)> = None;
    loop {
        let found = match read::find(store, &collections, &keys).await {
            Ok(found) => found,
            // Another try while an election may be going on, but only to settle what is open.
            Err(Error::Unavailable(_)) if open.is_some() && pauses.next().await => continue,
            Err(error) => return Err(open.map_or(error, |(_, trouble)| not_known(&trouble))),
        };
        if !store.has_transactions() && open.is_none() && found.is_in_hand() {
            if pauses.next().await {
                continue;
            }
            return Ok(Verdict::Conflict);
        }
        if let Some((wanted, trouble)) = open.take() {
            if wanted.is_made(&found)? {
                return Ok(Verdict::Committed(wanted.versions));
            }
            if plan(&found, changes)?.is_none() {
                // Neither as before nor as wanted: others have written since.
                return Err(not_known(&trouble));
            }
        }
        let Some(plan) = plan(&found, changes)? else { return Ok(Verdict::Conflict) };
        let trouble = match carry_out(store, &plan).await {
            Attempt::Made => return Ok(Verdict::Committed(plan.versions)),
            Attempt::Failed(error) => return Err(error),
            Attempt::Raced => None,
            Attempt::Unmade(trouble) => Some(trouble),
            Attempt::Unknown(trouble) => {
                open = Some((plan, trouble));
                None
            }
        };
        if !pauses.next().await {
            return Err(match (open, trouble) {
                (Some((_, trouble)), _) => not_known(&trouble),
                (None, Some(trouble)) => Error::Unavailable(trouble.text()),
                // As if somebody else had been faster each time, which he was.
                (None, None) => return Ok(Verdict::Conflict),
            });
        }
    }
}

async fn carry_out(store: &MongoStore, plan: &Plan) -> Attempt {
    let mut writes = plan.writes();
    let Some((_, first)) = writes.next() else {
        // Versions never come back: what was read holds for the moment of the read.
        return Attempt::Made;
    };
    let alone = writes.next().is_none();
    if let Err(error) = store.indexes().before(store, plan).await {
        return Attempt::Failed(error);
    }
    if store.has_transactions() {
        if alone && plan.steps.len() == 1 {
            once(store, first).await
        } else {
            transact(store, plan).await
        }
    } else {
        single::carry_out(store, plan).await
    }
}

/// One write, atomic by itself.
pub(super) async fn once(store: &MongoStore, step: &Step) -> Attempt {
    match execute(store, step, None).await {
        Ok(true) => Attempt::Made,
        Ok(false) => Attempt::Raced,
        // A server that loses its office says so of the whole command; a router may say it of the one
        // write, and whether that was made is not known then.
        Err(trouble) if trouble.is_refusal() && !trouble.is_about_office() => {
            Attempt::Failed(trouble.into())
        }
        Err(trouble) => Attempt::Unknown(trouble),
    }
}

/// All steps in one transaction. Before its commit is sent nothing of it is there.
async fn transact(store: &MongoStore, plan: &Plan) -> Attempt {
    let begun = within(store.patience(), async {
        let mut session = store.client().start_session().await?;
        session.start_transaction().read_concern(ReadConcern::snapshot()).await?;
        Ok(session)
    });
    let mut session = match begun.await {
        Ok(session) => session,
        Err(trouble) => return Attempt::Unmade(trouble),
    };
    // Records that are made side by side go in one command.
    for steps in plan.steps.chunk_by(|(_, one), (_, next)| one.is_made_with(next)) {
        let made = match steps {
            [(_, step)] => execute(store, step, Some(&mut session)).await,
            several => insert(store, several, &mut session).await,
        };
        let stopped = match made {
            Ok(true) => continue,
            Ok(false) => Attempt::Raced,
            Err(trouble) if trouble.has_label(TRANSIENT_TRANSACTION_ERROR) => {
                // Most of these are conflicts of two transactions; a lost connection is the rest.
                if trouble.code() == Some(112) { Attempt::Raced } else { Attempt::Unmade(trouble) }
            }
            Err(trouble) if trouble.is_refusal() => Attempt::Failed(trouble.into()),
            Err(trouble) => Attempt::Unmade(trouble),
        };
        // The server gives it up by itself, if this does not reach it.
        let _ = within(store.patience(), async { session.abort_transaction().await }).await;
        return stopped;
    }
    let mut pauses = Pauses::until(Instant::now() + store.patience());
    loop {
        match within(store.patience(), async { session.commit_transaction().await }).await {
            Ok(()) => return Attempt::Made,
            Err(trouble) if trouble.has_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                if !pauses.next().await {
                    return Attempt::Unknown(trouble);
                }
            }
            Err(trouble) if trouble.has_label(TRANSIENT_TRANSACTION_ERROR) => {
                return Attempt::Raced;
            }
            Err(trouble) => return Attempt::Unknown(trouble),
        }
    }
}

/// Records of one collection that are made together; whether there was none of them.
async fn insert(
    store: &MongoStore,
    steps: &[(usize, Step)],
    session: &mut ClientSession,
) -> Result<bool, Trouble> {
    let mut documents = Vec::with_capacity(steps.len());
    let mut collection = None;
    for (_, step) in steps {
        let Step::Insert { collection: name, document } = step else { continue };
        collection = Some(store.collection(name));
        documents.push(raw(document)?);
    }
    let Some(collection) = collection else { return Ok(true) };
    let inserted = async { collection.insert_many(documents).session(session).await };
    match within(store.patience(), inserted).await {
        Err(trouble) if trouble.is_duplicate() => Ok(false),
        inserted => inserted.map(|_| true),
    }
}

/// One step, in a transaction or by itself; whether its condition held.
pub(super) async fn execute(
    store: &MongoStore,
    step: &Step,
    mut session: Option<&mut ClientSession>,
) -> Result<bool, Trouble> {
    let collection = store.collection(step.collection());
    // The builders take a session or none, and differ in everything else.
    macro_rules! run {
        ($operation:expr) => {{
            let operation = $operation;
            within(store.patience(), async {
                match session.as_deref_mut() {
                    Some(session) => operation.session(session).await,
                    None => operation.await,
                }
            })
            .await
        }};
    }
    let held = match step {
        Step::Insert { document, .. } => run!(collection.insert_one(raw(document)?)).map(|_| true),
        Step::Replace { before, after, .. } => {
            run!(collection.replace_one(unchanged(before), raw(after)?))
                .map(|done| done.matched_count == 1)
        }
        Step::Delete { before, .. } => {
            run!(collection.delete_one(unchanged(before))).map(|done| done.deleted_count == 1)
        }
        Step::Hold { document, .. } => {
            let note = doc! { "$set": { format!("{META}.hold"): random() } };
            run!(collection.update_one(unchanged(document), note))
                .map(|done| done.matched_count == 1)
        }
        Step::HoldAbsent { key, .. } => {
            let id = ObjectId::new();
            let holder = doc! { ID: id, "email": key, META: { "hold": random() } };
            match run!(collection.insert_one(raw(&holder)?)) {
                Ok(_) => run!(collection.delete_one(doc! { "email": key, ID: id }))
                    .map(|done| done.deleted_count == 1),
                Err(trouble) => Err(trouble),
            }
        }
    };
    match held {
        // A unique index: somebody has the key.
        Err(trouble) if trouble.is_duplicate() => Ok(false),
        held => held,
    }
}

fn raw(document: &Document) -> Result<RawDocumentBuf, Trouble> {
    RawDocumentBuf::try_from(document)
        .map_err(|error| Trouble::from(mongodb::error::Error::from(error)))
}

fn random() -> Bson {
    // A note need only differ from the last one, or the server would not write it.
    new_version().map_or_else(|_| Bson::ObjectId(ObjectId::new()), Bson::String)
}

fn not_known(trouble: &Trouble) -> Error {
    Error::Unavailable(format!("{}; it is not known whether the change was made", trouble.text()))
}

/// The collections and keys that a commit is about.
fn places(changes: &[Change]) -> (Vec<&str>, Vec<&str>) {
    let (mut collections, mut keys) = (Vec::new(), Vec::new());
    for change in changes {
        let (collection, key, to) = match change {
            Change::Put(it) => (&it.collection, &it.key, None),
            Change::Expect(it) => (&it.collection, &it.key, None),
            Change::Remove(it) => (&it.collection, &it.key, None),
            Change::Move(it) => (&it.collection, &it.key, Some(&it.to)),
        };
        collections.push(collection.as_str());
        keys.push(key.as_str());
        keys.extend(to.map(String::as_str));
    }
    for list in [&mut collections, &mut keys] {
        list.sort_unstable();
        list.dedup();
    }
    (collections, keys)
}

/// Pauses between attempts, growing, and none after the deadline.
pub(super) struct Pauses {
    next: Duration,
    end: Instant,
}

impl Pauses {
    pub(super) fn until(end: Instant) -> Self {
        Self { next: PAUSES.0, end }
    }

    /// Waits for the next attempt; whether there is to be one.
    pub(super) async fn next(&mut self) -> bool {
        let pause = jittered(self.next);
        if Instant::now() + pause >= self.end {
            return false;
        }
        sleep(pause).await;
        self.next = (self.next * 2).min(PAUSES.1);
        true
    }
}
