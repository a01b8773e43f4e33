//! Mail over SMTP against real servers: what arrives, and what every fault comes to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders};
use portcullis::mail::outbox::Outbox;
use portcullis::mail::smtp::{MailTls, SmtpAccount, SmtpTransport};
use portcullis::mail::transport::{Failure, Outgoing, Transport};
use portcullis::mail::{Mailer, Message};
use zeroize::Zeroizing;

use crate::servers::smtp::{Kind, Options, PASSWORD, SmtpServer, USER, authority};

const CODE: &str = "493817";
const TEXT: &str = "Your verification code is: 493817";

fn transport(account: &SmtpAccount) -> SmtpTransport {
    SmtpTransport::new(account, Some(&authority())).unwrap()
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
    transport.deliver(&Outgoing { to: to.clone(), ..good }).await.unwrap();
    assert_eq!(server.mails()[0].to, [to]);
}

#[tokio::test]
async fn refusals_are_told_apart_from_postponements() {
    for kind in [Kind::Python, Kind::Node] {
        let server = SmtpServer::start(&Options { kind, ..Options::default() });
        let transport = transport(&server.account());
        let mail = mail(TEXT, None).await;
        for (behaviour, parts) in [
            ("rcpt-4xx", ["naming the receiver", "450", "come back later"]),
            ("data-4xx", ["sending the mail", "451", "not now"]),
        ] {
            server.behave(behaviour);
            let text = temporary(transport.deliver(&mail).await);
            contains(&text, &parts[1..]);
        }
        for (behaviour, parts) in [
            ("rcpt-5xx", ["refuses the receiver", "550", "no such user"]),
            ("data-5xx", ["refuses the mail", "554", "this is spam"]),
        ] {
            server.behave(behaviour);
            contains(&permanent(transport.deliver(&mail).await), &parts);
        }
        server.behave("accept");
        transport.deliver(&mail).await.unwrap();
        assert_eq!(server.mails().len(), 1, "{kind:?}");
        assert_eq!(server.connections(), 1, "{kind:?}: a refusal costs no connection");
    }
}

#[tokio::test]
async fn a_refused_sender_is_for_ever_and_a_missing_log_in_is_not() {
    let server = SmtpServer::start(&Options::default());
    let transport = transport(&server.account());
    let mail = mail(TEXT, None).await;
    server.behave("mail-5xx");
    contains(&permanent(transport.deliver(&mail).await), &["`mail_from`", "553"]);
    server.behave("mail-530");
    contains(&temporary(transport.deliver(&mail).await), &["`mail_info`", "530"]);
}

#[tokio::test]
async fn a_refusal_that_repeats_the_mail_is_told_without_it() {
    let server = SmtpServer::start(&Options::default());
    let mail = mail(TEXT, None).await;
    server.behave("data-echo");
    let text = permanent(transport(&server.account()).deliver(&mail).await);
    assert_eq!(text, "the mail server refuses the mail: 554");
}

#[tokio::test]
async fn a_server_that_is_not_there_can_be_tried_again() {
    let server = SmtpServer::start(&Options::default());
    let account = server.account();
    drop(server);
    let mail = mail(TEXT, None).await;
    let transport = transport(&account);
    let port = account.port.to_string();
    contains(&temporary(transport.deliver(&mail).await), &["localhost", &port, "reached"]);
    contains(&temporary(transport.check().await), &["localhost", &port, "reached"]);
}

#[tokio::test]
async fn a_server_that_hangs_can_be_tried_again() {
    let mail = mail(TEXT, None).await;
    for (behaviour, parts) in [
        ("greeting-hang", ["greet in time", "`mail_tls`"]),
        ("rcpt-hang", ["in time", "naming the receiver"]),
        ("data-hang", ["in time", "it is not known whether it has the mail"]),
    ] {
        let server = SmtpServer::start(&Options::default());
        let transport = transport(&server.account()).time(Duration::from_secs(3));
        server.behave(behaviour);
        contains(&temporary(transport.deliver(&mail).await), &parts);
        // And with it goes the connection: the next mail is not added to this one.
        server.behave("accept");
        transport.deliver(&mail).await.unwrap();
        let kept = server.mails();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].content, mail.content.as_slice());
    }
}

#[tokio::test]
async fn a_mail_that_was_given_up_takes_its_connection_along() {
    let server = SmtpServer::start(&Options::default());
    let transport = transport(&server.account());
    let first = mail("the first one", None).await;
    let second = mail("the second one", None).await;
    transport.deliver(&first).await.unwrap();
    for behaviour in ["rcpt-hang", "data-hang"] {
        server.behave(behaviour);
        let given_up = transport.deliver(&first);
        assert!(tokio::time::timeout(Duration::from_millis(500), given_up).await.is_err());
        server.behave("accept");
        transport.deliver(&second).await.unwrap();
    }
    let kept = server.mails();
    let contents: Vec<_> = kept.iter().map(|it| it.content.as_slice()).collect();
    assert_eq!(contents, [&first.content[..], &second.content[..], &second.content[..]]);
}

