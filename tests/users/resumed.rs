//! Runs that were stopped at a place that the test chooses, and what the next one makes of it.

use std::io::{PipeReader, Read, Write, pipe};
use std::process::Child;

use super::*;

/// A run that stops in the middle of what it tells: its standard error takes some 500 bytes and no more.
/// Dropping the reader or reading it lets it go on.
fn choked(site: &Site, arguments: &[&str]) -> (Child, PipeReader) {
    const HELD: usize = 64 << 10;
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'.'; HELD - 512]).unwrap();
    let mut command = site.command(&["users"]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    (command.spawn().unwrap(), reader)
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

fn refused_line(number: usize) -> Json {
    json!({ "email": format!("r{number:06}@example.com"), "role": "admin" })
}

/// Users, but lines that are refused at these places.
fn with_refused(path: &Path, users: usize, refused: impl Fn(usize) -> bool) {
    let line = |number| if refused(number) { refused_line(number) } else { line(number) };
    write_lines(path, (0..users).map(line));
}

fn numbers(rejected: &Path) -> Vec<u64> {
    let text = fs::read_to_string(rejected).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.map(|line| line["line"].as_u64().unwrap()).collect()
}

fn bytes(position: &Path) -> u64 {
    let text = fs::read_to_string(position).unwrap_or_default();
    serde_json::from_str::<Json>(&text).map_or(0, |position| position["bytes"].as_u64().unwrap())
}

/// An import that has a position, and has kept refused lines before it and after.
fn stopped() -> (Site, [String; 2]) {
    let site = Site::new(&[]);
    let [given, rejected] = ["given.jsonl", "rejected.jsonl"].map(|name| site.path().join(name));
    with_refused(&given, USERS, |number| number == 3 || (5000..5040).contains(&number));
    let paths = [&given, &rejected].map(|path| path.to_str().unwrap().to_owned());
    let (child, _reader) = choked(&site, &["import", &paths[0], "--rejected", &paths[1]]);
    let position = site.path().join("given.jsonl.position");
    servers::wait_for("refused lines behind the position", || {
        bytes(&position) > 0 && rejected.exists() && numbers_so_far(&rejected) > 1
    });
    kill(child);
    (site, paths)
}

fn numbers_so_far(rejected: &Path) -> usize {
    fs::read_to_string(rejected).unwrap().lines().count()
}

#[test]
fn an_import_that_goes_on_takes_no_other_file_for_the_refused_lines() {
    let (site, [given, rejected]) = stopped();
    let other = site.path().join("other.jsonl");
    write_lines(&other, (0..100_000).map(line));
    let other = other.to_str().unwrap();
    let link = site.path().join("link.jsonl");
    fs::hard_link(&given, &link).unwrap();
    let before = [&*given, other].map(|path| fs::read(path).unwrap());
    for (path, why) in [
        (&*given, "is what is imported"),
        (link.to_str().unwrap(), "is what is imported"),
        (&format!("{given}.position"), "how far it is"),
        (other, "rejected.jsonl"),
    ] {
        let output = users(&site, &["import", &given, "--rejected", path]);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(path) && told.contains(why), "{told}");
    }
    let output = users(&site, &["import", &given]);
    assert!(output.status.code() == Some(2) && told(&output).contains("rejected.jsonl"));
    assert!([&*given, other].map(|path| fs::read(path).unwrap()) == before, "was written to");

    let output = users(&site, &["import", &given, "--rejected", &rejected]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let expected: Vec<u64> = [4].into_iter().chain(5001..5041).collect();
    assert_eq!(numbers(Path::new(&rejected)), expected);
}

#[test]
fn a_file_of_refused_lines_that_was_changed_is_left_alone() {
    let (site, [given, rejected]) = stopped();
    let kept = fs::read_to_string(&rejected).unwrap();
    for changed in [format!("{kept}my own notes\n"), kept.replacen("admin", "owner", 1)] {
        fs::write(&rejected, &changed).unwrap();
        let output = users(&site, &["import", &given, "--rejected", &rejected]);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert_eq!(fs::read_to_string(&rejected).unwrap(), changed);
    }
}

#[test]
fn an_import_that_was_killed_within_its_first_lines_goes_on() {
    let site = Site::new(&[]);
    let [given, rejected] = ["given.jsonl", "rejected.jsonl"].map(|name| site.path().join(name));
    with_refused(&given, 200, |number| number < 40);
    let import = ["import", given.to_str().unwrap(), "--rejected", rejected.to_str().unwrap()];
    let (child, _reader) = choked(&site, &import);
    servers::wait_for("a refused line", || {
        fs::metadata(&rejected).is_ok_and(|about| about.len() > 0)
    });
    kill(child);
    let output = users(&site, &import);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(numbers(&rejected), (1..=40).collect::<Vec<u64>>());
}

#[test]
fn an_import_of_a_file_that_is_shortened_meanwhile_fails() {
    let site = Site::new(&[]);
    let given = site.path().join("given.jsonl");
    with_refused(&given, 30_000, |number| (3000..3040).contains(&number));
    let (mut child, mut reader) = choked(&site, &["import", given.to_str().unwrap()]);
    let position = site.path().join("given.jsonl.position");
    servers::wait_for("a position", || bytes(&position) > 0);
    fs::File::options().write(true).open(&given).unwrap().set_len(1000).unwrap();
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(told.contains("was shortened while it was read"), "{}", told.trim_matches('.'));
    assert!(position.exists());
}

#[test]
fn who_was_left_out_before_an_export_was_killed_is_not_forgotten() {
    let site = Site::new(&[]);
    let given = site.path().join("given.jsonl");
    write_lines(&given, (0..USERS).map(line));
    done(&site, &["import", given.to_str().unwrap()]);
    let store = rusqlite::Connection::open(site.database()).unwrap();
    let set = |email: &str, from: usize, until: usize| {
        let sql = format!(
            "UPDATE users SET document = json_set(document, '$.email', {email}) \
             WHERE email BETWEEN 'u{from:06}' AND 'u{until:06}'"
        );
        store.execute(&sql, []).unwrap()
    };
    assert_eq!(set("7", 0, 1) + set("7", 5000, 5200), 201);
    let out = site.path().join("out.jsonl");
    let export = ["export", "--quiet", "--output", out.to_str().unwrap()];
    let (child, _reader) = choked(&site, &export);
    let part = site.path().join("out.jsonl.part");
    servers::wait_for("users are written", || {
        fs::metadata(&part).is_ok_and(|about| about.len() > 0)
    });
    kill(child);
    assert_eq!(set("email", 5000, 5200), 200);
    let output = users(&site, &export);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("an earlier run left out"), "{told}");
    assert!(told.contains("as they were then"), "{told}");
    assert_eq!(lines(&out).len(), USERS - 1);
}
