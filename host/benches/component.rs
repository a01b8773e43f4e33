//! What the sandbox costs: the same work through the component and natively, taken in turns in one
//! run, so that a ratio holds on a noisy machine. Times are medians.
//!
//! `cargo bench --bench component`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)] // a benchmark that cannot go on stops

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use portcullis::component::{Call, Work};
use portcullis::store::memory::MemoryStore;
use portcullis::store::{COLLECTIONS, Store};
use portcullis::{Limits, Runtime, Tenant};
use portcullis_guest::ports::{
    Change, Delivery, Entry, MailError, Message, Ports, SecretKey, StoreError, Value, Verdict,
};
use portcullis_guest::{reply, utils};

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct horse";

fn main() {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = Arc::new(MemoryStore::default());
    let empty = resident();
    let (runtime, compiling) = timed(|| Runtime::new(Limits::default()).unwrap());
    let tenant = tokio.block_on(async {
        let tenant = Tenant::builder(&runtime)
            .secret_key([7; 32])
            .shared_store(Arc::clone(&store) as _)
            .build()
            .await
            .unwrap();
        let made =
            tenant.auth().register_user_no_verif(EMAIL, PASSWORD, None, false).await.unwrap();
        assert_eq!(made.code, 200);
        tenant
    });
    println!("compiling the component: {} ms\n", compiling.as_millis());

    let idle = resident();
    tokio.block_on(async {
        for _ in 0..1000 {
            assert_eq!(tenant.utils().is_verified(EMAIL).await.unwrap().code, 300);
        }
    });
    let after = resident();
    println!(
        "resident memory: {empty} KiB at start, {idle} KiB idle, {after} KiB after 1000 calls\n"
    );

    calls_that_do_not_hash(&tokio, &tenant, &store);
    hashing(&tokio, &tenant);
}

fn calls_that_do_not_hash(
    tokio: &tokio::runtime::Runtime,
    tenant: &Tenant,
    store: &Arc<MemoryStore>,
) {
    let native = Native(Arc::clone(store));
    let rows = interleaved(
        2000,
        &mut [
            ("natively", &mut || {
                let outcome = reply::reply(&native, utils::is_verified(&native, black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 300);
            }),
            ("fresh instance", &mut || {
                let outcome = tokio.block_on(tenant.utils().is_verified(black_box(EMAIL)));
                assert_eq!(outcome.unwrap().code, 300);
            }),
        ],
    );
    table("is_verified, memory store", &rows);
}

fn hashing(tokio: &tokio::runtime::Runtime, tenant: &Tenant) {
    let stored: PasswordHash = argon2::Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), b"0123456789abcdef")
        .unwrap();
    const WARM: u32 = 8;
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
                let took = tokio.block_on(tenant.run(Work::Hashing, |mut call: Call| async move {
                    let auth = call.exports.portcullis_auth_auth();
                    // The first one touches the memory.
                    let mut took = Vec::new();
                    for _ in 0..=WARM {
                        let begun = Instant::now();
                        let outcome = auth
                            .call_authenticate_user(
                                &mut call.store,
                                EMAIL,
                                PASSWORD,
                                false,
                                None,
                                false,
                            )
                            .await?;
                        took.push(begun.elapsed());
                        if let Err(failure) = outcome {
                            return Ok(Err(failure));
                        }
                    }
                    Ok(Ok(took))
                }));
                warm.extend(took.unwrap().into_iter().skip(1));
            }),
        ],
    );
    rows.pop();
    warm.sort();
    rows.push(("warm instance", warm[warm.len() / 2]));
    table("authenticate_user: argon2id, 19 MiB, 2 passes, 1 lane", &rows);
}

/// The median of each, all of them taken in turns.
fn interleaved<'n>(
    rounds: usize,
    subjects: &mut [(&'n str, &mut dyn FnMut())],
) -> Vec<(&'n str, Duration)> {
    let mut took = vec![Vec::with_capacity(rounds); subjects.len()];
    for round in 0..rounds + rounds / 10 {
        for ((_, subject), took) in subjects.iter_mut().zip(&mut took) {
            let ((), time) = timed(&mut **subject);
            if round >= rounds / 10 {
                took.push(time);
            }
        }
    }
    let medians = took.into_iter().map(|mut took| {
        took.sort();
        took[took.len() / 2]
    });
    subjects.iter().map(|(name, _)| *name).zip(medians).collect()
}

fn table(title: &str, rows: &[(&str, Duration)]) {
    println!("{title}");
    let first = rows[0].1;
    for (name, time) in rows {
        let ratio = time.as_secs_f64() / first.as_secs_f64();
        println!("  {name:<24} {:>10.1} µs   ratio {ratio:.2}", time.as_secs_f64() * 1e6);
    }
    println!();
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// KiB of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// The logic without a component around it, on the same store.
struct Native(Arc<MemoryStore>);

/// The memory store never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store waits"),
    }
}

impl Ports for Native {
    fn tenant(&self) -> String {
        "default".to_owned()
    }
    fn setting(&self, _: &str) -> Option<Value> {
        None
    }
    fn secret_keys(&self) -> Vec<SecretKey> {
        vec![SecretKey { id: "key".to_owned(), secret: vec![7; 32] }]
    }
    fn load(&self, key: &str) -> Result<Vec<Entry>, StoreError> {
        let entries = now(self.0.load(&COLLECTIONS, key))
            .map_err(|error| StoreError::Other(format!("{error:?}")))?;
        Ok(entries
            .into_iter()
            .map(|entry| Entry {
                collection: entry.collection,
                version: entry.version,
                document: entry.document,
            })
            .collect())
    }
    fn commit(&self, _: &[Change]) -> Result<Verdict, StoreError> {
        Err(StoreError::Other("only what reads is measured".to_owned()))
    }
    fn overdue(&self, _: u64, _: u32) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
    fn report(&self, _: &str, _: &str, _: &str) {}
    fn send(&self, _: &Message) -> Result<Delivery, MailError> {
        Err(MailError::Unconfigured)
    }
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
    fn random(&self, length: usize) -> Vec<u8> {
        vec![0; length]
    }
}
