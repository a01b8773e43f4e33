//! What holds when somebody else is faster, when time passes and when clocks are wrong: the parts
//! of the logic that need a hand on the store and on the clock. Everything else is tested through
//! the component.
#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use serde_json::json;

use crate::auth::*;
use crate::outcome::{Code, Refusal, Stop};
use crate::testing::Outside;
use crate::{upkeep, utils};

mod hidden;
mod proofs;
mod sessions;
mod users;

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct horse";

fn refused(decided: Result<Code, Stop>) -> Refusal {
    match decided {
        Err(Stop::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn registered(outside: Outside) -> Outside {
    register_user(&outside, EMAIL, PASSWORD, None, None, false).unwrap();
    outside
}

fn wrong_code(outside: &Outside) -> String {
    let right = outside.mailed_code();
    if right.starts_with('0') { right.replacen('0', "1", 1) } else { format!("0{}", &right[1..]) }
}

mod races {
    use super::*;

    #[test]
    fn a_code_used_meanwhile_is_refused() {
        let outside = registered(Outside::new());
        let code = outside.mailed_code();
        let same = code.clone();
        *outside.meanwhile.borrow_mut() = Some(Box::new(move |outside| {
            verify_user(outside, EMAIL, &same, false).unwrap();
        }));
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, false)).code, Code::InvalidCode);
    }

    #[test]
    fn a_block_set_meanwhile_wins() {
        let outside = registered(Outside::new());
        let code = outside.mailed_code();
        *outside.meanwhile.borrow_mut() = Some(Box::new(|outside| {
            utils::block_user(outside, EMAIL).unwrap();
        }));
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, false)).code, Code::UserBlocked);
        assert!(utils::is_verified(&outside, EMAIL).is_err());
    }

    #[test]
    fn a_right_password_is_not_told_while_a_guess_is_being_counted() {
        let outside = Outside::new().with("guess_limit", 1);
        register_user_no_verif(&outside, EMAIL, PASSWORD, None, false).unwrap();
        *outside.meanwhile.borrow_mut() = Some(Box::new(|outside| {
            authenticate_user(outside, EMAIL, "wrong", false, None, false).unwrap_err();
        }));
        let refusal = refused(authenticate_user(&outside, EMAIL, PASSWORD, false, None, false));
        assert_eq!((refusal.code, refusal.retry_after), (Code::RateLimited, Some(2)));
    }

    #[test]
    fn an_address_registered_meanwhile_is_taken() {
        let outside = Outside::new();
        *outside.meanwhile.borrow_mut() = Some(Box::new(|outside| {
            register_user_no_verif(outside, "Ann@Example.com", "another one", None, false).unwrap();
        }));
        assert_eq!(
            refused(register_user(&outside, EMAIL, PASSWORD, None, None, false)).code,
            Code::UserExists
        );
        assert!(outside.mails.borrow().is_empty());
    }

    #[test]
    fn a_user_who_moves_meanwhile_does_not_escape_his_block() {
        let outside = Outside::new();
        register_user_no_verif(&outside, EMAIL, PASSWORD, None, false).unwrap();
        *outside.meanwhile.borrow_mut() = Some(Box::new(|outside| {
            change_email_no_verif(outside, EMAIL, "new@example.com", PASSWORD, false).unwrap();
        }));
        assert_eq!(refused(utils::block_user(&outside, EMAIL)).code, Code::UserNotFound);
        assert_eq!(outside.record("blocked", EMAIL), None);
    }

    #[test]
    fn a_user_who_verifies_while_he_is_swept_stays() {
        let outside =
            registered(Outside::new().with("code_ttl", 86_400).with("unverified_ttl", 100));
        let code = outside.mailed_code();
        outside.pass(101);
        *outside.meanwhile.borrow_mut() = Some(Box::new(move |outside| {
            verify_user(outside, EMAIL, &code, false).unwrap();
        }));
        upkeep::sweep(&outside, 10).unwrap();
        assert_eq!(utils::is_verified(&outside, EMAIL).unwrap(), Code::UserVerified);
    }
}

mod time {
    use super::*;

