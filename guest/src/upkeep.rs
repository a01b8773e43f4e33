//! Removing what has run out. Each removal is conditional on the record as it was read, so that
//! what somebody renews at the same time stays.

use crate::call::commit;
use crate::changes::{Changes, UserChange, unverified_until};
use crate::code::CLOCK_TOLERANCE;
use crate::outcome::{Failure, Stop};
use crate::ports::Ports;
use crate::proof::Proofs;
use crate::rate;
use crate::record::{BLOCKED, LIMIT, Records, Stored, USERS, Use, User};
use crate::sessions;
use crate::tally::Tally;

/// Look at up to `limit` overdue addresses; returns how many there were.
///
/// # Errors
/// The store's own.
pub fn sweep(ports: &dyn Ports, limit: u32) -> Result<u32, Failure> {
    let before = ports.now().as_secs().saturating_sub(CLOCK_TOLERANCE);
    let keys = ports.overdue(before, limit)?;
    for key in &keys {
        match sweep_one(ports, key) {
            Ok(()) | Err(Stop::Refused(_)) => {}
            Err(Stop::Failed(failure)) => return Err(failure),
        }
    }
    Ok(u32::try_from(keys.len()).unwrap_or(u32::MAX))
}

/// A record that is overdue is written even when nothing in it has run out, so that it gets a due
/// time anew and does not stand at the head of the queue for ever.
fn sweep_one(ports: &dyn Ports, key: &str) -> Result<(), Stop> {
    let records = Records::load(ports, key)?;
    let mut changes = Changes::of(key);
    if let Some(user) = &records.user {
        sweep_user(ports, user, &records, &mut changes)?;
    }
    if let Some(limit) = &records.limit {
        let now = ports.now();
        let ends = rate::ends(&limit.record, now.as_secs_f64());
        if ends <= now.as_secs() {
            changes.remove(LIMIT, limit.version.clone());
        } else {
            changes.put(LIMIT, Some(limit.version.clone()), &[], Some(ends));
        }
    }
    if records.counts.is_some() {
        Tally::begin(ports, records.counts.as_ref(), &Proofs::default())?.sweep(&mut changes);
    }
    sessions::sweep(ports, &records, &mut changes)?;
    commit(ports, &changes)?; // lost to somebody else: he has just renewed it
    Ok(())
}

fn sweep_user(
    ports: &dyn Ports,
    user: &Stored<User>,
    records: &Records,
    changes: &mut Changes,
) -> Result<(), Stop> {
    let now = ports.now().as_secs();
    if unverified_until(ports, &user.record)?.is_some_and(|until| until <= now) {
        changes.remove(USERS, user.version.clone());
        if let Some(block) = records.block.as_ref().filter(|block| !block.record.blocked) {
            changes.remove(BLOCKED, block.version.clone());
        }
        return Ok(());
    }
    let mut change = UserChange::of(user);
    for of in Use::ALL {
        if user.record.code(of).is_some_and(|open| open.until <= now) {
            change.code(of, None);
        }
    }
    change.renew(ports, changes)
}
