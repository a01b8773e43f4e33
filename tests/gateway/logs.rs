//! What is logged: every line names its request. That none holds a secret stands in `secrecy`.

use serde_json::{Value as Json, json};

use crate::servers::gateway::Gateway;
use crate::servers::http::Client;

/// The tests are a trusted proxy.
const SETTINGS: &str = "\
[gateway]
trusted_proxies = [\"127.0.0.1\"]
[tenants.default]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
guess_limit = 0
";

/// A service that logs everything as JSON.
fn logging(level: &str) -> Gateway {
    Gateway::start_with(SETTINGS, |command| {
        command.args(["--log-format", "json"]).env("PORTCULLIS_LOG", level);
    })
}

/// The lines of the log.
fn lines(gateway: &Gateway) -> Vec<Json> {
    let log = gateway.log();
    let lines = log.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The request that a line belongs to.
fn request(line: &Json) -> Option<&Json> {
    line["spans"].as_array()?.iter().find(|span| span["name"] == "request")
}

#[test]
fn every_line_of_a_request_has_its_name() {
    let gateway = logging("debug");
    let proxy = |id: &str| -> Client { gateway.client().with("X-Request-Id", id) };
    let answer = proxy("from.the-proxy_1").get("/v1/session").is(401);
    assert_eq!(answer.header("X-Request-Id"), Some("from.the-proxy_1"));
    let answer = proxy("not {fit}").get("/healthz").is(200);
    let made = answer.header("X-Request-Id").unwrap().to_owned();
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    // A call that hashes, on threads of its own; without a mail server that takes it.
    let arguments = json!({ "email": "ann@example.com", "password": "correct horse" });
    let answer = gateway.client().post("/v1/auth/register_user", arguments).is(200);
    let hashing = answer.header("X-Request-Id").unwrap().to_owned();

    let lines = lines(&gateway);
    for (id, method, route) in [
        ("from.the-proxy_1", "GET", "/v1/session"),
        (&made, "GET", "/healthz"),
        (&hashing, "POST", "/v1/auth/register_user"),
    ] {
        let of_it = lines.iter().filter_map(request).find(|span| span["id"] == id);
        let span = of_it.unwrap_or_else(|| panic!("{id}: {}", gateway.log()));
        assert_eq!((&span["method"], &span["route"]), (&json!(method), &json!(route)));
    }
    for line in &lines {
        if line["fields"]["message"] == "answered" {
            assert!(request(line).is_some(), "{line}");
        }
    }
}

#[test]
fn a_call_that_is_stopped_on_another_thread_is_logged_with_its_request() {
    // Without a folder to write to, mail is refused where it is to be written.
    let gateway = logging("warn");
    std::fs::create_dir_all(gateway.data()).unwrap();
    std::fs::write(gateway.data().join("outbox"), "no folder").unwrap();
    let admin = gateway.admin("default");
    let arguments = json!({ "email": "ann@example.com", "password": "correct horse" });
    let answer = admin.post("/v1/auth/register_user", arguments);
    let id = answer.header("X-Request-Id").unwrap();
    let lines = lines(&gateway);
    let line = lines.iter().find(|line| line["fields"]["message"] == "mail was not written");
    let line = line.unwrap_or_else(|| panic!("{}", gateway.log()));
    assert_eq!(request(line).unwrap()["id"], id, "{line}");
    assert_eq!(request(line).unwrap()["route"], "/v1/auth/register_user");
}

#[test]
fn a_format_that_is_none_is_refused() {
    let gateway = Gateway::prepare("");
    for (arguments, variable) in [(vec!["--log-format", "xml"], "text"), (vec![], "xml")] {
        let mut command = gateway.command(&["functions"]);
        command.args(arguments).env("PORTCULLIS_LOG_FORMAT", variable);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("json"), "{error}");
    }
}
