//! Proving a mailbox.

use super::call_with_code;
use crate::address::Address;
use crate::call::Call;
use crate::outcome::{Code, Stop};
use crate::ports::Ports;
use crate::record::Use;

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
    call_with_code(
        &call,
        code,
        |_| Use::Mailbox,
        Code::UserVerified,
        |effect| {
            effect.change.verified(true);
            effect.change.close_foreign_code(ports);
            Ok(())
        },
    )
}
