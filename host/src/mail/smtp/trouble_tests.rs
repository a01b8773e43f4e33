use zeroize::Zeroizing;

use super::*;
use crate::mail::account::MailTls;

fn account() -> SmtpAccount {
    SmtpAccount {
        server: "mail.example.com".to_owned(),
        port: 587,
        username: "ann@example.com".to_owned(),
        password: Zeroizing::new("hunter2 & co".to_owned()),
        tls: MailTls::StartTls,
        from: "ann@example.com".to_owned(),
    }
}

const MAIL: &[u8] = b"Subject: Verification Code\r\nMessage-ID: <1@x>\r\n\r\n\
    Your verification code is: 123456\r\nIt lives ten minutes.";

fn answer(step: Step, code: u16) -> Trouble {
    Trouble::new(step, Cause::Answer(code, "words".to_owned()))
}

#[test]
fn what_a_server_says_becomes_one_short_line_of_ascii() {
    for (words, told) in [
        ("5.1.1 no such user", "5.1.1 no such user"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("\u{1b}[31mred\u{0}", "?[31mred?"),
        ("Empf\u{e4}nger", "Empf?nger"),
        ("", ""),
    ] {
        assert_eq!(Secrets::None.keep_out_of(words), told);
    }
    let long = Secrets::None.keep_out_of(&"word ".repeat(10_000));
    assert!(long.len() <= MOST + 3 && long.ends_with("..."), "{long}");
}

#[test]
fn whatever_may_be_a_code_is_not_told() {
    for (words, told) in [
        ("spam: 123456", "spam: ***"),
        ("1234", "***"),
        ("code 12345678901234567890123456789012!", "code ***!"),
        ("550 5.7.1 see 42", "550 5.7.1 see 42"),
    ] {
        assert_eq!(Secrets::None.keep_out_of(words), told);
    }
    // Not even a part of it, where the line is cut off.
    for length in MOST - 8..MOST + 2 {
        let told = Secrets::None.keep_out_of(&format!("{}123456", "x".repeat(length)));
        assert!(!told.contains("12"), "{told}");
    }
}

#[test]
fn words_that_repeat_a_piece_of_the_mail_are_not_told() {
    let told = |words| Secrets::Content(MAIL).keep_out_of(words);
    assert_eq!(told("5.7.1 rejected: Your verification code is: 123456"), "");
    assert_eq!(told("5.7.1 rejected: YOUR\r\nVERIFICATION   CODE"), "");
    assert_eq!(
        told("5.7.1 a Message-ID of ours is missing"),
        "5.7.1 a Message-ID of ours is missing"
    );
}

#[test]
fn words_that_repeat_the_password_are_not_told() {
    let account = account();
    let told = |words: &str| Secrets::Account(&account).keep_out_of(words);
    assert_eq!(told("5.7.8 bad password hunter2 & co"), "");
    assert_eq!(told(&format!("5.7.8 {}", STANDARD.encode("hunter2 & co"))), "");
    assert_eq!(told(&format!("5.7.8 {}", STANDARD.encode("\0ann@example.com\0hunter2 & co"))), "");
    assert_eq!(told("5.7.8 bad password"), "5.7.8 bad password");
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
