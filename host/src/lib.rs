//! Portcullis: user authentication as a WebAssembly component, and its host.
pub mod component;
pub mod contract;
pub mod error;
pub mod mail;
pub mod settings;
pub mod store;
