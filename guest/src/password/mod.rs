//! Passwords: making hashes, checking them, and telling which ought to be made anew.
//!
//! New hashes are argon2id (RFC 9106) in the PHC string format. Read are argon2id, argon2i and
//! argon2d, bcrypt (`bcrypt`), and scrypt and PBKDF2 (`derived`), as other programs have written them.
//! Argon2id of the current version is computed by a crate of ours, which is faster in wasm; everything
//! else about argon2 is the `argon2` crate's.

mod bcrypt;
mod derived;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, MIN_SALT_LEN, Params, PasswordVerifier, Version};
use portcullis_argon2id as argon2id;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::outcome::{Code, Refusal, Stop};
use crate::ports::Ports;
use crate::settings::{self, MOST_WORK};

/// The most bytes of a password. More is refused when it is set, and wrong when it is checked,
/// before any hashing.
pub const MOST_BYTES: usize = 1024;
/// The most memory in KiB that a stored argon2 hash may ask for: that of the second recommended
/// set of RFC 9106 section 4.
pub const MOST_MEMORY: u32 = 65_536;
/// The most lanes that a stored argon2 hash may ask for.
pub const MOST_LANES: u32 = 16;

/// Why a string is not looked at that asks for too much.
const BEYOND: &str = "its parameters are beyond what may be spent on one check";
/// Why a string is not looked at that is of a known form and cut off, or with characters that are not
/// its alphabet's.
const DAMAGED: &str = "it is damaged";

#[cfg(test)]
thread_local! {
    /// How many hashes this thread has computed, to whatever end.
    pub(crate) static COMPUTED: core::cell::Cell<u32> = const { core::cell::Cell::new(0) };
}

/// What a new hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// As the tenant has configured it.
    ///
    /// # Errors
    /// A bad setting.
    pub fn configured(ports: &dyn Ports) -> Result<Self, Stop> {
        let read = |number: &settings::Number| {
            number.read_u32(ports).map_err(crate::outcome::Failure::from)
        };
        settings::affordable_hash(ports).map_err(crate::outcome::Failure::from)?;
        Ok(Self {
            memory: read(&settings::HASH_MEMORY)?,
            passes: read(&settings::HASH_PASSES)?,
            lanes: read(&settings::HASH_LANES)?,
        })
    }
}

/// What a stored hash says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// Not looked at: the stored string is of no known form, or asks for more than may be spent.
    Unusable(&'static str),
}

/// Whether a password may be set: at least `min_password_length` characters, at most
/// [`MOST_BYTES`] bytes (NIST SP 800-63B section 3.1.1.2 asks for no more rules than that).
///
/// # Errors
/// 501, with what is wrong.
pub fn policy(ports: &dyn Ports, password: &str) -> Result<(), Stop> {
    let least = settings::MIN_PASSWORD_LENGTH.read(ports).map_err(crate::outcome::Failure::from)?;
    let refuse = |why: String| Err(Refusal::because(Code::InvalidPassword, why).into());
    if (password.chars().count() as u64) < least {
        return refuse(format!("the password must have at least {least} characters"));
    }
    if password.len() > MOST_BYTES {
        return refuse(format!("the password must have at most {MOST_BYTES} bytes"));
    }
    Ok(())
}

/// A fresh hash, as a PHC string.
///
/// # Errors
/// The parameters or the memory for them cannot be had.
pub fn hash(ports: &dyn Ports, password: &str, cost: Cost) -> Result<String, Stop> {
    #[cfg(test)]
    COMPUTED.with(|computed| computed.set(computed.get() + 1));
    let salt = ports.random(Salt::RECOMMENDED_LENGTH);
    let failed =
        |why: String| Stop::from(crate::outcome::Failure::Other(format!("hashing: {why}")));
    let params = Params::new(cost.memory, cost.passes, cost.lanes, None)
        .map_err(|e| failed(e.to_string()))?;
    let mut tag = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
    compute(password, &salt, &params, &mut *tag).map_err(|e| failed(e.to_string()))?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(argon2id::VERSION),
        params: ParamsString::try_from(&params).map_err(|e| failed(e.to_string()))?,
        salt: Some(Salt::new(&salt).map_err(|e| failed(e.to_string()))?),
        hash: Some(Output::new(&*tag).map_err(|e| failed(e.to_string()))?),
    };
    Ok(hash.to_string())
}

