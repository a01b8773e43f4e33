//! E-mail addresses: which are let in, and what makes two of them the same account.

use crate::outcome::{Code, Refusal};

/// The most octets of a new address: RFC 5321 section 4.5.3.1.3 allows a path of 256, with the
/// angle brackets.
const MOST_OCTETS: usize = 254;
/// The most octets of a local part: RFC 5321 section 4.5.3.1.1.
const MOST_LOCAL: usize = 64;
/// The most octets of an address that is only looked up, whatever a database holds.
const MOST_LOOKED_UP: usize = 320;

/// An address of an acceptable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The lower-case form: one address is one account whatever its letter case.
    pub key: String,
    /// The form that was given.
    pub given: String,
}

impl Address {
    fn of(text: &str) -> Self {
        Self { key: text.to_ascii_lowercase(), given: text.to_owned() }
    }

    /// An address that is to become an account's own: ASCII, a dot-atom local part (RFC 5322
    /// section 3.2.3), a domain of at least two labels of letters, digits and inner hyphens (RFC
    /// 1123 section 2.1).
    ///
    /// # Errors
    /// 503, with what is wrong.
    pub fn new(text: &str) -> Result<Self, Refusal> {
        match problem(text) {
            None => Ok(Self::of(text)),
            Some(problem) => Err(Refusal::because(Code::InvalidEmail, problem)),
        }
    }

    /// An address that is only looked up. It may also have a looser form that older databases
    /// contain: `[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+`.
    ///
    /// # Errors
    /// 503, with what is wrong with it as a new address.
    pub fn known(text: &str) -> Result<Self, Refusal> {
        if loose(text) { Ok(Self::of(text)) } else { Self::new(text) }
    }
}

fn problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("the address is empty");
    }
    if text.len() > MOST_OCTETS {
        return Some("the address is longer than 254 octets");
    }
    if text.chars().any(char::is_control) {
        return Some("the address holds a control character");
    }
    if !text.is_ascii() {
        return Some("the address holds a character that is not ASCII");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return Some("the address has no @");
    };
    if local.len() > MOST_LOCAL {
        return Some("the part before the @ is longer than 64 octets");
    }
    let atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atext);
    if !local.split('.').all(atom) {
        return Some(
            "the part before the @ is not letters, digits and !#$%&'*+-/=?^_`{|}~ with single dots between",
        );
    }
    let labels = domain.split('.').count();
    if labels < 2 || !domain.split('.').all(is_label) {
        return Some("the part after the @ is not a domain of at least two labels");
    }
    None
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn loose(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let Some((first, rest)) = domain.split_once('.') else { return false };
    let of = |part: &str, more: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    text.len() <= MOST_LOOKED_UP && of(local, b"_.+-") && of(first, b"-") && of(rest, b".-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(local: usize, domain: usize) -> String {
        let label = "a".repeat(63);
        let mut rest = format!("{label}.{label}.{label}.{label}");
        rest.truncate(domain);
        format!("{}@{rest}", "l".repeat(local))
    }

    #[test]
    fn plain_addresses_are_let_in() {
        for text in ["a@b.c", "first.last+tag@sub.example.org", "o'brien@example.com", "x@1-2.de"] {
            assert!(Address::new(text).is_ok(), "{text}");
        }
        assert!(Address::new(&long(64, 189)).is_ok());
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a@@b.c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@b..c",
            "a@-b.c",
            "a@b-.c",
            "a@b.c.",
            "a b@c.d",
            "a@b c.d",
            "a@b.c\n",
            "a\0@b.c",
            "ä@b.c",
            "a@ü.c",
            "a@b_c.d",
            "\"a\"@b.c",
            "a@[1.2.3.4]",
            "a@b.c>",
            "<a@b.c",
            "a,b@c.d",
        ] {
            assert_eq!(Address::new(text).unwrap_err().code, Code::InvalidEmail, "{text:?}");
        }
        assert!(Address::new(&long(65, 180)).is_err());
        assert!(Address::new(&long(64, 190)).is_err());
    }

    #[test]
    fn an_older_address_is_found_but_not_made() {
        for text in ["a..b@c.d", ".a@b.c", "a@-b.c-"] {
            assert!(Address::known(text).is_ok(), "{text}");
            assert!(Address::new(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_address_holds_what_a_header_or_a_store_could_trip_over(text in "\\PC{0,40}|[ -~\r\n\0]{0,40}") {
            if let Ok(address) = Address::known(&text) {
                prop_assert!(address.key.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(!address.key.contains([',', ';', '<', '>', '"', '(', ')', ' ', '\\']));
            }
        }
    }
}
