//! The component and what runs it.
//!
//! A [`Runtime`] holds the compiled component, once for a process. Every call gets an instance of
//! its own that is gone afterwards, so that no secret and no state outlives a call and a trap
//! hurts one call only. What an instance may use is in [`Limits`]; what it can reach is its
//! [`State`], the imports of the contract and nothing else.
//!
//! - [`artifact`]: the component itself;
//! - `engine`: compiling, and the pools of instances; `cache`: code that is kept until the next start;
//! - `admission`: who may start when;
//! - `limits`, `caller`: what a call may use, and on whose behalf it is made;
//! - `state`, `imports`, `bounds`: the host's side of one call;
//! - `ticks`, `background`: by which calls take turns on a thread, and which of them have threads of
//!   their own;
//! - `runtime`: one call from its admission to its end; `call`: its instance; `finished`: why it comes
//!   to its end.

mod admission;
pub mod artifact;
mod background;
mod bounds;
mod cache;
mod call;
mod caller;
mod engine;
mod finished;
mod imports;
mod limits;
mod runtime;
mod state;
mod ticks;

pub(crate) use admission::TenantId;
pub use call::{Call, Exports, Sandbox};
#[cfg(feature = "gateway")]
pub(crate) use caller::By;
pub use caller::Caller;
pub use limits::Limits;
pub use runtime::Runtime;
pub(crate) use runtime::{After, Aftermath, Body};
pub(crate) use state::Host;
pub use state::{Clock, State};

/// What a call needs, so that the host can plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It may hash a password: it waits for one of [`Limits::hashing`] permits.
    Hashing,
    /// It hashes nothing: it never waits for calls that do, and has less memory.
    Plain,
}
