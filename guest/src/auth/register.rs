//! Making users.

use super::{Letter, NewHash};
use crate::address::Address;
use crate::call::{Call, Plan, commit};
use crate::changes::{Changes, UserChange};
use crate::code;
use crate::json;
use crate::outcome::{Code, Failure, Stop};
use crate::password;
use crate::ports::Ports;
use crate::record::{BLOCKED, USERS, Use};
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
    let mut letter = None;
    let mut makes_block_record = false;
    let committed = call.decide(&mut |records| {
        if records.user.is_some() {
            return Err(Code::UserExists.into());
        }
        let mut tally = Tally::begin(ports, records.counts.as_ref())?;
        let mut user = UserChange::new(&call.address.given, data, ports.now().as_secs());
        user.verified(code_length.is_none());
        user.close_foreign_code(ports);
        letter = match code_length {
            Some(length) => {
                let to = &call.address.given;
                Some(Letter::write(&call, &mut tally, &mut user, to, Use::Mailbox, length)?)
            }
            None => None,
        };
        user.password(hash.as_mut().map(|hash| hash.get(ports)).transpose()?);

        let mut changes = Changes::of(&call.address.key);
        user.put(ports, &mut changes)?;
        makes_block_record = records.block.is_none();
        if makes_block_record {
            changes.put(BLOCKED, None, &[(&["blocked"], Some("false".to_owned()))], None);
        }
        tally.settle(&mut changes);
        let code = if letter.is_some() { Code::VerificationSent } else { Code::Success };
        Ok(Plan::accept(changes, code))
    })?;

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
