//! What the table `[gateway]` says: how the program serves HTTP, for all tenants.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `listen` | `127.0.0.1:8080` | address and port |
//! | `metrics_listen` | none | address and port of `/metrics` without a token |
//! | `trusted_proxies` | none | networks of proxies whose `X-Forwarded-*` are believed |
//! | `connections` | 4096 | connections at once; more wait |
//! | `hashing` | one for each core | calls that hash passwords at once, 20 MiB each |
//! | `queue` | 64 for each of these | calls that wait for it |
//! | `header_time`, `body_time` | 10, 10 | seconds that the head and the body of a request may take |
//! | `idle_time` | 60 | seconds after which a connection without a request is closed |
//! | `shutdown_time` | 30 | seconds that what was begun has to end |

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::layer::Layer;
use super::origin::{GATEWAY, wrong};
use super::taker::Taker;
use crate::component::Limits;
use crate::error::SetupError;

/// How the program serves HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it tells what is counted, without a token; not at all if there is none.
    pub metrics_listen: Option<SocketAddr>,
    /// The networks of proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at once.
    pub connections: u32,
    /// Calls that hash at once, and calls that wait for it. The rest is
    /// [`Limits::default`](crate::Limits).
    pub limits: Limits,
    /// How long the head of a request may take.
    pub header_time: Duration,
    /// How long the body of a request may take.
    pub body_time: Duration,
    /// How long a connection may do nothing.
    pub idle_time: Duration,
    /// How long what was begun may take once the end has come.
    pub shutdown_time: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            metrics_listen: None,
            trusted_proxies: Vec::new(),
            connections: 4096,
            limits: Limits::default(),
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            shutdown_time: Duration::from_secs(30),
        }
    }
}

/// Read the table; every key must be one of its own.
pub(super) fn take(entries: &mut Layer) -> Result<ServerSettings, SetupError> {
    let mut taker = Taker::new(GATEWAY, entries);
    let default = ServerSettings::default();
    let mut address = |key| {
        let Some((text, origin)) = taker.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let problem = "must be an address with a port, such as 127.0.0.1:8080 or [::]:8080";
            wrong(GATEWAY, key, problem, &origin)
        })
    };
    let listen = address("listen")?.unwrap_or(default.listen);
    let metrics_listen = address("metrics_listen")?;
    let mut trusted_proxies = Vec::new();
    for (text, origin) in taker.list("trusted_proxies")? {
        let network =
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                let problem = "must be networks such as 10.0.0.0/8, or addresses";
                wrong(GATEWAY, "trusted_proxies", problem, &origin)
            })?;
        trusted_proxies.push(network);
    }
    let mut limits = Limits::default();
    if let Some(hashing) = taker.integer("hashing", 1..=1024)? {
        // As many wait for each as by default.
        limits.queue = limits.queue / limits.hashing * hashing;
        limits.hashing = hashing;
    }
    if let Some(queue) = taker.integer("queue", 0..=1_000_000)? {
        limits.queue = queue;
    }
    let mut seconds = |key, range, default| {
        Ok::<_, SetupError>(taker.integer(key, range)?.map_or(default, Duration::from_secs))
    };
    let settings = ServerSettings {
        listen,
        metrics_listen,
        trusted_proxies,
        header_time: seconds("header_time", 1..=600, default.header_time)?,
        body_time: seconds("body_time", 1..=600, default.body_time)?,
        idle_time: seconds("idle_time", 1..=3600, default.idle_time)?,
        shutdown_time: seconds("shutdown_time", 0..=3600, default.shutdown_time)?,
        limits,
        connections: taker.integer("connections", 1..=1_000_000)?.unwrap_or(default.connections),
    };
    match entries.first_key_value() {
        Some((key, entry)) => Err(wrong(GATEWAY, key, "is unknown", &entry.origin)),
        None => Ok(settings),
    }
}
