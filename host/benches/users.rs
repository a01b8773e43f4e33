//! A million users into a database with the program, out of it and into another, on SQLite and on MongoDB,
//! beside what the store takes for the same documents without it. Then both ways again, each killed
//! twice and gone on with: they must end with the same users.
//!
//! `cargo bench --bench users`, or `-- sqlite` or `-- mongodb` for one of them; the server is that of the
//! tests. `USERS` in the environment is another number than a million; with few, a run ends before it is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing, dead_code, unreachable_pub, unused_imports, unused_macros)] // it needs a part of what the tests need

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::IndexModel;
use mongodb::options::IndexOptions;
use program::{Ground, Site};
use rusqlite::{Connection, params};
use serde_json::Value as Json;
use servers::mongod::{Database, Mongod};

#[path = "../../tests/program.rs"]
mod program;
#[path = "../../tests/servers/mod.rs"]
mod servers;

/// Records that the store alone is given at once: as many as the program gives it.
const BATCH: usize = 1000;
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(5);

fn main() {
    let users = std::env::var("USERS").map_or(1_000_000, |users| users.parse().unwrap());
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let named = |store: &str| asked.iter().any(|argument| argument == store);
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path().join("given.jsonl");
    write_users(&given, users);
    println!("{users} users, {:.0} MiB of lines", mib(&given));
    if named("sqlite") || !named("mongodb") {
        println!("\nSQLite");
        both_ways(Ground::Embedded, &given, users, sqlite_alone);
    }
    if named("mongodb") || !named("sqlite") {
        println!("\nMongoDB, a single server with a cache of 256 MiB");
        both_ways(Ground::Single, &given, users, mongodb_alone);
    }
}

/// As an export writes them, with the hash of a password, in no order. Every fiftieth is blocked.
fn write_users(path: &Path, users: u64) {
    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$QmFzZTY0SGFzaFRoYXRJc1RoaXJ0eVR3b0J5dGVzMTI";
    let mut file = BufWriter::new(File::create(path).unwrap());
    for number in 0..users {
        let name = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(
            file,
            r#"{{"email":"{name:016x}@example.com","address":"{name:016x}@example.com","password":"{HASH}","verified":true,"blocked":{},"custom_data":{{"plan":"free"}},"made":{}}}"#,
            number % 50 == 0,
            1_700_000_000 + number,
        )
        .unwrap();
    }
    file.flush().unwrap();
}

/// In, out, and in again; then out and in, killed twice each.
fn both_ways(ground: Ground, given: &Path, users: u64, alone: fn(&Path) -> Duration) {
    let length = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
    let took_alone = alone(given);
    rate("the store alone, in no order", users, took_alone, None);
    let expected = sorted(given);
    let first = Site::on(ground, &[]);
    let out = first.path().join("out.jsonl");
    let export = ["export", "--output", out.to_str().unwrap()];
    let import = ["import", given.to_str().unwrap()];
    let run_in = run(&first, &import, None);
    rate("in, in no order", users, run_in.took, Some(&run_in));
    println!("  the store alone takes {:.2} of that", ratio(took_alone, run_in.took));
    let run_out = run(&first, &export, None);
    rate("out", users, run_out.took, Some(&run_out));
    assert!(expected == sorted(&out), "other users came out than went in");

    let took_alone = alone(&out);
    rate("the store alone, in again", users, took_alone, None);
    let import = ["import", out.to_str().unwrap()];
    let second = Site::on(ground, &[]);
    let run_in = run(&second, &import, None);
    rate("in again", users, run_in.took, Some(&run_in));
    println!("  the store alone takes {:.2} of that", ratio(took_alone, run_in.took));
    drop(second);

    let third = Site::on(ground, &[]);
    let again = third.path().join("again.jsonl");
    let export = ["export", "--output", again.to_str().unwrap()];
    let position = out.with_extension("jsonl.position");
    let imported = || {
        let position = fs::read(&position).ok()?;
        serde_json::from_slice::<Json>(&position).ok()?["bytes"].as_u64()
    };
    let part = again.with_extension("jsonl.part");
    killed_twice("in", &third, &import, users, length(&out), &|| imported().unwrap_or(0));
    killed_twice("out", &third, &export, users, length(&out), &|| length(&part));
    assert!(expected == sorted(&again), "other users came out than went in, after kills");
}

