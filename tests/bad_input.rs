//! Bad input of every kind: each gets its clear error or its outcome, nothing is written, nothing
//! panics, and the same process goes on answering.

use serde_json::{Value as Json, json};

use crate::program::{Site, Worker};

const ANN: &str = "ann@example.com";

/// What a line is answered with.
enum Answer {
    /// An error of the call that names this.
    Error(&'static str),
    /// A refusal, with a detail that names this.
    Refused(&'static str, &'static str),
    /// A refusal that needs no explanation, or must not have one.
    Plain(&'static str),
    /// A success that changes nothing.
    Yes(&'static str),
}

use Answer::{Error, Plain, Refused, Yes};

const ERROR: &str = "Error";
const EMAIL: &str = "Invalid email format.";
const PASSWORD: &str = "Invalid password.";
const NOBODY: &str = "User not found.";
const NO_FIELD: &str = "Field not found.";
const CODE: &str = "Invalid code.";

fn call(function: &str, arguments: Json) -> String {
    json!({"function": function, "arguments": arguments}).to_string()
}

fn raw(function: &str, arguments: &str) -> String {
    format!(r#"{{"function":"{function}","arguments":{arguments}}}"#)
}

fn register(email: &str) -> String {
    call("register_user", json!({"email": email, "password": "long enough"}))
}

fn address(local: usize, domain: usize) -> String {
    let label = "d".repeat(63);
    let mut rest = [label.as_str(); 4].join(".");
    rest.truncate(domain);
    format!("{}@{rest}", "l".repeat(local))
}

/// Lines that are no call.
fn no_calls() -> Vec<(String, Answer)> {
    vec![
        ("".into(), Error("JSON object")),
        ("hello".into(), Error("JSON object")),
        ("[]".into(), Error("JSON object")),
        ("{".into(), Error("no call")),
        ("{}".into(), Error("function")),
        ("\u{feff}{}".into(), Error("JSON object")),
        (r#"{"function": "register_user"} trailing"#.into(), Error("trailing")),
        (r#"{"function": null}"#.into(), Error("no call")),
        (call("no_such_function", json!({})), Error("no_such_function")),
        (call("register-user", json!({})), Error("register_user")),
        (call("register_usr", json!({})), Error("register_user")),
        (call("utils.register_user", json!({})), Error("auth.register_user")),
        (call(&"x".repeat(100_000), json!({})), Error("no function")),
        (call("register\nuser\u{1b}[2J", json!({})), Error("no function")),
        (raw("register_user", "[]"), Error("list")),
        (raw("register_user", "\"{}\""), Error("")),
        (raw("register_user", "5"), Error("")),
        (raw("register_user", "{'email': 1}"), Error("")),
        (raw("is_verified", &"[".repeat(100_000)), Error("")),
        (raw("is_verified", &format!("{{\"email\":{}", "{\"a\":".repeat(50_000))), Error("")),
    ]
}

/// Calls with unknown, missing or wrong keys.
fn wrong_keys() -> Vec<(String, Answer)> {
    vec![
        (call("register_user", json!({})), Error("email")),
        (call("register_user", json!({"email": ANN})), Error("password")),
        (
            call("register_user", json!({"email": ANN, "password": "long enough", "admin": true})),
            Error("admin"),
        ),
        (call("register_user", json!({"Email": ANN, "password": "long enough"})), Error("Email")),
        (call("is_verified", json!({"email": ANN, "": 1})), Error("unknown key")),
        (call("user_count", json!({"x": 1})), Error("\"x\"")),
        (call("verify_user", json!({"email": ANN})), Error("code")),
        (call("update_usr_data", json!({"email": ANN, "field": "a"})), Error("custom_data")),
        (raw("is_verified", r#"{"email": "a@b.cc", "email": "b@b.cc"}"#), Error("email")),
    ]
}

/// Values of the wrong type.
fn wrong_types() -> Vec<(String, Answer)> {
    vec![
        (call("is_verified", json!({"email": null})), Error("email")),
        (call("is_verified", json!({"email": 5})), Error("email")),
        (call("is_verified", json!({"email": [ANN]})), Error("email")),
        (call("is_verified", json!({"email": {"$ne": null}})), Error("email")),
        (
            call("authenticate_user", json!({"email": ANN, "password": 12_345_678})),
            Error("password"),
        ),
        (call("authenticate_user", json!({"email": ANN, "password": true})), Error("password")),
        (
            call("authenticate_user", json!({"email": ANN, "password": "x", "mfa": "true"})),
            Error("mfa"),
        ),
        (call("authenticate_user", json!({"email": ANN, "password": "x", "mfa": 1})), Error("mfa")),
        (call("verify_user", json!({"email": ANN, "code": 123_456})), Error("code")),
        (call("generate_code", json!({"email": ANN, "cust_length": "6"})), Error("cust_length")),
        (call("generate_code", json!({"email": ANN, "cust_length": 6.5})), Error("cust_length")),
        (
            raw("generate_code", r#"{"email": "ann@example.com", "cust_length": 6.0}"#),
            Error("cust_length"),
        ),
        (
            raw("generate_code", r#"{"email": "ann@example.com", "cust_length": 1e1}"#),
            Error("cust_length"),
        ),
        (
            raw(
                "generate_code",
                r#"{"email": "ann@example.com", "cust_length": 99999999999999999999}"#,
            ),
            Error("cust_length"),
        ),
        (
            call("generate_code", json!({"email": ANN, "ignore_rate_limit": 0})),
            Error("ignore_rate_limit"),
        ),
        (call("get_some_cust_usr_data", json!({"email": ANN, "field": 0})), Error("field")),
        (raw("is_verified", r#"{"email": "\ud800"}"#), Error("")),
    ]
}

/// Addresses.
fn addresses() -> Vec<(String, Answer)> {
    let mut cases = vec![
        (register(&address(64, 190)), Refused(EMAIL, "254")),
        (register(&address(65, 20)), Refused(EMAIL, "64")),
        (register(&format!("a@{}.cc", "d".repeat(64))), Refused(EMAIL, "domain")),
        (register(&"a".repeat(900_000)), Refused(EMAIL, "254")),
        (call("verify_user", json!({"email": address(65, 191), "code": "1"})), Plain(NOBODY)),
        (call("is_verified", json!({"email": "a".repeat(900_000)})), Plain(NOBODY)),
        (call("is_blocked", json!({"email": "ann@example.com\r\n"})), Yes(NOBODY)),
    ];
    for bad in [
        "",
        " ",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@@example.com",
        "ann@exa mple.com",
        " ann@example.com",
        "ann@example.com ",
        "ann@example.com\0",
        "ann@example.com\r\nBcc: all@example.com",
        "ann\r\n@example.com",
        "ann@example.com\n",
        "ann\u{7f}@example.com",
        "ann@example.com,bob@example.com",
        "Ann <ann@example.com>",
        "ann@ex\u{e4}mple.com",
        "\u{1f600}@example.com",
        "ann@example..com",
        ".ann@example.com",
        "ann.@example.com",
        "ann@-example.com",
        "ann@example-.com",
        "ann@[127.0.0.1]",
        "\"ann\"@example.com",
        "ann;@example.com",
    ] {
        cases.push((register(bad), Refused(EMAIL, "")));
    }
    cases
}

/// Passwords, codes, fields and data.
fn values() -> Vec<(String, Answer)> {
    let reset = |new: &str| {
        call(
            "reset_password_no_verif",
            json!({"email": ANN, "old_password": "x", "new_password": new}),
        )
    };
    let replace = |data: &str| {
        raw("replace_usr_data", &format!(r#"{{"email":"{ANN}","custom_data":{data}}}"#))
    };
    let length = |length: i64| call("generate_code", json!({"email": ANN, "cust_length": length}));
    let field = |name: &str| call("get_some_cust_usr_data", json!({"email": ANN, "field": name}));
    let update = |name: &str| {
        call("update_usr_data", json!({"email": ANN, "field": name, "custom_data": 1}))
    };
    let guess = |code: &str| call("verify_user", json!({"email": ANN, "code": code}));
    vec![
        (
            call("register_user", json!({"email": "b@b.cc", "password": ""})),
            Refused(PASSWORD, "8 characters"),
        ),
        (
            call("register_user", json!({"email": "b@b.cc", "password": "\u{1f600}".repeat(7)})),
            Refused(PASSWORD, "8 characters"),
        ),
        (
            call("register_user", json!({"email": "b@b.cc", "password": "\u{1f600}".repeat(257)})),
            Refused(PASSWORD, "1024 bytes"),
        ),
        (reset(&"x".repeat(900_000)), Refused(PASSWORD, "1024 bytes")),
        (reset("\r\n"), Refused(PASSWORD, "8 characters")),
        (length(-5), Refused(ERROR, "cust_length")),
        (length(0), Refused(ERROR, "cust_length")),
        (length(33), Refused(ERROR, "cust_length")),
        (length(i64::MAX), Refused(ERROR, "cust_length")),
        (length(i64::MIN), Refused(ERROR, "cust_length")),
        (guess(""), Plain(CODE)),
        (guess("12345"), Plain(CODE)),
        (guess("\u{1f600}"), Plain(CODE)),
        (guess("123456\r\n"), Plain(CODE)),
        (guess(&"1".repeat(900_000)), Plain(CODE)),
        (field("a.b"), Plain(NO_FIELD)),
        (field("$set"), Plain(NO_FIELD)),
        (field("\0"), Plain(NO_FIELD)),
        (field(&"f".repeat(900_000)), Plain(NO_FIELD)),
        (update("a.b"), Plain(NO_FIELD)),
        (update("$set"), Plain(NO_FIELD)),
        (update("custom_data"), Plain(NO_FIELD)),
        (replace(r#"{"a\u0000b": 1}"#), Refused(ERROR, "NUL")),
        (replace("18446744073709551617"), Refused(ERROR, "double")),
        (replace("-9223372036854775809"), Refused(ERROR, "double")),
        (replace("[1e400]"), Refused(ERROR, "number")),
        (replace(&format!("\"{}\"", "x".repeat(65_535))), Refused(ERROR, "65536")),
        (replace(&format!("{}{}", "[".repeat(65), "]".repeat(65))), Refused(ERROR, "levels")),
        (replace("NaN"), Error("")),
        (replace("{'a': 1}"), Error("")),
        (replace(r#"{"a": 1, "a": 2}"#), Refused(ERROR, "twice")),
    ]
}

/// Every row of every table but the audit log.
fn dump(site: &Site) -> Vec<String> {
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let mut tables =
        strings(&database, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    // Refusals are told there.
    tables.retain(|table| table != "audit");
    let rows = |table: &String| {
        let mut select =
            database.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1")).unwrap();
        let width = select.column_count();
        let rows = select.query_map([], |row| {
            let cells: Vec<rusqlite::types::Value> =
                (0..width).map(|at| row.get(at)).collect::<Result<_, _>>()?;
            Ok(format!("{table}: {cells:?}"))
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    tables.iter().flat_map(rows).collect()
}

fn strings(database: &rusqlite::Connection, select: &str) -> Vec<String> {
    let mut select = database.prepare(select).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn check(worker: &mut Worker, line: &str, expected: &Answer) {
    worker.say(line);
    let answer = worker.hear();
    let shown: String = line.chars().take(200).collect();
    let message = &answer["reply"]["message"];
    match expected {
        Error(names) => {
            let error = answer["error"].as_str().unwrap_or_else(|| panic!("{shown}: {answer}"));
            assert_eq!(answer["kind"], "usage", "{shown}: {answer}");
            assert!(error.contains(names), "{shown}: {error}");
            assert!(error.len() < 1000, "an error is no echo: {} bytes", error.len());
            assert!(!error.chars().any(|c| c.is_control() && c != '\n'), "{shown}: {error:?}");
        }
        Refused(text, names) => {
            assert_eq!(
                (message.as_str(), &answer["reply"]["success"]),
                (Some(*text), &json!(false)),
                "{shown}: {answer}"
            );
            let detail =
                answer["reply"]["detail"].as_str().unwrap_or_else(|| panic!("{shown}: {answer}"));
            assert!(
                !detail.is_empty() && detail.contains(names) && detail.len() < 1000,
                "{shown}: {detail}"
            );
        }
        Plain(text) => {
            assert_eq!(
                (message.as_str(), &answer["reply"]["success"]),
                (Some(*text), &json!(false)),
                "{shown}: {answer}"
            );
        }
        Yes(text) => {
            assert_eq!(
                (message.as_str(), &answer["reply"]["success"]),
                (Some(*text), &json!(true)),
                "{shown}: {answer}"
            );
        }
    }
}

#[test]
fn bad_input_is_told_what_is_wrong_and_changes_nothing() {
    let site = Site::new(&[]);
    let mut worker = site.worker();
    let made = json!({"email": ANN, "password": "long enough", "custom_data": {"a": {"b": 1}}});
    assert_eq!(worker.call("register_user_no_verif", made)["success"], true);
    let before = dump(&site);
    assert!(before.len() >= 2, "{before:?}");

    let cases: Vec<_> = [no_calls(), wrong_keys(), wrong_types(), addresses(), values()]
        .into_iter()
        .flatten()
        .collect();
    assert!(cases.len() >= 100, "{}", cases.len());
    for (line, expected) in &cases {
        check(&mut worker, line, expected);
        assert_eq!(dump(&site), before, "{}", line.chars().take(200).collect::<String>());
    }
    assert!(!site.path().join("portcullis-data/outbox").exists(), "nobody was written to");
}

#[test]
fn the_longest_address_is_let_in() {
    let site = Site::new(&[]);
    let mut worker = site.worker();
    let longest = address(64, 189);
    assert_eq!(longest.len(), 254);
    let made =
        worker.call("register_user_no_verif", json!({"email": longest, "password": "long enough"}));
    assert_eq!(made["success"], true, "{made}");
    assert_eq!(
        worker.call("is_verified", json!({"email": longest.to_uppercase()}))["success"],
        true
    );
}
