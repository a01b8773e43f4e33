//! `portcullis users export`.

use std::fs::File;
use std::io::{
    self, BufRead, BufReader, BufWriter, IntoInnerError, IsTerminal, Read, Seek, SeekFrom, Write,
};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures_util::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::user::User;
use super::walk::Walk;
use super::{Records, note, position, printable, trouble};
use crate::cli::open::{Program, ending};
use crate::cli::options::{Common, ExportUsers};
use crate::cli::progress::Progress;
use crate::cli::{REFUSED, print};
use crate::files;

/// What the audit log calls it.
const EVENT: &str = "users-export";
/// Users that are fetched at once.
const PAGE: u32 = 1000;
/// So many times as many are in hand at one time: while some are written, the next are made lines of.
const IN_HAND: usize = 4;
/// Bytes after which what was written is made durable.
const SYNC_EVERY: u64 = 16 << 20;
/// The most bytes of a line that was begun and not finished, or of the last whole one: more than a store
/// keeps of one user.
const MOST_LINE: u64 = 20 << 20;

pub(super) fn run(common: &Common, options: &ExportUsers) -> anyhow::Result<ExitCode> {
    let program = Program::open(common)?;
    let records = Records::of(program.tenant())?;
    let total = program.block_on(records.database.count("users")).map_err(trouble)?;
    let mut progress = Progress::new(Some(total), options.quiet);
    program.block_on(note(&records, EVENT, "begun"));
    let ended = match options.output.as_deref().filter(|path| *path != Path::new("-")) {
        None => {
            let stdout = BufWriter::new(io::stdout().lock());
            let mut output: Box<dyn Write> = match io::stdout().is_terminal() {
                false => Box::new(stdout),
                true => {
                    progress.tell(
                        "password hashes go to this terminal; --output FILE keeps them apart",
                    );
                    Box::new(Terminal(stdout))
                }
            };
            let begun = Copied { users: 0, damaged: false };
            let copying = copy(&records, "", begun, &mut output, || Ok(()), &mut progress);
            let copied = program.block_on(copying);
            copied.and_then(|copied| {
                output.flush().context("standard output")?;
                Ok(copied)
            })
        }
        Some(path) => {
            let database = position::database(program.tenant().settings(), &common.data);
            program.block_on(to_file(&records, path, database, &mut progress))
        }
    };
    program.block_on(note(&records, EVENT, ending(&ended)));
    program.close();
    let Copied { users, damaged } = ended?;
    drop(progress);
    if let Some(path) = options.output.as_deref().filter(|path| *path != Path::new("-")) {
        print::line(&format!("{users} users are in {}", path.display()))?;
    }
    Ok(if damaged { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}

/// How many users were written, and whether there are some who could not be.
struct Copied {
    users: u64,
    damaged: bool,
}

/// Whose users the lines of an unfinished file are, and whether some were left out.
#[derive(Deserialize, Serialize)]
struct Source {
    database: String,
    #[serde(default)]
    damaged: bool,
}

async fn to_file(
    records: &Records,
    path: &Path,
    database: String,
    progress: &mut Progress,
) -> anyhow::Result<Copied> {
    position::place(path)?;
    if path.symlink_metadata().is_ok() {
        bail!("{}: is there already; remove it, or name another file", path.display());
    }
    let part = position::beside(path, ".part");
    let note = position::beside(&part, ".position");
    let named = || part.display().to_string();
    let mut source = Source { database, damaged: false };
    match part.symlink_metadata() {
        Ok(_) => match position::read::<Source>(&note)? {
            Some(found) if found.database == source.database => source = found,
            _ => bail!("{}: is of another database; remove it, or name another file", named()),
        },
        Err(_) => position::write(&note, &source)?,
    }
    let mut file = files::open_private(&part).with_context(named)?;
    if file.try_lock().is_err() {
        bail!("{}: another export writes to it", named());
    }
    let Begun { users, last } = begun(&mut file).with_context(named)?;
    if let Some(last) = &last
        && records.user_of(last).await?.is_none()
    {
        bail!("{}: its last user is gone; remove it, to begin anew", named());
    }
    if users > 0 {
        progress.tell(&format!(
            "going on after {users} users, who are in the file as they were then; remove {} to begin \
             anew",
            named()
        ));
    }
    if source.damaged {
        progress.tell("an earlier run left out users whose records are damaged");
    }
    let mut output = Durable { file: BufWriter::new(file), since: 0 };
    let after = last.unwrap_or_default();
    let begun = Copied { users, damaged: source.damaged };
    // Before any line that comes after such a user: the next run does not look at him again.
    let left_out = || {
        source.damaged = true;
        position::write(&note, &source)
    };
    let copied = copy(records, &after, begun, &mut output, left_out, progress).await;
    let copied = copied.with_context(named)?;
    let file = output.file.into_inner().map_err(IntoInnerError::into_error).with_context(named)?;
    let file = files::unpublished(file, &part).with_context(named)?;
    files::publish(file, path, false).with_context(|| path.display().to_string())?;
    position::remove(&note)?;
    Ok(copied)
}

/// What an earlier run has left.
struct Begun {
    users: u64,
    last: Option<String>,
}

/// Counts the whole lines, removes one that was not finished, and leaves the file at its end.
fn begun(file: &mut File) -> anyhow::Result<Begun> {
    let (mut users, mut whole, mut last_begins) = (0_u64, 0_u64, 0_u64);
    let mut reader = BufReader::with_capacity(1 << 18, &mut *file);
    let mut at = 0_u64;
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            break;
        }
        for (offset, _) in block.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            last_begins = whole;
            whole = at.saturating_add(offset as u64).saturating_add(1);
            users += 1;
        }
        let read = block.len();
        at = at.saturating_add(read as u64);
        reader.consume(read);
    }
    file.set_len(whole)?;
    let mut last = None;
    if users > 0 {
        if whole.saturating_sub(last_begins) > MOST_LINE {
            bail!("its last line is no user; remove it, to begin anew");
        }
        file.seek(SeekFrom::Start(last_begins))?;
        let mut line = String::new();
        (&mut *file).take(MOST_LINE).read_to_string(&mut line)?;
        let user = User::parse(&line).context("its last line; remove it, to begin anew")?;
        last = Some(user.email.into_owned());
    }
    file.seek(SeekFrom::End(0))?;
    Ok(Begun { users, last })
}

