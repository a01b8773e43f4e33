//! A gateway whose records are on a ground, and tenants of this process on the same records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::store::mongo::{MongoStore, Options};
use portcullis::tenant::Tenant;

use super::settings;
use crate::program::Ground;
use crate::servers::blocking;
use crate::servers::gateway::Gateway;
use crate::servers::mongod::{Database, Mongod};
use crate::servers::replica_set::ReplicaSet;
use crate::support::RUNTIME;

pub const DAY: u64 = 24 * 60 * 60;

/// In this order: the gateway ends before its database goes.
pub struct House {
    pub gateway: Gateway,
    server: Option<Database>,
}

impl House {
    /// A gateway that answers.
    pub fn on(ground: Ground) -> Self {
        let house = Self::prepare(ground);
        house.gateway.serve(|_| ());
        house
    }

    /// Settings, a folder and an empty database, and nothing that runs yet.
    pub fn prepare(ground: Ground) -> Self {
        let server: Option<Database> = match ground {
            Ground::Embedded => None,
            Ground::Single => Some(Mongod::shared().into()),
            Ground::ReplicaSet => Some(ReplicaSet::shared().into()),
        };
        let place = |it: &Database| format!("mongo_uri = {:?}\ndb_name = {:?}\n", it.uri, it.name);
        let place = server.as_ref().map(place).unwrap_or_default();
        Self { gateway: Gateway::prepare(&settings(&place)), server }
    }

    /// Whether anything was made where the records are to be.
    pub fn has_records(&self) -> bool {
        match &self.server {
            None => self.gateway.data().join("portcullis.db").exists(),
            Some(server) => blocking(async {
                !server.open().await.list_collection_names().await.unwrap().is_empty()
            }),
        }
    }

    /// A tenant that keeps events for so many days by this clock.
    pub async fn tenant(&self, days: u32, clock: &Clock) -> Tenant {
        let now = Arc::clone(&clock.seconds);
        let builder = Tenant::builder(&RUNTIME)
            .audit_days(days)
            .clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::SeqCst)))
            .data_dir(self.gateway.data());
        let builder = match &self.server {
            None => builder,
            Some(server) => {
                let options = Options::default();
                let store = MongoStore::connect(&server.uri, &server.name, &options).await;
                let store = Arc::new(store.unwrap());
                builder.shared_store(store.clone()).shared_database(store)
            }
        };
        builder.build().await.unwrap()
    }
}

/// A time that passes when the test says so.
pub struct Clock {
    seconds: Arc<AtomicU64>,
}

impl Clock {
    pub fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { seconds: Arc::new(AtomicU64::new(now)) }
    }

    pub fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn go_back(&self, seconds: u64) {
        self.seconds.fetch_sub(seconds, Ordering::SeqCst);
    }
}
