//! A copy of the store that is true at one moment, and the way back, while others work on it.
//!
//! The copy is read in one read transaction: in write-ahead-log mode that is one moment, and neither
//! waits for writers nor is begun again because of them. The log grows meanwhile by what is written.
//!
//! On the way back no file is put in the place of another: processes that have the store open would
//! go on with the old one and its log. The pages are written through SQLite, in one transaction, which
//! other processes see as one change of theirs: whole, or after a crash not at all. What SQLite cannot
//! even open is the exception.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tempfile::NamedTempFile;

use super::failure::{Failure, describe};
use super::open::{immutable_uri, patiently, prepare, recognise, reconnect, text};
use crate::error::SetupError;
use crate::files;
use crate::store::Error;

mod damaged;
mod note;

/// How long the store may be held by others before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pages copied between two reports of progress: 4 MiB.
const STEP: i32 = 1024;

/// What SQLite puts beside a file that is written to.
const BESIDE: [&str; 3] = ["-wal", "-journal", "-shm"];

/// Where the header says that the file has a write-ahead log, and how.
const READ_VERSION: usize = 19;
const WITH_LOG: u8 = 2;

/// Told how many pages of how many are copied.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64);

/// Writes a copy of the store `file` to `to`: one file, for this user alone (mode 600), true at one
/// moment, checked and on the disk when this returns. It may run beside any number of processes that
/// write, and keeps none of them waiting. It is noted in the copy that it is this `tenant`'s.
///
/// `replace`: whether `to` may be there already, as an earlier copy. Nothing else is ever replaced.
///
/// Blocks for as long as copying and checking takes. Before it is done there is no `to`; a process
/// that is killed leaves a file beside it whose name begins with a dot and ends in `.tmp`.
///
/// # Errors
/// [`SetupError::Store`] when there is no store, when it is damaged, and when `to` cannot be written.
pub fn backup(
    file: &Path,
    tenant: &str,
    to: &Path,
    replace: bool,
    progress: Progress<'_>,
) -> Result<(), SetupError> {
    let file = absolute(file)?;
    let to = absolute(to)?;
    may_be_written(&file, &to, replace).map_err(|why| at(&to, why))?;
    if !file.exists() {
        return Err(at(&file, "there is no store yet".to_owned()));
    }
    let store = reconnect(&file, PATIENCE).map_err(|why| at(&file, why))?;
    write_copy(&store, tenant, &to, replace, progress)
}

/// Whose copy this is, if that is noted in it.
///
/// # Errors
/// [`SetupError::Store`] when it is no copy of a store. It is not looked through.
pub fn tenant_of(copy: &Path) -> Result<Option<String>, SetupError> {
    let copy = absolute(copy)?;
    let failed = |why| at(&copy, why);
    let db = open_copy(&copy).map_err(failed)?;
    note::read(&db).map_err(|error| failed(describe(&error)))
}

/// What [`restore`] has kept of what was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kept {
    /// Nothing, because there was nothing or nothing was to be kept.
    Nothing,
    /// A whole copy.
    Copy(PathBuf),
    /// The files as they were, because the store is damaged. The first is the store's own.
    Files(Vec<PathBuf>),
}

