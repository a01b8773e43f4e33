//! What becomes of the users of some lines.

use std::collections::HashSet;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Number, Value};

use super::position::Counts;
use super::rejected::Refusal;
use super::{Records, trouble};
use crate::contract::users::{NewUser, StoredUser};
use crate::store::{Put, document};

/// Look-ups of single users at one time.
const LOOK_UPS: usize = 16;

const DIFFERS: &str = "the address has a user already, who differs; he is left as he is: remove him \
    first, or drop the line";
const BLOCK_DIFFERS: &str = "the address has no user, but a block record already that says otherwise; \
    remove that first, or let `blocked` of the line say the same";

/// A line of text, with its number.
pub(super) struct Numbered {
    pub(super) line: u64,
    pub(super) text: String,
}

/// What became of some lines.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) counts: Counts,
    pub(super) refusals: Vec<Refusal>,
    /// The last user who is now there.
    pub(super) witness: Option<String>,
}

/// A user who is to be made, with his line.
struct Candidate {
    line: Numbered,
    user: NewUser,
}

/// How a user stands in the store already.
enum Standing {
    New,
    Same,
    Differs,
    BlockDiffers,
}

/// Put the users of these lines in, or say what would become of them.
pub(super) async fn take(
    records: &Records,
    lines: Vec<Numbered>,
    dry_run: bool,
) -> anyhow::Result<Taken> {
    let mut taken = Taken::default();
    let texts = lines.iter().map(|line| line.text.clone()).collect();
    let mut candidates = Vec::with_capacity(lines.len());
    // The second of two lines of one address finds the first there, once that is written.
    let mut again = Vec::new();
    let mut keys = HashSet::new();
    for (line, read) in lines.into_iter().zip(records.tenant.read_users(texts).await?) {
        match read {
            Ok(user) if keys.insert(user.key.clone()) => candidates.push(Candidate { line, user }),
            Ok(user) => again.push(Candidate { line, user }),
            Err(problem) => taken.refuse(line, problem),
        }
    }
    let unclear = match dry_run {
        true => candidates,
        false => write(records, candidates, &mut taken).await?,
    };
    for candidates in [unclear, again] {
        settle(records, candidates, dry_run, &mut taken).await?;
    }
    taken.refusals.sort_by_key(|refusal| refusal.line);
    Ok(taken)
}

impl Taken {
    fn refuse(&mut self, line: Numbered, problem: impl Into<String>) {
        self.counts.rejected += 1;
        let (line, text) = (line.line, Some(line.text));
        self.refusals.push(Refusal { line, problem: problem.into(), text });
    }
}

/// Write those who are not there yet. Returns the others, and those of whom something is.
///
/// The block records come first: however this ends, nobody who is to be blocked is there without his
/// block. So whoever is to be blocked is looked up before, lest a user who is there already be blocked by a
/// line that is refused.
async fn write(
    records: &Records,
    candidates: Vec<Candidate>,
    taken: &mut Taken,
) -> anyhow::Result<Vec<Candidate>> {
    let looked_up = stream::iter(candidates)
        .map(async |candidate| {
            let known =
                locks(&candidate.user) && records.user_of(&candidate.user.key).await?.is_some();
            anyhow::Ok((candidate, known))
        })
        .buffered(LOOK_UPS);
    let looked_up: Vec<(Candidate, bool)> = looked_up.try_collect().await?;
    let (mut unclear, mut fresh) = (Vec::new(), Vec::new());
    for (candidate, known) in looked_up {
        if known { unclear.push(candidate) } else { fresh.push(candidate) }
    }

    let (blocked, found) = insert(records, "blocked", fresh).await?;
    // A block record without a user is what a killed run leaves; it is also what stays of a user who was
    // removed, and then it may say otherwise.
    let mut free = blocked;
    for (candidate, standing) in standings(records, found).await? {
        match standing {
            Standing::New => free.push(candidate),
            _ => unclear.push(candidate),
        }
    }
    let (made, found) = insert(records, "users", free).await?;
    taken.counts.made += made.len() as u64;
    if let Some(last) = made.last() {
        taken.witness = Some(last.user.key.clone());
    }
    unclear.extend(found);
    Ok(unclear)
}

/// Insert the records of one collection: those whose was written, and those who have one already.
async fn insert(
    records: &Records,
    collection: &str,
    candidates: Vec<Candidate>,
) -> anyhow::Result<(Vec<Candidate>, Vec<Candidate>)> {
    let puts: Vec<&Put> = candidates.iter().filter_map(|it| put(&it.user, collection)).collect();
    anyhow::ensure!(puts.len() == candidates.len(), "the component left out a record");
    if puts.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let written = records.database.insert(&puts).await.map_err(trouble)?;
    let (mut made, mut found) = (Vec::new(), Vec::new());
    for (candidate, written) in candidates.into_iter().zip(written) {
        if written { made.push(candidate) } else { found.push(candidate) }
    }
    Ok((made, found))
}

