//! Whose an event is where only a token says so.

use portcullis::audit::Query;
use portcullis::contract::sessions::SignedIn;
use serde_json::{Value as Json, json};

use super::house::{Clock, House};
use super::{ANN, PASSWORD, events, settings};
use crate::program::Ground;
use crate::servers::blocking;
use crate::servers::gateway::Gateway;
use crate::servers::http::Client;
use crate::support::another;

const NEW: &str = "new@example.com";

fn registered(gateway: &Gateway) {
    let account = json!({ "email": ANN, "password": PASSWORD });
    gateway.admin("default").post("/v1/auth/register_user_no_verif", account).is(200);
}

fn signed_in(gateway: &Gateway) -> Client {
    let account = json!({ "email": ANN, "password": PASSWORD });
    let opened = gateway.client().post("/v1/session", account).is(200).json();
    gateway.client().bearer(opened["token"].as_str().unwrap())
}

/// What those with a token have done: the event, the outcome, on whose behalf, about whom.
fn told(gateway: &Gateway) -> Vec<[String; 4]> {
    let events = events(&gateway.admin("default"), "");
    let by_token = |event: &&Json| {
        let name = event["event"].as_str().unwrap();
        ["sign-out", "sessions-end", "email-change-request", "email-change"].contains(&name)
    };
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    let told = |it: &Json| ["event", "outcome", "by", "about"].map(|name| text(&it[name]));
    events.iter().filter(by_token).map(told).collect()
}

#[test]
fn an_event_of_a_session_names_its_account() {
    let gateway = Gateway::start(&settings(""));
    registered(&gateway);
    let [one, two, three] = [(); 3].map(|()| signed_in(&gateway));
    let known = two.get("/v1/session").is(200).json();
    let id = known["session"]["id"].as_str().unwrap();
    one.delete(&format!("/v1/sessions/{id}")).is(200);
    three.delete("/v1/session").is(200);
    one.delete("/v1/sessions").is(200);
    let ask = |password: &str| {
        one.post("/v1/session/email", json!({ "new_email": NEW, "password": password }))
    };
    ask("wrong horse").is(401);
    ask(PASSWORD).is(200);
    let code = gateway.mailed_code(NEW);
    let confirm = |code: &str| one.post("/v1/session/email/confirm", json!({ "code": code }));
    confirm(&another(&code)).is(401);
    confirm(&code).is(200);
    let expected = [
        ["sessions-end", "200"],
        ["sign-out", "200"],
        ["sessions-end", "200"],
        ["email-change-request", "501"],
        ["email-change-request", "201"],
        ["email-change", "417"],
        ["email-change", "200"],
    ];
    let expected =
        expected.map(|[event, outcome]| [event, outcome, "session", ANN].map(String::from));
    assert_eq!(told(&gateway), expected);
    let of_ann = events(&gateway.admin("default"), &format!("?user={ANN}&event=sign-out"));
    assert_eq!(of_ann.len(), 1);
}

#[test]
fn a_token_that_opens_nothing_leaves_no_account() {
    let gateway = Gateway::start(&settings(""));
    registered(&gateway);
    let (ended, blocked) = (signed_in(&gateway), signed_in(&gateway));
    ended.delete("/v1/session").is(200);
    gateway.admin("default").post("/v1/utils/block_user", json!({ "email": ANN })).is(200);
    let forged = gateway.client().bearer(&"A".repeat(43));
    let short = gateway.client().bearer("short");
    // Nor does an address that somebody gives stand for a token.
    let ask = json!({ "new_email": ANN, "password": PASSWORD });
    let begun = told(&gateway).len();
    for client in [&ended, &blocked, &forged, &short] {
        client.delete("/v1/session").is(200);
        client.delete("/v1/sessions").is(401);
        client.delete("/v1/sessions/x").is(401);
        client.post("/v1/session/email", ask.clone()).is(401);
        client.post("/v1/session/email/confirm", json!({ "code": "1" })).is(401);
    }
    let told = &told(&gateway)[begun..];
    assert_eq!(told.len(), 20, "{told:#?}");
    for [event, outcome, by, about] in told {
        let expected = if event == "sign-out" { "200" } else { "502" };
        assert_eq!((outcome.as_str(), by.as_str(), about.as_str()), (expected, "stranger", "-"));
    }
}

#[test]
fn an_event_of_an_application_with_a_token_names_the_account_too() {
    let house = House::prepare(Ground::Embedded);
    blocking(async {
        let tenant = house.tenant(90, &Clock::now()).await;
        tenant.auth().register_user_no_verif(ANN, PASSWORD, None, false).await.unwrap();
        let signed_in = tenant.sessions().sign_in(ANN, PASSWORD, None, false, false).await;
        let Ok(SignedIn::Opened(opened)) = signed_in else { panic!("{signed_in:?}") };
        tenant.sessions().sign_out(&opened.token).await.unwrap();
        tenant.sessions().sign_out(&opened.token).await.unwrap();
        let query = Query { event: Some("sign-out".into()), ..Query::default() };
        let events = tenant.audit(&query).await.unwrap().events;
        let told: Vec<_> = events.iter().map(|it| (it.by.as_str(), it.about.as_deref())).collect();
        assert!(told.contains(&("application", Some(ANN))), "{told:?}");
        assert!(told.contains(&("application", None)), "{told:?}");
        assert_eq!(told.len(), 2);
    });
}
