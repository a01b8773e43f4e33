//! The audit log: what it says, to whom, and what it never says.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value as Json, json};

use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::http::Client;
use crate::servers::{self, wait_for};

mod addresses;
mod failures;
mod follow;
mod grounds;
mod house;
mod operator;
mod retention;
mod tokens;

const ANN: &str = "ann@example.com";
const TOKEN: &str = "admin-token";
const PASSWORD: &str = "correct horse battery";

/// With accounts that are not hidden: an answer tells what was done.
fn settings(more: &str) -> String {
    format!("{UNLIMITED}guess_limit = 0\nhide_accounts = false\n{more}")
}

fn events(admin: &Client, query: &str) -> Vec<Json> {
    let mut events = all_events(admin, query);
    events.retain(|it| it["event"] != TOKEN);
    events
}

/// With those of the admin tokens that the tests have made.
fn all_events(admin: &Client, query: &str) -> Vec<Json> {
    let answer = admin.get(&format!("/v1/audit{query}")).is(200).json();
    answer["events"].as_array().unwrap().clone()
}

fn is_of_a_token(line: &str) -> bool {
    line.contains(" admin-token ") || line.contains("\"admin-token\"")
}

fn printed(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = servers::run(&mut gateway.command(arguments)).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_inclusive('\n').filter(|line| !is_of_a_token(line)).collect()
}

#[test]
fn every_kind_of_event_is_told_and_no_secret_is() {
    let gateway = Gateway::start(&settings(""));
    let (stranger, admin) = (gateway.client(), gateway.admin("default"));
    let call = |client: &Client, function: &str, arguments: Json| {
        client.post(&format!("/v1/{function}"), arguments)
    };
    let account = json!({ "email": ANN, "password": PASSWORD });
    call(&stranger, "auth/register_user", account.clone()).is(200);
    let first = gateway.mailed_code(ANN);
    call(&stranger, "auth/verify_user", json!({ "email": ANN, "code": first })).is(200);
    call(&stranger, "session", json!({ "email": ANN, "password": "wrong-secret" })).is(401);
    let opened = call(&stranger, "session", account.clone()).is(200).json();
    let token = opened["token"].as_str().unwrap().to_owned();
    let signed_in = stranger.bearer(&token);
    call(&stranger, "auth/generate_code", json!({ "email": ANN })).is(200);
    let code = gateway.mailed_code(ANN);
    let reset = json!({ "email": ANN, "reset_code": code, "new_password": "another secret one" });
    call(&stranger, "auth/verify_reset_code_and_reset_password", reset).is(200);
    let change =
        json!({ "email": ANN, "old_password": "another secret one", "new_password": PASSWORD });
    call(&stranger, "auth/reset_password_no_verif", change).is(200);
    let again = call(&stranger, "session", account.clone()).is(200).json();
    let session = stranger.bearer(again["token"].as_str().unwrap());
    session.delete("/v1/sessions").is(200);
    let new = json!({ "new_email": "new@example.com", "password": PASSWORD });
    call(&session, "session/email", new).is(200);
    let proof = gateway.mailed_code("new@example.com");
    call(&session, "session/email/confirm", json!({ "code": proof })).is(200);
    let account = json!({ "email": "new@example.com", "password": PASSWORD });
    let third = call(&stranger, "session", account.clone()).is(200).json();
    stranger.bearer(third["token"].as_str().unwrap()).delete("/v1/session").is(200);
    for function in ["utils/block_user", "utils/unblock_user"] {
        call(&admin, function, json!({ "email": "new@example.com" }));
    }
    let data = json!({ "email": "new@example.com", "custom_data": { "x": "custom-secret" } });
    call(&admin, "utils/replace_usr_data", data).is(200);
    call(&signed_in, "utils/block_user", json!({ "email": ANN })).is(401);
    call(&stranger, "auth/delete_user", account).is(200);
    for function in ["create_db", "remove_limit_collection", "reset_limit_collection"] {
        call(&admin, &format!("coredb/{function}"), json!({})).is(204);
    }
    let events = events(&admin, "");
    let names: BTreeSet<&str> = events.iter().map(|it| it["event"].as_str().unwrap()).collect();
    let expected = [
        "registration",
        "verification",
        "sign-in",
        "code-mail",
        "password-reset",
        "password-change",
        "sessions-end",
        "email-change-request",
        "email-change",
        "sign-out",
        "block",
        "unblock",
        "data-change",
        "admin-token-refusal",
        "deletion",
        "database-creation",
        "database-removal",
        "database-reset",
    ];
    assert_eq!(names, BTreeSet::from(expected), "{events:#?}");
    let sign_ins = events.iter().filter(|it| it["event"] == "sign-in").collect::<Vec<_>>();
    assert_ne!(sign_ins[0]["outcome"], "202");
    assert_eq!(sign_ins[1]["outcome"], "202");
    for event in sign_ins.iter().take(2) {
        assert_eq!((&event["about"], &event["by"]), (&json!(ANN), &json!("stranger")));
        assert_eq!(event["from"], "127.0.0.1");
        assert!(event["request"].as_str().is_some_and(|id| id.len() == 32), "{event}");
    }
    let by = |name: &str| events.iter().find(|it| it["event"] == name).unwrap()["by"].clone();
    assert_eq!((by("block"), by("sign-out")), (json!("admin"), json!("session")));
    // The command says the same.
    let lines = printed(&gateway, &["audit", "--json"]);
    let lines: Vec<Json> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines, events);
    let some = printed(&gateway, &["audit", "--user", "NEW@example.com", "--event", "block"]);
    assert_eq!(some.lines().count(), 1, "{some}");
    let log = json!(events).to_string();
    for secret in [PASSWORD, "wrong-secret", "another secret one", "custom-secret", token.as_str()]
    {
        assert!(!log.contains(secret), "{secret}");
    }
    for secret in [first, code, proof] {
        assert!(!log.contains(&format!("\"{secret}\"")), "{secret}");
    }
}

