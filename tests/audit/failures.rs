//! A store that takes what a call decides, and not the event of it.

use bson::{Document, doc};
use serde_json::{Value as Json, json};

use super::ANN;
use crate::program::{Ground, Site, Worker, on_every_ground};
use crate::servers::mongod::Mongod;
use crate::servers::{self, blocking, wait_for};

on_every_ground! {
    an_event_that_the_store_refuses_is_logged_and_its_call_is_answered
}

const MISSING: &str = "an event is missing from the audit log";
const SECRET: &str = "custom-secret";

fn data(number: u64) -> Json {
    json!({ "email": ANN, "custom_data": { "number": number, "text": SECRET } })
}

/// What is decided is done and told, and the log of the program has its event.
fn is_decided_without_its_event(site: &Site, worker: &mut Worker, number: u64) {
    let before = site.log().matches(MISSING).count();
    let reply = worker.call("replace_usr_data", data(number));
    assert_eq!(
        (&reply["success"], &reply["message"]),
        (&json!(true), &json!("Custom user data changed."))
    );
    let field = json!({ "email": ANN, "field": "number" });
    assert_eq!(worker.call("get_some_cust_usr_data", field)["message"], number);
    let log = site.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(MISSING)).collect();
    assert_eq!(lines.len(), before + 1, "{log}");
    let line = lines.last().unwrap();
    for part in ["ERROR", "data-change", "206", ANN, "by=\"application\"", "replace_usr_data"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!log.contains(SECRET), "{log}");
}

/// How many events of this name there are.
fn written(site: &Site, event: &str) -> usize {
    let output = servers::run(&mut site.command(&["audit", "--event", event])).unwrap();
    String::from_utf8(output.stdout).unwrap().lines().count()
}

/// From now on the store takes no event, or takes them again.
fn refuse_events(ground: Ground, site: &Site, refuse: bool) {
    if ground == Ground::Embedded {
        let no = "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END";
        let database = rusqlite::Connection::open(site.database()).unwrap();
        database.execute_batch(if refuse { no } else { "DROP TRIGGER no" }).unwrap();
        return;
    }
    let rule = if refuse {
        doc! { "never": 1 }
    } else {
        doc! {}
    };
    blocking(async {
        let change = doc! { "collMod": "audit", "validator": rule };
        site.server().open().await.run_command(change).await.unwrap();
    });
}

fn an_event_that_the_store_refuses_is_logged_and_its_call_is_answered(ground: Ground) {
    let site = Site::on(ground, &[]);
    let mut worker = site.worker();
    let account = json!({ "email": ANN, "password": "correct horse" });
    worker.call("register_user_no_verif", account);
    refuse_events(ground, &site, true);
    is_decided_without_its_event(&site, &mut worker, 1);
    // What is refused stays refused.
    let wrong = json!({ "email": ANN, "password": "wrong horse" });
    assert_eq!(worker.call("authenticate_user", wrong)["message"], "Invalid credentials.");
    refuse_events(ground, &site, false);
    worker.call("replace_usr_data", data(2));
    assert_eq!((written(&site, "data-change"), written(&site, "sign-in")), (1, 0));
    assert!(!site.log().contains("horse"));
}

#[test]
fn a_server_that_hangs_or_hangs_up_with_an_event_takes_no_answer_with_it() {
    let server = Mongod::single();
    let site = Site::at(&server, &[("db_timeout", 1000)]);
    let mut worker = site.worker();
    worker.call("register_user_no_pass", json!({ "email": ANN }));
    let events = format!("{}.audit", site.server().name);
    let begin = |way: Document| {
        let mut way = way;
        way.insert("failCommands", ["insert", "update", "findAndModify", "bulkWrite"].as_slice());
        way.insert("namespace", &events);
        server.admin(doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": way });
    };
    begin(doc! { "closeConnection": true });
    is_decided_without_its_event(&site, &mut worker, 1);
    // Longer than any test waits for an answer. It cannot be ended before, but with the server.
    begin(doc! { "blockConnection": true, "blockTimeMS": 600_000 });
    is_decided_without_its_event(&site, &mut worker, 2);
    server.kill();
    server.start();
    wait_for("calls are answered again", || {
        worker.ask("replace_usr_data", data(3));
        worker.hear().get("error").is_none()
    });
    assert_eq!(written(&site, "data-change"), 1);
}
