//! A whole run, in which everything is asked for once and refused once: no secret of it stands
//! anywhere but where it belongs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis::functions::FUNCTIONS;
use serde_json::{Value as Json, json};

use super::mailed::{Mail, Mailed};
use super::operations::{Access, Operation, operations};
use super::spellings::found;
use super::traces::{Collector, ENDPOINT};
use crate::servers;
use crate::servers::http::{Answer, Client};
use crate::servers::smtp;

mod life;

/// The `secret_key` of the tenant.
const KEY: [u8; 32] = *b"thirty-two bytes of a secret key";

const ANN: &str = "ann@example.com";

/// What is asked, and what must not be told of it.
struct Run<'a> {
    service: &'a Mailed,
    secrets: RefCell<BTreeSet<String>>,
    /// What was granted: method and path.
    granted: RefCell<BTreeSet<(String, String)>>,
    /// All that was answered, without the secrets that somebody was to be given.
    told: RefCell<Vec<u8>>,
}

/// The keys of secrets that an answer gives.
const GIVEN: [&str; 3] = ["token", "device", "ticket"];

/// Whether what is sent under this name is a secret.
fn is_secret(name: &str) -> bool {
    let named = FUNCTIONS.iter().flat_map(|function| function.parameters);
    GIVEN.contains(&name) || named.filter(|it| it.secret).any(|it| it.name == name)
}

impl Run<'_> {
    fn keep(&self, secret: &str) -> String {
        if !secret.is_empty() {
            assert!(secret.len() >= 12, "{secret:?} may stand anywhere by chance");
            self.secrets.borrow_mut().insert(secret.to_owned());
        }
        secret.to_owned()
    }

    /// A secret that nobody has used before.
    fn fresh(&self) -> String {
        let number = self.secrets.borrow().len();
        self.keep(&format!("secret {number} of \"nobody\" & co"))
    }

    fn code(&self, email: &str) -> String {
        self.keep(&self.service.code(email))
    }

    /// Note an answer to a request that was granted.
    fn granted(&self, method: &str, path: &str, answer: Answer) -> Answer {
        self.granted.borrow_mut().insert((method.to_owned(), path.to_owned()));
        self.answered(answer)
    }

    /// Note an answer.
    fn answered(&self, answer: Answer) -> Answer {
        let mut told = self.told.borrow_mut();
        let mut headers = answer.headers.clone();
        headers.remove("Set-Cookie");
        told.extend(format!("{headers:?}\n").into_bytes());
        for (_, value, _) in answer.set_cookies() {
            self.keep(&value);
        }
        match serde_json::from_slice::<Json>(&answer.body) {
            Ok(Json::Object(mut body)) => {
                for name in GIVEN {
                    if let Some(Json::String(secret)) = body.remove(name) {
                        self.keep(&secret);
                    }
                }
                if let Some(Json::Object(message)) = body.get_mut("message") {
                    for name in GIVEN {
                        if let Some(Json::String(secret)) = message.remove(name) {
                            self.keep(&secret);
                        }
                    }
                }
                told.extend(Json::from(body).to_string().into_bytes());
            }
            _ => told.extend(&answer.body),
        }
        drop(told);
        answer
    }

    #[track_caller]
    fn post(&self, client: &Client, path: &str, body: Json) -> Json {
        for (name, value) in body.as_object().unwrap() {
            if is_secret(name) {
                self.keep(value.as_str().unwrap());
            }
        }
        let answer = self.granted("POST", path, client.post(path, body));
        assert!(matches!(answer.status, 200 | 204), "{path}: {answer:?}");
        if answer.body.is_empty() { Json::Null } else { answer.json() }
    }

    fn get(&self, client: &Client, path: &str) -> Answer {
        self.granted("GET", path, client.get(path).is(200))
    }

    fn delete(&self, client: &Client, path: &str, at: &str) {
        self.granted("DELETE", path, client.delete(at).is(200));
    }

    /// A form; who goes on with the cookies that it is answered with.
    #[track_caller]
    fn form(&self, client: &Client, path: &str, fields: &[(&str, &str)]) -> Client {
        for (name, value) in fields {
            if is_secret(name) {
                self.keep(value);
            }
        }
        let answer = self.granted("POST", path, client.post_form(path, fields));
        assert!(!answer.leads_to().contains("sign-in-first"), "{path}: {answer:?}");
        client.with_cookies_of(&answer)
    }
}

