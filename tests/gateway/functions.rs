//! `POST /v1/INTERFACE/FUNCTION`: every function, each status, and who may call what.

use std::collections::BTreeSet;

use portcullis::functions::FUNCTIONS;
use serde_json::{Value as Json, json};

use super::shared::{GATEWAY, PASSWORD, admin, fresh, stranger, token, user};

/// What anybody may call.
const PUBLIC: [&str; 10] = [
    "register_user",
    "register_user_no_pass",
    "verify_user",
    "authenticate_user",
    "verify_mfa_code",
    "generate_code",
    "reset_password_no_verif",
    "verify_reset_code_and_reset_password",
    "delete_user",
    "delete_user_with_verif",
];

fn path(name: &str) -> String {
    let function = portcullis::functions::find(name).unwrap();
    format!("/v1/{}/{}", function.interface.name(), function.name)
}

/// Call a function of the tenant `open` with the admin token.
#[track_caller]
fn call(
    called: &mut BTreeSet<&'static str>,
    name: &'static str,
    arguments: Json,
    status: u16,
) -> Json {
    called.insert(name);
    let answer = admin("open").post(&path(name), arguments).is(status);
    if answer.body.is_empty() { Json::Null } else { answer.json() }
}

#[test]
fn every_function_succeeds_and_refuses_with_its_status() {
    let mut called = BTreeSet::new();
    let mut call = |name, arguments, status| call(&mut called, name, arguments, status);
    let (ann, bob, eve) = (fresh("ann"), fresh("bob"), fresh("eve"));
    let code = |email: &str| GATEWAY.mailed_code(email);

    let with = |email: &str| json!({ "email": email, "password": PASSWORD });
    assert!(call("register_user", with(&ann), 200)["ticket"].is_string());
    call("register_user", with(&ann), 409);
    call("register_user", json!({ "email": fresh("x"), "password": "short" }), 422);
    call("register_user", with("no address"), 400);
    call("register_user_no_verif", with(&bob), 200);
    call("register_user_no_verif", with(&bob), 409);
    call("register_user_no_pass", json!({ "email": eve }), 200);
    code(&eve);

    let by_code = |email: &str, code: &str| json!({ "email": email, "code": code });
    call("is_verified", json!({ "email": ann }), 200);
    call("verify_user", by_code(&ann, "0"), 401);
    let proof = code(&ann);
    call("verify_user", by_code(&ann, &proof), 200);
    call("verify_user", by_code(&fresh("nobody"), "0"), 404);
    assert_eq!(call("is_verified", json!({ "email": ann }), 200)["success"], true);
    call("is_verified", json!({ "email": fresh("nobody") }), 404);

    call("authenticate_user", with(&ann), 200);
    call("authenticate_user", json!({ "email": ann, "password": "wrong" }), 401);
    call("authenticate_user", with(&fresh("nobody")), 404);
    let answer =
        call("authenticate_user", json!({ "email": ann, "password": PASSWORD, "mfa": true }), 200);
    let ticket = answer["ticket"].as_str().unwrap().to_owned();
    let mut second = by_code(&ann, &code(&ann));
    second["ticket"] = "another".into();
    call("verify_mfa_code", second.clone(), 401);
    second["ticket"] = ticket.into();
    call("verify_mfa_code", second.clone(), 200);
    call("verify_mfa_code", second, 401);

    assert!(call("generate_code", json!({ "email": ann }), 200)["ticket"].is_string());
    call("generate_code", json!({ "email": ann, "cust_length": 3 }), 400);
    let reset = json!({ "email": ann, "reset_code": code(&ann), "new_password": "short" });
    call("verify_reset_code_and_reset_password", reset.clone(), 422);
    let mut reset = reset;
    reset["new_password"] = "battery staple".into();
    call("verify_reset_code_and_reset_password", reset, 200);
    let change =
        |old: &str, new: &str| json!({ "email": ann, "old_password": old, "new_password": new });
    call("reset_password_no_verif", change("wrong", PASSWORD), 401);
    call("reset_password_no_verif", change("battery staple", "short"), 422);
    call("reset_password_no_verif", change("battery staple", PASSWORD), 200);

    let moved = fresh("moved");
    let to =
        |new: &str, password: &str| json!({ "email": bob, "new_email": new, "password": password });
    call("change_email_no_verif", to(&moved, "wrong"), 401);
    call("change_email_no_verif", to(&ann, PASSWORD), 409);
    call("change_email_no_verif", to("no address", PASSWORD), 400);
    call("change_email_no_verif", to(&moved, PASSWORD), 200);
    call("generate_code", json!({ "email": moved }), 200);
    let back = json!({ "email": moved, "reset_code": code(&moved), "new_email": bob });
    call("verify_reset_code_and_change_email", back.clone(), 200);
    call("verify_reset_code_and_change_email", back, 404);

    for name in ["is_rate_limited", "check_and_update_rate_limit", "update_rate_limit"] {
        call(name, json!({ "email": ann }), 200);
        call(name, json!({ "email": "no address" }), 400);
    }

    call("block_user", json!({ "email": ann }), 200);
    call("block_user", json!({ "email": fresh("nobody") }), 404);
    call("authenticate_user", with(&ann), 403);
    assert_eq!(call("is_blocked", json!({ "email": ann }), 200)["success"], true);
    call("unblock_user", json!({ "email": ann }), 200);
    call("unblock_user", json!({ "email": fresh("nobody") }), 404);
    assert_eq!(call("is_blocked", json!({ "email": ann }), 200)["success"], false);

    assert!(call("time_since_request", json!({ "email": ann }), 200)["message"].is_i64());
    let data = json!({ "email": ann, "custom_data": { "pet": "cat" } });
    call("replace_usr_data", data, 200);
    let all = call("get_cust_usr_data", json!({ "email": ann }), 200);
    assert_eq!(all, json!({ "success": true, "message": { "pet": "cat" } }));
    call("get_cust_usr_data", json!({ "email": fresh("nobody") }), 404);
    let field = json!({ "email": ann, "field": "pet" });
    assert_eq!(call("get_some_cust_usr_data", field, 200)["message"], "cat");
    call("get_some_cust_usr_data", json!({ "email": ann, "field": "car" }), 404);
    let update = |field: &str| json!({ "email": ann, "field": field, "custom_data": "dog" });
    call("update_usr_data", update("pet"), 200);
    call("update_usr_data", update("car"), 404);

    let opened = call("sign_in", with(&ann), 200);
    let token = opened["message"]["token"].as_str().unwrap().to_owned();
    let by_token = json!({ "token": token });
    assert_eq!(call("who_am_i", by_token.clone(), 200)["message"]["email"], ann);
    call("who_am_i", json!({ "token": "none" }), 401);
    call("list_sessions", by_token.clone(), 200);
    call("end_session", json!({ "token": token, "id": "none" }), 200);
    call("end_other_sessions", by_token.clone(), 200);
    call("request_email_change", json!({ "token": token, "new_email": fresh("new") }), 200);
    call("confirm_email_change", json!({ "token": token, "code": "0" }), 401);
    call("end_user_sessions", json!({ "email": ann }), 200);
    call("who_am_i", by_token.clone(), 401);
    call("sign_out", by_token, 200);
    call("generate_code", json!({ "email": eve }), 200);
    call("sign_in_with_code", by_code(&eve, "0"), 401);
    call("sign_in_with_code", by_code(&eve, &code(&eve)), 200);

    call("delete_user", json!({ "email": bob, "password": "wrong" }), 401);
    call("delete_user", with(&bob), 200);
    call("generate_code", json!({ "email": ann }), 200);
    let farewell = json!({ "email": ann, "password": PASSWORD, "code": code(&ann) });
    call("delete_user_with_verif", farewell, 200);

    assert!(call("user_count", json!({}), 200)["message"].is_u64());
    for name in ["db_data_size", "db_storage_size", "db_index_size"] {
        assert!(call(name, json!({}), 200)["message"].is_u64());
    }
    assert!(call("db_raw_stats", json!({}), 200)["message"].is_object());
    for name in ["create_db", "create_all_collections", "create_users_collection"] {
        assert_eq!(call(name, json!({}), 204), Json::Null);
    }
    for name in ["create_blocked_collection", "create_limit_collection"] {
        assert_eq!(call(name, json!({}), 204), Json::Null);
    }
    // What removes is in a test of its own.
    let left: Vec<&str> = FUNCTIONS
        .iter()
        .map(|function| function.name)
        .filter(|name| !called.contains(name))
        .filter(|name| !name.starts_with("remove_") && !name.starts_with("reset_"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_removes_collections_answers_without_content() {
    // In a tenant whose records no other test needs.
    for function in FUNCTIONS.iter().filter(|function| function.interface.name() == "coredb") {
        if function.name.starts_with("remove_") || function.name.starts_with("reset_") {
            let answer = admin("numbers").post(&path(function.name), json!({})).is(204);
            assert!(answer.body.is_empty());
        }
    }
}

#[test]
fn without_the_admin_token_only_the_public_functions_are_reached() {
    for function in FUNCTIONS {
        let path = path(function.name);
        let answer = stranger("open").post(&path, json!({ "no such key": 1 }));
        let expected =
            if PUBLIC.contains(&function.name) { (400, "usage") } else { (401, "unauthorized") };
        assert_eq!((answer.status, answer.json()["kind"].as_str().unwrap()), expected, "{path}");
        if !PUBLIC.contains(&function.name) {
            assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
        }
        // With it every function is, and the mistake is told.
        let answer = admin("open").post(&path, json!({ "no such key": 1 })).is(400);
        assert!(answer.json()["error"].as_str().unwrap().contains("no such key"), "{path}");
    }
}

#[test]
fn neither_a_wrong_token_nor_one_of_another_tenant_nor_one_of_a_session_is_an_admin_token() {
    let email = user("open", "ann");
    let session = token("open", &email);
    let arguments = json!({ "email": email });
    for wrong in ["", "wrong", &session] {
        let client = stranger("open").bearer(wrong);
        client.post("/v1/utils/block_user", arguments.clone()).is(401);
    }
    let other = admin("default").send(
        "POST",
        "/t/open/v1/utils/block_user",
        Some("application/json"),
        arguments.to_string(),
    );
    other.is(401);
    stranger("open")
        .with("Authorization", "Basic YTpi")
        .post("/v1/utils/block_user", arguments)
        .is(401);
}

#[test]
fn what_only_an_application_may_say_needs_the_admin_token() {
    let register = |more: Json| {
        let mut arguments = json!({ "email": fresh("ann"), "password": PASSWORD });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    for more in [
        json!({ "ignore_rate_limit": true }),
        json!({ "custom_data": {} }),
        json!({ "cust_length": 5 }),
    ] {
        let answer =
            stranger("open").post("/v1/auth/register_user", register(more.clone())).is(401);
        assert_eq!(answer.json()["kind"], "unauthorized");
        admin("open").post("/v1/auth/register_user", register(more)).is(200);
    }
    // What says nothing, or asks for more than is required, does not.
    for more in [
        json!({ "ignore_rate_limit": false, "custom_data": null, "cust_length": null }),
        json!({ "cust_length": 8 }),
    ] {
        stranger("open").post("/v1/auth/register_user", register(more)).is(200);
    }
}

#[test]
fn where_a_second_factor_is_required_a_password_alone_does_nothing() {
    let email = user("strict", "ann");
    let stranger = stranger("strict");
    let change =
        json!({ "email": email, "old_password": PASSWORD, "new_password": "battery staple" });
    stranger.post("/v1/auth/reset_password_no_verif", change).is(401);
    let password = json!({ "email": email, "password": PASSWORD });
    stranger.post("/v1/auth/delete_user", password.clone()).is(401);

    let first = stranger.post("/v1/auth/authenticate_user", password.clone()).is(200).json();
    assert_eq!(first["message"], "Verification email sent.");
    let code = GATEWAY.mailed_code(&email);
    let mut second = json!({ "email": email, "code": code });
    let answer = stranger.post("/v1/auth/verify_mfa_code", second.clone()).is(400).json();
    assert!(answer["error"].as_str().unwrap().contains("ticket"), "{answer}");
    second["ticket"] = first["ticket"].clone();
    stranger.post("/v1/auth/verify_mfa_code", second).is(200);
    admin("strict").post("/v1/auth/delete_user", password).is(200);
}

#[test]
fn a_tenant_that_wants_numbers_gets_numbers() {
    let wrong = json!({ "email": "no", "code": "1" });
    let answer = stranger("numbers").post("/v1/auth/verify_user", wrong).is(400).json();
    assert_eq!(answer["message"], 503);
}
