//! Notices: who is told what becomes of his account, and that it holds nothing that opens one.

use portcullis::Caller;
use serde_json::{Value as Json, json};

use crate::support::{ANN, Deletion, PASSWORD, World, both_ways};

const NEW: &str = "new@example.com";
const OTHER: &str = "another horse";

fn on() -> [(&'static str, portcullis::settings::Value); 1] {
    [("notices", true.into())]
}

/// The notices so far: to whom, and the text.
fn notices(world: &World) -> Vec<(String, String)> {
    let mails = world.mails().into_iter().filter(|mail| mail.guard.is_none());
    mails.map(|mail| (mail.to, mail.text)).collect()
}

/// One notice more goes to this address when this is done, and holds this.
async fn tells(world: &World, to: &str, says: &str, done: impl AsyncFnOnce()) {
    let before = notices(world).len();
    done().await;
    let after = notices(world);
    assert_eq!(after.len(), before + 1, "{after:?}");
    let (receiver, text) = after.last().unwrap();
    assert_eq!(receiver, to, "{text}");
    assert!(text.contains(says), "{text}");
    assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
    assert!(text.contains("not you") || text.contains("ask"), "{text}");
}

/// The token of a new session of Ann's.
async fn signed_in(world: &World) -> Json {
    let reply = world.call("sign_in", json!({"email": ANN, "password": PASSWORD})).await;
    reply["message"]["token"].clone()
}

#[test]
fn an_owner_is_told_of_a_changed_password() {
    both_ways(&on(), async |world| {
        world.verified().await;
        tells(world, ANN, "was changed", async || {
            let change = json!({"email": ANN, "old_password": PASSWORD, "new_password": OTHER});
            world.says("reset_password_no_verif", change, 203).await;
        })
        .await;
        let code = world.fresh_code().await;
        tells(world, ANN, "set anew with a code", async || {
            let reset = json!({"email": ANN, "reset_code": code, "new_password": PASSWORD});
            world.says("verify_reset_code_and_reset_password", reset, 203).await;
        })
        .await;
    });
}

#[test]
fn the_old_address_is_told_that_it_is_one_no_more() {
    both_ways(&on(), async |world| {
        world.verified().await;
        tells(world, ANN, "another address", async || {
            let change = json!({"email": ANN, "new_email": NEW, "password": PASSWORD});
            world.says("change_email_no_verif", change, 200).await;
        })
        .await;
        world.says("generate_code", json!({"email": NEW}), 201).await;
        let code = world.mailed_code();
        tells(world, NEW, "another address", async || {
            let change = json!({"email": NEW, "new_email": ANN, "reset_code": code});
            world.says("verify_reset_code_and_change_email", change, 200).await;
        })
        .await;
        let token = signed_in(world).await;
        world.says("request_email_change", json!({"token": token, "new_email": NEW}), 201).await;
        let mails = world.mails();
        let code = mails.iter().rfind(|mail| mail.guard.is_some()).unwrap();
        let code = crate::support::digits(&code.text);
        tells(world, ANN, "another address", async || {
            world.says("confirm_email_change", json!({"token": token, "code": code}), 200).await;
        })
        .await;
    });
}

#[test]
fn no_word_of_a_notice_signs_anybody_in() {
    both_ways(&on(), async |world| {
        world.verified().await;
        let change = json!({"email": ANN, "new_email": NEW, "password": PASSWORD});
        world.says("change_email_no_verif", change, 200).await;
        world.says("generate_code", json!({"email": NEW, "ignore_rate_limit": true}), 201).await;
        let free = world.under(&[("guess_limit", 0.into()), ("notices", true.into())]).await;
        let (_, text) = notices(world).remove(0);
        for word in text.split_whitespace().chain([text.as_str()]) {
            for email in [ANN, NEW] {
                assert!(!free.signs_in(email, word).await, "{word}");
                for function in ["verify_user", "verify_mfa_code"] {
                    let guess = json!({"email": email, "code": word});
                    assert_eq!(free.call(function, guess).await["success"], false, "{word}");
                }
            }
        }
    });
}

#[test]
fn a_block_and_its_end_are_told_once() {
    both_ways(&on(), async |world| {
        world.verified().await;
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        assert_eq!(notices(world), []);
        tells(world, ANN, "was blocked", async || {
            world.says("block_user", json!({"email": ANN}), 403).await;
            world.says("block_user", json!({"email": ANN}), 403).await;
        })
        .await;
        tells(world, ANN, "not blocked any more", async || {
            world.says("unblock_user", json!({"email": ANN}), 207).await;
            world.says("unblock_user", json!({"email": ANN}), 207).await;
        })
        .await;
    });
}

#[test]
fn ended_sessions_are_told_where_there_were_any() {
    both_ways(&on(), async |world| {
        world.verified().await;
        let token = signed_in(world).await;
        world.says("end_other_sessions", json!({"token": token}), 200).await;
        assert_eq!(notices(world), []);
        signed_in(world).await;
        tells(world, ANN, "Sessions of your account", async || {
            world.says("end_other_sessions", json!({"token": token}), 200).await;
        })
        .await;
        tells(world, ANN, "Sessions of your account", async || {
            world.says("end_user_sessions", json!({"email": ANN}), 200).await;
            world.says("end_user_sessions", json!({"email": ANN}), 200).await;
        })
        .await;
    });
}

#[test]
fn a_deletion_is_told_also_where_the_block_record_stayed() {
    both_ways(&on(), async |world| {
        let deletion = json!({"email": ANN, "password": PASSWORD});
        world.verified().await;
        tells(world, ANN, "was deleted", async || {
            world.says("delete_user", deletion.clone(), 204).await;
        })
        .await;
        world.verified().await;
        world.deletion(Deletion::Fails);
        let before = notices(world).len();
        world.says("delete_user", deletion.clone(), 421).await;
        assert_eq!(notices(world).len(), before);
        world.deletion(Deletion::StopsHalfWay);
        tells(world, ANN, "was deleted", async || {
            world.says("delete_user", deletion.clone(), 420).await;
        })
        .await;
    });
}

#[test]
fn nobody_is_told_of_what_was_refused() {
    both_ways(&on(), async |world| {
        world.verified().await;
        world.says("register_user_no_verif", json!({"email": NEW, "password": OTHER}), 200).await;
        let stranger = world.called_by(Caller::stranger());
        for world in [world, &stranger] {
            for (function, arguments) in [
                (
                    "reset_password_no_verif",
                    json!({"old_password": "wrong", "new_password": OTHER}),
                ),
                (
                    "verify_reset_code_and_reset_password",
                    json!({"reset_code": "000000", "new_password": OTHER}),
                ),
                (
                    "change_email_no_verif",
                    json!({"new_email": "x@example.com", "password": "wrong"}),
                ),
                ("change_email_no_verif", json!({"new_email": NEW, "password": PASSWORD})),
                ("delete_user", json!({"password": "wrong"})),
            ] {
                let mut arguments = arguments.clone();
                arguments["email"] = json!(ANN);
                let reply = world.call(function, arguments).await;
                assert_eq!(reply["success"], false, "{function}: {reply}");
            }
        }
        assert_eq!(notices(world), []);
    });
}

#[test]
fn who_has_not_verified_his_address_is_not_written_to() {
    both_ways(&on(), async |world| {
        world.registered().await;
        let change = json!({"email": ANN, "old_password": PASSWORD, "new_password": OTHER});
        world.says("reset_password_no_verif", change, 203).await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        world.says("delete_user", json!({"email": ANN, "password": OTHER}), 204).await;
        assert_eq!(notices(world), []);
    });
}

#[test]
fn a_tenant_that_wants_no_notices_sends_none() {
    both_ways(&[("notices", false.into())], async |world| {
        world.verified().await;
        world.says("block_user", json!({"email": ANN}), 403).await;
        world.says("unblock_user", json!({"email": ANN}), 207).await;
        world.says("delete_user", json!({"email": ANN, "password": PASSWORD}), 204).await;
        assert!(world.mails().is_empty());
    });
}
