//! Portcullis: user authentication as a WebAssembly component, and its host.
//!
//! All decisions (validation, password hashing, codes, limits) are made by one small component that
//! can reach nothing but what its host hands it: a [store](store::Store), a
//! [mailer](mail::Mailer), a clock, randomness and [`Settings`]. This crate is that host. It runs
//! every call in an instance of its own, within [`Limits`] on memory and time.
//!
//! From nothing to a registered user:
//!
//! ```no_run
//! use portcullis::{Limits, Runtime, Tenant};
//!
//! # async fn program() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::new(Limits::default())?; // one for a process
//! let tenant = Tenant::builder(&runtime).data_dir("./portcullis-data").build().await?;
//! let outcome = tenant
//!     .auth()
//!     .register_user("ada@example.com", "correct horse", Some(r#"{"name":"Ada"}"#), None, false)
//!     .await?;
//! assert_eq!(outcome.code, 201); // the code is in ./portcullis-data/outbox
//! tenant.close().await;
//! # Ok(()) }
//! ```
//!
//! `examples/own_store.rs` is the same with a store of one's own.
//!
//! An *outcome* is an answer, refusals included; a [`CallError`] says why there is none.
//!
//! # The rooms
//!
//! From the lowest to the highest:
//!
//! - [`error`]: why a call or a tenant came to nothing; `files`, `random`: files for their owner alone,
//!   random texts;
//! - [`contract`]: the types of `wit/`, which component and host speak;
//! - [`metrics`]: what is counted while all of this works;
//! - [`store`], [`mail`]: where records live and how mail leaves, each a trait with
//!   implementations;
//! - [`settings`]: the file and the environment that tenants are configured with;
//! - [`component`]: the compiled component and one call from its admission to its end;
//! - [`audit`]: what has happened to accounts, written down by the host;
//! - [`tenant`]: settings, a store and a mailer, on whose behalf calls are made;
//! - [`functions`]: every function of the component, typed and by name with JSON;
//! - [`gateway`]: the functions over HTTP, with sessions and sign-in pages;
//! - `cli`: the program (feature `cli`).
//!
//! None knows of those after it, but for the [`Limits`] that [`settings`] makes.
//!
//! # Features
//!
//! `sqlite` (the embedded store), `mongodb`, `outbox` (mail as files), `smtp` (mail through a server,
//! with a queue in the store), `gateway` (the service over HTTP) and `cli` (the program) are on by
//! default; `conformance` is the suite that every store must pass.

pub mod audit;
#[cfg(feature = "cli")]
pub mod cli;
pub mod component;
pub mod contract;
pub mod error;
mod files;
pub mod functions;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod mail;
pub mod metrics;
mod random;
pub mod settings;
pub mod store;
pub mod tenant;

pub use component::{Caller, Limits, Runtime};
pub use error::{CallError, SetupError};
pub use settings::Settings;
pub use tenant::Tenant;
