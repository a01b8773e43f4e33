//! The functions over HTTP, with sessions, forward authentication and the sign-in pages.
//!
//! ```no_run
//! use portcullis::gateway::Gateway;
//! use portcullis::settings::{Config, environment};
//! use portcullis::{Limits, Runtime};
//!
//! # async fn program() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load(None, environment()?.into_iter())?;
//! let runtime = Runtime::new(Limits::default())?;
//! let gateway = Gateway::new(&runtime, "./portcullis-data", &config).await?;
//! let listener = tokio::net::TcpListener::bind(gateway.server().listen).await?;
//! let end = async { /* until the program is to end */ };
//! gateway.serve(listener, end).await;
//! # Ok(()) }
//! ```
//!
//! A request comes in through `server`, is told apart by `tenants` (whose it is) and `peer` (who
//! sent it), and is then a `Visit` that goes to its handler by the one table of
//! routes:
//!
//! - `server`, `shares`, `watch`: connections, their bounds and times, and an end that loses nothing;
//! - `tenants`, `site`, `slot`, `caretaker`: which tenant a request is for, and when tenants are open;
//! - `peer`, `limits`: who the client is, and how often he may ask;
//! - `request_id`, `trace`: by which the lines of a request are found in the log, and the trace that
//!   it belongs to;
//! - `admin`: the admin token;
//! - `visit`: what a handler knows of the request that it answers;
//! - `routes`: the table, from which both the router and `openapi` come;
//! - `functions`, `session`, `forward_auth`, `health`, `metrics`, `audit`, `pages`: the handlers;
//! - `body`, `cookies`, `csrf`, `reply`, `headers`: what they take and give.
//!
//! The settings are the table `[gateway]` ([`ServerSettings`]) and keys of each tenant
//! ([`GatewaySettings`](crate::settings::GatewaySettings)).

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::HOST;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Request, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::Instrument;
use tracing::field::Empty;

use crate::component::Runtime;
use crate::error::SetupError;
use crate::settings::{Config, DEFAULT_TENANT, ServerSettings};

mod admin;
mod audit;
mod body;
mod caretaker;
mod cookies;
mod csrf;
mod forward_auth;
mod functions;
mod headers;
mod health;
mod limits;
mod metrics;
mod openapi;
mod pages;
mod peer;
mod reply;
mod request_id;
mod routes;
mod server;
mod session;
mod shares;
mod site;
mod slot;
mod tenants;
#[cfg(feature = "opentelemetry")]
mod trace;
mod visit;
mod watch;

pub use admin::new_admin_token;

use body::BodyTime;
use peer::Peer;
use reply::{Refusal, SentAway};
use request_id::RequestId;
use tenants::Tenants;
use visit::Visit;

/// How long a tenant that was changed or removed stays open for requests that had begun.
const FAREWELL: Duration = Duration::from_secs(60);

/// The least that calls and mails in hand have to end when the gateway does.
const CLOSING: Duration = Duration::from_secs(15);

