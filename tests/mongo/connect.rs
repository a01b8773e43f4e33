//! Getting to a server, or being told why not.

use serde_json::json;

use crate::program::Site;
use crate::servers::mongod::{Mongod, ROOT};

/// The program ends with 2 and says why, without a word of the connection string.
fn refused(site: &Site, why: &str) {
    let call = ["call", "user_count"];
    let output = site.command(&call).env("PORTCULLIS_LOG", "trace").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(why), "{said}");
    for secret in [ROOT.0, ROOT.1, "password%20", "wrong", "%3A"] {
        assert!(!said.contains(&format!("{secret}@")) && !said.contains(ROOT.1), "{said}");
        assert!(secret == ROOT.0 || !said.contains(secret), "{said}");
    }
}

fn guarded() -> Site {
    Site::at(Mongod::guarded(), &[("db_attempts", 1)])
}

#[test]
fn a_name_a_password_and_a_certificate_lead_to_a_guarded_server() {
    let site = guarded();
    let mut worker = site.worker();
    assert_eq!(worker.call("user_count", json!({})), 0);
    assert!(!site.log().contains(ROOT.1));
}

#[test]
fn a_wrong_password_is_told() {
    let site = guarded();
    let uri = site.server().uri.replace("password", "wrong");
    refused(&site.with("mongo_uri", uri), "log-in");
}

#[test]
fn a_log_in_that_is_missing_is_told() {
    refused(&guarded().with("mongo_uri", Mongod::guarded().uri_without_user()), "mongo_uri");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let site = guarded();
    let uri = site.server().uri.clone();
    let own = Site::new(&[("db_attempts", 1)]).with("mongo_uri", uri).with("db_name", "test");
    refused(&own.with("db_timeout", 2000), "MongoDB");
}

#[test]
fn a_server_that_is_not_there_is_tried_as_often_as_the_settings_say() {
    let port = crate::servers::free_port();
    let site = Site::new(&[("db_attempts", 3), ("db_delay", 0), ("db_timeout", 300)])
        .with("mongo_uri", format!("mongodb://user:{}@127.0.0.1:{port}/", "wrong"))
        .with("db_name", "test");
    refused(&site, "attempt 3 of 3");
}
