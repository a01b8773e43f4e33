//! What a component does harms its own request and no other.
//!
//! The components here are hostile where the real one would at worst be wrong: they are asked by
//! one tenant to misbehave, while another tenant of the same runtime has to be served.

// Helpers of tests: what goes wrong in them has to fail the test.

mod component;
mod stores;

use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portcullis::component::{Call, Work};
use portcullis::{CallError, Limits, Runtime, SetupError, Tenant};
use wasm_encoder::{BlockType, InstructionSink};

use component::{ANSWER, Functions, answer, component, load_answer};
use stores::{Manner, TestStore};

/// What `sweep` is asked for to answer 7 at once.
const HARMLESS: u32 = 0;
/// What it is asked for to misbehave.
const HOSTILE: u32 = 1;

/// Slots of the pool; the tests make several times as many calls.
const SLOTS: usize = 4;
/// And those that one tenant may have.
const HIS: usize = SLOTS / 2;

fn limits() -> Limits {
    Limits { time: Duration::from_millis(400), plain: SLOTS, ..Limits::default() }
}

fn runtime(rest: impl Fn(&mut InstructionSink<'_>, &Functions)) -> Runtime {
    Runtime::with_component(&component(rest), limits()).unwrap()
}

async fn tenant(runtime: &Runtime, manner: Manner) -> Tenant {
    with_store(runtime, TestStore::new(manner)).await
}

async fn with_store(runtime: &Runtime, store: TestStore) -> Tenant {
    Tenant::builder(runtime).secret_key([7; 32]).store(store).build().await.unwrap()
}

/// The same as a call that hashes.
fn hash(tenant: &Tenant, limit: u32) -> tokio::task::JoinHandle<Result<u32, CallError>> {
    let tenant = tenant.clone();
    tokio::spawn(async move {
        tenant
            .run(Work::Hashing, async move |mut call: Call| {
                let upkeep = call.exports.upkeep(&mut call.store)?;
                upkeep.call_sweep(&mut call.store, limit).await
            })
            .await
    })
}

fn sweep(tenant: &Tenant, limit: u32) -> tokio::task::JoinHandle<Result<u32, CallError>> {
    let tenant = tenant.clone();
    tokio::spawn(async move { tenant.sweep(limit).await })
}

/// Make more hostile calls than there are slots, as many at a time as one may, and see that they fail
/// alone. Returns what the last of them ended with.
async fn stopped(rest: impl Fn(&mut InstructionSink<'_>, &Functions), manner: Manner) -> String {
    let runtime = runtime(rest);
    let (hostile, other) = (tenant(&runtime, manner).await, tenant(&runtime, Manner::Empty).await);
    let mut reason = String::new();
    for _ in 0..3 {
        let calls: Vec<_> = (0..HIS).map(|_| sweep(&hostile, HOSTILE)).collect();
        while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
            assert_eq!(other.sweep(HARMLESS).await.unwrap(), 7);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for call in calls {
            match call.await.unwrap() {
                Err(CallError::Component(text)) => reason = text,
                other => panic!("not stopped: {other:?}"),
            }
        }
    }
    // All slots are free again, and the hostile tenant is served too.
    let calls: Vec<_> = (0..SLOTS).map(|_| sweep(&hostile, HARMLESS)).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
    reason
}

fn call_overdue(code: &mut InstructionSink<'_>, functions: &Functions) {
    code.i64_const(0).i32_const(1).i32_const(ANSWER).call(functions.get("store.overdue"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_never_ends_is_stopped_at_its_time() {
    let forever = |code: &mut InstructionSink<'_>, _: &Functions| {
        code.loop_(BlockType::Empty).br(0).end();
    };
    assert_eq!(stopped(forever, Manner::Empty).await, "it took longer than 400 ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_eats_memory_is_stopped_at_its_limit() {
    let hungry = |code: &mut InstructionSink<'_>, _: &Functions| {
        code.loop_(BlockType::Empty).i32_const(16).memory_grow(0).drop().br(0).end();
    };
    let reason = stopped(hungry, Manner::Empty).await;
    assert_eq!(reason, "it needed more than 33554432 bytes of memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_ends_only_the_call_that_trapped() {
    let reason = stopped(|_, _| {}, Manner::Empty).await;
    assert!(reason.contains("unreachable"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_recursion_ends_only_its_own_call() {
    let recursive = |code: &mut InstructionSink<'_>, functions: &Functions| {
        code.local_get(0).call(functions.get("sweep")).drop();
    };
    let reason = stopped(recursive, Manner::Empty).await;
    assert!(reason.contains("stack"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_calls_its_host_without_end_is_stopped_at_its_time() {
    for manner in [Manner::Empty, Manner::Silent] {
        let nagging = |code: &mut InstructionSink<'_>, functions: &Functions| {
            code.loop_(BlockType::Empty);
            call_overdue(code, functions);
            code.br(0).end();
        };
        assert_eq!(stopped(nagging, manner).await, "it took longer than 400 ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_is_too_large_is_not_taken() {
    let lavish = |code: &mut InstructionSink<'_>, functions: &Functions| {
        code.i32_const(160).memory_grow(0).drop();
        code.i32_const(0).i32_const(8 << 20).i32_const(ANSWER).call(functions.get("store.load"));
    };
    let reason = stopped(lavish, Manner::Empty).await;
    assert!(reason.contains("fuel"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_draws_random_bytes_without_end() {
    let greedy = |code: &mut InstructionSink<'_>, functions: &Functions| {
        code.i64_const(1 << 40).i32_const(ANSWER).call(functions.get("random.get-random-bytes"));
    };
    let reason = stopped(greedy, Manner::Empty).await;
    assert!(reason.contains("random"), "{reason}");
}

/// Asks for overdue keys and answers whether that failed.
fn curious(code: &mut InstructionSink<'_>, functions: &Functions) {
    call_overdue(code, functions);
    answer(code, load_answer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_never_answers_is_given_up_in_time_to_say_so() {
    let runtime = runtime(curious);
    let silent = tenant(&runtime, Manner::Silent).await;
    let begun = Instant::now();
    assert_eq!(silent.sweep(HOSTILE).await.unwrap(), 1);
    assert!(begun.elapsed() < limits().time);
    let empty = tenant(&runtime, Manner::Empty).await;
    assert_eq!(empty.sweep(HOSTILE).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_beyond_its_time_is_stopped() {
    let tenant = tenant(&runtime(curious), Manner::Empty).await;
    for _ in 0..2 * SLOTS {
        let calls: Vec<_> = (0..HIS)
            .map(|_| {
                let tenant = tenant.clone();
                tokio::spawn(async move {
                    tenant
                        .run(Work::Plain, async move |_call: Call| {
                            pending::<()>().await;
                            Ok(Ok(()))
                        })
                        .await
                })
            })
            .collect();
        for call in calls {
            assert!(matches!(call.await.unwrap(), Err(CallError::Component(_))));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_panics_hurts_only_the_call() {
    let runtime = runtime(curious);
    let panicking = tenant(&runtime, Manner::Panicking).await;
    for _ in 0..2 * SLOTS {
        assert!(matches!(panicking.sweep(HOSTILE).await, Err(CallError::Other(_))));
    }
    assert_eq!(panicking.sweep(HARMLESS).await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_commits_are_paced_until_the_store_counts_as_unavailable() {
    // Commits nothing, again and again, until that fails.
    let stubborn = |code: &mut InstructionSink<'_>, functions: &Functions| {
        code.loop_(BlockType::Empty);
        code.i32_const(0).i32_const(0).i32_const(ANSWER).call(functions.get("store.commit"));
        load_answer(code);
        code.i32_eqz().br_if(0).end();
        answer(code, load_answer);
    };
    let store = TestStore::new(Manner::Contended);
    let tenant = with_store(&runtime(stubborn), store.clone()).await;
    assert_eq!(tenant.sweep(HOSTILE).await.unwrap(), 1);
    let commits = store.answered.load(Ordering::SeqCst);
    assert!((5..40).contains(&commits), "{commits} commits in 400 ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_out_of_reach_unless_granted() {
    let administrator = |code: &mut InstructionSink<'_>, functions: &Functions| {
        code.i32_const(ANSWER).call(functions.get("database.drop-all"));
        answer(code, load_answer);
    };
    let tenant = tenant(&runtime(administrator), Manner::Empty).await;
    assert_eq!(tenant.sweep(HOSTILE).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashing_calls_beyond_the_queue_are_refused_at_once_and_others_pass() {
    let bytes = component(|code, _| {
        code.loop_(BlockType::Empty).br(0).end();
    });
    let limits = Limits { hashing: 1, queue: 1, ..limits() };
    let runtime = Runtime::with_component(&bytes, limits).unwrap();
    let tenant = tenant(&runtime, Manner::Empty).await;
    let begun = Instant::now();
    let calls = [(); 3].map(|()| hash(&tenant, HOSTILE));
    assert_eq!(tenant.sweep(HARMLESS).await.unwrap(), 7);
    let mut ends = Vec::new();
    for call in calls {
        ends.push(call.await.unwrap().unwrap_err());
    }
    // One ran into its limit. One waited for as long, and one was refused at once.
    let stopped = ends.iter().filter(|end| matches!(end, CallError::Component(_))).count();
    let refused = ends.iter().filter(|end| matches!(end, CallError::Overloaded { .. })).count();
    assert!(stopped >= 1 && refused >= 1 && stopped + refused == 3, "{ends:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(hash(&tenant, HARMLESS).await.unwrap().unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_store_does_not_answer_keeps_nobody_from_hashing() {
    let bytes = component(|code, functions| {
        call_overdue(code, functions);
        answer(code, load_answer);
    });
    // Who had to wait for a call of the other would be refused long before it ends.
    let (time, wait) = (Duration::from_secs(5), Duration::from_secs(1));
    let limits = Limits { hashing: 2, time, wait, ..limits() };
    let runtime = Runtime::with_component(&bytes, limits).unwrap();
    let down = tenant(&runtime, Manner::Silent).await;
    let other = tenant(&runtime, Manner::Empty).await;
    let calls: Vec<_> = (0..30).map(|_| hash(&down, HOSTILE)).collect();
    for _ in 0..30 {
        assert_eq!(hash(&other, HARMLESS).await.unwrap().unwrap(), 7);
    }
    for call in calls {
        match call.await.unwrap() {
            // Told by the component that its store did not answer, or never begun.
            Ok(1) | Err(CallError::Overloaded { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_finished_when_its_caller_hangs_up_and_closing_waits_for_it() {
    let store = TestStore::new(Manner::Slow);
    let tenant = with_store(&runtime(curious), store.clone()).await;
    let caller = sweep(&tenant, HOSTILE);
    tokio::time::sleep(Duration::from_millis(50)).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(store.answered.load(Ordering::SeqCst), 0);

    let clone = tenant.clone();
    tenant.close().await;
    assert_eq!(store.answered.load(Ordering::SeqCst), 1);
    assert!(matches!(clone.sweep(HARMLESS).await, Err(CallError::Usage(_))));
}

#[tokio::test]
async fn a_tenant_without_a_secret_key_or_a_store_is_not_set_up() {
    let runtime = runtime(curious);
    let without_key = Tenant::builder(&runtime).store(TestStore::new(Manner::Empty)).build().await;
    let Err(SetupError::Settings(text)) = without_key else { panic!("no complaint") };
    assert!(text.contains("secret_key"), "{text}");
    let without_store = Tenant::builder(&runtime).secret_key([7; 32]).build().await;
    assert!(matches!(without_store, Err(SetupError::Store(_))));
}

#[test]
fn what_is_no_component_is_refused() {
    for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"] {
        let refused = Runtime::with_component(bytes, limits());
        assert!(matches!(refused, Err(SetupError::Component(_))));
    }
}

/// The same again where no address space can be set aside: this test runs another in a process
/// that may have no more than 3 GiB.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_short_of_address_space_is_served_too() {
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 3145728 && exec \"$0\" --exact \"$1\""])
        // Not by its path, where another build may have put another program by now.
        .arg(format!("/proc/{}/exe", std::process::id()))
        .arg("isolation::a_component_that_eats_memory_is_stopped_at_its_limit")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}
