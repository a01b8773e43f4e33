//! MongoDB as the store, on real servers.

mod commands;
mod connect;
mod faults;
mod foreign;
mod interop;
mod load;
mod moves;
mod secrecy;
mod suite;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{Client, Collection};
use portcullis::store::mongo::{MongoStore, Options};

use crate::servers::mongod::{Database, Mongod};

/// A database of its own on the shared single server, seen by the store and by another program.
pub struct Ground {
    pub store: MongoStore,
    pub uri: String,
    pub name: String,
    other: mongodb::Database,
    _server: Database,
}

pub async fn ground() -> Ground {
    let server: Database = tokio::task::block_in_place(Mongod::shared).into();
    let (uri, name) = (server.uri.clone(), server.name.clone());
    let store = MongoStore::connect(&uri, &name, &Options::default()).await.unwrap();
    let other = Client::with_uri_str(&uri).await.unwrap().database(&name);
    Ground { store, uri, name, other, _server: server }
}

impl Ground {
    fn collection(&self, name: &str) -> Collection<Document> {
        self.other.collection(name)
    }

    pub async fn insert(&self, collection: &str, document: Document) {
        self.collection(collection).insert_one(document).await.unwrap();
    }

    pub async fn update(&self, collection: &str, filter: Document, update: Document) {
        let done = self.collection(collection).update_one(filter, update).await.unwrap();
        assert_eq!(done.matched_count, 1);
    }

    pub async fn delete(&self, collection: &str, filter: Document) {
        assert_eq!(self.collection(collection).delete_one(filter).await.unwrap().deleted_count, 1);
    }

    pub async fn drop_indexes(&self, collection: &str) {
        self.collection(collection).drop_indexes().await.unwrap();
    }
}

/// All documents of a collection.
pub async fn documents(ground: &Ground, collection: &str) -> Vec<Document> {
    let found = ground.collection(collection).find(doc! {}).await.unwrap();
    found.try_collect().await.unwrap()
}
