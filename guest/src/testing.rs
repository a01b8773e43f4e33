//! An outside for native tests: a store in memory, a clock that stands still, mail in a list.
#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::ports::{
    Change, Delivery, Edit, Entry, MailError, Message, Ports, SecretKey, StoreError, Value, Verdict,
};

type Key = (String, String);

/// What somebody else does.
type Meanwhile = Box<dyn FnOnce(&Outside)>;

/// Everything that the logic may reach, in memory.
pub(crate) struct Outside {
    settings: BTreeMap<String, Value>,
    records: RefCell<BTreeMap<Key, (u64, Json)>>,
    writes: Cell<u64>,
    random: Cell<u64>,
    pub(crate) now: Cell<u64>,
    pub(crate) mails: RefCell<Vec<Message>>,
    pub(crate) reports: RefCell<Vec<String>>,
    /// Whether the caller must not learn who has an account.
    pub(crate) hides: Cell<bool>,
    pub(crate) ticket: RefCell<Option<String>>,
    pub(crate) device: RefCell<Option<String>>,
    /// Whose tokens were found good.
    pub(crate) recognised: RefCell<Vec<String>>,
    /// What was done outside, call by call: what a clock could see of it.
    pub(crate) done: RefCell<Vec<String>>,
    /// Done once, just before the next commit: somebody else who is faster.
    pub(crate) meanwhile: RefCell<Option<Meanwhile>>,
}

impl Outside {
    pub(crate) fn new() -> Self {
        Self {
            settings: BTreeMap::new(),
            records: RefCell::default(),
            writes: Cell::new(0),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
            now: Cell::new(1_800_000_000),
            mails: RefCell::default(),
            reports: RefCell::default(),
            hides: Cell::new(false),
            ticket: RefCell::default(),
            device: RefCell::default(),
            recognised: RefCell::default(),
            done: RefCell::default(),
            meanwhile: RefCell::default(),
        }
    }

    pub(crate) fn with(mut self, key: &str, value: i64) -> Self {
        self.settings.insert(key.to_owned(), Value::Integer(value));
        self
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds);
    }

    /// As seen by a stranger.
    pub(crate) fn hiding(self) -> Self {
        self.hides.set(true);
        self
    }

    pub(crate) fn show(&self, ticket: Option<&str>, device: Option<&str>) {
        *self.ticket.borrow_mut() = ticket.map(str::to_owned);
        *self.device.borrow_mut() = device.map(str::to_owned);
    }

    /// The digits in the last mail with a code.
    pub(crate) fn mailed_code(&self) -> String {
        let mails = self.mails.borrow();
        mails
            .iter()
            .rfind(|mail| mail.guard.is_some())
            .unwrap()
            .text
            .chars()
            .filter(char::is_ascii_digit)
            .collect()
    }

    pub(crate) fn record(&self, collection: &str, key: &str) -> Option<Json> {
        let records = self.records.borrow();
        records.get(&(collection.to_owned(), key.to_owned())).map(|(_, record)| record.clone())
    }

    pub(crate) fn write(&self, collection: &str, key: &str, record: Json) {
        self.writes.set(self.writes.get() + 1);
        let key = (collection.to_owned(), key.to_owned());
        self.records.borrow_mut().insert(key, (self.writes.get(), record));
    }

    /// Begin with a copy of somebody else's store.
    pub(crate) fn take_records_of(&self, other: &Self) {
        *self.records.borrow_mut() = other.records.borrow().clone();
        self.writes.set(other.writes.get());
    }

    fn holds(&self, collection: &str, key: &str, version: Option<&str>) -> bool {
        let key = (collection.to_owned(), key.to_owned());
        let found = self.records.borrow().get(&key).map(|(version, _)| version.to_string());
        found.as_deref() == version
    }

    fn apply(&self, collection: &str, key: &str, mut record: Json, edits: &[Edit]) -> String {
        for edit in edits {
            let (last, way) = edit.path.split_last().unwrap();
            let mut at = &mut record;
            for name in way {
                at = at
                    .as_object_mut()
                    .unwrap()
                    .entry(name)
                    .or_insert_with(|| Json::Object(Default::default()));
            }
            let fields = at.as_object_mut().unwrap();
            match &edit.value {
                Some(value) => fields.insert(last.clone(), serde_json::from_str(value).unwrap()),
                None => fields.remove(last),
            };
        }
        record.as_object_mut().unwrap().insert("email".to_owned(), key.into());
        self.write(collection, key, record);
        self.writes.get().to_string()
    }
}

