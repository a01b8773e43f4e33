//! What calls cost on MongoDB: this library and the Python package `easy-mongodb-auth-handler` on one
//! server, the same calls taken in turns by one caller each, and how many commands each sends to the
//! server for one call. Times are medians.
//!
//! `cargo bench --bench mongo`; the server and the package are those of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing, dead_code, unreachable_pub, unused_imports, unused_macros)] // it needs a part of what the tests need

use std::time::{Duration, Instant};

use bson::{Document, doc};
use portcullis::store::mongo::{MongoStore, Options};
use portcullis::{Limits, Runtime, Tenant, functions};
use serde_json::{Value as Json, json};
use servers::mongod::{Database, Mongod};
use servers::python::Python;

#[path = "../../tests/servers/mod.rs"]
mod servers;

/// What some of the servers of the tests are started with.
mod program {
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
}

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct horse";

/// One caller of each program, on databases of their own: each has a user whose password it hashed
/// in its own way.
struct Both {
    tokio: tokio::runtime::Runtime,
    tenant: Tenant,
    ours: Database,
    python: Python,
    theirs: Database,
}

impl Both {
    /// Under these rate limits: ours with its burst, and that of the package, in seconds.
    fn new(runtime: &Runtime, rate_limiting: i64, burst: i64, rate_limit: f64) -> Self {
        let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let [ours, theirs] = [(); 2].map(|()| Database::from(Mongod::shared()));
        let tenant = tokio.block_on(async {
            let options = Options::default();
            let store = MongoStore::connect(&ours.uri, &ours.name, &options).await.unwrap();
            let tenant = Tenant::builder(runtime).secret_key([7; 32]).store(store);
            let tenant = tenant.set("rate_limiting", rate_limiting).set("rate_limit_burst", burst);
            tenant.build().await.unwrap()
        });
        let python = Python::on(&theirs, json!({"rate_limit": rate_limit}));
        let mut both = Self { tokio, tenant, ours, python, theirs };
        let user = json!({"email": EMAIL, "password": PASSWORD, "ignore_rate_limit": true});
        both.here("register_user_no_verif", &user);
        both.there("register_user_no_verif", &user);
        both
    }

    fn here(&self, function: &str, arguments: &Json) -> Json {
        let call = functions::find(function).unwrap().prepare(&arguments.to_string()).unwrap();
        let reply = self.tokio.block_on(call.run(&self.tenant)).unwrap();
        serde_json::from_str(&reply.envelope()).unwrap()
    }

    fn there(&mut self, function: &str, arguments: &Json) -> Json {
        self.python.call(function, arguments.clone())
    }

    /// Time the call in both, and print the row.
    fn measure(&mut self, what: &str, rounds: usize, function: &str, arguments: &Json, good: bool) {
        let mut took = [Vec::new(), Vec::new()];
        for round in 0..rounds + 2 {
            let (here, first) = timed(|| self.here(function, arguments));
            let (there, second) = timed(|| self.there(function, arguments));
            for reply in [here, there] {
                assert_eq!(reply["success"], good, "{function}: {reply}");
            }
            if round >= 2 {
                took[0].push(first);
                took[1].push(second);
            }
        }
        let [ours, theirs] = took.map(|mut took| {
            took.sort();
            took[took.len() / 2]
        });
        const COUNTED: usize = 10;
        let commands_here = commands(&self.ours, || {
            (0..COUNTED).for_each(|_| drop(self.here(function, arguments)));
        });
        let commands_there = commands(&self.theirs, || {
            (0..COUNTED).for_each(|_| drop(self.python.call(function, arguments.clone())));
        });
        println!("{what}");
        for (name, time, commands) in
            [("here", ours, commands_here), ("Python", theirs, commands_there)]
        {
            println!(
                "  {name:<8} {:>9.2} ms {:>9.1} calls/s {:>6.1} commands a call",
                time.as_secs_f64() * 1e3,
                1.0 / time.as_secs_f64(),
                commands as f64 / COUNTED as f64
            );
        }
        println!();
    }
}

fn main() {
    let runtime = Runtime::new(Limits::default()).unwrap();
    let user = json!({"email": EMAIL});
    let sign_in = json!({"email": EMAIL, "password": PASSWORD});

    let mut both = Both::new(&runtime, 0, 1, 0.0);
    both.measure("is_blocked", 200, "is_blocked", &user, false);
    both.measure("sign-in", 12, "authenticate_user", &sign_in, true);
    drop(both);

    // A limit that lets everything through.
    let mut both = Both::new(&runtime, 1, 100, 1e-9);
    both.measure("sign-in with a rate limit", 12, "authenticate_user", &sign_in, true);
    drop(both);

    let mut both = Both::new(&runtime, 86_400, 1, 86_400.0);
    both.here("authenticate_user", &sign_in);
    both.there("authenticate_user", &sign_in);
    both.measure("sign-in that the rate limit refuses", 100, "authenticate_user", &sign_in, false);
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// How many commands came to this database meanwhile, by its own profile.
fn commands(database: &Database, work: impl FnOnce()) -> u64 {
    let profile = |level: i32| {
        let command = async { database.open().await.run_command(doc! { "profile": level }).await };
        servers::blocking(command).unwrap();
    };
    profile(0);
    let clear =
        async { database.open().await.collection::<Document>("system.profile").drop().await };
    servers::blocking(clear).unwrap();
    profile(2);
    work();
    profile(0);
    let count = async {
        let profile = database.open().await.collection::<Document>("system.profile");
        profile.count_documents(doc! { "command.profile": { "$exists": false } }).await
    };
    servers::blocking(count).unwrap()
}
