//! MongoDB as the store, on real servers.

mod connect;
mod faults;
mod interop;
mod load;
mod secrecy;
mod suite;
