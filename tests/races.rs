//! Eight real processes at one database, asked for the same thing at the same moment, many times
//! over.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value as Json, json};

use crate::program::{Ground, Site, Worker, on_every_ground};
use crate::support::another;

const PROCESSES: usize = 8;
const BURST: usize = 3;

const SENT: &str = "Verification email sent.";
const VERIFIED: &str = "User verified.";
const EXISTS: &str = "User already exists.";
const INVALID: &str = "Invalid code.";
const BLOCKED: &str = "User is blocked.";
const LIMITED: &str = "User exceeded rate limits.";

on_every_ground! {
    one_code_is_used_once
    one_address_is_created_once
    a_rate_limit_lets_exactly_the_burst_through
    five_parallel_wrong_guesses_kill_a_code
    parallel_updates_of_different_fields_lose_none
    a_block_finds_a_user_who_is_moving
    no_session_outlives_a_reset
}

/// Processes on one database. Starting one takes longer than a race, so tests that run at the same
/// time take turns with the same ones.
struct Crew {
    site: Site,
    workers: Vec<Worker>,
    rounds: usize,
}

impl Crew {
    fn new(ground: Ground) -> Self {
        let burst = i64::try_from(BURST).unwrap();
        let site = Site::on(ground, &[("rate_limiting", 3600), ("rate_limit_burst", burst)]);
        // A server answers more slowly than a file.
        let rounds = if ground == Ground::Embedded { 100 } else { 25 };
        Self { workers: site.workers(PROCESSES), site, rounds }
    }

    fn race(ground: Ground, body: impl FnOnce(&mut Self)) {
        static CREWS: [Mutex<Weak<Mutex<Crew>>>; 3] = [const { Mutex::new(Weak::new()) }; 3];
        let crew = {
            let mut crew = CREWS[ground as usize].lock().unwrap();
            crew.upgrade().unwrap_or_else(|| {
                let new = Arc::new(Mutex::new(Self::new(ground)));
                *crew = Arc::downgrade(&new);
                new
            })
        };
        let mut fresh = None;
        let mut shared = crew.lock().unwrap_or_else(PoisonError::into_inner);
        // After a test that has failed there may be answers to its questions on the way.
        let crew = match crew.is_poisoned() {
            true => fresh.get_or_insert_with(|| Self::new(ground)),
            false => &mut *shared,
        };
        body(crew);
    }

    /// Ask all of them at once; the texts of the replies.
    fn ask(&mut self, function: &str, arguments: impl Fn(usize) -> Json) -> Vec<String> {
        all_at_once(&mut self.workers, function, arguments)
    }

    fn call(&mut self, at: usize, function: &str, arguments: Json) -> Json {
        self.workers[at].call(function, arguments)
    }

    /// A user without a password, whose code is mailed.
    fn register(&mut self, email: &str) -> String {
        let arguments = json!({"email": email, "ignore_rate_limit": true});
        let reply = self.call(0, "register_user_no_pass", arguments);
        assert_eq!(reply["message"], SENT);
        self.site.mailed_code(email)
    }
}

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

fn one_code_is_used_once(ground: Ground) {
    Crew::race(ground, |crew| {
        for round in 0..crew.rounds {
            let email = format!("once{round}@example.com");
            let code = crew.register(&email);
            let arguments = json!({"email": email, "code": code, "ignore_rate_limit": true});
            let replies = crew.ask("verify_user", |_| arguments.clone());
            assert_eq!(count(&replies, VERIFIED), 1, "{replies:?}");
            assert_eq!(count(&replies, INVALID), PROCESSES - 1, "{replies:?}");
        }
    });
}

fn one_address_is_created_once(ground: Ground) {
    Crew::race(ground, |crew| {
        let before = crew.call(0, "user_count", json!({})).as_u64().unwrap();
        for round in 0..crew.rounds {
            let replies = crew.ask("register_user_no_pass", |at| {
                let email = format!("{}{round}@example.com", if at % 2 == 0 { "u" } else { "U" });
                json!({"email": email, "custom_data": at, "ignore_rate_limit": true})
            });
            assert_eq!(count(&replies, SENT), 1, "{replies:?}");
            assert_eq!(count(&replies, EXISTS), PROCESSES - 1, "{replies:?}");
            let winner = replies.iter().position(|reply| reply == SENT).unwrap();
            let email = json!({"email": format!("u{round}@example.com")});
            let data = crew.call(0, "get_cust_usr_data", email);
            assert_eq!(data["message"], winner, "the user is the one whose creation was told");
        }
        let after = crew.call(0, "user_count", json!({})).as_u64().unwrap();
        assert_eq!(after - before, crew.rounds as u64);
    });
}

fn a_rate_limit_lets_exactly_the_burst_through(ground: Ground) {
    Crew::race(ground, |crew| {
        for round in 0..crew.rounds {
            let email = json!({"email": format!("limited{round}@example.com")});
            let replies = crew.ask("check_and_update_rate_limit", |_| email.clone());
            assert_eq!(count(&replies, "Success"), BURST, "{replies:?}");
            assert_eq!(count(&replies, LIMITED), PROCESSES - BURST, "{replies:?}");
        }
    });
}

