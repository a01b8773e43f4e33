//! What is counted while the host works, for whoever watches over it.
//!
//! A [`Runtime`](crate::Runtime) has one [`Metrics`]; all its tenants count in it. Labels have few
//! values: names of tenants, functions and routes, numbers of outcomes, kinds of errors. Never
//! anything that somebody has sent, no address, no secret.
//!
//! - `labels`: the labels;
//! - `watched`: what is looked at when somebody asks, instead of being counted;
//! - `process`: the process itself.

use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::error::CallError;

mod labels;
mod process;
mod watched;

pub(crate) use labels::known_method;
use labels::{
    Called, Decided, Failed, Handed, Refused, Requested, Responded, Stored, Tenant, Timed,
};
pub use labels::{MailAttempt, Operation};
pub use watched::{QueueSeen, Watched};

/// The type of what [`Metrics::text`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A histogram for each set of labels.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// All that is counted. Counting takes some tens of nanoseconds.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Responded, Counter>,
    request_duration: Histograms<Requested>,
    connections: Gauge,
    outcomes: Family<Decided, Counter>,
    errors: Family<Failed, Counter>,
    call_duration: Histograms<Called>,
    refused: Family<Refused, Counter>,
    hashing_running: Gauge,
    hashing_waiting: Gauge,
    instances: Gauge,
    store_duration: Histograms<Stored>,
    messages: Family<Handed, Counter>,
    mail_duration: Histograms<Timed>,
    queue_length: Family<Tenant, Gauge>,
    queue_oldest: Family<Tenant, Gauge>,
    memory: Gauge,
}

