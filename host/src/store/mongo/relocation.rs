//! A user who gets another address on a server without transactions, and who follows whom.
//!
//! 1. His block and limit records are copied to the new address, with a note at the old ones
//!    (`copied_to`) and at the copies (`copied_from`).
//! 2. He moves, in place, with a note from where (`moving`).
//! 3. What is at the old address by now is carried over, if it refuses more than the copy, and
//!    removed; the notes go.
//!
//! A crash leaves it between two of these. The next read of one of the two addresses, once the notes
//! are older than [`STALE`], either finishes it (he has moved) or takes it back (he has not). Until
//! then a block counts at both addresses.

use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use super::failure::{Trouble, within};
use super::plan::{Plan, Relocated, Step};
use super::read::{State, find, folded};
use super::record::{ID, META, Record, last_action, note, noted, says_blocked};
use super::single::{email, in_order, now_millis, partial};
use super::write::{Attempt, Pauses, execute};
use super::{MongoStore, literal};
use crate::store::Error;

/// After this long the one who began is taken for dead. Far longer than a commit lasts, and than
/// clocks of hosts differ.
const STALE: Duration = Duration::from_secs(60);

/// What goes with a user.
const COMPANIONS: [&str; 2] = ["blocked", "limit"];

/// Makes a plan with the move of a user in it.
pub(super) async fn carry_out(store: &MongoStore, plan: &Plan, moved: &Relocated) -> Attempt {
    let (mut first, mut then, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for (change, step) in plan.writes() {
        let Step::Replace { collection, before, after } = step else {
            // A record at the new address that gives way must be gone before the copy comes.
            let at_new = document_of(step).is_some_and(|it| folded(email(it)) == moved.to);
            if at_new { &mut first } else { &mut last }.push((*change, step.clone()));
            continue;
        };
        let moves = folded(email(before)) == moved.from && folded(email(after)) == moved.to;
        if moves && COMPANIONS.contains(&collection.as_str()) {
            let mut marked = before.clone();
            sign(&mut marked, "copied_to", &moved.to);
            let mut copy = after.clone();
            copy.insert(ID, ObjectId::new());
            sign(&mut copy, "copied_from", &moved.from);
            let collection = collection.clone();
            let before = before.clone();
            first.push((
                *change,
                Step::Replace { collection: collection.clone(), before, after: marked },
            ));
            first.push((*change, Step::Insert { collection, document: copy }));
        } else if moves {
            let (collection, before, mut after) =
                (collection.clone(), before.clone(), after.clone());
            if collection == "users" {
                sign(&mut after, "moving", &moved.from);
            }
            then.push((*change, Step::Replace { collection, before, after }));
        } else {
            last.push((*change, step.clone()));
        }
    }
    let steps = [first, then, last].concat();
    match in_order(store, steps.iter()).await {
        Attempt::Made => match finish(store, moved).await {
            Ok(()) => Attempt::Made,
            // He has moved; the rest is repaired at the next read.
            Err(Error::Partial(_) | Error::Unavailable(_)) => {
                Attempt::Failed(partial(steps.len(), &Trouble::Overtaken))
            }
            Err(error) => Attempt::Failed(error),
        },
        attempt => attempt,
    }
}

fn document_of(step: &Step) -> Option<&Document> {
    match step {
        Step::Insert { document, .. } | Step::Hold { document, .. } => Some(document),
        Step::Replace { before, .. } | Step::Delete { before, .. } => Some(before),
        Step::HoldAbsent { .. } => None,
    }
}

fn sign(document: &mut Document, name: &str, address: &str) {
    note(document, name, Some(Bson::String(address.to_owned())));
    note(document, "at", Some(Bson::Int64(now_millis() / 1000)));
}

fn is_stale(document: &Document) -> bool {
    let at = document.get_document(META).and_then(|meta| meta.get_i64("at")).unwrap_or(0);
    (now_millis() / 1000).saturating_sub(at) > STALE.as_secs().cast_signed()
}

/// Carries over what is at the old address, and removes it there. Made so that any number of hosts
/// may do it at once, and again.
pub(super) async fn finish(store: &MongoStore, moved: &Relocated) -> Result<(), Error> {
    let Relocated { from, to } = moved;
    let mut pauses = Pauses::until(std::time::Instant::now() + store.patience());
    loop {
        let found = find(store, &["users", "blocked", "limit"], &[from, to]).await?;
        if finished(store, &found, from, to).await? {
            return Ok(());
        }
        if !pauses.next().await {
            return Err(Error::Unavailable("others kept changing the same records".into()));
        }
    }
}

/// One round; whether nothing is left to do.
async fn finished(store: &MongoStore, found: &State, from: &str, to: &str) -> Result<bool, Error> {
    let none = Record::default();
    // Whoever is at the old address now is somebody else, with records of his own.
    let newcomer = found.get("users", from).is_some();
    for collection in COMPANIONS {
        let theirs = found.get(collection, to).unwrap_or(&none);
        for old in &found.get(collection, from).unwrap_or(&none).0 {
            if newcomer && noted(old, "copied_to") != Some(to) {
                continue;
            }
            let name = collection.to_owned();
            match theirs.0.first() {
                None => {
                    let mut document = old.clone();
                    document.insert(ID, ObjectId::new());
                    document.insert("email", to);
                    clear(&mut document);
                    execute(store, &Step::Insert { collection: name, document }, None).await?;
                    return Ok(false);
                }
                Some(before) if refuses_more(collection, old, before) => {
                    let mut after = before.clone();
                    for field in ["blocked", "last_action", "portcullis"] {
                        if let Some(value) = old.get(field) {
                            after.insert(field, value.clone());
                        }
                    }
                    clear(&mut after);
                    let before = before.clone();
                    let step = Step::Replace { collection: name, before, after };
                    execute(store, &step, None).await?;
                    return Ok(false);
                }
                Some(_) => {
                    let step = Step::Delete { collection: name, before: old.clone() };
                    if !execute(store, &step, None).await? {
                        return Ok(false);
                    }
                }
            }
        }
        for before in theirs.0.iter().filter(|it| noted(it, "copied_from") == Some(from)) {
            if !without_note(store, collection, before).await? {
                return Ok(false);
            }
        }
    }
    match found.get("users", to).and_then(|user| user.0.first()) {
        Some(user) if noted(user, "moving") == Some(from) => {
            without_note(store, "users", user).await
        }
        _ => Ok(true),
    }
}

fn refuses_more(collection: &str, old: &Document, new: &Document) -> bool {
    match collection {
        "blocked" => says_blocked(old) && !says_blocked(new),
        _ => last_action(old) > last_action(new),
    }
}

/// Takes the notes off a document.
async fn without_note(store: &MongoStore, name: &str, before: &Document) -> Result<bool, Error> {
    let mut after = before.clone();
    clear(&mut after);
    let (collection, before) = (name.to_owned(), before.clone());
    Ok(execute(store, &Step::Replace { collection, before, after }, None).await?)
}

fn clear(document: &mut Document) {
    for name in ["moving", "copied_to", "copied_from", "at"] {
        note(document, name, None);
    }
}

/// After a commit that wrote a block for a user whom it expected at an address: where is he now? If
/// somebody has moved him meanwhile, the block goes after him.
pub(super) async fn follow(store: &MongoStore, plan: &Plan) -> Result<(), Trouble> {
    let blocks = plan.writes().any(|(_, step)| {
        let (Step::Insert { document, .. } | Step::Replace { after: document, .. }) = step else {
            return false;
        };
        step.collection() == "blocked" && says_blocked(document)
    });
    let user = plan.steps.iter().find_map(|(_, step)| match step {
        Step::Hold { collection, document } if collection == "users" => Some(document),
        _ => None,
    });
    let (true, Some(user)) = (blocks, user) else { return Ok(()) };
    let Some(id) = user.get(ID) else { return Ok(()) };
    let Some(there) = by_id(store, "users", id).await? else { return Ok(()) };
    let (from, to) = (folded(email(user)), folded(email(&there)));
    if from == to {
        return Ok(());
    }
    finish(store, &Relocated { from, to }).await.map_err(|_| Trouble::Overtaken)
}

/// The document with this id.
pub(super) async fn by_id(
    store: &MongoStore,
    collection: &str,
    id: &Bson,
) -> Result<Option<Document>, Trouble> {
    let filter = doc! { ID: id.clone() };
    let found = async { store.collection(collection).find_one(filter).await };
    within(store.patience(), found).await?.as_ref().map(literal).transpose()
}

/// What a crash left half done at an address, finished or taken back; whether there was anything.
pub(super) async fn repair(store: &MongoStore, key: &str, found: &State) -> Result<bool, Error> {
    let stale = |document: &&Document| is_stale(document);
    for (collection, record) in found.iter() {
        for document in record.0.iter().filter(stale) {
            if let (Some(from), "users") = (noted(document, "moving"), collection) {
                finish(store, &Relocated { from: from.to_owned(), to: key.to_owned() }).await?;
                return Ok(true);
            }
            let (from, to) = match (noted(document, "copied_to"), noted(document, "copied_from")) {
                (Some(to), _) => (key, to),
                (None, Some(from)) => (from, key),
                (None, None) => continue,
            };
            let both = find(store, &["users", collection], &[from, to]).await?;
            let arrived = both.get("users", to).and_then(|user| user.0.first());
            if arrived.is_some_and(|user| noted(user, "moving") == Some(from)) {
                let (from, to) = (from.to_owned(), to.to_owned());
                finish(store, &Relocated { from, to }).await?;
            } else {
                take_back(store, collection, &both, from, to).await?;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// He never moved: the copy goes, and the note at the old record.
async fn take_back(
    store: &MongoStore,
    collection: &str,
    found: &State,
    from: &str,
    to: &str,
) -> Result<(), Error> {
    let none = Record::default();
    for copy in &found.get(collection, to).unwrap_or(&none).0 {
        if noted(copy, "copied_from") == Some(from) {
            let step = Step::Delete { collection: collection.to_owned(), before: copy.clone() };
            execute(store, &step, None).await?;
        }
    }
    for old in &found.get(collection, from).unwrap_or(&none).0 {
        if noted(old, "copied_to") == Some(to) {
            without_note(store, collection, old).await?;
        }
    }
    Ok(())
}