/// Killed when a third of it is done, and when two thirds are.
fn killed_twice(
    what: &str,
    site: &Site,
    arguments: &[&str],
    users: u64,
    whole: u64,
    done: &dyn Fn() -> u64,
) {
    let mut runs = Vec::new();
    for kill in [Some(whole / 3), Some(2 * whole / 3), None] {
        let stop = || kill.is_some_and(|kill| done() > kill);
        let run = run(site, arguments, Some(&stop));
        assert_eq!(run.killed, kill.is_some(), "{what}: {}", run.told);
        let goes_on = run.told.contains("going on after");
        assert_eq!(goes_on, !runs.is_empty(), "{what}: {}", run.told);
        runs.push(run);
    }
    let took = runs.iter().map(|run| run.took).sum();
    let most = runs.iter().max_by_key(|run| run.memory);
    rate(&format!("{what}, killed twice"), users, took, most);
}

/// What became of a process.
struct Run {
    took: Duration,
    /// The most that it had of the machine's memory, in KiB.
    memory: u64,
    /// The same, when it had come to a quarter of its time.
    early: u64,
    killed: bool,
    /// On standard error.
    told: String,
}

/// `portcullis users`, killed when `stop` says so.
fn run(site: &Site, arguments: &[&str], stop: Option<&dyn Fn() -> bool>) -> Run {
    let told = site.path().join("told");
    let mut command = site.command(&["users"]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(&told).unwrap());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut seen = Vec::new();
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let most = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        seen.extend(most.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok()));
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if stop.is_some_and(|stop| stop()) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(LOOK);
    };
    let took = begun.elapsed();
    let told = fs::read_to_string(told).unwrap();
    assert!(ended.is_none_or(|status| status.success()), "{told}");
    let memory = seen.last().copied().unwrap_or(0);
    let early = seen.get(seen.len() / 4).copied().unwrap_or(0);
    Run { took, memory, early, killed: ended.is_none(), told }
}

fn rate(what: &str, users: u64, took: Duration, run: Option<&Run>) {
    print!(
        "  {what:<28} {:>6.1} s {:>8.0} a second",
        took.as_secs_f64(),
        users as f64 / took.as_secs_f64()
    );
    match run {
        Some(run) => {
            let [early, most] = [run.early, run.memory].map(|kib| kib as f64 / 1024.0);
            println!("   at most {most:.0} MiB; {early:.0} MiB after a quarter of the time");
        }
        None => println!(),
    }
}

/// The documents of the lines, in transactions of a batch, each durable.
fn sqlite_alone(given: &Path) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut db = Connection::open(folder.path().join("alone.db")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         CREATE TABLE users (email TEXT NOT NULL PRIMARY KEY, document TEXT NOT NULL) STRICT;",
    )
    .unwrap();
    for_batches(given, |lines| {
        let transaction = db.transaction().unwrap();
        let mut insert = transaction.prepare_cached("INSERT INTO users VALUES (?1, ?2)").unwrap();
        for line in lines {
            let user: Json = serde_json::from_str(line).unwrap();
            insert.execute(params![user["email"].as_str(), line]).unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    });
    begun.elapsed()
}

/// The documents of the lines, with a unique index, a batch in each command.
fn mongodb_alone(given: &Path) -> Duration {
    let database = Database::from(Mongod::shared());
    let begun = Instant::now();
    servers::blocking(async {
        let users = database.open().await.collection::<Document>("users");
        let unique = IndexOptions::builder().unique(true).build();
        let index = IndexModel::builder().keys(doc! { "email": 1 }).options(unique).build();
        users.create_index(index).await.unwrap();
        let mut batches = Vec::new();
        for_batches(given, |lines| {
            let documents =
                lines.iter().map(|line| serde_json::from_str::<Document>(line).unwrap());
            batches.push(documents.collect::<Vec<_>>());
        });
        for batch in batches {
            users.insert_many(batch).ordered(false).await.unwrap();
        }
    });
    begun.elapsed()
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn for_batches(given: &Path, mut take: impl FnMut(&[String])) {
    let mut lines = BufReader::new(File::open(given).unwrap()).lines().map(Result::unwrap);
    loop {
        let batch: Vec<String> = lines.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return;
        }
        take(&batch);
    }
}

fn sorted(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn mib(path: &Path) -> f64 {
    fs::metadata(path).unwrap().len() as f64 / f64::from(1 << 20)
}
