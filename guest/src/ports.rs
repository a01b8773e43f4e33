//! What the logic may reach: everything outside this crate, as one trait.
//!
//! In the component the host stands behind it (`component`, compiled for wasm only); in native
//! tests and benchmarks whatever implements [`Ports`].

pub use crate::bindings::portcullis::auth::database::Sizes;
pub use crate::bindings::portcullis::auth::mailer::{Delivery, Error as MailError, Guard, Message};
pub use crate::bindings::portcullis::auth::settings::{SecretKey, Value};
pub use crate::bindings::portcullis::auth::store::{
    Change, Edit, Entry, Error as StoreError, Expectation, Partial, Put, Relocation, Removal,
    Verdict,
};

/// The imports of the component. Each method's guarantee stands with its namesake in `wit/`; without
/// more, the caller is an application that may know who has an account.
pub trait Ports {
    /// `settings.tenant`.
    fn tenant(&self) -> String;
    /// `settings.get`.
    fn setting(&self, key: &str) -> Option<Value>;
    /// `settings.secret-keys`.
    fn secret_keys(&self) -> Vec<SecretKey>;
    /// `store.load`.
    ///
    /// # Errors
    /// The store's own.
    fn load(&self, key: &str) -> Result<Vec<Entry>, StoreError>;
    /// `store.commit`.
    ///
    /// # Errors
    /// The store's own.
    fn commit(&self, changes: &[Change]) -> Result<Verdict, StoreError>;
    /// `store.overdue`.
    ///
    /// # Errors
    /// The store's own.
    fn overdue(&self, before: u64, limit: u32) -> Result<Vec<String>, StoreError>;
    /// `store.report`.
    fn report(&self, collection: &str, key: &str, problem: &str);
    /// `mailer.send`.
    ///
    /// # Errors
    /// The mailer's own.
    fn send(&self, message: &Message) -> Result<Delivery, MailError>;
    /// `mailer.enqueue`.
    ///
    /// # Errors
    /// The mailer's own.
    fn enqueue(&self, message: &Message) -> Result<(), MailError> {
        self.send(message).map(drop)
    }
    /// `caller.hide-accounts`.
    fn hide_accounts(&self) -> bool {
        false
    }
    /// `caller.ticket`.
    fn ticket(&self) -> Option<String> {
        None
    }
    /// `caller.device`.
    fn device(&self) -> Option<String> {
        None
    }
    /// `caller.recognised`.
    fn recognised(&self, _account: &str) {}
    /// `wall-clock.now`, as the time since 1970 (UTC).
    fn now(&self) -> core::time::Duration;
    /// `random.get-random-bytes`: unpredictable bytes.
    fn random(&self, length: usize) -> Vec<u8>;
}

/// The imports that only `coredb` needs; a host grants them apart.
pub trait Administration {
    /// `database.create`.
    ///
    /// # Errors
    /// The store's own, as for all of these.
    fn create(&self, collection: &str) -> Result<(), StoreError>;
    /// `database.drop`.
    ///
    /// # Errors
    /// The store's own.
    fn drop(&self, collection: &str) -> Result<(), StoreError>;
    /// `database.drop-all`.
    ///
    /// # Errors
    /// The store's own.
    fn drop_all(&self) -> Result<(), StoreError>;
    /// `database.count`.
    ///
    /// # Errors
    /// The store's own.
    fn count(&self, collection: &str) -> Result<u64, StoreError>;
    /// `database.size`.
    ///
    /// # Errors
    /// The store's own.
    fn size(&self) -> Result<Sizes, StoreError>;
    /// `database.raw-stats`.
    ///
    /// # Errors
    /// The store's own.
    fn raw_stats(&self) -> Result<String, StoreError>;
}
