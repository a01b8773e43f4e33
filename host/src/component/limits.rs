//! How much one call may use, and how many calls there may be.

use std::thread::available_parallelism;
use std::time::Duration;

/// Bounds on calls. All of them hold for each call or for the whole [`Runtime`](super::Runtime),
/// never for a tenant alone.
///
/// ```
/// use portcullis::Limits;
/// use std::time::Duration;
///
/// let limits = Limits { time: Duration::from_secs(5), ..Limits::default() };
/// assert_eq!(limits.memory, 80 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory for a call that hashes. Default: 80 MiB, which is room for
    /// checking an argon2id hash of 64 MiB (the second recommended option of RFC 9106 section 4)
    /// and 16 MiB for everything else. New hashes take 19 MiB by default.
    pub memory: usize,
    /// Bytes of linear memory for a call that does not hash. Default: 16 MiB.
    pub memory_plain: usize,
    /// Time from the moment a call is made, waiting included, until it is stopped. Default: 10 s,
    /// which is room for a store that pauses and for one attempt at delivering a mail.
    ///
    /// A store or mailer that has not answered shortly before (a tenth of this time, at most
    /// 500 ms) is given up, so that the component can still answer.
    pub time: Duration,
    /// Calls that hash at the same time. Default: one for each core. They take
    /// `hashing` × [`memory`](Limits::memory) bytes at most.
    pub hashing: usize,
    /// Calls that wait because `hashing` others are at it; the next one is refused at once.
    /// Default: 64 for each of `hashing`, which is about a second's work with default parameters.
    pub queue: usize,
    /// Calls that do not hash at the same time; the next one is refused at once. They never wait
    /// for calls that hash. Default: 256.
    pub plain: usize,
    /// Bytes that the component may hand to the host in one of its calls to the store, the mailer
    /// or another import. Default: 4 MiB, which is several of the largest documents; wasmtime's
    /// own default of 128 MiB would be more than all the memory that a call has.
    pub payload: usize,
    /// Bytes of one document that a store hands to the component, as JSON text. Default: 1 MiB. A
    /// larger one is a damaged record.
    pub document: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            memory: 80 << 20,
            memory_plain: 16 << 20,
            time: Duration::from_secs(10),
            hashing: cores,
            queue: 64 * cores,
            plain: 256,
            payload: 4 << 20,
            document: 1 << 20,
        }
    }
}

impl Limits {
    /// How long before the end of a call its host gives up on a store or mailer.
    pub(super) fn grace(&self) -> Duration {
        (self.time / 10).min(Duration::from_millis(500))
    }
}

/// Edits in one change: a user record has fewer than twenty fields.
pub(super) const EDITS: usize = 128;
/// Names in the path of an edit or of a mail's guard.
pub(super) const PATH: usize = 16;
/// Records of one key: there are five collections, and stores may add their own.
pub(super) const ENTRIES: usize = 16;
/// Keys that one `overdue` answers with.
pub(super) const OVERDUE: u32 = 1000;
/// Random bytes in one call. The largest need is a salt or a code of 32 digits, far below this.
pub(super) const RANDOM: u64 = 4096;
