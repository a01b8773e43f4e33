//! Eight real processes at one SQLite file, asked for the same thing at the same moment, a hundred
//! times over.

use serde_json::{Value as Json, json};

use crate::program::{Site, Worker};
use crate::support::another;

const PROCESSES: usize = 8;
const ROUNDS: usize = 100;

const SENT: &str = "Verification email sent.";
const VERIFIED: &str = "User verified.";
const EXISTS: &str = "User already exists.";
const INVALID: &str = "Invalid code.";
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

#[test]
fn one_code_is_used_once() {
    let site = Site::new(&[]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..ROUNDS {
        let email = format!("u{round}@example.com");
        let code = register(&site, &mut workers[0], &email);
        let replies =
            all_at_once(&mut workers, "verify_user", |_| json!({"email": email, "code": code}));
        assert_eq!(count(&replies, VERIFIED), 1, "{replies:?}");
        assert_eq!(count(&replies, INVALID), PROCESSES - 1, "{replies:?}");
    }
}

#[test]
fn one_address_is_created_once() {
    let site = Site::new(&[]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..ROUNDS {
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
    assert_eq!(workers[0].call("user_count", json!({})), ROUNDS);
}

#[test]
fn a_rate_limit_lets_exactly_the_burst_through() {
    for burst in [1, 3] {
        let site = Site::new(&[("rate_limiting", 3600), ("rate_limit_burst", burst)]);
        let mut workers = site.workers(PROCESSES);
        for round in 0..ROUNDS {
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

#[test]
fn five_parallel_wrong_guesses_kill_a_code() {
    let site = Site::new(&[]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..ROUNDS {
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

#[test]
fn parallel_updates_of_different_fields_lose_none() {
    let site = Site::new(&[]);
    let mut workers = site.workers(PROCESSES);
    let email = "ann@example.com";
    let fields: serde_json::Map<String, Json> =
        (0..PROCESSES).map(|at| (format!("f{at}"), json!(-1))).collect();
    workers[0].call("register_user_no_pass", json!({"email": email, "custom_data": fields}));
    for round in 0..ROUNDS {
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
