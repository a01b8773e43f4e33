//! Deleting accounts.

use super::{PasswordCheck, check_code};
use crate::address::Address;
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::notice::{self, Notice};
use crate::outcome::{Code, Refusal, Stop};
use crate::ports::{Change, Ports, StoreError};
use crate::record::{BLOCKED, Records, USERS, Use};
use crate::sessions;
use crate::tally::Guess;

/// With the password: 204.
///
/// # Errors
/// 503, 401, 403, 404, 501, 410, 420, 421.
pub fn delete_user(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    del_from_blocking: bool,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    delete(ports, email, password, None, del_from_blocking, ignore_rate_limit)
}

/// With the password, which is empty for a user who has none, and a mailbox code: 204.
///
/// # Errors
/// 503, 401, 403, 404, 501, 417, 410, 420, 421.
pub fn delete_user_with_verif(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    code: &str,
    del_from_blocking: bool,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    delete(ports, email, password, Some(code), del_from_blocking, ignore_rate_limit)
}

fn delete(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    code: Option<&str>,
    del_from_blocking: bool,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let call = Call::admit(ports, Address::known(email)?, ignore_rate_limit)?;

    let mut given = PasswordCheck::new(password);
    let mut owner = None;
    let decided = call.decide(&mut |records| {
        let mut tally = call.tally(records)?;
        tally.admit(Guess::Password)?;
        if code.is_some() {
            tally.admit(Guess::Code)?;
        }
        let user = records.user.as_ref();
        let needs_none = code.is_some()
            && password.is_empty()
            && user.is_some_and(|user| user.record.password.is_none());
        let mut changes = Changes::of(&call.address.key);
        if call.hides && code.is_some() && password.is_empty() && !needs_none {
            // As if he were a user without a password, whose code it is not.
            tally.wrong(Guess::Code);
            tally.settle(&mut changes);
            return Ok(Plan::refuse(changes, Code::InvalidCode));
        }
        let right = needs_none || given.check(&call, &mut tally, user.map(|user| &user.record))?;
        let Some(user) = user.filter(|_| right) else {
            tally.settle(&mut changes);
            let code = if user.is_some() {
                Code::InvalidPassword
            } else {
                call.nobody(Code::InvalidPassword)
            };
            return Ok(Plan::refuse(changes, code));
        };
        if let Some(code) = code {
            let mut change = UserChange::of(user);
            if !check_code(&call, &mut tally, &mut change, &user.record, Use::Mailbox, code)? {
                change.put(ports, &mut changes)?;
                tally.settle(&mut changes);
                return Ok(Plan::refuse(changes, Code::InvalidCode));
            }
        }
        owner = notice::owner(&user.record, &call.address.key);
        tally.settle(&mut changes);
        changes.remove(USERS, user.version.clone());
        sessions::remove(records, &mut changes);
        settle_block(records, del_from_blocking, &mut changes);
        Ok(Plan { failed: how_far, ..Plan::accept(changes, Code::UserDeleted) })
    });
    let is_gone = match &decided {
        Ok(_) => true,
        Err(Stop::Refused(Refusal { code, .. })) => *code == Code::NotDeletedBlocked,
        Err(Stop::Failed(_)) => false,
    };
    notice::done(ports, owner.filter(|_| is_gone), Notice::Deleted);
    Ok(decided?.code)
}

/// The block record goes with the user, unless it says blocked and is to be kept: the address then
/// cannot come back.
fn settle_block(records: &Records, del_from_blocking: bool, changes: &mut Changes) {
    match &records.block {
        None => changes.expect(BLOCKED, None),
        Some(block) if block.record.blocked && !del_from_blocking => {
            changes.expect(BLOCKED, Some(block.version.clone()));
        }
        Some(block) => changes.remove(BLOCKED, block.version.clone()),
    }
}

/// Which of the two records are still there.
fn how_far(changes: &Changes, error: StoreError) -> Stop {
    let removes = |of: &str| {
        changes
            .as_slice()
            .iter()
            .position(|change| matches!(change, Change::Remove(it) if it.collection == of))
    };
    let applied = match error {
        StoreError::Partial(partial) => partial.applied as usize,
        _ => 0,
    };
    let user_is_gone = removes(USERS).is_some_and(|at| at < applied);
    let code = match removes(BLOCKED) {
        _ if user_is_gone => Code::NotDeletedBlocked,
        Some(_) => Code::NotDeletedAll,
        None => Code::NotDeleted,
    };
    code.into()
}
