//! The threads that talk to SQLite, and the bounded queues before them; and short reads, which do
//! without them.
//!
//! A read of some records takes a few microseconds as a rule, less than handing it to another thread
//! and back. So it is done on the thread of its caller, with a connection of the readers
//! that is free at the moment. Such a thread serves others too and must not be kept: this way nothing
//! waits for a lock or for another process, and after one read that was long all the same (a disk that
//! had to be asked, a large document) the readers do them all for a while.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Options;
use super::failure::{Failure, is_busy};
use super::open::{connect, hurried, reconnect};
use super::session::Session;
use super::writer::{Write, WriteJob, write_all};
use crate::store::{Error, Verdict};

/// A read on the thread of its caller that takes longer than this sends those after it to the readers:
/// for a second at least, and for so many times as long as it took. A slow disk then has a hundredth of
/// the callers' time.
const LONG: Duration = Duration::from_millis(5);
const AFTER_LONG: Duration = Duration::from_secs(1);
const TIMES: u32 = 100;

type ReadJob = Box<dyn FnOnce(&mut Connector) + Send>;

/// The threads. Dropping it ends them, after the work that has begun.
pub(super) struct Workers {
    /// `None` only while it is being dropped.
    queues: Option<(mpsc::Sender<ReadJob>, mpsc::Sender<WriteJob>)>,
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
    patience: Duration,
    connectors: Arc<[Mutex<Connector>]>,
    /// Until when the readers do all reads: milliseconds since `begun`.
    handed_over_until: AtomicU64,
    begun: Instant,
}

impl Workers {
    pub(super) fn start(file: &Path, options: &Options) -> Result<Self, String> {
        let patience = options.patience;
        let (reads, read_jobs) = mpsc::channel::<ReadJob>(options.queue.max(1));
        let (writes, write_jobs) = mpsc::channel(options.queue.max(1));
        let read_jobs = Arc::new(Mutex::new(read_jobs));
        let connectors: Result<_, String> = (1..options.threads.max(2))
            .map(|_| Connector::new(file, patience).map(Mutex::new))
            .collect();
        // Before the first thread, so that an error here ends those that were already started.
        let mut workers = Workers {
            queues: Some((reads, writes)),
            readers: Vec::new(),
            writer: None,
            patience,
            connectors: connectors?,
            handed_over_until: AtomicU64::new(0),
            begun: Instant::now(),
        };

        let mut connector = Connector::new(file, patience)?;
        let writer = spawn("store-writer", move || write_all(&mut connector, write_jobs))?;
        workers.writer = Some(writer);
        for own in 0..workers.connectors.len() {
            let (connectors, jobs) = (Arc::clone(&workers.connectors), read_jobs.clone());
            let reader = spawn("store-reader", move || {
                // One idle reader waits for work, the others for the lock.
                let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(job) = next() {
                    // His own: of callers there is at most a short read in it.
                    if let Some(connector) = connectors.get(own) {
                        job(&mut connector.lock().unwrap_or_else(PoisonError::into_inner));
                    }
                }
            })?;
            workers.readers.push(reader);
        }
        Ok(workers)
    }

    /// Does a short read here and now, if that can be had without waiting for anybody; `None` says to
    /// [`Workers::read`] it. Also where it fails: that one tells why, after all its patience.
    pub(super) fn read_here<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Option<T> {
        let begun = Instant::now();
        let since = |time: Duration| time.as_millis() as u64;
        let now = since(begun.duration_since(self.begun));
        let until = self.handed_over_until.load(Ordering::Relaxed);
        if until > 0 {
            // The first one afterwards tries it, and the others wait for what he finds.
            let trial = now + since(AFTER_LONG);
            let tries = now >= until
                && self
                    .handed_over_until
                    .compare_exchange(until, trial, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if !tries {
                return None;
            }
        }
        let mut connector = self.connectors.iter().find_map(|it| it.try_lock().ok())?;
        let found = hurried(|| connector.run_if_ready(work));
        let took = begun.elapsed();
        if took > LONG {
            let rest = AFTER_LONG.max(took * TIMES);
            let now = since(self.begun.elapsed());
            self.handed_over_until.store(now + since(rest), Ordering::Relaxed);
        } else if until > 0 && found.is_some() {
            self.handed_over_until.store(0, Ordering::Relaxed);
        }
        found
    }

    /// Does the work in a reader.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let Some((reads, _)) = &self.queues else { return Err(closed()) };
        let job = |ticket: Ticket<T>| -> ReadJob {
            Box::new(move |connector| {
                if ticket.begin() {
                    ticket.answer(connector.run(work));
                }
            })
        };
        ask(reads, self.patience, job).await
    }

