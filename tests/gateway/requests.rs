//! Requests that are not as they should be, and what every answer has.

use serde_json::json;

use super::shared::{GATEWAY, stranger};
use crate::servers::http::JSON;

#[test]
fn a_body_must_be_json_of_bounded_length() {
    let client = stranger("default");
    let path = "/v1/auth/verify_user";
    let kind = |answer: crate::servers::http::Answer| {
        (answer.status, answer.json()["kind"].as_str().unwrap().to_owned())
    };
    let sent = |content_type, body: &[u8]| kind(client.send("POST", path, content_type, body));
    assert_eq!(sent(None, b"{}"), (415, "unsupported".into()));
    assert_eq!(sent(Some("text/plain"), b"{}"), (415, "unsupported".into()));
    assert_eq!(sent(Some("application/json; charset=utf-8"), b"{}"), (400, "usage".into()));
    assert_eq!(sent(Some(JSON), b""), (400, "usage".into()));
    assert_eq!(sent(Some(JSON), b"[]"), (400, "usage".into()));
    assert_eq!(sent(Some(JSON), b"{\"email\""), (400, "usage".into()));
    assert_eq!(sent(Some(JSON), b"\"\xff\""), (400, "usage".into()));
    let most = portcullis::functions::MAX_ARGUMENTS;
    let fits = format!("{{}}{}", " ".repeat(most - 2));
    assert_eq!(sent(Some(JSON), fits.as_bytes()), (400, "usage".into()));
    let too_large = format!("{fits} ");
    assert_eq!(sent(Some(JSON), too_large.as_bytes()), (413, "too_large".into()));
}

#[test]
fn no_refusal_repeats_a_secret() {
    for body in [
        json!({ "email": "a@example.com", "code": 12_345_678 }),
        json!({ "email": "a@example.com", "code": { "x": "12345678" } }),
        json!({ "email": "a@example.com", "code": true, "ticket": [12_345_678] }),
    ] {
        let answer = stranger("default").post("/v1/auth/verify_user", body).is(400);
        assert!(!answer.text().contains("12345678"), "{}", answer.text());
    }
}

#[test]
fn what_is_not_there_is_told_with_the_nearest_names() {
    let client = stranger("default");
    let answer = client.post("/v1/auth/register_usr", json!({})).is(404).json();
    assert!(answer["error"].as_str().unwrap().contains("auth.register_user"), "{answer}");
    assert_eq!(answer["kind"], "not_found");
    for path in ["/v1", "/v1/auth", "/v1/utils/register_user", "/v1/auth/register_user/x", "//"] {
        client.post(path, json!({})).is(404);
    }
    let answer = client.get("/v1/auth/register_user").is(405);
    assert_eq!(answer.header("Allow"), Some("POST"));
}

#[test]
fn no_answer_is_kept_framed_or_guessed_at() {
    let client = stranger("default");
    for answer in [
        client.get("/healthz").is(200),
        client.get("/nothing").is(404),
        client.post("/v1/auth/verify_user", json!({})).is(400),
        client.get("/v1/session").is(401),
    ] {
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        // Only where it can be kept.
        assert_eq!(answer.header("Strict-Transport-Security"), None);
    }
}

#[test]
fn health_is_told_to_anybody() {
    let client = stranger("default");
    assert_eq!(client.get("/healthz").is(200).json(), json!({ "status": "ok" }));
    assert_eq!(client.get("/readyz").is(200).json(), json!({ "status": "ok" }));
    assert!(!GATEWAY.log().contains("panicked"));
}
