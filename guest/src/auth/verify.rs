//! Proving a mailbox.

use super::check_code;
use crate::address::Address;
use crate::call::{Call, Plan};
use crate::changes::{Changes, UserChange};
use crate::outcome::{Code, Stop};
use crate::ports::Ports;
use crate::record::Use;
use crate::tally::{Guess, Tally};

/// With the code from the mail: 300, the user is verified.
///
/// # Errors
/// 503, 401, 403, 404, 417.
pub fn verify_user(
    ports: &dyn Ports,
    email: &str,
    code: &str,
    ignore_rate_limit: bool,
) -> Result<Code, Stop> {
    let call = Call::admit(ports, Address::known(email)?, ignore_rate_limit)?;
    let committed = call.decide(&mut |records| {
        let mut tally = Tally::begin(ports, records.counts.as_ref())?;
        tally.admit(Guess::Code)?;
        let user = records.user.as_ref().ok_or(Code::UserNotFound)?;
        let mut change = UserChange::of(user);
        let right = check_code(&call, &mut tally, &mut change, &user.record, Use::Mailbox, code)?;
        if right {
            change.verified(true);
            change.close_foreign_code(ports);
        }
        let mut changes = Changes::of(&call.address.key);
        change.put(ports, &mut changes)?;
        tally.settle(&mut changes);
        Ok(if right {
            Plan::accept(changes, Code::UserVerified)
        } else {
            Plan::refuse(changes, Code::InvalidCode)
        })
    })?;
    Ok(committed.code)
}
