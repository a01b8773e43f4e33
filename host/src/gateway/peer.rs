//! Who has sent a request: the other end of the connection, or whom a trusted proxy names.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// Whoever is at the other end, as far as the proxies between can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The address.
    pub(crate) address: IpAddr,
    /// Whether a trusted proxy says that it was asked over TLS.
    pub(crate) https: bool,
}

/// Seconds between two warnings about headers that are ignored.
const WARN_EVERY: u64 = 60;

/// When that was warned of last, in seconds since 1970.
static WARNED: AtomicU64 = AtomicU64::new(0);

impl Peer {
    /// Who is behind a connection.
    pub(crate) fn new(connection: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let connection = connection.to_canonical();
        if !is_trusted(connection, trusted) {
            if headers.contains_key("x-forwarded-for") {
                warn(connection);
            }
            return Self { address: connection, https: false };
        }
        // Each proxy adds on the right whom it was asked by: from there, the first who is no proxy
        // of ours is the client. What stands further left he may have written himself.
        let mut address = connection;
        let hops = headers.get_all("x-forwarded-for").iter().rev();
        for hop in hops.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')) {
            let Some(hop) = parse(hop.trim_ascii()) else { break };
            address = hop;
            if !is_trusted(hop, trusted) {
                break;
            }
        }
        let scheme = headers.get_all("x-forwarded-proto").iter().next_back();
        let scheme = scheme.and_then(|value: &HeaderValue| value.to_str().ok());
        let scheme = scheme.and_then(|value| value.rsplit(',').next()).unwrap_or_default();
        Self { address, https: scheme.trim_ascii().eq_ignore_ascii_case("https") }
    }

    /// What its limits are kept by: the address, or for IPv6 the network of 64 bits, of which one
    /// client usually has all addresses.
    pub(crate) fn key(&self) -> u128 {
        match self.address.to_canonical() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            // No network of the Internet begins with 96 zeros, where IPv4 is.
            IpAddr::V6(address) => address.to_bits() | u128::from(u64::MAX),
        }
    }
}

/// Whether an address is one of a trusted proxy.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// An address, as proxies write it: perhaps with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.split_once(']')).map(|(bare, _)| bare);
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

fn warn(connection: IpAddr) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let due = |warned: u64| (now >= warned.saturating_add(WARN_EVERY)).then_some(now);
    if WARNED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
        tracing::warn!(
            %connection,
            "X-Forwarded-For is ignored: the connection is not from one of \
             `gateway.trusted_proxies`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(connection: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let Peer { address, https } = Peer::new(connection.parse().unwrap(), &map, &trusted);
        (address.to_string(), https)
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let forged = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
        assert_eq!(peer("9.9.9.9", &forged), ("9.9.9.9".into(), false));
        assert_eq!(peer("10.0.0.1", &forged), ("1.2.3.4".into(), true));
        assert_eq!(peer("::ffff:10.0.0.1", &forged), ("1.2.3.4".into(), true));
        assert_eq!(peer("10.0.0.1", &[]), ("10.0.0.1".into(), false));
    }

    #[test]
    fn what_the_client_wrote_himself_does_not_count() {
        for (forwarded, expected) in [
            ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
            ("6.6.6.6, 1.2.3.4, 10.2.2.2", "1.2.3.4"),
            ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
            ("6.6.6.6, nonsense, 10.2.2.2", "10.2.2.2"),
            ("nonsense", "10.0.0.1"),
            ("6.6.6.6, [2001:db8::1]:443", "2001:db8::1"),
            ("1.2.3.4:5555", "1.2.3.4"),
        ] {
            assert_eq!(peer("10.0.0.1", &[("x-forwarded-for", forwarded)]).0, expected);
        }
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(peer("10.0.0.1", &lines).0, "1.2.3.4");
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_are_one_peer() {
        let key = |text: &str| Peer { address: text.parse().unwrap(), https: false }.key();
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("1.2.3.4"), key("1.2.3.5"));
        assert_eq!(key("1.2.3.4"), key("::ffff:1.2.3.4"));
    }
}
