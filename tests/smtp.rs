//! Mail over SMTP against real servers: what arrives, and what every fault comes to.

use std::sync::Arc;
use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders};
use portcullis::mail::outbox::Outbox;
use portcullis::mail::smtp::{MailTls, SmtpAccount, SmtpTransport};
use portcullis::mail::transport::{Failure, Outgoing, Transport};
use portcullis::mail::{Mailer, Message};
use zeroize::Zeroizing;

use crate::servers::smtp::{Kind, Options, PASSWORD, SmtpServer, USER, authority};

mod faults;
mod secrets;

const CODE: &str = "493817";
const TEXT: &str = "Your verification code is: 493817";

/// Patient, so that on a slow machine too nothing but what the server does makes a difference.
fn transport(account: &SmtpAccount) -> SmtpTransport {
    let transport = SmtpTransport::new(account, Some(&authority())).unwrap();
    transport.time(Duration::from_secs(60))
}

/// A mail as the program makes it.
async fn mail(text: &str, html: Option<&str>) -> Outgoing {
    let folder = tempfile::tempdir().unwrap();
    let message = Message {
        to: "Ann@example.com".to_owned(),
        subject: "Verification Code".to_owned(),
        text: text.to_owned(),
        html: html.map(str::to_owned),
        valid_until: 0,
        guard: None,
    };
    Outbox::new(folder.path()).send(&message).await.unwrap();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    Outgoing {
        from: USER.to_owned(),
        to: message.to,
        content: Zeroizing::new(std::fs::read(file).unwrap()),
    }
}

