//! Lines that were refused: told, counted and kept.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::printable;
use crate::cli::progress::Progress;
use crate::files;

/// So many are told; the others are counted.
const TOLD: u64 = 20;

/// Why a line did not go in.
pub(super) struct Refusal {
    /// Its number, from 1 on.
    pub(super) line: u64,
    pub(super) problem: String,
    /// The line itself, if it is text.
    pub(super) text: Option<String>,
}

/// A line of the file of refused lines.
#[derive(Serialize)]
struct Kept<'a> {
    line: u64,
    problem: &'a str,
    text: Option<&'a str>,
}

/// What is done with them.
pub(super) struct Rejected {
    told: u64,
    file: Option<File>,
}

impl Rejected {
    /// Keep them in this file, if one is named, after the `length` bytes that an earlier run has written
    /// there.
    pub(super) fn new(path: Option<&Path>, length: u64) -> anyhow::Result<Self> {
        let file = match path {
            None => None,
            Some(path) => Some(open(path, length).with_context(|| path.display().to_string())?),
        };
        Ok(Self { told: 0, file })
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
        if let Some(file) = &mut self.file {
            let kept =
                serde_json::to_string(&Kept { line: *line, problem, text: text.as_deref() })?;
            writeln!(file, "{kept}").context("the file of refused lines")?;
        }
        Ok(())
    }

    /// Make durable what was kept: its length.
    pub(super) fn keep(&mut self) -> anyhow::Result<u64> {
        let Some(file) = &mut self.file else { return Ok(0) };
        file.sync_data().and_then(|()| file.stream_position()).context("the file of refused lines")
    }
}

fn open(path: &Path, length: u64) -> io::Result<File> {
    let mut file = files::open_private(path)?;
    let found = file.metadata()?.len();
    if found < length || (length == 0 && found > 0) {
        let problem = "is there already with something else; remove it, or name another file";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
    }
    // What came after the position is refused once more.
    file.set_len(length)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}
