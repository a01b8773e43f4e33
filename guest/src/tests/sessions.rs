//! Being signed in: what opens a session, what it is good for, and everything that ends one.

use super::*;
use crate::sessions::*;

fn signed_in(outside: &Outside) -> Opened {
    match sign_in(outside, EMAIL, PASSWORD, Some("a browser"), false, false).unwrap() {
        SignedIn::Opened(opened) => opened,
        SignedIn::Outcome(outcome) => panic!("not signed in: {outcome:?}"),
    }
}

fn verified(outside: Outside) -> Outside {
    let outside = registered(outside);
    verify_user(&outside, EMAIL, &outside.mailed_code(), false).unwrap();
    outside
}

fn who(outside: &Outside, token: &str) -> Option<Identity> {
    match who_am_i(outside, token).unwrap() {
        Known::Identity(identity) => Some(identity),
        Known::Outcome(outcome) => {
            assert_eq!(outcome.code, 502);
            None
        }
    }
}

fn all(outside: &Outside, token: &str) -> Vec<Session> {
    match list_sessions(outside, token).unwrap() {
        Listed::Sessions(sessions) => sessions,
        Listed::Outcome(outcome) => panic!("{outcome:?}"),
    }
}

mod opening {
    use super::*;

    #[test]
    fn the_token_is_known_to_its_owner_alone() {
        let outside = verified(Outside::new());
        let opened = signed_in(&outside);
        let identity = who(&outside, &opened.token).unwrap();
        assert_eq!((identity.email.as_str(), identity.proven), (EMAIL, true));
        assert_eq!(identity.session.client.as_deref(), Some("a browser"));
        assert_eq!(opened.token.len(), 43, "256 bits in base64");
        for (collection, key) in [("sessions", EMAIL), ("users", EMAIL)] {
            let record = outside.record(collection, key).unwrap().to_string();
            assert!(!record.contains(&opened.token), "{record}");
        }
    }

    #[test]
    fn the_host_is_told_whose_a_good_token_is_and_nothing_of_others() {
        let outside = verified(Outside::new());
        let token = signed_in(&outside).token;
        let other = format!("{}A", &token[1..]);
        assert!(who(&outside, &other).is_none());
        sign_out(&outside, &other).unwrap();
        assert!(outside.recognised.borrow().is_empty(), "nobody");
        sign_out(&outside, &token).unwrap();
        assert_eq!(*outside.recognised.borrow(), [EMAIL]);
        sign_out(&outside, &token).unwrap();
        assert_eq!(outside.recognised.borrow().len(), 1, "it opens nothing any more");
    }

