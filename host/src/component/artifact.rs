//! The components that this library carries.
//!
//! The build script makes it of the guest's sources, so that the program and the component it runs
//! are always of one version. Their bytes depend on those sources and the compiler alone: whoever
//! builds the same checkout with the same compiler can compare them.

/// The component, in WebAssembly's binary format.
///
/// A component built for the world `portcullis` of this package's WIT; it imports nothing that the
/// world does not name. Any host of components can run it.
pub static COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/portcullis.wasm"));

/// The same component for engines without 128-bit vectors: hashing takes about twice as long there.
///
/// None if the library was built around a component that was built elsewhere.
pub static COMPONENT_WITHOUT_SIMD: Option<&[u8]> =
    if NO_SIMD.is_empty() { None } else { Some(NO_SIMD) };
const NO_SIMD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/portcullis-no-simd.wasm"));
