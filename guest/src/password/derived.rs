//! scrypt (RFC 7914) and PBKDF2 (RFC 8018), as other programs have written them.
//!
//! - `$scrypt$ln=15,r=8,p=1$SALT$HASH`, and `$pbkdf2-sha256$i=600000,l=32$SALT$HASH` or `-sha512`:
//!   the PHC string format, its base64 without padding; `l` may be absent.
//! - `$pbkdf2-sha256$29000$SALT$HASH` or `-sha512`: passlib's form, which has `.` for `+`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{BEYOND, DAMAGED, Match};

/// Bytes of a salt.
const SALT: core::ops::RangeInclusive<usize> = 8..=64;
/// Bytes of a hash.
const OUTPUT: core::ops::RangeInclusive<usize> = 16..=64;
/// The most KiB of scrypt, as for argon2.
const MOST_MEMORY: u64 = 65_536;
/// The most of these, times `p`: two at 64 MiB take as long as the dearest argon2.
const MOST_WORK: u64 = 2 * MOST_MEMORY;
/// The most iterations of PBKDF2 with SHA-256, for each 32 bytes of output.
const MOST_SHA256: u64 = 2_000_000;
/// The most iterations of PBKDF2 with SHA-512: its output is one block at most.
const MOST_SHA512: u64 = 1_000_000;

/// A stored hash.
pub(super) struct Hash {
    way: Way,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

/// How it was made.
enum Way {
    Scrypt(scrypt::Params),
    Sha256(u32),
    Sha512(u32),
}

impl Hash {
    /// `None` for a string of another form.
    pub(super) fn parse(stored: &str) -> Option<Result<Self, &'static str>> {
        let (name, rest) = stored.strip_prefix('$')?.split_once('$')?;
        let known = matches!(name, "scrypt" | "pbkdf2-sha256" | "pbkdf2-sha512");
        known.then(|| Self::parts(name, rest))
    }

    fn parts(name: &str, rest: &str) -> Result<Self, &'static str> {
        let mut parts = rest.split('$');
        let (Some(parameters), Some(salt), Some(expected), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(DAMAGED);
        };
        // In passlib's form the iterations stand alone.
        let passlib = name != "scrypt" && !parameters.contains('=');
        let (salt, expected) = (bytes(salt, passlib)?, bytes(expected, passlib)?);
        if !SALT.contains(&salt.len()) {
            return Err("its salt is not 8 to 64 bytes long");
        }
        if !OUTPUT.contains(&expected.len()) {
            return Err("its hash is not 16 to 64 bytes long");
        }
        let way = match name {
            "scrypt" => Way::Scrypt(scrypt_parameters(parameters)?),
            "pbkdf2-sha256" => {
                let blocks = expected.len().div_ceil(32) as u64;
                Way::Sha256(iterations(parameters, passlib, expected.len(), MOST_SHA256 / blocks)?)
            }
            _ => Way::Sha512(iterations(parameters, passlib, expected.len(), MOST_SHA512)?),
        };
        Ok(Self { way, salt, expected })
    }

    pub(super) fn verify(&self, password: &str) -> Match {
        let mut made = Zeroizing::new([0; *OUTPUT.end()]);
        let made = made.get_mut(..self.expected.len()).unwrap_or_default();
        match self.way.compute(password.as_bytes(), &self.salt, made) {
            Some(()) if bool::from(made.ct_eq(&self.expected)) => Match::Right,
            Some(()) => Match::Wrong,
            None => Match::Unusable(DAMAGED),
        }
    }
}

impl Way {
    /// `None` for an output of a length that there is not.
    fn compute(&self, password: &[u8], salt: &[u8], made: &mut [u8]) -> Option<()> {
        match self {
            Self::Scrypt(params) => scrypt::scrypt(password, salt, params, made).ok(),
            Self::Sha256(rounds) => {
                pbkdf2_hmac::<Sha256>(password, salt, *rounds, made);
                Some(())
            }
            Self::Sha512(rounds) => {
                pbkdf2_hmac::<Sha512>(password, salt, *rounds, made);
                Some(())
            }
        }
    }
}

/// `ln=15,r=8,p=1`.
fn scrypt_parameters(text: &str) -> Result<scrypt::Params, &'static str> {
    const WRONG: &str = "its parameters are not scrypt's";
    let mut given = text.split(',');
    let mut next = |name| given.next().and_then(|it| number(it.strip_prefix(name)?)).ok_or(WRONG);
    let (log_n, r, p) = (next("ln=")?, next("r=")?, next("p=")?);
    if given.next().is_some() || log_n == 0 || r == 0 || p == 0 {
        return Err(WRONG);
    }
    // In KiB: N times r blocks of 128 bytes.
    let n = 1_u64.checked_shl(log_n).filter(|n| *n <= 1 << 32).ok_or(BEYOND)?;
    let memory = n.saturating_mul(r.into()) / 8;
    let all = n.saturating_mul(r.into()).saturating_mul(p.into()) / 8;
    // What is mixed has `p` times `r` blocks of 128 bytes; a MiB of them is room beside the memory.
    let blocks = u64::from(r).saturating_mul(p.into()) / 8;
    if memory > MOST_MEMORY || all > MOST_WORK || blocks > 1024 {
        return Err(BEYOND);
    }
    let log_n = u8::try_from(log_n).map_err(|_| BEYOND)?;
    scrypt::Params::new(log_n, r, p).map_err(|_| WRONG)
}

