//! Passwords: the policy, setting new ones, and hashes that other programs made.

use portcullis::store::{Change, Edit, Put, Store};
use serde_json::json;

use crate::support::{ANN, PASSWORD, World, another, both_ways};

const NEW: &str = "battery staple";

#[test]
fn a_password_is_reset_with_the_old_one() {
    both_ways(&[], async |world| {
        let reset = |old: &str| json!({"email": ANN, "old_password": old, "new_password": NEW});
        world.says("reset_password_no_verif", reset(PASSWORD), 404).await;
        world.verified().await;
        world.says("reset_password_no_verif", reset("wrong password"), 500).await;
        world.says("reset_password_no_verif", reset(PASSWORD), 203).await;
        assert!(world.signs_in(ANN, NEW).await);
        assert!(!world.signs_in(ANN, PASSWORD).await);
    });
}

#[test]
fn a_password_is_reset_with_a_code_which_proves_the_mailbox() {
    both_ways(&[], async |world| {
        world.registered().await;
        let code = world.fresh_code().await;
        let reset = |code: &str| json!({"email": ANN, "reset_code": code, "new_password": NEW});
        world.says("verify_reset_code_and_reset_password", reset(&another(&code)), 417).await;
        world.says("verify_reset_code_and_reset_password", reset(&code), 203).await;
        world.says("is_verified", json!({"email": ANN}), 300).await;
        assert!(world.signs_in(ANN, NEW).await);
        world.says("verify_reset_code_and_reset_password", reset(&code), 417).await;
    });
}

#[test]
fn a_changed_password_or_address_voids_every_open_code() {
    both_ways(&[], async |world| {
        world.verified().await;
        world
            .says(
                "authenticate_user",
                json!({"email": ANN, "password": PASSWORD, "mfa": true}),
                201,
            )
            .await;
        let mfa = world.mailed_code();
        let mailbox = world.fresh_code().await;
        let reset = json!({"email": ANN, "old_password": PASSWORD, "new_password": NEW});
        world.says("reset_password_no_verif", reset, 203).await;
        world.says("verify_mfa_code", json!({"email": ANN, "code": mfa}), 417).await;
        world.says("verify_user", json!({"email": ANN, "code": mailbox}), 417).await;

        let mailbox = world.fresh_code().await;
        let change = json!({"email": ANN, "new_email": "new@example.com", "password": NEW});
        world.says("change_email_no_verif", change, 200).await;
        world.says("verify_user", json!({"email": "new@example.com", "code": mailbox}), 417).await;
    });
}

#[test]
fn the_policy_binds_passwords_being_set() {
    both_ways(&[("min_password_length", 10.into())], async |world| {
        for bad in ["", "short", "nine char", &"x".repeat(1025)] {
            for function in ["register_user", "register_user_no_verif"] {
                let reply = world.says(function, json!({"email": ANN, "password": bad}), 501).await;
                assert!(
                    reply["detail"].as_str().unwrap().contains("password must have"),
                    "{reply}"
                );
            }
            let reset = json!({"email": ANN, "old_password": "x", "new_password": bad});
            world.says("reset_password_no_verif", reset, 501).await;
            let reset = json!({"email": ANN, "reset_code": "x", "new_password": bad});
            world.says("verify_reset_code_and_reset_password", reset, 501).await;
        }
        assert_eq!(world.record("users", ANN).await, None);
        for (email, good) in [
            ("a@b.cc", "ten chars!".to_owned()),
            ("b@b.cc", "ü".repeat(512)),
            ("c@b.cc", "a\0b\r\n😀 \u{7f}xyz".to_owned()),
        ] {
            world
                .says("register_user_no_verif", json!({"email": email, "password": good}), 200)
                .await;
            assert!(world.signs_in(email, &good).await);
        }
    });
}

#[test]
fn a_password_being_checked_is_merely_wrong_whatever_it_looks_like() {
    both_ways(&[("guess_limit", 0.into())], async |world| {
        world.verified().await;
        for wrong in [
            "",
            "x",
            &"x".repeat(1024),
            &"x".repeat(100_000),
            "\0",
            "correct horse\0",
            " correct horse",
            "Correct horse",
        ] {
            world.says("authenticate_user", json!({"email": ANN, "password": wrong}), 502).await;
        }
        assert!(world.signs_in(ANN, PASSWORD).await);
    });
}