/// Lines for a terminal, each written at once.
struct Terminal<W>(W);

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_all(print::tame(text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A file that loses little in a power failure.
struct Durable {
    file: BufWriter<File>,
    since: u64,
}

impl Write for Durable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.since = self.since.saturating_add(written as u64);
        if self.since >= SYNC_EVERY {
            self.since = 0;
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The users after this key, as lines, in the order of their keys; the next ones are fetched and made lines
/// of meanwhile. `left_out` is called when the first is met who cannot be written.
async fn copy(
    records: &Records,
    after: &str,
    mut copied: Copied,
    output: &mut impl Write,
    mut left_out: impl FnMut() -> anyhow::Result<()>,
    progress: &mut Progress,
) -> anyhow::Result<Copied> {
    let walk = Walk::after(records.clone(), after);
    let pages = stream::try_unfold(walk, async |mut walk| {
        let page = walk.next(PAGE).await?;
        anyhow::Ok((!page.is_empty()).then_some((page, walk)))
    });
    let lines = pages.map_ok(|page| {
        let tenant = records.tenant.clone();
        let writing = tokio::spawn(async move {
            let (keys, users): (Vec<_>, Vec<_>) =
                page.into_iter().map(|found| (found.key, found.user)).unzip();
            let lines = tenant.write_users(users).await?;
            anyhow::ensure!(lines.len() == keys.len(), "the component left out a line");
            Ok((keys, lines))
        });
        async { writing.await.context("a page")? }
    });
    let mut lines = std::pin::pin!(lines.try_buffered(IN_HAND));
    while let Some((keys, lines)) = lines.try_next().await? {
        for (key, line) in keys.iter().zip(lines) {
            match line {
                Ok(line) => {
                    output.write_all(line.as_bytes())?;
                    output.write_all(b"\n")?;
                    copied.users += 1;
                }
                Err(problem) => {
                    if !copied.damaged {
                        left_out()?;
                    }
                    copied.damaged = true;
                    progress.tell(&format!("{}: {problem}; left out", printable(key)));
                }
            }
        }
        // A run that goes on after this one finds what was written.
        output.flush()?;
        progress.at(copied.users, format_args!("{} users", copied.users));
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const LINE: &str = r#"{"email":"ann@example.com","password":null,"verified":true,"blocked":false,"custom_data":{}}"#;

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn left(content: &str) -> (anyhow::Result<Begun>, String) {
        let (_folder, path) = file(content);
        let mut open = File::options().read(true).write(true).open(&path).unwrap();
        let begun = begun(&mut open);
        (begun, std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_line_that_was_not_finished_is_removed() {
        let (begun, content) = left(&format!("{LINE}\n{LINE}\n{{\"email\":\"bo"));
        let begun = begun.unwrap();
        assert_eq!((begun.users, begun.last.as_deref()), (2, Some("ann@example.com")));
        assert_eq!(content, format!("{LINE}\n{LINE}\n"));
        let (begun, content) = left("{\"ema");
        assert_eq!((begun.unwrap().users, content.as_str()), (0, ""));
    }

    #[test]
    fn lines_for_a_terminal_command_it_nothing() {
        let mut terminal = Terminal(Vec::new());
        terminal.write_all("{\"a\":\"\u{9b}2Jé\"}\n".as_bytes()).unwrap();
        assert_eq!(terminal.0, "{\"a\":\"\\u009b2Jé\"}\n".as_bytes());
    }

    #[test]
    fn a_file_that_holds_something_else_is_not_continued() {
        assert!(left("something else\n").0.is_err());
    }
}
