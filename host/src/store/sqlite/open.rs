//! Making, recognising and connecting to the file.
//!
//! A file is ours when its header says so (`application_id`). A new one gets its header and its
//! tables in one transaction *before* it is switched to write-ahead logging, so that at any moment
//! it is either empty or recognisable, also to a process that opens it at the same time or after a
//! crash.

use std::cell::Cell;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::failure::{Failure, describe, is_busy};
use super::session::Session;
use super::write;
use crate::random::jittered;
use crate::store::{COLLECTIONS, Error};

/// "PTCL". Says that the file is a store of Portcullis.
pub(super) const APPLICATION: i32 = 0x5054_434C;

/// The version of the layout. To be raised when an older program could no longer read the file or
/// would harm it.
pub(super) const LAYOUT: i32 = 1;

/// Makes the file if need be, or makes sure that it is ours. Changes no other file.
pub(super) fn prepare(file: &Path, patience: Duration) -> Result<(), String> {
    // Closing *any* descriptor of a file drops all POSIX locks that this process has on it
    // (https://www.sqlite.org/howtocorrupt.html, section 2.2). `make` closes one: no other store
    // of this process may be opening the new file meanwhile.
    static OPENING: Mutex<()> = Mutex::new(());
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);

    make(file).map_err(|error| format!("cannot be made: {error}"))?;
    recognise(file)?;
    let session = Session::new(connect(file, patience)?);
    patiently(patience, || initialise(&session)).map_err(text)?;
    // Switching needs the file alone for a moment, and for that SQLite does not call the busy
    // handler. Once switched, the file stays so.
    let mode: String = patiently(patience, || {
        Ok(session.db.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?)
    })
    .map_err(text)?;
    if mode != "wal" {
        return Err("its file system does not offer the shared memory that a write-ahead log \
                    needs; a local disk does"
            .to_owned());
    }
    Ok(())
}

/// Makes the file and its folder unless they are there.
fn make(file: &Path) -> io::Result<()> {
    if fs::exists(file)? {
        if !fs::metadata(file)?.is_file() {
            return Err(io::Error::other("there is something that is not a file"));
        }
        warn_if_readable_by_others(file);
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        make_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => Ok(()),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the folder and those above it. Each new one is synced into the one above, or a loss of
/// power could take it away with everything that was acknowledged in it.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || fs::exists(folder)? {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new("/"));
    make_folder(above)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // Not every system lets a folder be opened; then its own journal has to do.
        _ => File::open(above).and_then(|above| above.sync_all()).or(Ok(())),
    }
}

#[cfg(unix)]
fn warn_if_readable_by_others(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        tracing::warn!(file = %file.display(), "other users of this machine can read the store");
    }
}

#[cfg(not(unix))]
fn warn_if_readable_by_others(_: &Path) {}

