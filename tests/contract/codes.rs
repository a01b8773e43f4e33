//! Codes: used once, guessed five times, replaced by the next, and each for its own purpose.

use serde_json::json;

use crate::support::{ANN, PASSWORD, another, both_ways};

#[test]
fn a_used_code_is_refused() {
    both_ways(&[], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
        world.says("verify_user", json!({"email": ANN, "code": code}), 417).await;
    });
}

#[test]
fn the_fifth_wrong_guess_kills_a_code() {
    both_ways(&[], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        for _ in 0..4 {
            world.says("verify_user", json!({"email": ANN, "code": another(&code)}), 417).await;
        }
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;

        let code = world.fresh_code().await;
        for _ in 0..5 {
            world.says("verify_user", json!({"email": ANN, "code": another(&code)}), 417).await;
        }
        world.says("verify_user", json!({"email": ANN, "code": code}), 417).await;
    });
}

#[test]
fn a_dead_code_costs_no_further_guesses() {
    both_ways(&[("code_attempts", 1.into()), ("guess_limit", 2.into())], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        for _ in 0..6 {
            world.says("verify_user", json!({"email": ANN, "code": another(&code)}), 417).await;
        }
    });
}

#[test]
fn a_new_code_replaces_the_old_one() {
    both_ways(&[], async |world| {
        world.registered().await;
        let old = world.mailed_code();
        let new = world.fresh_code().await;
        if old != new {
            world.says("verify_user", json!({"email": ANN, "code": old}), 417).await;
        }
        world.says("verify_user", json!({"email": ANN, "code": new}), 300).await;
    });
}

#[test]
fn a_code_ends_after_its_time() {
    both_ways(&[("code_ttl", 60.into())], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        world.pass(59);
        world.says("verify_user", json!({"email": ANN, "code": another(&code)}), 417).await;
        world.pass(1);
        world.says("verify_user", json!({"email": ANN, "code": code}), 417).await;
    });
}

#[test]
fn a_code_has_the_length_that_was_asked_for() {
    both_ways(&[("code_length", 8.into())], async |world| {
        world.registered().await;
        assert_eq!(world.mailed_code().len(), 8);
        for length in [4, 32] {
            world.says("generate_code", json!({"email": ANN, "cust_length": length}), 201).await;
            assert_eq!(world.mailed_code().len(), length);
        }
        for length in [-1, 0, 3, 33, 1_000_000_000_000i64] {
            let reply = world
                .says("generate_code", json!({"email": ANN, "cust_length": length}), 400)
                .await;
            assert!(reply["detail"].as_str().unwrap().contains("cust_length"), "{reply}");
        }
        world
            .says(
                "register_user",
                json!({"email": "b@b.bb", "password": PASSWORD, "cust_length": 3}),
                400,
            )
            .await;
        world
            .says("register_user_no_pass", json!({"email": "b@b.bb", "cust_length": 33}), 400)
            .await;
        let first = json!({"email": ANN, "password": PASSWORD, "cust_length": 1});
        world.says("authenticate_user", first, 400).await;
        assert_eq!(world.record("users", "b@b.bb").await, None);
    });
}

#[test]
fn an_empty_or_misshapen_code_never_matches() {
    both_ways(&[("code_attempts", 100.into()), ("guess_limit", 0.into())], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        let long = "1".repeat(100_000);
        for guess in ["", " ", "000", "\0", &format!(" {code}"), &format!("{code}\n"), &long] {
            world.says("verify_user", json!({"email": ANN, "code": guess}), 417).await;
        }
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
        world.says("verify_user", json!({"email": ANN, "code": ""}), 417).await;
    });
}

#[test]
fn what_the_database_holds_gives_no_code_away() {
    both_ways(&[], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        let user = world.record("users", ANN).await.unwrap();
        let stored = user["verification_code"].as_str().unwrap();
        world.says("verify_user", json!({"email": ANN, "code": stored}), 417).await;
        let digest = user.pointer("/portcullis/codes/mailbox/digest").unwrap().as_str().unwrap();
        world.says("verify_user", json!({"email": ANN, "code": digest}), 417).await;
        for (_, _, document) in world.snapshot(ANN).await {
            assert!(!document.contains(&code));
        }
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
        assert_ne!(world.record("users", ANN).await.unwrap()["verification_code"], stored);
    });
}

#[test]
fn functions_with_a_code_know_no_stranger() {
    both_ways(&[], async |world| {
        let new = "new@example.com";
        world.says("verify_user", json!({"email": ANN, "code": "123456"}), 404).await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": "123456"}), 404).await;
        world.says("generate_code", json!({"email": ANN}), 404).await;
        let reset = json!({"email": ANN, "reset_code": "123456", "new_password": PASSWORD});
        world.says("verify_reset_code_and_reset_password", reset, 404).await;
        let change = json!({"email": ANN, "reset_code": "123456", "new_email": new});
        world.says("verify_reset_code_and_change_email", change, 404).await;
        let delete = json!({"email": ANN, "password": PASSWORD, "code": "123456"});
        world.says("delete_user_with_verif", delete, 404).await;
        assert!(world.mails().is_empty());
    });
}
