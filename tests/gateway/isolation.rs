//! Two tenants in one process, a store each: nothing that one has given opens anything of the other,
//! whatever leads to it.

use serde_json::{Value as Json, json};

use super::shared::PASSWORD;
use crate::servers::gateway::Gateway;
use crate::servers::http::{Answer, Client};

const ANN: &str = "ann@example.com";

/// Both are reached by a host and are otherwise alike: the same key for digests, the same user.
const SETTINGS: &str = "\
[tenants.one]
hosts = [\"one.example\"]
peer_limit = 0
peer_secret_limit = 0
[tenants.other]
hosts = [\"other.example\"]
peer_limit = 0
peer_secret_limit = 0
[tenants.third]
peer_limit = 0
peer_secret_limit = 0
";

struct Town {
    gateway: Gateway,
    one: Client,
    other: Client,
}

impl Town {
    /// Ann has an account with both.
    fn new() -> Self {
        let gateway = Gateway::start(SETTINGS);
        let [one, other] =
            ["one.example", "other.example"].map(|host| gateway.client().with("Host", host));
        for (client, tenant) in [(&one, "one"), (&other, "other")] {
            let admin = client.bearer(&gateway.admin_token(tenant));
            let user = json!({"email": ANN, "password": PASSWORD});
            admin.post("/v1/auth/register_user_no_verif", user).is(200);
        }
        Self { gateway, one, other }
    }

    fn opened(&self, client: &Client) -> Json {
        let user = json!({"email": ANN, "password": PASSWORD});
        client.post("/v1/session", user).is(200).json()
    }
}

#[track_caller]
fn is_nobody(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.text());
}

#[test]
fn a_token_or_cookie_of_one_is_nobodys_with_the_other() {
    let town = Town::new();
    let opened = town.opened(&town.one);
    let token = opened["token"].as_str().unwrap();
    town.one.bearer(token).get("/v1/session").is(200);
    is_nobody(&town.other.bearer(token).get("/v1/session"));
    is_nobody(&town.other.bearer(token).get("/v1/forward-auth"));
    is_nobody(&town.other.bearer(token).get("/v1/sessions"));
    for name in ["__Host-portcullis", "__Host-portcullis-one", "__Host-portcullis-other"] {
        is_nobody(&town.other.cookie(name, token).get("/v1/session"));
    }
    // Nor does it end there what it does not open.
    town.other.bearer(token).delete("/v1/session").is(200);
    town.one.bearer(token).get("/v1/session").is(200);
}

#[test]
fn an_admin_token_of_one_is_none_with_the_other() {
    let town = Town::new();
    let admin = town.gateway.admin_token("one");
    town.one.bearer(&admin).post("/v1/coredb/user_count", json!({})).is(200);
    is_nobody(&town.other.bearer(&admin).post("/v1/coredb/user_count", json!({})));
    let third = town.gateway.client().bearer(&admin);
    is_nobody(&third.post("/t/third/v1/coredb/user_count", json!({})));
}

#[test]
fn no_path_leads_from_the_host_of_one_to_the_other() {
    let town = Town::new();
    for path in ["/t/one/v1/session", "/t/other/v1/session", "/t/third/v1/session"] {
        town.one.get(path).is(404);
    }
    for path in ["/t/third/../other/v1/session", "/t/third/%2e%2e/other/v1/session", "//v1/session"]
    {
        town.gateway.client().get(path).is(404);
    }
    // And no other header that proxies use.
    let admin = town.gateway.admin_token("one");
    for name in ["X-Forwarded-Host", "Forwarded", "X-Original-Host"] {
        let disguised = town.other.with(name, "one.example").bearer(&admin);
        is_nobody(&disguised.post("/v1/coredb/user_count", json!({})));
    }
}

#[test]
fn a_code_ticket_or_device_of_one_fits_nothing_of_the_other() {
    let town = Town::new();
    let asked = town.one.post("/v1/auth/generate_code", json!({"email": ANN})).is(200).json();
    let code = town.gateway.mailed_code(ANN);
    let verify = json!({"email": ANN, "code": code, "ticket": asked["ticket"]});
    is_nobody(&town.other.post("/v1/auth/verify_user", verify.clone()));
    let verify_without = json!({"email": ANN, "code": code});
    is_nobody(&town.other.post("/v1/auth/verify_user", verify_without));
    town.one.post("/v1/auth/verify_user", verify).is(200);

    // With the device of the other, Ann is somebody like everybody.
    let device = town.opened(&town.one)["device"].clone();
    let wrong = json!({"email": ANN, "password": "wrong"});
    for _ in 0..10 {
        is_nobody(&town.other.post("/v1/session", wrong.clone()));
    }
    let right = json!({"email": ANN, "password": PASSWORD, "device": device});
    town.other.post("/v1/session", right.clone()).is(429);
    town.one.post("/v1/session", right).is(200);
}

#[test]
fn what_happens_to_a_user_of_one_does_not_happen_to_his_namesake() {
    let town = Town::new();
    let [one, other] = [&town.one, &town.other].map(|client| {
        let opened = town.opened(client);
        client.bearer(opened["token"].as_str().unwrap())
    });
    let admin = town.one.bearer(&town.gateway.admin_token("one"));
    admin.post("/v1/utils/block_user", json!({"email": ANN})).is(200);
    is_nobody(&one.get("/v1/session"));
    other.get("/v1/session").is(200);
    admin.post("/v1/coredb/remove_db", json!({})).is(204);
    other.get("/v1/session").is(200);
    town.opened(&town.other);
}

#[test]
fn a_second_step_goes_on_where_the_first_was_made() {
    let town = Town::new();
    let first_step = |client: &Client| {
        let user = json!({"email": ANN, "password": PASSWORD, "mfa": true});
        let answer = client.post("/v1/session", user).is(200).json();
        (answer["ticket"].clone(), town.gateway.mailed_code(ANN))
    };
    let second_step = |client: &Client, ticket: &Json, code: &str| {
        client.post("/v1/session", json!({"email": ANN, "code": code, "ticket": ticket}))
    };
    let (ticket, code) = first_step(&town.one);
    let (other_ticket, other_code) = first_step(&town.other);
    is_nobody(&second_step(&town.other, &ticket, &code));
    is_nobody(&second_step(&town.other, &ticket, &other_code));
    // None of this was a guess at the codes in hand.
    second_step(&town.one, &ticket, &code).is(200);
    second_step(&town.other, &other_ticket, &other_code).is(200);
}

#[test]
fn what_one_has_stored_lies_in_its_own_file() {
    let town = Town::new();
    let email = "secluded@example.com";
    let admin = town.one.bearer(&town.gateway.admin_token("one"));
    let user = json!({"email": email, "password": PASSWORD});
    admin.post("/v1/auth/register_user_no_verif", user).is(200);
    let holds = |tenant: &str, email: &str| {
        let files = [format!("{tenant}.db"), format!("{tenant}.db-wal")];
        files.iter().any(|file| {
            let file = town.gateway.data().join("tenants").join(file);
            let bytes = std::fs::read(file).unwrap_or_default();
            bytes.windows(email.len()).any(|window| window == email.as_bytes())
        })
    };
    assert!(holds("one", email) && !holds("other", email));
    assert!(holds("other", ANN));
}
