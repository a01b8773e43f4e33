use mail_parser::{MessageParser, MimeHeaders};

use super::*;

fn message() -> Message {
    Message {
        to: "Ada.L@example.com".to_owned(),
        subject: "Verification Code".to_owned(),
        text: "Your verification code is: 123456".to_owned(),
        html: None,
        valid_until: 0,
        guard: None,
    }
}

fn rendered(message: &Message) -> Result<String, Error> {
    let from = "portcullis@localhost".parse().unwrap();
    let rendered = render(message, from, "<1@localhost>")?;
    Ok(String::from_utf8(rendered.formatted()).expect("7-bit"))
}

/// Whatever the message: ASCII, CRLF only, no line over RFC 5322's 998 characters.
fn assert_well_formed(eml: &str) {
    assert!(eml.is_ascii());
    for line in eml.split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']) && line.len() <= 998, "{line:?}");
    }
}

/// Whether the message's text decodes to this; an encoding may need a line ending behind it.
fn assert_body(eml: &str, expected: &str) {
    let parsed = MessageParser::default().parse(eml.as_bytes()).unwrap();
    let text = parsed.body_text(0).unwrap();
    assert_eq!(
        text.strip_prefix(expected).map(|rest| rest.trim_matches(['\r', '\n'])),
        Some(""),
        "{eml}"
    );
}

#[test]
fn a_plain_message_has_the_headers_it_needs_and_is_readable_as_it_stands() {
    let eml = rendered(&message()).unwrap();
    assert_well_formed(&eml);
    for header in [
        "From: portcullis@localhost\r\n",
        "To: Ada.L@example.com\r\n",
        "Subject: Verification Code\r\n",
        "Message-ID: <1@localhost>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Transfer-Encoding: 7bit\r\n",
        "\r\n\r\nYour verification code is: 123456",
    ] {
        assert!(eml.contains(header), "{header:?} is not in {eml}");
    }
    let parsed = MessageParser::default().parse(eml.as_bytes()).unwrap();
    assert!(parsed.date().unwrap().is_valid());
}

#[test]
fn a_control_character_in_a_header_is_refused() {
    for inserted in ["\r\nBcc: eve@example.com", "\n", "\r", "\0", "\t", "\u{7f}", "\u{85}"] {
        let mut bad = message();
        bad.subject.push_str(inserted);
        assert!(matches!(rendered(&bad), Err(Error::Rejected(_))), "subject {inserted:?}");
        for to in [format!("ada{inserted}@example.com"), format!("ada@example.com{inserted}")] {
            let bad = Message { to, ..message() };
            assert!(matches!(rendered(&bad), Err(Error::Rejected(_))), "to {inserted:?}");
        }
    }
}

#[test]
fn only_one_bare_address_is_an_address() {
    let long = format!("{}@example.com", "a".repeat(65));
    for to in [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com, eve@example.com",
        "Eve <eve@example.com>",
        "eve@example.com ada@example.com",
        "\"ada\"@example.com",
        "ada@example.com>",
        "ada@[127.0.0.1]",
        "ada@exam ple.com",
        "ada@example..com",
        "ada@bücher.example",
        "ädä@example.com",
        &long,
    ] {
        let bad = Message { to: to.to_owned(), ..message() };
        match rendered(&bad) {
            Err(Error::Rejected(text)) => assert!(to.is_empty() || !text.contains(to), "{text}"),
            other => panic!("{to:?} gave {other:?}"),
        }
    }
}

#[test]
fn an_address_with_dots_where_none_belong_is_quoted() {
    for (to, written) in [
        ("a..b@example.com", "To: \"a..b\"@example.com\r\n"),
        (".ab@example.com", "To: \".ab\"@example.com\r\n"),
        ("ab.@example.com", "To: \"ab.\"@example.com\r\n"),
        ("a+b_c-d.e@example.com", "To: a+b_c-d.e@example.com\r\n"),
    ] {
        let eml = rendered(&Message { to: to.to_owned(), ..message() }).unwrap();
        assert!(eml.contains(written), "{eml}");
    }
}

#[test]
fn subject_and_body_may_be_in_any_language() {
    let subject = "Bestätigung für Žofie — 確認コード ".repeat(8).trim_end().to_owned();
    let text = "Grüße, 你好, привет 📬\nzweite Zeile".to_owned();
    let eml = rendered(&Message { subject: subject.clone(), text: text.clone(), ..message() });
    let eml = eml.unwrap();
    assert_well_formed(&eml);
    let parsed = MessageParser::default().parse(eml.as_bytes()).unwrap();
    assert_eq!(parsed.subject(), Some(subject.as_str()));
    assert_body(&eml, &text.replace('\n', "\r\n"));
}

#[test]
fn html_goes_beside_the_text_and_comes_last() {
    let html = "<p>Ihr Code: <b>123456</b> — gültig</p>".to_owned();
    let eml = rendered(&Message { html: Some(html.clone()), ..message() }).unwrap();
    assert_well_formed(&eml);
    let parsed = MessageParser::default().parse(eml.as_bytes()).unwrap();
    let root = parsed.content_type().unwrap();
    assert_eq!((root.ctype(), root.subtype()), ("multipart", Some("alternative")));
    let kinds: Vec<_> =
        parsed.parts.iter().skip(1).map(|it| it.content_type().unwrap().subtype()).collect();
    assert_eq!(kinds, [Some("plain"), Some("html")]);
    assert_eq!(parsed.body_text(0).unwrap(), message().text);
    assert_eq!(parsed.body_html(0).unwrap(), html);
}

#[test]
fn every_body_arrives_as_it_was_written() {
    for text in [
        ".\r\n.a line that begins with a dot\r\n..\r\nend".to_owned(),
        "From the start\r\n>From\r\n--\r\n-- \r\nend ".to_owned(),
        "x".repeat(5000),
        format!("{}\r\n{}", "word ".repeat(300), "é".repeat(900)),
        "a = b == c =3D =\r\n=".to_owned(),
        "Subject: not one\r\n\r\nbody".to_owned(),
        "\r\n\r\n  indented\r\n".to_owned(),
        "a\u{0}b\u{1b}[31mc\u{7f}".to_owned(),
        String::new(),
    ] {
        let eml = rendered(&Message { text: text.clone(), ..message() }).unwrap();
        assert_well_formed(&eml);
        assert_body(&eml, &text);
    }
}

#[test]
fn bare_line_endings_become_crlf() {
    let eml = rendered(&Message { text: "a\nb\rc\r\nd".to_owned(), ..message() }).unwrap();
    assert_well_formed(&eml);
    assert_body(&eml, "a\r\nb\r\nc\r\nd");
}

#[test]
fn message_ids_do_not_repeat() {
    assert_ne!(message_id("localhost").unwrap(), message_id("localhost").unwrap());
}
