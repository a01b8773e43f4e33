//! Which addresses stand in an event: both of an e-mail change, and none that is none.

use serde_json::{Value as Json, json};

use super::house::House;
use super::{ANN, PASSWORD, events, printed, settings};
use crate::program::{Ground, on_every_ground};
use crate::servers::gateway::Gateway;

on_every_ground! {
    an_email_change_that_was_done_names_both_addresses
}

fn an_email_change_that_was_done_names_both_addresses(ground: Ground) {
    let house = House::on(ground);
    let gateway = &house.gateway;
    let (stranger, admin) = (gateway.client(), gateway.admin("default"));
    let [two, three, four] = ["Two@example.com", "three@example.com", "four@example.com"];
    for email in [ANN, "taken@example.com"] {
        let account = json!({ "email": email, "password": PASSWORD });
        admin.post("/v1/auth/register_user_no_verif", account).is(200);
    }
    let change = |email: &str, new: &str, password: &str| {
        let body = json!({ "email": email, "new_email": new, "password": password });
        admin.post("/v1/auth/change_email_no_verif", body)
    };
    assert_ne!(change(ANN, two, "wrong horse").status, 200);
    assert_ne!(change(ANN, "taken@example.com", PASSWORD).status, 200);
    change(ANN, two, PASSWORD).is(200);
    admin.post("/v1/auth/generate_code", json!({ "email": two })).is(200);
    let code = gateway.mailed_code(two);
    let body = json!({ "email": two, "new_email": three, "reset_code": code });
    admin.post("/v1/auth/verify_reset_code_and_change_email", body).is(200);
    let account = json!({ "email": three, "password": PASSWORD });
    let opened = stranger.post("/v1/session", account).is(200).json();
    let session = stranger.bearer(opened["token"].as_str().unwrap());
    session.post("/v1/session/email", json!({ "new_email": four, "password": PASSWORD })).is(200);
    let code = gateway.mailed_code(four);
    session.post("/v1/session/email/confirm", json!({ "code": code })).is(200);

    let two = &two.to_lowercase();
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    let changes = events(&admin, "?event=email-change");
    let told: Vec<_> = changes.iter().map(|it| [text(&it["about"]), text(&it["to"])]).collect();
    let expected = [[ANN, "-"], [ANN, "-"], [ANN, two], [two, three], [three, four]];
    assert_eq!(told, expected.map(|pair| pair.map(String::from)));
    let asked = events(&admin, "?event=email-change-request");
    assert!(asked.iter().all(|it| it.get("to").is_none()), "{asked:?}");

    let of_four = events(&admin, "?user=FOUR@example.com");
    assert_eq!(of_four, changes[4..]);
    let line = printed(gateway, &["audit", "--user", four]);
    assert!(line.ends_with(&format!(" about {three} to {four}\n")), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn what_was_typed_for_an_address_and_is_none_is_not_kept() {
    let gateway = Gateway::start(&settings(""));
    let (stranger, admin) = (gateway.client(), gateway.admin("default"));
    for typed in ["hunter2", "my own p@ss.word", "p@ssword"] {
        let account = json!({ "email": typed, "password": PASSWORD });
        for path in ["auth/register_user", "session", "auth/delete_user"] {
            assert_eq!(
                stranger.post(&format!("/v1/{path}"), account.clone()).json()["message"],
                "Invalid email format.",
                "{typed}"
            );
        }
    }
    let events = events(&admin, "");
    assert_eq!(events.len(), 9);
    for event in &events {
        assert_eq!((&event["outcome"], event.get("about")), (&json!("503"), None), "{event}");
    }
}
