//! From the changes of a commit, and what was found, to the writes that make them.

use std::collections::BTreeSet;

use bson::Document;

use super::read::{State, folded};
use super::record::{ID, Record, edited};
use crate::store::{Change, Error};

/// One write to one document, conditional on the document as it was read; or a condition alone.
#[derive(Clone)]
pub(super) enum Step {
    /// A document that was not there.
    Insert { collection: String, document: Document },
    /// A document that has changed.
    Replace { collection: String, before: Document, after: Document },
    /// A document that goes.
    Delete { collection: String, before: Document },
    /// A document that must be there unchanged.
    Hold { collection: String, document: Document },
    /// A key without a document.
    HoldAbsent { collection: String, key: String },
}

impl Step {
    /// Where the document is or would be.
    pub(super) fn collection(&self) -> &str {
        match self {
            Step::Insert { collection, .. }
            | Step::Replace { collection, .. }
            | Step::Delete { collection, .. }
            | Step::Hold { collection, .. }
            | Step::HoldAbsent { collection, .. } => collection,
        }
    }

    /// Whether both make records in one collection.
    pub(super) fn is_made_with(&self, other: &Step) -> bool {
        match (self, other) {
            (Step::Insert { collection, .. }, Step::Insert { collection: other, .. }) => {
                collection == other
            }
            _ => false,
        }
    }

    /// Whether it writes.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Step::Hold { .. } | Step::HoldAbsent { .. })
    }
}

/// A user who gets another address.
#[derive(Clone)]
pub(super) struct Relocated {
    /// The address that he had.
    pub(super) from: String,
    /// The address that he gets.
    pub(super) to: String,
}

/// Everything that a commit does.
pub(super) struct Plan {
    /// The steps in the order of the changes, each with the number of its change.
    pub(super) steps: Vec<(usize, Step)>,
    /// The versions to be answered.
    pub(super) versions: Vec<String>,
    /// What will be there afterwards.
    after: State,
    /// The move of a user, if there is one.
    pub(super) relocated: Option<Relocated>,
}

impl Plan {
    /// What writes, in its order.
    pub(super) fn writes(&self) -> impl Iterator<Item = &(usize, Step)> {
        self.steps.iter().filter(|(_, step)| step.writes())
    }

    /// Whether `found` is what the plan leaves behind: every record that it wrote has the version
    /// that it gave it, which nobody else can have given, and what it removed is gone.
    pub(super) fn is_made(&self, found: &State) -> Result<bool, Error> {
        for (_, step) in self.writes() {
            let (Step::Insert { collection, document }
            | Step::Replace { collection, after: document, .. }
            | Step::Delete { collection, before: document }) = step
            else {
                continue;
            };
            let Ok(email) = document.get_str("email") else { continue };
            if found.version(collection, email)? != self.after.version(collection, email)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The plan, or `None` when a condition does not hold.
pub(super) fn plan(found: &State, changes: &[Change]) -> Result<Option<Plan>, Error> {
    let mut after = found.clone();
    let mut plan =
        Plan { steps: Vec::new(), versions: Vec::new(), after: State::default(), relocated: None };
    for (number, change) in changes.iter().enumerate() {
        let (collection, key, expected) = match change {
            Change::Put(it) => (&it.collection, &it.key, it.version.as_deref()),
            Change::Expect(it) => (&it.collection, &it.key, it.version.as_deref()),
            Change::Remove(it) => (&it.collection, &it.key, Some(it.version.as_str())),
            Change::Move(it) => (&it.collection, &it.key, Some(it.version.as_str())),
        };
        if after.version(collection, key)?.as_deref() != expected {
            return Ok(None);
        }
        let record = after.get(collection, key).cloned().unwrap_or_default();
        let mut step = |step| plan.steps.push((number, step));
        let to = match change {
            Change::Expect(_) if record.0.is_empty() => {
                step(Step::HoldAbsent { collection: collection.clone(), key: key.clone() });
                continue;
            }
            Change::Expect(_) => {
                for document in record.0 {
                    step(Step::Hold { collection: collection.clone(), document });
                }
                continue;
            }
            Change::Remove(_) => {
                for before in record.0 {
                    step(Step::Delete { collection: collection.clone(), before });
                }
                after.set(collection, key, Record::default());
                continue;
            }
            Change::Put(it) => {
                let mut written = Record::default();
                if record.0.is_empty() {
                    let document = edited(None, &it.edits, Some(key), it.due)?;
                    step(Step::Insert {
                        collection: collection.clone(),
                        document: document.clone(),
                    });
                    written.0.push(document);
                }
                for before in record.0 {
                    let after = edited(Some(&before), &it.edits, None, it.due)?;
                    written.0.push(after.clone());
                    step(Step::Replace { collection: collection.clone(), before, after });
                }
                after.set(collection, key, written);
                key
            }
            Change::Move(it) => {
                if after.version(collection, &it.to)?.is_some() {
                    return Ok(None);
                }
                // Of several spellings one goes on, and the others end with it.
                let mut documents = record.0.into_iter();
                let Some(before) = documents.next() else { return Ok(None) };
                for before in documents {
                    step(Step::Delete { collection: collection.clone(), before });
                }
                let moved = edited(Some(&before), &it.edits, Some(&it.to), it.due)?;
                let collection = collection.clone();
                step(Step::Replace { collection, before, after: moved.clone() });
                if it.collection == "users" {
                    plan.relocated = Some(Relocated { from: folded(key), to: folded(&it.to) });
                }
                after.set(&it.collection, key, Record::default());
                after.set(&it.collection, &it.to, Record(vec![moved]));
                &it.to
            }
        };
        plan.versions.extend(after.version(collection, to)?);
    }
    plan.after = after;
    release_what_is_written(&mut plan.steps);
    Ok(Some(plan))
}

/// A document that is written is held by that: its condition needs no step of its own.
fn release_what_is_written(steps: &mut Vec<(usize, Step)>) {
    let mut ids = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (_, step) in steps.iter().filter(|(_, step)| step.writes()) {
        let (Step::Insert { document, .. }
        | Step::Replace { after: document, .. }
        | Step::Delete { before: document, .. }) = step
        else {
            continue;
        };
        ids.insert((step.collection().to_owned(), format!("{:?}", document.get(ID))));
        if let Ok(email) = document.get_str("email") {
            keys.insert((step.collection().to_owned(), folded(email)));
        }
    }
    let mut held = BTreeSet::new();
    steps.retain(|(_, step)| {
        let place = match step {
            Step::Hold { collection, document } => {
                let place = (collection.clone(), format!("{:?}", document.get(ID)));
                if ids.contains(&place) {
                    return false;
                }
                place
            }
            Step::HoldAbsent { collection, key } => {
                let place = (collection.clone(), folded(key));
                if keys.contains(&place) {
                    return false;
                }
                place
            }
            _ => return true,
        };
        held.insert(place)
    });
}