/// Puts what the copy `from` holds in the place of everything that the store `file` of this `tenant`
/// holds, which is made if it is not there. Processes that have it open see the one, and after that the
/// other; while it is written, their own writes wait, and are refused after their patience.
///
/// `keep`: where a copy of what was there goes first, whose name must be free. No change is made between
/// that and what comes in its place.
///
/// The store may be damaged. Its files are kept as they are then; and where not even its beginning can
/// be read, they are given that other name.
///
/// # Errors
/// [`SetupError::Store`] when `from` is no whole copy of a store, when `file` is something else than a
/// store, and when the one or the other cannot be read or written. The store holds what it held then.
pub fn restore(
    file: &Path,
    tenant: &str,
    from: &Path,
    keep: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Kept, SetupError> {
    let file = absolute(file)?;
    let from = absolute(from)?;
    let keep = keep.map(absolute).transpose()?;
    if is_same(&file, &from) {
        return Err(at(&from, "it is the store itself".to_owned()));
    }
    let source = open_copy(&from).map_err(|why| at(&from, why))?;
    check(&source).map_err(|failure| at(&from, text(failure)))?;
    let failed = |why| at(&file, why);
    if let Err(why) = prepare(&file, PATIENCE) {
        if !damaged::is_beyond_reading(&file) {
            return Err(failed(why));
        }
        let Some(keep) = keep else {
            let way_out = "it is not replaced unless its files are kept: leave out `--no-keep`";
            return Err(failed(format!("{why}; {way_out}")));
        };
        return damaged::replace(&file, &source, &keep, progress);
    }
    let page = |db: &Connection| {
        db.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))
            .map_err(|error| failed(describe(&error)))
    };
    // Dropped after the connection: to close a file takes the locks away that this process has on it.
    let mut raw = None;
    let mut kept = Kept::Nothing;
    let mut store = reconnect(&file, PATIENCE).map_err(failed)?;
    if page(&source)? != page(&store)? {
        return Err(at(&from, "its pages have another size than the store's".to_owned()));
    }
    {
        let copy = Backup::new(&source, &mut store).map_err(|error| failed(describe(&error)))?;
        // No page yet, but the write lock: what is kept stands still until it is replaced.
        step(&copy, 0).map_err(|failure| failed(text(failure)))?;
        if let Some(keep) = keep {
            let before = reconnect(&file, PATIENCE).map_err(failed)?;
            kept = match write_copy(&before, tenant, &keep, false, &mut |_, _| ()) {
                Ok(()) => Kept::Copy(keep),
                Err(_) => {
                    let (files, open) = damaged::keep(&file, &keep)?;
                    raw = Some(open);
                    Kept::Files(files)
                }
            };
        }
        run(&copy, progress).map_err(|failure| failed(text(failure)))?;
    }
    // A store has no such table; one that stays does no harm.
    let _ = patiently(PATIENCE, || Ok(note::remove(&store)?));
    // All of it is in the log now. That is how it is safe, but slow to read; a writer would see to it
    // later, and so it does not matter if it cannot be done here.
    let _ = store.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    drop(store);
    drop(raw);
    // An older copy may lack a collection.
    prepare(&file, PATIENCE).map_err(failed)?;
    Ok(kept)
}

/// A copy of what this connection sees now, at `to`, with a note of whose it is.
fn write_copy(
    store: &Connection,
    tenant: &str,
    to: &Path,
    replace: bool,
    progress: Progress<'_>,
) -> Result<(), SetupError> {
    let file = filled(store, Some(tenant), to, progress)?;
    files::publish(file, to, replace).map_err(|error| at(to, format!("cannot be written: {error}")))
}

/// A whole copy of what this connection sees now that has no name yet, beside where it is to be.
fn filled(
    store: &Connection,
    tenant: Option<&str>,
    to: &Path,
    progress: Progress<'_>,
) -> Result<NamedTempFile, SetupError> {
    let failed = |why| at(to, why);
    let folder = to.parent().unwrap_or(Path::new("/"));
    let file =
        files::temporary(folder).map_err(|error| failed(format!("cannot be written: {error}")))?;
    let mut copied = || -> Result<(), Failure> {
        let mut copy = Connection::open(file.path())?;
        // It has no name yet: until it has, nothing need survive.
        copy.pragma_update(None, "synchronous", "OFF")?;
        {
            // SQLite begins anew when others write, unless its own transaction goes on.
            let moment =
                rusqlite::Transaction::new_unchecked(store, TransactionBehavior::Deferred)?;
            store.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            run(&Backup::new(store, &mut copy)?, progress)?;
            moment.commit()?;
        }
        // One file, without a log beside it.
        let mode: String = copy.query_row("PRAGMA journal_mode=DELETE", [], |row| row.get(0))?;
        if mode != "delete" {
            return Err(Error::Other("the copy keeps a log beside it".into()).into());
        }
        // There may be that of the copy that this is made of.
        note::remove(&copy)?;
        if let Some(tenant) = tenant {
            note::write(&copy, tenant)?;
        }
        check(&copy)
    };
    copied().map_err(|failure| failed(text(failure)))?;
    Ok(file)
}

