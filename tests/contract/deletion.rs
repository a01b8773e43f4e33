//! Deleting accounts, and what is told when the store fails on it.

use serde_json::json;

use crate::support::{ANN, Deletion, PASSWORD, another, both_ways};

#[test]
fn an_account_is_deleted_with_its_password() {
    both_ways(&[], async |world| {
        world.says("delete_user", json!({"email": ANN, "password": PASSWORD}), 404).await;
        world.verified().await;
        world.says("delete_user", json!({"email": ANN, "password": "wrong"}), 501).await;
        world.says("delete_user", json!({"email": ANN, "password": PASSWORD}), 204).await;
        assert_eq!(world.record("users", ANN).await, None);
        assert_eq!(world.record("blocked", ANN).await, None);
        world.says("is_blocked", json!({"email": ANN}), 404).await;
        world.verified().await;
    });
}

#[test]
fn an_account_is_deleted_with_password_and_code() {
    both_ways(&[], async |world| {
        world.verified().await;
        let code = world.fresh_code().await;
        let delete =
            |password: &str, code: &str| json!({"email": ANN, "password": password, "code": code});
        world.says("delete_user_with_verif", delete("wrong", &code), 501).await;
        world.says("delete_user_with_verif", delete("", &code), 501).await;
        world.says("delete_user_with_verif", delete(PASSWORD, &another(&code)), 417).await;
        world.says("delete_user_with_verif", delete(PASSWORD, &code), 204).await;
        world.says("is_verified", json!({"email": ANN}), 404).await;
    });
}

#[test]
fn a_user_without_a_password_gives_an_empty_one_and_a_code() {
    both_ways(&[], async |world| {
        world.says("register_user_no_pass", json!({"email": ANN}), 201).await;
        let code = world.mailed_code();
        world.says("delete_user", json!({"email": ANN, "password": ""}), 501).await;
        let delete =
            |password: &str, code: &str| json!({"email": ANN, "password": password, "code": code});
        world.says("delete_user_with_verif", delete("x", &code), 501).await;
        world.says("delete_user_with_verif", delete("", &another(&code)), 417).await;
        world.says("delete_user_with_verif", delete("", &code), 204).await;
    });
}

#[test]
fn a_block_record_that_says_blocked_can_be_kept() {
    both_ways(&[("blocking", false.into())], async |world| {
        let keep = json!({"email": ANN, "password": PASSWORD, "del_from_blocking": false});
        world.verified().await;
        world.says("delete_user", keep.clone(), 204).await;
        assert_eq!(world.record("blocked", ANN).await, None, "it said false");

        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        world.says("delete_user", keep, 204).await;
        world.says("is_blocked", json!({"email": ANN}), 403).await;
        let strict = world.under(&[("blocking", true.into())]).await;
        strict.says("register_user", json!({"email": ANN, "password": PASSWORD}), 403).await;
        strict.says("unblock_user", json!({"email": ANN}), 207).await;
        strict.verified().await;
    });
}

#[test]
fn a_block_record_goes_with_the_user_when_asked() {
    both_ways(&[("blocking", false.into())], async |world| {
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        world.says("delete_user", json!({"email": ANN, "password": PASSWORD}), 204).await;
        world.says("is_blocked", json!({"email": ANN}), 404).await;
    });
}

#[test]
fn it_is_told_how_far_a_failed_deletion_went() {
    both_ways(&[("blocking", false.into())], async |world| {
        let delete = json!({"email": ANN, "password": PASSWORD});
        let keep = json!({"email": ANN, "password": PASSWORD, "del_from_blocking": false});
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;

        world.deletion(Deletion::Fails);
        world.says("delete_user", keep, 410).await;
        world.says("delete_user", delete.clone(), 421).await;
        world.says("is_verified", json!({"email": ANN}), 300).await;

        world.deletion(Deletion::StopsHalfWay);
        world.says("delete_user", delete, 420).await;
        world.says("is_verified", json!({"email": ANN}), 404).await;
        world.says("is_blocked", json!({"email": ANN}), 403).await;
    });
}
