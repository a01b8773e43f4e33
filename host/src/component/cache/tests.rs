//! Where code is trusted, and where not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

const CODE: &[u8] = b"not run here";

struct Kept {
    top: tempfile::TempDir,
    engine: Engine,
}

impl Kept {
    fn new() -> Self {
        let kept = Self { top: tempfile::tempdir().unwrap(), engine: Engine::default() };
        kept.in_it(|cache| cache.write(CODE).unwrap());
        kept.in_it(|cache| assert_eq!(cache.read().unwrap(), CODE));
        kept
    }

    fn folder(&self) -> PathBuf {
        self.top.path().join("data/compiled")
    }

    fn in_it<T>(&self, work: impl FnOnce(Cache<'_>) -> T) -> T {
        work(Cache::new(&self.folder(), b"component", &self.engine))
    }

    fn file(&self) -> PathBuf {
        self.in_it(|cache| self.folder().join(cache.name))
    }

    #[track_caller]
    fn is_refused(&self, kind: io::ErrorKind) {
        assert_eq!(self.in_it(|cache| cache.read()).unwrap_err().kind(), kind);
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn code_is_refused_where_others_can_write() {
    for (place, bad, good) in
        [("data/compiled", 0o770, 0o700), ("data/compiled", 0o1777, 0o700), ("data", 0o707, 0o700)]
    {
        let kept = Kept::new();
        mode(&kept.top.path().join(place), bad);
        kept.is_refused(io::ErrorKind::PermissionDenied);
        let written = kept.in_it(|cache| cache.write(CODE)).unwrap_err();
        assert_eq!(written.kind(), io::ErrorKind::PermissionDenied);
        mode(&kept.top.path().join(place), good);
        kept.in_it(|cache| cache.read()).unwrap();
    }
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let kept = Kept::new();
    mode(&kept.file(), 0o620);
    kept.is_refused(io::ErrorKind::PermissionDenied);
}

#[test]
fn a_link_to_a_file_elsewhere_is_refused() {
    let kept = Kept::new();
    let elsewhere = kept.top.path().join("elsewhere");
    fs::rename(kept.file(), &elsewhere).unwrap();
    symlink(&elsewhere, kept.file()).unwrap();
    assert!(kept.in_it(|cache| cache.read()).is_err());
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let kept = Kept::new();
    // Only root can give away.
    if std::os::unix::fs::chown(kept.folder(), Some(12345), None).is_ok() {
        kept.is_refused(io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn damaged_code_is_refused() {
    let kept = Kept::new();
    let whole = fs::read(kept.file()).unwrap();
    for at in [0, DIGEST, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(kept.file(), damaged).unwrap();
        kept.is_refused(io::ErrorKind::InvalidData);
    }
    fs::write(kept.file(), &whole[..DIGEST - 1]).unwrap();
    kept.is_refused(io::ErrorKind::InvalidData);
}

#[test]
fn code_of_another_component_or_engine_has_another_name() {
    let kept = Kept::new();
    let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
    let names = [
        Cache::new(&kept.folder(), b"component", &kept.engine).name,
        Cache::new(&kept.folder(), b"another", &kept.engine).name,
        Cache::new(&kept.folder(), b"component", &other).name,
    ];
    assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
}

#[test]
fn the_newest_few_are_kept() {
    let kept = Kept::new();
    for number in 0..9_u8 {
        Cache::new(&kept.folder(), &[number], &kept.engine).write(CODE).unwrap();
    }
    assert_eq!(kept.folder().read_dir().unwrap().count(), KEPT);
}
