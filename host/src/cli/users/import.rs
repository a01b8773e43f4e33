//! `portcullis users import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::intake::{Numbered, Taken, take};
use super::position::{self, Fingerprint, Imported};
use super::rejected::{Refusal, Rejected};
use super::{Records, note};
use crate::cli::lines::{Line, Lines};
use crate::cli::open::{Program, ending};
use crate::cli::options::{Common, ImportUsers};
use crate::cli::progress::Progress;
use crate::cli::{REFUSED, print};

/// What the audit log calls it.
const EVENT: &str = "users-import";
/// The most bytes of a line: the largest custom data, what other programs may have left, and room for
/// the rest.
const MAX_LINE: usize = 1 << 20;
/// The most lines that are taken at once.
const BATCH: usize = 1000;
/// The most bytes of these, but for the last line.
const BATCH_BYTES: usize = 2 << 20;
/// Batches that are in hand at one time: while the store writes some of them, others are read. With more, some
/// would wait behind several transactions, and a slow disk would try the store's patience; none goes faster.
const IN_HAND: usize = 4;
/// How often the position is written.
const KEEP_EVERY: Duration = Duration::from_millis(250);

pub(super) fn run(common: &Common, options: &ImportUsers) -> anyhow::Result<ExitCode> {
    let path = Some(options.file.as_path()).filter(|path| *path != Path::new("-"));
    // Before a store is made for nothing.
    let mut file = path.map(open).transpose()?;
    let program = Program::open(common)?;
    let records = Records::of(program.tenant())?;
    let fingerprint = match &mut file {
        Some(file) => Fingerprint::of(file).context("the file")?,
        None => Fingerprint::default(),
    };
    let total = file.is_some().then(|| fingerprint.size());
    let progress = Progress::new(total, options.quiet);
    let begin = Imported {
        database: position::database(program.tenant().settings(), &common.data),
        file: fingerprint,
        ..Imported::default()
    };
    let keep = path.filter(|_| !options.dry_run).map(|path| position::beside(path, ".position"));
    let position = match &keep {
        Some(keep) => program.block_on(resume(&records, keep, begin, &progress))?,
        None => begin,
    };
    let rejected = Rejected::new(
        options.rejected.as_deref(),
        position.rejected.as_ref(),
        file.as_ref(),
        keep.as_deref(),
    )?;
    let input: Box<dyn BufRead + Send> = match file {
        Some(mut file) => {
            file.seek(SeekFrom::Start(position.bytes)).context("the file")?;
            Box::new(BufReader::with_capacity(1 << 18, file))
        }
        None => Box::new(BufReader::new(io::stdin())),
    };
    let audited = records.clone();
    let tell = |outcome| program.block_on(note(&audited, EVENT, outcome));
    if !options.dry_run {
        tell("begun");
    }
    let import = Import { records, progress, rejected, position, keep, dry_run: options.dry_run };
    let ended = program.block_on(import.run(input));
    if !options.dry_run {
        tell(ending(&ended));
    }
    program.close();
    let counts = ended.context("run the same command again, and it goes on")?.counts;
    let made = if options.dry_run { "would be put in" } else { "put in" };
    print::line(&format!(
        "{} {made}, {} already there, {} refused",
        counts.made, counts.there, counts.rejected
    ))?;
    Ok(if counts.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

fn open(path: &Path) -> anyhow::Result<File> {
    let named = || path.display().to_string();
    let file = File::open(path).with_context(named)?;
    if !file.metadata().with_context(named)?.is_file() {
        bail!("{}: is no file; give what is none on standard input, as `-`", named());
    }
    Ok(file)
}

/// Where an earlier run has stopped, if this is the same file and the same database with what that run
/// has put in. Otherwise from the beginning: who is there already stays as he is.
async fn resume(
    records: &Records,
    keep: &Path,
    begin: Imported,
    progress: &Progress,
) -> anyhow::Result<Imported> {
    let Some(found) = position::read::<Imported>(keep)? else {
        if keep.symlink_metadata().is_ok() {
            bail!("{}: is no position of an import; remove it", keep.display());
        }
        return Ok(begin);
    };
    let anew = |why: &str| progress.tell(&format!("{}: {why}: beginning anew", keep.display()));
    if found.file != begin.file || found.bytes > begin.file.size() {
        anew("is of another file, or the file was changed");
        return Ok(begin);
    }
    if found.database != begin.database {
        anew("is of another database");
        return Ok(begin);
    }
    if let Some(witness) = &found.witness
        && records.user_of(witness).await?.is_none()
    {
        anew("the database lacks a user who was put in");
        return Ok(begin);
    }
    progress.tell(&format!("going on after line {}", found.lines));
    Ok(found)
}

/// Some lines, and where the input is after them.
struct Batch {
    lines: Vec<Numbered>,
    refusals: Vec<Refusal>,
    bytes: u64,
    count: u64,
    /// Whether the input has ended with it.
    is_last: bool,
}

struct Import {
    records: Records,
    progress: Progress,
    rejected: Rejected,
    position: Imported,
    keep: Option<PathBuf>,
    dry_run: bool,
}

impl Import {
    async fn run(mut self, input: Box<dyn BufRead + Send>) -> anyhow::Result<Imported> {
        let (send, batches) = mpsc::channel(1);
        let (bytes, lines) = (self.position.bytes, self.position.lines);
        // Not one of the threads that the end of the program waits for: standard input may never end.
        std::thread::Builder::new()
            .spawn(move || read(input, bytes, lines, &send))
            .context("threads")?;
        let (records, dry_run) = (self.records.clone(), self.dry_run);
        let mut taken = std::pin::pin!(
            stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches)))
                .map(|batch: io::Result<Batch>| {
                    let records = records.clone();
                    let taking = tokio::spawn(async move {
                        let mut batch = batch.context("the input")?;
                        let lines = std::mem::take(&mut batch.lines);
                        let taken = take(&records, lines, dry_run).await?;
                        anyhow::Ok((batch, taken))
                    });
                    async { taking.await.context("a batch")? }
                })
                .buffered(IN_HAND)
        );
        // A run that is killed before it has a position finds its refused lines again by this one.
        if self.rejected.has_file() {
            self.keep_position()?;
        }
        let mut kept: Option<Instant> = None;
        let mut ended = false;
        while let Some(done) = taken.next().await {
            let (batch, done) = done?;
            ended = batch.is_last;
            self.count(batch, done)?;
            if kept.is_none_or(|kept| kept.elapsed() >= KEEP_EVERY) {
                self.keep_position()?;
                kept = Some(Instant::now());
            }
        }
        // A reader that broke off must not pass for one that is done.
        anyhow::ensure!(ended, "the input was not read to its end");
        let size = self.position.file.size();
        anyhow::ensure!(
            self.position.bytes >= size,
            "the file was shortened while it was read: it ended after {} of {size} bytes",
            self.position.bytes
        );
        self.rejected.keep()?;
        if let Some(keep) = &self.keep {
            position::remove(keep)?;
        }
        Ok(self.position)
    }

    fn count(&mut self, batch: Batch, taken: Taken) -> anyhow::Result<()> {
        let counts = &mut self.position.counts;
        counts.made += taken.counts.made;
        counts.there += taken.counts.there;
        counts.rejected += taken.counts.rejected + batch.refusals.len() as u64;
        let users = counts.made + counts.there;
        let mut refusals = batch.refusals;
        refusals.extend(taken.refusals);
        refusals.sort_by_key(|refusal| refusal.line);
        for refusal in &refusals {
            self.rejected.add(refusal, &self.progress)?;
        }
        self.position.bytes = batch.bytes;
        self.position.lines = batch.count;
        if taken.witness.is_some() {
            self.position.witness = taken.witness;
        }
        self.progress.at(batch.bytes, format_args!("{users} users"));
        Ok(())
    }

    /// After everything that it stands for is durable.
    fn keep_position(&mut self) -> anyhow::Result<()> {
        self.position.rejected = self.rejected.keep()?;
        let Some(keep) = &self.keep else { return Ok(()) };
        if let Err(error) = position::write(keep, &self.position) {
            // Such as beside a file that may only be read.
            self.progress.tell(&format!("no position is kept, another run begins anew: {error:#}"));
            self.keep = None;
        }
        Ok(())
    }
}

