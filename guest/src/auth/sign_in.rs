//! Signing in: the password, and the second step.

use super::{Effect, Letter, NewHash, PasswordCheck, call_with_code};
use crate::address::Address;
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::code;
use crate::outcome::{Code, Failure, Refusal, Stop};
use crate::password::{Cost, is_outdated};
use crate::ports::Ports;
use crate::record::{OpenCode, Use, User};
use crate::sessions::{self, Opening};
use crate::settings;
use crate::tally::Guess;

/// Check a password: 202. With `mfa`, or where the tenant requires it, 201 and a code in the mail.
///
/// # Errors
/// 503, 400, 401, 403, 404, 502, 302.
pub fn authenticate_user(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    mfa: bool,
    cust_length: Option<i64>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    let length = code::length(ports, cust_length)?;
    let call = Call::admit(ports, address, ignore_rate_limit)?;
    with_password(&call, password, mfa, length, None)
}

/// The first step. Where it is the last one too, `opening` is filled with a session.
pub(crate) fn with_password(
    call: &Call<'_>,
    password: &str,
    mfa: bool,
    length: usize,
    mut opening: Option<&mut Opening<'_>>,
) -> Result<Code, Stop> {
    let ports = call.ports;
    let mfa = mfa || settings::REQUIRE_MFA.read(ports).map_err(Failure::from)?;
    let upgrade = settings::UPGRADE_HASHES.read(ports).map_err(Failure::from)?;
    let cost = Cost::configured(ports)?;

    let mut given = PasswordCheck::new(password);
    let mut fresh_hash = NewHash::new(password);
    let mut letter: Option<Letter> = None;
    let mut former: Option<OpenCode> = None;
    let committed = call.decide(&mut |records| {
        letter = None;
        let mut tally = call.tally(records)?;
        tally.admit(Guess::Password)?;
        let user = records.user.as_ref();
        let right = given.check(call, &mut tally, user.map(|user| &user.record))?;
        let mut changes = Changes::of(&call.address.key);
        let Some(user) = user.filter(|_| right) else {
            tally.settle(&mut changes);
            let code = if user.is_some() {
                Code::InvalidCredentials
            } else {
                call.nobody(Code::InvalidCredentials)
            };
            return Ok(Plan::refuse(changes, code));
        };

        let mut change = UserChange::of(user);
        let (mut writes, mut opened) = (false, false);
        if upgrade
            && user.record.password.as_deref().is_some_and(|stored| is_outdated(stored, cost))
        {
            change.password(Some(fresh_hash.get(ports)?));
            writes = true;
        }
        let answer = if !user.record.verified {
            Err(Refusal::from(Code::NotVerified))
        } else if mfa {
            former = user.record.code(Use::Mfa).cloned();
            let to = user.record.mail_address(&call.address.key);
            match Letter::write(call, &mut tally, &mut change, to, Use::Mfa, length) {
                Ok(written) => {
                    letter = Some(written);
                    writes = true;
                    Ok(Code::VerificationSent)
                }
                // Too many mails; the guess was right all the same, and is paid for.
                Err(Stop::Refused(refusal)) => Err(refusal),
                Err(failed) => return Err(failed),
            }
        } else {
            if let Some(opening) = &mut opening {
                opening.open(call, records, change.after(), false, &mut changes)?;
                (writes, opened) = (true, true);
            }
            Ok(Code::Authenticated)
        };
        if change.after().password != user.record.password && !opened {
            sessions::carry_over(ports, records, change.after(), &mut changes)?;
        }
        if writes {
            change.put(ports, &mut changes)?;
        }
        tally.settle(&mut changes);
        Ok(Plan::of(changes, answer))
    })?;

    if let Some(letter) = letter {
        letter.send_or_restore(call, &committed, former.as_ref())?;
    }
    Ok(committed.code)
}

/// The second step: 202.
///
/// A user without a password proves himself by his mailbox alone, and is verified by that.
///
/// # Errors
/// 503, 401, 403, 404, 417.
pub fn verify_mfa_code(
    ports: &dyn Ports,
    email: &str,
    code: &str,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let call = Call::admit(ports, Address::known(email)?, ignore_rate_limit)?;
    with_code(&call, code, None)
}

/// The second step, or the only one; `opening` is filled with a session.
pub(crate) fn with_code(
    call: &Call<'_>,
    code: &str,
    mut opening: Option<&mut Opening<'_>>,
) -> Result<Code, Stop> {
    let of = |user: &User| if user.password.is_none() { Use::Mailbox } else { Use::Mfa };
    call_with_code(call, code, of, Code::Authenticated, |effect| {
        if effect.user.password.is_none() && !effect.user.verified {
            effect.change.verified(true);
        }
        effect.change.close_foreign_code(call.ports);
        if let Some(opening) = &mut opening {
            let Effect { records, change, changes, of, .. } = effect;
            opening.open(call, records, change.after(), *of == Use::Mfa, changes)?;
        }
        Ok(())
    })
}
