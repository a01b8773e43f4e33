//! What the sandbox costs: the same work through the component and natively, taken in turns in one
//! run, so that a ratio holds on a noisy machine. Times are medians, as the caller sees them.
//!
//! `cargo bench --bench component`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub)] // a benchmark that cannot go on stops

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use measure::{interleaved, median, resident, table, timed};
use native::Native;
use portcullis::component::{Call, Work};
use portcullis::store::memory::MemoryStore;
use portcullis::store::sqlite::{self, SqliteStore};
use portcullis::store::{Change, Edit, Put, Store, Verdict};
use portcullis::{Limits, Runtime, Tenant};
use portcullis_guest::{reply, utils};

mod measure;
mod native;

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct horse";

/// One tenant with one user, and what it stands on.
struct Ground<'r> {
    tokio: &'r tokio::runtime::Runtime,
    tenant: Tenant,
    native: Native<'r>,
}

impl<'r> Ground<'r> {
    fn new(tokio: &'r tokio::runtime::Runtime, runtime: &Runtime, store: Arc<dyn Store>) -> Self {
        let tenant = tokio.block_on(async {
            let tenant = Tenant::builder(runtime).secret_key([7; 32]);
            let tenant = tenant.shared_store(Arc::clone(&store)).build().await.unwrap();
            let made =
                tenant.auth().register_user_no_verif(EMAIL, PASSWORD, None, false).await.unwrap();
            assert_eq!(made.code, 200);
            tenant
        });
        Self { tokio, tenant, native: Native { store, tokio } }
    }
}

fn main() {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let empty = resident();
    let (runtime, compiling) = timed(|| Runtime::new(Limits::default()).unwrap());
    println!("compiling the component: {} ms\n", compiling.as_millis());
    let memory = Ground::new(&tokio, &runtime, Arc::new(MemoryStore::default()));
    memory_of_calls(&memory, empty);

    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(folder.path().join("s.db"), &sqlite::Options::default());
    let sqlite = Ground::new(&tokio, &runtime, Arc::new(sqlite.unwrap()));

    reading(&memory, "is_verified, memory store");
    reading(&sqlite, "is_verified, SQLite");
    writing(&sqlite);
    hashing(&memory, "authenticate_user, memory store: argon2id, 19 MiB, 2 passes, 1 lane");
    hashing(&sqlite, "authenticate_user, SQLite: argon2id, 19 MiB, 2 passes, 1 lane");
    commits(&tokio, folder.path());
}

fn memory_of_calls(ground: &Ground<'_>, empty: u64) {
    let idle = resident();
    ground.tokio.block_on(async {
        for _ in 0..1000 {
            assert_eq!(ground.tenant.utils().is_verified(EMAIL).await.unwrap().code, 300);
        }
    });
    println!(
        "resident memory: {empty} KiB at start, {idle} KiB idle, {} KiB after 1000 calls\n",
        resident()
    );
}

