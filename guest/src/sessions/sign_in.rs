//! Opening sessions.

use super::{Opening, SignedIn};
use crate::address::Address;
use crate::auth::{with_code, with_password};
use crate::call::Call;
use crate::code;
use crate::outcome::{Code, Failure, Stop};
use crate::ports::Ports;
use crate::reply::reply;

/// With a password: a session, or 201 and a code in the mail.
///
/// # Errors
/// What could not be decided.
pub fn sign_in(
    ports: &dyn Ports,
    email: &str,
    password: &str,
    client: Option<&str>,
    mfa: bool,
    ignore_rate_limit: bool,
) -> Result<SignedIn, Failure> {
    let mut opening = Opening::new(client);
    let mut decide = || {
        let address = Address::known(email)?;
        let length = code::length(ports, None)?;
        let call = Call::admit(ports, address, ignore_rate_limit)?;
        with_password(&call, password, mfa, length, Some(&mut opening))
    };
    let decided = decide();
    signed_in(ports, decided, opening)
}

/// With a code: the second step, or the only one of a user without a password.
///
/// # Errors
/// What could not be decided.
pub fn sign_in_with_code(
    ports: &dyn Ports,
    email: &str,
    code: &str,
    client: Option<&str>,
    ignore_rate_limit: bool,
) -> Result<SignedIn, Failure> {
    let mut opening = Opening::new(client);
    let mut decide = || {
        let call = Call::admit(ports, Address::known(email)?, ignore_rate_limit)?;
        with_code(&call, code, Some(&mut opening))
    };
    let decided = decide();
    signed_in(ports, decided, opening)
}

fn signed_in(
    ports: &dyn Ports,
    decided: Result<Code, Stop>,
    opening: Opening<'_>,
) -> Result<SignedIn, Failure> {
    match (decided, opening.opened) {
        (Ok(Code::Authenticated), Some(opened)) => Ok(SignedIn::Opened(opened)),
        (decided, _) => reply(ports, decided).map(SignedIn::Outcome),
    }
}
