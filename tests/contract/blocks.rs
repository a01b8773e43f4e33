//! Blocks: a blocked address can do nothing, and says so in the words of the table.

use serde_json::json;

use crate::support::{ANN, PASSWORD, both_ways};

#[test]
fn a_blocked_user_can_do_nothing_and_an_unblocked_one_everything() {
    both_ways(&[], async |world| {
        world.verified().await;
        let code = world.fresh_code().await;
        world.says("is_blocked", json!({"email": ANN}), 301).await;
        world.says("block_user", json!({"email": "ANN@example.com"}), 403).await;
        world.says("is_blocked", json!({"email": ANN}), 403).await;
        let new = "new password";
        for (function, arguments) in [
            ("register_user", json!({"email": ANN, "password": PASSWORD})),
            ("register_user_no_verif", json!({"email": ANN, "password": PASSWORD})),
            ("register_user_no_pass", json!({"email": ANN})),
            ("verify_user", json!({"email": ANN, "code": code})),
            ("authenticate_user", json!({"email": ANN, "password": PASSWORD})),
            ("verify_mfa_code", json!({"email": ANN, "code": code})),
            ("generate_code", json!({"email": ANN})),
            (
                "reset_password_no_verif",
                json!({"email": ANN, "old_password": PASSWORD, "new_password": new}),
            ),
            (
                "verify_reset_code_and_reset_password",
                json!({"email": ANN, "reset_code": code, "new_password": new}),
            ),
            (
                "change_email_no_verif",
                json!({"email": ANN, "new_email": "b@b.cc", "password": PASSWORD}),
            ),
            (
                "verify_reset_code_and_change_email",
                json!({"email": ANN, "reset_code": code, "new_email": "b@b.cc"}),
            ),
            ("delete_user", json!({"email": ANN, "password": PASSWORD})),
            ("delete_user_with_verif", json!({"email": ANN, "password": PASSWORD, "code": code})),
        ] {
            let before = world.snapshot(ANN).await;
            world.says(function, arguments, 403).await;
            assert_eq!(world.snapshot(ANN).await, before, "{function}");
        }
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        assert!(world.signs_in(ANN, PASSWORD).await);
    });
}

#[test]
fn a_tenant_without_blocking_lets_blocked_users_in() {
    both_ways(&[("blocking", false.into())], async |world| {
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        assert!(world.signs_in(ANN, PASSWORD).await);
        world.says("is_blocked", json!({"email": ANN}), 403).await;
    });
}

#[test]
fn where_nobody_is_there_is_nothing_to_block() {
    both_ways(&[], async |world| {
        world.says("block_user", json!({"email": ANN}), 404).await;
        world.says("unblock_user", json!({"email": ANN}), 404).await;
        world.says("is_blocked", json!({"email": ANN}), 404).await;
        assert!(world.snapshot(ANN).await.is_empty());
    });
}

#[test]
fn a_user_without_a_block_record_is_told_apart_and_can_be_blocked() {
    both_ways(&[], async |world| {
        world.verified().await;
        world.call("remove_blocked_collection", json!({})).await;
        world.says("is_blocked", json!({"email": ANN}), 423).await;
        world.says("unblock_user", json!({"email": ANN}), 423).await;
        assert!(world.signs_in(ANN, PASSWORD).await, "no record means not blocked");
        world.says("block_user", json!({"email": ANN}), 403).await;
        assert!(!world.signs_in(ANN, PASSWORD).await);
    });
}

#[test]
fn the_block_of_a_deleted_user_can_be_ended() {
    both_ways(&[("blocking", false.into())], async |world| {
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        let delete = json!({"email": ANN, "password": PASSWORD, "del_from_blocking": false});
        world.says("delete_user", delete, 204).await;
        world.says("block_user", json!({"email": ANN}), 404).await;
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        world.says("is_blocked", json!({"email": ANN}), 301).await;
    });
}
