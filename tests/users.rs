//! Moving users out of a database and into one with the program, on every ground.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::program::{Ground, Site, on_every_ground};
use crate::servers;

mod resumed;

on_every_ground! {
    users_are_the_same_after_a_way_out_and_in_that_was_killed_twice_each
    what_is_wrong_with_a_line_is_told_and_the_others_go_in
}

/// So many that a run lasts for several pages, and is killed in the middle.
const USERS: usize = 8_000;

fn line(number: usize) -> Json {
    json!({
        "email": format!("u{number:06}@example.com"),
        "address": format!("U{number:06}@example.com"),
        "password": null,
        "verified": number.is_multiple_of(2),
        "blocked": number.is_multiple_of(7),
        "custom_data": { "number": number, "ö.$": [1.50, null] },
        "made": 1_700_000_000 + number,
    })
}

fn write_lines(path: &Path, lines: impl Iterator<Item = Json>) {
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

/// The lines of a file, in no order, each once.
fn lines(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let sorted: BTreeSet<String> =
        text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap().to_string()).collect();
    assert_eq!(sorted.len(), text.lines().count(), "a user is there twice");
    sorted
}

fn users(site: &Site, arguments: &[&str]) -> Output {
    let mut command = site.command(&["users"]);
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn done(site: &Site, arguments: &[&str]) -> String {
    let output = users(site, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Kill it once it has left something in this file, and a moment later.
fn killed_after(site: &Site, arguments: &[&str], sign: &Path, length: u64) {
    let mut command = site.command(&["users"]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    servers::wait_for("a sign of progress", || {
        let begun = fs::metadata(sign).is_ok_and(|about| about.len() > length);
        begun || child.try_wait().unwrap().is_some()
    });
    thread::sleep(Duration::from_millis(20));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn users_are_the_same_after_a_way_out_and_in_that_was_killed_twice_each(ground: Ground) {
    let (from, to) = (Site::on(ground, &[]), Site::on(ground, &[]));
    let given = from.path().join("given.jsonl");
    write_lines(&given, (0..USERS).map(line));
    let import = ["import", given.to_str().unwrap()];
    let position = from.path().join("given.jsonl.position");
    for _ in 0..2 {
        killed_after(&from, &import, &position, 0);
    }
    let said = done(&from, &import);
    assert!(said.contains("0 refused"), "{said}");
    assert!(!position.exists(), "an import that is done leaves no position");

    let out = from.path().join("out.jsonl");
    let export = ["export", "--output", out.to_str().unwrap()];
    let part = from.path().join("out.jsonl.part");
    for length in [0, 200_000] {
        killed_after(&from, &export, &part, length);
    }
    if !out.exists() {
        done(&from, &export);
    }
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(lines(&out), (0..USERS).map(|number| line(number).to_string()).collect());

    done(&to, &["import", out.to_str().unwrap()]);
    let again = done(&to, &["export"]);
    assert_eq!(again, fs::read_to_string(&out).unwrap());
    // Once more changes nothing, and nobody is put in twice.
    let said = done(&to, &["import", out.to_str().unwrap()]);
    assert!(said.contains(&format!("0 put in, {USERS} already there")), "{said}");
}

fn what_is_wrong_with_a_line_is_told_and_the_others_go_in(ground: Ground) {
    let site = Site::on(ground, &[]);
    let file = site.path().join("users.jsonl");
    let good =
        |email: &str, blocked: bool| json!({ "email": email, "blocked": blocked }).to_string();
    let text = [
        good("ann@example.com", false),
        "[1]".into(),
        good("no address", false),
        good("bob@example.com", true),
        json!({ "email": "cid@example.com", "password": "$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA" }).to_string(),
        json!({ "email": "dan@example.com", "role": "admin" }).to_string(),
        json!({ "email": "ANN@example.com", "verified": true }).to_string(),
    ]
    .join("\n");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();

    let dry = users(&site, &["import", "--dry-run", file]);
    assert_eq!(dry.status.code(), Some(1));
    assert_eq!(done(&site, &["list", "--json"]), "");

    let output = users(&site, &["import", file]);
    assert_eq!(output.status.code(), Some(1));
    let told = told(&output);
    for (number, what) in
        [(2, "object"), (3, "email"), (5, "password"), (6, "role"), (7, "differs")]
    {
        let found =
            told.lines().any(|it| it.contains(&format!("line {number}")) && it.contains(what));
        assert!(found, "line {number}, {what}: {told}");
    }
    assert!(!told.contains("aGFzaGhhc2g"), "{told}");
    let mut worker = site.worker();
    let blocked = worker.call("is_blocked", json!({ "email": "bob@example.com" }));
    assert_eq!(blocked["message"], "User is blocked.");
    let blocked = worker.call("is_blocked", json!({ "email": "ann@example.com" }));
    assert_eq!(blocked["message"], "User is not blocked.");
    let verified = worker.call("is_verified", json!({ "email": "ann@example.com" }));
    assert_eq!(verified["message"], "User is not verified.");
    assert_eq!(done(&site, &["list", "--json"]).lines().count(), 2);
}

#[test]
fn hashes_of_other_programs_sign_in_and_are_replaced_by_argon2id() {
    let site = Site::new(&[]);
    let file = site.path().join("users.jsonl");
    let hashes = [
        (
            "scrypt",
            "$scrypt$ln=12,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$/jx4uMnBLEcnyBJyK5rKAfmnFbwMBoBPE5YY+OEpHOo",
        ),
        (
            "pbkdf2",
            "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
        ),
        ("bcrypt", "$2b$04$YqyF9R5McsicUSiXpVXGkORp3D1mzXqVQAyfq76JLsDC75uevv/m6"),
    ];
    let user = |name: &str, hash: &str| json!({ "email": format!("{name}@example.com"), "password": hash, "verified": true });
    write_lines(&file, hashes.iter().map(|(name, hash)| user(name, hash)));
    done(&site, &["import", file.to_str().unwrap()]);
    let mut worker = site.worker();
    for (name, _) in hashes {
        let email = format!("{name}@example.com");
        let mut sign_in = |password: &str| {
            worker.call("authenticate_user", json!({ "email": email, "password": password }))
        };
        assert_eq!(sign_in("wrong horse")["success"], false, "{name}");
        assert_eq!(sign_in("correct horse")["success"], true, "{name}");
        assert!(done(&site, &["show", &email]).contains("argon2id"), "{name}");
        assert_eq!(sign_in("correct horse")["success"], true, "{name}, once replaced");
    }
}

#[test]
fn what_is_shown_of_users_has_no_hash_in_it() {
    let site = Site::new(&[]);
    site.worker().call(
        "register_user_no_verif",
        json!({ "email": "ann@example.com", "password": "correct horse" }),
    );
    let shown = [
        done(&site, &["list"]),
        done(&site, &["list", "--json"]),
        done(&site, &["show", "Ann@example.com"]),
    ];
    for text in shown {
        assert!(text.contains("ann@example.com") && !text.contains('$'), "{text}");
    }
    let nobody = users(&site, &["show", "nobody@example.com"]);
    assert_eq!(nobody.status.code(), Some(1));
    // Who has seen all of them is known.
    assert!(done(&site, &["export"]).contains("$argon2id$"));
    let log = site.command(&["audit", "--event", "users-export"]).output().unwrap();
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(log.contains("operator") && log.lines().count() == 2, "{log}");
}

#[test]
fn a_file_that_was_changed_is_not_gone_on_with() {
    let site = Site::new(&[]);
    let file = site.path().join("users.jsonl");
    write_lines(&file, (0..USERS).map(line));
    let import = ["import", file.to_str().unwrap()];
    killed_after(&site, &import, &site.path().join("users.jsonl.position"), 0);
    write_lines(&file, (0..10).map(line).chain([json!({ "email": "new@example.com" })]));
    done(&site, &import);
    assert!(done(&site, &["show", "new@example.com"]).contains("new@example.com"));
}

/// The most memory that an export of so many users has had, in KiB.
fn memory(users: usize) -> u64 {
    let site = Site::new(&[]);
    let file = site.path().join("users.jsonl");
    write_lines(&file, (0..users).map(line));
    done(&site, &["import", file.to_str().unwrap()]);
    let mut command = site.command(&["users", "export"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut output = child.stdout.take().unwrap();
    let mut most = 0;
    let mut buffer = vec![0; 64 << 10];
    while std::io::Read::read(&mut output, &mut buffer).unwrap() > 0 {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|it| it.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(peak.unwrap_or(0));
    }
    assert!(child.wait().unwrap().success());
    most
}

#[test]
fn ten_times_as_many_users_take_no_more_memory() {
    let (few, many) = (memory(4_000), memory(40_000));
    assert!(few > 0 && many < few + few / 2, "{few} KiB, {many} KiB");
}

#[test]
fn a_list_that_is_cut_says_how_to_go_on() {
    let site = Site::new(&[]);
    let file = site.path().join("users.jsonl");
    write_lines(&file, (0..102).map(line));
    done(&site, &["import", file.to_str().unwrap()]);
    let first = users(&site, &["list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&first.stdout).lines().count(), 100);
    let told_first = told(&first);
    assert!(told_first.contains("--after u000099@example.com"), "{told_first}");
    for rest in [
        &["list", "--json", "--after", "u000099@example.com"][..],
        &["list", "--json", "--after", "u000099@example.com", "--limit", "2"],
    ] {
        let rest = users(&site, rest);
        assert_eq!(String::from_utf8_lossy(&rest.stdout).lines().count(), 2);
        assert_eq!(told(&rest), "");
    }
}

#[test]
fn what_is_shown_of_users_commands_no_terminal() {
    let site = Site::new(&[]);
    let file = site.path().join("users.jsonl");
    let data = json!({ "a\u{9b}2J": "\u{7f}\u{85}\u{9f}\u{a0}é" });
    let user =
        json!({ "email": "ann@example.com", "custom_data": data, "other": { "b\u{90}": 1 } });
    write_lines(&file, [user.clone()].into_iter());
    done(&site, &["import", file.to_str().unwrap()]);
    let shown = done(&site, &["show", "ann@example.com"]);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.contains(r"\u009b2J") && shown.contains("\u{a0}é"), "{shown:?}");
    let read: Json = serde_json::from_str(&shown).unwrap();
    assert_eq!((&read["custom_data"], &read["other"]), (&data, &user["other"]));
    // What is written for programs is written to the letter.
    assert!(done(&site, &["export"]).contains("\u{9b}2J"));
}
