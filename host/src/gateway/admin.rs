//! The admin token: 256 random bits that an application shows, of which only a digest is kept.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::SetupError;
use crate::files::{make_private_folder, read_bounded, replace};
use crate::random;
use crate::settings::{DEFAULT_TENANT, Settings, digest_from_text};

/// The most that is read of a digest's file.
const LIMIT: u64 = 1024;

/// A tenant's admin token, as far as the gateway knows it.
pub(crate) struct AdminToken {
    configured: Option<[u8; 32]>,
    file: PathBuf,
    /// What the file held when it was looked at last.
    read: Mutex<Option<Read>>,
}

struct Read {
    /// When the file was made, and its length and number, so that a new one is noticed.
    stamp: Stamp,
    digest: Option<[u8; 32]>,
}

#[derive(PartialEq, Eq)]
struct Stamp(Option<SystemTime>, u64, u64);

impl AdminToken {
    /// By the digest of the settings, or else by the one in the data folder.
    pub(crate) fn new(settings: &Settings, folder: &Path) -> Self {
        Self {
            configured: settings.host.gateway.admin_token_digest,
            file: digest_file(folder, &settings.tenant),
            read: Mutex::new(None),
        }
    }

    /// Whether there is one at all.
    pub(crate) fn is_set(&self) -> bool {
        self.digest().is_some()
    }

    /// Whether `token` is the one. Without a token that is set, none is.
    pub(crate) fn is(&self, token: &str) -> bool {
        let Some(expected) = self.digest() else { return false };
        let given = Sha256::digest(token.as_bytes());
        given.as_slice().ct_eq(&expected).into()
    }

    /// The digest in force. The file is looked at every time, which costs microseconds: a token that
    /// was made anew is in force at once, and the former one no longer.
    fn digest(&self) -> Option<[u8; 32]> {
        if self.configured.is_some() {
            return self.configured;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(stamp) = stamp(&self.file) else {
            *read = None;
            return None;
        };
        if let Some(known) = &*read
            && known.stamp == stamp
        {
            return known.digest;
        }
        let digest = load(&self.file);
        *read = Some(Read { stamp, digest });
        digest
    }
}

fn stamp(file: &Path) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let number = 0;
    Ok(Stamp(metadata.modified().ok(), metadata.len(), number))
}

fn load(file: &Path) -> Option<[u8; 32]> {
    let content = File::open(file).and_then(|file| read_bounded(file, LIMIT)).ok()?;
    let digest = str::from_utf8(&content).ok().and_then(|text| digest_from_text(text.trim_ascii()));
    if digest.is_none() {
        tracing::warn!(file = %file.display(), "there is no digest of an admin token in it");
    }
    digest
}

fn digest_file(folder: &Path, tenant: &str) -> PathBuf {
    if tenant == DEFAULT_TENANT {
        return folder.join("admin-token.digest");
    }
    folder.join("tenants").join(format!("{tenant}.admin-token"))
}

/// Make a new admin token for a tenant and keep its digest in the data folder, in place of a former
/// one. The token is told this once.
///
/// # Errors
/// [`SetupError::Settings`] for what is no name of a tenant, or when the digest cannot be kept.
pub fn new_admin_token(folder: &Path, tenant: &str) -> Result<Zeroizing<String>, SetupError> {
    // What is no name of a tenant could lead out of the folder.
    Settings::new(tenant)?;
    let refuse = |error: &dyn std::fmt::Display| {
        SetupError::Settings(format!("no admin token could be made: {error}"))
    };
    let token = random::token().map_err(|error| refuse(&error))?;
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(token.as_bytes()) {
        digest.push_str(&format!("{byte:02x}"));
    }
    let file = digest_file(folder, tenant);
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|it| it.to_str()))
    else {
        return Err(refuse(&"its file has no name"));
    };
    make_private_folder(folder)
        .and_then(|()| replace(folder, name, digest.as_bytes()))
        .map_err(|error| refuse(&format!("{}: {error}", file.display())))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_a_new_one_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new("shop").unwrap();
        let known = AdminToken::new(&settings, folder.path());
        assert!(!known.is_set());
        assert!(!known.is(""));
        let first = new_admin_token(folder.path(), "shop").unwrap();
        assert!(known.is(&first) && !known.is("another") && !known.is(""));
        let second = new_admin_token(folder.path(), "shop").unwrap();
        assert!(known.is(&second) && !known.is(&first));
        let default = AdminToken::new(&Settings::default(), folder.path());
        assert!(!default.is(&second));
        assert!(new_admin_token(folder.path(), "../x").is_err());
    }

    #[test]
    fn a_digest_that_cannot_be_read_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let token = new_admin_token(folder.path(), "default").unwrap();
        let known = AdminToken::new(&Settings::default(), folder.path());
        assert!(known.is(&token));
        std::fs::write(folder.path().join("admin-token.digest"), "sha256:").unwrap();
        assert!(!known.is(&token) && !known.is(""));
    }
}
