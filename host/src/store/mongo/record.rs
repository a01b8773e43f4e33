//! What stands in the database for one record, and the version of it.
//!
//! A document is what other programs see, plus one object of ours, [`META`]:
//!
//! | field | meaning |
//! |---|---|
//! | `version` | 32 random hexadecimal digits, new at every write of ours |
//! | `due` | when the record wants to be looked at, in seconds since 1970 (UTC) |
//! | `hold`, `busy`, `moving`, `copied_to`, `copied_from`, `at` | notes on work in hand, no part of the record |
//!
//! The version that a caller sees is a digest of the whole document, our random `version` in it. So
//! it changes with every write of ours, and with every write of a program that knows nothing of
//! [`META`] and changes anything at all.

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use sha2::{Digest, Sha256};

use super::convert::{from_json, to_json};
use crate::store::document::MAX_PATH;
use crate::store::rules::new_version;
use crate::store::{Edit, Entry, Error};

/// The field with what this store itself keeps in a document.
pub(super) const META: &str = "portcullis_meta";

/// The field by which the server finds a document.
pub(super) const ID: &str = "_id";

/// The notes in [`META`] that are no part of the record.
const NOTES: [&str; 6] = ["hold", "busy", "moving", "copied_to", "copied_from", "at"];

/// The most bytes of a document. A conditional write carries it twice, as it was and as it shall
/// be, and the server takes 16 MiB.
const MAX_BYTES: usize = 6 * 1024 * 1024;

/// The documents of one key in one collection: as a rule one. Where another program has written
/// several spellings of an address, they count as one record and are written together.
#[derive(Clone, Default)]
pub(super) struct Record(pub(super) Vec<Document>);