    #[test]
    fn a_code_dies_after_its_time() {
        let outside = registered(Outside::new());
        let code = outside.mailed_code();
        outside.pass(600);
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, false)).code, Code::InvalidCode);
        let counts = outside.record("guesses", EMAIL).unwrap_or_default();
        assert_eq!(counts.get("code"), None, "and costs nothing");
    }

    #[test]
    fn a_code_from_a_clock_far_ahead_is_dead() {
        let outside = Outside::new();
        outside.pass(10_000);
        let outside = registered(outside);
        outside.now.set(outside.now.get() - 10_000);
        let code = outside.mailed_code();
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, false)).code, Code::InvalidCode);
    }

    #[test]
    fn the_waits_double_to_900_seconds_and_a_guess_during_one_changes_nothing() {
        let outside = Outside::new().with("guess_limit", 2);
        register_user_no_verif(&outside, EMAIL, PASSWORD, None, false).unwrap();
        let guess = |password| authenticate_user(&outside, EMAIL, password, false, None, false);
        assert_eq!(refused(guess("wrong")).code, Code::InvalidCredentials);
        for wait in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            assert_eq!(refused(guess("wrong")).code, Code::InvalidCredentials);
            for early in [0, wait - 1] {
                outside.pass(early);
                let refusal = refused(guess(PASSWORD));
                assert_eq!(
                    (refusal.code, refusal.retry_after),
                    (Code::RateLimited, Some((wait - early) as u32))
                );
                outside.now.set(outside.now.get() - early);
            }
            outside.pass(wait);
        }
        assert_eq!(guess(PASSWORD).unwrap(), Code::Authenticated);
        assert_eq!(
            refused(guess("wrong")).code,
            Code::InvalidCredentials,
            "counted from the start"
        );
    }

    #[test]
    fn counts_end_a_day_after_the_last_wrong_guess() {
        let outside = Outside::new().with("guess_limit", 1);
        refused(authenticate_user(&outside, EMAIL, "wrong", false, None, false));
        outside.pass(86_400);
        assert_eq!(
            refused(authenticate_user(&outside, EMAIL, "wrong", false, None, false)).code,
            Code::UserNotFound
        );
        outside.pass(1);
        assert_eq!(
            refused(authenticate_user(&outside, EMAIL, "wrong", false, None, false)).retry_after,
            Some(1)
        );
    }

    #[test]
    fn the_mail_budget_comes_back_one_by_one() {
        let outside = registered(Outside::new().with("mail_limit", 2));
        outside.pass(100);
        generate_code(&outside, EMAIL, None, false).unwrap();
        let refusal = refused(generate_code(&outside, EMAIL, None, false));
        assert_eq!((refusal.code, refusal.retry_after), (Code::RateLimited, Some(500)));
        outside.pass(500);
        generate_code(&outside, EMAIL, None, false).unwrap();
        refused(generate_code(&outside, EMAIL, None, false));
        assert_eq!(outside.mails.borrow().len(), 3);
    }

    #[test]
    fn an_unverified_user_of_our_making_is_swept_and_no_other() {
        let outside = registered(Outside::new());
        register_user_no_verif(&outside, "bob@example.com", PASSWORD, None, false).unwrap();
        outside.write(
            "users",
            "old@example.com",
            json!({"email": "old@example.com", "verified": false}),
        );
        outside.pass(7 * 86_400);
        upkeep::sweep(&outside, 10).unwrap();
        assert_eq!(outside.record("users", EMAIL), None);
        assert_eq!(outside.record("blocked", EMAIL), None);
        assert!(outside.record("users", "bob@example.com").is_some());
        assert!(outside.record("users", "old@example.com").is_some());
    }

    #[test]
    fn sweeping_removes_what_has_run_out_and_keeps_the_rest() {
        let outside = registered(Outside::new().with("rate_limiting", 10));
        refused(verify_user(&outside, EMAIL, &wrong_code(&outside), true));
        upkeep::sweep(&outside, 10).unwrap();
        assert!(outside.record("limit", EMAIL).is_some());
        assert!(outside.record("guesses", EMAIL).unwrap().get("code").is_some());
        outside.pass(3 * 86_400);
        upkeep::sweep(&outside, 10).unwrap();
        assert_eq!(outside.record("limit", EMAIL), None);
        assert_eq!(outside.record("guesses", EMAIL), None);
        let user = outside.record("users", EMAIL).unwrap();
        assert_eq!(user.pointer("/portcullis/codes/mailbox"), None);
    }
}

