//! What is logged: every line names its request, and none holds a secret.

use serde_json::{Value as Json, json};

use crate::servers::gateway::Gateway;
use crate::servers::http::{Answer, Client};

/// Codes so long that no time or count looks like one; the tests are a trusted proxy.
pub const SETTINGS: &str = "\
[gateway]
trusted_proxies = [\"127.0.0.1\"]
[tenants.default]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
guess_limit = 0
code_length = 16
";

/// What must never be told.
#[derive(Default)]
pub struct Secrets {
    all: Vec<String>,
    /// What the service has answered to requests that it refused.
    refusals: Vec<String>,
}

impl Secrets {
    fn keep(&mut self, secret: impl Into<String>) -> String {
        let secret = secret.into();
        assert!(secret.len() >= 12, "{secret:?} may stand anywhere by chance");
        self.all.push(secret.clone());
        secret
    }

    fn refused(&mut self, answer: Answer, status: u16) {
        self.refusals.push(answer.is(status).text());
    }

    /// See that none of them stands here.
    pub fn are_not_in(&self, what: &str, text: &[u8]) {
        for secret in &self.all {
            let found = text.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret:?} is in {what}:\n{}", String::from_utf8_lossy(text));
        }
    }
}

/// Everything that somebody does with an account, done right and done wrong; the secrets of it.
pub fn whole_life(gateway: &Gateway) -> Secrets {
    let mut secrets = Secrets::default();
    let client = gateway.client();
    let email = "ann@example.com";
    let password = secrets.keep("correct horse battery");
    let wrong = secrets.keep("another horse battery");
    let renewed = secrets.keep("staple of the battery");
    let admin_token = secrets.keep(gateway.admin_token("default"));
    let admin = client.bearer(&admin_token);
    let said = |answer: &Answer, key: &str| answer.json()[key].as_str().unwrap().to_owned();

    let arguments = json!({ "email": email, "password": password });
    let answer = client.post("/v1/auth/register_user", arguments.clone()).is(200);
    let ticket = secrets.keep(said(&answer, "ticket"));
    let code = secrets.keep(gateway.mailed_code(email));
    let guess = secrets.keep("9081726354918273");
    let verify = |code: &str| json!({ "email": email, "code": code, "ticket": ticket });
    secrets.refused(client.post("/v1/auth/verify_user", verify(&guess)), 401);
    client.post("/v1/auth/verify_user", verify(&code)).is(200);

    let sign_in = |password: &str| json!({ "email": email, "password": password });
    secrets.refused(client.post("/v1/session", sign_in(&wrong)), 401);
    let answer = client.post("/v1/session", sign_in(&password)).is(200);
    let token = secrets.keep(said(&answer, "token"));
    secrets.keep(said(&answer, "device"));
    client.bearer(&token).get("/v1/session").is(200);
    client.bearer(&token).get("/v1/sessions").is(200);
    client.bearer(&token).get("/v1/forward-auth").is(200);
    let forged = secrets.keep("forged-token-of-nobody");
    secrets.refused(client.bearer(&forged).get("/v1/session"), 401);
    secrets.refused(client.bearer(&forged).post("/v1/coredb/user_count", json!({})), 401);
    admin.post("/v1/coredb/user_count", json!({})).is(200);
    let queried = secrets.keep("secret-in-the-query");
    secrets.refused(client.get(&format!("/no/such/page?token={queried}")), 404);
    let cookie = secrets.keep("secret-in-the-cookie");
    client.cookie("__Host-portcullis", &cookie).get("/").is(200);
    let broken = json!({ "email": email, "password": [wrong] });
    secrets.refused(client.post("/v1/auth/register_user", broken), 400);

    let answer = client.post("/v1/auth/generate_code", json!({ "email": email })).is(200);
    let ticket = secrets.keep(said(&answer, "ticket"));
    let code = secrets.keep(gateway.mailed_code(email));
    let reset = json!({
        "email": email, "reset_code": code, "new_password": renewed, "ticket": ticket
    });
    client.post("/v1/auth/verify_reset_code_and_reset_password", reset).is(200);
    let answer = client.post("/v1/session", sign_in(&renewed)).is(200);
    let token = secrets.keep(said(&answer, "token"));
    let signed_in = client.bearer(&token);
    signed_in.delete("/v1/sessions").is(200);
    let new = "new@example.com";
    let change = |password: &str| json!({ "new_email": new, "password": password });
    secrets.refused(signed_in.post("/v1/session/email", change(&wrong)), 401);
    signed_in.post("/v1/session/email", change(&renewed)).is(200);
    let code = secrets.keep(gateway.mailed_code(new));
    let confirm = |code: &str| signed_in.post("/v1/session/email/confirm", json!({ "code": code }));
    secrets.refused(confirm(&guess), 401);
    confirm(&code).is(200);

    let sign_in = json!({ "email": new, "password": renewed, "mfa": true });
    let answer = client.post("/v1/session", sign_in).is(200);
    let ticket = secrets.keep(said(&answer, "ticket"));
    let code = secrets.keep(gateway.mailed_code(new));
    let second = json!({ "email": new, "code": code, "ticket": ticket });
    let answer = client.post("/v1/session", second).is(200);
    let token = secrets.keep(said(&answer, "token"));
    client.bearer(&token).delete("/v1/session").is(200);
    // A code and a session that are there at the end.
    let answer = client.post("/v1/auth/generate_code", json!({ "email": new })).is(200);
    secrets.keep(said(&answer, "ticket"));
    secrets.keep(gateway.mailed_code(new));
    let sign_in = json!({ "email": new, "password": renewed });
    secrets.keep(said(&client.post("/v1/session", sign_in).is(200), "token"));

    let key = std::fs::read_to_string(gateway.data().join("secret.key")).unwrap();
    secrets.keep(key.trim());
    secrets.are_not_in("the metrics", admin.get("/metrics").is(200).text().as_bytes());
    for refusal in &secrets.refusals {
        secrets.are_not_in("an answer", refusal.as_bytes());
    }
    secrets
}

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
fn no_line_holds_a_secret_at_any_level() {
    let gateway = logging("trace");
    let secrets = whole_life(&gateway);
    let log = gateway.log();
    secrets.are_not_in("the log", log.as_bytes());
    assert!(lines(&gateway).iter().any(|line| line["level"] == "DEBUG"), "{log}");
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
