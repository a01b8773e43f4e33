//! What must not get into other hands: the password, and what the mail says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::mail::smtp::{MailTls, SmtpAccount, SmtpTransport};
use portcullis::mail::transport::Transport;
use zeroize::Zeroizing;

use super::{CODE, TEXT, contains, mail, permanent, temporary, transport};
use crate::servers::smtp::{Kind, Options, PASSWORD, SmtpServer, USER};

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

#[tokio::test]
async fn a_refusal_that_repeats_the_mail_is_told_without_it() {
    let server = SmtpServer::start(&Options::default());
    let mail = mail(TEXT, None).await;
    server.behave("data-echo");
    let text = permanent(transport(&server.account()).deliver(&mail).await);
    assert_eq!(text, "the mail server refuses the mail: 554");
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
    // A place in the code that is first reached on a thread without a log would be taken for one that
    // nobody listens to, were there only one log in the process.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
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