/// A user as another program would have left him.
async fn foreign(world: &World, password: &str) {
    let edit = |name: &str, value: String| Edit { path: vec![name.to_owned()], value: Some(value) };
    let edits = vec![
        edit("password", json!(password).to_string()),
        edit("verification_code", json!("123456").to_string()),
        edit("verified", "true".to_owned()),
        edit("theirs", "1e2".to_owned()),
    ];
    let put = Put {
        collection: "users".to_owned(),
        key: ANN.to_owned(),
        version: None,
        edits,
        due: None,
    };
    world.outside.store.commit(&[Change::Put(put)]).await.unwrap();
}

const BCRYPT: &str = "$2b$04$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6";
const ARGON2I: &str =
    "$argon2i$v=19$m=64,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$4IQR0V/PS4FqiDAhHrvfXgLF7vA4TryYll38fN4khAw";
const SCRYPT: &str =
    "$scrypt$ln=4,r=8,p=1$+vv8/f7/MDEyMzQ1Njc4OQ$vKia+NXTbydqL04WE10zMVqxFVAsgaJRb+IR0PMAjys";
const PBKDF2: &str =
    "$pbkdf2-sha256$i=1000,l=32$+vv8/f7/MDEyMzQ1Njc4OQ$VV4jQkhLK10M5qSgk8+ZYmpqjAtu3HjMOzw8U3saSkU";
const PASSLIB: &str = "$pbkdf2-sha512$1000$.vv8/f7/MDEyMzQ1Njc4OQ$kd/p93PGWA2pruSjW50GJ6ydLvc8gibHqAzqv5GE4RbtfQulSfP4LChpvnUgFbDOX54yZ0c7.EONuoBjFMVXKA";
/// The dearest that may be checked.
const DEAREST: [&str; 3] = [
    "$scrypt$ln=16,r=8,p=2$+vv8/f7/MDEyMzQ1Njc4OQ$Wh0tsDJ19nNcOK0+bINcGiKLyQ6UerysfUwAyMZSz50",
    "$pbkdf2-sha256$i=2000000,l=32$+vv8/f7/MDEyMzQ1Njc4OQ$eKDcECy3SJAQORwtXGlJpTUrfF8+QU2l4jFURFg5fHE",
    "$pbkdf2-sha512$i=1000000,l=64$+vv8/f7/MDEyMzQ1Njc4OQ$R4U2kiqBGc2IHZ8iCM+XUvnzIn6GcygMQ/oXEzK9JumqN6ecsG5WNF1XMnKJgwJKsIQYx4AKjQDiOyJrNaHvHw",
];

#[test]
fn the_dearest_foreign_hashes_fit_into_a_call() {
    both_ways(&[("upgrade_hashes", false.into())], async |world| {
        for stored in DEAREST {
            foreign(world, stored).await;
            assert!(world.signs_in(ANN, PASSWORD).await, "{stored}");
            world.call("remove_users_collection", json!({})).await;
        }
    });
}

#[test]
fn a_foreign_hash_signs_in_and_is_replaced_at_once() {
    both_ways(&[], async |world| {
        for stored in [BCRYPT, ARGON2I, SCRYPT, PBKDF2, PASSLIB] {
            foreign(world, stored).await;
            let before = world.record("users", ANN).await.unwrap();
            world.says("authenticate_user", json!({"email": ANN, "password": "wrong"}), 502).await;
            assert_eq!(world.record("users", ANN).await.unwrap(), before);
            world.says("verify_user", json!({"email": ANN, "code": "123456"}), 417).await;
            world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 202).await;
            let after = world.record("users", ANN).await.unwrap();
            assert!(after["password"].as_str().unwrap().starts_with("$argon2id$"), "{after}");
            assert_eq!(after["theirs"].to_string(), "100.0", "foreign fields stay");
            assert!(world.signs_in(ANN, PASSWORD).await);
            world.call("remove_users_collection", json!({})).await;
        }
    });
}

#[test]
fn a_foreign_hash_stays_while_another_program_needs_it() {
    both_ways(&[("upgrade_hashes", false.into())], async |world| {
        foreign(world, BCRYPT).await;
        assert!(world.signs_in(ANN, PASSWORD).await);
        assert_eq!(world.record("users", ANN).await.unwrap()["password"], BCRYPT);
    });
}

#[test]
fn a_hash_beyond_the_cap_is_a_wrong_password() {
    both_ways(&[], async |world| {
        foreign(world, "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQxMjM0NTY3OA$4IQR0V/PS4FqiDAhHrvfXgLF7vA4TryYll38fN4khAw").await;
        let reply =
            world.says("authenticate_user", json!({"email": ANN, "password": PASSWORD}), 502).await;
        assert_eq!(reply.get("detail"), None);
    });
}