/// Argon2id of the current version.
fn compute(
    password: &str,
    salt: &[u8],
    params: &Params,
    tag: &mut [u8],
) -> Result<(), argon2id::Error> {
    let cost =
        argon2id::Cost { memory: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
    let password = password.as_bytes();
    argon2id::hash(argon2id::Input { password, salt, secret: &[], data: params.data() }, cost, tag)
}

/// Hash for nothing, so that an answer takes as long as it does where there is a hash to compare with.
///
/// # Errors
/// As [`hash`].
pub fn pretend(ports: &dyn Ports, password: &str) -> Result<(), Stop> {
    if password.len() <= MOST_BYTES {
        core::hint::black_box(hash(ports, password, Cost::configured(ports)?)?);
    }
    Ok(())
}

/// Check a password against a stored string, in time that does not depend on how much of it is
/// right.
#[must_use]
pub fn verify(stored: &str, password: &str) -> Match {
    if password.len() > MOST_BYTES {
        return Match::Wrong;
    }
    let parsed = Stored::parse(stored);
    #[cfg(test)]
    COMPUTED.with(|computed| computed.set(computed.get() + u32::from(parsed.is_ok())));
    match parsed {
        Ok(Stored::Argon2(parsed)) => verify_argon2(&parsed.0, &parsed.1, password),
        Ok(Stored::Bcrypt(hash)) => hash.verify(password),
        Ok(Stored::Derived(hash)) => hash.verify(password),
        Err(problem) => Match::Unusable(problem),
    }
}

/// Whether a password could fit this stored string.
///
/// # Errors
/// What is wrong with it, without a word of it.
pub fn check(stored: &str) -> Result<(), &'static str> {
    Stored::parse(stored).map(drop)
}

/// Whether a stored string ought to be replaced by a fresh hash: it is not argon2id of the current
/// version, or costs less than what is configured.
#[must_use]
pub fn is_outdated(stored: &str, cost: Cost) -> bool {
    match Stored::parse(stored) {
        Ok(Stored::Argon2(parsed)) => {
            let (hash, params) = &*parsed;
            !is_current(hash) || params.m_cost() < cost.memory || params.t_cost() < cost.passes
        }
        _ => true,
    }
}

/// A stored string that may be checked: of a known form, and within what may be spent.
enum Stored {
    Argon2(Box<(PasswordHash, Params)>),
    Bcrypt(bcrypt::Hash),
    Derived(derived::Hash),
}

impl Stored {
    fn parse(stored: &str) -> Result<Self, &'static str> {
        if stored.starts_with("$2") {
            return bcrypt::Hash::parse(stored).map(Self::Bcrypt);
        }
        match derived::Hash::parse(stored) {
            Some(hash) => hash.map(Self::Derived),
            None => parse_argon2(stored).map(|parsed| Self::Argon2(Box::new(parsed))),
        }
    }
}

/// Whether this is the variant and the version that new hashes have.
fn is_current(hash: &PasswordHash) -> bool {
    hash.algorithm == ARGON2ID_IDENT && hash.version == Some(argon2id::VERSION)
}

fn parse_argon2(stored: &str) -> Result<(PasswordHash, Params), &'static str> {
    let hash = PasswordHash::new(stored).map_err(|_| "it is of no known form")?;
    Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| "it is of no known form")?;
    let params = Params::try_from(&hash).map_err(|_| "its parameters are not argon2's")?;
    if params.m_cost() > MOST_MEMORY
        || params.p_cost() > MOST_LANES
        || u64::from(params.m_cost()) * u64::from(params.t_cost()) > MOST_WORK
    {
        return Err(BEYOND);
    }
    let known = hash.version.is_none_or(|version| Version::try_from(version).is_ok());
    match (&hash.salt, &hash.hash) {
        (Some(salt), Some(_)) if known && salt.len() >= MIN_SALT_LEN => Ok((hash, params)),
        _ => Err(DAMAGED),
    }
}

