//! bcrypt, as other programs have written it: `$2a$`, `$2b$`, `$2y$`.

use ::bcrypt::BASE_64;
use base64::Engine;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Match;

/// The highest cost of a stored hash: 16,384 rounds of key setup.
const MOST_COST: u32 = 14;

/// A stored hash.
pub(super) struct Hash {
    cost: u32,
    salt: [u8; 16],
    expected: [u8; 23],
}

impl Hash {
    /// `$2b$NN$` and 53 characters: 16 bytes of salt and 23 of hash, in bcrypt's own base64.
    pub(super) fn parse(stored: &str) -> Result<Self, &'static str> {
        let hash = read(stored).ok_or("it is no bcrypt string")?;
        if hash.cost > MOST_COST {
            return Err("its cost is beyond what may be spent on one check");
        }
        Ok(hash)
    }

    pub(super) fn verify(&self, password: &str) -> Match {
        // Made of the first 72 bytes, a terminating NUL included, as it was then.
        let mut input = Zeroizing::new([password.as_bytes(), &[0]].concat());
        input.truncate(72);
        let made = Zeroizing::new(::bcrypt::bcrypt(self.cost, self.salt, &input));
        match made.get(..23).map(|made| made.ct_eq(&self.expected)) {
            Some(equal) if bool::from(equal) => Match::Right,
            _ => Match::Wrong,
        }
    }
}

fn read(stored: &str) -> Option<Hash> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| stored.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$')?;
    if cost.len() != 2 || rest.len() != 53 {
        return None;
    }
    let cost = cost.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    let (salt, expected) = rest.split_at_checked(22)?;
    let salt = BASE_64.decode(salt).ok()?.try_into().ok()?;
    let expected = BASE_64.decode(expected).ok()?.try_into().ok()?;
    Some(Hash { cost, salt, expected })
}

#[cfg(test)]
mod tests {
    use crate::password::{Match, verify};

    #[test]
    fn the_first_72_bytes_count() {
        let stored = "$2b$04$Jeo8TRgZl3u6R5gfJ8wMRuBQZl3DrDjGDRyqcUByNEI43H9IVd0NW";
        assert_eq!(verify(stored, &"x".repeat(72)), Match::Right);
        assert_eq!(verify(stored, &"x".repeat(80)), Match::Right);
        assert_eq!(verify(stored, &"x".repeat(71)), Match::Wrong);
    }

    #[test]
    fn a_cost_above_14_is_not_computed() {
        let slow = "$2b$15$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6";
        assert!(matches!(verify(slow, "correct horse"), Match::Unusable(_)));
    }
}
