//! What a tenant notices of another in the same process whose component does its worst: times of his
//! calls while that one computes without end, or takes memory until it is stopped, on as many calls as
//! there are cores, as a ratio to his quiet times.
//!
//! `cargo bench --bench neighbours`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing, dead_code, unreachable_pub)] // it needs a part of what the tests need

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use portcullis::store::memory::MemoryStore;
use portcullis::{Limits, Runtime, Tenant};
use wasm_encoder::{BlockType, InstructionSink};

#[path = "../../tests/isolation/component.rs"]
mod component;

use component::{Functions, component};

/// What `sweep` is asked for to answer at once, and to misbehave.
const HARMLESS: u32 = 0;
const HOSTILE: u32 = 1;
/// How long each is looked at.
const TIME: Duration = Duration::from_secs(5);

fn main() {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let quiet = beside(None, |_, _| ()).await;
        report("on his own", quiet, quiet);
        let loops = beside(Some(HOSTILE), |code, _| {
            code.loop_(BlockType::Empty).br(0).end();
        });
        report("beside one that computes without end", loops.await, quiet);
        let eats = beside(Some(HOSTILE), |code, _| {
            code.loop_(BlockType::Empty).i32_const(16).memory_grow(0).drop().br(0).end();
        });
        report("beside one that takes memory until it is stopped", eats.await, quiet);
    });
}

/// p50 and p99 of a tenant's calls while another asks for this on every core.
async fn beside(
    asks: Option<u32>,
    rest: impl Fn(&mut InstructionSink<'_>, &Functions),
) -> [Duration; 2] {
    let runtime = Runtime::with_component(&component(rest), Limits::default()).unwrap();
    let (hostile, other) = (tenant(&runtime).await, tenant(&runtime).await);
    let stop = Arc::new(AtomicBool::new(false));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut at_it = Vec::new();
    for _ in 0..cores {
        let (hostile, stop) = (hostile.clone(), Arc::clone(&stop));
        at_it.push(tokio::spawn(async move {
            while let Some(asks) = asks
                && !stop.load(Ordering::Relaxed)
            {
                let _ = hostile.sweep(asks).await;
            }
        }));
    }
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < TIME {
        let call = Instant::now();
        // As from another task, which is what a request is.
        let other = other.clone();
        tokio::spawn(async move { other.sweep(HARMLESS).await.unwrap() }).await.unwrap();
        times.push(call.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in at_it {
        task.abort();
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 - 1.0) * share) as usize];
    [at(0.5), at(0.99)]
}

async fn tenant(runtime: &Runtime) -> Tenant {
    let store = MemoryStore::default();
    Tenant::builder(runtime).secret_key([7; 32]).store(store).build().await.unwrap()
}

fn report(what: &str, [p50, p99]: [Duration; 2], quiet: [Duration; 2]) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms; {:.1} and {:.1} times the quiet values",
        ms(p50),
        ms(p99),
        ms(p50) / ms(quiet[0]),
        ms(p99) / ms(quiet[1]),
    );
}
