//! Being signed in, through the real component: what a session is good for, what ends it, and what
//! is left of it in the store.

use serde_json::{Value as Json, json};

use crate::support::{ANN, PASSWORD, World, another, both_ways};

/// Signs in and returns the data.
async fn sign_in(world: &World, password: &str) -> Json {
    let reply = world.call("sign_in", json!({"email": ANN, "password": password})).await;
    assert_eq!(reply["success"], true, "{reply}");
    reply["message"].clone()
}

async fn ends(world: &World, token: &Json) {
    world.says("who_am_i", json!({"token": token}), 502).await;
}

#[test]
fn a_password_opens_a_session_that_tells_who_has_it() {
    both_ways(&[], async |world| {
        world.registered().await;
        world.says("sign_in", json!({"email": ANN, "password": PASSWORD}), 302).await;
        let code = world.mailed_code();
        world.says("verify_user", json!({"email": ANN, "code": code}), 300).await;
        world.says("sign_in", json!({"email": ANN, "password": "wrong"}), 502).await;

        let opened = sign_in(world, PASSWORD).await;
        let known = world.call("who_am_i", json!({"token": opened["token"]})).await;
        assert_eq!(known["message"]["email"], ANN);
        assert_eq!(known["message"]["proven"], true);
        assert_eq!(known["message"]["session"], opened["session"]);
        let stored = world.record("sessions", ANN).await.unwrap().to_string();
        assert!(!stored.contains(opened["token"].as_str().unwrap()), "{stored}");
    });
}

#[test]
fn the_second_step_opens_a_session() {
    both_ways(&[("require_mfa", true.into())], async |world| {
        world.verified().await;
        world.says("sign_in", json!({"email": ANN, "password": PASSWORD}), 201).await;
        let code = world.mailed_code();
        let guess = json!({"email": ANN, "code": another(&code)});
        world.says("sign_in_with_code", guess, 417).await;
        let reply = world.call("sign_in_with_code", json!({"email": ANN, "code": code})).await;
        assert_eq!(reply["message"]["session"]["second_factor"], true, "{reply}");
        world.says("sign_in_with_code", json!({"email": ANN, "code": code}), 417).await;
    });
}

#[test]
fn a_reset_a_block_another_address_and_deletion_end_every_session() {
    both_ways(&[], async |world| {
        world.verified().await;
        let (one, other) = (sign_in(world, PASSWORD).await, sign_in(world, PASSWORD).await);
        let reset = json!({"email": ANN, "old_password": PASSWORD, "new_password": "a new one"});
        world.says("reset_password_no_verif", reset, 203).await;
        ends(world, &one["token"]).await;
        ends(world, &other["token"]).await;

        let session = sign_in(world, "a new one").await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        ends(world, &session["token"]).await;
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        ends(world, &session["token"]).await;

        let session = sign_in(world, "a new one").await;
        world.says("end_user_sessions", json!({"email": ANN}), 200).await;
        ends(world, &session["token"]).await;

        let session = sign_in(world, "a new one").await;
        let away = json!({"email": ANN, "new_email": "new@example.com", "password": "a new one"});
        world.says("change_email_no_verif", away, 200).await;
        ends(world, &session["token"]).await;
        let back = json!({"email": "new@example.com", "new_email": ANN, "password": "a new one"});
        world.says("change_email_no_verif", back, 200).await;

        let session = sign_in(world, "a new one").await;
        world.says("delete_user", json!({"email": ANN, "password": "a new one"}), 204).await;
        ends(world, &session["token"]).await;
        assert_eq!(world.record("sessions", ANN).await, None);
    });
}

#[test]
fn ones_own_sessions_are_listed_and_ended() {
    both_ways(&[], async |world| {
        world.verified().await;
        let one = sign_in(world, PASSWORD).await;
        world.pass(1);
        let other = sign_in(world, PASSWORD).await;
        let token = &other["token"];
        let listed = world.call("list_sessions", json!({"token": token})).await;
        assert_eq!(listed["message"].as_array().unwrap().len(), 2, "{listed}");
        assert_eq!(listed["message"][0]["current"], true, "{listed}");
        let id = &one["session"]["id"];
        world.says("end_session", json!({"token": token, "id": id}), 200).await;
        ends(world, &one["token"]).await;
        world.says("end_other_sessions", json!({"token": token}), 200).await;
        world.says("sign_out", json!({"token": token}), 200).await;
        ends(world, token).await;
        world.says("sign_out", json!({"token": token}), 200).await;
        world.says("list_sessions", json!({"token": token}), 502).await;
        world.says("end_user_sessions", json!({"email": "nobody@example.com"}), 404).await;
    });
}

#[test]
fn an_address_changes_with_the_code_that_was_sent_to_the_new_one() {
    both_ways(&[], async |world| {
        world.verified().await;
        let session = sign_in(world, PASSWORD).await;
        let ask = |new: &str| json!({"token": session["token"], "new_email": new});
        world.says("request_email_change", ask("no address"), 503).await;
        world.says("request_email_change", ask(ANN), 402).await;
        world.says("request_email_change", ask("new@example.com"), 201).await;
        let mails = world.mails();
        let [code, notice] = &mails[mails.len() - 2..] else { panic!("two mails") };
        assert_eq!((code.to.as_str(), notice.to.as_str()), ("new@example.com", ANN));
        let code = crate::support::digits(&code.text);
        let give = |code: &str| json!({"token": session["token"], "code": code});
        world.says("confirm_email_change", give(&another(&code)), 417).await;
        world.says("is_verified", json!({"email": "new@example.com"}), 404).await;
        world.says("confirm_email_change", give(&code), 200).await;
        world.says("is_verified", json!({"email": "new@example.com"}), 300).await;
        ends(world, &session["token"]).await;
        world.says("confirm_email_change", give(&code), 502).await;
    });
}
