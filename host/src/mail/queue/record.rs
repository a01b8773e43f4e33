//! A mail as it stands in the store.
//!
//! The document, in the collection [`MAIL`] under `mail:` and 32 hexadecimal digits:
//!
//! | field | meaning |
//! |---|---|
//! | `queued` | when it was put in |
//! | `valid_until` | when it is worthless |
//! | `due` | when it is to be looked at; the same as the record's own, which a reader is not told |
//! | `attempts` | how often it was tried |
//! | `worker` | who has it in hand, while somebody has |
//! | `guard` | what must stand in the store: `collection`, `key`, `path`, `value` |
//! | `key` | the id of the key that sealed it |
//! | `sealed` | the mail |
//!
//! Times are seconds since 1970.

use serde::{Deserialize, Serialize};

use super::seal::Bound;
use crate::contract::mailer::Guard;
use crate::store::{Change, Edit, Entry, Error, MAIL, Put, Removal};

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) queued: u64,
    pub(super) valid_until: u64,
    pub(super) due: u64,
    pub(super) attempts: u32,
    pub(super) worker: Option<String>,
    // A field that is missing is `None`, which an adapter does not know of itself.
    #[serde(default, with = "Guarded")]
    pub(super) guard: Option<Guard>,
    pub(super) key: String,
    pub(super) sealed: String,
}

/// How a guard is written.
#[derive(Serialize, Deserialize)]
struct Guarded {
    collection: String,
    key: String,
    path: Vec<String>,
    value: String,
}

impl Guarded {
    fn serialize<S: serde::Serializer>(
        guard: &Option<Guard>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let guarded = guard.as_ref().map(|guard| Self {
            collection: guard.collection.clone(),
            key: guard.key.clone(),
            path: guard.path.clone(),
            value: guard.value.clone(),
        });
        guarded.serialize(serializer)
    }

    fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Guard>, D::Error> {
        let guarded = Option::<Self>::deserialize(deserializer)?;
        Ok(guarded.map(|Self { collection, key, path, value }| Guard {
            collection,
            key,
            path,
            value,
        }))
    }
}

/// A record as it was read or written last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: String,
    pub(super) version: String,
    pub(super) document: Document,
}

impl Record {
    /// The record that this entry is; none when it is not one of ours.
    pub(super) fn read(key: &str, entry: &Entry) -> Option<Self> {
        let document = serde_json::from_str(&entry.document).ok()?;
        Some(Self { key: key.to_owned(), version: entry.version.clone(), document })
    }

    /// What the sealed mail is bound to.
    pub(super) fn bound(&self) -> Bound<'_> {
        self.document.bound(&self.key)
    }

    /// The change that removes it.
    pub(super) fn removal(&self) -> Change {
        removal(&self.key, &self.version)
    }

    /// The change that claims it, or gives it back without a worker. Nothing else of it changes.
    pub(super) fn scheduled(&self, due: u64, attempts: u32, worker: Option<&str>) -> Change {
        let edits = vec![
            edit("due", Some(due.to_string())),
            edit("attempts", Some(attempts.to_string())),
            edit("worker", worker.map(|worker| format!("\"{worker}\""))),
        ];
        put(&self.key, Some(self.version.clone()), edits, due)
    }
}

impl Document {
    /// What the sealed mail is bound to.
    pub(super) fn bound<'a>(&'a self, record: &'a str) -> Bound<'a> {
        Bound {
            record,
            queued: self.queued,
            valid_until: self.valid_until,
            guard: self.guard.as_ref(),
        }
    }

    /// The change that makes a record of it.
    pub(super) fn creation(&self, key: &str) -> Result<Change, Error> {
        let failed = |error| Error::Other(format!("a mail cannot be written down: {error}"));
        let serde_json::Value::Object(fields) = serde_json::to_value(self).map_err(failed)? else {
            return Err(Error::Other("a mail cannot be written down".into()));
        };
        let set = fields.iter().filter(|(_, value)| !value.is_null());
        let edits = set.map(|(name, value)| edit(name, Some(value.to_string()))).collect();
        Ok(put(key, None, edits, self.due))
    }
}

/// The change that removes this version of a record.
pub(super) fn removal(key: &str, version: &str) -> Change {
    Change::Remove(Removal {
        collection: MAIL.to_owned(),
        key: key.to_owned(),
        version: version.to_owned(),
    })
}

fn put(key: &str, version: Option<String>, edits: Vec<Edit>, due: u64) -> Change {
    let (collection, key) = (MAIL.to_owned(), key.to_owned());
    Change::Put(Put { collection, key, version, edits, due: Some(due) })
}

fn edit(name: &str, value: Option<String>) -> Edit {
    Edit { path: vec![name.to_owned()], value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::document::apply;

    fn document() -> Document {
        Document {
            queued: 1,
            valid_until: 2,
            due: 3,
            attempts: 4,
            worker: None,
            guard: Some(Guard {
                collection: "users".into(),
                key: "ann@example.com".into(),
                path: vec!["a.b".into(), "$c".into()],
                value: r#""digest \" ü""#.into(),
            }),
            key: "93440f65".into(),
            sealed: "c2VhbGVk".into(),
        }
    }

    fn read(text: String) -> Option<Record> {
        let entry = Entry { collection: MAIL.into(), version: "v".into(), document: text };
        Record::read("mail:1", &entry)
    }

    fn written(old: Option<&str>, change: Change) -> String {
        let Change::Put(put) = change else { panic!("{change:?}") };
        apply(old, &put.edits, &put.key).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        for guard in [document().guard, None] {
            let document = Document { guard, ..document() };
            let text = written(None, document.creation("mail:1").unwrap());
            assert_eq!(read(text).unwrap().document, document);
        }
    }

    #[test]
    fn a_claim_changes_when_how_often_and_who_and_nothing_else() {
        let text = written(None, document().creation("mail:1").unwrap());
        let record = read(text.clone()).unwrap();
        let claimed = written(Some(&text), record.scheduled(90, 5, Some("w")));
        let expected = Document { due: 90, attempts: 5, worker: Some("w".into()), ..document() };
        assert_eq!(read(claimed.clone()).unwrap().document, expected);
        let given_back = written(Some(&claimed), record.scheduled(7, 6, None));
        let expected = Document { due: 7, attempts: 6, ..document() };
        assert_eq!(read(given_back).unwrap().document, expected);
    }

    #[test]
    fn what_is_no_record_of_ours_is_told_apart() {
        for text in ["{}", "[]", "no JSON", r#"{"queued": "x"}"#] {
            assert_eq!(read(text.to_owned()), None, "{text}");
        }
    }
}
