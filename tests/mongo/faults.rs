//! Servers that are killed, stopped and paused under load.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portcullis::store::mongo::{MongoStore, Options};
use portcullis::tenant::Tenant;
use serde_json::{Value as Json, json};

use super::load::{Caller, Load, Post};
use crate::program::{Site, Worker};
use crate::servers::mongod::{Database, Mongod};
use crate::servers::replica_set::ReplicaSet;
use crate::servers::{PATIENCE, wait_for};
use crate::support::RUNTIME;

const CALLERS: usize = 10;
/// Each of them 20 calls a second, if the machine can.
const PACE: Duration = Duration::from_millis(50);

async fn host(database: &Database, post: &Arc<Post>) -> Tenant {
    let options = Options { timeout: Duration::from_secs(4), ..Options::default() };
    let store = MongoStore::connect(&database.uri, &database.name, &options).await.unwrap();
    Tenant::builder(&RUNTIME)
        .secret_key([7; 32])
        .store(store)
        .shared_mailer(Arc::clone(post) as _)
        .set("mail_limit", 0)
        .set("guess_limit", 0)
        .set("code_length", 12)
        .build()
        .await
        .unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_when_primaries_are_killed_under_load() {
    let set = ReplicaSet::of_three();
    let database = Database::from(&set);
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let post = Arc::<Post>::default();
    let hosts =
        tokio.block_on(async { [host(&database, &post).await, host(&database, &post).await] });
    let load = Arc::new(Load::new(hosts, post));

    let callers: Vec<_> = (0..CALLERS)
        .map(|name| {
            let load = Arc::clone(&load);
            tokio.spawn(async move {
                let mut caller = Caller::new(&load, name, 12);
                caller.run(PACE).await;
                caller.check().await
            })
        })
        .collect();
    let goes_on = |what: &str, count: usize| {
        let begun = load.answered.load(Ordering::SeqCst);
        wait_for(what, || {
            assert!(!callers.iter().any(|caller| caller.is_finished()), "a caller has stopped");
            load.answered.load(Ordering::SeqCst) >= begun + count
        });
    };
    goes_on("calls are answered", 200);
    for _ in 0..3 {
        let killed = set.kill_primary();
        set.primary();
        goes_on("calls are answered after an election", 100);
        killed.start();
        set.settle();
        goes_on("calls are answered with all members there", 100);
    }
    load.over.store(true, Ordering::SeqCst);
    let users: usize = callers.into_iter().map(|caller| tokio.block_on(caller).unwrap()).sum();
    load.check_codes();
    assert!(users > CALLERS, "{users} users are left");
    let [answered, failed] = [&load.answered, &load.failed].map(|it| it.load(Ordering::SeqCst));
    println!("{answered} calls answered, {failed} failed; {users} users are left");

    // Without a majority nothing is acknowledged, and nothing stays wrong afterwards.
    let site = Site::at(&set, &[("db_timeout", 2000)]);
    let mut worker = site.worker();
    worker.call("register_user_no_pass", json!({"email": "ann@example.com"}));
    let [one, two] = [set.kill_primary(), set.kill_primary()];
    let change = json!({"email": "ann@example.com", "custom_data": 1});
    fails("no majority", &mut worker, "replace_usr_data", &change);
    one.start();
    two.start();
    recovers(&mut worker, "replace_usr_data", &change);
}

/// The call fails within a time that is bounded by `db_timeout`, and says so.
fn fails(what: &str, worker: &mut Worker, function: &str, arguments: &Json) {
    let begun = Instant::now();
    worker.ask(function, arguments.clone());
    let answer = worker.hear();
    assert!(begun.elapsed() < PATIENCE / 3, "{what}: {:?}", begun.elapsed());
    assert_eq!(answer["kind"], "storage", "{what}: {answer}");
    let text = answer["error"].as_str().unwrap();
    assert!(text.contains("MongoDB") && !text.contains("127.0.0.1"), "{what}: {text}");
}

/// The same process succeeds by itself.
fn recovers(worker: &mut Worker, function: &str, arguments: &Json) {
    wait_for("calls are answered again", || {
        worker.ask(function, arguments.clone());
        let answer = worker.hear();
        assert!(answer["kind"] == "storage" || answer.get("reply").is_some(), "{answer}");
        answer.get("error").is_none()
    });
}

#[test]
fn calls_fail_in_time_while_a_server_is_away_and_succeed_when_it_is_back() {
    let server = Mongod::single();
    let site = Site::at(&server, &[("db_timeout", 1000)]);
    let mut worker = site.worker();
    let ann = json!({"email": "ann@example.com"});
    worker.call("register_user_no_pass", ann.clone());
    let change = |number| json!({"email": "ann@example.com", "custom_data": number});
    let data =
        |worker: &mut Worker| worker.call("get_cust_usr_data", ann.clone())["message"].clone();

    for (number, away) in ["stopped", "killed", "paused"].into_iter().enumerate() {
        match away {
            "stopped" => server.stop(),
            "killed" => server.kill(),
            _ => server.pause(),
        }
        fails(away, &mut worker, "is_verified", &ann);
        fails(away, &mut worker, "replace_usr_data", &change(100));
        if away == "paused" {
            server.resume()
        } else {
            server.start()
        }
        recovers(&mut worker, "is_verified", &ann);
        recovers(&mut worker, "replace_usr_data", &change(number));
        assert_eq!(data(&mut worker), number, "{away}");
    }
}

#[test]
fn a_program_that_starts_first_waits_for_its_server() {
    let server = Mongod::single();
    let site = Site::at(&server, &[("db_attempts", 200), ("db_delay", 0), ("db_timeout", 500)]);
    server.stop();
    let mut worker = site.worker();
    worker.ask("user_count", json!({}));
    wait_for("it has tried", || site.log().contains("no connection to the database yet"));
    server.start();
    assert_eq!(worker.hear()["reply"], 0);
}
