//! Code mails: what they say, how many there may be, and what happens when one is refused.

use serde_json::json;

use crate::support::{ANN, PASSWORD, Post, both_ways, digits};

#[test]
fn a_code_mail_says_what_the_tenant_wants() {
    let settings = [
        ("mail_subject", "Your code: {verifcode}".into()),
        ("mail_body", "Use {verifcode} now, {verifcode}!".into()),
    ];
    both_ways(&settings, async |world| {
        world.registered().await;
        let mail = &world.mails()[0];
        let code = digits(&mail.subject);
        assert_eq!(code.len(), 6);
        assert_eq!(mail.text, format!("Use {code} now, {code}!"));
        assert_eq!((mail.to.as_str(), &mail.html), (ANN, &None));
        assert_eq!(mail.valid_until, 1_800_000_600);
    });
}

#[test]
fn an_html_body_has_a_readable_text_beside_it() {
    let body = "<html><body><h1>Hello</h1><p>Your code is <b>{verifcode}</b> &amp; no other.</p></body></html>";
    both_ways(&[("mail_body", body.into())], async |world| {
        world.registered().await;
        let mail = &world.mails()[0];
        let html = mail.html.as_ref().unwrap();
        assert!(html.starts_with("<html><body><h1>Hello</h1><p>Your code is <b>"), "{html}");
        assert!(
            mail.text.starts_with("Hello\n\nYour code is ") && mail.text.ends_with(" & no other."),
            "{}",
            mail.text
        );
    });
}

#[test]
fn a_mailbox_gets_five_codes_in_ten_minutes_for_each_use() {
    both_ways(&[], async |world| {
        world.verified().await;
        for _ in 0..5 {
            world.says("generate_code", json!({"email": ANN}), 201).await;
        }
        let reply = world.says("generate_code", json!({"email": ANN}), 401).await;
        assert_eq!(reply["retry_after"], 600);
        let first = json!({"email": ANN, "password": PASSWORD, "mfa": true});
        for _ in 0..5 {
            world.says("authenticate_user", first.clone(), 201).await;
        }
        world.says("authenticate_user", first, 401).await;
        assert!(world.signs_in(ANN, PASSWORD).await);
        assert_eq!(world.mails().len(), 10);
        world.pass(600);
        world.says("generate_code", json!({"email": ANN}), 201).await;
    });
}

#[test]
fn the_budget_outlives_the_account() {
    both_ways(&[("mail_limit", 2.into())], async |world| {
        for _ in 0..2 {
            world.registered().await;
            world.says("delete_user", json!({"email": ANN, "password": PASSWORD}), 204).await;
        }
        world.says("register_user", json!({"email": ANN, "password": PASSWORD}), 401).await;
        assert_eq!(world.record("users", ANN).await, None);
    });
}

#[test]
fn a_queued_mail_is_as_good_as_sent() {
    both_ways(&[], async |world| {
        world.post(Post::Queue);
        world.registered().await;
        world.says("verify_user", json!({"email": ANN, "code": world.mailed_code()}), 300).await;
    });
}

#[test]
fn a_new_user_whose_mail_is_refused_goes_again() {
    both_ways(&[], async |world| {
        world.post(Post::Reject);
        for (function, arguments) in [
            ("register_user", json!({"email": ANN, "password": PASSWORD})),
            ("register_user_no_pass", json!({"email": ANN})),
        ] {
            let reply = world.says(function, arguments, 400).await;
            assert!(reply["detail"].as_str().unwrap().contains("no such mailbox"), "{reply}");
            assert_eq!(world.record("users", ANN).await, None);
            world.says("is_blocked", json!({"email": ANN}), 404).await;
        }
    });
}

#[test]
fn the_former_code_comes_back_when_the_mail_of_the_next_is_refused() {
    both_ways(&[], async |world| {
        world.verified().await;
        let mailbox = world.fresh_code().await;
        let first = json!({"email": ANN, "password": PASSWORD, "mfa": true});
        world.says("authenticate_user", first.clone(), 201).await;
        let mfa = world.mailed_code();
        world.post(Post::Reject);
        world.says("generate_code", json!({"email": ANN}), 400).await;
        world.says("authenticate_user", first, 400).await;
        world.says("verify_user", json!({"email": ANN, "code": mailbox}), 300).await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": mfa}), 202).await;
    });
}

#[test]
fn where_there_was_no_code_there_is_none_after_a_refused_mail() {
    both_ways(&[], async |world| {
        world.verified().await;
        world.post(Post::Reject);
        world.says("generate_code", json!({"email": ANN}), 400).await;
        let user = world.record("users", ANN).await.unwrap();
        assert_eq!(user.pointer("/portcullis/codes/mailbox"), None, "{user}");
    });
}
