//! MongoDB as the store, on real servers.

mod suite;
