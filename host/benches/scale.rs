//! Whether calls take as long with a million users as with a thousand: the same calls on random users of
//! both databases, taken in turns, on SQLite and on MongoDB. Times are medians, as the caller sees them.
//!
//! `cargo bench --bench scale`, or `-- sqlite` or `-- mongodb` for one of them; the server is that of the
//! tests. `USERS` in the environment is another number than a million.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing, dead_code, unreachable_pub, unused_imports, unused_macros)] // it needs a part of what the tests need

use std::cell::Cell;
use std::path::Path;

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocumentBuf, doc};
use measure::{interleaved, table, timed};
use portcullis::functions::Answer;
use portcullis::store::COLLECTIONS;
use portcullis::store::mongo::{self, MongoStore};
use portcullis::store::rules::new_version;
use portcullis::store::sqlite::{self, SqliteStore};
use portcullis::{Limits, Runtime, Tenant};
use rusqlite::{Connection, params};
use servers::mongod::{Database, Mongod};

#[path = "component/measure.rs"]
mod measure;
#[path = "../../tests/servers/mod.rs"]
mod servers;

/// What some of the servers of the tests are started with.
mod program {
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
}

const FEW: u64 = 1000;
const PASSWORD: &str = "correct horse";

/// The addresses have one length and come in no order, as those of people do.
fn address(number: u64) -> String {
    format!("{:016x}@example.com", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A database with that many users.
struct Ground<'t> {
    tokio: &'t tokio::runtime::Runtime,
    tenant: Tenant,
    users: u64,
    random: Cell<u64>,
}

impl Ground<'_> {
    fn someone(&self) -> String {
        // xorshift64: cheap, and far more than a million in no order.
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        address(random % self.users)
    }

    fn is_verified(&self) {
        let email = self.someone();
        let outcome = self.tokio.block_on(self.tenant.utils().is_verified(&email));
        assert_eq!(outcome.unwrap().code, 300);
    }

    fn data(&self) {
        let email = self.someone();
        let answer = self.tokio.block_on(self.tenant.utils().get_cust_usr_data(&email));
        assert!(matches!(answer.unwrap(), Answer::Data(_)));
    }

    fn write(&self) {
        let email = self.someone();
        let data = r#"{"plan":"paid"}"#;
        let outcome = self.tokio.block_on(self.tenant.utils().replace_usr_data(&email, data));
        assert_eq!(outcome.unwrap().code, 206);
    }

    fn sign_in(&self) {
        let email = self.someone();
        let auth = self.tenant.auth();
        let outcome =
            self.tokio.block_on(auth.authenticate_user(&email, PASSWORD, false, None, false));
        assert_eq!(outcome.unwrap().code, 202);
    }
}

fn main() {
    let users = std::env::var("USERS").map_or(1_000_000, |users| users.parse().unwrap());
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let runtime = Runtime::new(Limits::default()).unwrap();

    let asked: Vec<String> = std::env::args().skip(1).collect();
    let named = |store: &str| asked.iter().any(|argument| argument == store);
    if named("sqlite") || !named("mongodb") {
        sqlite(&tokio, &runtime, users);
    }
    if named("mongodb") || !named("sqlite") {
        mongodb(&tokio, &runtime, users);
    }
}

fn sqlite(tokio: &tokio::runtime::Runtime, runtime: &Runtime, users: u64) {
    let folder = tempfile::tempdir().unwrap();
    let [few, many] = [FEW, users].map(|users| {
        let file = folder.path().join(format!("{users}.db"));
        on_sqlite(tokio, runtime, &file, users)
    });
    compare("SQLite", &few, &many);
}

fn mongodb(tokio: &tokio::runtime::Runtime, runtime: &Runtime, users: u64) {
    let databases = [(); 2].map(|()| Database::from(Mongod::shared()));
    let [few, many] = [(FEW, &databases[0]), (users, &databases[1])]
        .map(|(users, database)| on_mongodb(tokio, runtime, database, users));
    compare("MongoDB", &few, &many);
}

fn compare(store: &str, few: &Ground<'_>, many: &Ground<'_>) {
    let measure = |what: &str, rounds: usize, call: &dyn Fn(&Ground<'_>)| {
        let names = [few, many].map(|ground| format!("{} users", ground.users));
        let rows = interleaved(
            rounds,
            &mut [(names[0].as_str(), &mut || call(few)), (names[1].as_str(), &mut || call(many))],
        );
        table(&format!("{what}, {store}"), &rows);
    };
    measure("is_verified", 4000, &|it| it.is_verified());
    measure("get_cust_usr_data", 4000, &|it| it.data());
    measure("replace_usr_data", 500, &|it| it.write());
    measure("authenticate_user", 40, &|it| it.sign_in());
}

