//! The component that this library carries.
//!
//! The build script makes it of the guest's sources, so that the program and the component it runs
//! are always of one version. Its bytes depend on those sources and the compiler alone: whoever
//! builds the same checkout with the same compiler can compare them.

/// The component, in WebAssembly's binary format.
///
/// A component built for the world `portcullis` of this package's WIT; it imports nothing that the
/// world does not name. Any host of components can run it.
pub static COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/portcullis.wasm"));
