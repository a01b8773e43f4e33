//! Giving an account another address.

use super::{PasswordCheck, check_code};
use crate::address::Address;
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::notice::{self, Notice};
use crate::outcome::{Code, Failure, Stop};
use crate::ports::Ports;
use crate::rate;
use crate::record::{BLOCKED, LIMIT, Records, Use};
use crate::sessions;
use crate::settings;
use crate::tally::{Guess, Tally};

/// With the password: 200.
///
/// # Errors
/// 503, 401, 403, 404, 501, 402.
pub fn change_email_no_verif(
    ports: &dyn Ports,
    email: &str,
    new_email: &str,
    password: &str,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    change_email(ports, email, new_email, Some(password), None, ignore_rate_limit)
}

/// With a mailbox code and, where it is given, the password: 200.
///
/// # Errors
/// 503, 401, 403, 404, 501, 417, 402.
pub fn verify_reset_code_and_change_email(
    ports: &dyn Ports,
    email: &str,
    reset_code: &str,
    new_email: &str,
    password: Option<&str>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    change_email(ports, email, new_email, password, Some(reset_code), ignore_rate_limit)
}

fn change_email(
    ports: &dyn Ports,
    email: &str,
    new_email: &str,
    password: Option<&str>,
    code: Option<&str>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    let new = Address::new(new_email)?;
    let call = Call::admit(ports, address, ignore_rate_limit)?;

    let mut given = password.map(PasswordCheck::new);
    let mut owner = None;
    let committed = call.decide(&mut |records| {
        let mut tally = call.tally(records)?;
        if given.is_some() {
            tally.admit(Guess::Password)?;
        }
        if code.is_some() {
            tally.admit(Guess::Code)?;
        }
        let mut changes = Changes::of(&call.address.key);
        if let Some(given) = &mut given
            && !given.check(&call, &mut tally, records.user.as_ref().map(|user| &user.record))?
        {
            tally.settle(&mut changes);
            let code = if records.user.is_some() {
                Code::InvalidPassword
            } else {
                call.nobody(Code::InvalidPassword)
            };
            return Ok(Plan::refuse(changes, code));
        }
        let user = records.user.as_ref().ok_or_else(|| call.nobody(Code::InvalidCode))?;
        let mut change = UserChange::of(user);
        if let Some(code) = code
            && !check_code(&call, &mut tally, &mut change, &user.record, Use::Mailbox, code)?
        {
            change.put(ports, &mut changes)?;
            tally.settle(&mut changes);
            return Ok(Plan::refuse(changes, Code::InvalidCode));
        }
        owner = notice::owner(&user.record, &call.address.key);
        change.unproven(true);
        move_to(&call, records, change, tally, &new)
    })?;
    notice::done(ports, owner, Notice::AddressChanged);
    Ok(committed.code)
}

/// Why an address cannot be had: it has a user, or is blocked.
pub(crate) fn whose(ports: &dyn Ports, theirs: &Records) -> Result<Option<Code>, Stop> {
    Ok(if theirs.user.is_some() {
        Some(Code::UserExists)
    } else if theirs.is_blocked() && settings::BLOCKING.read(ports).map_err(Failure::from)? {
        Some(Code::UserBlocked)
    } else {
        None
    })
}

/// Move everything of a user who has shown all secrets to another address, if it can be had: only he
/// learns that. Every open code is void and every session ends. Where it cannot, the code is not used
/// up; that the guesses were right is paid for all the same.
pub(crate) fn move_to(
    call: &Call<'_>,
    records: &Records,
    mut change: UserChange<'_>,
    tally: Tally,
    new: &Address,
) -> Result<Plan, Stop> {
    let ports = call.ports;
    let mut changes = Changes::of(&call.address.key);
    let theirs = Records::load(ports, &new.key)?;
    if let Some(taken) = whose(ports, &theirs)? {
        tally.settle(&mut changes);
        return Ok(Plan::refuse(changes, taken));
    }
    change.void_codes();
    change.close_foreign_code(ports);
    change.address(&new.given);
    change.end_sessions(ports);
    // The block first and the user next: where they are moved one by one, a blocked user never
    // stands without his block.
    let mut at_new = Changes::of(&new.key);
    move_block(records, &theirs, &mut changes, &mut at_new, &new.key);
    change.relocate(ports, &mut changes, &new.key)?;
    let now = ports.now().as_secs_f64();
    move_limit(records, &theirs, &mut changes, &mut at_new, &new.key, now);
    sessions::remove(records, &mut changes);
    tally.settle(&mut changes);
    at_new.append(changes);
    Ok(Plan::accept(at_new, Code::Success))
}

/// A block record that says false gives way; one that says blocked stays.
fn move_block(
    ours: &Records,
    theirs: &Records,
    at_old: &mut Changes,
    at_new: &mut Changes,
    to: &str,
) {
    let Some(block) = &ours.block else {
        return at_new.expect(BLOCKED, theirs.block.as_ref().map(|block| block.version.clone()));
    };
    match &theirs.block {
        None => at_old.relocate(BLOCKED, block, to, None),
        Some(there) if !there.record.blocked => {
            at_new.remove(BLOCKED, there.version.clone());
            at_old.relocate(BLOCKED, block, to, None);
        }
        Some(there) => {
            at_new.expect(BLOCKED, Some(there.version.clone()));
            at_old.remove(BLOCKED, block.version.clone());
        }
    }
}

/// The later limit wins.
fn move_limit(
    ours: &Records,
    theirs: &Records,
    at_old: &mut Changes,
    at_new: &mut Changes,
    to: &str,
    now: f64,
) {
    let Some(limit) = &ours.limit else { return };
    if let Some(there) = &theirs.limit {
        if there.record.last_action > limit.record.last_action {
            return at_old.remove(LIMIT, limit.version.clone());
        }
        at_new.remove(LIMIT, there.version.clone());
    }
    at_old.relocate(LIMIT, limit, to, Some(rate::ends(&limit.record, now)));
}