    #[test]
    fn nothing_but_the_token_opens_a_session() {
        let outside = verified(Outside::new());
        let Opened { token, device, identity } = signed_in(&outside);
        let digest = outside.record("sessions", EMAIL).unwrap()["list"][0]["digest"].clone();
        for other in [
            "",
            &token[1..],
            &format!("{token}A"),
            &identity.session.id,
            &device,
            EMAIL,
            digest.as_str().unwrap(),
        ] {
            assert!(who(&outside, other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_wrong_password_or_an_unverified_address_opens_none() {
        let outside = registered(Outside::new());
        for (password, code) in [("wrong", 502), (PASSWORD, 302)] {
            match sign_in(&outside, EMAIL, password, None, false, false).unwrap() {
                SignedIn::Outcome(outcome) => assert_eq!(outcome.code, code),
                SignedIn::Opened(_) => panic!("signed in with {password}"),
            }
        }
        assert_eq!(outside.record("sessions", EMAIL), None);
    }

    #[test]
    fn the_second_step_opens_one_that_says_so() {
        let outside = verified(Outside::new());
        let first = sign_in(&outside, EMAIL, PASSWORD, None, true, false).unwrap();
        assert!(matches!(first, SignedIn::Outcome(outcome) if outcome.code == 201));
        let code = outside.mailed_code();
        let second = sign_in_with_code(&outside, EMAIL, &code, None, false).unwrap();
        let SignedIn::Opened(opened) = second else { panic!("not signed in") };
        assert!(opened.identity.session.second_factor);
        let again = sign_in_with_code(&outside, EMAIL, &code, None, false).unwrap();
        assert!(matches!(again, SignedIn::Outcome(outcome) if outcome.code == 417));
    }

    #[test]
    fn a_user_without_a_password_signs_in_by_his_mailbox() {
        let outside = Outside::new();
        register_user_no_pass(&outside, EMAIL, None, None, false).unwrap();
        let code = outside.mailed_code();
        let signed_in = sign_in_with_code(&outside, EMAIL, &code, None, false).unwrap();
        let SignedIn::Opened(opened) = signed_in else { panic!("not signed in") };
        assert!(opened.identity.proven && !opened.identity.session.second_factor);
    }

    #[test]
    fn a_user_has_at_most_32_and_the_one_unused_longest_gives_way() {
        let outside = verified(Outside::new());
        let first = signed_in(&outside);
        outside.pass(400);
        let second = signed_in(&outside);
        for _ in 0..30 {
            outside.pass(1);
            signed_in(&outside);
        }
        who(&outside, &first.token).unwrap();
        signed_in(&outside);
        assert!(who(&outside, &first.token).is_some(), "it was used");
        assert!(who(&outside, &second.token).is_none());
        assert_eq!(all(&outside, &first.token).len(), 32);
    }
}

mod ends {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_not_used_and_after_its_life() {
        let outside =
            verified(Outside::new().with("session_idle", 1000).with("session_life", 5000));
        let token = signed_in(&outside).token;
        for _ in 0..4 {
            outside.pass(999);
            assert!(who(&outside, &token).is_some());
        }
        let idle = signed_in(&outside).token;
        outside.pass(999);
        assert!(who(&outside, &token).is_some());
        outside.pass(1);
        assert!(who(&outside, &idle).is_none(), "not used for 1000 s");
        outside.pass(4);
        assert!(who(&outside, &token).is_none(), "5000 s old");
    }

    #[test]
    fn one_from_a_clock_far_ahead_is_none() {
        let outside = verified(Outside::new());
        outside.pass(10_000);
        let token = signed_in(&outside).token;
        outside.now.set(outside.now.get() - 10_000);
        assert!(who(&outside, &token).is_none());
    }

    #[test]
    fn whatever_changes_the_account_ends_all_of_them() {
        type Act = fn(&Outside);
        let acts: [(&str, Act); 7] = [
            ("a reset with the old password", |outside| {
                reset_password_no_verif(outside, EMAIL, PASSWORD, "another one", false).unwrap();
            }),
            ("a reset with a code", |outside| {
                generate_code(outside, EMAIL, None, false).unwrap();
                let code = outside.mailed_code();
                verify_reset_code_and_reset_password(outside, EMAIL, &code, "another one", false)
                    .unwrap();
            }),
            ("another address", |outside| {
                change_email_no_verif(outside, EMAIL, "new@example.com", PASSWORD, false).unwrap();
            }),
            ("a block, and being unblocked", |outside| {
                utils::block_user(outside, EMAIL).unwrap();
                utils::unblock_user(outside, EMAIL).unwrap();
            }),
            ("deletion, and a new user of the address", |outside| {
                delete_user(outside, EMAIL, PASSWORD, true, false).unwrap();
                register_user_no_verif(outside, EMAIL, PASSWORD, None, false).unwrap();
            }),
            ("the application", |outside| {
                end_user_sessions(outside, EMAIL).unwrap();
            }),
            ("a password that another program has written", |outside| {
                let mut user = outside.record("users", EMAIL).unwrap();
                user["password"] =
                    json!("$2b$04$S5.IvbJ5Y0AL1mlDRmJlI.5JC.wluJTmQD8BtXz2i8sqOL5ca.hui");
                outside.write("users", EMAIL, user);
            }),
        ];
        for (what, act) in acts {
            let outside = verified(Outside::new());
            let (one, other) = (signed_in(&outside).token, signed_in(&outside).token);
            act(&outside);
            assert!(who(&outside, &one).is_none(), "{what}");
            assert!(who(&outside, &other).is_none(), "{what}");
        }
    }

    #[test]
    fn one_that_is_opened_while_the_password_is_reset_does_not_live() {
        let outside = verified(Outside::new());
        let (tell, told) = std::sync::mpsc::channel();
        *outside.meanwhile.borrow_mut() = Some(Box::new(move |outside| {
            tell.send(signed_in(outside).token).unwrap();
        }));
        reset_password_no_verif(&outside, EMAIL, PASSWORD, "another one", false).unwrap();
        assert!(who(&outside, &told.recv().unwrap()).is_none());

        *outside.meanwhile.borrow_mut() = Some(Box::new(|outside| {
            reset_password_no_verif(outside, EMAIL, "another one", PASSWORD, false).unwrap();
        }));
        let late = sign_in(&outside, EMAIL, "another one", None, false, false).unwrap();
        assert!(matches!(late, SignedIn::Outcome(outcome) if outcome.code == 502));
    }

    #[test]
    fn a_hash_that_is_made_anew_ends_none() {
        let outside = verified(Outside::new());
        let before = signed_in(&outside).token;
        for hasher in [
            |outside: &Outside| drop(signed_in(outside)),
            |outside: &Outside| {
                authenticate_user(outside, EMAIL, PASSWORD, false, None, false).unwrap();
            },
            |outside: &Outside| {
                authenticate_user(outside, EMAIL, PASSWORD, true, None, false).unwrap();
            },
        ] {
            let dearer = where_hashes_are_dearer(&outside);
            let stored =
                |outside: &Outside| outside.record("users", EMAIL).unwrap()["password"].clone();
            let old = stored(&dearer);
            hasher(&dearer);
            assert_ne!(stored(&dearer), old, "made anew");
            assert!(who(&dearer, &before).is_some());
        }
    }

    /// The same records where hashes have become dearer.
    fn where_hashes_are_dearer(outside: &Outside) -> Outside {
        let dearer = Outside::new().with("hash.passes", 3);
        dearer.take_records_of(outside);
        dearer
    }

    #[test]
    fn a_blocked_user_is_out_at_once() {
        let outside = verified(Outside::new());
        let token = signed_in(&outside).token;
        outside.write("blocked", EMAIL, json!({"email": EMAIL, "blocked": true}));
        assert!(who(&outside, &token).is_none(), "whoever has blocked him");
    }

    #[test]
    fn what_has_run_out_is_swept() {
        let outside = verified(Outside::new());
        let token = signed_in(&outside).token;
        let digest = outside.record("sessions", EMAIL).unwrap()["list"][0]["digest"].clone();
        upkeep::sweep(&outside, 10).unwrap();
        assert!(who(&outside, &token).is_some());
        outside.pass(30 * 86_400);
        upkeep::sweep(&outside, 10).unwrap();
        assert_eq!(outside.record("sessions", EMAIL), None);
        assert_eq!(outside.record("sessions", digest.as_str().unwrap()), None);
    }
}

mod own {
    use super::*;

    #[test]
    fn they_are_listed_and_ended_one_by_one_or_all_others() {
        let outside = verified(Outside::new());
        let [one, two, three] = [(); 3].map(|()| {
            outside.pass(1);
            signed_in(&outside)
        });
        let listed = all(&outside, &two.token);
        let ids: Vec<_> = listed.iter().map(|it| it.id.as_str()).collect();
        let expected = [&three, &two, &one].map(|it| it.identity.session.id.as_str());
        assert_eq!(ids, expected, "the one used last first");
        assert_eq!(listed.iter().map(|it| it.current).collect::<Vec<_>>(), [false, true, false]);

        end_session(&outside, &two.token, &one.identity.session.id).unwrap();
        assert!(who(&outside, &one.token).is_none());
        end_session(&outside, &two.token, "nobody's").unwrap();
        end_other_sessions(&outside, &two.token).unwrap();
        assert!(who(&outside, &three.token).is_none());
        sign_out(&outside, &two.token).unwrap();
        assert!(who(&outside, &two.token).is_none());
        sign_out(&outside, &two.token).unwrap();
        refused(end_session(&outside, &two.token, "x"));
    }

    #[test]
    fn nobody_ends_those_of_others() {
        let outside = verified(Outside::new());
        register_user_no_verif(&outside, "bob@example.com", PASSWORD, None, false).unwrap();
        let ann = signed_in(&outside);
        let bob = sign_in(&outside, "bob@example.com", PASSWORD, None, false, false).unwrap();
        let SignedIn::Opened(bob) = bob else { panic!("not signed in") };
        end_session(&outside, &bob.token, &ann.identity.session.id).unwrap();
        end_other_sessions(&outside, &bob.token).unwrap();
        assert!(who(&outside, &ann.token).is_some());
    }
}

mod new_address {
    use super::*;

    const NEW: &str = "New@Example.org";

    fn asked(outside: &Outside) -> (Opened, String) {
        let opened = signed_in(outside);
        request_email_change(outside, &opened.token, NEW, None, false).unwrap();
        let mails = outside.mails.borrow();
        let [.., code, notice] = mails.as_slice() else { panic!("two mails") };
        assert_eq!((code.to.as_str(), notice.to.as_str()), (NEW, EMAIL));
        assert!(notice.text.contains(NEW) && !notice.text.chars().any(|c| c.is_ascii_digit()));
        let code = code.text.chars().filter(char::is_ascii_digit).collect();
        drop(mails);
        (opened, code)
    }

    #[test]
    fn the_address_changes_with_the_code_alone_and_everybody_is_signed_out() {
        let outside = verified(Outside::new());
        let (opened, code) = asked(&outside);
        let wrong = if code.starts_with('0') { "111111" } else { "000000" };
        let refusal = refused(confirm_email_change(&outside, &opened.token, wrong, false));
        assert_eq!(refusal.code, Code::InvalidCode);
        assert_eq!(who(&outside, &opened.token).unwrap().email, EMAIL);
        confirm_email_change(&outside, &opened.token, &code, false).unwrap();
        assert!(who(&outside, &opened.token).is_none());
        let again = sign_in(&outside, NEW, PASSWORD, None, false, false).unwrap();
        let SignedIn::Opened(again) = again else { panic!("not signed in") };
        assert_eq!((again.identity.email.as_str(), again.identity.proven), (NEW, true));
    }

    #[test]
    fn an_old_sign_in_needs_the_password() {
        let outside = verified(Outside::new());
        let token = signed_in(&outside).token;
        outside.pass(600);
        let ask = |password| request_email_change(&outside, &token, NEW, password, false);
        assert_eq!(refused(ask(None)).code, Code::InvalidPassword);
        assert_eq!(refused(ask(Some("wrong"))).code, Code::InvalidPassword);
        ask(Some(PASSWORD)).unwrap();
    }

    #[test]
    fn no_other_code_will_do_and_this_one_is_good_for_nothing_else() {
        let outside = verified(Outside::new());
        let (opened, code) = asked(&outside);
        for refusal in [
            refused(verify_user(&outside, EMAIL, &code, false)),
            refused(verify_mfa_code(&outside, EMAIL, &code, false)),
            refused(verify_reset_code_and_reset_password(
                &outside, EMAIL, &code, "12345678", false,
            )),
        ] {
            assert_eq!(refusal.code, Code::InvalidCode);
        }
        generate_code(&outside, EMAIL, None, false).unwrap();
        let mailbox = outside.mailed_code();
        let refusal = refused(confirm_email_change(&outside, &opened.token, &mailbox, false));
        assert_eq!(refusal.code, Code::InvalidCode);
        confirm_email_change(&outside, &opened.token, &code, false).unwrap();
    }

    #[test]
    fn a_code_for_one_address_does_not_prove_another() {
        let outside = verified(Outside::new());
        let (opened, code) = asked(&outside);
        request_email_change(&outside, &opened.token, "other@example.org", None, false).unwrap();
        let refusal = refused(confirm_email_change(&outside, &opened.token, &code, false));
        assert_eq!(refusal.code, Code::InvalidCode);
    }

    #[test]
    fn an_address_that_is_taken_meanwhile_is_refused() {
        let outside = verified(Outside::new());
        let (opened, code) = asked(&outside);
        register_user_no_verif(&outside, NEW, PASSWORD, None, false).unwrap();
        let refusal = refused(confirm_email_change(&outside, &opened.token, &code, false));
        assert_eq!(refusal.code, Code::UserExists);
        let refusal = refused(request_email_change(&outside, &opened.token, NEW, None, false));
        assert_eq!(refusal.code, Code::UserExists);
    }

    #[test]
    fn mails_to_one_address_are_limited_whoever_asks() {
        let outside = verified(Outside::new().with("mail_limit", 2));
        let token = signed_in(&outside).token;
        for _ in 0..2 {
            request_email_change(&outside, &token, NEW, None, false).unwrap();
        }
        let refusal = refused(request_email_change(&outside, &token, NEW, None, false));
        assert_eq!(refusal.code, Code::RateLimited);
    }

    #[test]
    fn an_address_that_an_application_vouched_for_is_not_proven_until_a_code_was() {
        let outside = Outside::new();
        register_user_no_verif(&outside, EMAIL, PASSWORD, None, false).unwrap();
        assert!(!signed_in(&outside).identity.proven);
        generate_code(&outside, EMAIL, None, false).unwrap();
        verify_user(&outside, EMAIL, &outside.mailed_code(), false).unwrap();
        assert!(signed_in(&outside).identity.proven);
        change_email_no_verif(&outside, EMAIL, NEW, PASSWORD, false).unwrap();
        let moved = sign_in(&outside, NEW, PASSWORD, None, false, false).unwrap();
        assert!(matches!(moved, SignedIn::Opened(opened) if !opened.identity.proven));
    }
}
