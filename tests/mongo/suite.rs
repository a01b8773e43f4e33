//! The suite of every store, on both kinds of deployments.

use portcullis::store::conformance::{Capabilities, all};
use portcullis::store::mongo::{MongoStore, Options};

use crate::servers::mongod::{Database, Mongod};
use crate::servers::replica_set::ReplicaSet;

/// What a BSON document does not keep, and what the index in any letter case does not tell apart.
const CAPABILITIES: Capabilities = Capabilities::ALL.exact_numbers(false).exact_keys(false);

/// The suite empties each database that it is given.
async fn empty(server: impl Into<Database>) -> MongoStore {
    let database = std::mem::ManuallyDrop::new(server.into());
    MongoStore::connect(&database.uri, &database.name, &Options::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_passes_the_suite_without_transactions() {
    let server = tokio::task::block_in_place(Mongod::shared);
    all(async || empty(server).await, CAPABILITIES.transactions(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_passes_the_suite() {
    let set = tokio::task::block_in_place(ReplicaSet::shared);
    all(async || empty(set).await, CAPABILITIES).await;
}