#[tokio::test]
async fn a_connection_that_closes_half_way_can_be_tried_again() {
    let mail = mail(TEXT, None).await;
    for (behaviour, kept) in [("rcpt-close", 0), ("data-close-lost", 0), ("data-close-kept", 1)] {
        let server = SmtpServer::start(&Options::default());
        let transport = transport(&server.account());
        server.behave(behaviour);
        let text = temporary(transport.deliver(&mail).await);
        assert_eq!(text.contains("not known whether"), behaviour != "rcpt-close", "{text}");
        assert_eq!(server.mails().len(), kept, "{behaviour}: tried once");
        server.behave("accept");
        transport.deliver(&mail).await.unwrap();
        assert_eq!(server.mails().len(), kept + 1);
    }
}

#[tokio::test]
async fn a_server_that_takes_no_connections_can_be_tried_again() {
    let server = SmtpServer::start(&Options::default());
    server.behave("greeting-5xx");
    let text = temporary(transport(&server.account()).deliver(&mail(TEXT, None).await).await);
    contains(&text, &["does not take connections", "554"]);
}

#[tokio::test]
async fn no_mail_and_no_password_goes_to_a_server_with_a_bad_certificate() {
    let mail = mail(TEXT, None).await;
    for tls in [MailTls::StartTls, MailTls::Implicit] {
        for certificate in ["selfsigned", "stranger", "wrongname", "expired"] {
            let server = SmtpServer::start(&Options { tls, certificate, ..Options::default() });
            let transport = transport(&server.account());
            for result in [transport.deliver(&mail).await, transport.check().await] {
                contains(&temporary(result), &["cannot be secured", "certificate", "`certs`"]);
            }
            let seen = server.seen();
            assert!(!seen.contains("AUTH") && !seen.contains("MAIL"), "{certificate}: {seen:?}");
        }
        // Without the bundle the good one is a stranger's too.
        let server = SmtpServer::start(&Options { tls, ..Options::default() });
        let transport = SmtpTransport::new(&server.account(), None).unwrap();
        contains(&temporary(transport.deliver(&mail).await), &["cannot be secured"]);
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_the_open() {
    let server = SmtpServer::start(&Options { tls: MailTls::None, ..Options::default() });
    let account = SmtpAccount { tls: MailTls::StartTls, ..server.account() };
    let transport = transport(&account);
    for result in [transport.deliver(&mail(TEXT, None).await).await, transport.check().await] {
        contains(&temporary(result), &["offers no STARTTLS", "`mail_tls`"]);
    }
    let seen = server.seen();
    assert!(seen.contains("EHLO") && !seen.contains("AUTH") && !seen.contains("MAIL"), "{seen:?}");
}

#[tokio::test]
async fn the_wrong_kind_of_tls_is_told_with_the_setting() {
    let server = SmtpServer::start(&Options::default());
    let account = SmtpAccount { tls: MailTls::Implicit, ..server.account() };
    contains(&temporary(transport(&account).check().await), &["`mail_tls`"]);
    let server = SmtpServer::start(&Options { tls: MailTls::Implicit, ..Options::default() });
    let account = SmtpAccount { tls: MailTls::StartTls, ..server.account() };
    let transport = transport(&account).time(Duration::from_secs(2));
    contains(&temporary(transport.check().await), &["`mail_tls`"]);
}

#[tokio::test]
async fn words_from_before_the_encryption_are_not_believed() {
    // A server, or somebody on the way, that sends all answers at once and ahead of the encryption.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 1024];
        stream.write_all(b"220 here\r\n").unwrap();
        let _ = stream.read(&mut bytes).unwrap();
        stream.write_all(b"250-here\r\n250 STARTTLS\r\n").unwrap();
        let _ = stream.read(&mut bytes).unwrap();
        stream
            .write_all(
                b"220 go on\r\n250-here\r\n250 AUTH PLAIN\r\n235 in\r\n250 a\r\n250 b\r\n354 c\r\n\
                  250 kept\r\n",
            )
            .unwrap();
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            ear.lock().unwrap().extend_from_slice(&bytes[..count]);
        }
    });
    let account = SmtpAccount {
        server: "localhost".to_owned(),
        port,
        username: USER.to_owned(),
        password: Zeroizing::new(PASSWORD.to_owned()),
        tls: MailTls::StartTls,
        from: USER.to_owned(),
    };
    let text = temporary(transport(&account).deliver(&mail(TEXT, None).await).await);
    contains(&text, &["cannot be secured"]);
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert!(!heard.contains("AUTH") && !heard.contains("EHLO"), "{heard:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_once_and_not_tried_again_at_once() {
    for kind in [Kind::Python, Kind::Node] {
        let server = SmtpServer::start(&Options { kind, ..Options::default() });
        let password = Zeroizing::new("wrong and secret".to_owned());
        let transport = transport(&SmtpAccount { password, ..server.account() });
        let mail = mail(TEXT, None).await;
        for _ in 0..3 {
            let text = temporary(transport.deliver(&mail).await);
            contains(&text, &["`mail_info`", "535"]);
            assert!(!text.contains("wrong and secret"), "{text}");
        }
        assert_eq!(server.connections(), 1, "servers lock accounts after a few");
        contains(&temporary(transport.check().await), &["`mail_info`", "535"]);
        assert_eq!(server.connections(), 2, "a check always looks");
        assert_eq!(server.mails().len(), 0);
    }
}

