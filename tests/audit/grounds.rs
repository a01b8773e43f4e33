//! What a store has a part in: the order of events, pages, filters, and following what comes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use serde_json::{Value as Json, json};

use super::house::{Clock, House};
use super::{ANN, PASSWORD, TOKEN, events, is_of_a_token, printed};
use crate::program::{Ground, on_every_ground};
use crate::servers;

on_every_ground! {
    events_stand_in_order_with_account_caller_and_outcome
    pages_and_filters_choose_the_same_by_http_and_by_command
    more_events_than_one_page_holds_are_all_gone_through
    follow_prints_what_another_process_writes
    removing_the_database_leaves_the_log
}

fn events_stand_in_order_with_account_caller_and_outcome(ground: Ground) {
    let house = House::on(ground);
    let (stranger, admin) = (house.gateway.client(), house.gateway.admin("default"));
    let account = json!({ "email": "Ann@Example.com", "password": PASSWORD });
    admin.post("/v1/auth/register_user_no_verif", account.clone()).is(200);
    let wrong = json!({ "email": ANN, "password": "wrong horse" });
    stranger.post("/v1/session", wrong.clone()).is(401);
    let opened = stranger.post("/v1/session", account).is(200).json();
    stranger.bearer(opened["token"].as_str().unwrap()).delete("/v1/session").is(200);
    stranger.bearer("wrong").post("/v1/utils/block_user", json!({ "email": ANN })).is(401);
    admin.post("/v1/utils/block_user", json!({ "email": ANN })).is(200);
    stranger.post("/v1/auth/delete_user", wrong).is(403);
    printed(&house.gateway, &["users", "export"]);

    let events = events(&admin, "");
    let told: Vec<_> = events
        .iter()
        .map(|it| ["event", "outcome", "by", "about"].map(|name| it[name].as_str().unwrap_or("-")))
        .collect();
    let expected = [
        ["registration", "200", "admin", ANN],
        ["sign-in", "502", "stranger", ANN],
        ["sign-in", "202", "stranger", ANN],
        ["sign-out", "200", "session", ANN],
        ["admin-token-refusal", "unauthorized", "stranger", "-"],
        ["block", "403", "admin", ANN],
        ["deletion", "403", "stranger", ANN],
        ["users-export", "begun", "operator", "-"],
        ["users-export", "done", "operator", "-"],
    ];
    assert_eq!(told, expected, "{events:#?}");
    for event in &events {
        let by_http = event["by"] != "operator";
        assert_eq!(event["from"].as_str(), by_http.then_some("127.0.0.1"), "{event}");
        assert_eq!(event["request"].is_string(), by_http, "{event}");
    }
    let lines = printed(&house.gateway, &["audit", "--json"]);
    let lines: Vec<Json> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines, events);
}

fn pages_and_filters_choose_the_same_by_http_and_by_command(ground: Ground) {
    let house = House::on(ground);
    let admin = house.gateway.admin("default");
    for _ in 0..4 {
        for (function, email) in [("block_user", ANN), ("unblock_user", "bob@example.com")] {
            admin.post(&format!("/v1/utils/{function}"), json!({ "email": email }));
        }
    }
    let all = events(&admin, "");
    assert_eq!(all.len(), 8);
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let answer = admin.get(&format!("/v1/audit?limit=3{after}")).is(200).json();
        pages.extend(answer["events"].as_array().unwrap().clone());
        let Some(next) = answer["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    pages.retain(|it| it["event"] != TOKEN);
    assert_eq!(pages, all);

    let time = |event: &Json| event["at"].as_u64().unwrap();
    let middle = time(&all[4]);
    let text = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(middle));
    let text = text.to_string();
    let command = |arguments: &[&str]| -> Vec<Json> {
        let lines = printed(&house.gateway, &[&["audit", "--json"], arguments].concat());
        lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    };
    let chosen = |wanted: &dyn Fn(&Json) -> bool| -> Vec<Json> {
        all.iter().filter(|it| wanted(it)).cloned().collect()
    };
    assert_eq!(command(&["--since", &text]), chosen(&|it| time(it) >= middle));
    assert_eq!(command(&["--until", &text]), chosen(&|it| time(it) < middle));
    let of_bob = chosen(&|it| it["about"] == "bob@example.com");
    assert_eq!(of_bob.len(), 4);
    assert_eq!(command(&["--user", "BOB@example.com"]), of_bob);
    assert_eq!(events(&admin, "?user=BOB@example.com"), of_bob);
    assert_eq!(command(&["--event", "unblock"]), of_bob);
    assert_eq!(events(&admin, "?event=unblock&limit=2"), of_bob[..2]);
    let (before, behind) = (middle / 1000 - 60, middle / 1000 + 60);
    assert_eq!(events(&admin, &format!("?since={before}&until={behind}")), all);
    assert!(events(&admin, &format!("?since={behind}")).is_empty());
    assert!(events(&admin, &format!("?until={before}")).is_empty());
}

fn more_events_than_one_page_holds_are_all_gone_through(ground: Ground) {
    const MANY: usize = 1010;
    let house = House::prepare(ground);
    servers::blocking(async {
        let tenant = house.tenant(90, &Clock::now()).await;
        tenant.utils().block_user("first@example.com").await.unwrap();
        let tenant = &tenant;
        stream::iter(2..MANY)
            .for_each_concurrent(32, async |_| {
                tenant.utils().block_user(ANN).await.unwrap();
            })
            .await;
        // By the clock that stands still all are of one moment; this is behind them.
        let later = Clock::now();
        later.pass(60);
        house.tenant(90, &later).await.utils().block_user("last@example.com").await.unwrap();
    });
    assert_eq!(printed(&house.gateway, &["audit"]).lines().count(), MANY);
    for email in ["first@example.com", "last@example.com"] {
        assert_eq!(printed(&house.gateway, &["audit", "--user", email]).lines().count(), 1);
    }
}

fn follow_prints_what_another_process_writes(ground: Ground) {
    let house = House::on(ground);
    let admin = house.gateway.admin("default");
    admin.post("/v1/utils/block_user", json!({ "email": "before@example.com" }));
    let mut command = house.gateway.command(&["audit", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.filter(|line| !line.as_ref().is_ok_and(|line| is_of_a_token(line)));
    let mut line = || lines.next().unwrap().unwrap();
    assert!(line().ends_with("about before@example.com"));
    // What was told is not told again.
    for email in [ANN, "bob@example.com"] {
        admin.post("/v1/utils/block_user", json!({ "email": email }));
        let line = line();
        assert!(line.contains(" block ") && line.ends_with(&format!("about {email}")), "{line}");
    }
    servers::signal(child.id(), "INT");
    assert!(child.wait().unwrap().success());
}

fn removing_the_database_leaves_the_log(ground: Ground) {
    let house = House::on(ground);
    let admin = house.gateway.admin("default");
    let account = json!({ "email": ANN, "password": PASSWORD });
    admin.post("/v1/auth/register_user_no_verif", account).is(200);
    let mut known = events(&admin, "");
    for function in ["remove_db", "reset_db", "remove_all_collections", "remove_db"] {
        let answer = admin.post(&format!("/v1/coredb/{function}"), json!({})).is(204);
        assert_eq!(answer.text(), "");
        let now = events(&admin, "");
        assert_eq!(now[..known.len()], known, "{function}");
        assert_eq!(now.len(), known.len() + 1);
        assert_eq!(now[known.len()]["function"], function);
        assert_eq!(admin.post("/v1/coredb/user_count", json!({})).json()["message"], 0);
        known = now;
    }
}