/// Refuses what is not ours, looking at nothing but the header, through a connection that neither
/// locks nor writes: an ordinary one would recover a journal that it finds, which changes the file.
pub(super) fn recognise(file: &Path) -> Result<(), String> {
    match fs::metadata(file).map_err(|error| error.to_string())?.len() {
        0 => return Ok(()),
        // SQLite takes a file of one byte for an empty one and would write over it.
        1 => return Err("not a SQLite database".to_owned()),
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let read = |db: &Connection, name| db.pragma_query_value(None, name, |row| row.get(0));
    let header = Connection::open_with_flags(immutable_uri(file), flags).and_then(|db| {
        // A process that was killed while it brought the log into the file has left it shorter than
        // its first page says. It is whole together with its log, at which this does not look; SQLite
        // calls it damaged, but for those who may write its schema.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        Ok((read(&db, "application_id")?, read(&db, "user_version")?))
    });
    let (application, layout) = header.map_err(|error| describe(&error))?;
    check_header(application, layout)
}

fn check_header(application: i32, layout: i32) -> Result<(), String> {
    if application != APPLICATION {
        return Err("a database of some other program; it was not touched".to_owned());
    }
    if layout > LAYOUT {
        return Err(format!(
            "written by a newer version of Portcullis (layout {layout}; this one knows {LAYOUT})"
        ));
    }
    Ok(())
}

/// The file as a URI (<https://www.sqlite.org/uri.html>) that says not to lock or recover it.
pub(super) fn immutable_uri(file: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Gives a new file its header and tables; looks again, under the lock, at one that others may
/// have made meanwhile.
fn initialise(session: &Session) -> Result<(), Failure> {
    let header = |name| session.db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let check = || -> Result<(), Failure> {
        check_header(header("application_id")?, header("user_version")?)
            .map_err(|why| Error::Unavailable(why).into())
    };
    let pages: i64 = session.db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let complete = session.with_collections(|have| COLLECTIONS.iter().all(|c| have.has(c)))?;
    if pages > 0 && complete {
        return check();
    }
    session.forget();
    let transaction = session.begin(TransactionBehavior::Immediate)?;
    if header("application_id")? == 0
        && session.db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?
    {
        session.db.pragma_update(None, "application_id", APPLICATION)?;
        session.db.pragma_update(None, "user_version", LAYOUT)?;
    }
    check()?;
    for collection in COLLECTIONS {
        write::create(session, collection)?;
    }
    transaction.commit()?;
    session.forget();
    Ok(())
}

pub(super) fn text(failure: Failure) -> String {
    match Error::from(failure) {
        Error::Unavailable(text) | Error::Other(text) | Error::Damaged(text) => text,
        Error::Partial(partial) => partial.reason,
    }
}

/// A connection to the file, which must be there.
pub(super) fn connect(file: &Path, patience: Duration) -> Result<Connection, String> {
    // Each connection is used by one thread at a time: SQLite need not lock it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || -> rusqlite::Result<Connection> {
        let mut db = Connection::open_with_flags(file, flags)?;
        wait_for_locks(&mut db, patience)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // FULL: sync at every commit, or the last ones could be lost with the power.
        db.pragma_update(None, "synchronous", "FULL")?;
        // What is removed is overwritten: a deleted user's record must not stay readable in the
        // file. And nothing temporary goes to a disk elsewhere.
        db.pragma_update(None, "secure_delete", "ON")?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // After a burst of writes the log shrinks to this at the next checkpoint.
        db.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
        // KiB, used only as far as there are pages. The upper levels of the tables of a million users
        // stay in it, so that a look-up reads but the leaves; SQLite's own 2 MiB lose them to these.
        db.pragma_update(None, "cache_size", -8192)?;
        // A handful of statements for each collection.
        db.set_prepared_statement_cache_capacity(128);
        Ok(db)
    };
    patiently(patience, || Ok(set_up()?)).map_err(text)
}

/// A connection to a file that was ours when it was opened: somebody may have put another one in
/// its place.
pub(super) fn reconnect(file: &Path, patience: Duration) -> Result<Connection, String> {
    recognise(file)?;
    let db = connect(file, patience)?;
    let header = |name| db.pragma_query_value(None, name, |row| row.get(0));
    let (application, layout) = header("application_id")
        .and_then(|application| Ok((application, header("user_version")?)))
        .map_err(|error| describe(&error))?;
    check_header(application, layout)?;
    Ok(db)
}

thread_local! {
    /// Whether no connection may wait for locks on this thread now.
    static HURRIED: Cell<bool> = const { Cell::new(false) };
}

/// Does the work with connections that do not wait for locks of others.
pub(super) fn hurried<T>(work: impl FnOnce() -> T) -> T {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            HURRIED.set(false);
        }
    }
    HURRIED.set(true);
    let _end = End;
    work()
}

/// Makes the connection wait for locks of other processes, for random times so that several
/// waiting ones do not meet again and again (SQLite's own `busy_timeout` waits in fixed steps).
fn wait_for_locks(db: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    let mut deadline = Instant::now();
    db.busy_handler(Some(move |earlier: i32| {
        if HURRIED.get() {
            return false;
        }
        let now = Instant::now();
        if earlier == 0 {
            deadline = now + patience;
        }
        if now >= deadline {
            return false;
        }
        pause(u32::try_from(earlier).unwrap_or(0));
        true
    }))
}

/// Tries again for a while what fails because others are at the file, for the cases in which
/// SQLite does not call the busy handler.
pub(super) fn patiently<T>(
    patience: Duration,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + patience;
    let mut earlier = 0;
    loop {
        match work() {
            Err(Failure::Engine(error)) if is_busy(&error) && Instant::now() < deadline => {
                pause(earlier);
                earlier += 1;
            }
            result => return result,
        }
    }
}

/// Sleeps for a random time: up to 1 ms at first, up to 32 ms later.
fn pause(earlier: u32) {
    std::thread::sleep(jittered(Duration::from_millis(1 << earlier.min(5))));
}
