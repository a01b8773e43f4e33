//! Portcullis: user authentication as a WebAssembly component, and its host.
pub mod contract;
pub mod error;
mod files;
pub mod mail;
pub mod settings;
pub mod store;
