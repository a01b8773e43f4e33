//! The indexes of a collection.
//!
//! - `email_1`, unique: what other programs find a record by, and what a cluster may shard by;
//! - `portcullis_any_case`: the same in any letter case. In `users` it is unique too, so that no
//!   program can make a second account of one address with another spelling; not on a sharded
//!   cluster, where only the first can be unique;
//! - `portcullis_due`: what wants to be looked at.
//!
//! They are looked at before every write that makes a record: another process may have dropped the
//! collection a moment ago, and a collection that springs into being without its unique index would
//! let two accounts of one address in. Where they are there that is one round trip, for all collections
//! at once, and no work.

use std::collections::BTreeSet;

use bson::{Document, doc};
use futures_util::future::try_join_all;
use mongodb::IndexModel;
use mongodb::options::IndexOptions;

use super::MongoStore;
use super::failure::within;
use super::plan::{Plan, Step};
use super::read::any_case;
use super::record::META;
use crate::store::Error;

/// How many addresses a complaint names.
const NAMED: usize = 10;

/// What is known of the deployment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexes {
    /// A sharded cluster.
    pub(super) sharded: bool,
}

impl Indexes {
    /// See to it that the collections in which the plan makes records have their indexes.
    pub(super) async fn before(self, store: &MongoStore, plan: &Plan) -> Result<(), Error> {
        let mut collections = BTreeSet::new();
        for (_, step) in plan.writes() {
            let makes = match step {
                Step::Insert { .. } => true,
                Step::Replace { before, after, .. } => before.get("email") != after.get("email"),
                _ => false,
            };
            if makes {
                collections.insert(step.collection());
            }
        }
        let looks = collections.into_iter().map(|collection| self.make(store, collection));
        try_join_all(looks).await.map(drop)
    }

    /// Make the collection and its indexes, all of them or none.
    pub(super) async fn make(self, store: &MongoStore, collection: &str) -> Result<(), Error> {
        let models = self.models(collection);
        let made = within(store.patience(), async {
            store.collection(collection).create_indexes(models).await
        });
        match made.await {
            Ok(_) => Ok(()),
            Err(trouble) if trouble.is_duplicate() => Err(Error::Damaged(format!(
                "the collection {collection} has several records for one address, so its unique \
                 index cannot be made and nobody can be registered; nothing was changed. `portcullis \
                 migrate --dry-run` tells which; remove what is wrong, then run `portcullis migrate`"
            ))),
            // IndexOptionsConflict, IndexKeySpecsConflict
            Err(trouble) if matches!(trouble.code(), Some(85 | 86)) => {
                Err(Error::Damaged(format!(
                    "the collection {collection} has an index on `email` that is not unique, or of \
                     another kind: drop it, and it is made anew as it must be"
                )))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Whether a second record is refused whose key is another spelling of one that is there.
    pub(super) fn keep_spellings_apart(self, collection: &str) -> bool {
        collection == "users" && !self.sharded
    }

    fn models(self, collection: &str) -> Vec<IndexModel> {
        let email = doc! { "email": 1 };
        let due = format!("{META}.due");
        let model = |keys: Document, options| {
            IndexModel::builder().keys(keys).options(Some(options)).build()
        };
        let named = |name: &str| IndexOptions::builder().name(name.to_owned());
        vec![
            model(email.clone(), named("email_1").unique(true).build()),
            model(
                email,
                named("portcullis_any_case")
                    .collation(any_case())
                    .unique(self.keep_spellings_apart(collection).then_some(true))
                    .build(),
            ),
            model(
                doc! { &due: 1 },
                named("portcullis_due")
                    .partial_filter_expression(doc! { &due: { "$exists": true } })
                    .build(),
            ),
        ]
    }
}

/// The first addresses that have more than one record, for the operator alone; empty when there are
/// none.
pub(super) async fn duplicates(store: &MongoStore, collection: &str) -> Result<String, Error> {
    // In the users, spellings of one address count as one; elsewhere they may stand side by side.
    let key = match collection {
        "users" => doc! { "$toLower": "$email" },
        _ => doc! { "$concat": ["$email", ""] },
    };
    let pipeline = vec![
        doc! { "$group": { "_id": key, "count": { "$sum": 1 } } },
        doc! { "$match": { "count": { "$gt": 1 } } },
        doc! { "$sort": { "_id": 1 } },
        doc! { "$limit": NAMED as i64 },
    ];
    let found = store.aggregate(collection, pipeline, None).await?;
    let mut names: Vec<&str> = found.iter().filter_map(|it| it.get_str("_id").ok()).collect();
    if names.len() == NAMED {
        names.push("…");
    }
    Ok(names.join(", "))
}