    /// Does the work in a reader, in one read transaction.
    pub(super) async fn view<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.read(move |session| session.view(work)).await
    }

    /// Makes the write in the writer. The answer comes when it is on the disk.
    pub(super) async fn write(&self, write: Write) -> Result<Verdict, Error> {
        let Some((_, writes)) = &self.queues else { return Err(closed()) };
        ask(writes, self.patience, |ticket| (write, ticket)).await
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| format!("no thread: {error}"))
}

impl Drop for Workers {
    fn drop(&mut self) {
        // The threads see the end of their queues; what still waits there has no caller any more
        // and is not begun. The writer goes last and alone: of two connections that close at the
        // same moment each may take the other for a reason to leave the log beside the file.
        let Some((reads, writes)) = self.queues.take() else { return };
        drop(reads);
        for reader in self.readers.drain(..) {
            join(reader);
        }
        self.connectors = Arc::new([]);
        drop(writes);
        if let Some(writer) = self.writer.take() {
            join(writer);
        }
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the store has panicked");
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("readers", &self.readers.len()).finish_non_exhaustive()
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".into())
}

/// The way back to a caller.
///
/// Whoever takes the claim first decides about the work: the worker that begins it, or the caller
/// that has waited long enough. So "unavailable" is never said of something that is done later.
pub(super) struct Ticket<T> {
    claim: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T> Ticket<T> {
    pub(super) fn begin(&self) -> bool {
        !self.reply.is_closed() && !self.claim.swap(true, Ordering::AcqRel)
    }

    pub(super) fn answer(self, answer: Result<T, Error>) {
        // A caller that has gone away does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// Queues a job and waits for its answer.
async fn ask<J, T>(
    queue: &mpsc::Sender<J>,
    patience: Duration,
    job: impl FnOnce(Ticket<T>) -> J,
) -> Result<T, Error> {
    let deadline = Instant::now() + patience;
    let late = || Error::Unavailable(format!("too much to do: not begun within {patience:?}"));
    let room = timeout_at(deadline, queue.reserve()).await.map_err(|_| late())?;
    let (reply, mut answer) = oneshot::channel();
    let claim = Arc::new(AtomicBool::new(false));
    room.map_err(|_| closed())?.send(job(Ticket { claim: claim.clone(), reply }));
    let answered = match timeout_at(deadline, &mut answer).await {
        Ok(answered) => answered,
        Err(_) if !claim.swap(true, Ordering::AcqRel) => return Err(late()),
        // Begun: only the worker knows how it ends, and it does not wait long for locks.
        Err(_) => answer.await,
    };
    answered.unwrap_or_else(|_| Err(closed()))
}

/// Keeps a connection, and makes a new one after an error that the old one may not get over, and
/// when the file was replaced: what is written into a file that has lost its name is lost.
pub(super) struct Connector {
    file: PathBuf,
    pub(super) patience: Duration,
    session: Option<Session>,
}

impl Connector {
    pub(super) fn new(file: &Path, patience: Duration) -> Result<Self, String> {
        let session = Some(Session::new(connect(file, patience)?));
        Ok(Connector { file: file.to_owned(), patience, session })
    }

    /// Does the work, if the connection is there and sound, and it succeeds.
    fn run_if_ready<T>(&mut self, work: impl FnOnce(&Session) -> Result<T, Failure>) -> Option<T> {
        let session = self.session.take_if(|session| !session.has_moved())?;
        self.keep(session, work).ok()
    }

    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let session = match self.session.take() {
            Some(session) if !session.has_moved() => session,
            _ => Session::new(reconnect(&self.file, self.patience).map_err(Error::Unavailable)?),
        };
        self.keep(session, work)
    }

    /// Does the work, and keeps the connection if it is sound afterwards.
    fn keep<T>(
        &mut self,
        session: Session,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let result = work(&session);
        let sound = !matches!(&result, Err(Failure::Engine(error)) if !is_busy(error));
        if sound && session.db.is_autocommit() {
            self.session = Some(session);
        }
        Ok(result?)
    }
}
