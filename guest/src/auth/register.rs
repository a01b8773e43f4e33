//! Making users.

use super::{Letter, NewHash, PasswordCheck};
use crate::address::Address;
use crate::call::{Call, Plan, commit};
use crate::changes::{Changes, UserChange};
use crate::code;
use crate::json;
use crate::notice::{self, Notice};
use crate::outcome::{Code, Failure, Stop};
use crate::password;
use crate::ports::Ports;
use crate::record::{BLOCKED, Records, USERS, Use};
use crate::settings;
use crate::tally::Tally;

/// An unverified user with a password, and a code in the mail: 201.
///
/// # Errors
/// 503, 501, 400, 401, 403, 402.
pub fn register_user(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    custom_data: Option<&str>,
    cust_length: Option<i64>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::new(email)?;
    password::policy(ports, password)?;
    let length = code::length(ports, cust_length)?;
    register(ports, address, Some(password), custom_data, Some(length), ignore_rate_limit)
}

/// A user with a password who counts as verified: 200.
///
/// # Errors
/// 503, 501, 400, 401, 403, 402.
pub fn register_user_no_verif(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    custom_data: Option<&str>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::new(email)?;
    password::policy(ports, password)?;
    register(ports, address, Some(password), custom_data, None, ignore_rate_limit)
}

/// An unverified user without a password, and a code in the mail: 201.
///
/// # Errors
/// 503, 400, 401, 403, 402.
pub fn register_user_no_pass(
    ports: &dyn Ports,
    email: &str,
    custom_data: Option<&str>,
    cust_length: Option<i64>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::new(email)?;
    let length = code::length(ports, cust_length)?;
    register(ports, address, None, custom_data, Some(length), ignore_rate_limit)
}

/// With `code_length`, unverified and with a code in the mail; without, verified.
fn register(
    ports: &dyn Ports,
    address: Address,
    password: Option<&str>,
    custom_data: Option<&str>,
    code_length: Option<usize>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let data = custom_data.unwrap_or("{}");
    json::check(data, settings::CUSTOM_DATA_LIMIT.read(ports).map_err(Failure::from)?)?;
    let call = Call::admit(ports, address, ignore_rate_limit)?;

    let mut hash = password.map(NewHash::new);
    let mut given = password.map(PasswordCheck::new);
    let mut letter = None;
    let mut told = None;
    let mut makes_block_record = false;
    let committed = call.decide(&mut |records| {
        (letter, told) = (None, None);
        let mut tally = call.tally(records)?;
        let mut changes = Changes::of(&call.address.key);
        if let Some(length) = code_length.filter(|_| call.hides)
            && (records.user.is_some() || records.shut)
        {
            let mailed = taken(&call, records, given.as_mut(), &mut tally, &mut changes, length)?;
            (letter, told) = (mailed.letter, mailed.owner);
            tally.settle(&mut changes);
            return Ok(Plan::accept(changes, Code::VerificationSent));
        }
        if records.user.is_some() {
            return Err(Code::UserExists.into());
        }
        if records.shut {
            return Err(Code::UserBlocked.into());
        }
        let mut user = UserChange::new(&call.address.given, data, ports);
        user.verified(code_length.is_none());
        user.unproven(code_length.is_none());
        user.close_foreign_code(ports);
        letter = match code_length {
            Some(length) => {
                let to = &call.address.given;
                Some(Letter::write(&call, &mut tally, &mut user, to, Use::Mailbox, length)?)
            }
            None => None,
        };
        user.password(hash.as_mut().map(|hash| hash.get(ports)).transpose()?);

        user.put(ports, &mut changes)?;
        makes_block_record = records.block.is_none();
        if makes_block_record {
            changes.put(BLOCKED, None, &[(&["blocked"], Some("false".to_owned()))], None);
        }
        tally.settle(&mut changes);
        let code = if letter.is_some() { Code::VerificationSent } else { Code::Success };
        Ok(Plan::accept(changes, code))
    })?;

    if let Some(owner) = told {
        notice::tell(ports, &owner, Notice::Registered);
    }
    let Some(letter) = letter else { return Ok(committed.code) };
    letter.send(&call).or_else(|refused| {
        // Nobody can ever verify this user. If he is as we made him, he goes again.
        let mut versions = committed.versions.into_iter();
        let mut undo = Changes::of(&call.address.key);
        if let Some(user) = versions.next() {
            undo.remove(USERS, user);
        }
        if let Some(block) = versions.next().filter(|_| makes_block_record) {
            undo.remove(BLOCKED, block);
        }
        commit(ports, &undo)?;
        Err(refused)
    })?;
    Ok(committed.code)
}

/// What is mailed where an address cannot be registered and the caller must not learn of it.
struct Mailed {
    letter: Option<Letter>,
    /// Who is told that somebody tried.
    owner: Option<String>,
}

/// An address that has a user, or is blocked, where accounts are hidden. It costs as much as making
/// a user: one mail, one hash.
///
/// A user who never proved his mailbox gets a new code, and loses a password other than this one: a
/// stranger may have set it, and the owner of the mailbox must not confirm that.
fn taken(
    call: &Call<'_>,
    records: &Records,
    given: Option<&mut PasswordCheck<'_>>,
    tally: &mut Tally,
    changes: &mut Changes,
    length: usize,
) -> Result<Mailed, Stop> {
    let user = records.user.as_ref();
    let unverified = user.filter(|user| !user.record.verified);
    let of_nobody = unverified.is_none();
    let same = match given {
        Some(given) if of_nobody => given.pretend(call).map(|()| false)?,
        Some(given) => match unverified.and_then(|user| user.record.password.as_deref()) {
            Some(stored) => given.fits(call, stored)?,
            None => given.pretend(call).map(|()| true)?,
        },
        None => unverified.is_some_and(|user| user.record.password.is_none()),
    };
    let Some(user) = unverified else {
        let to = &call.address.key;
        let decoy = Letter::decoy(call, tally, to, Use::Mailbox, length)?;
        return Ok(match user {
            Some(user) => {
                let owner = user.record.mail_address(to).to_owned();
                Mailed { letter: None, owner: Some(owner) }
            }
            None => Mailed { letter: Some(decoy), owner: None },
        });
    };
    let mut change = UserChange::of(user);
    let to = user.record.mail_address(&call.address.key);
    let letter = Letter::write(call, tally, &mut change, to, Use::Mailbox, length)?;
    if !same {
        change.password(None);
    }
    change.put(call.ports, changes)?;
    Ok(Mailed { letter: Some(letter), owner: None })
}
