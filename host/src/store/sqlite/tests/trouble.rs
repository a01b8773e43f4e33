//! Locks that are held, disks that are full, files that are damaged, callers that go away.

use std::fs;
use std::io::{Seek, SeekFrom, Write as _};
use std::sync::Arc;
use std::time::Instant;

use super::super::worker::{Connector, Workers};
use super::super::writer::Write;
use super::*;
use crate::store::{Error, Expectation};

fn unavailable<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unavailable(text)) => text,
        other => panic!("this should be unavailable: {other:?}"),
    }
}

fn hasty() -> Options {
    Options { threads: 2, queue: 1, patience: Duration::from_millis(300) }
}

#[tokio::test]
async fn a_lock_held_too_long_is_unavailable_and_reads_go_on() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = SqliteStore::open(&file, &hasty()).unwrap();
    let version = commit(&store, &[put("users", "k", None, 1)]).await.remove(0);
    let holder = other(&file);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();

    let begin = Instant::now();
    let text = unavailable(store.commit(&[put("users", "k", Some(&version), 2)]).await);
    assert!(text.contains("another process"), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(2), "it took {:?}", begin.elapsed());

    // Reads, and commits that write nothing, need no write lock.
    assert_eq!(numbers(&store, "k").await.len(), 1);
    let expect = |version: Option<&str>| {
        let version = version.map(str::to_owned);
        [Change::Expect(Expectation { collection: "users".into(), key: "k".into(), version })]
    };
    commit(&store, &expect(Some(&version))).await;
    assert!(matches!(store.commit(&expect(None)).await, Ok(Verdict::Conflict)));

    holder.execute_batch("ROLLBACK").unwrap();
    commit(&store, &[put("users", "k", Some(&version), 3)]).await;
}

#[tokio::test]
async fn after_a_long_read_on_a_callers_thread_the_readers_read_for_a_while() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    drop(open(&file));
    let workers = Workers::start(&file, &Options::default()).unwrap();
    let lasts = |time| {
        let read = workers.read_here(move |_| {
            std::thread::sleep(time);
            Ok(())
        });
        read.is_some()
    };
    assert!(lasts(Duration::ZERO), "short reads are done at once");
    assert!(lasts(Duration::from_millis(20)), "this one was begun like the others");
    assert!(!lasts(Duration::ZERO), "but no other after it");
    workers.read(|_| Ok(())).await.expect("the readers do them");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !lasts(Duration::ZERO) {
        assert!(Instant::now() < deadline, "they are never done at once again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_was_told_unavailable_is_not_done_later() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = Arc::new(SqliteStore::open(&file, &hasty()).unwrap());
    let holder = other(&file);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The first is begun, the second waits in the queue, the others for room in it.
    let begin = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..6 {
        let store = store.clone();
        calls.spawn(async move { store.commit(&[put("users", &format!("{n}"), None, n)]).await });
    }
    for result in calls.join_all().await {
        unavailable(result);
    }
    assert!(begin.elapsed() < Duration::from_secs(3), "it took {:?}", begin.elapsed());
    holder.execute_batch("ROLLBACK").unwrap();
    commit(&store, &[put("users", "last", None, 9)]).await;
    for n in 0..6 {
        assert!(numbers(&store, &format!("{n}")).await.is_empty(), "{n} was done later");
    }
}

#[tokio::test]
async fn the_work_of_a_caller_that_has_gone_is_not_begun() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let options = Options { patience: Duration::from_secs(20), ..Options::default() };
    let store = SqliteStore::open(&file, &options).unwrap();
    let holder = other(&file);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (first, second) = ([put("users", "1", None, 1)], [put("users", "2", None, 2)]);
    let (begun, waiting) = (store.commit(&first), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let gone = tokio::time::timeout(Duration::from_millis(100), store.commit(&second)).await;
        assert!(gone.is_err(), "the caller went away");
        holder.execute_batch("ROLLBACK").unwrap();
    });
    let (begun, ()) = tokio::join!(begun, waiting);
    assert!(matches!(begun, Ok(Verdict::Committed(_))), "{begun:?}");
    commit(&store, &[put("users", "3", None, 3)]).await;
    assert!(numbers(&store, "2").await.is_empty());
}

