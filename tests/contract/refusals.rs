//! The order of the checks, bad addresses, and a store that does not answer.

use portcullis::error::CallError;
use serde_json::json;

use crate::support::{ANN, PASSWORD, both_ways};

#[test]
fn a_bad_address_is_refused_by_every_function_of_auth() {
    both_ways(&[("rate_limiting", 60.into())], async |world| {
        let bad = "ann@";
        for (function, arguments) in [
            ("register_user", json!({"email": bad, "password": PASSWORD})),
            ("register_user_no_verif", json!({"email": bad, "password": PASSWORD})),
            ("register_user_no_pass", json!({"email": bad})),
            ("verify_user", json!({"email": bad, "code": "1"})),
            ("authenticate_user", json!({"email": bad, "password": PASSWORD})),
            ("verify_mfa_code", json!({"email": bad, "code": "1"})),
            ("generate_code", json!({"email": bad})),
            (
                "reset_password_no_verif",
                json!({"email": bad, "old_password": "x", "new_password": PASSWORD}),
            ),
            (
                "verify_reset_code_and_reset_password",
                json!({"email": bad, "reset_code": "1", "new_password": PASSWORD}),
            ),
            (
                "change_email_no_verif",
                json!({"email": bad, "new_email": ANN, "password": PASSWORD}),
            ),
            (
                "change_email_no_verif",
                json!({"email": ANN, "new_email": bad, "password": PASSWORD}),
            ),
            (
                "verify_reset_code_and_change_email",
                json!({"email": bad, "reset_code": "1", "new_email": ANN}),
            ),
            (
                "verify_reset_code_and_change_email",
                json!({"email": ANN, "reset_code": "1", "new_email": bad}),
            ),
            ("delete_user", json!({"email": bad, "password": PASSWORD})),
            ("delete_user_with_verif", json!({"email": bad, "password": PASSWORD, "code": "1"})),
            ("is_rate_limited", json!({"email": bad})),
            ("update_rate_limit", json!({"email": bad})),
            ("check_and_update_rate_limit", json!({"email": bad})),
        ] {
            let reply = world.says(function, arguments, 503).await;
            assert!(!reply["detail"].as_str().unwrap().is_empty(), "{function}");
        }
        assert!(world.snapshot(ANN).await.is_empty(), "not even a request is counted");
    });
}

#[test]
fn a_bad_address_is_nobodys_for_the_functions_of_utils() {
    both_ways(&[], async |world| {
        let bad = json!({"email": "ann\u{0}@example.com"});
        for function in
            ["block_user", "unblock_user", "is_blocked", "is_verified", "get_cust_usr_data"]
        {
            world.says(function, bad.clone(), 404).await;
        }
        assert_eq!(world.call("time_since_request", bad).await["message"], -1);
    });
}

#[test]
fn inputs_come_before_the_limit_and_the_limit_before_the_block() {
    both_ways(&[("rate_limiting", 60.into())], async |world| {
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        world.says("register_user", json!({"email": ANN, "password": "short"}), 501).await;
        world.says("register_user", json!({"email": ANN, "password": PASSWORD}), 401).await;
        world.pass(60);
        world.says("register_user", json!({"email": ANN, "password": PASSWORD}), 403).await;
    });
}

#[test]
fn the_block_comes_before_the_wait_and_the_wait_before_existence() {
    both_ways(&[("guess_limit", 1.into())], async |world| {
        let sign_in = json!({"email": ANN, "password": "wrong"});
        world.says("authenticate_user", sign_in.clone(), 404).await;
        world.says("authenticate_user", sign_in.clone(), 401).await;
        world.verified().await;
        world.says("authenticate_user", sign_in.clone(), 401).await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        world.says("authenticate_user", sign_in, 403).await;
    });
}

#[test]
fn a_store_that_does_not_answer_is_no_outcome() {
    both_ways(&[("rate_limiting", 60.into())], async |world| {
        world.verified().await;
        let before = world.snapshot(ANN).await;
        world.down(true);
        for (function, arguments) in [
            (
                "authenticate_user",
                json!({"email": ANN, "password": PASSWORD, "ignore_rate_limit": true}),
            ),
            ("register_user", json!({"email": ANN, "password": PASSWORD})),
            ("is_verified", json!({"email": ANN})),
            ("time_since_request", json!({"email": ANN})),
            ("get_cust_usr_data", json!({"email": ANN})),
            ("is_rate_limited", json!({"email": ANN})),
        ] {
            match world.try_call(function, &arguments.to_string()).await {
                Err(CallError::Store(why)) => {
                    assert!(why.contains("the database is down"), "{why}")
                }
                other => panic!("{function}: {other:?}"),
            }
        }
        world.down(false);
        assert_eq!(world.snapshot(ANN).await, before);
    });
}
