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
    /// Bytes of linear memory for a call that does not hash. Default: 32 MiB, of which the component
    /// has 21 from its start (untouched, they take no memory of the machine).
    pub memory_plain: usize,
    /// Time from the moment a call is made, waiting included, until it is stopped. Default: 10 s,
    /// which is room for a store that pauses and for one attempt at delivering a mail.
    ///
    /// A store or mailer that has not answered shortly before (a tenth of this time, at most
    /// 500 ms) is given up, so that the component can still answer.
    pub time: Duration,
    /// Calls that hash at the same time. Default: one for each core. They take
    /// `hashing` × [`memory`](Limits::memory) bytes at most.
    ///
    /// Beside them there may be four times as many, at most 32, that wait for a slow store before they
    /// hash. After a call its place in the pool keeps up to 24 MiB for the next one: `hashing` places
    /// where stores are fast, and the others too where they are not.
    pub hashing: usize,
    /// Calls that wait because `hashing` others are at it; the next one is refused at once.
    /// Default: 64 for each of `hashing`, which is about a second's work with default parameters.
    ///
    /// Tenants share both: the next turn is that of the tenant who has the fewest calls at it, and
    /// in a full queue a tenant takes a place from the one who has the most.
    pub queue: usize,
    /// Calls that do not hash at the same time; they never wait for calls that hash. A tenant has
    /// as many at most as are free, so one alone has half of them, and there are always some for
    /// the next. Default: 256.
    pub plain: usize,
    /// Calls that wait because too many others are at it that do not hash either; the next one is
    /// refused at once. Shared as `queue` is. Default: 1024.
    pub queue_plain: usize,
    /// How long a call waits for its turn before it is refused. Default: 5 s: whoever waits longer
    /// has as a rule gone away.
    pub wait: Duration,
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
            memory_plain: 32 << 20,
            time: Duration::from_secs(10),
            hashing: cores,
            queue: 64 * cores,
            plain: 256,
            queue_plain: 1024,
            wait: Duration::from_secs(5),
            payload: 4 << 20,
            document: 1 << 20,
        }
    }
}

impl Limits {
    /// Calls that may have lent their turn at hashing to others, while they wait for a store or
    /// mailer that is slow: so many of one tenant leave some to the others.
    pub(super) fn spare(&self) -> usize {
        self.hashing.saturating_mul(SPARE).min(MOST_SPARE)
    }

    /// How long before the end of a call its host gives up on a store or mailer.
    pub(crate) fn grace(&self) -> Duration {
        (self.time / 10).min(Duration::from_millis(500))
    }
}

/// Calls that wait for their host, for each that hashes.
const SPARE: usize = 4;
/// And in all: each place may keep the memory of a hash, in its time.
const MOST_SPARE: usize = 32;
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
