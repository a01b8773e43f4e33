//! Random names and pauses, from the operating system.

use std::time::Duration;

#[cfg(feature = "gateway")]
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
#[cfg(feature = "gateway")]
use zeroize::Zeroizing;

/// 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// 256 random bits in the base64 of addresses: a secret that is handed to somebody.
///
/// # Errors
/// When the system has no randomness to give.
#[cfg(feature = "gateway")]
pub(crate) fn token() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Between half of the pause and all of it, so that those who lost to each other in lockstep do not
/// meet again.
pub(crate) fn jittered(pause: Duration) -> Duration {
    // Without randomness the pause is merely less well spread.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
