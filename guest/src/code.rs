//! Codes: making, keeping and checking them.
//!
//! A code is a string of decimal digits that is mailed and given back. The store holds only a
//! keyed digest of it, bound to tenant, address and use, so that neither a copy of the database
//! nor a digest moved elsewhere gives a code away.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::outcome::{Code, Failure, Refusal, Stop};
use crate::ports::{Ports, SecretKey};
use crate::proof::Proofs;
use crate::record::{OpenCode, OwnGuesses, Use};
use crate::settings;

/// How far the clocks of two hosts may be apart, in seconds. A code that claims to end later than
/// its whole life plus this from now was not made by a host with a sane clock: it counts as ended.
pub const CLOCK_TOLERANCE: u64 = 120;

/// A code just made: what is mailed and what is kept.
pub struct Fresh {
    /// To be mailed.
    pub digits: Zeroizing<String>,
    /// To be kept.
    pub open: OpenCode,
}

/// How many digits a code gets: what the caller asks for, or the tenant's setting.
///
/// # Errors
/// 400 for a length outside 4 to 32.
pub fn length(ports: &dyn Ports, asked: Option<i64>) -> Result<usize, Stop> {
    match asked {
        None => Ok(settings::CODE_LENGTH.read_u32(ports).map_err(Failure::from)? as usize),
        Some(digits @ 4..=32) => Ok(digits.unsigned_abs() as usize),
        Some(digits) => Err(Refusal::because(
            Code::Error,
            format!("cust_length: {digits} is not between 4 and 32"),
        )
        .into()),
    }
}

/// Make a code for an address, and for the new one that it is to prove. Whoever has `proofs` gets
/// guesses of his own.
///
/// # Errors
/// Bad settings, or no secret key.
pub fn make(
    ports: &dyn Ports,
    address: &str,
    proofs: &Proofs,
    of: Use,
    new: Option<&str>,
    length: usize,
) -> Result<Fresh, Stop> {
    let key = first_key(ports)?;
    let digits = digits(ports, length);
    let left = settings::CODE_ATTEMPTS.read_u32(ports).map_err(Failure::from)?;
    let proofs = proofs.digests();
    let open = OpenCode {
        digest: digest(ports, &key, address, new, of, &digits)?,
        key: key.id,
        until: ports.now().as_secs() + settings::CODE_TTL.read(ports).map_err(Failure::from)?,
        left,
        own: (!proofs.is_empty()).then_some(OwnGuesses { proofs, left }),
        address: new.map(str::to_owned),
    };
    Ok(Fresh { digits, open })
}

/// The key that new digests are made with.
///
/// # Errors
/// There is none.
pub fn first_key(ports: &dyn Ports) -> Result<SecretKey, Stop> {
    let first = ports.secret_keys().into_iter().next();
    first.ok_or_else(|| Failure::Settings("secret_key: is missing".to_owned()).into())
}

/// Whether this code has not ended. Whose guesses have killed it is another question.
///
/// # Errors
/// Bad settings.
pub fn is_alive(ports: &dyn Ports, open: &OpenCode) -> Result<bool, Stop> {
    let now = ports.now().as_secs();
    let life = settings::CODE_TTL.read(ports).map_err(Failure::from)?;
    let sane = open.until <= now + life + CLOCK_TOLERANCE;
    let known = ports.secret_keys().iter().any(|key| key.id == open.key);
    Ok(now < open.until && sane && known)
}

/// Whether the guess is the code, in time that does not depend on how much of it is right.
///
/// # Errors
/// An unusable key.
pub fn is_right(
    ports: &dyn Ports,
    open: &OpenCode,
    address: &str,
    of: Use,
    guess: &str,
) -> Result<bool, Stop> {
    if !(4..=32).contains(&guess.len()) {
        return Ok(false);
    }
    let keys = ports.secret_keys();
    let Some(key) = keys.iter().find(|key| key.id == open.key) else { return Ok(false) };
    let made = digest(ports, key, address, open.address.as_deref(), of, guess)?;
    Ok(made.as_bytes().ct_eq(open.digest.as_bytes()).into())
}

/// A string nobody can guess, for the field in which other programs look for a code.
#[must_use]
pub fn unguessable(ports: &dyn Ports) -> String {
    STANDARD_NO_PAD.encode(ports.random(24))
}

/// The digest of a code: bound to tenant, address, the new address if there is one, and use.
fn digest(
    ports: &dyn Ports,
    key: &SecretKey,
    address: &str,
    new: Option<&str>,
    of: Use,
    code: &str,
) -> Result<String, Stop> {
    let tenant = ports.tenant();
    match new {
        None => keyed(key, &[&tenant, address, of.name(), code]),
        Some(new) => keyed(key, &[&tenant, address, new, of.name(), code]),
    }
}

/// HMAC-SHA-256 (RFC 2104) over the parts, each with its length before it, so that no two lists of
/// them read alike; in base64.
///
/// # Errors
/// An unusable key.
pub fn keyed(key: &SecretKey, parts: &[&str]) -> Result<String, Stop> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret)
        .map_err(|_| Failure::Settings("secret_key: cannot be used".to_owned()))?;
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Ok(STANDARD_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Random decimal digits. Bytes from 250 on are thrown away: they would make the low digits
/// likelier.
fn digits(ports: &dyn Ports, length: usize) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(length));
    while digits.len() < length {
        let bytes = Zeroizing::new(ports.random(length + 8));
        let wanted = length - digits.len();
        digits.extend(
            bytes.iter().filter(|b| **b < 250).take(wanted).map(|b| char::from(b'0' + b % 10)),
        );
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Outside;

    #[test]
    fn a_code_has_the_asked_number_of_digits_and_each_digit_is_as_likely() {
        let outside = Outside::new();
        let mut seen = [0u32; 10];
        for length in 4..=32 {
            for _ in 0..50 {
                let digits = digits(&outside, length);
                assert_eq!(digits.len(), length);
                digits.bytes().for_each(|digit| seen[usize::from(digit - b'0')] += 1);
            }
        }
        let expected = seen.iter().sum::<u32>() / 10;
        for count in seen {
            assert!(count.abs_diff(expected) < expected / 10, "{seen:?}");
        }
    }

    #[test]
    fn a_digest_is_bound_to_address_and_use() {
        let outside = Outside::new();
        let Fresh { digits, open } =
            make(&outside, "a@b.c", &Proofs::default(), Use::Mailbox, None, 6).unwrap();
        let right =
            |address, of, guess: &str| is_right(&outside, &open, address, of, guess).unwrap();
        assert!(right("a@b.c", Use::Mailbox, &digits));
        assert!(!right("a@b.d", Use::Mailbox, &digits));
        assert!(!right("a@b.c", Use::Mfa, &digits));
        for guess in ["", "0", &digits[1..], &format!("{}0", digits.as_str()), &"1".repeat(33)] {
            assert!(!right("a@b.c", Use::Mailbox, guess), "{guess:?}");
        }
        assert!(!open.digest.contains(digits.as_str()));
    }

    #[test]
    fn a_code_whose_key_is_gone_is_dead() {
        let outside = Outside::new();
        let Fresh { open, .. } =
            make(&outside, "a@b.c", &Proofs::default(), Use::Mailbox, None, 6).unwrap();
        assert!(is_alive(&outside, &open).unwrap());
        assert!(!is_alive(&outside, &OpenCode { key: "k0".to_owned(), ..open }).unwrap());
    }
}
