//! Registering, verifying, signing in, and moving to another address.

use serde_json::json;

use crate::support::{ANN, PASSWORD, another, both_ways};

const BOB: &str = "bob@example.com";

#[test]
fn a_user_registers_verifies_and_signs_in() {
    both_ways(&[], async |world| {
        world.registered().await;
        let code = world.mailed_code();
        assert_eq!(code.len(), 6);
        let sign_in = json!({"email": ANN, "password": PASSWORD});
        world.says("authenticate_user", sign_in.clone(), 302).await;
        world.says("is_verified", json!({"email": ANN}), 302).await;
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
        world.says("is_verified", json!({"email": ANN}), 300).await;
        world.says("authenticate_user", sign_in, 202).await;
    });
}

#[test]
fn an_address_is_registered_once_whatever_its_letter_case() {
    both_ways(&[], async |world| {
        world
            .says("register_user", json!({"email": "Ann@Example.com", "password": PASSWORD}), 201)
            .await;
        for function in ["register_user", "register_user_no_verif"] {
            world.says(function, json!({"email": ANN, "password": "another one"}), 402).await;
        }
        world.says("register_user_no_pass", json!({"email": "ANN@EXAMPLE.COM"}), 402).await;
        world.says("generate_code", json!({"email": ANN}), 201).await;
        assert!(
            world.mails().iter().all(|mail| mail.to == "Ann@Example.com"),
            "the form that was given"
        );
    });
}

#[test]
fn the_record_has_the_layout_that_other_programs_know() {
    both_ways(&[], async |world| {
        world
            .says(
                "register_user",
                json!({"email": "Ann@Example.com", "password": PASSWORD, "custom_data": {"a": 1}}),
                201,
            )
            .await;
        let user = world.record("users", ANN).await.unwrap();
        assert_eq!(user["email"], ANN);
        assert_eq!(user["blocked"], false);
        assert_eq!(user["verified"], false);
        assert_eq!(user["custom_data"], json!({"a": 1}));
        assert!(user["password"].as_str().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(
            user["verification_code"].as_str().unwrap().len() >= 32,
            "nothing that can be guessed"
        );
        assert!(!user.to_string().contains(&world.mailed_code()));
        assert_eq!(
            world.record("blocked", ANN).await,
            Some(json!({"email": ANN, "blocked": false}))
        );
    });
}

#[test]
fn a_user_made_without_verification_is_verified_and_gets_no_mail() {
    both_ways(&[], async |world| {
        world.verified().await;
        world.says("is_verified", json!({"email": ANN}), 300).await;
        assert!(world.signs_in(ANN, PASSWORD).await);
        assert!(world.mails().is_empty());
    });
}

#[test]
fn a_user_without_a_password_signs_in_by_mail_and_is_verified_by_that() {
    both_ways(&[], async |world| {
        world.says("register_user_no_pass", json!({"email": ANN}), 201).await;
        for password in ["", PASSWORD] {
            world.says("authenticate_user", json!({"email": ANN, "password": password}), 502).await;
        }
        let code = world.mailed_code();
        world.says("verify_mfa_code", json!({"email": ANN, "code": another(&code)}), 417).await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": code}), 202).await;
        world.says("is_verified", json!({"email": ANN}), 300).await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": code}), 417).await;
        let code = world.fresh_code().await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": code}), 202).await;
    });
}

#[test]
fn the_second_step_needs_the_code_of_the_first() {
    both_ways(&[], async |world| {
        world.verified().await;
        let first = json!({"email": ANN, "password": PASSWORD, "mfa": true, "cust_length": 9});
        world.says("authenticate_user", first, 201).await;
        let code = world.mailed_code();
        assert_eq!(code.len(), 9);
        for function in ["verify_user", "verify_mfa_code"] {
            let right = function == "verify_mfa_code";
            world
                .says(function, json!({"email": ANN, "code": code}), if right { 202 } else { 417 })
                .await;
        }
        world.says("verify_mfa_code", json!({"email": ANN, "code": code}), 417).await;
        let mailbox = world.fresh_code().await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": mailbox}), 417).await;
    });
}

#[test]
fn a_tenant_can_require_the_second_step() {
    both_ways(&[("require_mfa", true.into())], async |world| {
        world.verified().await;
        world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 201).await;
        world
            .says("verify_mfa_code", json!({"email": ANN, "code": world.mailed_code()}), 202)
            .await;
    });
}

#[test]
fn only_somebody_with_the_right_password_learns_that_the_user_is_not_verified() {
    both_ways(&[], async |world| {
        world.registered().await;
        world.says("authenticate_user", json!({"email": ANN, "password": "wrong"}), 502).await;
        world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 302).await;
        world
            .says(
                "authenticate_user",
                json!({"email": ANN, "password": PASSWORD, "mfa": true}),
                302,
            )
            .await;
        assert_eq!(world.mails().len(), 1);
    });
}

