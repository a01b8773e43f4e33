//! Users on their way from one database to another.

use super::*;
use crate::bindings::exports::portcullis::auth::users::StoredUser;
use crate::ports::{Change, Ports};
use crate::users::{read, write};

const HASH: &str = "$2b$04$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6";

/// What is wrong with a line.
fn problem(line: &str) -> String {
    read(&Outside::new(), &[line.to_owned()]).remove(0).unwrap_err()
}

/// Make the user of a line.
fn moved_in(outside: &Outside, line: &str) {
    let user = read(outside, &[line.to_owned()]).remove(0).unwrap();
    let puts: Vec<_> = user.puts.into_iter().map(Change::Put).collect();
    outside.commit(&puts).unwrap();
}

/// The line of a user.
fn moved_out(outside: &Outside, key: &str) -> String {
    let text = |collection| outside.record(collection, key).map(|record| record.to_string());
    let stored = StoredUser { user: text("users").unwrap(), blocked: text("blocked") };
    write(&[stored]).remove(0).unwrap()
}

#[test]
fn a_user_moves_with_all_that_he_is() {
    let line = json!({
        "email": "ann@example.com", "address": "Ann@Example.com", "password": HASH,
        "verified": true, "unproven": true, "blocked": true, "custom_data": {"a": [1, null]},
        "made": 1_700_000_000, "other": {"theirs": {"x": 1}},
    });
    let (one, two) = (Outside::new(), Outside::new());
    moved_in(&one, &line.to_string());
    let out = moved_out(&one, EMAIL);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), line);
    moved_in(&two, &out);
    assert_eq!(moved_out(&two, EMAIL), out);

    let user = two.record("users", EMAIL).unwrap();
    assert_eq!((&user["email"], &user["blocked"]), (&json!(EMAIL), &json!(false)));
    assert!(user["verification_code"].is_string());
    assert!(user["portcullis"]["epoch"].is_string());
    assert!(utils::is_blocked(&two, EMAIL).is_ok());
    utils::unblock_user(&two, EMAIL).unwrap();
    let signed_in = authenticate_user(&two, EMAIL, PASSWORD, false, None, false);
    assert_eq!(signed_in.unwrap(), Code::Authenticated);
}

