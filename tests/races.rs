//! Eight real processes at one database, asked for the same thing at the same moment, many times
//! over.

use serde_json::{Value as Json, json};

use crate::program::{Ground, Site, Worker, on_every_ground};
use crate::support::another;

const PROCESSES: usize = 8;

on_every_ground! {
    one_code_is_used_once
    one_address_is_created_once
    a_rate_limit_lets_exactly_the_burst_through
    five_parallel_wrong_guesses_kill_a_code
    parallel_updates_of_different_fields_lose_none
    a_block_finds_a_user_who_is_moving
}

/// How often; a server answers more slowly than a file.
fn rounds(ground: Ground) -> usize {
    if ground == Ground::Embedded { 100 } else { 25 }
}

const SENT: &str = "Verification email sent.";
const VERIFIED: &str = "User verified.";
const EXISTS: &str = "User already exists.";
const INVALID: &str = "Invalid code.";
const BLOCKED: &str = "User is blocked.";
const LIMITED: &str = "User exceeded rate limits.";

/// Ask all of them at once; the texts of the replies.
fn all_at_once(
    workers: &mut [Worker],
    function: &str,
    arguments: impl Fn(usize) -> Json,
) -> Vec<String> {
    for (at, worker) in workers.iter_mut().enumerate() {
        worker.ask(function, arguments(at));
    }
    let replies = workers.iter_mut().map(|worker| {
        let answer = worker.hear();
        answer["reply"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{function}: {answer}"))
            .to_owned()
    });
    replies.collect()
}

fn count(replies: &[String], text: &str) -> usize {
    replies.iter().filter(|reply| *reply == text).count()
}

/// A user without a password, whose code is mailed.
fn register(site: &Site, worker: &mut Worker, email: &str) -> String {
    let reply = worker.call("register_user_no_pass", json!({"email": email}));
    assert_eq!(reply["message"], SENT);
    site.mailed_code(email)
}

fn one_code_is_used_once(ground: Ground) {
    let site = Site::on(ground, &[]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..rounds(ground) {
        let email = format!("u{round}@example.com");
        let code = register(&site, &mut workers[0], &email);
        let replies =
            all_at_once(&mut workers, "verify_user", |_| json!({"email": email, "code": code}));
        assert_eq!(count(&replies, VERIFIED), 1, "{replies:?}");
        assert_eq!(count(&replies, INVALID), PROCESSES - 1, "{replies:?}");
    }
}

fn one_address_is_created_once(ground: Ground) {
    let site = Site::on(ground, &[]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..rounds(ground) {
        let replies = all_at_once(
            &mut workers,
            "register_user_no_pass",
            |at| json!({"email": format!("{}{round}@example.com", if at % 2 == 0 { "u" } else { "U" }), "custom_data": at}),
        );
        assert_eq!(count(&replies, SENT), 1, "{replies:?}");
        assert_eq!(count(&replies, EXISTS), PROCESSES - 1, "{replies:?}");
        let winner = replies.iter().position(|reply| reply == SENT).unwrap();
        let data =
            workers[0].call("get_cust_usr_data", json!({"email": format!("u{round}@example.com")}));
        assert_eq!(data["message"], winner, "the user is the one whose creation was told");
    }
    assert_eq!(workers[0].call("user_count", json!({})), rounds(ground));
}

fn a_rate_limit_lets_exactly_the_burst_through(ground: Ground) {
    for burst in [1, 3] {
        let site = Site::on(ground, &[("rate_limiting", 3600), ("rate_limit_burst", burst)]);
        let mut workers = site.workers(PROCESSES);
        for round in 0..rounds(ground) {
            let email = format!("u{round}@example.com");
            let replies = all_at_once(
                &mut workers,
                "check_and_update_rate_limit",
                |_| json!({"email": email}),
            );
            let burst = usize::try_from(burst).unwrap();
            assert_eq!(count(&replies, "Success"), burst, "{replies:?}");
            assert_eq!(count(&replies, LIMITED), PROCESSES - burst, "{replies:?}");
        }
    }
}

fn five_parallel_wrong_guesses_kill_a_code(ground: Ground) {
    let site = Site::on(ground, &[]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..rounds(ground) {
        let email = format!("u{round}@example.com");
        let code = register(&site, &mut workers[0], &email);
        let wrong = another(&code);
        let replies = all_at_once(
            &mut workers[..5],
            "verify_user",
            |_| json!({"email": email, "code": wrong}),
        );
        assert_eq!(count(&replies, INVALID), 5, "{replies:?}");
        let reply = workers[5].call("verify_user", json!({"email": email, "code": code}));
        assert_eq!(
            reply["message"], INVALID,
            "round {round}: the code survived five wrong guesses"
        );
    }
}

fn parallel_updates_of_different_fields_lose_none(ground: Ground) {
    let site = Site::on(ground, &[]);
    let mut workers = site.workers(PROCESSES);
    let email = "ann@example.com";
    let fields: serde_json::Map<String, Json> =
        (0..PROCESSES).map(|at| (format!("f{at}"), json!(-1))).collect();
    workers[0].call("register_user_no_pass", json!({"email": email, "custom_data": fields}));
    for round in 0..rounds(ground) {
        let replies = all_at_once(
            &mut workers,
            "update_usr_data",
            |at| json!({"email": email, "field": format!("f{at}"), "custom_data": round}),
        );
        assert_eq!(count(&replies, "Custom user data field updated."), PROCESSES, "{replies:?}");
        let data = workers[0].call("get_cust_usr_data", json!({"email": email}));
        for at in 0..PROCESSES {
            assert_eq!(data["message"][format!("f{at}")], round, "{data}");
        }
    }
}

fn a_block_finds_a_user_who_is_moving(ground: Ground) {
    let site = Site::on(ground, &[]);
    let mut workers = site.workers(2);
    for round in 0..rounds(ground) {
        let [old, new] = ["old", "new"].map(|name| format!("{name}{round}@example.com"));
        let code = register(&site, &mut workers[0], &old);
        let change = json!({"email": old, "reset_code": code, "new_email": new});
        workers[0].ask("verify_reset_code_and_change_email", change);
        workers[1].ask("block_user", json!({"email": old}));
        let [moved, blocked] = [0, 1].map(|at| workers[at].hear()["reply"]["message"].clone());
        let has_moved = moved == "Success";
        assert!(has_moved || moved == BLOCKED, "{moved}");
        assert!(blocked == BLOCKED || has_moved && blocked == "User not found.", "{blocked}");

        let [here, there] = if has_moved { [&new, &old] } else { [&old, &new] };
        let mut say =
            |email| workers[0].call("is_blocked", json!({"email": email}))["message"].clone();
        let expected = if blocked == BLOCKED { BLOCKED } else { "User is not blocked." };
        assert_eq!(say(here), expected, "round {round}: {moved}");
        assert_eq!(say(there), "User not found.", "round {round}: {moved}: nothing is left behind");
    }
}
