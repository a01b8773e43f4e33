//! What an application does with the accounts of its users: no limit, no block, no secret.
//!
//! An address of an impossible form is one that nobody has.

use core::cell::Cell;

use crate::address::Address;
use crate::call::commit;
use crate::changes::{Changes, UserChange};
use crate::json;
use crate::notice::{self, Notice};
use crate::outcome::{Code, Failure, Refusal, Stop};
use crate::ports::Ports;
use crate::proof::Proofs;
use crate::rate;
use crate::record::{BLOCKED, Records, Stored, User};
use crate::sessions;
use crate::settings;
use crate::tally::Tally;

/// Block an address: success, 403.
///
/// # Errors
/// 404.
pub fn block_user(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let told = Cell::new(None);
    let code = decide(ports, email, &|records, changes| {
        let user = user_of(records)?;
        told.set(owner(user, email).filter(|_| !records.is_blocked()));
        // The user first: one who is being moved to another address would leave the block behind.
        let mut change = UserChange::of(user);
        change.end_sessions(ports);
        change.put(ports, changes)?;
        sessions::remove(records, changes);
        set_block(records, changes, true);
        Ok(Code::UserBlocked)
    })?;
    notice::done(ports, told.take(), Notice::Blocked);
    Ok(code)
}

/// End a block, and the waits after wrong guesses: 207.
///
/// # Errors
/// 404, 423.
pub fn unblock_user(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let told = Cell::new(None);
    let code = decide(ports, email, &|records, changes| {
        if records.block.is_none() {
            return Err(match records.user {
                Some(_) => Code::NoBlockRecord.into(),
                None => Code::UserNotFound.into(),
            });
        }
        let user = records.user.as_ref().filter(|_| records.is_blocked());
        told.set(user.and_then(|user| owner(user, email)));
        set_block(records, changes, false);
        let mut tally = Tally::begin(ports, records.counts.as_ref(), &Proofs::default())?;
        tally.forgive();
        tally.settle(changes);
        Ok(Code::UserUnblocked)
    })?;
    notice::done(ports, told.take(), Notice::Unblocked);
    Ok(code)
}

/// Success with 403 when blocked, and with 404 when there is nobody and no record.
///
/// # Errors
/// 301, 423.
pub fn is_blocked(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let Ok(address) = Address::known(email) else { return Ok(Code::UserNotFound) };
    let records = Records::load(ports, &address.key)?;
    match (&records.block, &records.user) {
        (Some(block), _) if block.record.blocked => Ok(Code::UserBlocked),
        (Some(_), _) => Err(Code::NotBlocked.into()),
        (None, Some(_)) => Err(Code::NoBlockRecord.into()),
        (None, None) => Ok(Code::UserNotFound),
    }
}

/// 300 when verified.
///
/// # Errors
/// 302, 404.
pub fn is_verified(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let records = load(ports, email)?;
    if user_of(&records)?.record.verified {
        Ok(Code::UserVerified)
    } else {
        Err(Code::NotVerified.into())
    }
}

/// Whole seconds since the last request, at least 0; -1 when there was none.
///
/// # Errors
/// A failure of the store.
pub fn time_since_request(ports: &dyn Ports, email: &str) -> Result<i64, Failure> {
    let records = match load(ports, email) {
        Ok(records) => records,
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Refused(_)) => return Ok(-1),
    };
    let now = ports.now().as_secs_f64();
    Ok(records.limit.map_or(-1, |limit| rate::since_last(&limit.record, now)))
}

/// All custom data, as JSON text.
///
/// # Errors
/// 404.
pub fn get_cust_usr_data(ports: &dyn Ports, email: &str) -> Result<String, Stop> {
    let records = load(ports, email)?;
    Ok(user_of(&records)?.record.custom_data().to_owned())
}

/// One top-level field of the custom data, as JSON text.
///
/// # Errors
/// 404, 412.
pub fn get_some_cust_usr_data(ports: &dyn Ports, email: &str, field: &str) -> Result<String, Stop> {
    let records = load(ports, email)?;
    let data = user_of(&records)?.record.custom_data();
    let value = json::fields(data).and_then(|fields| fields.get(field).map(str::to_owned));
    value.ok_or_else(|| Code::FieldNotFound.into())
}

/// Replace all custom data: 206.
///
/// # Errors
/// 404, 400.
pub fn replace_usr_data(ports: &dyn Ports, email: &str, custom_data: &str) -> Result<Code, Stop> {
    json::check(custom_data, data_limit(ports)?)?;
    decide(ports, email, &|records, changes| {
        let mut change = UserChange::of(user_of(records)?);
        change.set(&["custom_data"], Some(custom_data.to_owned()));
        change.put(ports, changes)?;
        Ok(Code::DataChanged)
    })
}

/// Replace one top-level field that is there: 205.
///
/// # Errors
/// 404, 400, 412.
pub fn update_usr_data(
    ports: &dyn Ports,
    email: &str,
    field: &str,
    custom_data: &str,
) -> Result<Code, Stop> {
    let limit = data_limit(ports)?;
    json::check(custom_data, limit)?;
    decide(ports, email, &|records, changes| {
        let user = user_of(records)?;
        let data = user.record.custom_data();
        let fields = json::fields(data);
        let former =
            fields.as_ref().and_then(|fields| fields.get(field)).ok_or(Code::FieldNotFound)?;
        let after = data.len() - former.len() + custom_data.len();
        if after as u64 > limit {
            let why = format!("custom_data: would have {after} bytes, more than {limit}");
            return Err(Refusal::because(Code::Error, why).into());
        }
        let mut change = UserChange::of(user);
        // Only this field: what stands in the others may be more than JSON can say.
        change.set(&["custom_data", field], Some(custom_data.to_owned()));
        change.put(ports, changes)?;
        Ok(Code::FieldUpdated)
    })
}

fn load(ports: &dyn Ports, email: &str) -> Result<Records, Stop> {
    let Ok(address) = Address::known(email) else { return Err(Code::UserNotFound.into()) };
    Records::load(ports, &address.key)
}

pub(crate) fn user_of(records: &Records) -> Result<&Stored<User>, Stop> {
    records.user.as_ref().ok_or_else(|| Code::UserNotFound.into())
}

/// Who is told what becomes of this user.
pub(crate) fn owner(user: &Stored<User>, email: &str) -> Option<String> {
    notice::owner(&user.record, &email.to_ascii_lowercase())
}

fn data_limit(ports: &dyn Ports) -> Result<u64, Stop> {
    Ok(settings::CUSTOM_DATA_LIMIT.read(ports).map_err(Failure::from)?)
}

fn set_block(records: &Records, changes: &mut Changes, blocked: bool) {
    let version = records.block.as_ref().map(|block| block.version.clone());
    changes.put(BLOCKED, version, &[(&["blocked"], Some(blocked.to_string()))], None);
}

/// Load, decide, commit; and again when somebody else was faster.
pub(crate) fn decide(
    ports: &dyn Ports,
    email: &str,
    decision: &dyn Fn(&Records, &mut Changes) -> Result<Code, Stop>,
) -> Result<Code, Stop> {
    let Ok(address) = Address::known(email) else { return Err(Code::UserNotFound.into()) };
    loop {
        let records = Records::load(ports, &address.key)?;
        let mut changes = Changes::of(&address.key);
        let code = decision(&records, &mut changes)?;
        if commit(ports, &changes)?.is_some() {
            return Ok(code);
        }
    }
}