/// A service that says all that it can say, and who keeps its traces. Codes are so long that no time
/// or count looks like one.
fn talkative() -> (Mailed, Collector) {
    let collector = Collector::start();
    let tenant = format!("code_length = 16\nsecret_key = \"{}\"\n", STANDARD.encode(KEY));
    let service = Mailed::start_with(
        "[gateway]\ntrusted_proxies = [\"127.0.0.1\"]\n",
        &[("default", &tenant)],
        |command| {
            command.args(["--log-format", "json"]).env("RUST_LOG", "trace");
            command.env(ENDPOINT, &collector.address);
        },
    );
    (service, collector)
}

#[test]
fn no_secret_of_a_whole_run_is_told_anywhere() {
    let (service, collector) = talkative();
    let run = Run {
        service: &service,
        secrets: RefCell::default(),
        granted: RefCell::default(),
        told: RefCell::default(),
    };
    let (client, admin) = (service.client("default"), service.admin("default"));
    let all = operations(&client);
    for secret in [service.admin_token("default"), smtp::PASSWORD, &STANDARD.encode(KEY)] {
        run.keep(secret);
    }
    run.keep(std::str::from_utf8(&KEY).unwrap());

    life::functions(&run, &admin);
    life::sessions(&run, &client);
    let (files, read): (Vec<&Operation>, Vec<&Operation>) = all
        .iter()
        .filter(|it| it.method == "GET" && it.access != Access::Admin)
        .partition(|it| it.path.contains('{'));
    life::pages(&run, &client, &read);
    life::refusals(&run, &client, &admin, &all);
    let audit = run.get(&admin, "/v1/audit").text();
    let mut command = service.gateway.command(&["audit", "--json"]);
    let printed = servers::run(&mut command).unwrap();
    let metrics = run.get(&admin, "/metrics").text();
    let notices = service.all_notices();
    // While the process runs: what it has written last stands in the journal alone.
    let stored = ["portcullis.db", "portcullis.db-wal"];
    let stored = stored.map(|file| fs::read(service.gateway.data().join(file)).unwrap()).concat();
    for function in FUNCTIONS.iter().filter(|it| it.interface.name() == "coredb") {
        if function.name.starts_with("remove_") || function.name.starts_with("reset_") {
            run.post(&admin, &format!("/v1/coredb/{}", function.name), json!({}));
        }
    }
    let granted = run.granted.borrow();
    for operation in &all {
        let key = (operation.method.clone(), operation.path.clone());
        let is_file = files.iter().any(|it| it.path == operation.path);
        assert!(is_file || granted.contains(&key), "{key:?} was not asked for");
    }

    // Traces are dropped where they are more than a busy machine sends.
    servers::wait_for("a trace of a call", || {
        admin.post("/v1/utils/is_verified", json!({ "email": ANN }));
        collector.has(b"utils.is_verified")
    });

    service.gateway.signal("TERM");
    assert!(service.gateway.wait().success());
    let mails = service.mails();
    for code in mails.iter().filter_map(Mail::code) {
        run.keep(&code);
    }
    let content = |mails: &[Mail]| {
        let texts = mails.iter().map(|mail| format!("{}\n{}\n", mail.raw, mail.text));
        texts.collect::<String>().into_bytes()
    };
    let secrets = run.secrets.borrow();
    assert!(found(&secrets, &content(&mails)).is_some(), "codes are in mails");
    let told = run.told.borrow();
    let traces = collector.got();
    // Each with something that has to be there, or it would not be what it is taken for.
    for (what, text, holds) in [
        ("the log", service.gateway.log().as_bytes(), "\"level\":\"DEBUG\""),
        ("the log", service.gateway.log().as_bytes(), "/v1/auth/register_user"),
        ("the metrics", metrics.as_bytes(), "function=\"auth.register_user\""),
        ("the traces", &traces, "utils.is_verified"),
        ("the audit log", audit.as_bytes(), ANN),
        ("the printed audit log", &printed.stdout, ANN),
        ("the answers", &told, "Invalid code."),
        ("the notices", &content(&notices), ANN),
    ] {
        let secret = found(&secrets, text);
        assert_eq!(secret, None, "in {what}");
        assert!(String::from_utf8_lossy(text).contains(holds), "{what}: no {holds}");
        // Nor what passwords are kept as.
        assert!(!String::from_utf8_lossy(text).contains("$argon2"), "{what}");
    }
    assert_eq!(found(&secrets, &stored), None, "in the files of the store");
    assert!(stored.windows(ANN.len()).any(|part| part == ANN.as_bytes()));
    for address in [ANN, "sue@example.com", "tom@example.com", "nobody@example.com"] {
        for (what, text) in [("the metrics", metrics.as_bytes()), ("the traces", &traces)] {
            assert!(!String::from_utf8_lossy(text).contains(address), "{address} is in {what}");
        }
    }
}
