//! The contract between the component and its host, generated from `wit/`.
//!
//! The types of the imports ([`store`], [`mailer`], [`database`]) are the ones that the traits of
//! [`crate::store`] and [`crate::mail`] speak, so there is one set of them; what each guarantees
//! stands with it. [`Portcullis`] calls the exports.
#![allow(missing_docs)] // the generator documents what wit/ documents, but not its own helpers

wasmtime::component::bindgen!({
    path: "../wit",
    world: "portcullis",
    imports: { default: async },
    exports: { default: async },
    // No `tracing`: it would print string arguments, which are passwords and codes.
});

pub use self::portcullis::auth::{database, mailer, settings, store, types};
pub use exports::portcullis::auth::{auth, coredb, upkeep, utils};
