//! Several processes on one file. The test program runs itself again for that.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

const FILE: &str = "PORTCULLIS_TEST_FILE";
const START: &str = "PORTCULLIS_TEST_START";
const PROCESSES: u64 = 4;
const EACH: u64 = 25;

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Starts this test program again with one of the parts below, which begins at the given time.
fn start(part: &str, file: &Path, at: u128) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("store::sqlite::tests::processes::{part}")])
        .env(FILE, file)
        .env(START, at.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// In a started process: the file, once the time has come. `None` in an ordinary test run.
fn started() -> Option<std::path::PathBuf> {
    let file = std::env::var_os(FILE)?;
    let at: u128 = std::env::var(START).unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_millis(at.saturating_sub(now()) as u64));
    Some(file.into())
}

/// Part of the test below: opens the file, wins or loses a creation, and counts.
#[tokio::test]
async fn part_that_counts() {
    let Some(file) = started() else { return };
    let store = open(&file);
    if let Ok(Verdict::Committed(_)) = store.commit(&[put("users", "one", None, 0)]).await {
        println!("won");
    }
    for _ in 0..EACH {
        loop {
            let found = numbers(&store, "count").await;
            let (version, n) =
                found.first().map_or((None, 0), |(_, version, n)| (Some(version.as_str()), *n));
            match store.commit(&[put("limit", "count", version, n + 1)]).await {
                Ok(Verdict::Committed(_)) => break,
                Ok(Verdict::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn processes_that_make_one_file_at_once_share_it_and_lose_nothing() {
    for _ in 0..3 {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("new/s.db");
        let at = now() + 300;
        let children: Vec<Child> =
            (0..PROCESSES).map(|_| start("part_that_counts", &file, at)).collect();
        let mut winners = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{text}");
            winners += text.matches("won").count();
        }
        assert_eq!(winners, 1, "one creates, the others conflict");
        let found = numbers(&open(&file), "count").await;
        assert_eq!(found.first().map(|(.., n)| *n), Some(PROCESSES * EACH));
    }
}

/// Part of the test below: writes until it is killed, and says what was acknowledged.
#[tokio::test]
async fn part_that_is_killed() {
    let Some(file) = started() else { return };
    let store = open(&file);
    for n in 0.. {
        commit(&store, &[put("users", &format!("{n}"), None, n), put("limit", "k", None, n)]).await;
        let version = numbers(&store, "k").await.remove(0).1;
        let (collection, key) = ("limit".to_owned(), "k".to_owned());
        println!("acknowledged {n}");
        commit(&store, &[Change::Remove(crate::store::Removal { collection, key, version })]).await;
    }
}

/// What a process acknowledges from here on, until it is gone.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.filter_map(|line| {
        line.unwrap().rsplit_once("acknowledged ").map(|(_, n)| n.parse::<u64>().unwrap())
    })
}

#[tokio::test]
async fn a_killed_process_leaves_what_it_was_acknowledged_and_nothing_half_done() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let mut last = None;
    for _ in 0..3 {
        let mut child = start("part_that_is_killed", &file, now());
        let mut acknowledged = acknowledged(&mut child);
        last = last.max(acknowledged.nth(15));
        child.kill().unwrap();
        last = last.max(acknowledged.last());
        child.wait().unwrap();

        let store = open(&file);
        let last = last.expect("something was acknowledged");
        for n in 0..=last {
            assert_eq!(numbers(&store, &format!("{n}")).await.len(), 1, "{n} of {last} is gone");
        }
        crate::store::Database::remove_all(&store).await.unwrap();
    }
}

#[tokio::test]
async fn a_process_killed_while_it_brings_the_log_into_the_file_has_lost_nothing() {
    let folder = TempDir::new().unwrap();
    for round in 0..10 {
        let file = folder.path().join(format!("{round}.db"));
        drop(open(&file));
        let written = || std::fs::metadata(&file).unwrap().modified().unwrap();
        let before = written();
        // A second process, so that nothing is brought in by one that opens the file alone.
        let other = open(&file);
        let mut child = start("part_that_is_killed", &file, now());
        let acknowledged = acknowledged(&mut child);
        let reader = std::thread::spawn(|| acknowledged.last());
        // Only the log is written, but for the moments in which it is brought into the file.
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while written() == before {
            assert!(std::time::Instant::now() < deadline, "the log is never brought in");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let last = reader.join().unwrap().expect("something was acknowledged");

        let store = open(&file);
        for n in 0..=last {
            assert_eq!(numbers(&store, &format!("{n}")).await.len(), 1, "{n} of {last} is gone");
        }
        drop(other);
    }
}
