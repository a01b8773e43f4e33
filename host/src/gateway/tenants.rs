//! Which tenant a request is for.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::site::Site;
use crate::component::Runtime;
use crate::error::SetupError;
use crate::settings::{Config, DEFAULT_TENANT, Settings};
use crate::tenant::Tenant;

/// The most segments that a tenant's path has.
const SEGMENTS: usize = 8;

/// All configured tenants. Never changed: a reload makes a new one.
pub(crate) struct Tenants {
    sites: BTreeMap<String, Arc<Site>>,
    by_host: HashMap<String, Arc<Site>>,
    by_path: HashMap<String, Arc<Site>>,
}

/// Whose a request is.
pub(crate) struct Found<'p> {
    pub(crate) site: Arc<Site>,
    /// The part of the path that led there.
    pub(crate) prefix: &'p str,
    /// The rest of it.
    pub(crate) rest: &'p str,
}

impl Tenants {
    /// Those of a configuration, each looked at as a whole, by the component too. Of `former`, what
    /// has not changed is kept.
    pub(crate) async fn new(
        config: &Config,
        runtime: &Runtime,
        folder: &Path,
        former: Option<&Tenants>,
    ) -> Result<Self, SetupError> {
        let mut tenants =
            Self { sites: BTreeMap::new(), by_host: HashMap::new(), by_path: HashMap::new() };
        for name in config.tenant_names() {
            let settings = config.tenant(name)?;
            let findings = Tenant::check(runtime, &settings).await?;
            if !findings.is_empty() {
                return Err(SetupError::Settings(findings.join("\n")));
            }
            let former = former.and_then(|it| it.sites.get(name)).map(|it| &**it);
            tenants.add(Arc::new(Site::new(settings, runtime, folder, former)?))?;
        }
        Ok(tenants)
    }

    fn add(&mut self, site: Arc<Site>) -> Result<(), SetupError> {
        let taken = |settings: &Settings, key: &str, what: &str, other: &Site| {
            let other = &other.settings.tenant;
            let problem = format!("holds {what}, which tenant `{other}` has, too");
            Err(SetupError::Settings(settings.complaint(key, &problem)))
        };
        let gateway = site.gateway();
        for host in &gateway.hosts {
            if let Some(other) = self.by_host.insert(host.clone(), Arc::clone(&site)) {
                return taken(&site.settings, "hosts", host, &other);
            }
        }
        if let Some(path) = &gateway.path
            && let Some(other) = self.by_path.insert(path.clone(), Arc::clone(&site))
        {
            return taken(&site.settings, "path", path, &other);
        }
        self.sites.insert(site.settings.tenant.clone(), site);
        Ok(())
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.sites.values()
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.get(name)
    }

    /// The tenant that `host`, as a request names it, and `path` lead to.
    pub(crate) fn find<'p>(&self, host: &str, path: &'p str) -> Option<Found<'p>> {
        if let Some(site) = self.by_host.get(&bare(host)) {
            return Some(Found { site: Arc::clone(site), prefix: "", rest: path });
        }
        // Where each segment ends, the longest beginning first.
        let slashes = path.match_indices('/').skip(1).map(|(at, _)| at);
        let mut ends: Vec<usize> = slashes.take(SEGMENTS).collect();
        if ends.len() < SEGMENTS {
            ends.push(path.len());
        }
        for end in ends.into_iter().rev() {
            let (prefix, rest) = path.split_at_checked(end)?;
            if let Some(site) = self.by_path.get(prefix) {
                let rest = if rest.is_empty() { "/" } else { rest };
                return Some(Found { site: Arc::clone(site), prefix, rest });
            }
        }
        let site = self.sites.get(DEFAULT_TENANT)?;
        Some(Found { site: Arc::clone(site), prefix: "", rest: path })
    }
}

/// A host without its port, in lower case.
fn bare(host: &str) -> String {
    let host = match host.rsplit_once(':') {
        // The last colon of an IPv6 address is within its brackets.
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_port_and_case() {
        for (given, expected) in [
            ("Auth.Example.com:8443", "auth.example.com"),
            ("auth.example.com.", "auth.example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(bare(given), expected);
        }
    }
}
