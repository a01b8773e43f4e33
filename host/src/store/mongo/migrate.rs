//! Putting the addresses of a database into the key form.
//!
//! Other programs wrote addresses as they were typed; the key of a record is the lower-case form.
//! Such records are found all the same, but only a database in the key form can be sharded by
//! address, and is fast on any server.

use std::time::Duration;

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;

use super::failure::within;
use super::plan::Step;
use super::read::folded;
use super::record::{ID, edited};
use super::relocation::by_id;
use super::write::execute;
use super::{MongoStore, literal};
use crate::store::{Edit, Error};

/// The collections whose addresses other programs write.
const SHARED: [&str; 3] = ["users", "blocked", "limit"];

/// How long the look at a whole collection may take.
const WHOLE: Duration = Duration::from_secs(600);

/// What there was to do.
#[derive(Clone, Debug, Default)]
pub struct Migration {
    /// Records whose address was put into the key form, or would be.
    pub moved: Vec<Address>,
    /// Addresses with several records, of which only a human can say which is right. They were left
    /// alone.
    pub collisions: Vec<Collision>,
}

/// An address in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The collection.
    pub collection: &'static str,
    /// The address as it stands there.
    pub spelling: String,
}

/// Several records of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    /// The collection.
    pub collection: &'static str,
    /// The address in the key form.
    pub key: String,
    /// The addresses as they stand there.
    pub spellings: Vec<String>,
}

/// Put all addresses into the key form, unless `dry_run`, and tell what cannot be. Each record is
/// changed by a conditional write of its own, so this may run beside everything else, be stopped, and
/// be run again. Users keep the form that was given as the one that mail goes to.
///
/// # Errors
/// [`Error::Unavailable`] when the server does not answer. What was moved stays moved.
pub async fn migrate(store: &MongoStore, dry_run: bool) -> Result<Migration, Error> {
    let mut migration = Migration::default();
    for collection in SHARED {
        collisions(store, collection, &mut migration).await?;
        spellings(store, collection, dry_run, &mut migration).await?;
    }
    Ok(migration)
}

async fn collisions(
    store: &MongoStore,
    collection: &'static str,
    migration: &mut Migration,
) -> Result<(), Error> {
    let pipeline = [
        doc! { "$group": {
            "_id": { "$toLower": "$email" }, "spellings": { "$push": "$email" },
            "count": { "$sum": 1 },
        } },
        doc! { "$match": { "count": { "$gt": 1 } } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let cursor =
        async { store.collection(collection).aggregate(pipeline).allow_disk_use(true).await };
    let mut cursor = within(store.patience() * 60, cursor).await?;
    while let Some(found) = within(store.patience(), cursor.try_next()).await? {
        let Ok(key) = found.get_str("_id") else { continue };
        let text = |it: &Bson| it.as_str().map(str::to_owned);
        let spellings = found.get_array("spellings").map_or(&[][..], Vec::as_slice);
        let spellings = spellings.iter().filter_map(text).collect();
        migration.collisions.push(Collision { collection, key: key.to_owned(), spellings });
    }
    Ok(())
}

async fn spellings(
    store: &MongoStore,
    collection: &'static str,
    dry_run: bool,
    migration: &mut Migration,
) -> Result<(), Error> {
    let filter = doc! { "email": { "$regex": "[A-Z]" } };
    let cursor = async { store.collection(collection).find(filter).await };
    let mut cursor = within(WHOLE, cursor).await?;
    while let Some(raw) = within(store.patience(), cursor.try_next()).await? {
        let before = literal(&raw)?;
        let Ok(spelling) = before.get_str("email").map(str::to_owned) else { continue };
        let key = folded(&spelling);
        if migration.collisions.iter().any(|it| it.collection == collection && it.key == key) {
            continue;
        }
        if dry_run || put(store, collection, before, &key, &spelling).await? {
            migration.moved.push(Address { collection, spelling });
        } else {
            let spellings = vec![spelling, key.clone()];
            migration.collisions.push(Collision { collection, key, spellings });
        }
    }
    Ok(())
}

/// One record; whether it has the key now. It is read again when somebody else was faster.
async fn put(
    store: &MongoStore,
    collection: &'static str,
    mut before: Document,
    key: &str,
    spelling: &str,
) -> Result<bool, Error> {
    loop {
        let due = before.get_document(super::record::META).ok().and_then(|m| m.get_i64("due").ok());
        let due = due.and_then(|due| u64::try_from(due).ok());
        let address = Edit {
            path: vec!["portcullis".to_owned(), "address".to_owned()],
            value: serde_json::to_string(spelling).ok(),
        };
        let has_one = before.get_document("portcullis").is_ok_and(|it| it.contains_key("address"));
        let edits = if collection == "users" && !has_one { vec![address] } else { Vec::new() };
        let after = edited(Some(&before), &edits, Some(key), due)?;
        let id = before.get(ID).cloned().unwrap_or(Bson::Null);
        let step = Step::Replace { collection: collection.to_owned(), before, after };
        if execute(store, &step, None).await? {
            return Ok(true);
        }
        match by_id(store, collection, &id).await? {
            // Gone, or in the key form by now.
            None => return Ok(true),
            Some(now) if now.get_str("email").is_ok_and(|email| email == key) => return Ok(true),
            Some(now) => {
                let Step::Replace { before: tried, .. } = step else { return Ok(false) };
                if now == tried {
                    // Nobody has touched it: the key is somebody else's.
                    return Ok(false);
                }
                before = now;
            }
        }
    }
}
