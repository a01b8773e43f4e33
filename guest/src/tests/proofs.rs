//! Wrong guesses by strangers do not count against somebody who can show who he is.

use super::*;
use crate::sessions::{Opened, SignedIn, sign_in};

fn with_device(outside: &Outside) -> String {
    match sign_in(outside, EMAIL, PASSWORD, None, false, false).unwrap() {
        SignedIn::Opened(Opened { device, .. }) => device,
        SignedIn::Outcome(outcome) => panic!("not signed in: {outcome:?}"),
    }
}

fn guess(outside: &Outside, password: &str) -> Result<Code, Stop> {
    authenticate_user(outside, EMAIL, password, false, None, false)
}

mod devices {
    use super::*;

    fn known() -> (Outside, String) {
        let outside = Outside::new().with("guess_limit", 2);
        register_user_no_verif(&outside, EMAIL, PASSWORD, None, false).unwrap();
        let device = with_device(&outside);
        (outside, device)
    }

    #[test]
    fn a_flood_of_strangers_does_not_shut_out_a_browser_that_the_owner_has_used() {
        let (outside, device) = known();
        for _ in 0..2 {
            refused(guess(&outside, "wrong"));
        }
        assert_eq!(refused(guess(&outside, PASSWORD)).code, Code::RateLimited);
        outside.show(None, Some(&device));
        guess(&outside, PASSWORD).unwrap();
        outside.show(None, None);
        assert_eq!(
            refused(guess(&outside, PASSWORD)).code,
            Code::RateLimited,
            "strangers still wait"
        );
    }

    #[test]
    fn its_own_wrong_guesses_make_it_wait() {
        let (outside, device) = known();
        outside.show(None, Some(&device));
        for _ in 0..2 {
            assert_eq!(refused(guess(&outside, "wrong")).code, Code::InvalidCredentials);
        }
        assert_eq!(refused(guess(&outside, PASSWORD)).code, Code::RateLimited);
        outside.show(None, None);
        guess(&outside, PASSWORD).unwrap();
    }

    #[test]
    fn a_device_of_another_address_or_of_nobody_is_a_strangers() {
        let (outside, device) = known();
        register_user_no_verif(&outside, "bob@example.com", PASSWORD, None, false).unwrap();
        let bobs = match sign_in(&outside, "bob@example.com", PASSWORD, None, false, false).unwrap()
        {
            SignedIn::Opened(opened) => opened.device,
            SignedIn::Outcome(outcome) => panic!("{outcome:?}"),
        };
        for _ in 0..2 {
            refused(guess(&outside, "wrong"));
        }
        let forged = format!("{}x", device);
        for other in [&bobs, &forged, "", ".", "a.b", &"x".repeat(1000)] {
            outside.show(None, Some(other));
            assert_eq!(refused(guess(&outside, PASSWORD)).code, Code::RateLimited, "{other}");
        }
    }

    #[test]
    fn a_device_stays_the_same_and_the_counts_of_sixteen_are_kept() {
        let (outside, device) = known();
        outside.show(None, Some(&device));
        assert_eq!(with_device(&outside), device);
        for _ in 0..20 {
            outside.show(None, None);
            let device = with_device(&outside);
            outside.show(None, Some(&device));
            refused(guess(&outside, "wrong"));
        }
        let counts = outside.record("guesses", EMAIL).unwrap();
        assert_eq!(counts["devices"].as_object().unwrap().len(), 16);
    }
}

mod tickets {
    use super::*;

    const MINE: &str = "a ticket with enough entropy, of mine";
    const HIS: &str = "a ticket with enough entropy, of his";

    fn asked() -> (Outside, String) {
        let outside = registered(Outside::new());
        outside.show(Some(MINE), None);
        generate_code(&outside, EMAIL, None, false).unwrap();
        let code = outside.mailed_code();
        (outside, code)
    }

    #[test]
    fn guesses_without_the_ticket_do_not_kill_the_code_for_its_owner() {
        let (outside, code) = asked();
        outside.show(None, None);
        for _ in 0..7 {
            let refusal = refused(verify_user(&outside, EMAIL, &wrong_code(&outside), true));
            assert_eq!(refusal.code, Code::InvalidCode);
        }
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, true)).code, Code::InvalidCode);
        outside.show(Some(MINE), None);
        verify_user(&outside, EMAIL, &code, true).unwrap();
    }

    #[test]
    fn five_guesses_with_the_ticket_are_all() {
        let (outside, code) = asked();
        for _ in 0..5 {
            refused(verify_user(&outside, EMAIL, &wrong_code(&outside), true));
        }
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, true)).code, Code::InvalidCode);
    }

    #[test]
    fn a_guess_with_another_ticket_is_not_looked_at() {
        let (outside, code) = asked();
        outside.show(Some(HIS), None);
        for _ in 0..20 {
            assert_eq!(refused(verify_user(&outside, EMAIL, &code, true)).code, Code::InvalidCode);
        }
        outside.show(Some(MINE), None);
        verify_user(&outside, EMAIL, &code, true).unwrap();
    }

    #[test]
    fn codes_that_anybody_can_ask_for_are_not_guessed_without_end() {
        let outside = registered(Outside::new().with("mail_limit", 0));
        outside.show(Some(HIS), None);
        for _ in 0..20 {
            generate_code(&outside, EMAIL, None, false).unwrap();
            for _ in 0..5 {
                let refusal = refused(verify_user(&outside, EMAIL, &wrong_code(&outside), true));
                assert_eq!(refusal.code, Code::InvalidCode);
            }
        }
        generate_code(&outside, EMAIL, None, false).unwrap();
        let code = outside.mailed_code();
        assert_eq!(refused(verify_user(&outside, EMAIL, &code, true)).code, Code::RateLimited);
        outside.show(None, None);
        verify_user(&outside, EMAIL, &code, true).unwrap();
    }
}