/// From an embedded store's fastest answer to the longest call, in seconds.
fn long() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// For what usually takes less than a millisecond.
fn short() -> Histogram {
    Histogram::new([
        0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(long),
            connections: Gauge::default(),
            outcomes: Family::default(),
            errors: Family::default(),
            call_duration: Family::new_with_constructor(long),
            refused: Family::default(),
            hashing_running: Gauge::default(),
            hashing_waiting: Gauge::default(),
            instances: Gauge::default(),
            store_duration: Family::new_with_constructor(short),
            messages: Family::default(),
            mail_duration: Family::new_with_constructor(long),
            queue_length: Family::default(),
            queue_oldest: Family::default(),
            memory: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Give everything its name. What is counted is shared with the registry.
    fn register(&mut self) {
        let mut all = Registry::default();
        let of_process = all.sub_registry_with_prefix("process");
        if process::memory().is_some() {
            let about = "Memory of the process that is in use";
            of_process.register_with_unit(
                "resident_memory",
                about,
                Unit::Bytes,
                self.memory.clone(),
            );
        }
        let start = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        start.set(process::now());
        let about = "When the process began to count, in seconds since 1970";
        of_process.register_with_unit("start_time", about, Unit::Seconds, start);

        let own = all.sub_registry_with_prefix("portcullis");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        own.register("build", "Which program this is", build);
        let about = "Requests that were answered";
        own.register("http_requests", about, self.requests.clone());
        let about = "From the head of a request to the head of its answer";
        let metric = self.request_duration.clone();
        own.register_with_unit("http_request_duration", about, Unit::Seconds, metric);
        let about = "Connections that are open";
        own.register("http_connections", about, self.connections.clone());
        let about = "Calls that were decided, by the number of their outcome, or `data`";
        own.register("outcomes", about, self.outcomes.clone());
        let about = "Calls that were not decided, by the kind of error";
        own.register("call_errors", about, self.errors.clone());
        let about = "From the call to its answer, with the wait for its turn";
        let metric = self.call_duration.clone();
        own.register_with_unit("call_duration", about, Unit::Seconds, metric);
        let about = "Calls that were refused because too many wait";
        own.register("refused_calls", about, self.refused.clone());
        let about = "Calls that may hash now";
        own.register("hashing_running", about, self.hashing_running.clone());
        let about = "Calls that wait for leave to hash";
        own.register("hashing_waiting", about, self.hashing_waiting.clone());
        let about = "Instances of the component that are there now";
        own.register("instances", about, self.instances.clone());
        let about = "How long the store takes to answer the component";
        let metric = self.store_duration.clone();
        own.register_with_unit("store_duration", about, Unit::Seconds, metric);
        let about = "Messages that the component handed over, and what became of them";
        own.register("mail_messages", about, self.messages.clone());
        let about = "How long an attempt at handing a mail to the mail server takes";
        let metric = self.mail_duration.clone();
        own.register_with_unit("mail_attempt_duration", about, Unit::Seconds, metric);
        let about = "Mails that wait, of tenants that are open";
        own.register("mail_queue_length", about, self.queue_length.clone());
        let about = "For how long the oldest of them has waited";
        let metric = self.queue_oldest.clone();
        own.register_with_unit("mail_queue_oldest", about, Unit::Seconds, metric);
        self.registry = all;
    }

    /// Everything in the text format of OpenMetrics 1.0, which Prometheus reads; with what was just
    /// looked at. One at a time: see [`Watched`].
    #[must_use]
    pub fn text(&self, watched: &Watched) -> String {
        self.hashing_running.set(gauge(watched.hashing_running));
        self.hashing_waiting.set(gauge(watched.hashing_waiting));
        if let Some(memory) = process::memory() {
            self.memory.set(gauge(memory));
        }
        // A tenant that was closed or removed is not told of any more.
        self.queue_length.clear();
        self.queue_oldest.clear();
        for (name, queue) in &watched.mail_queues {
            let tenant = Tenant { tenant: name.clone() };
            self.queue_length.get_or_create(&tenant).set(gauge(queue.length));
            self.queue_oldest.get_or_create(&tenant).set(gauge(queue.oldest));
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A request was answered. `route` is one of the table, never a path that somebody has sent.
    pub fn answered(&self, route: &'static str, method: &str, status: u16, took: Duration) {
        let method = known_method(method);
        self.requests.get_or_create(&Responded { route, method, status }).inc();
        let requested = Requested { route, method };
        self.request_duration.get_or_create(&requested).observe(took.as_secs_f64());
    }

    /// A connection was opened; it counts until what this returns is dropped.
    #[must_use]
    pub fn connected(&self) -> Present {
        Present::new(&self.connections)
    }

    /// An instance was made; it counts until what this returns is dropped.
    #[must_use]
    pub fn instance(&self) -> Present {
        Present::new(&self.instances)
    }

    /// A call has ended: with this outcome, with data (none), or without a decision.
    pub fn called(
        &self,
        tenant: &str,
        function: &'static str,
        ended: Result<Option<u16>, &CallError>,
        took: Duration,
    ) {
        let tenant = tenant.to_owned();
        match ended {
            Ok(code) => {
                let code = code.map_or_else(|| "data".to_owned(), |code| code.to_string());
                self.outcomes.get_or_create(&Decided { tenant, function, code }).inc();
            }
            Err(error) => {
                self.errors.get_or_create(&Failed { tenant, kind: error.kind() }).inc();
            }
        }
        self.call_duration.get_or_create(&Called { function }).observe(took.as_secs_f64());
    }

    /// A call was refused because too many wait.
    pub fn refused(&self, work: &'static str) {
        self.refused.get_or_create(&Refused { work }).inc();
    }

    /// The store was asked, and has answered or not.
    pub fn stored(&self, operation: Operation, is_ok: bool, begun: Instant) {
        let result = if is_ok { "ok" } else { "error" };
        let stored = Stored { operation: operation.name(), result };
        self.store_duration.get_or_create(&stored).observe(begun.elapsed().as_secs_f64());
    }

    /// A message was handed over by the component: `accepted`, `queued`, or why not.
    pub fn handed_over(&self, result: &'static str) {
        self.messages.get_or_create(&Handed { result }).inc();
    }

    /// An attempt was made at handing a mail to the mail server.
    pub fn attempted(&self, result: MailAttempt, begun: Instant) {
        let timed = Timed { result: result.name() };
        self.mail_duration.get_or_create(&timed).observe(begun.elapsed().as_secs_f64());
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Something that is there, and is counted until this is dropped.
#[derive(Debug)]
pub struct Present(Gauge);

impl Present {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_in_the_text() {
        let metrics = Metrics::default();
        metrics.answered("/healthz", "GET", 200, Duration::from_millis(3));
        metrics.answered("none", "BREW", 404, Duration::from_millis(3));
        metrics.called("shop", "auth.verify_user", Ok(Some(300)), Duration::from_millis(2));
        let error = CallError::Other("a text".to_owned());
        metrics.called("shop", "auth.verify_user", Err(&error), Duration::from_millis(2));
        let connection = metrics.connected();
        let text = metrics.text(&Watched::default());
        for line in [
            r#"portcullis_http_requests_total{route="/healthz",method="GET",status="200"} 1"#,
            r#"portcullis_http_requests_total{route="none",method="other",status="404"} 1"#,
            r#"portcullis_outcomes_total{tenant="shop",function="auth.verify_user",code="300"} 1"#,
            r#"portcullis_call_errors_total{tenant="shop",kind="other"} 1"#,
            r#"portcullis_call_duration_seconds_count{function="auth.verify_user"} 2"#,
            "portcullis_http_connections 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(!text.contains("a text"));
        assert!(text.ends_with("# EOF\n"));
        drop(connection);
        assert!(metrics.text(&Watched::default()).contains("portcullis_http_connections 0\n"));
    }

    /// What has counted nothing yet is not in the text, but it is in the registry.
    #[test]
    fn every_metric_is_described() {
        const TEXT: &str = include_str!("../../../docs/http.md");
        let registry = format!("{:?}", Metrics::default().registry);
        let names: Vec<&str> =
            registry.split("name: \"").skip(1).filter_map(|it| it.split('"').next()).collect();
        assert!(names.contains(&"http_requests") && names.contains(&"start_time"), "{names:?}");
        for name in names {
            let of = |prefix| TEXT.contains(&format!("`{prefix}_{name}_"));
            let is_whole = TEXT.contains(&format!("`portcullis_{name}`"));
            assert!(is_whole || of("portcullis") || of("process"), "{name}");
        }
    }

    #[test]
    fn a_tenant_that_is_no_longer_open_is_not_told_of() {
        let metrics = Metrics::default();
        let queue = QueueSeen { length: 3, oldest: 40 };
        let watched =
            Watched { mail_queues: vec![("shop".to_owned(), queue)], ..Watched::default() };
        let text = metrics.text(&watched);
        assert!(text.contains(r#"portcullis_mail_queue_length{tenant="shop"} 3"#), "{text}");
        assert!(
            text.contains(r#"portcullis_mail_queue_oldest_seconds{tenant="shop"} 40"#),
            "{text}"
        );
        assert!(!metrics.text(&Watched::default()).contains("shop"));
    }
}