impl Ports for Outside {
    fn tenant(&self) -> String {
        "default".to_owned()
    }
    fn setting(&self, key: &str) -> Option<Value> {
        self.settings.get(key).cloned()
    }
    fn secret_keys(&self) -> Vec<SecretKey> {
        vec![SecretKey { id: "k1".to_owned(), secret: vec![7; 32] }]
    }
    fn load(&self, key: &str) -> Result<Vec<Entry>, StoreError> {
        self.done.borrow_mut().push("load".to_owned());
        let records = self.records.borrow();
        let found = records.iter().filter(|((_, of), _)| of == key);
        Ok(found
            .map(|((collection, _), (version, record))| Entry {
                collection: collection.clone(),
                version: version.to_string(),
                document: record.to_string(),
            })
            .collect())
    }
    fn commit(&self, changes: &[Change]) -> Result<Verdict, StoreError> {
        self.done.borrow_mut().push("commit".to_owned());
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(self);
        }
        let hold = changes.iter().all(|change| match change {
            Change::Put(put) => self.holds(&put.collection, &put.key, put.version.as_deref()),
            Change::Remove(it) => self.holds(&it.collection, &it.key, Some(&it.version)),
            Change::Move(it) => self.holds(&it.collection, &it.key, Some(&it.version)),
            Change::Expect(it) => self.holds(&it.collection, &it.key, it.version.as_deref()),
        });
        if !hold {
            return Ok(Verdict::Conflict);
        }
        let mut versions = Vec::new();
        for change in changes {
            match change {
                Change::Put(put) => {
                    let before = self
                        .record(&put.collection, &put.key)
                        .unwrap_or_else(|| serde_json::json!({}));
                    versions.push(self.apply(&put.collection, &put.key, before, &put.edits));
                }
                Change::Remove(it) => {
                    self.records.borrow_mut().remove(&(it.collection.clone(), it.key.clone()));
                }
                Change::Move(it) => {
                    let before =
                        self.records.borrow_mut().remove(&(it.collection.clone(), it.key.clone()));
                    versions.push(self.apply(&it.collection, &it.to, before.unwrap().1, &it.edits));
                }
                Change::Expect(_) => {}
            }
        }
        Ok(Verdict::Committed(versions))
    }
    fn overdue(&self, _: u64, _: u32) -> Result<Vec<String>, StoreError> {
        Ok(self.records.borrow().keys().map(|(_, key)| key.clone()).collect())
    }
    fn report(&self, _: &str, _: &str, problem: &str) {
        self.reports.borrow_mut().push(problem.to_owned());
    }
    fn send(&self, message: &Message) -> Result<Delivery, MailError> {
        self.done.borrow_mut().push("send".to_owned());
        self.mails.borrow_mut().push(message.clone());
        Ok(Delivery::Accepted)
    }
    fn enqueue(&self, message: &Message) -> Result<(), MailError> {
        self.done.borrow_mut().push("enqueue".to_owned());
        self.mails.borrow_mut().push(message.clone());
        Ok(())
    }
    fn hide_accounts(&self) -> bool {
        self.hides.get()
    }
    fn ticket(&self) -> Option<String> {
        self.ticket.borrow().clone()
    }
    fn device(&self) -> Option<String> {
        self.device.borrow().clone()
    }
    fn recognised(&self, account: &str) {
        self.recognised.borrow_mut().push(account.to_owned());
    }
    fn now(&self) -> Duration {
        Duration::from_secs(self.now.get())
    }
    /// Not random at all, but different each time.
    fn random(&self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                let mut x = self.random.get();
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                self.random.set(x);
                (x >> 32) as u8
            })
            .collect()
    }
}