mod foreign_records {
    use super::*;

    #[test]
    fn an_unusable_hash_is_a_wrong_password_and_is_reported() {
        let outside = Outside::new();
        let stored = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$HqfsbePhQ0iCjxxCv8RSOjxYwbqIqJUTetmvsCcFRxQ";
        outside.write("users", EMAIL, json!({"password": stored, "verified": true}));
        let refusal = refused(authenticate_user(&outside, EMAIL, PASSWORD, false, None, false));
        assert_eq!(refusal, Code::InvalidCredentials.into());
        assert_eq!(outside.reports.borrow().len(), 1);
    }

    #[test]
    fn a_password_that_is_no_text_is_no_missing_password() {
        let outside = Outside::new();
        outside.write("users", EMAIL, json!({"password": {"$binary": "x"}, "verified": true}));
        generate_code(&outside, EMAIL, None, false).unwrap();
        let code = outside.mailed_code();
        assert_eq!(refused(verify_mfa_code(&outside, EMAIL, &code, false)).code, Code::InvalidCode);
    }

    #[test]
    fn foreign_fields_and_foreign_custom_data_stay() {
        let outside = Outside::new();
        let data = json!({"born": {"$date": "1990-01-01T00:00:00Z"}, "n": 1});
        outside.write(
            "users",
            EMAIL,
            json!({"password": "x", "verified": true, "custom_data": data, "theirs": 5}),
        );
        utils::update_usr_data(&outside, EMAIL, "n", "2").unwrap();
        let user = outside.record("users", EMAIL).unwrap();
        assert_eq!(user["theirs"], 5);
        assert_eq!(user["custom_data"], json!({"born": {"$date": "1990-01-01T00:00:00Z"}, "n": 2}));
    }

    #[test]
    fn a_block_record_that_says_anything_but_false_blocks() {
        for (says, blocks) in [
            (json!(true), true),
            (json!(1), true),
            (json!("no"), true),
            (json!(false), false),
            (json!(null), false),
        ] {
            let outside = Outside::new();
            outside.write("blocked", EMAIL, json!({"blocked": says}));
            assert_eq!(utils::is_blocked(&outside, EMAIL).is_ok(), blocks, "{says}");
        }
    }
}

mod settings {
    use super::*;
    use crate::settings::check;

    fn findings(outside: Outside) -> Vec<String> {
        check(&outside, &[])
            .into_iter()
            .map(|bad| format!("{}: {}", bad.key, bad.problem))
            .collect()
    }

    #[test]
    fn the_defaults_are_good() {
        assert_eq!(findings(Outside::new()), Vec::<String>::new());
    }

    #[test]
    fn a_hash_that_could_not_be_checked_again_is_not_made() {
        let dear = || Outside::new().with("hash.memory_kib", 65_536).with("hash.passes", 5);
        assert_eq!(
            findings(dear()),
            ["hash.passes: 5 is too large: at most 4 with that memory_kib"]
        );
        let made = register_user_no_verif(&dear(), EMAIL, PASSWORD, None, false);
        assert!(matches!(made, Err(Stop::Failed(_))), "{made:?}");
        assert!(
            findings(Outside::new().with("hash.memory_kib", 65_536).with("hash.passes", 4))
                .is_empty()
        );
    }

    #[test]
    fn what_is_out_of_bounds_or_unknown_is_told_by_key() {
        for (key, value) in [
            ("hash.memory_kib", 19_455),
            ("hash.passes", 1),
            ("code_length", 3),
            ("code_length", 33),
            ("rate_limiting", -1),
            ("rate_limiting", 86_401),
            ("blocking", 1),
            ("rate_limit_penalty", 5),
        ] {
            let told = findings(Outside::new().with(key, value));
            assert!(told.len() == 1 && told[0].starts_with(key), "{key} = {value}: {told:?}");
        }
        let unknown = check(&Outside::new(), &["rate_limting".to_owned(), "blocking".to_owned()]);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].key, "rate_limting");
    }
}
