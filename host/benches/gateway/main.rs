//! The service under load, as a process of its own on this machine, the callers included:
//!
//! - `starts`: how long it takes from its start to its first answer, and what it then holds in memory,
//!   with one tenant and with 1,000;
//! - `checks`: checks of sessions alone, on 1, 16 and 256 connections without pause;
//! - `mixed`: 64 connections, most of which sign in without pause while the others ask what needs no
//!   hash: answers by status, times of both kinds, memory from the beginning to the end. It lasts a
//!   minute, or as many seconds as `PORTCULLIS_LOAD_SECONDS` says;
//! - `sign_ins`: sign-ins a second from few and many connections, as a ratio to what this machine can
//!   hash natively; and what becomes of those who are refused;
//! - `flood`: what one tenant's sign-ins on 1,000 connections cost another, as a ratio to his quiet
//!   times, and what they cost in memory.
//!
//! `cargo bench --bench gateway`, with the names of some of these behind `--` for those alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing, dead_code, unreachable_pub)] // it needs a part of what the benchmarks share

#[path = "../load/mod.rs"]
mod load;

mod checks;
mod flood;
mod mixed;
mod native;
mod service;
mod sign_ins;
mod starts;

fn main() {
    let parts: [(&str, fn()); 5] = [
        ("starts", starts::run),
        ("checks", checks::run),
        ("mixed", mixed::run),
        ("sign_ins", sign_ins::run),
        ("flood", flood::run),
    ];
    // Cargo adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    for name in &asked {
        let known = parts.map(|(name, _)| name);
        assert!(known.contains(&name.as_str()), "there is no `{name}`, only {known:?}");
    }
    for (name, run) in parts {
        if asked.is_empty() || asked.iter().any(|it| it == name) {
            run();
            println!();
        }
    }
}
