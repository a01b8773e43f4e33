//! What is stored: no secret stands in the clear in the files of the store, nor in an event.

use std::fs;

use super::logs::{SETTINGS, whole_life};
use crate::servers::gateway::Gateway;

#[test]
fn no_file_of_the_store_and_no_event_holds_a_secret() {
    let gateway = Gateway::start(SETTINGS);
    let secrets = whole_life(&gateway);
    // While the process runs: what it has written last stands in the journal alone.
    let files = ["portcullis.db", "portcullis.db-wal"];
    let files = files.map(|file| fs::read(gateway.data().join(file)).unwrap());
    for bytes in &files {
        secrets.are_not_in("the store", bytes);
    }
    let email = b"new@example.com".as_slice();
    let holds = |bytes: &Vec<u8>| bytes.windows(email.len()).any(|part| part == email);
    assert!(files.iter().any(holds), "what is no secret can be read");
    let events = gateway.admin("default").get("/v1/audit").is(200).text();
    assert!(events.contains("email-change-request") && events.contains("password-reset"));
    secrets.are_not_in("the audit log", events.as_bytes());
    let read = crate::servers::run(&mut gateway.command(&["audit", "--json"])).unwrap().stdout;
    secrets.are_not_in("the audit log as it is printed", &read);
}
