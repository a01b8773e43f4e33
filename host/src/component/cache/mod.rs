//! Compiled code that is kept from one start to the next.
//!
//! Compiling the component takes some tenths of a second of every start. Its result is machine code
//! that the next start would run unseen: whoever can write it has the process. So it is kept only
//! where nobody but the owner of this process (and root, who has the process anyway) can write, and
//! looked at when it is read:
//!
//! - the folder belongs to this user, nobody else may write in it, and nobody else can put another
//!   in its place, because the same holds for the folders above it;
//! - so it is with the file, which is looked at after it is opened;
//! - its name is the digest (SHA-256) of the component and of all that decides about its code: the
//!   version of this program, the engine's version and settings, the processor's abilities;
//! - its content begins with the digest of the rest, so that a damaged file is noticed.
//!
//! Wherever anything of this does not hold, the component is compiled, and the log says why. Nothing is
//! kept in a folder of another user, either.

use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmtime::Engine;

use crate::files;

#[cfg(test)]
#[cfg(unix)]
mod tests;

/// Bytes of a digest.
const DIGEST: usize = 32;
/// The most that is read; the component has about 2 MB of code.
const MOST: u64 = 64 << 20;
/// Files that are kept: of programs of other versions that use the same folder, too.
const KEPT: usize = 4;
const ENDING: &str = "compiled";

/// A place for the code of one component on one engine.
pub(super) struct Cache<'a> {
    folder: &'a Path,
    name: String,
}

impl<'a> Cache<'a> {
    pub(super) fn new(folder: &'a Path, component: &[u8], engine: &Engine) -> Self {
        let mut key = Key(Sha256::new());
        key.write(env!("CARGO_PKG_VERSION").as_bytes());
        key.write(&Sha256::digest(component));
        engine.precompile_compatibility_hash().hash(&mut key);
        Self { folder, name: format!("{}.{ENDING}", hexadecimal(&key.0.finalize())) }
    }

    /// The code, if it is there and can be trusted.
    ///
    /// # Errors
    /// Why it cannot be; [`io::ErrorKind::NotFound`] when it is not there.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let folder = trust::folder(self.folder)?;
        let file = trust::open(&folder.join(&self.name))?;
        let content = files::read_bounded(file, MOST)?;
        match content.split_first_chunk::<DIGEST>() {
            Some((digest, code)) if *digest == *Sha256::digest(code) => Ok(code.to_vec()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged")),
        }
    }

    /// Keep the code, in place of what is there.
    ///
    /// # Errors
    /// When the folder cannot be made, written or trusted.
    pub(super) fn write(&self, code: &[u8]) -> io::Result<()> {
        // Nothing is made where it could not be trusted afterwards.
        if let Some(above) = self.folder.parent() {
            files::make_private_folder(above)?;
            trust::folder(above)?;
        }
        files::make_private_folder(self.folder)?;
        let folder = trust::folder(self.folder)?;
        let mut content = Sha256::digest(code).to_vec();
        content.extend_from_slice(code);
        files::replace(&folder, &self.name, &content)?;
        remove_oldest(&folder);
        Ok(())
    }
}

/// Remove what programs of other versions have left here. What cannot be removed is no harm.
fn remove_oldest(folder: &Path) {
    let Ok(entries) = folder.read_dir() else { return };
    let mut kept: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == ENDING))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    kept.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in kept.into_iter().skip(KEPT) {
        let _ = std::fs::remove_file(path);
    }
}

/// What decides about the code, as a digest.
struct Key(Sha256);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Not asked for.
    fn finish(&self) -> u64 {
        0
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(unix)]
mod trust {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    use std::path::{Path, PathBuf};

    /// Writing by the group or by others.
    const OTHERS_WRITE: u32 = 0o022;
    /// In such a folder one may remove only what is one's own.
    const STICKY: u32 = 0o1000;

    /// The folder by its real name, if nobody else can write in it or put another in its place.
    pub(super) fn folder(folder: &Path) -> io::Result<PathBuf> {
        let folder = folder.canonicalize()?;
        let metadata = folder.symlink_metadata()?;
        if !metadata.is_dir() || !is_private(&metadata) {
            return Err(refused(&folder));
        }
        for above in folder.ancestors().skip(1) {
            let metadata = above.symlink_metadata()?;
            let is_safe = metadata.mode() & OTHERS_WRITE == 0 || metadata.mode() & STICKY != 0;
            if !is_safe || (metadata.uid() != 0 && metadata.uid() != user()) {
                return Err(refused(above));
            }
        }
        Ok(folder)
    }

    /// A file that nobody else can write. No link to one elsewhere, and nothing that blocks.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        match metadata.is_file() && is_private(&metadata) {
            true => Ok(file),
            false => Err(refused(path)),
        }
    }

    fn is_private(metadata: &Metadata) -> bool {
        metadata.uid() == user() && metadata.mode() & OTHERS_WRITE == 0
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn refused(path: &Path) -> io::Error {
        let problem = format!("others than this user can write to {}", path.display());
        io::Error::new(io::ErrorKind::PermissionDenied, problem)
    }
}

/// Elsewhere it is not looked into who may write where, so nothing is kept.
#[cfg(not(unix))]
mod trust {
    use std::fs::File;
    use std::io;
    use std::path::{Path, PathBuf};

    pub(super) fn folder(_: &Path) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
