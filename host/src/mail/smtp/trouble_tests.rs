use zeroize::Zeroizing;

use super::*;
use crate::mail::account::MailTls;

pub(in crate::mail::smtp) fn account() -> SmtpAccount {
    SmtpAccount {
        server: "mail.example.com".to_owned(),
        port: 587,
        username: "ann@example.com".to_owned(),
        password: Zeroizing::new("hunter2 & co".to_owned()),
        tls: MailTls::StartTls,
        from: "ann@example.com".to_owned(),
    }
}

fn answer(step: Step, code: u16) -> Trouble {
    Trouble::new(step, Cause::Answer(code, "words".to_owned()))
}

#[test]
fn only_a_refusal_of_the_mail_itself_is_for_ever() {
    for step in [
        Step::Connect,
        Step::Greet,
        Step::Secure,
        Step::SignIn,
        Step::Sender,
        Step::Receiver,
        Step::Data,
        Step::Content,
    ] {
        for code in [421, 450, 451, 452, 454] {
            let failure = answer(step, code).failure(&account());
            assert!(matches!(failure, Failure::Temporary(_)), "{step:?} {code}: {failure}");
        }
        for code in ABOUT_THE_ACCOUNT {
            let trouble = answer(step, code);
            let failure = trouble.failure(&account());
            assert!(matches!(failure, Failure::Temporary(_)), "{step:?} {code}: {failure}");
            assert!(failure.to_string().contains("`mail_info`"), "{failure}");
            assert!(trouble.is_for_the_operator());
        }
        for code in [500, 501, 502, 503, 550, 551, 552, 553, 554] {
            let failure = answer(step, code).failure(&account());
            let permanent = matches!(failure, Failure::Permanent(_));
            assert_eq!(permanent, step >= Step::Sender, "{step:?} {code}: {failure}");
        }
        for cause in [
            Cause::Broken("reset".to_owned()),
            Cause::Late,
            Cause::NotSecure("expired".to_owned()),
            Cause::NotOffered("STARTTLS"),
        ] {
            let failure = Trouble::new(step, cause).failure(&account());
            assert!(matches!(failure, Failure::Temporary(_)), "{step:?}: {failure}");
        }
    }
}

#[test]
fn another_connection_is_tried_only_before_the_mail_itself() {
    let broken = |step| Trouble::new(step, Cause::Broken("reset".to_owned()));
    for step in [Step::Sender, Step::Receiver, Step::Data] {
        assert!(broken(step).calls_for_another_connection());
        assert!(Trouble::new(step, Cause::Late).calls_for_another_connection());
        assert!(answer(step, CLOSING).calls_for_another_connection());
        assert!(!answer(step, 450).calls_for_another_connection());
        assert!(!answer(step, 550).calls_for_another_connection());
    }
    assert!(!broken(Step::Content).calls_for_another_connection());
    assert!(!Trouble::new(Step::Content, Cause::Late).calls_for_another_connection());
    assert!(!answer(Step::Content, CLOSING).calls_for_another_connection());
}

#[test]
fn no_text_tells_the_password_or_the_receiver() {
    for step in [Step::Connect, Step::SignIn, Step::Sender, Step::Content] {
        for trouble in [answer(step, 550), answer(step, 450), Trouble::new(step, Cause::Late)] {
            let text = trouble.failure(&account()).to_string();
            assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
        }
    }
}
