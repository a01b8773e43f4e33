//! The queue with its server, its store and its clock in the test's hands.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use mail_parser::MessageParser;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use super::record::Record;
use super::{Budget, Options, Parts, Passed, QueuedMailer};
use crate::contract::settings::SecretKey;
use crate::mail::transport::{Failure, Outgoing, Transport};
use crate::mail::{Delivery, Error as MailError, Guard, Mailer, Message};
use crate::settings::secret_key::from_bytes;
use crate::store::memory::MemoryStore;
use crate::store::{Change, Database, Edit, Entry, Error, MAIL, Put, Store, Verdict};

mod enqueued;
mod faults;
mod hand_over;
mod passes;
mod sealed;
mod workers;

/// When the tests begin, in seconds since 1970.
const START: u64 = 1_800_000_000;
/// How long a code lives.
const LIFE: u64 = 600;

/// What the server does with an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Take,
    /// Refuse for now.
    Later,
    /// Refuse for good.
    Never,
    /// Take it, and break off before the answer.
    TakeAndBreak,
    /// Wait until the test lets it go on, then take it.
    Gate,
    /// The same, and then refuse for now.
    GateAndLater,
}

/// A server that does what it is told: first its list, then always the same.
struct Server {
    list: Mutex<VecDeque<Answer>>,
    always: Mutex<Answer>,
    gate: Semaphore,
    tried: AtomicUsize,
    taken: Mutex<Vec<Outgoing>>,
}

impl Server {
    fn new(always: Answer) -> Arc<Self> {
        Arc::new(Self {
            list: Mutex::default(),
            always: Mutex::new(always),
            gate: Semaphore::new(0),
            tried: AtomicUsize::new(0),
            taken: Mutex::default(),
        })
    }

    fn next(&self, answers: &[Answer]) {
        self.list.lock().unwrap().extend(answers);
    }

    fn always(&self, answer: Answer) {
        *self.always.lock().unwrap() = answer;
    }

    fn tried(&self) -> usize {
        self.tried.load(Ordering::SeqCst)
    }

    fn taken(&self) -> Vec<Outgoing> {
        self.taken.lock().unwrap().clone()
    }

    /// The Message-IDs of what it has, in the order of coming.
    fn ids(&self) -> Vec<String> {
        let id = |mail: &Outgoing| {
            let parsed = MessageParser::default().parse(mail.content.as_slice()).unwrap();
            parsed.message_id().unwrap().to_owned()
        };
        self.taken().iter().map(id).collect()
    }
}

#[async_trait]
impl Transport for Server {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), Failure> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        let listed = self.list.lock().unwrap().pop_front();
        let answer = listed.unwrap_or(*self.always.lock().unwrap());
        if matches!(answer, Answer::Gate | Answer::GateAndLater) {
            self.gate.acquire().await.unwrap().forget();
        }
        if !matches!(answer, Answer::Later | Answer::GateAndLater | Answer::Never) {
            self.taken.lock().unwrap().push(mail.clone());
        }
        match answer {
            Answer::Take | Answer::Gate => Ok(()),
            Answer::Never => Err(Failure::Permanent("550 no such mailbox".into())),
            Answer::Later | Answer::GateAndLater | Answer::TakeAndBreak => {
                Err(Failure::Temporary("451 try again later".into()))
            }
        }
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// A store that fails where it is told to.
#[derive(Default)]
struct Shaky {
    store: MemoryStore,
    down: AtomicBool,
    keeps: AtomicBool,
    damaged: AtomicBool,
    /// Commits that are made and then answered as if they were not.
    lost: AtomicUsize,
    /// What is answered as overdue, whatever is.
    stale: Mutex<Option<Vec<String>>>,
}

impl Shaky {
    fn down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Whether removals fail.
    fn keeps(&self, keeps: bool) {
        self.keeps.store(keeps, Ordering::SeqCst);
    }

    fn up(&self) -> Result<(), Error> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Error::Unavailable("the database is down".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Shaky {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        self.up()?;
        if self.damaged.load(Ordering::SeqCst) && collections.contains(&"users") {
            return Err(Error::Damaged("two records of one key".into()));
        }
        self.store.load(collections, key).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        self.up()?;
        let removes = changes.iter().any(|change| matches!(change, Change::Remove(_)));
        if removes && self.keeps.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("the database went away".into()));
        }
        let verdict = self.store.commit(changes).await?;
        let lost = self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match lost {
            Ok(_) => Err(Error::Unavailable("the answer was lost".into())),
            Err(_) => Ok(verdict),
        }
    }

    async fn overdue(&self, names: &[&str], before: u64, limit: u32) -> Result<Vec<String>, Error> {
        self.up()?;
        if let Some(stale) = self.stale.lock().unwrap().clone() {
            return Ok(stale);
        }
        self.store.overdue(names, before, limit).await
    }
}