#[test]
fn an_account_moves_to_another_address_with_all_that_is_its_own() {
    both_ways(&[("rate_limiting", 60.into())], async |world| {
        world
            .says(
                "register_user_no_verif",
                json!({"email": ANN, "password": PASSWORD, "custom_data": {"a": 1.0}}),
                200,
            )
            .await;
        let change = json!({"email": ANN, "new_email": "Bob@Example.com", "password": PASSWORD, "ignore_rate_limit": true});
        world.says("change_email_no_verif", change, 200).await;
        world.says("is_verified", json!({"email": ANN}), 404).await;
        world.says("is_verified", json!({"email": BOB}), 300).await;
        world.says("is_rate_limited", json!({"email": ANN}), 200).await;
        world.says("is_rate_limited", json!({"email": BOB}), 401).await;
        world.says("is_blocked", json!({"email": BOB}), 301).await;
        assert_eq!(world.record("blocked", ANN).await, None);
        assert_eq!(
            world.call("get_cust_usr_data", json!({"email": BOB})).await["message"],
            json!({"a": 1.0})
        );
        assert!(world.signs_in(BOB, PASSWORD).await);
        assert!(!world.signs_in(ANN, PASSWORD).await);
        world.says("generate_code", json!({"email": BOB, "ignore_rate_limit": true}), 201).await;
        assert_eq!(world.mails().last().unwrap().to, "Bob@Example.com");
    });
}

#[test]
fn an_account_moves_with_a_code_too() {
    both_ways(&[], async |world| {
        world.verified().await;
        let code = world.fresh_code().await;
        let change = |code: &str| json!({"email": ANN, "reset_code": code, "new_email": BOB});
        world.says("verify_reset_code_and_change_email", change(&another(&code)), 417).await;
        world.says("verify_reset_code_and_change_email", change(&code), 200).await;
        world.says("is_verified", json!({"email": BOB}), 300).await;
        world.says("verify_reset_code_and_change_email", change(&code), 404).await;
    });
}

#[test]
fn where_a_password_is_given_it_must_be_right_before_the_code_is_looked_at() {
    both_ways(&[("code_attempts", 1.into())], async |world| {
        world.verified().await;
        let code = world.fresh_code().await;
        let change = |code: &str, password: &str| json!({"email": ANN, "reset_code": code, "new_email": BOB, "password": password});
        let function = "verify_reset_code_and_change_email";
        world.says(function, change(&another(&code), "wrong password"), 501).await;
        world.says(function, change(&code, ""), 501).await;
        world.says(function, change(&code, PASSWORD), 200).await;
    });
}

#[test]
fn nobody_learns_of_the_new_address_without_the_secrets() {
    both_ways(&[], async |world| {
        world.verified().await;
        world
            .says("register_user_no_verif", json!({"email": BOB, "password": PASSWORD}), 200)
            .await;
        let with = |password: &str| json!({"email": ANN, "new_email": BOB, "password": password});
        world.says("change_email_no_verif", with("wrong password"), 501).await;
        world.says("change_email_no_verif", with(PASSWORD), 402).await;
        world
            .says(
                "change_email_no_verif",
                json!({"email": ANN, "new_email": "Ann@example.com", "password": PASSWORD}),
                402,
            )
            .await;
        let code = world.fresh_code().await;
        let with = |code: &str| json!({"email": ANN, "new_email": BOB, "reset_code": code});
        world.says("verify_reset_code_and_change_email", with(&another(&code)), 417).await;
        world.says("verify_reset_code_and_change_email", with(&code), 402).await;
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await; // not used up
    });
}

#[test]
fn a_blocked_address_is_no_new_address() {
    both_ways(&[], async |world| {
        world.verified().await;
        world
            .says("register_user_no_verif", json!({"email": BOB, "password": PASSWORD}), 200)
            .await;
        world.says("block_user", json!({"email": BOB}), 403).await;
        let lenient = world.under(&[("blocking", false.into())]).await;
        let delete = json!({"email": BOB, "password": PASSWORD, "del_from_blocking": false});
        lenient.says("delete_user", delete, 204).await;
        world.says("is_blocked", json!({"email": BOB}), 403).await;
        let change = json!({"email": ANN, "new_email": BOB, "password": PASSWORD});
        world.says("change_email_no_verif", change, 403).await;
        let code = world.fresh_code().await;
        let change = json!({"email": ANN, "new_email": BOB, "reset_code": code});
        world.says("verify_reset_code_and_change_email", change, 403).await;
        world.says("register_user", json!({"email": BOB, "password": PASSWORD}), 403).await;
    });
}

#[test]
fn a_stale_block_record_at_the_new_address_gives_way() {
    both_ways(&[], async |world| {
        world.verified().await;
        world
            .says("register_user_no_verif", json!({"email": BOB, "password": PASSWORD}), 200)
            .await;
        world.call("remove_users_collection", json!({})).await;
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        let lenient = world.under(&[("blocking", false.into())]).await;
        let change = json!({"email": ANN, "new_email": BOB, "password": PASSWORD});
        lenient.says("change_email_no_verif", change, 200).await;
        world.says("is_blocked", json!({"email": BOB}), 403).await;
    });
}
