//! `portcullis check`: what it says of a configuration that works, and of one that does not.

use portcullis::mail::smtp::MailTls;

use crate::program::{Ground, Site};
use crate::servers::smtp::{Options, PASSWORD, SmtpServer, USER, authority};

/// What it says, and how it ends.
fn checked(site: &Site) -> (String, Option<i32>) {
    let output = site.command(&["check"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for line in said.lines() {
        let known = ["ok     ", "note   ", "WRONG  "].iter().any(|word| line.starts_with(word));
        assert!(known, "{said}");
    }
    (said, output.status.code())
}

#[track_caller]
fn right(site: &Site, lines: &[&str]) {
    let (said, code) = checked(site);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("WRONG"), "{said}");
    for line in lines {
        assert!(said.contains(line), "{line} in\n{said}");
    }
}

#[track_caller]
fn wrong(site: &Site, line: &str) {
    let (said, code) = checked(site);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.lines().any(|it| it.starts_with("WRONG") && it.contains(line)), "{said}");
}

fn with_mail(site: Site, server: &SmtpServer, password: &str) -> Site {
    site.with("mail_info.server", "localhost")
        .with("mail_info.port", server.port)
        .with("mail_info.username", USER)
        .with("mail_info.password", password)
        .with("certs", authority().display())
}

#[test]
fn without_any_configuration_everything_is_right() {
    let lines = ["ok     store: embedded", "ok     component", "ok     clock", "note   mail"];
    right(&Site::new(&[]), &lines);
}

#[test]
fn a_database_server_is_looked_at_with_its_indexes_and_its_clock() {
    let lines =
        ["ok     store: MongoDB answers: a single server", "ok     indexes", "ok     clocks"];
    right(&Site::on(Ground::Single, &[]), &lines);
    let with_transactions = "ok     store: MongoDB answers: a deployment with transactions";
    right(&Site::on(Ground::ReplicaSet, &[]), &[with_transactions]);
}

#[test]
fn a_database_server_that_is_not_there_is_told_by_its_setting() {
    let port = crate::servers::free_port();
    let site = Site::new(&[("db_timeout", 300)])
        .with("mongo_uri", format!("mongodb://user:hunter2@127.0.0.1:{port}/"))
        .with("db_name", "test");
    wrong(&site, "`mongo_uri` of tenant `default` leads to no database");
    assert!(!checked(&site).0.contains("hunter2"));
}

#[test]
fn the_log_in_at_the_mail_server_is_tried() {
    let server = SmtpServer::start(&Options { tls: MailTls::StartTls, ..Options::default() });
    right(
        &with_mail(Site::new(&[]), &server, PASSWORD),
        &["ok     mail: localhost takes the log-in"],
    );
    let site = with_mail(Site::new(&[]), &server, "not the password");
    wrong(&site, "mail: ");
    assert!(!checked(&site).0.contains("not the password"));
    assert!(server.mails().is_empty(), "nothing is mailed for that");
}

#[test]
fn a_bad_setting_is_told_with_its_place() {
    wrong(&Site::new(&[("code_length", 99)]), "PORTCULLIS_TENANTS__DEFAULT__CODE_LENGTH");
    wrong(&Site::new(&[("db_attempts", 0)]), "PORTCULLIS_TENANTS__DEFAULT__DB_ATTEMPTS");
}
