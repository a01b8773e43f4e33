//! How far an export or import has come, kept beside its file until it is done.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;
use crate::settings::Settings;

/// The most bytes of a position.
const MOST: u64 = 64 * 1024;

/// The path with this behind its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// The folder that a file is in, and its name there.
pub(super) fn place(path: &Path) -> anyhow::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{}: is not the name of a file", path.display()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")), name))
}

/// The position at this path; none when there is none that can be read as one.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let text = files::read_bounded(file, MOST).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_slice(&text).ok())
}

/// Keep this position, in place of the last: a crash leaves one of them whole.
pub(super) fn write<T: Serialize>(path: &Path, position: &T) -> anyhow::Result<()> {
    let (folder, name) = place(path)?;
    let text = serde_json::to_vec(position)?;
    files::replace(folder, name, &text).with_context(|| path.display().to_string())
}

/// Remove it, if it is there.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

/// Which database this is: what is in one must not go on where another ended.
pub(super) fn database(settings: &Settings, data: &Path) -> String {
    let mut digest = Sha256::new();
    let mut part = |text: &[u8]| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    part(settings.tenant.as_bytes());
    match &settings.host.mongo {
        Some(mongo) => {
            part(b"mongodb");
            part(hosts(&mongo.uri).as_bytes());
            part(mongo.database.as_bytes());
        }
        None => {
            part(b"embedded");
            let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
            part(data.as_os_str().as_encoded_bytes());
        }
    }
    hex(&digest.finalize())
}

/// The servers of a connection string: neither user nor password, which may change meanwhile, and which
/// a digest would give away to whoever guesses.
fn hosts(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How far an import has come.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Imported {
    /// Into which database.
    pub(super) database: String,
    /// From which file.
    pub(super) file: Fingerprint,
    /// Where the next line begins, and how many there were before it.
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) counts: Counts,
    /// Where refused lines were kept.
    pub(super) rejected: Option<RejectFile>,
    /// A user who was put in or found there last: where he is not, this is no longer that database.
    pub(super) witness: Option<String>,
}

/// The file of refused lines: what is behind its length was not yet written when this was.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct RejectFile {
    pub(super) path: String,
    pub(super) length: u64,
    /// The SHA-256 of all of that.
    pub(super) digest: String,
}

/// What became of the users of the lines so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) made: u64,
    pub(super) there: u64,
    pub(super) rejected: u64,
}

/// By which a file is known again.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Fingerprint {
    size: u64,
    /// Nanoseconds since 1970.
    changed: u128,
    /// The SHA-256 of its first bytes.
    head: String,
}

impl Fingerprint {
    /// Bytes that the digest is made of.
    const HEAD: u64 = 64 * 1024;

    /// Of this file, which is read from its beginning.
    pub(super) fn of(file: &mut fs::File) -> io::Result<Self> {
        use std::io::{Read, Seek};
        let about = file.metadata()?;
        let changed = about.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        file.rewind()?;
        let mut head = Vec::new();
        file.take(Self::HEAD).read_to_end(&mut head)?;
        Ok(Self {
            size: about.len(),
            changed: changed.as_nanos(),
            head: hex(&Sha256::digest(&head)),
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_known_by_its_servers_and_not_by_who_asks_them() {
        for uri in [
            "mongodb://db.example.com:27017/?replicaSet=rs0",
            "mongodb://ann:secret@db.example.com:27017/",
            "mongodb://ann:other@db.example.com:27017?tls=true",
        ] {
            assert_eq!(hosts(uri), "db.example.com:27017");
        }
    }

    #[test]
    fn a_position_is_read_as_it_was_written_and_anything_else_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("users.jsonl"), ".position");
        assert_eq!(read::<Imported>(&path).unwrap(), None);
        let position = Imported { bytes: 7, witness: Some("ann".into()), ..Imported::default() };
        write(&path, &position).unwrap();
        assert_eq!(read::<Imported>(&path).unwrap(), Some(position));
        fs::write(&path, "something else").unwrap();
        assert_eq!(read::<Imported>(&path).unwrap(), None);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_file_that_was_changed_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.jsonl");
        let print = || Fingerprint::of(&mut fs::File::open(&path).unwrap()).unwrap();
        fs::write(&path, "one").unwrap();
        let first = print();
        assert_eq!(print(), first);
        fs::write(&path, "two").unwrap();
        assert_ne!(print(), first);
    }
}
