//! A stranger learns nothing about who has an account: not from the answer, and not from what is done
//! for it.

use super::*;
use crate::password::COMPUTED;

const BOB: &str = "bob@example.com";
const BLOCKED: &str = "blocked@example.com";
const NOBODY: &str = "nobody@example.com";
const NEWCOMER: &str = "newcomer@example.com";

/// Ann has a verified account, Bob one without a password, a newcomer has not verified yet, and one
/// is blocked.
fn town() -> Outside {
    let outside = Outside::new();
    for email in [EMAIL, BLOCKED] {
        register_user_no_verif(&outside, email, PASSWORD, None, false).unwrap();
    }
    register_user_no_pass(&outside, BOB, None, None, false).unwrap();
    register_user(&outside, NEWCOMER, "a stranger's", None, None, false).unwrap();
    utils::block_user(&outside, BLOCKED).unwrap();
    outside.mails.borrow_mut().clear();
    outside.hiding()
}

/// The answer, and what was done for it.
fn seen(outside: &Outside, act: impl Fn(&Outside) -> Result<Code, Stop>) -> (String, Vec<String>) {
    outside.done.borrow_mut().clear();
    let computed = COMPUTED.get();
    let answer = format!("{:?}", act(outside));
    let hashes = format!("{} hashes", COMPUTED.get() - computed);
    (answer, outside.done.borrow().iter().cloned().chain([hashes]).collect())
}

/// Every one of these addresses gets the same answer for the same work.
fn alike(addresses: &[&str], act: impl Fn(&Outside, &str) -> Result<Code, Stop>) -> String {
    let seen: Vec<_> =
        addresses.iter().map(|email| seen(&town(), |outside| act(outside, email))).collect();
    for (email, it) in addresses.iter().zip(&seen) {
        assert_eq!(it, &seen[0], "{email} and {}", addresses[0]);
    }
    seen[0].0.clone()
}

const EVERYBODY: [&str; 5] = [NOBODY, EMAIL, BOB, BLOCKED, NEWCOMER];

#[test]
fn registration_answers_alike_and_does_the_same() {
    let answer = alike(&EVERYBODY, |outside, email| {
        register_user(outside, email, PASSWORD, None, None, false)
    });
    assert_eq!(answer, "Ok(VerificationSent)");
    let answer = alike(&EVERYBODY, |outside, email| {
        register_user_no_pass(outside, email, None, None, false)
    });
    assert_eq!(answer, "Ok(VerificationSent)");
}

#[test]
fn a_code_that_is_asked_for_is_answered_alike() {
    let answer = alike(&EVERYBODY, |outside, email| generate_code(outside, email, None, false));
    assert_eq!(answer, "Ok(VerificationSent)");
}

#[test]
fn a_hash_that_no_password_fits_takes_as_long() {
    let hashes = |email: &str| {
        let outside = town();
        let mut ann = outside.record("users", EMAIL).unwrap();
        ann["password"] =
            "$scrypt$ln=30,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg".into();
        outside.write("users", EMAIL, ann);
        let sign_in =
            |outside: &Outside| authenticate_user(outside, email, "wrong", false, None, false);
        seen(&outside, sign_in).1.pop()
    };
    assert_eq!(hashes(NOBODY).as_deref(), Some("1 hashes"));
    assert_eq!(hashes(EMAIL), hashes(NOBODY));
}