#[test]
fn an_address_is_all_that_a_line_needs() {
    let outside = Outside::new();
    moved_in(&outside, r#"{"email": "Ann@Example.com"}"#);
    assert_eq!(
        moved_out(&outside, EMAIL),
        r#"{"email":"ann@example.com","address":"Ann@Example.com","password":null,"verified":false,"blocked":false,"custom_data":null}"#
    );
}

#[test]
fn custom_data_stays_to_the_letter() {
    let data = "{\"a\": 1.50,  \"b\":\t[1e2, \"\\u0041\\n\"]}";
    let user = read(&Outside::new(), &[format!("{{\"email\":\"a@b.c\",\"custom_data\":{data}}}")]);
    let put = user[0].as_ref().unwrap().puts[0].clone();
    let kept = put.edits.iter().find(|edit| edit.path == ["custom_data"]).unwrap();
    assert_eq!(kept.value.as_deref(), Some(data));
    let stored = |data: &str| StoredUser {
        user: format!("{{\"email\":\"a@b.c\",\"custom_data\":{data}}}"),
        blocked: None,
    };
    assert!(write(&[stored(data)])[0].as_ref().unwrap().contains(data));
    let spread = write(&[stored("{\n\"a\":\r\n1}")]).remove(0).unwrap();
    assert!(spread.contains("{ \"a\":  1}") && !spread.contains(['\n', '\r']), "{spread}");
}

#[test]
fn codes_and_sessions_do_not_move() {
    let outside = registered(Outside::new());
    let (line, record) = (moved_out(&outside, EMAIL), outside.record("users", EMAIL).unwrap());
    for secret in ["codes", "epoch", "digest", "verification_code"] {
        assert!(!line.contains(secret), "{line}");
    }
    assert!(!line.contains(record["verification_code"].as_str().unwrap()));
    assert!(!line.contains(&outside.mailed_code()));
}

#[test]
fn a_line_with_a_mistake_is_refused_with_its_place() {
    let with = |field: &str| format!("{{\"email\":\"a@b.c\",{field}}}");
    for (line, told) in [
        ("".to_owned(), "is no JSON object"),
        ("[]".to_owned(), "is no JSON object"),
        ("[\"a@b.c\"]".to_owned(), "is no JSON object"),
        ("\"secret\"".to_owned(), "is no JSON object"),
        ("{\"email\":".to_owned(), "line 1 column 9"),
        ("{} x".to_owned(), "trailing"),
        ("{}".to_owned(), "email: is missing"),
        ("{\"email\":\"a@b\"}".to_owned(), "email: the part after the @"),
        ("{\"email\":7}".to_owned(), "email: must be a text"),
        (with("\"pasword\":null"), "pasword: is not a known field"),
        (with("\"email\":\"b@c.d\""), "email: is there twice"),
        (with("\"verified\":1"), "verified: must be true or false"),
        (with("\"blocked\":null"), "blocked: must be true or false"),
        (with("\"made\":-1"), "made: must be a whole number"),
        (with("\"made\":99999999999"), "made: lies in the future"),
        (with("\"address\":\"x@b.c\""), "address: is not the email"),
        (with("\"password\":\"hunter2\""), "password: it is of no known form"),
        (with("\"password\":31415926"), "password: must be a text"),
        (
            with("\"password\":\"$2b$31$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6\""),
            "beyond",
        ),
        (with("\"custom_data\":{\"a\":1,\"a\":2}"), "custom_data: has a field twice"),
        (with("\"other\":[]"), "other: is no JSON object"),
        (with("\"other\":{\"password\":\"x\"}"), "other: password: is no field of another"),
        (with("\"other\":{\"portcullis\":{}}"), "other: portcullis: is no field of another"),
        (with("\"other\":{\"a\":1,\"a\":1}"), "other: has a field twice"),
    ] {
        let problem = problem(&line);
        assert!(problem.contains(told), "{line}: {problem}");
        for secret in ["hunter2", "31415926", "YqyF9", "secret"] {
            assert!(!problem.contains(secret), "{problem}");
        }
    }
    let large = with(&format!("\"custom_data\":\"{}\"", "x".repeat(65_536)));
    assert!(problem(&large).contains("custom_data: has 65538 bytes, more than 65536"));
}

#[test]
fn a_mistake_in_one_line_leaves_the_others_alone() {
    let lines = ["{\"email\":\"a@b.c\"}", "x", "{\"email\":\"b@b.c\"}"].map(str::to_owned);
    let read = read(&Outside::new(), &lines);
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn a_user_who_was_made_is_removed_in_time_if_he_never_verifies() {
    let outside = Outside::new();
    let line = |made: &str, verified: bool| {
        format!("{{\"email\":\"a@b.c\",\"verified\":{verified}{made}}}")
    };
    let due = |line: String| read(&outside, &[line]).remove(0).unwrap().puts[0].due;
    assert_eq!(due(line(",\"made\":1799999999", false)), Some(1_799_999_999 + 7 * 86_400));
    assert_eq!(due(line(",\"made\":1799999999", true)), None);
    assert_eq!(due(line("", false)), None);
}

#[test]
fn a_record_that_other_programs_have_damaged_is_named_and_not_quoted() {
    for (user, blocked, told) in [
        ("[]", None, "users: is no JSON object"),
        ("{\"password\":\"hunter2\"}", None, "email: is missing"),
        ("{\"email\":\"a@b.c\",\"password\":31415926}", None, "password: must be a text"),
        ("{\"email\":\"a@b.c\",\"portcullis\":7}", None, "users: the record is damaged"),
        ("{\"email\":\"a@b.c\"}", Some("7"), "blocked: the record is damaged"),
    ] {
        let stored = StoredUser { user: user.to_owned(), blocked: blocked.map(str::to_owned) };
        let problem = write(&[stored]).remove(0).unwrap_err();
        assert!(problem.contains(told), "{user}: {problem}");
        assert!(!problem.contains("hunter2") && !problem.contains("31415926"), "{problem}");
    }
}

#[test]
fn a_new_user_is_as_registration_makes_him() {
    let outside = Outside::new();
    register_user_no_verif(&outside, EMAIL, PASSWORD, Some("null"), false).unwrap();
    let made = outside.record("users", EMAIL).unwrap();
    let other = Outside::new();
    moved_in(&other, &moved_out(&outside, EMAIL));
    let mut moved = other.record("users", EMAIL).unwrap();
    moved["verification_code"] = made["verification_code"].clone();
    moved["portcullis"]["epoch"] = made["portcullis"]["epoch"].clone();
    assert_eq!(moved, made);
    assert_eq!(other.record("blocked", EMAIL), outside.record("blocked", EMAIL));
}
