//! How many connections a peer may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer::Peer;
use crate::settings::ServerSettings;

/// Connections that every peer may have, however few there may be in all.
const SHARE: usize = 64;

/// How many connections each peer has, so that one of them cannot take all: a quarter at most. A
/// trusted proxy has them for its clients, and may have all.
#[derive(Default)]
pub(super) struct Shares(Mutex<HashMap<u128, usize>>);

/// A connection that is counted.
pub(super) struct Share {
    shares: Arc<Shares>,
    peer: Option<u128>,
}

impl Shares {
    /// One more for this peer, unless he has enough.
    pub(super) fn take(
        self: &Arc<Self>,
        address: IpAddr,
        settings: &ServerSettings,
    ) -> Option<Share> {
        let peer = Peer { address: address.to_canonical(), https: false };
        let shares = Arc::clone(self);
        if settings.trusted_proxies.iter().any(|network| network.contains(&peer.address)) {
            return Some(Share { shares, peer: None });
        }
        let most = (settings.connections as usize / 4).max(SHARE);
        let mut counts = self.counts();
        let count = counts.entry(peer.key()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Share { shares, peer: Some(peer.key()) })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<u128, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(peer) = self.peer else { return };
        let mut counts = self.shares.counts();
        if let Some(count) = counts.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_takes_all_connections_but_a_trusted_proxy_may() {
        let settings = ServerSettings {
            connections: 400,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..ServerSettings::default()
        };
        let shares = Arc::new(Shares::default());
        let take = |address: [u8; 4]| shares.take(address.into(), &settings);
        let mut his: Vec<Share> = (0..100).map(|_| take([192, 0, 2, 1]).unwrap()).collect();
        assert!(take([192, 0, 2, 1]).is_none());
        assert!(take([192, 0, 2, 2]).is_some());
        his.pop();
        his.push(take([192, 0, 2, 1]).unwrap());
        let proxied: Vec<Share> = (0..400).filter_map(|_| take([10, 0, 0, 1])).collect();
        assert_eq!(proxied.len(), 400);
        drop((his, proxied));
        assert!(shares.counts().is_empty());
    }
}