fn registered<'t>(
    tokio: &'t tokio::runtime::Runtime,
    tenant: portcullis::tenant::TenantBuilder,
    users: u64,
) -> Ground<'t> {
    let tenant = tokio.block_on(async {
        let tenant = tenant.secret_key([7; 32]).build().await.unwrap();
        let auth = tenant.auth();
        let data = Some(r#"{"plan":"free"}"#);
        let made = auth.register_user_no_verif(&address(0), PASSWORD, data, false).await.unwrap();
        assert_eq!(made.code, 200);
        tenant
    });
    Ground { tokio, tenant, users, random: Cell::new(0x2545_F491_4F6C_DD1D) }
}

/// One user as the component writes him, and the others as copies of him at other addresses.
fn on_sqlite<'t>(
    tokio: &'t tokio::runtime::Runtime,
    runtime: &Runtime,
    file: &Path,
    users: u64,
) -> Ground<'t> {
    let store = SqliteStore::open(file, &sqlite::Options::default()).unwrap();
    let ground = registered(tokio, Tenant::builder(runtime).store(store), users);
    let first = address(0);
    let ((), time) = timed(|| {
        let mut db = Connection::open(file).unwrap();
        db.pragma_update(None, "cache_size", -1_000_000).unwrap();
        let transaction = db.transaction().unwrap();
        for name in COLLECTIONS {
            let of_the_first = format!("SELECT document, due FROM {name} WHERE email = ?1");
            let record = transaction.query_row(&of_the_first, [&first], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
            });
            let Ok((document, due)) = record else { continue };
            let sql = format!("INSERT INTO {name} VALUES (?1, ?2, ?3, ?4)");
            let mut insert = transaction.prepare(&sql).unwrap();
            for email in (1..users).map(address) {
                let document = document.replace(&first, &email);
                insert.execute(params![email, new_version().unwrap(), document, due]).unwrap();
            }
        }
        transaction.commit().unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    });
    println!(
        "SQLite: {users} users, a file of {:.1} MiB, made in {:.1} s; each connection of the \
         store has SQLite's own page cache, and there is the system's",
        std::fs::metadata(file).unwrap().len() as f64 / f64::from(1 << 20),
        time.as_secs_f64()
    );
    ground
}

fn on_mongodb<'t>(
    tokio: &'t tokio::runtime::Runtime,
    runtime: &Runtime,
    database: &Database,
    users: u64,
) -> Ground<'t> {
    const BATCH: u64 = 10_000;
    let options = mongo::Options::default();
    let store = MongoStore::connect(&database.uri, &database.name, &options);
    let store = tokio.block_on(store).unwrap();
    let ground = registered(tokio, Tenant::builder(runtime).store(store), users);
    let first = address(0);
    let (sizes, time) = timed(|| {
        servers::blocking(async {
            let db = database.open().await;
            for name in COLLECTIONS {
                let collection = db.collection::<Document>(name);
                let found = collection.find_one(doc! { "email": &first }).await.unwrap();
                let Some(record) = found else { continue };
                for begin in (1..users).step_by(BATCH as usize) {
                    let copies = (begin..users.min(begin + BATCH)).map(|number| {
                        let mut copy = record.clone();
                        readdress(&mut copy, &first, &address(number));
                        copy.insert("_id", ObjectId::new());
                        copy
                    });
                    collection.insert_many(copies).ordered(false).await.unwrap();
                }
            }
            db.run_command(doc! { "dbStats": 1 }).await.unwrap()
        })
    });
    let size = |name| match sizes.get(name) {
        Some(Bson::Double(bytes)) => bytes / f64::from(1 << 20),
        Some(other) => other.as_i64().unwrap_or_default() as f64 / f64::from(1 << 20),
        None => f64::NAN,
    };
    println!(
        "MongoDB: {users} users, {:.1} MiB of data and {:.1} MiB of indexes, made in {:.1} s; the server's \
         cache has 256 MiB, and there is the system's",
        size("dataSize"),
        size("indexSize"),
        time.as_secs_f64()
    );
    ground
}

/// Puts the new address wherever the old one stands.
fn readdress(document: &mut Document, old: &str, new: &str) {
    for (_, value) in document.iter_mut() {
        match value {
            Bson::String(text) => *text = text.replace(old, new),
            Bson::Document(inner) => readdress(inner, old, new),
            _ => {}
        }
    }
}
