//! How often a peer may ask, and who the peer is.
//!
//! The limits here are so slow that no bucket fills again within a test.

use serde_json::json;

use crate::servers::gateway::Gateway;
use crate::servers::http::Client;

/// A call that counts, for whatever it is answered.
fn ask(client: &Client) -> u16 {
    client.post("/v1/auth/verify_user", json!({})).status
}

#[test]
fn beyond_its_burst_a_peer_is_told_when_to_come_again() {
    let gateway = Gateway::start(
        "[tenants.default]\npeer_limit = 1\npeer_limit_burst = 3\n\
         [tenants.shop]\npeer_secret_limit = 1\npeer_secret_limit_burst = 2\n",
    );
    let client = gateway.client();
    assert_eq!([(); 3].map(|()| ask(&client)), [400; 3]);
    let refused = client.post("/v1/auth/verify_user", json!({})).is(429);
    assert_eq!(refused.json()["kind"], "limited");
    let seconds: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    assert_eq!(refused.json()["retry_after"], seconds);
    // Every kind of request has used it up, a wrong admin token included.
    client.delete("/v1/session").is(429);
    client.bearer("wrong").post("/v1/utils/is_verified", json!({})).is(429);
    // What does not count is not refused either.
    client.get("/healthz").is(200);
    client.get("/readyz").is(200);
    client.get("/v1/session").is(401);
    client.get("/v1/forward-auth").is(401);
    assert_eq!(ask(&gateway.admin("default")), 400);
    // Each tenant counts for itself; secrets have a limit of their own.
    let shop = Client::new(&format!("{}/t/shop", gateway.url()));
    assert_eq!([(); 3].map(|()| ask(&shop)), [400, 400, 429]);
    shop.delete("/v1/session").is(401);
}

#[test]
fn a_client_is_whom_a_trusted_proxy_names() {
    let gateway = Gateway::start(
        "[gateway]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [tenants.default]\npeer_limit = 1\npeer_limit_burst = 1\n",
    );
    let from = |forwarded: &str| gateway.client().with("X-Forwarded-For", forwarded);
    assert_eq!([(); 2].map(|()| ask(&from("192.0.2.1"))), [400, 429]);
    assert_eq!(ask(&from("192.0.2.2")), 400);
    // What he writes himself stands on the left.
    assert_eq!(ask(&from("192.0.2.9, 192.0.2.2")), 429);
    assert_eq!([(); 2].map(|()| ask(&from("2001:db8::1"))), [400, 429]);
    assert_eq!(ask(&from("2001:db8::2")), 429);
    assert_eq!(ask(&from("2001:db8:0:1::2")), 400);
    // Only a proxy knows that it was asked over TLS.
    let answer = gateway.client().with("X-Forwarded-Proto", "https").get("/healthz");
    assert!(answer.header("Strict-Transport-Security").is_some());
}

#[test]
fn what_others_say_of_the_client_is_ignored_with_a_warning() {
    let gateway = Gateway::start("[tenants.default]\npeer_limit = 1\npeer_limit_burst = 1\n");
    let from = |forwarded: &str| gateway.client().with("X-Forwarded-For", forwarded);
    assert_eq!([ask(&from("192.0.2.1")), ask(&from("192.0.2.2"))], [400, 429]);
    let answer = gateway.client().with("X-Forwarded-Proto", "https").get("/healthz");
    assert_eq!(answer.header("Strict-Transport-Security"), None);
    let log = gateway.log();
    assert_eq!(log.matches("X-Forwarded-For is ignored").count(), 1, "{log}");
}
