//! The audit log has every event that the README names, and no other; and every function has one that
//! does more than read.

use std::collections::BTreeSet;
use std::fs;

use portcullis::functions::{FUNCTIONS, Function, Kind};
use serde_json::{Map, Value as Json, json};

use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::http::Client;
use crate::servers::{self, wait_for};

const README: &str = include_str!("../../README.md");

/// What only reads, or counts a request for the application's own limits.
const SILENT: [&str; 15] = [
    "is_rate_limited",
    "update_rate_limit",
    "check_and_update_rate_limit",
    "is_blocked",
    "is_verified",
    "time_since_request",
    "get_cust_usr_data",
    "get_some_cust_usr_data",
    "who_am_i",
    "list_sessions",
    "user_count",
    "db_data_size",
    "db_storage_size",
    "db_index_size",
    "db_raw_stats",
];

/// The events that the README names.
fn named() -> BTreeSet<String> {
    let (_, rest) = README.split_once("The events are ").unwrap();
    let (list, _) = rest.split_once("\n\n").unwrap();
    let words = list.split('`').skip(1).step_by(2);
    // How a move of users began stands there, too; and what there is on MongoDB alone.
    words.filter(|word| !["begun", "migrate"].contains(word)).map(str::to_owned).collect()
}

fn events(admin: &Client) -> Vec<Json> {
    let answer = admin.get("/v1/audit").is(200).json();
    answer["events"].as_array().unwrap().clone()
}

/// Arguments that are as they should be, of nobody.
fn arguments(function: &Function) -> Json {
    let required = function.parameters.iter().filter(|it| it.default.is_none());
    let argument = |kind| match kind {
        Kind::Text => json!("nobody@example.com"),
        Kind::Json => json!({}),
        kind => panic!("no function requires {kind:?}"),
    };
    required.map(|it| (it.name.to_owned(), argument(it.kind))).collect::<Map<_, _>>().into()
}

#[test]
fn every_event_is_provoked_and_every_function_has_one_that_does_not_only_read() {
    let settings = format!("{UNLIMITED}guess_limit = 0\nhide_accounts = false\n");
    let gateway = Gateway::start(&settings);
    let (client, admin) = (gateway.client(), gateway.admin("default"));
    let mut seen = BTreeSet::new();
    for function in FUNCTIONS {
        let path = format!("/v1/{}/{}", function.interface.name(), function.name);
        let answer = admin.post(&path, arguments(function));
        assert!(answer.status < 500, "{path}: {answer:?}");
        let mut left = events(&admin);
        left.retain(|event| event["function"] == function.name);
        let is_silent = SILENT.contains(&function.name);
        assert_eq!(left.is_empty(), is_silent, "{path}: {left:?}");
        seen.extend(left.iter().map(|event| event["event"].as_str().unwrap().to_owned()));
    }

    let file = gateway.data().with_file_name("users.jsonl");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let copy = gateway.data().with_file_name("copy");
    let copy = copy.to_str().unwrap();
    for arguments in [
        vec!["users", "export"],
        vec!["users", "import", file],
        vec!["backup", "--output", copy],
        vec!["restore", "--yes", copy],
    ] {
        servers::run(&mut gateway.command(&arguments)).unwrap();
    }
    client.bearer("wrong").get("/v1/audit").is(401);
    let guess = json!({ "email": "nobody@example.com", "code": "1" });
    wait_for("a flood is noticed", || {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        client.post("/v1/auth/verify_user", guess.clone());
                    }
                });
            }
        });
        admin.post("/v1/utils/block_user", json!({ "email": "nobody@example.com" }));
        let answer = admin.get("/v1/audit?event=refusals-not-recorded").is(200).json();
        answer["events"] != json!([])
    });
    let mut query = String::new();
    loop {
        let answer = admin.get(&format!("/v1/audit{query}")).is(200).json();
        let events = answer["events"].as_array().unwrap();
        seen.extend(events.iter().map(|event| event["event"].as_str().unwrap().to_owned()));
        let Some(next) = answer["next"].as_str() else { break };
        query = format!("?after={next}");
    }
    // Last: the gateway takes no other token from then on.
    servers::run(&mut gateway.command(&["admin-token"])).unwrap();
    let last = servers::run(&mut gateway.command(&["audit", "--json", "--event", "admin-token"]));
    let last: Json = serde_json::from_slice(&last.unwrap().stdout).unwrap();
    seen.insert(last["event"].as_str().unwrap().to_owned());
    assert_eq!(seen, named());
}
