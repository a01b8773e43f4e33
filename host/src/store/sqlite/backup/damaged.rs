//! A store that is so damaged that no whole copy can be made of it, and that is to be replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::open::{immutable_uri, prepare, recognise};
use super::{BESIDE, Kept, PATIENCE, Progress, at, beside, filled};
use crate::error::SetupError;
use crate::files;

/// How every SQLite database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Every SQLite database is so many bytes long, or a multiple.
const SMALLEST_PAGE: u64 = 512;

/// Whether SQLite can make nothing of it, though it may have been a store: what is another database, or
/// clearly none, is not.
pub(super) fn is_beyond_reading(file: &Path) -> bool {
    let Ok(about) = fs::metadata(file) else { return false };
    if !about.is_file() || about.len() == 0 {
        return false;
    }
    let looks_like_one = about.len().is_multiple_of(SMALLEST_PAGE) || begins_like_one(file);
    looks_like_one && is_unreadable(file)
}

fn begins_like_one(file: &Path) -> bool {
    let mut begin = [0; MAGIC.len()];
    let read = File::open(file).and_then(|mut file| io::Read::read_exact(&mut file, &mut begin));
    read.is_ok() && begin == *MAGIC
}

fn is_unreadable(file: &Path) -> bool {
    let schema = |name: &Path, flags| {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let read = Connection::open_with_flags(name, flags).and_then(|db| {
            db.busy_timeout(PATIENCE)?;
            // As in `recognise`: what its log still has is not missing.
            let from_log = flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY);
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, from_log)?;
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        });
        let code = read.err().and_then(|error| error.sqlite_error_code());
        matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
    };
    schema(Path::new(&immutable_uri(file)), OpenFlags::SQLITE_OPEN_READ_ONLY)
        // Together with its log, which is for our own stores alone.
        || recognise(file).is_ok() && schema(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Keeps copies of its files as they are, at `keep` and beside it. The store's own file is open until what
/// is returned is dropped.
pub(super) fn keep(file: &Path, keep: &Path) -> Result<(Vec<PathBuf>, File), SetupError> {
    let copy = |from: &Path, to: &Path| -> Result<File, SetupError> {
        let folder = to.parent().unwrap_or(Path::new("/"));
        let mut open = File::open(from).map_err(|error| at(from, unkept(&error)))?;
        files::temporary(folder)
            .and_then(|mut new| {
                io::copy(&mut open, &mut new)?;
                files::publish(new, to, false)
            })
            .map_err(|error| at(to, unkept(&error)))?;
        Ok(open)
    };
    let mut kept = vec![keep.to_owned()];
    // The log first: what is brought from it into the store meanwhile is then in both.
    let [log, kept_log] = [file, keep].map(|path| beside(path, "-wal"));
    if log.exists() {
        copy(&log, &kept_log)?;
        kept.push(kept_log);
    }
    let open = copy(file, keep)?;
    Ok((kept, open))
}

/// Gives all its files the name of `keep`, and what `source` holds its own name.
pub(super) fn replace(
    file: &Path,
    source: &Connection,
    keep: &Path,
    progress: Progress<'_>,
) -> Result<Kept, SetupError> {
    let failed = |path: &Path, error: &io::Error| at(path, format!("cannot be written: {error}"));
    let new = filled(source, None, file, progress)?;
    // What is beside it first, or it would be taken for something of the new one.
    let endings = BESIDE.iter().copied().chain([""]);
    let mut kept = Vec::new();
    for (from, to) in endings.map(|ending| (beside(file, ending), beside(keep, ending))) {
        if !from.exists() {
            continue;
        }
        let free = fs::symlink_metadata(&to).is_err();
        let moved =
            if free { fs::rename(&from, &to) } else { Err(io::ErrorKind::AlreadyExists.into()) };
        moved.map_err(|error| failed(&to, &error))?;
        kept.insert(0, to);
    }
    files::publish(new, file, false).map_err(|error| failed(file, &error))?;
    prepare(file, PATIENCE).map_err(|why| at(file, why))?;
    Ok(Kept::Files(kept))
}

/// What to do where nothing of it can be kept.
fn unkept(error: &io::Error) -> String {
    format!("what was there before cannot be kept: {error}; `--no-keep` restores without")
}
