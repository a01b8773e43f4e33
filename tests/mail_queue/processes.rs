//! Real processes of the program on one folder, with a real mail server.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use portcullis::mail::smtp::MailTls;
use serde_json::json;

use crate::program::Site;
use crate::servers::smtp::{Options, PASSWORD, SmtpServer, USER};

/// A folder whose processes send through the server.
fn site(server: &SmtpServer) -> Site {
    let mut site = Site::new(&[]);
    site.set("mail_info.server", "localhost");
    site.set("mail_info.port", &server.port.to_string());
    site.set("mail_info.username", USER);
    site.set("mail_info.password", PASSWORD);
    site.set("mail_tls", "none");
    site
}

fn server() -> SmtpServer {
    SmtpServer::start(&Options { tls: MailTls::None, ..Options::default() })
}

/// The Message-IDs of what has arrived.
fn ids(server: &SmtpServer) -> Vec<String> {
    let id = |content: &[u8]| {
        let parsed = MessageParser::default().parse(content).unwrap();
        parsed.message_id().unwrap().to_owned()
    };
    server.mails().iter().map(|mail| id(&mail.content)).collect()
}

/// Wait for something that other processes bring about.
#[track_caller]
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not within two minutes: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn waiting(site: &Site) -> i64 {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.query_row("SELECT count(*) FROM mail", [], |row| row.get(0)).unwrap()
}

#[test]
fn mail_that_waits_is_sent_once_by_one_of_many_processes() {
    let server = server();
    let site = site(&server);
    let mut workers = site.workers(4);
    server.behave("rcpt-4xx");
    for (at, worker) in workers.iter_mut().enumerate() {
        for number in 0..10 {
            let user = json!({"email": format!("u{at}-{number}@example.com")});
            assert_eq!(worker.call("register_user_no_pass", user)["success"], true);
        }
    }
    assert_eq!((waiting(&site), ids(&server).len()), (40, 0));
    server.behave("accept");
    until("the queue is empty", || waiting(&site) == 0);
    let ids = ids(&server);
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (40, 40));
}

#[test]
fn mail_that_a_killed_process_had_in_hand_is_sent_by_another() {
    let server = server();
    let site = site(&server);
    let mut dies = site.worker();
    server.behave("rcpt-4xx");
    dies.call("register_user_no_pass", json!({"email": "ann@example.com"}));
    server.behave("rcpt-hang");
    let worker = |field: &str| {
        let db = rusqlite::Connection::open(site.database()).unwrap();
        let sql = format!("SELECT document ->> '{field}' IS NOT NULL FROM mail");
        db.query_row(&sql, [], |row| row.get::<_, bool>(0)).unwrap()
    };
    until("the mail is in hand", || worker("worker"));
    drop(dies); // by SIGKILL
    server.behave("accept");
    let _survivor = site.worker();
    until("the queue is empty", || waiting(&site) == 0);
    assert_eq!(ids(&server).len(), 1);
}

#[test]
fn single_calls_deliver_what_is_due() {
    let server = server();
    let site = site(&server);
    let call = |function: &str, email: &str| {
        let arguments = json!({"email": email}).to_string();
        let output = site.command(&["call", function, &arguments]).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    server.behave("rcpt-4xx");
    let (reply, log) = call("register_user_no_pass", "ann@example.com");
    assert_eq!(reply, "{\"success\":true,\"message\":\"Verification email sent.\"}\n", "{log}");
    assert!(log.contains("a mail is queued") && log.contains("come back later"), "{log}");
    assert!(!log.contains("outbox") && !log.contains("ann@"), "{log}");
    assert_eq!(waiting(&site), 1);
    server.behave("accept");
    until("the queue is empty", || {
        call("is_verified", "ann@example.com");
        waiting(&site) == 0
    });
    assert_eq!(ids(&server).len(), 1);
}
