//! Who calls: what a stranger is told, and whose guesses count against whom, through the real
//! component.

use portcullis::Caller;
use serde_json::json;

use crate::support::{ANN, PASSWORD, World, another, both_ways};

const NOBODY: &str = "nobody@example.com";
const TICKET: &str = "FQ7dXzVpR0yG3kH1mJ5tLw9sBnCvAeUi";

/// One user, and one who is blocked.
async fn town(world: &World) -> World {
    world.verified().await;
    let blocked = json!({"email": "blocked@example.com", "password": PASSWORD});
    world.says("register_user_no_verif", blocked, 200).await;
    world.says("block_user", json!({"email": "blocked@example.com"}), 403).await;
    world.called_by(Caller::stranger())
}

#[test]
fn a_stranger_is_not_told_who_has_an_account() {
    both_ways(&[], async |world| {
        let stranger = town(world).await;
        for email in [ANN, NOBODY, "blocked@example.com"] {
            let wrong = json!({"email": email, "password": "wrong password"});
            stranger.says("authenticate_user", wrong.clone(), 502).await;
            stranger.says("delete_user", wrong.clone(), 501).await;
            stranger.says("register_user", wrong, 201).await;
            stranger.says("register_user_no_pass", json!({"email": email}), 201).await;
            stranger.says("generate_code", json!({"email": email}), 201).await;
            let code = json!({"email": email, "code": "0"});
            stranger.says("verify_user", code.clone(), 417).await;
            stranger.says("verify_mfa_code", code, 417).await;
            let reset = json!({"email": email, "reset_code": "0", "new_password": "12345678"});
            stranger.says("verify_reset_code_and_reset_password", reset, 417).await;
            let reset = json!({
                "email": email, "old_password": "wrong", "new_password": "12345678",
            });
            stranger.says("reset_password_no_verif", reset, 500).await;
            let delete = json!({"email": email, "password": "", "code": "0"});
            stranger.says("delete_user_with_verif", delete, 417).await;
        }
    });
}

#[test]
fn what_a_stranger_did_changed_nothing_for_the_owner() {
    both_ways(&[], async |world| {
        let stranger = town(world).await;
        let again = json!({"email": ANN, "password": "another one"});
        stranger.says("register_user", again, 201).await;
        let notice = world.mails().pop().unwrap();
        assert_eq!(notice.to, ANN);
        assert!(notice.text.contains("already") && notice.guard.is_none(), "{}", notice.text);
        assert!(world.signs_in(ANN, PASSWORD).await);
        world.says("block_user", json!({"email": ANN}), 403).await;
        stranger.says("generate_code", json!({"email": ANN}), 201).await;
        world.says("is_blocked", json!({"email": ANN}), 403).await;
    });
}

#[test]
fn the_guesses_of_others_do_not_shut_out_a_known_browser() {
    both_ways(&[("guess_limit", 2.into())], async |world| {
        world.verified().await;
        let right = json!({"email": ANN, "password": PASSWORD});
        let device = world.call("sign_in", right.clone()).await["message"]["device"].clone();
        for _ in 0..2 {
            let wrong = json!({"email": ANN, "password": "wrong"});
            world.says("authenticate_user", wrong, 502).await;
        }
        world.says("authenticate_user", right.clone(), 401).await;
        let known = world.called_by(Caller::stranger().with_device(device.as_str().unwrap()));
        known.says("authenticate_user", right, 202).await;
    });
}

#[test]
fn the_guesses_of_others_do_not_kill_the_code_of_whoever_asked_for_it() {
    both_ways(&[], async |world| {
        world.registered().await;
        let asker = world.called_by(Caller::stranger().with_ticket(TICKET));
        let code = asker.fresh_code().await;
        let wrong = json!({"email": ANN, "code": another(&code)});
        for _ in 0..6 {
            world.says("verify_user", wrong.clone(), 417).await;
        }
        let right = json!({"email": ANN, "code": code});
        world.says("verify_user", right.clone(), 417).await;
        let other = world.called_by(Caller::stranger().with_ticket(format!("{TICKET}x")));
        other.says("verify_user", right.clone(), 417).await;
        asker.says("verify_user", wrong, 417).await;
        asker.says("verify_user", right, 300).await;
    });
}