/// Read batch after batch, until the input ends or nobody takes them.
fn read(
    input: Box<dyn BufRead + Send>,
    begin: u64,
    before: u64,
    send: &mpsc::Sender<io::Result<Batch>>,
) {
    let mut lines = Lines::new(input, MAX_LINE);
    let mut number = before;
    loop {
        let mut batch =
            Batch { lines: Vec::new(), refusals: Vec::new(), bytes: 0, count: 0, is_last: false };
        let mut size = 0_usize;
        while batch.lines.len() + batch.refusals.len() < BATCH && size < BATCH_BYTES {
            let problem = match lines.next() {
                Err(error) => {
                    let _ = send.blocking_send(Err(error));
                    return;
                }
                Ok(None) => {
                    batch.is_last = true;
                    break;
                }
                Ok(Some(line)) => {
                    number += 1;
                    match line {
                        Line::Text(text) if text.trim().is_empty() => None,
                        Line::Text(text) => {
                            size = size.saturating_add(text.len());
                            batch.lines.push(Numbered { line: number, text: text.to_owned() });
                            None
                        }
                        Line::TooLong => Some(format!("exceeds {MAX_LINE} bytes")),
                        Line::NotText => Some("is not UTF-8".to_owned()),
                    }
                }
            };
            if let Some(problem) = problem {
                batch.refusals.push(Refusal { line: number, problem, text: None });
            }
        }
        batch.bytes = begin.saturating_add(lines.consumed());
        batch.count = number;
        let is_last = batch.is_last;
        if send.blocking_send(Ok(batch)).is_err() || is_last {
            return;
        }
    }
}
