//! Who a call is made for.

use zeroize::Zeroizing;

/// What a host knows of whoever made a call, for the component: see `wit/caller.wit`. Without
/// anything, as [`Caller::default`]: an application that may know who has an account.
///
/// ```
/// use portcullis::Caller;
///
/// let stranger = Caller::stranger().with_ticket("Yb0T5cjR4kHqk9bT5cjR4kHqk9bT5cjR4kHqk9bT5cj");
/// assert!(stranger.hides_accounts());
/// ```
#[derive(Clone, Default)]
pub struct Caller {
    pub(super) hide_accounts: bool,
    pub(super) ticket: Option<Zeroizing<String>>,
    pub(super) device: Option<Zeroizing<String>>,
}

impl Caller {
    /// Somebody who must not learn who has an account.
    #[must_use]
    pub fn stranger() -> Self {
        Self { hide_accounts: true, ..Self::default() }
    }

    /// With a secret of this caller alone, of at least 128 random bits: codes that are made for
    /// him are bound to it, and guesses of his are only looked at if they are.
    #[must_use]
    pub fn with_ticket(mut self, ticket: impl Into<String>) -> Self {
        self.ticket = Some(Zeroizing::new(ticket.into()));
        self
    }

    /// With what a former sign-in of the same browser or program was given
    /// ([`Opened::device`](crate::contract::sessions::Opened)).
    #[must_use]
    pub fn with_device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(Zeroizing::new(device.into()));
        self
    }

    /// Whether answers must not tell who has an account.
    #[must_use]
    pub fn hides_accounts(&self) -> bool {
        self.hide_accounts
    }
}
