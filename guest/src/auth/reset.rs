//! Setting a new password.

use super::{NewHash, PasswordCheck, call_with_code};
use crate::address::Address;
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::notice::{self, Notice};
use crate::outcome::{Code, Stop};
use crate::password;
use crate::ports::Ports;
use crate::record::Use;
use crate::sessions;
use crate::tally::{Guess, Tally};

/// With the old one: 203.
///
/// # Errors
/// 503, 501, 401, 403, 404, 500.
pub fn reset_password_no_verif(
    ports: &dyn Ports,
    email: &str,
    old_password: &str,
    new_password: &str,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    password::policy(ports, new_password)?;
    let call = Call::admit(ports, address, ignore_rate_limit)?;

    let mut given = PasswordCheck::new(old_password);
    let mut hash = NewHash::new(new_password);
    let mut owner = None;
    let committed = call.decide(&mut |records| {
        let mut tally = call.tally(records)?;
        tally.admit(Guess::Password)?;
        let user = records.user.as_ref();
        let right = given.check(&call, &mut tally, user.map(|user| &user.record))?;
        let mut changes = Changes::of(&call.address.key);
        let Some(user) = user.filter(|_| right) else {
            tally.settle(&mut changes);
            let code = if user.is_some() {
                Code::InvalidOldPassword
            } else {
                call.nobody(Code::InvalidOldPassword)
            };
            return Ok(Plan::refuse(changes, code));
        };
        owner = notice::owner(&user.record, &call.address.key);
        let mut change = UserChange::of(user);
        set_password(ports, &mut change, &mut tally, hash.get(ports)?);
        change.put(ports, &mut changes)?;
        sessions::remove(records, &mut changes);
        tally.settle(&mut changes);
        Ok(Plan::accept(changes, Code::PasswordReset))
    })?;
    notice::done(ports, owner, Notice::PasswordChanged);
    Ok(committed.code)
}

/// With a mailbox code: 203, and the user is verified, as the mailbox is proven.
///
/// # Errors
/// 503, 501, 401, 403, 404, 417.
pub fn verify_reset_code_and_reset_password(
    ports: &dyn Ports,
    email: &str,
    reset_code: &str,
    new_password: &str,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    password::policy(ports, new_password)?;
    let call = Call::admit(ports, address, ignore_rate_limit)?;

    let mut hash = NewHash::new(new_password);
    let mut owner = None;
    let code = call_with_code(
        &call,
        reset_code,
        |_| Use::Mailbox,
        Code::PasswordReset,
        |effect| {
            effect.change.verified(true);
            owner = notice::owner(effect.change.after(), &call.address.key);
            set_password(ports, effect.change, effect.tally, hash.get(ports)?);
            sessions::remove(effect.records, effect.changes);
            Ok(())
        },
    )?;
    notice::done(ports, owner, Notice::PasswordReset);
    Ok(code)
}

/// A completed reset: every open code is void, every session ends, and nobody waits for older guesses.
fn set_password(ports: &dyn Ports, change: &mut UserChange<'_>, tally: &mut Tally, hash: &str) {
    change.password(Some(hash));
    change.void_codes();
    change.close_foreign_code(ports);
    change.end_sessions(ports);
    tally.forgive();
}
