//! Lines that were refused: told, counted and kept.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::position::{RejectFile, hex};
use super::printable;
use crate::cli::progress::Progress;
use crate::files;

/// So many are told; the others are counted.
const TOLD: u64 = 20;

/// The most bytes of a kept line: the longest that is read, all of it escaped, and what is wrong.
const MOST_LINE: u64 = 8 << 20;

const OTHER: &str = "is there already with something else; remove it, or name another file";

/// Why a line did not go in.
pub(super) struct Refusal {
    /// Its number, from 1 on.
    pub(super) line: u64,
    pub(super) problem: String,
    /// The line itself, if it is text.
    pub(super) text: Option<String>,
}

/// A line of the file of refused lines.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept<P, T> {
    line: u64,
    problem: P,
    text: Option<T>,
}

/// What is done with them.
pub(super) struct Rejected {
    told: u64,
    file: Option<Keeping>,
}

/// The file of refused lines, and the digest of what is in it.
struct Keeping {
    file: File,
    path: PathBuf,
    digest: Sha256,
}

impl Rejected {
    /// Keep them in the file of this path, if one is named, after what an earlier run has kept there.
    ///
    /// # Errors
    /// When an earlier run has kept them elsewhere, and when the file is the `input`, that of its
    /// `position`, or holds what no earlier run has written: nothing of it is touched then.
    pub(super) fn new(
        path: Option<&Path>,
        earlier: Option<&RejectFile>,
        input: Option<&File>,
        position: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let Some(path) = path else {
            if let Some(RejectFile { path, .. }) = earlier {
                bail!("the earlier run has kept refused lines: go on with --rejected {path}");
            }
            return Ok(Self { told: 0, file: None });
        };
        let named = || path.display().to_string();
        if let (Some(input), Ok(found)) = (input, path.metadata()) {
            anyhow::ensure!(
                !is_same(&found, &input.metadata()?),
                "{}: is what is imported; name another file for the refused lines",
                named()
            );
        }
        let whole = whole(path).with_context(named)?;
        if let Some(position) = position {
            anyhow::ensure!(
                self::whole(position)? != whole,
                "{}: is where the import keeps how far it is; name another file for the refused lines",
                named()
            );
        }
        if let Some(earlier) = earlier
            && earlier.path != whole.to_string_lossy()
        {
            bail!(
                "{}: the earlier run has kept refused lines in {}; name that",
                named(),
                earlier.path
            );
        }
        let mut file = files::open_private(path).with_context(named)?;
        let digest = go_on(&mut file, earlier).with_context(named)?;
        Ok(Self { told: 0, file: Some(Keeping { file, path: whole, digest }) })
    }

    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn add(&mut self, refusal: &Refusal, progress: &Progress) -> anyhow::Result<()> {
        let Refusal { line, problem, text } = refusal;
        if self.told < TOLD {
            progress.tell(&format!("line {line}: {}", printable(problem)));
        } else if self.told == TOLD {
            progress
                .tell("further lines that are refused are only counted (--rejected FILE has all)");
        }
        self.told = self.told.saturating_add(1);
        if let Some(Keeping { file, digest, .. }) = &mut self.file {
            let mut kept =
                serde_json::to_vec(&Kept { line: *line, problem, text: text.as_deref() })?;
            kept.push(b'\n');
            file.write_all(&kept).context("the file of refused lines")?;
            digest.update(&kept);
        }
        Ok(())
    }

    /// Make durable what was kept: by which the next run knows the file again.
    pub(super) fn keep(&mut self) -> anyhow::Result<Option<RejectFile>> {
        let Some(Keeping { file, path, digest }) = &mut self.file else { return Ok(None) };
        let length = file.sync_data().and_then(|()| file.stream_position());
        Ok(Some(RejectFile {
            path: path.to_string_lossy().into_owned(),
            length: length.context("the file of refused lines")?,
            digest: hex(&digest.clone().finalize()),
        }))
    }
}

/// The path from the root on, of a file that need not be there yet.
fn whole(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(folder.unwrap_or(Path::new(".")).canonicalize()?.join(name))
}

/// Whether it is one file: a link has another name.
#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false // it is refused as one that holds something else
}

/// Goes to the end of what the earlier run has vouched for. Lines behind that are removed, because they
/// are refused once more; but nothing that is no such line.
fn go_on(file: &mut File, earlier: Option<&RejectFile>) -> anyhow::Result<Sha256> {
    let mut digest = Sha256::new();
    let found = file.metadata()?.len();
    let Some(earlier) = earlier else {
        anyhow::ensure!(found == 0, OTHER);
        return Ok(digest);
    };
    file.rewind()?;
    let mut reader = BufReader::new(&mut *file);
    let mut vouched = (&mut reader).take(earlier.length);
    loop {
        let block = vouched.fill_buf()?;
        let read = block.len();
        if read == 0 {
            break;
        }
        digest.update(block);
        vouched.consume(read);
    }
    let known = vouched.limit() == 0 && hex(&digest.clone().finalize()) == earlier.digest;
    anyhow::ensure!(known && are_ours(reader)?, OTHER);
    file.set_len(earlier.length)?;
    file.seek(SeekFrom::End(0))?;
    Ok(digest)
}

/// Whether these are refused lines, but for a last one that was not finished.
fn are_ours(mut lines: impl BufRead) -> io::Result<bool> {
    const BEGIN: &[u8] = b"{\"line\":";
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut lines).take(MOST_LINE).read_until(b'\n', &mut line)?;
        let is_ours = match line.last() {
            None => return Ok(true),
            Some(b'\n') => serde_json::from_slice::<Kept<String, String>>(&line).is_ok(),
            Some(_) => line.starts_with(BEGIN) || BEGIN.starts_with(&line),
        };
        if !is_ours {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_gone_on_with_as_far_as_it_is_known_and_otherwise_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejected");
        let progress = Progress::new(None, true);
        let refusal = Refusal { line: 7, problem: "no".into(), text: Some("{}".into()) };
        let mut rejected = Rejected::new(Some(&path), None, None, None).unwrap();
        let empty = rejected.keep().unwrap().unwrap();
        rejected.add(&refusal, &progress).unwrap();
        let one = rejected.keep().unwrap().unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        for (found, earlier, left) in [
            (format!("{first}{first}"), &one, Some(&*first)),
            (format!("{first}{{\"line\":8,\"pro"), &one, Some(&*first)),
            (format!("{first}{{\"li"), &one, Some(&*first)),
            (first.clone(), &empty, Some("")),
            (format!("{first}something else"), &one, None),
            (format!("{first}something else\n"), &one, None),
            (first.replace('7', "8"), &one, None),
            (String::new(), &one, None),
            ("something else".into(), &empty, None),
        ] {
            std::fs::write(&path, &found).unwrap();
            let new = Rejected::new(Some(&path), Some(earlier), None, None);
            assert_eq!(new.is_ok(), left.is_some(), "{found}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left.unwrap_or(&found));
            if let Ok(mut new) = new {
                assert_eq!(new.keep().unwrap().as_ref(), Some(earlier), "{found}");
            }
        }
    }
}