#[tokio::test]
async fn a_server_without_log_in_is_told() {
    let server = SmtpServer::start(&Options { auth: false, ..Options::default() });
    let text = temporary(transport(&server.account()).check().await);
    contains(&text, &["offers no", "AUTH PLAIN or LOGIN", "`mail_info`"]);
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
    // Room for a slow machine: what is looked at is how many connections there are.
    let transport = Arc::new(transport(&server.account()).time(Duration::from_secs(120)));
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

#[tokio::test]
async fn a_server_that_fails_every_third_mail_gets_them_all_in_the_end() {
    let server = SmtpServer::start(&Options::default());
    let transport = transport(&server.account());
    server.behave("every-third-fails");
    let mut attempts = 0;
    for number in 0..20 {
        let mail = mail(&format!("number {number}."), None).await;
        loop {
            attempts += 1;
            match transport.deliver(&mail).await {
                Ok(()) => break,
                Err(failure) => contains(&temporary(Err(failure)), &["451"]),
            }
        }
    }
    assert_eq!((attempts, server.mails().len(), server.connections()), (29, 20, 1));
}

#[test]
fn a_transport_that_would_not_be_safe_is_not_made() {
    let good = SmtpAccount {
        server: "mail.example.com".to_owned(),
        port: 25,
        username: USER.to_owned(),
        password: Zeroizing::new(PASSWORD.to_owned()),
        tls: MailTls::StartTls,
        from: USER.to_owned(),
    };
    let refusal = |account: &SmtpAccount, certs: Option<&std::path::Path>| {
        SmtpTransport::new(account, certs).map(drop).unwrap_err().to_string()
    };
    let account = SmtpAccount { tls: MailTls::None, ..good.clone() };
    contains(&refusal(&account, None), &["`mail_tls`", "mail.example.com", "not this machine"]);
    let account = SmtpAccount { from: "Ann <ann@example.com>".to_owned(), ..good.clone() };
    contains(&refusal(&account, None), &["`mail_from`"]);
    let account = SmtpAccount { server: "mail example".to_owned(), ..good.clone() };
    contains(&refusal(&account, None), &["`mail_info.server`"]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.pem");
    contains(&refusal(&good, Some(&path)), &["`certs`", "certs.pem", "cannot be read"]);
    for (content, part) in [
        ("", "no certificate"),
        ("hello", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "certificate"),
        ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "cannot be used"),
    ] {
        std::fs::write(&path, content).unwrap();
        contains(&refusal(&good, Some(&path)), &["`certs`", "certs.pem", part]);
    }
}

/// What was logged, in all detail, while `body` ran on this thread alone.
fn logged(body: impl Future<Output = ()>) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(body);
    });
    let text = log.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_log_names_what_is_wrong_once_and_holds_no_secret() {
    let log = logged(async {
        let mail = mail(TEXT, None).await;
        for certificate in ["good", "expired"] {
            let server = SmtpServer::start(&Options { certificate, ..Options::default() });
            let good = transport(&server.account());
            let password = Zeroizing::new(format!("{PASSWORD}!"));
            let bad = transport(&SmtpAccount { password, ..server.account() });
            for behaviour in ["accept", "rcpt-5xx", "data-echo", "data-4xx", "data-close-lost"] {
                server.behave(behaviour);
                let _ = good.deliver(&mail).await;
                let _ = bad.deliver(&mail).await;
            }
        }
    });
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    // The wrong password, and the bad certificate as each of the two meets it.
    assert_eq!(errors.len(), 3, "{errors:#?}");
    contains(errors[0], &["`mail_info`", "535"]);
    contains(errors[1], &["certificate", "`certs`"]);
    for secret in [PASSWORD, CODE, "verification code", "Ann@example.com"] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
    assert!(!log.contains("AUTH PLAIN"), "{log}");
}
