//! The key from which the digests of codes are made: 32 random bytes, as base64 where it is
//! written down.
//!
//! Where none is configured, each data folder has one of its own in [`FILE`], made at the first
//! start. All hosts of one store must have the same key, or each refuses the codes of the others.

use std::fs::File;
use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

pub use crate::contract::settings::SecretKey;
use crate::error::SetupError;
use crate::files::{make_private_folder, read_bounded, write_new};

/// The name of the key's file in the data folder.
pub const FILE: &str = "secret.key";

/// The length of a key in bytes.
pub const LENGTH: usize = 32;

/// The most that is read of a key's file: a key takes 44 bytes and a line ending.
const LIMIT: u64 = 1024;

/// How to make a key by hand, for messages.
const RECIPE: &str = "must be 32 random bytes as base64, such as `openssl rand -base64 32` prints";

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A key from its bytes.
///
/// Its id is the first 8 hexadecimal digits of SHA-256 over `portcullis key id`, a zero byte and
/// the key. It stands in the store beside every digest made with the key; of a key with 256 random
/// bits it tells nothing that helps to find it.
#[must_use]
pub fn from_bytes(secret: &[u8; LENGTH]) -> SecretKey {
    let digest = Sha256::new().chain_update(b"portcullis key id\0").chain_update(secret).finalize();
    let id = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    SecretKey { id, secret: secret.to_vec() }
}

/// A key from its base64 text. The problem never quotes the text.
pub(super) fn decode(text: &str) -> Result<SecretKey, String> {
    // The most that a text of this length can decode to, so that nothing is left of a buffer that
    // was too small.
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STANDARD
        .decode_slice(text.trim().as_bytes(), bytes.as_mut_slice())
        .map_err(|_| format!("is not base64: it {RECIPE}"))?;
    let secret = bytes.get(..length).and_then(|bytes| <&[u8; LENGTH]>::try_from(bytes).ok());
    secret.map(from_bytes).ok_or_else(|| format!("has {length} bytes: it {RECIPE}"))
}

/// The key in the folder; made, with the folder, if there is none. However many processes do this
/// at once, all get the same key.
///
/// # Errors
/// [`SetupError::Settings`] when the file cannot be read or made, can be read by others than its
/// owner, or holds no key. It is never replaced: what was made with the old key would be lost.
pub fn load_or_make(folder: &Path) -> Result<SecretKey, SetupError> {
    let path = folder.join(FILE);
    let refuse =
        |problem: String| SetupError::Settings(format!("secret key {}: {problem}", path.display()));
    match File::open(&path) {
        Ok(file) => return load(file).map_err(refuse),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refuse(format!("cannot be opened: {error}"))),
    }
    make_private_folder(folder).map_err(|error| {
        refuse(format!("the folder {} cannot be made: {error}", folder.display()))
    })?;
    let mut secret = Zeroizing::new([0; LENGTH]);
    getrandom::fill(secret.as_mut_slice())
        .map_err(|error| refuse(format!("the system gives no random bytes: {error}")))?;
    let mut line = Zeroizing::new(STANDARD.encode(secret.as_slice()));
    line.push('\n');
    match write_new(folder, FILE, line.as_bytes()) {
        Ok(()) => Ok(from_bytes(&secret)),
        // Somebody else was faster: theirs counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(&path)
            .map_err(|error| format!("cannot be opened: {error}"))
            .and_then(load)
            .map_err(refuse),
        Err(error) => Err(refuse(format!("cannot be made: {error}"))),
    }
}

/// The key in an open file, if nobody else may read it.
fn load(file: File) -> Result<SecretKey, String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata().map_err(|error| format!("cannot be examined: {error}"))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!(
                "may be used by others than its owner (mode {mode:03o}); if nobody can have read \
                 it, `chmod 600` it, otherwise put another key in its place"
            ));
        }
    }
    let content = read_bounded(file, LIMIT).map_err(|error| format!("cannot be read: {error}"))?;
    let text = std::str::from_utf8(&content).map_err(|_| format!("is not text: it {RECIPE}"))?;
    decode(text).map_err(|problem| {
        format!(
            "{problem}; restore it from a backup, or remove it to have a new one made (open codes \
             die with it)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    fn put(folder: &Path, content: &[u8], mode: u32) {
        let path = folder.join(FILE);
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("data/here");
        let made = load_or_make(&folder).unwrap();
        let found = load_or_make(&folder).unwrap();
        assert_eq!((&made.id, &made.secret), (&found.id, &found.secret));
        assert_eq!((made.secret.len(), made.id.len()), (LENGTH, 8));
        assert_ne!(load_or_make(top.path()).unwrap().secret, made.secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        }
    }

    #[test]
    fn many_starters_at_once_end_with_one_key() {
        for _ in 0..20 {
            let top = tempfile::tempdir().unwrap();
            let folder = top.path().join("data");
            let barrier = Arc::new(Barrier::new(16));
            let starters: Vec<_> = (0..16)
                .map(|_| {
                    let (folder, barrier) = (folder.clone(), barrier.clone());
                    std::thread::spawn(move || {
                        barrier.wait();
                        load_or_make(&folder).unwrap().secret.clone()
                    })
                })
                .collect();
            let keys: Vec<_> = starters.into_iter().map(|it| it.join().unwrap()).collect();
            assert!(keys.iter().all(|key| *key == keys[0]));
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "temporary files remain");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_key_file_that_others_may_use_is_refused() {
        let key = STANDARD.encode([7; LENGTH]);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            let top = tempfile::tempdir().unwrap();
            put(top.path(), key.as_bytes(), mode);
            let text = load_or_make(top.path()).unwrap_err().to_string();
            assert!(text.contains(FILE) && text.contains("chmod 600"), "{text}");
            assert!(text.contains(&format!("{mode:o}")) && !text.contains(&key), "{text}");
        }
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_left_alone() {
        let short = STANDARD.encode([7; 31]);
        let long = STANDARD.encode([7; 33]);
        let cases: [(&[u8], &str); 6] = [
            (b"", "has 0 bytes"),
            (short.as_bytes(), "has 31 bytes"),
            (long.as_bytes(), "has 33 bytes"),
            (b"not base64!", "is not base64"),
            (b"\xff\xfe", "is not text"),
            (&[b'A'; 2000], "has more than 1024 bytes"),
        ];
        for (content, problem) in cases {
            let top = tempfile::tempdir().unwrap();
            put(top.path(), content, 0o600);
            let text = load_or_make(top.path()).unwrap_err().to_string();
            assert!(text.contains(FILE) && text.contains(problem), "{text}");
            assert_eq!(std::fs::read(top.path().join(FILE)).unwrap(), content);
        }
    }

    #[test]
    fn the_id_depends_on_the_key_and_does_not_show_it() {
        let (one, other) = (from_bytes(&[7; LENGTH]), from_bytes(&[8; LENGTH]));
        // Fixed: an id that changed would orphan every digest in the store.
        assert_eq!(one.id, "93440f65");
        assert_ne!(one.id, other.id);
    }
}