/// A tenant's queue and what is around it.
struct World {
    server: Arc<Server>,
    store: Arc<Shaky>,
    clock: Arc<AtomicU64>,
    queue: QueuedMailer,
}

impl World {
    fn new(always: Answer) -> Self {
        Self::with(always, Options { patience: Duration::from_secs(3), ..Options::default() })
    }

    fn with(always: Answer, options: Options) -> Self {
        let (server, store) = (Server::new(always), Arc::<Shaky>::default());
        let clock = Arc::new(AtomicU64::new(START));
        let queue = queue(&server, store.clone(), &clock, &[1], options);
        Self { server, store, clock, queue }
    }

    /// Another host on the same store and server, with these keys.
    fn host(&self, keys: &[u8]) -> QueuedMailer {
        queue(&self.server, self.store.clone(), &self.clock, keys, Options::default())
    }

    fn pass_time(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn send(&self) -> Result<Delivery, MailError> {
        self.queue.send(&message()).await
    }

    /// A mail in the queue, which was tried once.
    async fn queued(&self) {
        self.server.next(&[Answer::Later]);
        assert_eq!(self.send().await, Ok(Delivery::Queued));
    }

    async fn pass(&self) -> Passed {
        self.queue.pass(&Budget::default()).await.unwrap()
    }

    /// Everything that waits.
    async fn records(&self) -> Vec<Record> {
        let store = &self.store.store;
        let mut records = Vec::new();
        for key in store.overdue(&[MAIL], u64::MAX, 1000).await.unwrap() {
            for entry in store.load(&[MAIL], &key).await.unwrap() {
                records.push(Record::read(&key, &entry).unwrap());
            }
        }
        records
    }

    async fn waiting(&self) -> usize {
        usize::try_from(self.store.store.count(MAIL).await.unwrap()).unwrap()
    }

    /// Put this into the store, whatever stands there.
    async fn write(&self, collection: &str, key: &str, field: &[&str], value: Option<Json>) {
        let store = &self.store.store;
        let found = store.load(&[collection], key).await.unwrap();
        // When a record is due does not stand in it; this one is at once.
        let change = Change::Put(Put {
            collection: collection.into(),
            key: key.into(),
            version: found.first().map(|entry| entry.version.clone()),
            edits: vec![Edit {
                path: field.iter().map(|name| (*name).to_owned()).collect(),
                value: value.map(|value| value.to_string()),
            }],
            due: (collection == MAIL).then_some(START),
        });
        assert!(matches!(store.commit(&[change]).await.unwrap(), Verdict::Committed(_)));
    }

    /// The user whose code is mailed, with the digest of this code.
    async fn user(&self, digest: &str) {
        let path = ["portcullis", "codes", "mailbox", "digest"];
        self.write("users", "ann@example.com", &path, Some(digest.into())).await;
    }
}

fn queue(
    server: &Arc<Server>,
    store: Arc<dyn Store>,
    clock: &Arc<AtomicU64>,
    keys: &[u8],
    options: Options,
) -> QueuedMailer {
    let keys: Vec<SecretKey> = keys.iter().map(|byte| from_bytes(&[*byte; 32])).collect();
    let clock = clock.clone();
    let parts = Parts {
        tenant: "default",
        from: "codes@portcullis.example",
        keys: &keys,
        store,
        database: None,
        transport: server.clone(),
        clock: Arc::new(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst))),
    };
    QueuedMailer::new(parts, options).unwrap()
}

fn message() -> Message {
    Message {
        to: "Ann@example.com".to_owned(),
        subject: "Verification Code 271828".to_owned(),
        text: "Your verification code is: 271828".to_owned(),
        html: None,
        valid_until: START + LIFE,
        guard: None,
    }
}

/// A message that is worth sending while the user's record holds this digest.
fn guarded(digest: &str) -> Message {
    let guard = Guard {
        collection: "users".into(),
        key: "ann@example.com".into(),
        path: ["portcullis", "codes", "mailbox", "digest"].map(str::to_owned).to_vec(),
        value: format!("\"{digest}\""),
    };
    Message { guard: Some(guard), ..message() }
}

/// Wait for something that other tasks bring about.
async fn until(mut happened: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen within ten seconds");
}
