//! Files that only their owner may read, written whole or not at all.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Make the folder, and those above it, for the owner alone (mode 700). One that is there already
/// is left as it is.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Write a new file for the owner alone (mode 600). Whoever finds it finds the whole content, also
/// after a crash or a power failure; a file of that name that is there already is never touched.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one.
pub(crate) fn write_new(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    write(folder, name, content, false)
}

/// As [`write_new`], in place of a file of that name that is there already.
pub(crate) fn replace(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    write(folder, name, content, true)
}

/// A file without content for the owner alone, which is gone unless it is [`publish`]ed.
pub(crate) fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    // The leading dot and the ending keep what a killed process leaves behind from being taken for
    // the real thing. `tempfile` creates with mode 600.
    tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(folder)
}

/// The file that is open at `path`, to be [`publish`]ed. It stays there where that is refused.
#[cfg(feature = "cli")]
pub(crate) fn unpublished(file: File, path: &Path) -> io::Result<NamedTempFile> {
    let mut path = tempfile::TempPath::try_from_path(path)?;
    path.disable_cleanup(true);
    Ok(NamedTempFile::from_parts(file, path))
}

/// Give the file its name, in the folder that it is in, when its content is on the disk.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one of that name and it is not to be replaced.
pub(crate) fn publish(file: NamedTempFile, path: &Path, replace: bool) -> io::Result<()> {
    file.as_file().sync_all()?;
    let named = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    named.map_err(|refused| refused.error)?;
    // The name is durable only when the folder is. Elsewhere a folder cannot be opened like that.
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Open a file for reading and writing, made for the owner alone (mode 600) unless it is there.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] when it is there and others may read it, belongs to somebody
/// else, or is no file at all.
#[cfg(feature = "cli")]
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }
    let file = options.open(path)?;
    let about = file.metadata()?;
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
    if !about.is_file() {
        return Err(refused("is no file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if about.uid() != rustix::process::geteuid().as_raw() || about.mode() & 0o077 != 0 {
            return Err(refused("is there already, and not for its owner alone"));
        }
    }
    Ok(file)
}

fn write(folder: &Path, name: &str, content: &[u8], replace: bool) -> io::Result<()> {
    let mut file = temporary(folder)?;
    file.write_all(content)?;
    publish(file, &folder.join(name), replace)
}

/// The whole file, if it is no longer than `limit` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] when it is longer: it is not read to its end, so that a device
/// without one does no harm.
pub(crate) fn read_bounded(file: File, limit: u64) -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    use std::io::Read;
    // One allocation from the start: growing would leave copies of a secret behind.
    let expected = file.metadata()?.len().min(limit);
    let mut content =
        zeroize::Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1));
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("has more than {limit} bytes"),
        ));
    }
    Ok(content)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_and_files_are_for_their_owner_alone() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("a/b");
        make_private_folder(&folder).unwrap();
        make_private_folder(&folder).unwrap();
        write_new(&folder, "f", b"content").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("f"))), (0o700, 0o600));
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten_and_nothing_is_left_behind() {
        let top = tempfile::tempdir().unwrap();
        write_new(top.path(), "f", b"first").unwrap();
        let refused = write_new(top.path(), "f", b"second").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(top.path().join("f")).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(feature = "cli")]
    fn an_unpublished_file_stays_where_its_name_is_taken() {
        let top = tempfile::tempdir().unwrap();
        let (part, whole) = (top.path().join("f.part"), top.path().join("f"));
        write_new(top.path(), "f", b"first").unwrap();
        write_new(top.path(), "f.part", b"second").unwrap();
        let give_name = || publish(unpublished(File::open(&part)?, &part)?, &whole, false);
        assert_eq!(give_name().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let content = |path: &Path| std::fs::read(path).unwrap();
        assert_eq!((content(&part), content(&whole)), (b"second".to_vec(), b"first".to_vec()));
        std::fs::remove_file(&whole).unwrap();
        give_name().unwrap();
        assert_eq!((content(&whole), part.exists()), (b"second".to_vec(), false));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let top = tempfile::tempdir().unwrap();
        write_new(top.path(), "f", b"12345").unwrap();
        let open = || File::open(top.path().join("f")).unwrap();
        assert_eq!(read_bounded(open(), 5).unwrap().as_slice(), b"12345");
        assert_eq!(read_bounded(open(), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let endless = File::open("/dev/zero").unwrap();
        assert_eq!(read_bounded(endless, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
