//! What a server does wrong, and what that comes to.

use std::time::Duration;

use portcullis::mail::transport::Transport;

use super::{TEXT, contains, mail, permanent, temporary, transport};
use crate::servers::smtp::{Kind, Options, SmtpServer};

#[tokio::test]
async fn refusals_are_told_apart_from_postponements() {
    for kind in [Kind::Python, Kind::Node] {
        let server = SmtpServer::start(&Options { kind, ..Options::default() });
        let transport = transport(&server.account());
        let mail = mail(TEXT, None).await;
        for (behaviour, parts) in
            [("rcpt-4xx", ["450", "come back later"]), ("data-4xx", ["451", "not now"])]
        {
            server.behave(behaviour);
            contains(&temporary(transport.deliver(&mail).await), &parts);
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
    let hanging = async |behaviour: &str, parts: &[&str]| {
        let server = SmtpServer::start(&Options::default());
        let transport = transport(&server.account()).time(Duration::from_secs(6));
        server.behave(behaviour);
        contains(&temporary(transport.deliver(&mail).await), parts);
        // And with it goes the connection: the next mail is not added to this one.
        server.behave("accept");
        transport.deliver(&mail).await.unwrap();
        let kept = server.mails();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].content, mail.content.as_slice());
    };
    tokio::join!(
        hanging("greeting-hang", &["greet in time", "`mail_tls`"]),
        hanging("rcpt-hang", &["in time", "naming the receiver"]),
        hanging("data-hang", &["in time", "it is not known whether it has the mail"]),
    );
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
