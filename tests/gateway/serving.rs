//! The program as a service: its start, its end, its connections, and settings that change.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::{PATIENCE, wait_for};

/// A connection of one's own, on which bytes are sent as they are.
struct Raw(TcpStream);

impl Raw {
    fn new(gateway: &Gateway) -> Self {
        let stream = TcpStream::connect(gateway.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// All that comes until the other side closes.
    fn rest(&mut self) -> String {
        let mut text = Vec::new();
        match self.0.read_to_end(&mut text) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
        String::from_utf8(text).unwrap()
    }
}

fn register(email: &str) -> serde_json::Value {
    json!({ "email": email, "password": PASSWORD })
}

#[test]
fn without_an_admin_token_the_start_says_how_to_make_one() {
    let gateway = Gateway::start("[tenants.default]\n");
    assert!(gateway.log().contains("portcullis admin-token"), "{}", gateway.log());
    let token = gateway.admin_token("default");
    assert!(token.len() >= 43 && !token.contains(char::is_whitespace), "{token}");
    // In force at once, and the next one instead of it.
    let count = |token: &str| {
        gateway.client().bearer(token).post("/v1/coredb/user_count", json!({})).status
    };
    assert_eq!(count(&token), 200);
    let next = gateway.admin_token("default");
    assert_eq!((count(&token), count(&next)), (401, 200));
    // A tenant that is not there has none.
    let refused = gateway.command(&["admin-token", "--tenant", "shop"]).output().unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    // Nothing that would open it is kept.
    let kept = std::fs::read_to_string(gateway.data().join("admin-token.digest")).unwrap();
    assert!(kept.starts_with("sha256:") && !kept.contains(&next));
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let before = gateway.log().len();
    gateway.serve(|_| ());
    assert!(!gateway.log()[before..].contains("admin-token"));
}

#[test]
fn what_the_start_has_to_say_is_told_in_the_format_of_the_log() {
    let gateway = Gateway::start_with("[tenants.default]\n", |command| {
        command.args(["--log-format", "json"]);
    });
    let log = gateway.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| !line.starts_with("listening on "))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let told = lines.iter().any(|line| line.to_string().contains("portcullis admin-token"));
    assert!(told, "{log}");
}

#[test]
fn an_admin_token_may_stand_in_the_settings_as_its_digest() {
    // Of the word "token".
    let digest = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";
    let gateway =
        Gateway::start(&format!("[tenants.default]\nadmin_token_digest = \"sha256:{digest}\"\n"));
    gateway.client().bearer("token").post("/v1/coredb/user_count", json!({})).is(200);
    let other = gateway.admin_token("default");
    gateway.client().bearer(&other).post("/v1/coredb/user_count", json!({})).is(401);
}

#[test]
fn wrong_settings_are_refused_with_line_and_key() {
    for (settings, complaint) in [
        ("[gateway]\nlisten = \"nowhere\"\n", "`gateway.listen` must be an address"),
        ("[gateway]\nlisten_to = 1\n", "`gateway.listen_to` is unknown"),
        ("[gateway]\ntrusted_proxies = [\"10/8\"]\n", "`gateway.trusted_proxies` must be networks"),
        ("[gateway]\nconnections = 0\n", "`gateway.connections` must be an integer"),
        ("[tenants.a]\npath = \"/v1/x\"\n", "`path` of tenant `a` must not begin"),
        ("[tenants.a]\nhosts = [\"https://a.b\"]\n", "`hosts` of tenant `a` must be host names"),
        ("[tenants.a]\nhide_accounts = 1\n", "`hide_accounts` of tenant `a` must be true or false"),
        ("[tenants.a]\nreturn_to = [\"https://a.b/c\"]\n", "`return_to` of tenant `a` must be"),
        ("[tenants.a]\nadmin_token_digest = \"x\"\n", "`admin_token_digest` of tenant `a` must be"),
        ("[tenants.a]\ntheme = \"none\"\n", "`theme` of tenant `a` must be a folder"),
        ("[tenants.a]\ncode_length = 99\n", "`code_length` of tenant `a`"),
    ] {
        let gateway = Gateway::prepare(settings);
        let mut command = gateway.command(&["serve", "--listen", "127.0.0.1:0"]);
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{settings}: {told}");
        assert!(told.contains(complaint) && told.contains("portcullis.toml:2:1"), "{told}");
        assert!(output.stdout.is_empty());
    }
    let both = "[tenants.a]\npath = \"/x\"\n[tenants.b]\npath = \"/x\"\n";
    let output = Gateway::prepare(both).command(&["serve"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("which tenant `a` has, too") && told.contains(":4:1"), "{told}");
}

#[test]
fn the_environment_goes_over_the_file() {
    let gateway = Gateway::prepare("[gateway]\nlisten = \"127.0.0.1:0\"\nidle_time = 5\n");
    for (variable, complaint) in [
        ("PORTCULLIS_GATEWAY__IDLE_TIME", "`gateway.idle_time` must be an integer"),
        ("PORTCULLIS_GATEWAY__TRUSTED_PROXIES", "`gateway.trusted_proxies` must be networks"),
        ("PORTCULLIS_GATEWAY__NONE", "`gateway.none` is unknown"),
        ("PORTCULLIS_GATEWAY_LISTEN", "is not of the form PORTCULLIS_GATEWAY__KEY"),
    ] {
        let output = gateway.command(&["serve"]).env(variable, "wrong").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(complaint) && told.contains(variable), "{told}");
    }
    gateway.serve(|command| {
        command.env("PORTCULLIS_TENANTS__DEFAULT__HOSTS", "auth.example.com b.example.com");
        command.env("PORTCULLIS_TENANTS__DEFAULT__PUBLIC_URL", "https://auth.example.com/");
    });
    let answer = gateway.client().get("/v1/forward-auth?redirect=true");
    assert_eq!(answer.leads_to(), "https://auth.example.com/");
}

#[test]
fn a_reload_changes_settings_and_keeps_what_is_open() {
    let gateway = Gateway::start(UNLIMITED);
    let client = gateway.client();
    client.post("/v1/auth/register_user", register("ann@example.com")).is(200);
    let verify =
        json!({ "email": "ann@example.com", "code": gateway.mailed_code("ann@example.com") });
    client.post("/v1/auth/verify_user", verify).is(200);
    let opened = client.post("/v1/session", register("ann@example.com")).is(200).json();
    let signed_in = client.bearer(opened["token"].as_str().unwrap());

    gateway.rewrite(&format!("{UNLIMITED}readable_errors = false\n[tenants.shop]\n"));
    gateway.signal("HUP");
    let wrong = json!({ "email": "no", "code": "1" });
    wait_for("the new settings are in force", || {
        client.post("/v1/auth/verify_user", wrong.clone()).is(400).json()["message"] == 503
    });
    client.get("/t/shop/v1/session").is(401);
    signed_in.get("/v1/session").is(200);

    // A tenant that has gone is not there.
    gateway.rewrite(UNLIMITED);
    gateway.signal("HUP");
    wait_for("the tenant is gone", || client.get("/t/shop/v1/session").status == 404);
    signed_in.get("/v1/session").is(200);
}

#[test]
fn wrong_settings_at_a_reload_leave_the_former_ones_in_force() {
    let gateway = Gateway::start(UNLIMITED);
    let client = gateway.client();
    for (settings, complaint) in [
        ("[tenants.default]\ncode_length = 99\n", "`code_length` of tenant `default`"),
        ("[tenants.default]\n[gateway]\nidle_time = 0\n", "`gateway.idle_time`"),
        ("[tenants.default\n", "portcullis.toml:1:"),
    ] {
        gateway.rewrite(settings);
        gateway.signal("HUP");
        wait_for("the complaint", || gateway.log().contains(complaint));
        client.get("/v1/session").is(401);
    }
    assert!(gateway.log().contains("portcullis.toml:2:1"), "{}", gateway.log());
    // The former limits too: these are more than a burst.
    for _ in 0..30 {
        client.post("/v1/auth/verify_user", json!({})).is(400);
    }
}

#[test]
fn no_request_is_lost_while_settings_change() {
    let gateway = Gateway::start(UNLIMITED);
    let client = gateway.client();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (client, done) = (client.clone(), &done);
            scope.spawn(move || {
                let mut number = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let email = format!("a{thread}x{number}@example.com");
                    let arguments = json!({ "email": email, "code": "123456" });
                    client.post("/v1/auth/verify_user", arguments).is(401);
                    number += 1;
                }
            });
        }
        for round in 0..8 {
            // The store is opened anew each time.
            let settings = format!("{UNLIMITED}code_ttl = {}\n", 600 + round);
            gateway.rewrite(&format!("{settings}[tenants.mark{round}]\n"));
            gateway.signal("HUP");
            let mark = format!("/t/mark{round}/v1/session");
            wait_for("the settings are in force", || client.get(&mark).status == 401);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn at_its_end_what_was_begun_is_finished_and_nothing_new_is_taken() {
    let gateway = Gateway::start(UNLIMITED);
    // A request of which the half has come.
    let body = register("ann@example.com").to_string();
    let mut raw = Raw::new(&gateway);
    raw.send(&format!(
        "POST /v1/auth/register_user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    ));
    // The handler has begun once it wants the rest.
    let mut wanted = [0; 25];
    raw.0.read_exact(&mut wanted).unwrap();
    assert_eq!(&wanted, b"HTTP/1.1 100 Continue\r\n\r\n");
    // And a connection that waits for its next request.
    let mut idle = Raw::new(&gateway);
    idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answered = [0; 15];
    idle.0.read_exact(&mut answered).unwrap();
    gateway.signal("TERM");
    wait_for("nothing is taken", || TcpStream::connect(gateway.address()).is_err());
    raw.send(&body);
    let answer = raw.rest();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("Verification email sent."), "{answer}");
    idle.rest();
    assert!(gateway.wait().success());
}

#[test]
fn what_takes_too_long_at_the_end_is_cut_off() {
    let gateway = Gateway::start("[gateway]\nshutdown_time = 0\nbody_time = 600\n");
    let mut raw = Raw::new(&gateway);
    raw.send(
        "POST /v1/auth/verify_user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
    );
    raw.0.read_exact(&mut [0; 25]).unwrap();
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert_eq!(raw.rest(), "");
}

#[test]
fn whoever_is_slow_or_idle_loses_his_connection() {
    let gateway = Gateway::start(
        "[gateway]\nheader_time = 1\nbody_time = 1\nidle_time = 1\nconnections = 2\n",
    );
    // Nothing sent, a head that does not end, a body that does not, and nothing more after an answer.
    for (sent, expected) in [
        ("", ""),
        ("GET /healthz HTTP/1.1\r\nHost:", ""),
        (
            "POST /v1/auth/verify_user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 10\r\n\r\n{",
            "HTTP/1.1 408 ",
        ),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        // More at once than there are places: the later ones wait until the first have lost theirs.
        let mut connections = [(); 3].map(|()| Raw::new(&gateway));
        for connection in &mut connections {
            connection.send(sent);
        }
        for connection in &mut connections {
            let answer = connection.rest();
            assert!(answer.starts_with(expected), "{sent:?}: {answer}");
            assert_eq!(answer.is_empty(), expected.is_empty(), "{sent:?}: {answer}");
        }
    }
    gateway.client().get("/healthz").is(200);
}

#[test]
fn a_head_without_end_is_refused() {
    let gateway = Gateway::start("[tenants.default]\n");
    let many: String = (0..200).map(|number| format!("X-Number-{number}: 1\r\n")).collect();
    for headers in [format!("X-Long: {}\r\n", "x".repeat(1 << 20)), many] {
        let mut raw = Raw::new(&gateway);
        // It may be refused before all of it is sent.
        let _ = raw.0.set_write_timeout(Some(Duration::from_secs(30)));
        let _ = raw
            .0
            .write_all(format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
        let answer = raw.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let mut raw = Raw::new(&gateway);
    raw.send("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n");
    assert!(raw.rest().starts_with("HTTP/1.1 400 "));
    gateway.client().get("/healthz").is(200);
}
