//! The imports of the component.

use core::time::Duration;

use crate::bindings::portcullis::auth::{caller, database, mailer, settings, store};
use crate::bindings::wasi::{clocks::wall_clock, random::random};
use crate::ports::{
    Administration, Change, Delivery, Entry, MailError, Message, Ports, SecretKey, Sizes,
    StoreError, Value, Verdict,
};

/// The host that runs this component.
pub(super) struct Host;

impl Ports for Host {
    fn tenant(&self) -> String {
        settings::tenant()
    }
    fn setting(&self, key: &str) -> Option<Value> {
        settings::get(key)
    }
    fn secret_keys(&self) -> Vec<SecretKey> {
        settings::secret_keys()
    }
    fn load(&self, key: &str) -> Result<Vec<Entry>, StoreError> {
        store::load(key)
    }
    fn commit(&self, changes: &[Change]) -> Result<Verdict, StoreError> {
        store::commit(changes)
    }
    fn overdue(&self, before: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        store::overdue(before, limit)
    }
    fn report(&self, collection: &str, key: &str, problem: &str) {
        store::report(collection, key, problem);
    }
    fn send(&self, message: &Message) -> Result<Delivery, MailError> {
        mailer::send(message)
    }
    fn enqueue(&self, message: &Message) -> Result<(), MailError> {
        mailer::enqueue(message)
    }
    fn hide_accounts(&self) -> bool {
        caller::hide_accounts()
    }
    fn ticket(&self) -> Option<String> {
        caller::ticket()
    }
    fn device(&self) -> Option<String> {
        caller::device()
    }
    fn recognised(&self, account: &str) {
        caller::recognised(account);
    }
    fn now(&self) -> Duration {
        let now = wall_clock::now();
        Duration::new(now.seconds, now.nanoseconds)
    }
    fn random(&self, length: usize) -> Vec<u8> {
        random::get_random_bytes(length as u64)
    }
}

impl Administration for Host {
    fn create(&self, collection: &str) -> Result<(), StoreError> {
        database::create(collection)
    }
    fn drop(&self, collection: &str) -> Result<(), StoreError> {
        database::drop(collection)
    }
    fn drop_all(&self) -> Result<(), StoreError> {
        database::drop_all()
    }
    fn count(&self, collection: &str) -> Result<u64, StoreError> {
        database::count(collection)
    }
    fn size(&self) -> Result<Sizes, StoreError> {
        database::size()
    }
    fn raw_stats(&self) -> Result<String, StoreError> {
        database::raw_stats()
    }
}
