//! The contract between the component and its host, generated from `wit/`.
//!
//! The types of the imports ([`store`], [`mailer`], [`database`]) are the ones that the traits of
//! [`crate::store`] and [`crate::mail`] speak, so there is one set of them; what each guarantees
//! stands with it. [`Portcullis`] calls the exports.
//!
//! The records print all their fields with `{:?}`, [`settings::SecretKey`] and
//! [`mailer::Message`] included: none of them belongs into a log.
#![allow(missing_docs)] // the generator documents what wit/ documents, but not its own helpers

wasmtime::component::bindgen!({
    path: "../wit",
    world: "portcullis",
    // Async, so that a waiting store holds no thread; trappable, because WASI's `random` has no
    // other way to say no.
    imports: { default: async | trappable },
    exports: { default: async },
    // For tests and for hosts that compare what they were answered.
    additional_derives: [PartialEq, Eq],
    // No `tracing`: it would print string arguments, which are passwords and codes.
});

pub use self::portcullis::auth::{caller, database, mailer, settings, store, types};
pub use exports::portcullis::auth::{auth, coredb, sessions, upkeep, users, utils};
