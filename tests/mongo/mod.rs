//! MongoDB as the store, on real servers.

mod interop;
mod suite;