/// Tell those who are there as they should be from those who differ.
async fn settle(
    records: &Records,
    candidates: Vec<Candidate>,
    dry_run: bool,
    taken: &mut Taken,
) -> anyhow::Result<()> {
    for (Candidate { line, user }, standing) in standings(records, candidates).await? {
        match standing {
            Standing::New if dry_run => taken.counts.made += 1,
            Standing::Same => {
                taken.counts.there += 1;
                taken.witness = Some(user.key);
            }
            Standing::New => taken.refuse(line, "the user was removed meanwhile; import him again"),
            Standing::Differs => taken.refuse(line, DIFFERS),
            Standing::BlockDiffers => taken.refuse(line, BLOCK_DIFFERS),
        }
    }
    Ok(())
}

/// How each of them stands in the store, in any order. Compares lines, because what is random in a record is
/// not in them; those of all in one go, because that is what costs.
async fn standings(
    records: &Records,
    candidates: Vec<Candidate>,
) -> anyhow::Result<Vec<(Candidate, Standing)>> {
    let found = stream::iter(candidates)
        .map(async |candidate| {
            let found = records.records_of(&["users", "blocked"], &candidate.user.key).await?;
            anyhow::Ok((candidate, found))
        })
        .buffered(LOOK_UPS);
    let found: Vec<(Candidate, [Option<String>; 2])> = found.try_collect().await?;
    let mut standings = Vec::with_capacity(found.len());
    let (mut known, mut pairs) = (Vec::new(), Vec::new());
    for (candidate, [stored, blocked]) in found {
        if stored.is_none() && blocked.is_none() {
            standings.push((candidate, Standing::New));
            continue;
        }
        let wanted = StoredUser {
            user: fresh(&candidate.user, "users")?.context("the component left out a record")?,
            blocked: fresh(&candidate.user, "blocked")?,
        };
        known.push((candidate, stored.is_some()));
        let found = StoredUser { user: stored.unwrap_or_else(|| wanted.user.clone()), blocked };
        pairs.extend([wanted, found]);
    }
    let lines = records.tenant.write_users(pairs).await?;
    anyhow::ensure!(lines.len() == 2 * known.len(), "the component left out a line");
    for ((candidate, is_there), lines) in known.into_iter().zip(lines.chunks(2)) {
        let same = match lines {
            [Ok(wanted), Ok(found)] => {
                let [wanted, found] = [wanted, found].map(|it| serde_json::from_str::<Value>(it));
                same(&wanted?, &found?)
            }
            _ => false,
        };
        let standing = match (is_there, same) {
            (false, true) => Standing::New,
            (false, false) => Standing::BlockDiffers,
            (true, true) => Standing::Same,
            (true, false) => Standing::Differs,
        };
        standings.push((candidate, standing));
    }
    Ok(standings)
}

/// The document that the user is to have in this collection.
fn fresh(user: &NewUser, collection: &str) -> anyhow::Result<Option<String>> {
    let Some(put) = put(user, collection) else { return Ok(None) };
    document::apply(None, &put.edits, &put.key).map(Some).map_err(trouble)
}

fn put<'a>(user: &'a NewUser, collection: &str) -> Option<&'a Put> {
    user.puts.iter().find(|put| put.collection == collection)
}

/// Whether the user is to be blocked.
fn locks(user: &NewUser) -> bool {
    let edits = put(user, "blocked").map_or(&[][..], |put| put.edits.as_slice());
    edits.iter().any(|edit| edit.path == ["blocked"] && edit.value.as_deref() == Some("true"))
}

/// Whether two values are the same one: a store need not keep how a number was written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|it| same(value, it)))
        }
        (Value::Number(one), Value::Number(other)) => {
            let either = |is: fn(&Number) -> bool| is(one) || is(other);
            one == other || (either(Number::is_f64) && one.as_f64() == other.as_f64())
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_however_they_are_written() {
        let is = |one: &str, other: &str| {
            let [one, other] =
                [one, other].map(|text| serde_json::from_str::<Value>(text).unwrap());
            same(&one, &other)
        };
        assert!(is(r#"{"a": 1, "b": [1.50]}"#, r#"{"b":[1.5],"a":1.0}"#));
        assert!(!is(r#"{"a": 1}"#, r#"{"a": 1, "b": null}"#));
        assert!(!is("9007199254740993", "9007199254740992"));
        assert!(!is("true", "\"true\""));
    }
}
