//! What a caller can show of himself, so that nobody else's wrong guesses count against him.
//!
//! A *ticket* is a secret that the caller's host made for one undertaking: codes that are asked for
//! with it are bound to it. A *device* is what a browser or program was given when the owner of an
//! address signed in there: a random name with a keyed digest over tenant, address and name, so that
//! nothing has to be stored for it (OWASP: Slow Down Online Guessing Attacks with Device Cookies).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::code::{first_key, keyed};
use crate::outcome::Stop;
use crate::ports::Ports;
use crate::record::OpenCode;

/// The longest ticket or device that is looked at, in bytes.
const LONGEST: usize = 256;

/// The proofs of one caller for one address.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    /// The digest of the ticket; it has enough entropy to need no key.
    ticket: Option<String>,
    /// The name of the device, if the device is genuine.
    device: Option<String>,
}

/// To whose attempts a guess at a code is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// To those of everybody.
    Everybody,
    /// To those of the one who asked for the code.
    Own,
    /// To none: the guess is not looked at.
    Nobody,
}

impl Proofs {
    /// What the caller shows for this address.
    ///
    /// # Errors
    /// An unusable key.
    pub fn of(ports: &dyn Ports, address: &str) -> Result<Self, Stop> {
        let ticket = ports.ticket().map(|ticket| {
            // One that is too long is still a ticket, and fits nothing.
            let cut = ticket.as_bytes().get(..LONGEST).unwrap_or(ticket.as_bytes());
            sha256_hex(cut)
        });
        let device = match ports.device() {
            Some(device) => genuine(ports, address, &device)?,
            None => None,
        };
        Ok(Self { ticket, device })
    }

    /// The name under which the guesses of this device are counted.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Whether there is a ticket, whatever it fits.
    #[must_use]
    pub fn has_ticket(&self) -> bool {
        self.ticket.is_some()
    }

    /// As they stand beside a code that the caller has asked for.
    #[must_use]
    pub fn digests(&self) -> Vec<String> {
        self.ticket.iter().chain(&self.device).cloned().collect()
    }

    /// To whose attempts a guess of this caller is charged.
    #[must_use]
    pub fn charge(&self, open: &OpenCode) -> Charge {
        let bound = |proof: &String| {
            let own = open.own.as_ref();
            own.is_some_and(|own| {
                own.proofs.iter().any(|it| it.as_bytes().ct_eq(proof.as_bytes()).into())
            })
        };
        match (&self.ticket, &self.device) {
            (Some(ticket), _) if bound(ticket) => Charge::Own,
            (Some(_), _) => Charge::Nobody,
            (None, Some(device)) if bound(device) => Charge::Own,
            (None, _) => Charge::Everybody,
        }
    }
}

/// What the caller is to show as his device from now on: the one that he has shown, if it is genuine.
///
/// # Errors
/// No key, or an unusable one.
pub fn device_for(ports: &dyn Ports, address: &str) -> Result<String, Stop> {
    if let Some(device) = ports.device()
        && genuine(ports, address, &device)?.is_some()
    {
        return Ok(device);
    }
    let name = URL_SAFE_NO_PAD.encode(ports.random(16));
    let seal = keyed(&first_key(ports)?, &[&ports.tenant(), address, "device", &name])?;
    Ok(format!("{name}.{seal}"))
}

/// The name of a device that was made for this address with one of our keys.
fn genuine(ports: &dyn Ports, address: &str, device: &str) -> Result<Option<String>, Stop> {
    let Some((name, seal)) = device.split_once('.').filter(|_| device.len() <= LONGEST) else {
        return Ok(None);
    };
    for key in ports.secret_keys() {
        let made = keyed(&key, &[&ports.tenant(), address, "device", name])?;
        if made.as_bytes().ct_eq(seal.as_bytes()).into() {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// SHA-256 (FIPS 180-4) in hexadecimal digits: for what has at least 128 bits of entropy.
#[must_use]
pub fn sha256_hex(secret: &[u8]) -> String {
    use core::fmt::Write as _;

    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