/// A call that only reads: one `load`.
fn reading(ground: &Ground<'_>, title: &str) {
    let Ground { tokio, tenant, native } = ground;
    let rows = interleaved(
        4000,
        &mut [
            ("natively", &mut || {
                let outcome = reply::reply(native, utils::is_verified(native, black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 300);
            }),
            ("fresh instance", &mut || {
                let outcome = tokio.block_on(tenant.utils().is_verified(black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 300);
            }),
        ],
    );
    table(title, &rows);
}

/// Calls that write: each a `load` and a `commit` that is on the disk when they answer.
fn writing(ground: &Ground<'_>) {
    let Ground { tokio, tenant, native } = ground;
    let rows = interleaved(
        300,
        &mut [
            ("natively", &mut || {
                let outcome = reply::reply(native, utils::block_user(native, black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 403);
                let outcome = reply::reply(native, utils::unblock_user(native, black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 207);
            }),
            ("fresh instances", &mut || {
                let outcome = tokio.block_on(tenant.utils().block_user(black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 403);
                let outcome = tokio.block_on(tenant.utils().unblock_user(black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 207);
            }),
        ],
    );
    table("block_user and unblock_user, SQLite", &rows);
}

fn hashing(ground: &Ground<'_>, title: &str) {
    let Ground { tokio, tenant, .. } = ground;
    let stored: PasswordHash = argon2::Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), b"0123456789abcdef")
        .unwrap();
    let mut warm = Vec::new();
    let mut rows = interleaved(
        24,
        &mut [
            ("argon2 crate, natively", &mut || {
                argon2::Argon2::default()
                    .verify_password(black_box(PASSWORD.as_bytes()), &stored)
                    .unwrap();
            }),
            ("fresh instance", &mut || {
                let outcome = tokio
                    .block_on(tenant.auth().authenticate_user(EMAIL, PASSWORD, false, None, false));
                assert_eq!(outcome.unwrap().code, 202);
            }),
            ("(several in one instance)", &mut || {
                let took = tokio.block_on(tenant.run(Work::Hashing, several_sign_ins));
                // The first one touches the memory.
                warm.extend(took.unwrap().into_iter().skip(1));
            }),
        ],
    );
    rows.pop();
    rows.push(("warm instance", median(warm)));
    table(title, &rows);
}

/// How long each of some sign-ins in one instance takes.
async fn several_sign_ins(
    mut call: Call,
) -> wasmtime::Result<Result<Vec<std::time::Duration>, portcullis::contract::types::Failure>> {
    const SIGN_INS: u32 = 8;
    let auth = call.exports.auth(&mut call.store)?;
    let mut took = Vec::new();
    for _ in 0..=SIGN_INS {
        let begun = Instant::now();
        let outcome = auth
            .call_authenticate_user(&mut call.store, EMAIL, PASSWORD, false, None, false)
            .await?;
        took.push(begun.elapsed());
        if let Err(failure) = outcome {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(took))
}

/// Durable commits a second of the SQLite store alone, with so many writers at once: commits that
/// wait at the same time share one sync of the disk.
fn commits(tokio: &tokio::runtime::Runtime, folder: &Path) {
    const ROUNDS: usize = 5;
    const COMMITS: usize = 400;
    const WRITERS: [usize; 3] = [1, 8, 64];
    let store = SqliteStore::open(folder.join("commits.db"), &sqlite::Options::default());
    let store = Arc::new(store.unwrap());
    let mut took = vec![Vec::new(); WRITERS.len()];
    for round in 0..ROUNDS {
        for (writers, took) in WRITERS.into_iter().zip(&mut took) {
            let each = COMMITS / writers;
            let all = async {
                let tasks: Vec<_> = (0..writers)
                    .map(|writer| {
                        let store = Arc::clone(&store);
                        tokio.spawn(async move {
                            for n in 0..each {
                                let key = format!("{round}-{writers}-{writer}-{n}@example.com");
                                let made = store.commit(&[new_record(key)]).await.unwrap();
                                assert!(matches!(made, Verdict::Committed(_)));
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            };
            let ((), time) = timed(|| tokio.block_on(all));
            took.push(time / u32::try_from(each * writers).unwrap());
        }
    }
    println!("commits of the SQLite store, durable");
    let took: Vec<_> = took.into_iter().map(median).collect();
    for (writers, time) in WRITERS.into_iter().zip(&took) {
        println!(
            "  {writers:>2} writers at once {:>10.0} commits/s   ratio {:.2}",
            1.0 / time.as_secs_f64(),
            took[0].as_secs_f64() / time.as_secs_f64()
        );
    }
    println!();
}

fn new_record(key: String) -> Change {
    let edit = |name: &str, value: &str| Edit {
        path: vec![name.to_owned()],
        value: Some(value.to_owned()),
    };
    Change::Put(Put {
        collection: "users".into(),
        key,
        version: None,
        edits: vec![edit("verified", "true"), edit("custom_data", r#"{"plan":"free"}"#)],
        due: None,
    })
}