/// `i=600000,l=32`, or `29000` where it is passlib's; at most so many.
fn iterations(text: &str, passlib: bool, length: usize, most: u64) -> Result<u32, &'static str> {
    const WRONG: &str = "its parameters are not PBKDF2's";
    let rounds = if passlib {
        number(text)
    } else {
        let (rounds, told) = match text.split_once(',') {
            Some((rounds, told)) => (rounds, Some(told)),
            None => (text, None),
        };
        let told = told.map(|told| told.strip_prefix("l=").and_then(number));
        if told.is_some_and(|told| told.and_then(|it| usize::try_from(it).ok()) != Some(length)) {
            return Err(WRONG);
        }
        rounds.strip_prefix("i=").and_then(number)
    };
    match rounds.ok_or(WRONG)? {
        0 => Err(WRONG),
        rounds if u64::from(rounds) > most => Err(BEYOND),
        rounds => Ok(rounds),
    }
}

/// Decimal digits, and nothing else that would be read as a number. More than 32 bits hold is the
/// most that they hold, which is too much everywhere.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

fn bytes(text: &str, passlib: bool) -> Result<Vec<u8>, &'static str> {
    // Four characters are three bytes.
    if text.len() > 2 * OUTPUT.end() {
        return Err(DAMAGED);
    }
    let decoded = match passlib {
        true if text.contains('+') => return Err(DAMAGED),
        true => STANDARD_NO_PAD.decode(text.replace('.', "+")),
        false => STANDARD_NO_PAD.decode(text),
    };
    decoded.map_err(|_| DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::{Cost, check, is_outdated, verify};

    /// Made by Python's hashlib.
    const FOREIGN: [(&str, &str); 7] = [
        (
            "correct horse",
            "$scrypt$ln=4,r=8,p=1$+vv8/f7/MDEyMzQ1Njc4OQ$vKia+NXTbydqL04WE10zMVqxFVAsgaJRb+IR0PMAjys",
        ),
        (
            "ümläut",
            "$scrypt$ln=10,r=8,p=5$+vv8/f7/MDEyMzQ1Njc4OQ$jAt6Wcd7o1WJRlHD9UD7vTk0nekxsoj2FbKxNRtvExHkxOvZjkLREOk1CXAHmDMCkpK6BnGkfZE320lCTwTNcQ",
        ),
        (
            "correct horse",
            "$pbkdf2-sha256$i=1000,l=32$+vv8/f7/MDEyMzQ1Njc4OQ$VV4jQkhLK10M5qSgk8+ZYmpqjAtu3HjMOzw8U3saSkU",
        ),
        ("ümläut", "$pbkdf2-sha256$i=10$+vv8/f7/MDEyMzQ1Njc4OQ$9TtFLJZxaursiPUhn8vqcKaE9AI"),
        (
            "correct horse",
            "$pbkdf2-sha512$i=1000,l=64$+vv8/f7/MDEyMzQ1Njc4OQ$kd/p93PGWA2pruSjW50GJ6ydLvc8gibHqAzqv5GE4RbtfQulSfP4LChpvnUgFbDOX54yZ0c7+EONuoBjFMVXKA",
        ),
        (
            "correct horse",
            "$pbkdf2-sha256$1000$.vv8/f7/MDEyMzQ1Njc4OQ$VV4jQkhLK10M5qSgk8.ZYmpqjAtu3HjMOzw8U3saSkU",
        ),
        (
            "correct horse",
            "$pbkdf2-sha512$1000$.vv8/f7/MDEyMzQ1Njc4OQ$kd/p93PGWA2pruSjW50GJ6ydLvc8gibHqAzqv5GE4RbtfQulSfP4LChpvnUgFbDOX54yZ0c7.EONuoBjFMVXKA",
        ),
    ];
    const TAIL: &str = "+vv8/f7/MDEyMzQ1Njc4OQ$HqfsbePhQ0iCjxxCv8RSOjxYwbqIqJUTetmvsCcFRxQ";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn computed(way: &Way, password: &str, salt: &str) -> String {
        let mut made = [0; 64];
        way.compute(password.as_bytes(), salt.as_bytes(), &mut made).unwrap();
        hex(&made)
    }

    #[test]
    fn the_vectors_of_rfc_7914_come_out() {
        let scrypt = |log_n, r, p| Way::Scrypt(scrypt::Params::new(log_n, r, p).unwrap());
        for (way, password, salt, expected) in [
            (
                scrypt(4, 1, 1),
                "",
                "",
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
            ),
            (
                scrypt(10, 8, 16),
                "password",
                "NaCl",
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
            ),
            (
                scrypt(14, 8, 1),
                "pleaseletmein",
                "SodiumChloride",
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
            ),
            (
                Way::Sha256(1),
                "passwd",
                "salt",
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
            ),
            (
                Way::Sha256(80_000),
                "Password",
                "NaCl",
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
            ),
        ] {
            assert_eq!(computed(&way, password, salt), expected);
        }
    }

    #[test]
    fn hashes_of_other_programs_are_read() {
        for (password, stored) in FOREIGN {
            assert_eq!(check(stored), Ok(()), "{stored}");
            assert_eq!(verify(stored, password), Match::Right, "{stored}");
            assert_eq!(verify(stored, &format!("{password}x")), Match::Wrong, "{stored}");
            assert_eq!(verify(stored, ""), Match::Wrong, "{stored}");
            assert!(is_outdated(stored, Cost { memory: 64, passes: 1, lanes: 1 }), "{stored}");
        }
    }

    #[test]
    fn what_other_programs_make_by_default_may_be_checked() {
        for parameters in [
            "scrypt$ln=16,r=8,p=1",
            "scrypt$ln=16,r=8,p=2",
            "scrypt$ln=15,r=8,p=3",
            "scrypt$ln=14,r=8,p=5",
            "scrypt$ln=13,r=8,p=10",
            "pbkdf2-sha256$i=600000,l=32",
            "pbkdf2-sha256$i=2000000",
            "pbkdf2-sha512$i=1000000",
        ] {
            assert_eq!(check(&format!("${parameters}${TAIL}")), Ok(()), "{parameters}");
        }
    }

    #[test]
    fn a_string_that_asks_for_too_much_is_not_computed() {
        for parameters in [
            "scrypt$ln=17,r=8,p=1",
            "scrypt$ln=16,r=8,p=3",
            "scrypt$ln=16,r=9,p=1",
            "scrypt$ln=31,r=1,p=1",
            "scrypt$ln=64,r=1,p=1",
            "scrypt$ln=99999999999,r=1,p=1",
            "scrypt$ln=1,r=4294967295,p=4294967295",
            "scrypt$ln=1,r=1,p=65536",
            "pbkdf2-sha256$i=2000001",
            "pbkdf2-sha256$i=99999999999999999999",
            "pbkdf2-sha512$i=1000001",
        ] {
            let stored = format!("${parameters}${TAIL}");
            assert_eq!(check(&stored), Err(BEYOND), "{stored}");
            assert_eq!(verify(&stored, "correct horse"), Match::Unusable(BEYOND), "{stored}");
        }
        let two_blocks = format!("$pbkdf2-sha256$i=1000001$MDEyMzQ1Njc4OQ${}", "A".repeat(86));
        assert_eq!(check(&two_blocks), Err(BEYOND));
    }

    #[test]
    fn what_is_malformed_fits_no_password() {
        let (salt, hash) = TAIL.split_once('$').unwrap();
        for stored in [
            "$scrypt".to_owned(),
            "$scrypt$".to_owned(),
            format!("$scrypt$ln=4,r=8,p=1${salt}"),
            format!("$scrypt$ln=4,r=8,p=1${TAIL}$"),
            format!("$scrypt$ln=4,r=8${TAIL}"),
            format!("$scrypt$r=8,ln=4,p=1${TAIL}"),
            format!("$scrypt$ln=4,r=8,p=1,x=1${TAIL}"),
            format!("$scrypt$ln=0,r=8,p=1${TAIL}"),
            format!("$scrypt$ln=+4,r=8,p=1${TAIL}"),
            format!("$scrypt$ln=4,r=0,p=1${TAIL}"),
            format!("$scrypt$ln=4,r=8,p=0${TAIL}"),
            format!("$scrypt$ln=4,r=8,p=1$c2hvcnQ${hash}"),
            format!("$scrypt$ln=4,r=8,p=1${salt}$c2hvcnQ"),
            format!("$scrypt$ln=4,r=8,p=1${salt}${hash}="),
            format!("$scrypt$ln=4,r=8,p=1${salt}${}", "A".repeat(88)),
            format!("$scrypt$ln=4,r=8,p=1${salt}$ä"),
            format!("$pbkdf2-sha256$${TAIL}"),
            format!("$pbkdf2-sha256$0${}", TAIL.replace('+', ".")),
            format!("$pbkdf2-sha256$1000${TAIL}"),
            format!("$pbkdf2-sha256$i=0${TAIL}"),
            format!("$pbkdf2-sha256$i=1,l=16${TAIL}"),
            format!("$pbkdf2-sha256$i=1,x=32${TAIL}"),
            format!("$pbkdf2-sha256$i=1${}", TAIL.replace('+', ".")),
            format!("$pbkdf2-sha1$i=1${TAIL}"),
            format!("$pbkdf2$i=1${TAIL}"),
        ] {
            assert!(check(&stored).is_err(), "{stored}");
            for password in ["", "correct horse", &stored] {
                assert!(matches!(verify(&stored, password), Match::Unusable(_)), "{stored}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_string_makes_it_panic(text in "\\$(scrypt|pbkdf2-sha256|pbkdf2-sha512)\\$[lnrpi=,0-9]{0,24}\\$[A-Za-z0-9./+=]{0,30}\\$[A-Za-z0-9./+=]{0,60}") {
            let _ = check(&text);
        }
    }
}
