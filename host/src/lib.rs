//! Portcullis: user authentication as a WebAssembly component, and its host.
#[cfg(feature = "cli")]
pub mod cli;
pub mod contract;
pub mod error;
pub mod functions;
pub mod mail;
pub mod settings;
pub mod store;
