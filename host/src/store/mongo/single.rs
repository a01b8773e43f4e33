//! Committing on a single server, which has no transactions: one document after the other, in the
//! order of the changes.
//!
//! Conditions were looked at before the first write, and each write repeats its own. Where one fails
//! because somebody else was faster, what was written before is taken back, in reverse order, and
//! the commit is decided again; where it fails because the server does not answer, the error says
//! how far it went.
//!
//! As long as that lasts, the document that was written first bears a note (`busy`): other hosts wait
//! with their writes until it is gone, so that nobody builds on what may be taken back. A note that a
//! crash has left counts for two seconds.
//!
//! In between, others read what is there so far. One thing they must not see is a blocked user
//! without his block. So when a user moves to another address, his other records are copied there
//! first, then he moves, with a note from where, and then the old records go
//! ([`relocation`]). Whoever blocks a user looks afterwards where that user is, and follows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bson::{Bson, Document};

use super::failure::Trouble;
use super::plan::{Plan, Step};
use super::record::{ID, META, note, without_notes};
use super::write::{Attempt, execute, once};
use super::{MongoStore, relocation};
use crate::store::{Error, Partial};

pub(super) async fn carry_out(store: &MongoStore, plan: &Plan) -> Attempt {
    let writes: Vec<&(usize, Step)> = plan.writes().collect();
    let attempt = match (&plan.relocated, writes.as_slice()) {
        (Some(moved), _) => relocation::carry_out(store, plan, moved).await,
        (None, [(_, step)]) => once(store, step).await,
        (None, steps) => in_order(store, steps.iter().copied()).await,
    };
    if matches!(attempt, Attempt::Made)
        && let Err(trouble) = relocation::follow(store, plan).await
    {
        return Attempt::Failed(partial(writes.len(), &trouble));
    }
    attempt
}

/// How long a note is believed: far longer than a commit takes, and not so long that a call could not
/// wait for the end of it. Where clocks of hosts differ by more than this, notes are not believed, and
/// what was to be taken back and has been built on is told as a failure.
const IN_HAND: Duration = Duration::from_secs(2);

/// Whether a commit has the document in hand.
pub(super) fn in_hand(document: &Document) -> bool {
    let since = document.get_document(META).ok().and_then(|meta| meta.get_i64("busy").ok());
    since.is_some_and(|since| now_millis().abs_diff(since) < IN_HAND.as_millis() as u64)
}

/// Milliseconds since 1970.
pub(super) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The steps one by one; the first bears the note until the last is made.
pub(super) async fn in_order(
    store: &MongoStore,
    steps: impl Iterator<Item = &(usize, Step)>,
) -> Attempt {
    let mut steps: Vec<(usize, Step)> = steps.cloned().collect();
    let mut noted = None;
    if let [(_, first), _, ..] = steps.as_mut_slice() {
        noted = take_in_hand(first);
    }
    let attempt = one_by_one(store, &steps).await;
    // Where everything was taken back, the note went with it. Where this is lost, it is believed for
    // a while and no longer.
    if let Some(release) = noted
        && matches!(attempt, Attempt::Made | Attempt::Failed(Error::Partial(_)))
        && let Err(trouble) = execute(store, &release, None).await
    {
        tracing::debug!("a note of work in hand stays for a while: {}", trouble.text());
    }
    attempt
}

/// Puts the note into what the step writes, and gives the step that takes it out again. A removal
/// can bear none.
fn take_in_hand(step: &mut Step) -> Option<Step> {
    let (Step::Insert { collection, document } | Step::Replace { collection, after: document, .. }) =
        step
    else {
        return None;
    };
    let after = document.clone();
    note(document, "busy", Some(Bson::Int64(now_millis())));
    Some(Step::Replace { collection: collection.clone(), before: document.clone(), after })
}

async fn one_by_one(store: &MongoStore, steps: &[(usize, Step)]) -> Attempt {
    let mut made: Vec<&Step> = Vec::new();
    for (change, step) in steps {
        let attempt = match once(store, step).await {
            Attempt::Unknown(trouble) if !made.is_empty() => settle(store, step, trouble).await,
            attempt => attempt,
        };
        match attempt {
            Attempt::Made => made.push(step),
            other if made.is_empty() => return other,
            Attempt::Raced => {
                return match take_back(store, &made).await {
                    Ok(()) => Attempt::Raced,
                    Err(trouble) => Attempt::Failed(partial(*change, &trouble)),
                };
            }
            Attempt::Unmade(trouble) | Attempt::Unknown(trouble) => {
                return Attempt::Failed(partial(*change, &trouble));
            }
            Attempt::Failed(error) => {
                // Refused for good, and the server is there: nothing need stay half done.
                return match take_back(store, &made).await {
                    Ok(()) => Attempt::Failed(error),
                    Err(trouble) => Attempt::Failed(partial(*change, &trouble)),
                };
            }
        }
    }
    Attempt::Made
}

/// Whether a write whose answer was lost was made, by reading again.
async fn settle(store: &MongoStore, step: &Step, trouble: Trouble) -> Attempt {
    let (id, wanted) = match step {
        Step::Insert { document, .. } => (document.get(ID), Some(document)),
        Step::Replace { after, .. } => (after.get(ID), Some(after)),
        Step::Delete { before, .. } => (before.get(ID), None),
        Step::Hold { .. } | Step::HoldAbsent { .. } => return Attempt::Made,
    };
    let Some(id) = id.cloned() else { return Attempt::Unknown(trouble) };
    match relocation::by_id(store, step.collection(), &id).await {
        Ok(found) if found.as_ref().map(without_notes) == wanted.map(without_notes) => {
            Attempt::Made
        }
        Ok(_) => Attempt::Unmade(trouble),
        Err(_) => Attempt::Unknown(trouble),
    }
}

/// Takes back what was written, in reverse order, as long as nobody has built on it.
async fn take_back(store: &MongoStore, made: &[&Step]) -> Result<(), Trouble> {
    for step in made.iter().rev() {
        let collection = step.collection().to_owned();
        let reverse = match step {
            Step::Insert { document, .. } => Step::Delete { collection, before: document.clone() },
            Step::Replace { before, after, .. } => {
                Step::Replace { collection, before: after.clone(), after: before.clone() }
            }
            Step::Delete { before, .. } => Step::Insert { collection, document: before.clone() },
            Step::Hold { .. } | Step::HoldAbsent { .. } => continue,
        };
        if !execute(store, &reverse, None).await? {
            return Err(Trouble::Overtaken);
        }
    }
    Ok(())
}

pub(super) fn partial(applied: usize, trouble: &Trouble) -> Error {
    let reason = format!("{}; a single MongoDB server has no transactions", trouble.text());
    Error::Partial(Partial { applied: u32::try_from(applied).unwrap_or(u32::MAX), reason })
}

/// The address of a document.
pub(super) fn email(document: &Document) -> &str {
    document.get_str("email").unwrap_or_default()
}
