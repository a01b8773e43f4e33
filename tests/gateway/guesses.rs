//! A flood of wrong guesses shuts out strangers, and neither the browser that the owner has used nor
//! whoever waits for a code of his own.

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::Gateway;

/// Peers may ask as often as they like: what is looked at here is counted by address.
const SETTINGS: &str = "\
[tenants.default]
peer_limit = 0
peer_secret_limit = 0
";

const ANN: &str = "ann@example.com";

fn with_ann() -> Gateway {
    let gateway = Gateway::start(SETTINGS);
    let user = json!({"email": ANN, "password": PASSWORD});
    gateway.admin("default").post("/v1/auth/register_user_no_verif", user).is(200);
    gateway
}

#[test]
fn a_flood_of_wrong_passwords_leaves_the_browser_of_the_owner_in() {
    let gateway = with_ann();
    let right = json!({"email": ANN, "password": PASSWORD, "cookie": true});
    let first = gateway.client().post("/v1/session", right.clone()).is(200);
    let browser = gateway.client().with_cookies_of(&first);
    let wrong = json!({"email": ANN, "password": "wrong"});
    for _ in 0..10 {
        gateway.client().post("/v1/session", wrong.clone()).is(401);
    }
    let waits = gateway.client().post("/v1/session", right.clone()).is(429);
    assert!(waits.header("Retry-After").is_some());
    browser.post("/v1/session", right.clone()).is(200);
    // Which has counts of its own.
    for _ in 0..10 {
        browser.post("/v1/session", wrong.clone()).is(401);
    }
    browser.post("/v1/session", right).is(429);
}

#[test]
fn strangers_cannot_guess_away_a_code_that_somebody_waits_for() {
    let gateway = with_ann();
    let asked = gateway.client().post("/v1/auth/generate_code", json!({"email": ANN})).is(200);
    let code = gateway.mailed_code(ANN);
    let wrong = crate::support::another(&code);
    for _ in 0..8 {
        let guess = json!({"email": ANN, "code": wrong});
        gateway.client().post("/v1/auth/verify_user", guess).is(401);
    }
    let dead = json!({"email": ANN, "code": code});
    gateway.client().post("/v1/auth/verify_user", dead).is(401);
    let mine = json!({"email": ANN, "code": code, "ticket": asked.json()["ticket"]});
    gateway.client().post("/v1/auth/verify_user", mine).is(200);
}