/// The gateway. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What all requests share.
pub(crate) struct Shared {
    runtime: Runtime,
    folder: PathBuf,
    router: TowerToHyperService<Router>,
    tenants: RwLock<Arc<Tenants>>,
    server: RwLock<Arc<ServerSettings>>,
    /// One for each answer that may wait before it goes out.
    pauses: Semaphore,
    /// Whether the end has begun.
    draining: AtomicBool,
    probe: health::Probe,
    /// One who looks at a time.
    measuring: tokio::sync::Mutex<()>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

impl Gateway {
    /// A gateway for all tenants of a configuration, whose stores, outbox and keys are in this
    /// folder as far as nothing else is configured. All settings are looked at; nothing is opened.
    ///
    /// # Errors
    /// [`SetupError::Settings`] with what is wrong and where.
    pub async fn new(
        runtime: &Runtime,
        folder: impl Into<PathBuf>,
        config: &Config,
    ) -> Result<Self, SetupError> {
        let folder = folder.into();
        let server = config.server()?;
        let tenants = Tenants::new(config, runtime, &folder, None).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                runtime: runtime.clone(),
                folder,
                router: TowerToHyperService::new(routes::router(routes::all())),
                tenants: RwLock::new(Arc::new(tenants)),
                // A part of the connections, so that there are others.
                pauses: Semaphore::new(server.connections as usize / 4),
                server: RwLock::new(Arc::new(server)),
                draining: AtomicBool::new(false),
                probe: health::Probe::default(),
                measuring: tokio::sync::Mutex::default(),
                reloading: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// How it serves.
    #[must_use]
    pub fn server(&self) -> Arc<ServerSettings> {
        self.shared.server()
    }

    /// Whether the tenant `default`, if there is one, has an admin token.
    #[must_use]
    pub fn has_admin_token(&self) -> bool {
        self.shared.tenants().get(DEFAULT_TENANT).is_none_or(|site| site.admin.is_set())
    }

    /// Serve what comes in until `end` is ready. Then nothing more is accepted, what was begun is
    /// finished within [`ServerSettings::shutdown_time`], and the tenants are closed.
    ///
    /// Needs a [`tokio`] runtime with its timer and network.
    pub async fn serve(&self, listener: TcpListener, end: impl Future<Output = ()>) {
        let caretaker = tokio::spawn(caretaker::run(Arc::downgrade(&self.shared)));
        server::serve(&self.shared, server::Offered::All, listener, end).await;
        let mut closing = tokio::task::JoinSet::new();
        for site in self.shared.tenants().all() {
            let slot = Arc::clone(&site.slot);
            closing.spawn(async move { slot.retire(Duration::ZERO).await });
        }
        // Each waits for its calls in hand and for mail that is being sent.
        let all = async { while closing.join_next().await.is_some() {} };
        let time = self.server().shutdown_time.max(CLOSING);
        if tokio::time::timeout(time, all).await.is_err() {
            tracing::warn!("not all tenants could be closed in time");
        }
        // Only now: a mail that it was sending would be sent again.
        caretaker.abort();
    }

    /// Tell whoever asks on this listener what is counted, at `/metrics` and without a token, until
    /// `end` is ready. Goes on while [`serve`](Gateway::serve) ends.
    ///
    /// Needs a [`tokio`] runtime with its timer and network.
    pub async fn serve_metrics(&self, listener: TcpListener, end: impl Future<Output = ()>) {
        server::serve(&self.shared, server::Offered::Metrics, listener, end).await;
    }

    /// Go by this configuration from now on. It is looked at as a whole first; if anything is wrong
    /// the former one stays in force. Requests in hand are finished with what they began with, and
    /// tenants that have not changed stay open. Where the gateway listens, and how many connections
    /// there may be, does not change.
    ///
    /// # Errors
    /// [`SetupError::Settings`] with what is wrong and where.
    pub async fn reload(&self, config: &Config) -> Result<(), SetupError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.reloading.lock().await;
        let server = config.server()?;
        let former = shared.tenants();
        let tenants =
            Arc::new(Tenants::new(config, &shared.runtime, &shared.folder, Some(&former)).await?);
        let before = shared.server();
        let fixed =
            |it: &ServerSettings| (it.listen, it.metrics_listen, it.connections, it.limits.clone());
        if fixed(&server) != fixed(&before) {
            tracing::warn!(
                "`listen`, `metrics_listen`, `connections`, `hashing` and `queue` of `gateway` hold \
                 from the next start"
            );
        }
        *write(&shared.server) = Arc::new(server);
        *write(&shared.tenants) = Arc::clone(&tenants);
        for site in former.all() {
            let kept = tenants.get(&site.settings.tenant);
            if !kept.is_some_and(|kept| Arc::ptr_eq(&kept.slot, &site.slot)) {
                tokio::spawn(farewell(Arc::clone(&site.slot)));
            }
        }
        Ok(())
    }
}

/// Close a tenant that has changed or gone, once no request knows of it any more.
async fn farewell(slot: Arc<slot::Slot>) {
    let pause = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    while Arc::strong_count(&slot) > 1 && waited < FAREWELL {
        tokio::time::sleep(pause).await;
        waited += pause;
    }
    slot.retire(FAREWELL).await;
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn tenants(&self) -> Arc<Tenants> {
        Arc::clone(&self.tenants.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn server(&self) -> Arc<ServerSettings> {
        Arc::clone(&self.server.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer to one request. All that is logged for it is logged within a span that names it.
    async fn answer(self: Arc<Self>, connection: IpAddr, request: Request<Incoming>) -> Response {
        let server = self.server();
        let id = RequestId::new(connection, request.headers(), &server);
        // As important as what is logged in it: wherever errors are logged, they have the name.
        let method = crate::metrics::known_method(request.method().as_str());
        let span = tracing::error_span!("request", %id, method, route = Empty, status = Empty);
        #[cfg(feature = "opentelemetry")]
        trace::go_on(&span, connection, request.headers(), &server);
        let answering = self.answer_within(connection, &id, &server, request).instrument(span);
        let mut response = answering.await;
        id.tell(response.headers_mut());
        response
    }

    async fn answer_within(
        self: Arc<Self>,
        connection: IpAddr,
        id: &RequestId,
        server: &ServerSettings,
        request: Request<Incoming>,
    ) -> Response {
        let begun = Instant::now();
        let method = request.method().clone();
        let logged =
            tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
        let peer = Peer::new(connection, request.headers(), &server.trusted_proxies);
        let mut response = match self.prepare(request, peer, id, server) {
            Ok(request) => match self.router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(refusal) => refusal.into_response(),
        };
        headers::secure(response.headers_mut(), peer.https);
        // A path that somebody has sent is no label.
        let route = response.extensions().get().map_or("none", |routes::Matched(route)| *route);
        let (status, took) = (response.status().as_u16(), begun.elapsed());
        tracing::Span::current().record("status", status);
        self.runtime.metrics().answered(route, method.as_str(), status, took);
        self.pause(response.extensions().get().copied()).await;
        if let Some(path) = logged {
            // Neither the query nor any header: these may hold secrets.
            tracing::debug!(
                %method,
                path,
                peer = %peer.address,
                status = response.status().as_u16(),
                milliseconds = begun.elapsed().as_millis(),
                "answered"
            );
        }
        response
    }

    /// Let whoever is sent away wait for his answer, a tenth of what he is advised to wait. A thousand
    /// connections that come again at once, advised or not, would otherwise take the time of the
    /// processors that everybody needs who is not sent away. Only some wait like that: connections are
    /// needed, too.
    async fn pause(&self, sent_away: Option<SentAway>) {
        const LONGEST: Duration = Duration::from_millis(500);

        let Some(SentAway { seconds }) = sent_away else { return };
        if let Ok(_place) = self.pauses.try_acquire() {
            tokio::time::sleep((Duration::from_secs(seconds) / 10).min(LONGEST)).await;
        }
    }

    /// The request as its handler is to see it: with a [`Visit`], and without what led to the tenant.
    fn prepare(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        peer: Peer,
        id: &RequestId,
        server: &ServerSettings,
    ) -> Result<Request<Incoming>, Refusal> {
        let host = host(request.uri(), request.headers())?;
        let (visit, rest) = match self.tenants().find(&host, request.uri().path()) {
            Some(found) => {
                let visit =
                    Visit::new(found.site, found.prefix, peer, id, &host, request.headers());
                (Some(visit), found.rest.to_owned())
            }
            // Whoever asks how the program is need not know of any tenant.
            None if health::is_of_all(request.uri().path()) => {
                (None, request.uri().path().to_owned())
            }
            None => return Err(Refusal::not_found("there is no such tenant")),
        };
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = PathAndQuery::try_from(format!("{rest}{query}"))
            .map_err(|_| Refusal::usage("the path is wrong"))?;
        *request.uri_mut() = Uri::from(path);
        let extensions = request.extensions_mut();
        if let Some(visit) = visit {
            extensions.insert(visit);
        }
        extensions.insert(BodyTime(server.body_time));
        extensions.insert(Arc::clone(self));
        Ok(request)
    }
}

/// The host that was asked: of the address, where it is a whole one, or of the header.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::usage("the header Host is there twice"));
    }
    if let Some(authority) = uri.authority() {
        return Ok(authority.as_str().to_owned());
    }
    let host = host.map(|host| host.to_str()).transpose();
    host.map(|host| host.unwrap_or_default().to_owned())
        .map_err(|_| Refusal::usage("the header Host is wrong"))
}

/// Where the data folder is; no settings, which may be secrets.
impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder: &Path = &self.shared.folder;
        f.debug_struct("Gateway").field("folder", &folder).finish_non_exhaustive()
    }
}
