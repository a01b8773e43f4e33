//! The compiled component, kept from one start to the next.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::servers::gateway::{Gateway, UNLIMITED};

/// The one file in which the code is.
fn code(gateway: &Gateway) -> PathBuf {
    let folder = gateway.data().join("compiled").read_dir().unwrap();
    let files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// In its place something that is whole, as far as its digest tells, and no code that any engine would
/// take.
fn put_foreign(gateway: &Gateway) -> Vec<u8> {
    let mut foreign = Sha256::digest(b"foreign").to_vec();
    foreign.extend_from_slice(b"foreign");
    fs::write(code(gateway), &foreign).unwrap();
    foreign
}

fn restart(gateway: &Gateway) {
    gateway.signal("TERM");
    gateway.wait();
    gateway.serve(|_| ());
    // A call runs in it.
    gateway.client().post("/v1/session", json!({"email": "a@b.c", "password": "wrong"})).is(401);
}

#[test]
fn the_next_start_takes_the_code_that_the_first_has_kept() {
    let gateway = Gateway::start(UNLIMITED);
    let file = code(&gateway);
    let written = || fs::metadata(&file).unwrap().modified().unwrap();
    let first = written();
    restart(&gateway);
    assert_eq!((code(&gateway), written()), (file.clone(), first));
    // A command uses it, too, whatever settings it has.
    let mut command = gateway.command(&["call", "is_verified", r#"{"email": "a@b.c"}"#]);
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    assert_eq!((code(&gateway), written()), (file.clone(), first));
}

#[test]
fn damaged_code_is_not_run_and_is_made_anew() {
    let gateway = Gateway::start(UNLIMITED);
    let file = code(&gateway);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, &damaged).unwrap();
    restart(&gateway);
    assert_eq!(fs::read(code(&gateway)).unwrap().len(), whole.len());
    assert!(fs::read(code(&gateway)).unwrap() != damaged);
}

#[cfg(unix)]
#[test]
fn code_that_others_can_write_is_not_run_and_the_log_says_so() {
    use std::os::unix::fs::PermissionsExt;

    let gateway = Gateway::start(UNLIMITED);
    let folder = gateway.data().join("compiled");
    let foreign = put_foreign(&gateway);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    restart(&gateway);
    let log = gateway.log();
    assert!(log.contains("that was kept is not used"), "{log}");
    assert!(log.contains("others than this user can write"), "{log}");
    assert_eq!(fs::read(code(&gateway)).unwrap(), foreign);
}

#[test]
fn code_that_the_engine_does_not_take_is_made_anew() {
    let gateway = Gateway::start(UNLIMITED);
    let foreign = put_foreign(&gateway);
    restart(&gateway);
    assert!(gateway.log().contains("that was kept is not used"), "{}", gateway.log());
    assert!(fs::read(code(&gateway)).unwrap().len() > foreign.len());
}
