//! The file: made, recognised, refused, kept.

use std::fs::{self, File};

use tempfile::TempDir;

use super::super::open::{APPLICATION, LAYOUT};
use super::*;
use crate::store::COLLECTIONS;

/// That opening is refused with these words and that the file stays as it is.
fn refused(file: &Path, words: &str) {
    let before = fs::read(file).ok();
    let error = SqliteStore::open(file, &Options::default()).expect_err("to be refused");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(fs::read(file).ok(), before, "the file was changed");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    for content in ["x", "not a database\n", &"not a database\n".repeat(1000), &"\0".repeat(8192)] {
        fs::write(&file, content).unwrap();
        refused(&file, "not a SQLite database");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no file was put beside it");
    refused(folder.path(), "not a file");
}

#[test]
fn a_database_of_another_program_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let db = other(&file);
    db.execute_batch("CREATE TABLE users (name TEXT)").unwrap();
    refused(&file, "of some other program");
    // In use, with changes that are still in its log.
    db.execute_batch("PRAGMA journal_mode=WAL; INSERT INTO users VALUES ('x')").unwrap();
    refused(&file, "of some other program");
    db.execute_batch("PRAGMA application_id=7").unwrap();
    drop(db);
    refused(&file, "of some other program");
}

#[tokio::test]
async fn a_newer_layout_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    commit(&open(&file), &[put("users", "k", None, 1)]).await;
    other(&file).pragma_update(None, "user_version", LAYOUT + 1).unwrap();
    refused(&file, "newer version of Portcullis");
    // Also while the number stands in the log only.
    other(&file).pragma_update(None, "user_version", LAYOUT).unwrap();
    let db = other(&file);
    db.pragma_update(None, "user_version", LAYOUT + 1).unwrap();
    refused(&file, "newer version of Portcullis");
}

#[tokio::test]
async fn an_empty_file_becomes_a_store_with_all_collections() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    fs::write(&file, "").unwrap();
    drop(open(&file));
    let db = other(&file);
    let header = |name| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).unwrap();
    assert_eq!((header("application_id"), header("user_version")), (APPLICATION, LAYOUT));
    for collection in COLLECTIONS {
        let sql = format!("SELECT count(*) FROM \"{collection}\"");
        assert_eq!(db.query_row(&sql, [], |row| row.get::<_, i64>(0)), Ok(0), "{collection}");
    }
}

#[tokio::test]
async fn a_store_opened_again_has_kept_everything() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let mut versions = Vec::new();
    for round in 0..3 {
        let store = open(&file);
        for (n, version) in versions.iter().enumerate() {
            let found = numbers(&store, &format!("{n}")).await;
            assert_eq!(found, [("users".to_owned(), String::clone(version), n as u64)]);
        }
        assert_eq!(store.overdue(&["users"], 100, 100).await.unwrap().len(), versions.len());
        versions.extend(commit(&store, &[put("users", &format!("{round}"), None, round)]).await);
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_cut_off_is_made_up_for() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    drop(open(&file));
    let small = fs::metadata(&file).unwrap().len();
    let store = open(&file);
    for n in 0..200 {
        commit(&store, &[put("users", &format!("{n}"), None, n)]).await;
    }
    other(&file).query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    assert!(fs::metadata(&file).unwrap().len() > small, "the checkpoint made the file longer");

    // As a kill leaves it that comes after the first page, which tells how long the file will be.
    let cut = folder.path().join("cut.db");
    fs::copy(&file, &cut).unwrap();
    fs::copy(folder.path().join("s.db-wal"), folder.path().join("cut.db-wal")).unwrap();
    File::options().write(true).open(&cut).unwrap().set_len(small).unwrap();
    let store = open(&cut);
    for n in 0..200 {
        assert_eq!(numbers(&store, &format!("{n}")).await.len(), 1, "{n} is gone");
    }
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    commit(&store, &[put("users", "k", None, 1)]).await;
    assert!(folder.path().join("s.db-wal").exists(), "an open store has a log");
    drop(store);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["s.db"], "the log was brought into the file");
}

#[cfg(unix)]
#[tokio::test]
async fn only_this_user_can_read_the_files_and_new_folders() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("new/newer/s ?#%.db");
    let store = open(&file);
    commit(&store, &[put("users", "k", None, 1)]).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("new")), 0o700);
    assert_eq!(mode(&folder.path().join("new/newer")), 0o700);
    for entry in fs::read_dir(folder.path().join("new/newer")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(store);
    drop(open(&file));
}

#[tokio::test]
async fn a_table_of_another_shape_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    other(&file).execute_batch("CREATE TABLE notes (a); INSERT INTO notes VALUES (1)").unwrap();
    assert!(store.load(&["users"], "k").await.unwrap().is_empty());
    let written = store.commit(&[put("notes", "k", None, 1)]).await;
    assert!(matches!(written, Err(crate::store::Error::Damaged(_))), "{written:?}");
    crate::store::Database::remove_all(&store).await.unwrap();
    let left: i64 = other(&file).query_row("SELECT a FROM notes", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_removed_record_leaves_no_trace_in_the_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    let key = "unmistakable@example.org";
    let secret = format!("\"{}\"", "hunter2".repeat(2000));
    let mut change = put("users", key, None, 1);
    if let Change::Put(put) = &mut change {
        put.edits.push(Edit { path: vec!["password".into()], value: Some(secret) });
    }
    let version = commit(&store, &[change]).await.remove(0);
    let (collection, key) = ("users".to_owned(), key.to_owned());
    commit(&store, &[Change::Remove(crate::store::Removal { collection, key, version })]).await;
    drop(store);
    let content = fs::read(&file).unwrap();
    for trace in ["hunter2", "unmistakable"] {
        let found = content.windows(trace.len()).any(|bytes| bytes == trace.as_bytes());
        assert!(!found, "{trace} is still there");
    }
}