impl Record {
    /// The version of the record; `None` when there is none.
    pub(super) fn version(&self) -> Result<Option<String>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let mut digest = Sha256::new();
        for document in &self.0 {
            let mut document = without_notes(document);
            // A copy at another address is the same record.
            document.remove(ID);
            digest.update(document.to_vec().map_err(unreadable)?);
        }
        Ok(Some(digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The record as it is read. Of several spellings the one that refuses more counts: any that
    /// says blocked, the later limit.
    pub(super) fn entry(&self, collection: &str) -> Result<Option<Entry>, Error> {
        let Some(version) = self.version()? else { return Ok(None) };
        let document = match collection {
            "blocked" => self.0.iter().find(|it| says_blocked(it)),
            "limit" => self.0.iter().max_by(|a, b| last_action(a).total_cmp(&last_action(b))),
            _ => None,
        };
        let Some(document) = document.or(self.0.first()) else { return Ok(None) };
        let document = to_json(document, &[ID, META]).map_err(unreadable)?;
        Ok(Some(Entry { collection: collection.to_owned(), version, document }))
    }
}

/// Anything but false or nothing blocks.
pub(super) fn says_blocked(document: &Document) -> bool {
    !matches!(document.get("blocked"), None | Some(Bson::Boolean(false) | Bson::Null))
}

/// When a limit was last used; no number is never.
pub(super) fn last_action(document: &Document) -> f64 {
    match document.get("last_action") {
        Some(Bson::Double(at)) => *at,
        Some(Bson::Int32(at)) => f64::from(*at),
        Some(Bson::Int64(at)) => *at as f64,
        _ => f64::NEG_INFINITY,
    }
}

/// A new document, or the one that was there, after the edits. Names of paths are literal.
///
/// `email` is the key of a new document; one that is there keeps its spelling of the address, by
/// which other programs find it, unless `email` says another.
pub(super) fn edited(
    before: Option<&Document>,
    edits: &[Edit],
    email: Option<&str>,
    due: Option<u64>,
) -> Result<Document, Error> {
    let mut document = before.cloned().unwrap_or_else(|| doc! { ID: ObjectId::new() });
    let email = match (email, document.get("email")) {
        (Some(email), _) => Bson::String(email.to_owned()),
        (None, Some(email)) => email.clone(),
        (None, None) => return Err(Error::Damaged("a record without an address".into())),
    };
    // In second place, where people who look at the database expect it.
    document.entry("email").or_insert(Bson::Null);
    for (number, edit) in edits.iter().enumerate() {
        let refused = |why: &str| Error::Other(format!("edit {}: {why}", number + 1));
        let first = edit.path.first().map(String::as_str);
        if edit.path.is_empty() || edit.path.len() > MAX_PATH {
            return Err(refused("a path has 1 to 16 names"));
        }
        if first == Some(ID) || first == Some(META) {
            return Err(refused("the field belongs to the store"));
        }
        if edit.path.iter().any(|name| name.contains('\0')) {
            return Err(refused("a name with a NUL in it"));
        }
        let value = match &edit.value {
            None => None,
            Some(text) => Some(from_json(text).ok_or_else(|| refused("the value is not JSON"))?),
        };
        set(&mut document, &edit.path, value)
            .ok_or_else(|| refused("the path leads through a value that is no object"))?;
    }
    // Last, so that no edit can give a record an address that it is not found by.
    document.insert("email", email);
    stamp(&mut document, due)?;
    if document.to_vec().map_err(unreadable)?.len() > MAX_BYTES {
        return Err(Error::Other(format!("a document of more than {MAX_BYTES} bytes")));
    }
    Ok(document)
}

/// Gives the document a new version.
fn stamp(document: &mut Document, due: Option<u64>) -> Result<(), Error> {
    let Some(meta) = meta_mut(document) else { return Ok(()) };
    meta.insert("version", new_version()?);
    // Whoever has left these is done with the document, or dead.
    meta.remove("busy");
    meta.remove("hold");
    match due.map(|due| i64::try_from(due).unwrap_or(i64::MAX)) {
        Some(due) => meta.insert("due", due),
        None => meta.remove("due"),
    };
    Ok(())
}

/// Sets a note, or removes it.
pub(super) fn note(document: &mut Document, name: &str, value: Option<Bson>) {
    let Some(meta) = meta_mut(document) else { return };
    match value {
        Some(value) => meta.insert(name, value),
        None => meta.remove(name),
    };
    if meta.is_empty() {
        document.remove(META);
    }
}

/// A note that is a text.
pub(super) fn noted<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    document.get_document(META).ok()?.get_str(name).ok()
}

/// Our object in the document. Whatever else stands in its place is nobody's.
fn meta_mut(document: &mut Document) -> Option<&mut Document> {
    let value = document.entry(META).or_insert(Bson::Null);
    if !matches!(value, Bson::Document(_)) {
        *value = Bson::Document(Document::new());
    }
    value.as_document_mut()
}

/// The document as its owner knows it.
pub(super) fn without_notes(document: &Document) -> Document {
    let mut document = document.clone();
    if let Ok(meta) = document.get_document_mut(META) {
        for name in NOTES {
            meta.remove(name);
        }
        if meta.is_empty() {
            document.remove(META);
        }
    }
    document
}

/// Sets or removes what the path leads to; `None` when it leads through something that is no object.
fn set(document: &mut Document, path: &[String], value: Option<Bson>) -> Option<()> {
    let Some((name, rest)) = path.split_first() else { return Some(()) };
    match (rest.is_empty(), value) {
        (true, Some(value)) => {
            document.insert(name, value);
        }
        (true, None) => {
            document.remove(name);
        }
        (false, value) => {
            if value.is_none() && !document.contains_key(name) {
                return Some(());
            }
            match document.entry(name).or_insert_with(|| Bson::Document(Document::new())) {
                Bson::Document(inner) => set(inner, rest, value)?,
                _ => return None,
            }
        }
    }
    Some(())
}

/// The filter that finds exactly this document, and only as long as nobody has changed anything in
/// it. The address comes first: it is what an index, and the shards of a cluster, know.
pub(super) fn unchanged(document: &Document) -> Document {
    let email = document.get("email").cloned().unwrap_or(Bson::Null);
    doc! {
        "email": email,
        ID: document.get(ID).cloned().unwrap_or(Bson::Null),
        "$expr": { "$eq": ["$$ROOT", { "$literal": document.clone() }] },
    }
}

pub(super) fn unreadable(error: impl std::error::Error) -> Error {
    tracing::debug!("a document cannot be read: {error}");
    Error::Damaged("a document cannot be read".into())
}
