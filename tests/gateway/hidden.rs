//! Nobody learns from an answer who has an account.

use serde_json::{Value as Json, json};

use super::shared::{GATEWAY, PASSWORD, admin, fresh, stranger, user};

/// What a stranger is answered for an address: the status, and the body without its ticket.
fn answer(function: &str, arguments: Json) -> (u16, Json) {
    let answer = stranger("default").post(&format!("/v1/auth/{function}"), arguments);
    let mut body = answer.json();
    let ticket = body.as_object_mut().unwrap().remove("ticket");
    assert_eq!(ticket.is_some(), body["message"] == "Verification email sent.");
    (answer.status, body)
}

#[test]
fn an_address_with_an_account_is_answered_like_one_without() {
    let known = user("default", "known");
    let blocked = user("default", "blocked");
    admin("default").post("/v1/utils/block_user", json!({ "email": blocked })).is(200);
    for (function, more) in [
        ("register_user", json!({ "password": "another one" })),
        ("register_user_no_pass", json!({})),
        ("generate_code", json!({})),
        ("authenticate_user", json!({ "password": "wrong" })),
        ("verify_user", json!({ "code": "123456" })),
        ("verify_mfa_code", json!({ "code": "123456" })),
        ("reset_password_no_verif", json!({ "old_password": "wrong", "new_password": PASSWORD })),
        (
            "verify_reset_code_and_reset_password",
            json!({ "reset_code": "123456", "new_password": PASSWORD }),
        ),
        ("delete_user", json!({ "password": "wrong" })),
        ("delete_user_with_verif", json!({ "password": "wrong", "code": "123456" })),
    ] {
        let of = |email: &str| {
            let mut arguments = more.clone();
            arguments["email"] = email.into();
            answer(function, arguments)
        };
        let unknown = of(&fresh("unknown"));
        assert!(matches!(unknown.0, 200 | 401), "{function}: {unknown:?}");
        assert_eq!(of(&known), unknown, "{function}");
        assert_eq!(of(&blocked), unknown, "{function}");
    }
    let sign_in = |email: &str| {
        let arguments = json!({ "email": email, "password": "wrong" });
        let answer = stranger("default").post("/v1/session", arguments);
        (answer.status, answer.json())
    };
    assert_eq!(sign_in(&known), sign_in(&fresh("unknown")));
}

#[test]
fn the_application_is_told() {
    let unknown = fresh("unknown");
    let arguments = json!({ "email": unknown, "password": "wrong" });
    stranger("default").post("/v1/auth/authenticate_user", arguments.clone()).is(401);
    admin("default").post("/v1/auth/authenticate_user", arguments).is(404);
}

#[test]
fn the_owner_of_an_address_that_is_taken_is_told_by_mail() {
    let known = user("default", "known");
    let arguments = json!({ "email": known, "password": "another one" });
    stranger("default").post("/v1/auth/register_user", arguments).is(200);
    crate::servers::wait_for("a mail to the owner", || !GATEWAY.mails(&known).is_empty());
}
