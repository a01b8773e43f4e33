//! Portcullis: user authentication as a WebAssembly component, and its host.
#[cfg(feature = "cli")]
pub mod cli;
pub mod component;
pub mod contract;
pub mod error;
mod files;
pub mod functions;
pub mod mail;
pub mod settings;
pub mod store;
pub mod tenant;

pub use component::{Limits, Runtime};
pub use error::{CallError, SetupError};
pub use settings::Settings;
pub use tenant::Tenant;
