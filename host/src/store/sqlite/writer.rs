//! The one thread that writes: what waits for it goes into one transaction.

use std::time::Duration;

use rusqlite::TransactionBehavior;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::open::patiently;
use super::session::Session;
use super::worker::{Connector, Ticket};
use super::write::{self, Fresh};
use crate::store::{Change, Error, Verdict};

/// The most writes in one transaction, and the most records of insertions: more would make the first wait
/// too long for its answer, and everybody who writes much at the same time would wait together.
const BATCH: usize = 32;
const BATCH_RECORDS: usize = 2000;

/// What the writer is asked for.
pub(super) enum Write {
    Commit(Vec<Change>),
    /// Answered with one version each, an empty one for what was there already.
    Insert {
        collection: String,
        records: Vec<Fresh>,
    },
    Create(String),
    Drop(String),
    DropAll,
}

impl Write {
    /// How many records it inserts.
    fn records(&self) -> usize {
        match self {
            Self::Insert { records, .. } => records.len(),
            _ => 0,
        }
    }
}

/// A write, and the way back to whoever asks for it.
pub(super) type WriteJob = (Write, Ticket<Verdict>);

/// Answers every write of the queue, until nobody can ask any more.
pub(super) fn write_all(connector: &mut Connector, mut jobs: mpsc::Receiver<WriteJob>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = jobs.blocking_recv() {
        let mut records = first.0.records();
        batch.push(first);
        while batch.len() < BATCH
            && records < BATCH_RECORDS
            && let Ok(job) = jobs.try_recv()
        {
            records += job.0.records();
            batch.push(job);
        }
        batch.retain(|(_, ticket)| ticket.begin());
        if batch.is_empty() {
            continue;
        }
        let (writes, tickets): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        match connector.write(&writes) {
            Ok(answers) => {
                for (ticket, answer) in tickets.into_iter().zip(answers) {
                    ticket.answer(answer);
                }
            }
            Err(error) => {
                for ticket in tickets {
                    ticket.answer(Err(error.clone()));
                }
            }
        }
    }
}

impl Connector {
    /// Makes several writes in one transaction, each whole or not at all, and gives their answers
    /// when all are on the disk. An error means that none is there.
    pub(super) fn write(&mut self, writes: &[Write]) -> Result<Vec<Result<Verdict, Error>>, Error> {
        let patience = self.patience;
        self.run(|session| {
            let made = write_together(session, writes, patience);
            if made.is_err() {
                session.forget();
            }
            made
        })
    }
}

fn write_together(
    session: &Session,
    writes: &[Write],
    patience: Duration,
) -> Result<Vec<Result<Verdict, Error>>, Failure> {
    // The lock first: what the conditions see then stands still until the commit.
    let transaction = patiently(patience, || Ok(session.begin(TransactionBehavior::Immediate)?))?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        answers.push(make_one(session, write)?);
    }
    transaction.commit()?;
    Ok(answers)
}

/// One write in a savepoint of its own. An error of the engine ends the whole transaction: after a
/// full disk or a failed read nothing in it can be relied on.
fn make_one(session: &Session, write: &Write) -> Result<Result<Verdict, Error>, Failure> {
    let done = || Ok(Verdict::Committed(Vec::new()));
    session.db.prepare_cached("SAVEPOINT one")?.execute([])?;
    let result = match write {
        Write::Commit(changes) => write::commit(session, changes),
        Write::Insert { collection, records } => write::insert(session, collection, records),
        Write::Create(collection) => write::create(session, collection).and_then(|()| done()),
        Write::Drop(collection) => write::drop(session, collection).and_then(|()| done()),
        Write::DropAll => write::drop_all(session).and_then(|()| done()),
    };
    let answer = match result {
        Ok(verdict) => Ok(verdict),
        Err(Failure::Refused(error)) => Err(error),
        Err(failure) => return Err(failure),
    };
    if !matches!(answer, Ok(Verdict::Committed(_))) {
        session.db.prepare_cached("ROLLBACK TO one")?.execute([])?;
        session.forget();
    }
    session.db.prepare_cached("RELEASE one")?.execute([])?;
    Ok(answer)
}
