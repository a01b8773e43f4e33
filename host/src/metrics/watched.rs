//! What is looked at when somebody asks.

/// What was just looked at. Whoever asks for the text gathers it first; two who do so at once would
/// tell what the other has seen.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Watched {
    /// Calls that may hash now.
    pub hashing_running: u64,
    /// Calls that wait for it.
    pub hashing_waiting: u64,
    /// Mail that waits, of each open tenant by its name.
    pub mail_queues: Vec<(String, QueueSeen)>,
}

/// How much mail of a tenant waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSeen {
    /// How many mails.
    pub length: u64,
    /// For how many seconds the oldest has waited; 0 when none waits.
    pub oldest: u64,
}