fn verify_argon2(hash: &PasswordHash, params: &Params, password: &str) -> Match {
    if let (true, Some(salt), Some(expected)) = (is_current(hash), &hash.salt, &hash.hash) {
        let mut tag = Zeroizing::new([0; Output::MAX_LENGTH]);
        let tag = tag.get_mut(..expected.len()).unwrap_or_default();
        return match compute(password, salt, params, tag) {
            Ok(()) if bool::from(tag.ct_eq(expected.as_ref())) => Match::Right,
            Ok(()) => Match::Wrong,
            Err(_) => Match::Unusable(DAMAGED),
        };
    }
    match Argon2::default().verify_password(password.as_bytes(), hash) {
        Ok(()) => Match::Right,
        Err(argon2::password_hash::Error::PasswordInvalid) => Match::Wrong,
        Err(_) => Match::Unusable(DAMAGED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Outside;

    const CHEAP: Cost = Cost { memory: 64, passes: 2, lanes: 1 };

    /// Made by other implementations.
    const FOREIGN: [(&str, &str); 9] = [
        ("correct horse", "$2b$04$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6"),
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("nul\0byte", "$2b$04$AkDcogfqYus4c6TH2lx2J.Xm5achrkv/CC/.zWLsqcQwkcqS7g1/."),
        ("ümläut", "$2b$04$S5.IvbJ5Y0AL1mlDRmJlI.5JC.wluJTmQD8BtXz2i8sqOL5ca.hui"),
        ("ümläut", "$2y$04$S5.IvbJ5Y0AL1mlDRmJlI.5JC.wluJTmQD8BtXz2i8sqOL5ca.hui"),
        (
            "correct horse",
            "$argon2i$v=19$m=64,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$4IQR0V/PS4FqiDAhHrvfXgLF7vA4TryYll38fN4khAw",
        ),
        (
            "correct horse",
            "$argon2d$v=19$m=64,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$J6cO2htfsbmXyNpDpCkCCfVr1zOilSTBQQD146wU/Ss",
        ),
        (
            "correct horse",
            "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$HqfsbePhQ0iCjxxCv8RSOjxYwbqIqJUTetmvsCcFRxQ",
        ),
        (
            "correct horse",
            "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$D4uEPCQ6wVTqGVCq0rTuCTywJHUb9IbP",
        ),
    ];

    #[test]
    fn hashes_of_other_programs_are_read() {
        for (password, stored) in FOREIGN {
            assert_eq!(verify(stored, password), Match::Right, "{stored}");
            assert_eq!(verify(stored, &format!("{password}x")), Match::Wrong, "{stored}");
            assert_eq!(verify(stored, ""), Match::Wrong, "{stored}");
        }
    }

    #[test]
    fn a_fresh_hash_is_argon2id_with_a_salt_of_its_own() {
        let outside = Outside::new();
        let (one, two) =
            (hash(&outside, "pass", CHEAP).unwrap(), hash(&outside, "pass", CHEAP).unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        assert_eq!(verify(&one, "pass"), Match::Right);
        assert_eq!(verify(&one, "Pass"), Match::Wrong);
        assert!(!is_outdated(&one, CHEAP));
        assert!(is_outdated(&one, Cost { memory: 65, ..CHEAP }));
        assert!(!is_outdated(&one, Cost { memory: 63, ..CHEAP }));
    }

    #[test]
    fn everything_that_is_not_our_best_is_outdated() {
        for (_, stored) in FOREIGN {
            let ours = stored.starts_with("$argon2id$v=19");
            assert_eq!(is_outdated(stored, CHEAP), !ours, "{stored}");
        }
    }

    #[test]
    fn a_string_that_asks_for_too_much_is_not_computed() {
        let tail = "$c29tZXNhbHQxMjM0NTY3OA$HqfsbePhQ0iCjxxCv8RSOjxYwbqIqJUTetmvsCcFRxQ";
        for parameters in [
            "m=65537,t=1,p=1",
            "m=65536,t=5,p=1",
            "m=4194304,t=1,p=1",
            "m=512,t=4294967295,p=1",
            "m=512,t=1,p=17",
        ] {
            let stored = format!("$argon2id$v=19${parameters}{tail}");
            assert!(matches!(verify(&stored, "correct horse"), Match::Unusable(_)), "{stored}");
        }
    }

    #[test]
    fn what_is_no_hash_fits_no_password() {
        for stored in [
            "",
            "plain",
            "$",
            "$2",
            "$2b$04$",
            "$2x$04$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6",
            "$argon2id$",
            "$argon2id$v=19$m=64,t=2,p=2$$",
            "$5$rounds=1$a$b",
            "$2b$04$ä",
        ] {
            for password in ["", "plain", stored] {
                assert_ne!(verify(stored, password), Match::Right, "{stored}");
            }
        }
    }

    #[test]
    fn a_password_being_checked_is_wrong_beyond_1024_bytes() {
        let outside = Outside::new();
        let long = "x".repeat(1024);
        let stored = hash(&outside, &long, CHEAP).unwrap();
        assert_eq!(verify(&stored, &long), Match::Right);
        assert_eq!(verify(&stored, &"x".repeat(1025)), Match::Wrong);
    }

    #[test]
    fn the_policy_counts_characters_and_bytes() {
        let outside = Outside::new();
        assert!(policy(&outside, "ääääääää").is_ok());
        assert!(policy(&outside, "ääääääa").is_err());
        assert!(policy(&outside, &"ä".repeat(512)).is_ok());
        assert!(policy(&outside, &"ä".repeat(513)).is_err());
    }
}
