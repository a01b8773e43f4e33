//! Another address for somebody who is signed in: the change happens only with a code that was sent to
//! the new address.

use super::{Found, find, found};
use crate::address::Address;
use crate::auth::{Letter, PasswordCheck, check_code, move_to, whose};
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::code;
use crate::notice::{self, Notice};
use crate::outcome::{Code, Refusal, Stop};
use crate::ports::Ports;
use crate::proof::Proofs;
use crate::record::{OpenCode, Records, Stored, Use, User};
use crate::tally::{Guess, Tally};

/// How long a sign-in stands for the password, in seconds.
const FRESH: u64 = 600;

/// Mail a code to the new address: 201. The old address is told.
///
/// # Errors
/// 503, 502, 401, 501; 402 and 403, unless accounts are hidden.
pub fn request_email_change(
    ports: &dyn Ports,
    token: &str,
    new_email: &str,
    password: Option<&str>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let new = Address::new(new_email)?;
    let length = code::length(ports, None)?;
    let signed_in = find(ports, token)?;
    let call = Call::admit(ports, Address::known(&signed_in.key)?, ignore_rate_limit)?;

    let mut given = password.map(PasswordCheck::new);
    let mut letter = None;
    let mut owner = None;
    let mut old = String::new();
    let mut former: Option<OpenCode> = None;
    let committed = call.decide(&mut |records| {
        (letter, owner) = (None, None);
        let user = user_of(ports, records, &signed_in)?;
        let mut tally = call.tally(records)?;
        let mut changes = Changes::of(&call.address.key);
        match &mut given {
            Some(given) => {
                tally.admit(Guess::Password)?;
                if !given.check(&call, &mut tally, Some(&user.record))? {
                    tally.settle(&mut changes);
                    return Ok(Plan::refuse(changes, Code::InvalidPassword));
                }
            }
            None if ports.now().as_secs().saturating_sub(signed_in.session.made) >= FRESH => {
                let why = "the password is needed: the sign-in is older than ten minutes";
                return Err(Refusal::because(Code::InvalidPassword, why).into());
            }
            None => {}
        }
        let theirs = Records::load(ports, &new.key)?;
        let mut mails = Tally::begin(ports, theirs.counts.as_ref(), &Proofs::default())?;
        let taken = whose(ports, &theirs)?;
        let mut change = UserChange::of(user);
        let mut answer = mails.mail(Use::NewMail).map(|()| Code::VerificationSent);
        if answer.is_ok() {
            let prepared =
                Letter::prepare(&call, &new.given, Use::NewMail, Some(&new.given), length)?;
            match (taken, call.hides) {
                (None, _) => {
                    former = user.record.code(Use::NewMail).cloned();
                    change.code(Use::NewMail, Some(prepared.open()));
                    letter = Some(prepared);
                }
                (Some(taken), false) => answer = Err(taken.into()),
                (Some(_), true) => match &theirs.user {
                    Some(their) => owner = Some(their.record.mail_address(&new.key).to_owned()),
                    None => letter = Some(prepared),
                },
            }
        }
        old = user.record.mail_address(&call.address.key).to_owned();
        change.put(ports, &mut changes)?;
        tally.settle(&mut changes);
        if answer.is_ok() {
            let mut at_new = Changes::of(&new.key);
            mails.settle(&mut at_new);
            changes.append(at_new);
        }
        match answer {
            Ok(code) => Ok(Plan::accept(changes, code)),
            Err(Stop::Refused(refusal)) => Ok(Plan::refuse(changes, refusal)),
            Err(failed) => Err(failed),
        }
    })?;

    if let Some(letter) = letter {
        letter.send_or_restore(&call, &committed, former.as_ref())?;
    }
    if let Some(owner) = owner {
        notice::tell(ports, &owner, Notice::Wanted);
    }
    notice::tell(ports, &old, Notice::Leaving(&new.given));
    Ok(committed.code)
}

/// Give the account the address that was asked for: 200. All sessions end.
///
/// # Errors
/// 502, 401, 417, 402, 403.
pub fn confirm_email_change(
    ports: &dyn Ports,
    token: &str,
    code: &str,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let signed_in = find(ports, token)?;
    let call = Call::admit(ports, Address::known(&signed_in.key)?, ignore_rate_limit)?;

    let mut owner = None;
    let committed = call.decide(&mut |records| {
        let user = user_of(ports, records, &signed_in)?;
        let mut tally = call.tally(records)?;
        tally.admit(Guess::Code)?;
        let mut changes = Changes::of(&call.address.key);
        let mut change = UserChange::of(user);
        let new = user.record.code(Use::NewMail).and_then(|open| open.address.clone());
        let right = check_code(&call, &mut tally, &mut change, &user.record, Use::NewMail, code)?;
        let Some(new) = new.filter(|_| right) else {
            change.put(ports, &mut changes)?;
            tally.settle(&mut changes);
            return Ok(Plan::refuse(changes, Code::InvalidCode));
        };
        owner = notice::owner(&user.record, &call.address.key);
        let new = Address::new(&new)?;
        move_to(&call, records, change, tally, &new)
    })?;
    notice::done(ports, owner, Notice::AddressChanged);
    Ok(committed.code)
}

/// The user whose session it is, if it still is one by what was read now.
fn user_of<'r>(
    ports: &dyn Ports,
    records: &'r Records,
    signed_in: &Found,
) -> Result<&'r Stored<User>, Stop> {
    found(ports, signed_in.key.clone(), records.clone(), &signed_in.session.digest)?;
    records.user.as_ref().ok_or_else(|| Code::InvalidCredentials.into())
}
