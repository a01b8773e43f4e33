//! Who a call is made for.

use std::net::IpAddr;

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
    /// For the audit log.
    pub(crate) by: By,
    pub(crate) from: Option<IpAddr>,
    pub(crate) request: Option<String>,
    pub(super) hide_accounts: bool,
    pub(super) ticket: Option<Zeroizing<String>>,
    pub(super) device: Option<Zeroizing<String>>,
}

/// As whom a caller stands in the audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "gateway"), allow(dead_code))]
pub(crate) enum By {
    /// The program that this is part of, or that started it.
    #[default]
    Application,
    /// Anybody.
    Stranger,
    /// Whoever has the admin token.
    Admin,
    /// Whoever runs this program.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    Operator,
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Stranger => "stranger",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

impl Caller {
    /// Somebody who must not learn who has an account.
    #[must_use]
    pub fn stranger() -> Self {
        Self { hide_accounts: true, by: By::Stranger, ..Self::default() }
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

    /// With the IP address that the call comes from, for the audit log.
    #[must_use]
    pub fn with_address(mut self, from: IpAddr) -> Self {
        self.from = Some(from);
        self
    }

    /// With the id of the request that the call belongs to, for the audit log.
    #[must_use]
    pub fn with_request(mut self, id: &str) -> Self {
        self.request = Some(id.to_owned());
        self
    }

    /// As whom the audit log names this caller.
    #[cfg(feature = "gateway")]
    #[must_use]
    pub(crate) fn named(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    /// Whether answers must not tell who has an account.
    #[must_use]
    pub fn hides_accounts(&self) -> bool {
        self.hide_accounts
    }
}
