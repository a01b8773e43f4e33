//! What may be told of somebody else's words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::mail::account::SmtpAccount;

/// The most characters that are told of what somebody else has said.
const MOST: usize = 200;
/// So many characters in a row that also stand in the mail are a part of it.
const OVERLAP: usize = 12;
/// So many digits in a row may be a code; status codes have three.
const DIGITS: usize = 4;

/// What must not be shown, even when the server says it.
#[derive(Clone, Copy)]
pub(super) enum Secrets<'a> {
    /// There are none yet.
    None,
    /// Of signing in.
    Account(&'a SmtpAccount),
    /// The mail.
    Content(&'a [u8]),
}

impl Secrets<'_> {
    /// The server's words as one short line: without any of the secrets, and without whatever may
    /// be a code, in whichever way it is encoded in the mail.
    pub(super) fn keep_out_of(self, words: &str) -> String {
        // Codes go before the end is cut off, which could leave half of one.
        let line = short(without_codes(&one_line_of(words)));
        let told = match self {
            Self::None => false,
            Self::Account(account) => {
                let SmtpAccount { username, password, .. } = account;
                let plain = Zeroizing::new(format!("\0{username}\0{}", password.as_str()));
                let encoded = Zeroizing::new(STANDARD.encode(password.as_bytes()));
                let both = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
                [password.as_str(), &encoded, &both].iter().any(|secret| words.contains(*secret))
            }
            Self::Content(content) => overlaps(&line, content),
        };
        if told { String::new() } else { line }
    }
}

/// Whether a piece of the line also stands in the content.
fn overlaps(line: &str, content: &[u8]) -> bool {
    let content = one_line_of(&String::from_utf8_lossy(content)).to_ascii_lowercase();
    let line = line.to_ascii_lowercase();
    // All characters are ASCII by now, so that every window is a text.
    line.as_bytes()
        .windows(OVERLAP)
        .any(|piece| std::str::from_utf8(piece).is_ok_and(|piece| content.contains(piece)))
}

/// With stars for every run of digits that may be a code.
fn without_codes(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    let mut digits = String::new();
    for character in line.chars().chain(std::iter::once('\0')) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        if digits.len() >= DIGITS {
            safe.push_str("***")
        } else {
            safe.push_str(&digits)
        }
        digits.clear();
        if character != '\0' {
            safe.push(character);
        }
    }
    safe
}

/// Somebody else's words as one short line of printable ASCII.
pub(super) fn one_line(words: &str) -> String {
    short(one_line_of(words))
}

fn short(mut line: String) -> String {
    if line.len() > MOST {
        line.truncate(MOST);
        line.push_str("...");
    }
    line
}

/// One line of printable ASCII, with single spaces.
fn one_line_of(words: &str) -> String {
    let printable: String = words
        .chars()
        .map(|it| match it {
            ' '..='~' => it,
            _ if it.is_whitespace() => ' ',
            _ => '?',
        })
        .collect();
    printable.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::smtp::trouble::tests::account;

    const MAIL: &[u8] = b"Subject: Verification Code\r\nMessage-ID: <1@x>\r\n\r\n\
        Your verification code is: 123456\r\nIt lives ten minutes.";

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
        assert_eq!(
            told(&format!("5.7.8 {}", STANDARD.encode("\0ann@example.com\0hunter2 & co"))),
            ""
        );
        assert_eq!(told("5.7.8 bad password"), "5.7.8 bad password");
    }
}