#[test]
fn only_the_admin_reads_and_only_what_is_his() {
    let gateway = Gateway::start(&settings("[tenants.other]\npeer_limit = 0\n"));
    gateway.client().get("/v1/audit").is(401);
    gateway.client().bearer("wrong").get("/v1/audit").is(401);
    let admin = gateway.admin("default");
    assert_eq!(events(&admin, "")[0]["event"], "admin-token-refusal");
    for wrong in ["?limit=0", "?limit=1001", "?since=soon", "?what=1"] {
        admin.get(&format!("/v1/audit{wrong}")).is(400);
    }
    let other = Client::new(&format!("{}/t/other", gateway.url()));
    let other = other.bearer(&gateway.admin_token("other"));
    assert!(events(&other, "").is_empty());
}

#[test]
fn pages_follow_one_another_without_a_gap() {
    let gateway = Gateway::start(&settings(""));
    let admin = gateway.admin("default");
    for _ in 0..5 {
        admin.post("/v1/utils/block_user", json!({ "email": ANN }));
    }
    let all = events(&admin, "");
    let mut pages = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let answer = admin.get(&format!("/v1/audit{query}")).is(200).json();
        pages.extend(answer["events"].as_array().unwrap().clone());
        let Some(next) = answer["next"].as_str() else { break };
        query = format!("?limit=2&after={next}");
    }
    pages.retain(|it| it["event"] != TOKEN);
    assert_eq!((pages.len(), pages), (5, all));
}

#[test]
fn follow_prints_an_event_as_it_comes() {
    let gateway = Gateway::start(&settings(""));
    let admin = gateway.admin("default");
    let mut command = gateway.command(&["audit", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.filter(|line| !line.as_ref().is_ok_and(|line| is_of_a_token(line)));
    admin.post("/v1/utils/block_user", json!({ "email": ANN }));
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains(" block ") && line.ends_with(&format!("about {ANN}")), "{line}");
    servers::signal(child.id(), "INT");
    assert!(child.wait().unwrap().success());
}

/// Do this so often that not all of it is written.
fn flood(one: impl Fn(&Client) + Sync) {
    let gateway = Gateway::start(&settings(""));
    let admin = gateway.admin("default");
    let many = || {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|_| one(&gateway.client())));
            }
        });
    };
    wait_for("a flood is noticed", || {
        many();
        admin.post("/v1/utils/block_user", json!({ "email": ANN }));
        !events(&admin, "?event=refusals-not-recorded").is_empty()
    });
    let counted = events(&admin, "?event=refusals-not-recorded");
    assert!(counted[0]["count"].as_u64().unwrap() > 0);
}

#[test]
fn a_flood_of_refusals_is_bounded() {
    let guess = json!({ "email": "nobody@example.com", "code": "1" });
    flood(|client| drop(client.post("/v1/auth/verify_user", guess.clone())));
}

#[test]
fn a_flood_of_sign_outs_without_a_session_is_bounded() {
    let token = "A".repeat(43);
    flood(|client| drop(client.bearer(&token).delete("/v1/session").is(200)));
}

#[test]
fn no_event_whose_answer_was_seen_is_lost_to_a_sigkill() {
    let gateway = Gateway::start(&settings(""));
    let admin = gateway.admin("default");
    let seen = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("some answers", || seen.load(Ordering::Relaxed) >= 5);
            gateway.signal("KILL");
        });
        for number in 0..10_000 {
            let body = json!({ "email": format!("u{number}@example.com"), "password": PASSWORD });
            let sent = catch_unwind(AssertUnwindSafe(|| {
                admin.post("/v1/auth/register_user_no_verif", body).status
            }));
            match sent {
                Ok(200) => seen.fetch_add(1, Ordering::Relaxed),
                _ => break,
            };
        }
    });
    gateway.wait();
    let seen = seen.into_inner();
    let lines = printed(&gateway, &["audit", "--event", "registration"]);
    assert!(lines.lines().count() >= seen, "{seen} seen:\n{lines}");
}

#[test]
fn without_days_there_is_no_log() {
    let gateway = Gateway::start(&settings("audit_days = 0\n"));
    let admin = gateway.admin("default");
    admin.post("/v1/utils/block_user", json!({ "email": ANN }));
    assert!(events(&admin, "").is_empty());
}
