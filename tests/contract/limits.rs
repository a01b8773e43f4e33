//! The rate limit and the wait after wrong guesses.

use serde_json::json;

use crate::support::{ANN, PASSWORD, another, both_ways};

#[test]
fn a_second_request_waits_for_the_cool_down() {
    both_ways(&[("rate_limiting", 30.into())], async |world| {
        world.verified().await;
        world.pass(10);
        let sign_in = json!({"email": "ANN@example.com", "password": PASSWORD});
        let reply = world.says("authenticate_user", sign_in.clone(), 401).await;
        assert_eq!(reply["retry_after"], 30);
        world.pass(30);
        world.says("authenticate_user", sign_in, 202).await;
    });
}

#[test]
fn the_limit_can_be_ignored_and_is_then_not_touched() {
    both_ways(&[("rate_limiting", 30.into())], async |world| {
        world
            .says(
                "register_user",
                json!({"email": ANN, "password": PASSWORD, "ignore_rate_limit": true}),
                201,
            )
            .await;
        assert_eq!(world.record("limit", ANN).await, None);
        world.says("is_rate_limited", json!({"email": ANN}), 200).await;
    });
}

#[test]
fn a_burst_is_let_through_and_penalties_stack() {
    let settings = [
        ("rate_limiting", 30.into()),
        ("rate_limit_burst", 2.into()),
        ("rate_limit_penalty", 5.into()),
    ];
    both_ways(&settings, async |world| {
        let check = json!({"email": ANN});
        for _ in 0..2 {
            world.says("check_and_update_rate_limit", check.clone(), 200).await;
        }
        for wait in [35, 40, 45] {
            let reply = world.says("check_and_update_rate_limit", check.clone(), 401).await;
            assert_eq!(reply["retry_after"], wait);
        }
        world.pass(45);
        world.says("check_and_update_rate_limit", check, 200).await;
    });
}

#[test]
fn the_limit_can_be_asked_and_counted_by_itself() {
    both_ways(&[("rate_limiting", 30.into())], async |world| {
        let one = json!({"email": ANN});
        world.says("is_rate_limited", one.clone(), 200).await;
        assert_eq!(world.record("limit", ANN).await, None, "asking changes nothing");
        assert_eq!(world.call("time_since_request", one.clone()).await["message"], -1);
        world.says("update_rate_limit", one.clone(), 200).await;
        world.says("update_rate_limit", one.clone(), 200).await;
        let reply = world.says("is_rate_limited", one.clone(), 401).await;
        assert_eq!(reply["retry_after"], 30);
        world.pass(7);
        assert_eq!(world.call("time_since_request", one.clone()).await["message"], 7);
        let limit = world.record("limit", ANN).await.unwrap();
        assert_eq!(limit["last_action"], 1_800_000_000.0);
        world.pass(23);
        world.says("is_rate_limited", one, 200).await;
    });
}

#[test]
fn without_a_limit_nothing_is_written() {
    both_ways(&[], async |world| {
        for function in ["is_rate_limited", "update_rate_limit", "check_and_update_rate_limit"] {
            world.says(function, json!({"email": ANN}), 200).await;
        }
        assert_eq!(world.record("limit", ANN).await, None);
    });
}

#[test]
fn the_limit_stays_when_the_user_is_deleted() {
    both_ways(&[("rate_limiting", 30.into())], async |world| {
        world.verified().await;
        world
            .says(
                "delete_user",
                json!({"email": ANN, "password": PASSWORD, "ignore_rate_limit": true}),
                204,
            )
            .await;
        world.says("register_user", json!({"email": ANN, "password": PASSWORD}), 401).await;
    });
}

#[test]
fn after_ten_wrong_passwords_each_further_guess_waits_longer() {
    both_ways(&[], async |world| {
        world.verified().await;
        let sign_in =
            |password: &str| json!({"email": ANN, "password": password, "ignore_rate_limit": true});
        for _ in 0..10 {
            world.says("authenticate_user", sign_in("wrong"), 502).await;
        }
        for wait in [2, 4] {
            let before = world.snapshot(ANN).await;
            let reply = world.says("authenticate_user", sign_in(PASSWORD), 401).await;
            assert_eq!(reply["retry_after"], wait);
            assert_eq!(
                world.snapshot(ANN).await,
                before,
                "a guess during the wait changes nothing"
            );
            world.pass(wait);
            world.says("authenticate_user", sign_in("wrong"), 502).await;
        }
        let others = [
            (
                "reset_password_no_verif",
                json!({"email": ANN, "old_password": PASSWORD, "new_password": PASSWORD}),
            ),
            (
                "change_email_no_verif",
                json!({"email": ANN, "new_email": "b@b.cc", "password": PASSWORD}),
            ),
            ("delete_user", json!({"email": ANN, "password": PASSWORD})),
            ("delete_user_with_verif", json!({"email": ANN, "password": PASSWORD, "code": "1"})),
        ];
        for (function, arguments) in others {
            world.says(function, arguments, 401).await;
        }
        world.pass(8);
        world.says("authenticate_user", sign_in(PASSWORD), 202).await;
        world.says("authenticate_user", sign_in("wrong"), 502).await;
        world.says("authenticate_user", sign_in(PASSWORD), 202).await;
    });
}

#[test]
fn wrong_codes_are_counted_apart_and_a_new_code_clears_nothing() {
    both_ways(&[("guess_limit", 2.into())], async |world| {
        world.registered().await;
        for _ in 0..2 {
            let code = another(&world.fresh_code().await);
            world.says("verify_user", json!({"email": ANN, "code": code}), 417).await;
        }
        let code = world.fresh_code().await;
        world.says("verify_user", json!({"email": ANN, "code": code}), 401).await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": code}), 401).await;
        world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 302).await;
        world.pass(2);
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
        let code = world.fresh_code().await;
        world.says("verify_user", json!({"email": ANN, "code": another(&code)}), 417).await;
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
    });
}

#[test]
fn a_completed_reset_and_an_unblocking_end_the_waits() {
    both_ways(&[("guess_limit", 1.into())], async |world| {
        world.verified().await;
        let wrong = json!({"email": ANN, "password": "wrong"});
        world.says("authenticate_user", wrong.clone(), 502).await;
        world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 401).await;
        let code = world.fresh_code().await;
        let reset = json!({"email": ANN, "reset_code": code, "new_password": PASSWORD});
        world.says("verify_reset_code_and_reset_password", reset, 203).await;
        world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 202).await;

        world.says("authenticate_user", wrong, 502).await;
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 202).await;
    });
}

#[test]
fn guesses_at_an_unknown_address_are_counted_too() {
    both_ways(&[("guess_limit", 1.into())], async |world| {
        let sign_in = json!({"email": ANN, "password": PASSWORD});
        world.says("authenticate_user", sign_in.clone(), 404).await;
        world.says("authenticate_user", sign_in, 401).await;
        world.verified().await; // registration and a password being set never wait
    });
}
