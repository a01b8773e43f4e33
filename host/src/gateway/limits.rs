//! How often a peer may ask.
//!
//! Each peer has a bucket of its own, up to a number of peers. Those beyond it share one: somebody
//! with very many addresses makes strangers wait, and neither takes memory without end nor touches
//! whoever had a bucket before.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::nanos::Nanos;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::peer::Peer;
use super::routes::Counts;
use crate::settings::{GatewaySettings, PeerLimit};

/// Peers with a bucket of their own.
const PEERS: usize = 1 << 15;

/// The limits of one tenant.
pub(crate) struct Limits {
    requests: Option<Limiter>,
    secrets: Option<Limiter>,
}

impl Limits {
    pub(crate) fn new(settings: &GatewaySettings) -> Self {
        Self {
            requests: settings.peer_limit.map(|limit| Limiter::new(limit, PEERS)),
            secrets: settings.peer_secret_limit.map(|limit| Limiter::new(limit, PEERS)),
        }
    }

    /// Count a request.
    ///
    /// # Errors
    /// When it is one too many: in how many seconds it would not be.
    pub(crate) fn count(&self, peer: Peer, counts: Counts) -> Result<(), u64> {
        let (requests, secrets) = match counts {
            Counts::Nothing => (None, None),
            Counts::Request => (self.requests.as_ref(), None),
            Counts::Secret => (self.requests.as_ref(), self.secrets.as_ref()),
        };
        for limiter in requests.into_iter().chain(secrets) {
            limiter.count(peer.key())?;
        }
        Ok(())
    }

    /// Forget the peers whose buckets are full again.
    pub(crate) fn tidy(&self) {
        for limiter in self.requests.iter().chain(&self.secrets) {
            limiter.limiter.retain_recent();
            limiter.limiter.shrink_to_fit();
        }
    }
}

struct Limiter {
    limiter: RateLimiter<u128, Peers, DefaultClock>,
    peers: usize,
    begun: Instant,
    /// When full buckets were looked for last, in seconds after `begun`.
    tidied: AtomicU64,
}

impl Limiter {
    fn new(limit: PeerLimit, peers: usize) -> Self {
        let number = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let every = Duration::from_secs(60) / number(limit.per_minute).get();
        let quota = Quota::with_period(every)
            .unwrap_or_else(|| Quota::per_minute(number(limit.per_minute)))
            .allow_burst(number(limit.burst));
        let store =
            Peers { known: HashMapStateStore::default(), peers, others: InMemoryState::default() };
        Self {
            limiter: RateLimiter::new(quota, store, DefaultClock::default()),
            peers,
            begun: Instant::now(),
            tidied: AtomicU64::new(0),
        }
    }

    fn count(&self, peer: u128) -> Result<(), u64> {
        if self.limiter.len() >= self.peers {
            // Looking through all of them takes a moment: once a second at most.
            let now = self.begun.elapsed().as_secs() + 1;
            if self.tidied.fetch_max(now, Ordering::Relaxed) < now {
                self.limiter.retain_recent();
            }
        }
        self.limiter.check_key(&peer).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }
}

/// The buckets.
struct Peers {
    known: HashMapStateStore<u128>,
    peers: usize,
    /// The one for all others.
    others: InMemoryState,
}

impl StateStore for Peers {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, key: &u128, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let known = {
            let known = self.known.lock();
            known.len() < self.peers || known.contains_key(key)
        };
        if known {
            self.known.measure_and_replace(key, f)
        } else {
            self.others.measure_and_replace(&NotKeyed::NonKey, f)
        }
    }
}

impl ShrinkableKeyedStateStore<u128> for Peers {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        self.known.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So slow that no bucket fills again within the test.
    const SLOW: PeerLimit = PeerLimit { per_minute: 1, burst: 2 };

    #[test]
    fn a_peer_gets_his_burst_and_is_told_when_to_come_again() {
        let limiter = Limiter::new(SLOW, 10);
        assert_eq!((limiter.count(1), limiter.count(1)), (Ok(()), Ok(())));
        let wait = limiter.count(1).unwrap_err();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(limiter.count(2), Ok(()));
    }

    #[test]
    fn beyond_the_number_of_peers_strangers_share_and_the_known_keep_their_own() {
        let limiter = Limiter::new(SLOW, 2);
        assert_eq!((limiter.count(1), limiter.count(2)), (Ok(()), Ok(())));
        assert_eq!((limiter.count(3), limiter.count(4)), (Ok(()), Ok(())));
        assert!(limiter.count(5).is_err());
        assert_eq!((limiter.count(1), limiter.count(2)), (Ok(()), Ok(())));
        assert_eq!(limiter.limiter.len(), 2);
    }

    #[test]
    fn a_limit_that_is_off_never_refuses() {
        let settings =
            GatewaySettings { peer_limit: None, peer_secret_limit: None, ..Default::default() };
        let limits = Limits::new(&settings);
        let peer = Peer { address: [1, 2, 3, 4].into(), https: false };
        assert!((0..1000).all(|_| limits.count(peer, Counts::Secret).is_ok()));
    }
}
