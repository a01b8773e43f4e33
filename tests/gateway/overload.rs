//! More sign-ins than can be hashed.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::Gateway;
use crate::servers::http::Client;

const SETTINGS: &str = "\
[gateway]
hashing = 1
queue = 2
[tenants.one]
peer_limit = 0
peer_secret_limit = 0
[tenants.other]
peer_limit = 0
peer_secret_limit = 0
";

/// Ann has an account with both.
fn clients(gateway: &Gateway) -> [Client; 2] {
    ["one", "other"].map(|tenant| {
        let client = Client::new(&format!("{}/t/{tenant}", gateway.url()));
        let admin = client.bearer(&gateway.admin_token(tenant));
        let ann = json!({"email": "ann@example.com", "password": PASSWORD});
        admin.post("/v1/auth/register_user_no_verif", ann).is(200);
        client
    })
}

fn sign_in(client: &Client) -> crate::servers::http::Answer {
    client.post("/v1/session", json!({"email": "ann@example.com", "password": PASSWORD}))
}

#[test]
fn one_tenants_flood_is_refused_with_advice_and_another_is_served() {
    let gateway = Gateway::start(SETTINGS);
    let [one, other] = clients(&gateway);
    let enough = AtomicBool::new(false);
    let refused = std::thread::scope(|scope| {
        let flood: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    let mut refused = 0;
                    while !enough.load(Ordering::Relaxed) {
                        let answer = sign_in(&one);
                        if answer.status == 503 {
                            let seconds: u64 =
                                answer.header("Retry-After").unwrap().parse().unwrap();
                            assert!((1..=60).contains(&seconds), "{seconds}");
                            assert_eq!(answer.json()["kind"], "overloaded");
                            assert_eq!(answer.json()["retry_after"], seconds);
                            refused += 1;
                        } else {
                            answer.is(200);
                        }
                    }
                    refused
                })
            })
            .collect();
        for _ in 0..20 {
            sign_in(&other).is(200);
            // What does not hash is not refused, whoever asks.
            one.get("/v1/session").is(401);
        }
        enough.store(true, Ordering::Relaxed);
        flood.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
    });
    assert!(refused > 0, "there was no flood");
    sign_in(&one).is(200);
}
