//! Many records at once: going through a collection, and filling one.

use std::collections::HashSet;

use bson::{Bson, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::error::{Error as DriverError, ErrorKind};

use super::failure::{DUPLICATE, Trouble, within};
use super::read::{any_case, folded};
use super::record::{self, ID, META, edited};
use super::{MongoStore, convert, literal};
use crate::store::rules::Page;
use crate::store::{Error, Put, Record};

/// Records in the order of their keys, from the one after `after`.
pub(super) async fn scan(
    store: &MongoStore,
    collection: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Record>, Error> {
    let mut page = Page::new(limit);
    if limit == 0 {
        return Ok(page.records());
    }
    let query = async {
        let collection = store.collection(collection);
        let find = collection.find(doc! { "email": { "$gt": after } });
        let mut found = find.sort(doc! { "email": 1 }).limit(i64::from(limit)).await?;
        let mut documents = Vec::new();
        let mut bytes = 0_usize;
        while let Some(document) = found.try_next().await? {
            bytes = bytes.saturating_add(document.as_bytes().len());
            documents.push(document);
            // JSON is longer than BSON as a rule, so the page is full before.
            if bytes > 2 * crate::store::MAX_SCAN {
                break;
            }
        }
        Ok(documents)
    };
    for raw in &within(store.patience(), query).await? {
        let document = literal(raw)?;
        let Ok(key) = document.get_str("email") else { continue };
        let key = key.to_owned();
        let text = convert::to_json(&document, &[ID, META]).map_err(record::unreadable)?;
        if !page.take(key, text) {
            break;
        }
    }
    Ok(page.records())
}

/// Write the records that are not there yet: for each, whether it was written.
pub(super) async fn insert(
    store: &MongoStore,
    collection: &str,
    puts: &[&Put],
) -> Result<Vec<bool>, Error> {
    let made = |put: &&Put| -> Result<RawDocumentBuf, Error> {
        let document = edited(None, &put.edits, Some(&put.key), put.due)?;
        RawDocumentBuf::try_from(&document).map_err(record::unreadable)
    };
    let documents = puts.iter().map(made).collect::<Result<Vec<_>, Error>>()?;
    store.indexes().make(store, collection).await?;

    // Elsewhere the unique index does not find other spellings.
    let there = match store.indexes().keep_spellings_apart(collection) {
        true => HashSet::new(),
        false => spellings(store, collection, puts).await?,
    };
    let mut written: Vec<bool> =
        puts.iter().map(|put| !there.contains(&folded(&put.key))).collect();
    let new: Vec<usize> = (0..puts.len()).filter(|at| written.get(*at) == Some(&true)).collect();
    if new.is_empty() {
        return Ok(written);
    }
    let fresh: Vec<RawDocumentBuf> =
        documents.into_iter().zip(&written).filter(|(_, new)| **new).map(|(it, _)| it).collect();
    let inserted = async { store.collection(collection).insert_many(fresh).ordered(false).await };
    match within(store.patience(), inserted).await {
        Ok(_) => Ok(written),
        Err(Trouble::Driver(error)) => {
            // Somebody else has made some of them meanwhile.
            for at in duplicates(&error).ok_or(Trouble::Driver(error))? {
                if let Some(written) = new.get(at).and_then(|at| written.get_mut(*at)) {
                    *written = false;
                }
            }
            Ok(written)
        }
        Err(trouble) => Err(trouble.into()),
    }
}

/// Which of these keys have a record, in whatever letter case; in lower case.
async fn spellings(
    store: &MongoStore,
    collection: &str,
    puts: &[&Put],
) -> Result<HashSet<String>, Error> {
    let keys: Vec<&str> = puts.iter().map(|put| put.key.as_str()).collect();
    let pipeline = vec![
        doc! { "$match": { "email": { "$in": keys } } },
        doc! { "$project": { "_id": 0, "email": 1 } },
    ];
    let found = store.aggregate(collection, pipeline, Some(any_case())).await?;
    let key = |mut document: bson::Document| match document.remove("email") {
        Some(Bson::String(key)) => Some(folded(&key)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(key).collect())
}

/// Which of the documents had a record already, if nothing else was wrong.
fn duplicates(error: &DriverError) -> Option<Vec<usize>> {
    let ErrorKind::InsertMany(several) = error.kind.as_ref() else { return None };
    if several.write_concern_error.is_some() {
        return None;
    }
    let refused = several.write_errors.as_ref()?;
    let all = refused.iter().all(|error| DUPLICATE.contains(&error.code));
    all.then(|| refused.iter().map(|error| error.index).collect())
}