#[test]
fn a_wrong_secret_is_answered_alike() {
    let refusal = |code: Code| format!("Err(Refused({:?}))", Refusal::from(code));
    let answer = alike(&EVERYBODY, |outside, email| {
        authenticate_user(outside, email, "wrong", false, None, false)
    });
    assert_eq!(answer, refusal(Code::InvalidCredentials));
    let answer = alike(&EVERYBODY, |outside, email| {
        reset_password_no_verif(outside, email, "wrong", "12345678", false)
    });
    assert_eq!(answer, refusal(Code::InvalidOldPassword));
    let answer =
        alike(&EVERYBODY, |outside, email| delete_user(outside, email, "wrong", true, false));
    assert_eq!(answer, refusal(Code::InvalidPassword));
    let answer = alike(&EVERYBODY, |outside, email| {
        delete_user_with_verif(outside, email, "wrong", "0", true, false)
    });
    assert_eq!(answer, refusal(Code::InvalidPassword));
    let answer = alike(&EVERYBODY, |outside, email| verify_user(outside, email, "0", false));
    assert_eq!(answer, refusal(Code::InvalidCode));
    let answer = alike(&EVERYBODY, |outside, email| verify_mfa_code(outside, email, "0", false));
    assert_eq!(answer, refusal(Code::InvalidCode));
    let answer = alike(&EVERYBODY, |outside, email| {
        verify_reset_code_and_reset_password(outside, email, "0", "12345678", false)
    });
    assert_eq!(answer, refusal(Code::InvalidCode));
    let answer = alike(&EVERYBODY, |outside, email| {
        delete_user_with_verif(outside, email, "", "0", true, false)
    });
    assert_eq!(answer, refusal(Code::InvalidCode));
}

#[test]
fn guesses_and_mails_are_counted_alike() {
    type Act = fn(&Outside, &str) -> Result<Code, Stop>;
    let acts: [Act; 5] = [
        |outside, email| authenticate_user(outside, email, "wrong", false, None, false),
        |outside, email| verify_user(outside, email, "0", false),
        |outside, email| delete_user_with_verif(outside, email, "", "0", true, false),
        |outside, email| generate_code(outside, email, None, false),
        |outside, email| register_user(outside, email, PASSWORD, None, None, false),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let answers = EVERYBODY.map(|email| {
            // Nothing was mailed to anybody before.
            let outside = town();
            outside.pass(86_400);
            (0..12).map(|_| format!("{:?}", act(&outside, email))).collect::<Vec<_>>()
        });
        for answer in &answers[1..] {
            assert_eq!(answer, &answers[0], "act {number}");
        }
    }
}

#[test]
fn the_owner_is_told_that_somebody_tried_to_register_his_address() {
    let outside = town();
    register_user(&outside, EMAIL, "another one", None, None, false).unwrap();
    let mails = outside.mails.borrow();
    let [mail] = mails.as_slice() else { panic!("one mail") };
    assert!(mail.to == EMAIL && mail.guard.is_none());
    drop(mails);
    authenticate_user(&outside, EMAIL, PASSWORD, false, None, false).unwrap();
}

#[test]
fn a_mail_to_an_address_without_an_account_is_never_sent() {
    for email in [NOBODY, BLOCKED] {
        let outside = town();
        generate_code(&outside, email, None, false).unwrap();
        let mails = outside.mails.borrow();
        let guard = mails.last().unwrap().guard.as_ref().unwrap();
        let found = outside.record(&guard.collection, &guard.key).and_then(|record| {
            let path = format!("/{}", guard.path.join("/"));
            record.pointer(&path).map(ToString::to_string)
        });
        assert_ne!(found.as_ref(), Some(&guard.value), "{email}");
    }
}

#[test]
fn a_password_that_a_stranger_prepared_is_removed() {
    let outside = town();
    register_user(&outside, NEWCOMER, PASSWORD, None, None, false).unwrap();
    let user = outside.record("users", NEWCOMER).unwrap();
    assert_eq!(user["password"], json!(null), "neither's: who proves the mailbox sets his own");
    let code = outside.mailed_code();
    verify_user(&outside, NEWCOMER, &code, false).unwrap();
    refused(authenticate_user(&outside, NEWCOMER, "a stranger's", false, None, false));
}

#[test]
fn who_registers_twice_with_the_same_password_keeps_it() {
    let outside = town();
    register_user(&outside, NEWCOMER, "a stranger's", None, None, false).unwrap();
    let code = outside.mailed_code();
    verify_user(&outside, NEWCOMER, &code, false).unwrap();
    authenticate_user(&outside, NEWCOMER, "a stranger's", false, None, false).unwrap();
}

#[test]
fn who_has_the_secrets_is_told_the_truth() {
    let outside = town();
    assert_eq!(
        refused(authenticate_user(&outside, NEWCOMER, "a stranger's", false, None, false)).code,
        Code::NotVerified
    );
    delete_user(&outside, EMAIL, PASSWORD, true, false).unwrap();
}
