//! What every store does alike: which names and sizes it takes, and how it makes a version.

use std::collections::HashSet;

use super::{Change, Error, MAX_INSERT, MAX_SCAN, Put, Record};
use crate::random;

/// The most changes in one commit.
pub const MAX_CHANGES: usize = 32;

/// The most bytes of a key. An address has at most 254 (RFC 5321, section 4.5.3.1.3); the rest is
/// room for keys that hold more than an address.
pub const MAX_KEY: usize = 1024;

/// Whether a collection may have this name: `[a-z][a-z0-9_]{0,62}`, so that the name needs no
/// escaping in any engine.
///
/// # Errors
/// [`Error::Other`].
pub fn check_collection(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let fits = name.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if fits { Ok(()) } else { Err(Error::Other("not the name of a collection".into())) }
}

/// Whether a commit is one that a store can be asked for: its number of changes, its names, and no
/// record moved onto itself. Documents and edits are looked at by [`super::document::apply`].
///
/// # Errors
/// [`Error::Other`].
pub fn check_changes(changes: &[Change]) -> Result<(), Error> {
    if changes.len() > MAX_CHANGES {
        return Err(Error::Other(format!("more than {MAX_CHANGES} changes in a commit")));
    }
    for change in changes {
        let (collection, key) = match change {
            Change::Put(put) => (&put.collection, &put.key),
            Change::Remove(removal) => (&removal.collection, &removal.key),
            Change::Expect(expectation) => (&expectation.collection, &expectation.key),
            Change::Move(relocation) => {
                check_key(&relocation.to)?;
                if relocation.to == relocation.key {
                    return Err(Error::Other("a record moved onto itself".into()));
                }
                (&relocation.collection, &relocation.key)
            }
        };
        check_collection(collection)?;
        check_key(key)?;
    }
    Ok(())
}

/// Whether these are records that [`super::Database::insert`] can be asked for; the collection of
/// all of them, or `None` when there are none.
///
/// # Errors
/// [`Error::Other`].
pub fn check_inserts<'a>(puts: &[&'a Put]) -> Result<Option<&'a str>, Error> {
    if puts.len() > MAX_INSERT {
        return Err(Error::Other(format!("more than {MAX_INSERT} records at once")));
    }
    let Some(Put { collection, .. }) = puts.first() else { return Ok(None) };
    check_collection(collection)?;
    let mut keys = HashSet::new();
    for put in puts {
        check_key(&put.key)?;
        if put.collection != *collection {
            return Err(Error::Other("records of several collections at once".into()));
        }
        if put.version.is_some() {
            return Err(Error::Other("a new record has no version".into()));
        }
        if !keys.insert(put.key.to_ascii_lowercase()) {
            return Err(Error::Other("a key twice among new records".into()));
        }
    }
    Ok(Some(collection))
}

/// Whether a record may have this key: 1 to [`MAX_KEY`] bytes.
///
/// # Errors
/// [`Error::Other`].
pub fn check_key(key: &str) -> Result<(), Error> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        _ => Err(Error::Other(format!("a key that is empty or longer than {MAX_KEY} bytes"))),
    }
}

/// The records of one answer of [`super::Database::scan`], as they come.
pub struct Page {
    records: Vec<Record>,
    limit: usize,
    bytes: usize,
}

impl Page {
    /// An empty one for up to `limit` records.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { records: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX), bytes: 0 }
    }

    /// Takes the next record, or says that there is no room for it.
    pub fn take(&mut self, key: String, document: String) -> bool {
        self.bytes = self.bytes.saturating_add(document.len());
        let fits =
            self.records.len() < self.limit && (self.records.is_empty() || self.bytes <= MAX_SCAN);
        if fits {
            self.records.push(Record { key, document });
        }
        fits
    }

    /// Those that were taken.
    #[must_use]
    pub fn records(self) -> Vec<Record> {
        self.records
    }
}

/// A version that no record ever had: 16 random bytes in hexadecimal digits. Random and not
/// counted, because a record that is removed and made again must not get back a version that
/// somebody still remembers.
///
/// # Errors
/// [`Error::Unavailable`] when the system has no randomness to give.
pub fn new_version() -> Result<String, Error> {
    random::hex().map_err(|error| Error::Unavailable(format!("no random numbers: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_escaping_somewhere_are_refused() {
        for good in ["users", "a", "audit_2", &"a".repeat(63)] {
            check_collection(good).expect(good);
        }
        for bad in ["", "Users", "2users", "_users", "a.b", "a\"b", "a b", "ü", &"a".repeat(64)] {
            check_collection(bad).expect_err(bad);
        }
    }

    #[test]
    fn versions_are_32_hexadecimal_digits_and_differ() {
        let (one, other) = (new_version().unwrap(), new_version().unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
