//! Mailing a code.

use super::Letter;
use crate::address::Address;
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::code;
use crate::outcome::{Code, Stop};
use crate::ports::Ports;
use crate::record::{OpenCode, Use};

/// A new mailbox code, which replaces the open one: 201.
///
/// # Errors
/// 503, 400, 401, 403, 404.
pub fn generate_code(
    ports: &dyn Ports,
    email: &str,
    cust_length: Option<i64>,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    let length = code::length(ports, cust_length)?;
    let call = Call::admit(ports, address, ignore_rate_limit)?;

    let mut letter = None;
    let mut former: Option<OpenCode> = None;
    let committed = call.decide(&mut |records| {
        let mut tally = call.tally(records)?;
        let mut changes = Changes::of(&call.address.key);
        let Some(user) = &records.user else {
            if !call.hides {
                return Err(Code::UserNotFound.into());
            }
            let to = &call.address.key;
            letter = Some(Letter::decoy(&call, &mut tally, to, Use::Mailbox, length)?);
            tally.settle(&mut changes);
            return Ok(Plan::accept(changes, Code::VerificationSent));
        };
        let mut change = UserChange::of(user);
        former = user.record.code(Use::Mailbox).cloned();
        let to = user.record.mail_address(&call.address.key);
        letter = Some(Letter::write(&call, &mut tally, &mut change, to, Use::Mailbox, length)?);
        change.put(ports, &mut changes)?;
        tally.settle(&mut changes);
        Ok(Plan::accept(changes, Code::VerificationSent))
    })?;

    if let Some(letter) = letter {
        letter.send_or_restore(&call, &committed, former.as_ref())?;
    }
    Ok(committed.code)
}