#[test]
fn a_rate_limit_without_a_burst_lets_one_through() {
    let site = Site::new(&[("rate_limiting", 3600)]);
    let mut workers = site.workers(PROCESSES);
    for round in 0..100 {
        let email = json!({"email": format!("u{round}@example.com")});
        let replies = all_at_once(&mut workers, "check_and_update_rate_limit", |_| email.clone());
        assert_eq!(count(&replies, "Success"), 1, "{replies:?}");
        assert_eq!(count(&replies, LIMITED), PROCESSES - 1, "{replies:?}");
    }
}

fn five_parallel_wrong_guesses_kill_a_code(ground: Ground) {
    Crew::race(ground, |crew| {
        for round in 0..crew.rounds {
            let email = format!("guessed{round}@example.com");
            let code = crew.register(&email);
            let guess =
                |code: &str| json!({"email": email, "code": code, "ignore_rate_limit": true});
            let wrong = guess(&another(&code));
            let replies = all_at_once(&mut crew.workers[..5], "verify_user", |_| wrong.clone());
            assert_eq!(count(&replies, INVALID), 5, "{replies:?}");
            let reply = crew.call(5, "verify_user", guess(&code));
            assert_eq!(
                reply["message"], INVALID,
                "round {round}: the code survived five wrong guesses"
            );
        }
    });
}

fn parallel_updates_of_different_fields_lose_none(ground: Ground) {
    Crew::race(ground, |crew| {
        let email = "ann@example.com";
        let fields: serde_json::Map<String, Json> =
            (0..PROCESSES).map(|at| (format!("f{at}"), json!(-1))).collect();
        let arguments = json!({"email": email, "custom_data": fields, "ignore_rate_limit": true});
        crew.call(0, "register_user_no_pass", arguments);
        for round in 0..crew.rounds {
            let replies = crew.ask(
                "update_usr_data",
                |at| json!({"email": email, "field": format!("f{at}"), "custom_data": round}),
            );
            assert_eq!(
                count(&replies, "Custom user data field updated."),
                PROCESSES,
                "{replies:?}"
            );
            let data = crew.call(0, "get_cust_usr_data", json!({"email": email}));
            for at in 0..PROCESSES {
                assert_eq!(data["message"][format!("f{at}")], round, "{data}");
            }
        }
    });
}

fn a_block_finds_a_user_who_is_moving(ground: Ground) {
    Crew::race(ground, |crew| {
        for round in 0..crew.rounds {
            let [old, new] = ["old", "new"].map(|name| format!("{name}{round}@example.com"));
            let code = crew.register(&old);
            let change = json!({
                "email": old, "reset_code": code, "new_email": new, "ignore_rate_limit": true,
            });
            crew.workers[0].ask("verify_reset_code_and_change_email", change);
            crew.workers[1].ask("block_user", json!({"email": old}));
            let [moved, blocked] =
                [0, 1].map(|at| crew.workers[at].hear()["reply"]["message"].clone());
            let has_moved = moved == "Success";
            assert!(has_moved || moved == BLOCKED, "{moved}");
            assert!(blocked == BLOCKED || has_moved && blocked == "User not found.", "{blocked}");

            let [here, there] = if has_moved { [&new, &old] } else { [&old, &new] };
            let mut say =
                |email| crew.call(0, "is_blocked", json!({"email": email}))["message"].clone();
            let expected = if blocked == BLOCKED { BLOCKED } else { "User is not blocked." };
            assert_eq!(say(here), expected, "round {round}: {moved}");
            assert_eq!(say(there), "User not found.", "round {round}: nothing is left behind");
        }
    });
}

fn no_session_outlives_a_reset(ground: Ground) {
    Crew::race(ground, |crew| {
        for round in 0..crew.rounds / 5 {
            let email = format!("reset{round}@example.com");
            let user =
                json!({"email": email, "password": "old password", "ignore_rate_limit": true});
            crew.call(0, "register_user_no_verif", user.clone());
            let reset = json!({
                "email": email, "old_password": "old password", "new_password": "new password",
                "ignore_rate_limit": true,
            });
            crew.workers[0].ask("reset_password_no_verif", reset);
            crew.workers[1..].iter_mut().for_each(|worker| worker.ask("sign_in", user.clone()));
            let answers: Vec<Json> = crew.workers.iter_mut().map(Worker::hear).collect();
            assert_eq!(answers[0]["reply"]["message"], "Password reset successful.");
            for answer in &answers[1..] {
                let Some(token) = answer["reply"]["message"]["token"].as_str() else {
                    assert_eq!(answer["reply"]["message"], "Invalid credentials.", "{answer}");
                    continue;
                };
                let known = crew.call(1, "who_am_i", json!({"token": token}));
                assert_eq!(known["message"], "Invalid credentials.", "round {round}");
            }
        }
    });
}
