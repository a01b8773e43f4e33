//! `/metrics`: everything that is counted, provoked over HTTP and read back.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::Gateway;
use crate::servers::http::{Answer, Client};
use crate::servers::{free_port, wait_for};

/// One call hashes at a time, and two wait; the mail server of `shop` is down.
fn settings() -> String {
    format!(
        "[gateway]\nmetrics_listen = \"127.0.0.1:0\"\nhashing = 1\nqueue = 2\n\
         [tenants.default]\npeer_limit = 0\npeer_secret_limit = 0\nmail_limit = 0\nguess_limit = 0\n\
         [tenants.shop]\nmail_tls = \"none\"\n\
         [tenants.shop.mail_info]\nserver = \"127.0.0.1\"\nport = {}\n\
         username = \"shop@example.com\"\npassword = \"secret of shop\"\n",
        free_port()
    )
}

/// Whoever may reach the listener for metrics.
fn watcher(gateway: &Gateway) -> Client {
    let log = gateway.log();
    let line = log.lines().find_map(|line| line.strip_prefix("metrics on ")).unwrap();
    Client::new(line.strip_suffix("/metrics").unwrap())
}

/// The value of a sample: its name and all of its labels.
fn value(text: &str, sample: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    lines.next().map(|number| number.parse().unwrap())
}

/// The metric that a sample belongs to.
fn metric(sample: &str) -> &str {
    let name = sample.split('{').next().unwrap();
    let ends = ["_total", "_count", "_sum", "_bucket", "_info"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// All metrics that have a value.
fn told(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// All metrics that are described, which are all that there are: a test beside the code sees to it.
fn described() -> BTreeSet<String> {
    const TEXT: &str = include_str!("../../docs/http.md");
    let lines = TEXT.lines().filter(|line| line.starts_with("| `p"));
    let names =
        lines.flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let here = |name: &&str| cfg!(target_os = "linux") || *name != "process_resident_memory_bytes";
    names.filter(here).map(|name| metric(name).to_owned()).collect()
}

fn text(answer: Answer) -> String {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("Content-Type"), Some(kind));
    answer.is(200).text()
}

#[test]
fn everything_that_is_counted_is_told() {
    let gateway = Gateway::start(&settings());
    let watcher = watcher(&gateway);
    let shop = Client::new(&format!("{}/t/shop", gateway.url()));
    let (client, admin_token) = (gateway.client(), gateway.admin_token("default"));
    let ann = json!({ "email": "ann@example.com", "password": PASSWORD });

    client.post("/v1/auth/register_user", ann.clone()).is(200);
    let code = gateway.mailed_code("ann@example.com");
    let verify = json!({ "email": "ann@example.com", "code": code });
    client.post("/v1/auth/verify_user", verify).is(200);
    let token = client.post("/v1/session", ann.clone()).is(200).json()["token"].clone();
    let token = token.as_str().unwrap().to_owned();
    client.bearer(&token).get("/v1/session").is(200);
    client.bearer(&token).get("/v1/forward-auth/some/path").is(200);
    client.get("/no/such/path").is(404);
    shop.post("/v1/auth/register_user", ann.clone()).is(200);

    let provoked = RefCell::new(BTreeSet::new());
    for sample in [
        r#"portcullis_http_requests_total{route="/v1/auth/register_user",method="POST",status="200"}"#,
        r#"portcullis_http_requests_total{route="/v1/forward-auth/{*asked}",method="GET",status="200"}"#,
        r#"portcullis_http_requests_total{route="none",method="GET",status="404"}"#,
        r#"portcullis_http_request_duration_seconds_count{route="/v1/session",method="GET"}"#,
        r#"portcullis_http_request_duration_seconds_sum{route="/v1/session",method="GET"}"#,
        r#"portcullis_outcomes_total{tenant="default",function="auth.register_user",code="201"}"#,
        r#"portcullis_outcomes_total{tenant="default",function="auth.verify_user",code="300"}"#,
        r#"portcullis_outcomes_total{tenant="default",function="sessions.sign_in",code="202"}"#,
        r#"portcullis_outcomes_total{tenant="shop",function="auth.register_user",code="201"}"#,
        r#"portcullis_call_duration_seconds_sum{function="auth.register_user"}"#,
        r#"portcullis_store_duration_seconds_sum{operation="load",result="ok"}"#,
        r#"portcullis_store_duration_seconds_sum{operation="commit",result="ok"}"#,
        r#"portcullis_mail_messages_total{result="queued"}"#,
        r#"portcullis_mail_attempt_duration_seconds_sum{result="sent"}"#,
        r#"portcullis_build_info{version="0.1.0"}"#,
        "process_start_time_seconds",
        #[cfg(target_os = "linux")]
        "process_resident_memory_bytes",
    ] {
        let text = text(watcher.get("/metrics"));
        assert!(value(&text, sample).is_some_and(|value| value > 0.0), "{sample}\n{text}");
        provoked.borrow_mut().insert(metric(sample).to_owned());
    }
    // What happens behind the answer, or for a moment.
    let eventually = |sample: &str| {
        wait_for(sample, || {
            value(&text(watcher.get("/metrics")), sample).is_some_and(|value| value > 0.0)
        });
        provoked.borrow_mut().insert(metric(sample).to_owned());
    };
    eventually(r#"portcullis_mail_queue_length{tenant="shop"}"#);
    eventually(r#"portcullis_mail_queue_oldest_seconds{tenant="shop"}"#);
    eventually(r#"portcullis_mail_attempt_duration_seconds_count{result="temporary"}"#);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    client.post("/v1/auth/authenticate_user", ann.clone());
                }
            });
        }
        for sample in [
            "portcullis_hashing_running",
            "portcullis_hashing_waiting",
            "portcullis_instances",
            "portcullis_http_connections",
            r#"portcullis_refused_calls_total{work="hashing"}"#,
            r#"portcullis_call_errors_total{tenant="default",kind="overloaded"}"#,
        ] {
            eventually(sample);
        }
        is_over.store(true, Ordering::Relaxed);
    });

    let text = text(watcher.get("/metrics"));
    let provoked = provoked.into_inner();
    assert_eq!(provoked, described());
    assert_eq!(provoked, told(&text));
    for secret in ["ann@", PASSWORD, &code, &token, &admin_token, "secret of shop", "127.0.0.1"] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn only_the_admin_token_of_default_opens_them_on_the_main_listener() {
    let gateway = Gateway::start("[tenants.default]\n[tenants.shop]\n");
    gateway.client().get("/metrics").is(401);
    let shop = Client::new(&format!("{}/t/shop", gateway.url()));
    let token = gateway.admin_token("shop");
    shop.bearer(&token).get("/metrics").is(404);
    gateway.client().bearer(&token).get("/metrics").is(401);
    let text = text(gateway.admin("default").get("/metrics"));
    let own = r#"portcullis_http_requests_total{route="/metrics",method="GET",status="401"}"#;
    assert_eq!(value(&text, own), Some(2.0), "{text}");
}

#[test]
fn their_own_listener_has_nothing_else() {
    let gateway =
        Gateway::start("[gateway]\nmetrics_listen = \"127.0.0.1:0\"\n[tenants.default]\n");
    let watcher = watcher(&gateway);
    watcher.get("/healthz").is(404);
    watcher.post("/v1/auth/verify_user", json!({})).is(404);
    watcher.post("/metrics", json!({})).is(405);
    watcher.get("/metrics").is(200);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}