#[track_caller]
fn temporary(result: Result<(), Failure>) -> String {
    match result {
        Err(Failure::Temporary(text)) => harmless(text),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn permanent(result: Result<(), Failure>) -> String {
    match result {
        Err(Failure::Permanent(text)) => harmless(text),
        other => panic!("{other:?}"),
    }
}

/// Whatever fails, its text is one line without a secret.
#[track_caller]
fn harmless(text: String) -> String {
    assert!(text.bytes().all(|it| (b' '..=b'~').contains(&it)) && text.len() < 800, "{text:?}");
    for secret in [PASSWORD, CODE, "Ann@example.com", "verification code"] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn both_servers_get_text_and_html_as_they_were_sent() {
    for kind in [Kind::Python, Kind::Node] {
        for tls in [MailTls::StartTls, MailTls::Implicit, MailTls::None] {
            let server = SmtpServer::start(&Options { kind, tls, ..Options::default() });
            let transport = transport(&server.account());
            transport.check().await.unwrap();
            let html = format!("<p>{TEXT} — gültig</p>");
            let sent = [mail(TEXT, None).await, mail(TEXT, Some(&html)).await];
            for mail in &sent {
                transport.deliver(mail).await.unwrap();
            }
            let kept = server.mails();
            assert_eq!(kept.len(), 2, "{kind:?} {tls:?}");
            for (kept, sent) in kept.iter().zip(&sent) {
                assert_eq!(
                    (kept.from.as_str(), kept.to.as_slice()),
                    (USER, &[sent.to.clone()][..])
                );
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                assert_eq!(text(&kept.content), text(&sent.content), "{kind:?} {tls:?}");
                let parsed = MessageParser::default().parse(&kept.content).unwrap();
                assert!(parsed.message_id().unwrap().contains('@'));
                assert!(parsed.date().unwrap().is_valid());
                assert_eq!(parsed.body_text(0).unwrap().trim_end(), TEXT);
            }
            let parsed = MessageParser::default().parse(&kept[1].content).unwrap();
            assert_eq!(parsed.content_type().unwrap().subtype(), Some("alternative"));
            assert_eq!(parsed.body_html(0).unwrap().trim_end(), html);
        }
    }
}

#[tokio::test]
async fn bodies_with_dots_and_long_lines_arrive_whole() {
    let bodies = [
        ".\r\n.a line that begins with a dot\r\n..\r\n...\r\nend".to_owned(),
        "\r\n.\r\nQUIT\r\nMAIL FROM:<eve@example.com>\r\n".to_owned(),
        "x".repeat(5000),
        format!(".{}", ".".repeat(3000)),
        "Grüße, 你好 📬\r\n".repeat(200),
        "From the start\r\n\r\n\r\n".to_owned(),
        String::new(),
    ];
    for kind in [Kind::Python, Kind::Node] {
        let server = SmtpServer::start(&Options { kind, ..Options::default() });
        let transport = transport(&server.account());
        let mut sent = Vec::new();
        for body in &bodies {
            let mail = mail(body, None).await;
            transport.deliver(&mail).await.unwrap();
            sent.push(mail);
        }
        let kept = server.mails();
        assert_eq!(kept.len(), bodies.len(), "{kind:?}");
        for (kept, sent) in kept.iter().zip(&sent) {
            assert_eq!(kept.content, sent.content.as_slice(), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn what_could_be_taken_for_commands_never_leaves() {
    let server = SmtpServer::start(&Options::default());
    let transport = transport(&server.account());
    let good = mail(TEXT, None).await;
    for content in ["a\n.\r\nRSET\r\n", "a\r.\r\n", "\n", "\r", "a\r\r\n", "bücher\r\n"] {
        let content = Zeroizing::new(content.as_bytes().to_vec());
        permanent(transport.deliver(&Outgoing { content, ..good.clone() }).await);
    }
    for bad in ["", "ann", "a@b\r\nRSET", "a@b>\r\nDATA", "<a@b>", "a@b c", "\"a\r\nb\"@c", "ä@b"]
    {
        permanent(transport.deliver(&Outgoing { to: bad.to_owned(), ..good.clone() }).await);
        permanent(transport.deliver(&Outgoing { from: bad.to_owned(), ..good.clone() }).await);
    }
    assert_eq!(server.connections(), 0);
    let to = "\"a..b\"@example.com".to_owned();
    transport.deliver(&Outgoing { to, ..good }).await.unwrap();
    contains(&server.seen(), &["RCPT TO:<\"a..b\"@example.com>\r\n"]);
}

#[tokio::test]
async fn one_connection_carries_many_mails() {
    for kind in [Kind::Python, Kind::Node] {
        let server = SmtpServer::start(&Options { kind, ..Options::default() });
        let transport = transport(&server.account());
        let mail = mail(TEXT, None).await;
        for _ in 0..10 {
            transport.deliver(&mail).await.unwrap();
        }
        assert_eq!((server.mails().len(), server.connections()), (10, 1), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_mails_at_once_share_a_few_connections() {
    let server = SmtpServer::start(&Options::default());
    // None is to give up waiting for a connection: what is looked at is how many there are.
    let transport = Arc::new(transport(&server.account()).time(Duration::from_secs(240)));
    let sends: Vec<_> = (0..100)
        .map(|number| {
            let transport = transport.clone();
            tokio::spawn(async move {
                transport.deliver(&mail(&format!("number {number}."), None).await).await
            })
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    let mut bodies: Vec<_> = server
        .mails()
        .iter()
        .map(|it| {
            MessageParser::default().parse(&it.content).unwrap().body_text(0).unwrap().into_owned()
        })
        .collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 100);
    assert!(server.connections() <= 8, "{} connections", server.connections());
}

#[tokio::test]
async fn a_kept_connection_that_has_died_costs_no_mail() {
    let server = SmtpServer::start(&Options::default());
    let transport = transport(&server.account());
    let mail = mail(TEXT, None).await;
    for round in 1..=3 {
        transport.deliver(&mail).await.unwrap();
        assert_eq!((server.mails().len(), server.connections()), (round, round as u64));
        server.close_connections();
    }
    // A goodbye in place of an answer is the same.
    transport.deliver(&mail).await.unwrap();
    server.behave("rcpt-421");
    temporary(transport.deliver(&mail).await);
    assert_eq!(server.connections(), 5, "another connection was tried, once");
    server.behave("accept");
    transport.deliver(&mail).await.unwrap();
    assert_eq!(server.mails().len(), 5);
}
