//! Tests of the whole system, in one program so that it is linked once.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub
)] // a test that cannot go on stops, and a test program has no public

mod argon2id;
mod audit;
mod backup;
mod bad_input;
#[path = "../argon2id/tests/cases/mod.rs"]
mod cases;
mod check;
mod cli;
mod component_build;
mod component_imports;
mod contract;
mod crashes;
mod full_disk;
mod gateway;
mod isolation;
mod mail_queue;
mod mongo;
mod packages;
mod program;
mod races;
mod readme;
mod servers;
mod smtp;
mod support;
mod users;
mod vendored_wit;
