//! The decisions of Portcullis: what an account may do, and what happens when it does.
//!
//! Pure logic: everything outside is behind [`ports::Ports`], and nothing is remembered between
//! two calls. Compiled to wasm this crate is the component; natively it is what its tests and
//! benchmarks run.
//!
//! The rooms, from the contract inwards:
//!
//! - `component` (wasm only): the exports of `wit/` around the functions below;
//! - [`auth`], [`utils`], [`sessions`], [`coredb`], [`upkeep`], [`users`]: the functions, one operation
//!   a file in `auth` and `sessions`;
//! - [`call`]: the way of one call, from the rate limit through load, decide, commit;
//! - [`changes`]: the conditional commit as it is put together;
//! - [`rate`], [`tally`]: the limits, as state machines;
//! - [`address`], [`password`], [`code`], [`proof`], [`json`], [`mail`], [`notice`]: what each of these
//!   is and may be;
//! - [`record`]: the records as they stand in the store;
//! - [`settings`], [`outcome`], [`reply`]: what a tenant configures, every way a call can end, and
//!   what the caller reads;
//! - [`ports`], [`bindings`]: what may be reached.
//!
//! ```
//! use portcullis_guest::{ports::*, reply, utils};
//!
//! /// An outside in which nobody has an account.
//! struct Nobody;
//! impl Ports for Nobody {
//!     fn tenant(&self) -> String { "default".into() }
//!     fn setting(&self, _: &str) -> Option<Value> { None }
//!     fn secret_keys(&self) -> Vec<SecretKey> { vec![] }
//!     fn load(&self, _: &str) -> Result<Vec<Entry>, StoreError> { Ok(vec![]) }
//!     fn commit(&self, _: &[Change]) -> Result<Verdict, StoreError> { Ok(Verdict::Conflict) }
//!     fn overdue(&self, _: u64, _: u32) -> Result<Vec<String>, StoreError> { Ok(vec![]) }
//!     fn report(&self, _: &str, _: &str, _: &str) {}
//!     fn send(&self, _: &Message) -> Result<Delivery, MailError> { Err(MailError::Unconfigured) }
//!     fn now(&self) -> std::time::Duration { std::time::Duration::from_secs(1_800_000_000) }
//!     fn random(&self, length: usize) -> Vec<u8> { vec![4; length] }
//! }
//!
//! let outcome = reply::reply(&Nobody, utils::is_verified(&Nobody, "a@example.com")).unwrap();
//! assert_eq!((outcome.success, outcome.code), (false, 404));
//! ```

pub mod address;
pub mod auth;
pub mod bindings;
pub mod call;
pub mod changes;
pub mod code;
#[cfg(target_family = "wasm")]
mod component;
pub mod coredb;
pub mod json;
pub mod mail;
pub mod notice;
pub mod outcome;
pub mod password;
pub mod ports;
pub mod proof;
pub mod rate;
pub mod record;
pub mod reply;
pub mod sessions;
pub mod settings;
pub mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod upkeep;
pub mod users;
pub mod utils;