/// All pages, some at a time.
fn run(copy: &Backup<'_, '_>, progress: Progress<'_>) -> Result<(), Failure> {
    while step(copy, STEP)? == StepResult::More {
        let told = copy.progress();
        let all = u64::try_from(told.pagecount).unwrap_or(0);
        progress(all.saturating_sub(u64::try_from(told.remaining).unwrap_or(0)), all);
    }
    Ok(())
}

/// Some pages. Waits for locks of others.
fn step(copy: &Backup<'_, '_>, pages: i32) -> Result<StepResult, Failure> {
    patiently(PATIENCE, || match copy.step(pages)? {
        done @ (StepResult::Done | StepResult::More) => Ok(done),
        _ => Err(Failure::Engine(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            None,
        ))),
    })
}

/// A copy to be read, and nothing but that: no lock, no recovery. Whether it is whole is not looked at.
fn open_copy(file: &Path) -> Result<Connection, String> {
    let about = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?;
    if !about.is_file() {
        return Err("not a file".to_owned());
    }
    if about.len() == 0 {
        return Err("is empty, and no backup".to_owned());
    }
    // Half of it would stand in there.
    let log = BESIDE.map(|ending| beside(file, ending)).into_iter().find(|path| has_content(path));
    if let Some(log) = log {
        return Err(format!(
            "is a store in use, or a raw copy of one: {} belongs to it; `portcullis backup` makes a \
             whole one",
            log.display()
        ));
    }
    recognise(file)?;
    let open = || -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(immutable_uri(file), flags)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        Ok(db)
    };
    open().map_err(text)
}

/// Whether it is whole, and has what a store has and nothing that acts by itself.
fn check(db: &Connection) -> Result<(), Failure> {
    let refused = |why: &str| Err(Failure::Refused(Error::Unavailable(why.to_owned())));
    // What it says may quote what is in the file.
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return refused("the file is damaged");
    }
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')";
    if db.query_row(sql, [], |row| row.get::<_, i64>(0))? > 0 {
        return refused("has triggers or views, which no store has");
    }
    Ok(())
}

/// Whether a copy may go there: to a name that is free, or in place of an earlier copy. What is a store
/// that is lived in has a log, or is one.
fn may_be_written(store: &Path, to: &Path, replace: bool) -> Result<(), String> {
    if is_same(store, to) {
        return Err("it is the store itself".to_owned());
    }
    if fs::symlink_metadata(to).is_err() {
        return Ok(());
    }
    if !replace {
        return Err("is there already; `--force` replaces an earlier backup".to_owned());
    }
    let not_ours = || "is no backup, and not replaced".to_owned();
    let mut header = [0; READ_VERSION + 1];
    let mut file = fs::File::open(to).map_err(|_| not_ours())?;
    if !to.is_file() || file.read_exact(&mut header).is_err() || recognise(to).is_err() {
        return Err(not_ours());
    }
    match header.last() {
        Some(&WITH_LOG) => Err("is a store, no backup, and not replaced".to_owned()),
        _ => Ok(()),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}

fn has_content(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|about| about.len() > 0)
}

/// SQLite takes names such as ":memory:" for something else.
fn absolute(path: &Path) -> Result<PathBuf, SetupError> {
    std::path::absolute(path).map_err(|error| at(path, error.to_string()))
}

fn at(path: &Path, why: String) -> SetupError {
    SetupError::Store(format!("{}: {why}", path.display()))
}