#[tokio::test]
async fn a_failed_change_leaves_the_others_of_the_same_moment_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    drop(open(&file));
    let mut connector = Connector::new(&file, Duration::from_secs(1)).unwrap();
    let mut through = put("users", "2", None, 2);
    if let Change::Put(put) = &mut through {
        put.edits.push(Edit { path: vec!["n".into(), "inner".into()], value: Some("1".into()) });
    }
    let writes = [
        Write::Commit(vec![put("users", "1", None, 1)]),
        Write::Commit(vec![put("fresh", "2", None, 2), through]),
        Write::Commit(vec![put("users", "3", None, 3), put("users", "1", None, 4)]),
        Write::Create("sqlite_x".into()),
        Write::Commit(vec![put("users", "4", None, 4)]),
    ];
    let answers = connector.write(&writes).unwrap();
    assert!(
        matches!(
            answers[..],
            [
                Ok(Verdict::Committed(_)),
                Err(Error::Other(_)),
                Ok(Verdict::Conflict),
                Err(Error::Other(_)),
                Ok(Verdict::Committed(_)),
            ]
        ),
        "{answers:?}"
    );
    let store = open(&file);
    for (key, records) in [("1", 1), ("2", 0), ("3", 0), ("4", 1)] {
        assert_eq!(numbers(&store, key).await.len(), records, "{key}");
    }
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_leaves_nothing_half_done() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    let mut connector = Connector::new(&file, Duration::from_secs(1)).unwrap();
    connector
        .run(|session| {
            let pages: i64 = session.db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            session.db.pragma_update(None, "max_page_count", pages + 2)?;
            Ok(())
        })
        .unwrap();
    let mut large = put("users", "large", None, 2);
    if let Change::Put(put) = &mut large {
        let value = format!("\"{}\"", "hunter2".repeat(10_000));
        put.edits.push(Edit { path: vec!["x".into()], value: Some(value) });
    }
    let writes = [
        Write::Commit(vec![put("users", "small", None, 1)]),
        Write::Commit(vec![put("users", "other", None, 1), large]),
    ];
    let text = unavailable(connector.write(&writes).map(|_| ()));
    assert!(text.contains("disk is full") && !text.contains("hunter2"), "{text}");
    for key in ["small", "other", "large"] {
        assert!(numbers(&store, key).await.is_empty(), "{key}");
    }
    // The next connection has no such limit: there is room again.
    connector.write(&writes).unwrap();
    assert_eq!(numbers(&store, "large").await.len(), 1);
}

#[tokio::test]
async fn a_damaged_file_is_unavailable_and_tells_no_data() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    for n in 0..200 {
        commit(&store, &[put("users", &format!("hunter2-{n}"), None, n)]).await;
    }
    drop(store);
    let size = fs::metadata(&file).unwrap().len();
    let mut raw = fs::OpenOptions::new().write(true).open(&file).unwrap();
    // All but the first page, which holds the header and the schema.
    raw.seek(SeekFrom::Start(4096)).unwrap();
    raw.write_all(&vec![0x5a; usize::try_from(size - 4096).unwrap()]).unwrap();
    drop(raw);
    let store = open(&file);
    let read = unavailable(store.load(&["users"], "hunter2-1").await);
    let written = unavailable(store.commit(&[put("users", "k", None, 1)]).await);
    for text in [read, written] {
        assert!(text.contains("damaged") && !text.contains("hunter2"), "{text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_into_a_file_that_was_removed() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    commit(&store, &[put("users", "k", None, 1)]).await;
    for name in ["s.db", "s.db-wal", "s.db-shm"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    unavailable(store.commit(&[put("users", "l", None, 1)]).await);
    unavailable(store.load(&["users"], "k").await);
    assert!(!file.exists(), "and none is made silently");
    // Nor is another file taken for the store, an empty one included.
    fs::write(&file, "").unwrap();
    unavailable(store.load(&["users"], "k").await);
    other(&file).execute_batch("CREATE TABLE a (b)").unwrap();
    let text = unavailable(store.commit(&[put("users", "l", None, 1)]).await);
    assert!(text.contains("some other program"), "{text}");
    fs::remove_file(&file).unwrap();
    // Once there is a store again it is used.
    commit(&open(&file), &[put("users", "m", None, 1)]).await;
    assert_eq!(numbers(&store, "m").await.len(), 1);
    assert!(numbers(&store, "k").await.is_empty());
}
