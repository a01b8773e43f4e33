//! Traces, as a collector gets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::Gateway;
use crate::servers::{free_port, wait_for};

pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// An OTLP collector that keeps what it is sent.
pub struct Collector {
    pub address: String,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
                std::thread::spawn(move || while take(&stream, &kept).is_some() {});
            }
        });
        Self { address, got }
    }

    /// All that it was sent.
    pub fn got(&self) -> Vec<u8> {
        self.got.lock().unwrap().clone()
    }

    pub fn has(&self, part: &[u8]) -> bool {
        self.got().windows(part.len()).any(|it| it == part)
    }
}

/// One request; none when the connection is over.
fn take(mut stream: &TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
    let mut length = 0;
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let (name, value) = line.split_once(':').unwrap_or_default();
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse().unwrap(),
            ("content-type", value) => assert_eq!(value, "application/x-protobuf"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    kept.lock().unwrap().extend(body);
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()
}

/// A text as a field of a message in protobuf: its length, and itself.
fn field(text: &str) -> Vec<u8> {
    let mut field = vec![u8::try_from(text.len()).unwrap()];
    field.extend(text.as_bytes());
    field
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_request_is_traced_with_all_that_it_led_to() {
    let collector = Collector::start();
    let settings = "[gateway]\ntrusted_proxies = [\"127.0.0.1\"]\n[tenants.default]\n";
    let gateway = Gateway::start_with(settings, |command| {
        command.env(ENDPOINT, &collector.address);
    });
    let ann = json!({ "email": "ann@example.com", "password": PASSWORD });
    gateway.client().post("/v1/auth/register_user", ann).is(200);
    gateway.mailed_code("ann@example.com");
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    gateway.client().with("traceparent", &parent).get("/v1/session").is(401);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    // The last of them are sent before the end.
    for text in [
        "service.name",
        "portcullis",
        "request",
        "call",
        "store",
        "mail",
        "/v1/session",
        "auth.register_user",
        "load",
        "commit",
    ] {
        assert!(collector.has(&field(text)), "{text}");
    }
    assert!(collector.has(&bytes(TRACE)), "the trace goes on");
    assert!(!collector.has(b"ann@example.com"));
}

#[test]
fn a_stranger_does_not_write_into_a_trace() {
    let collector = Collector::start();
    let gateway = Gateway::start_with("", |command| {
        command
            .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.address));
    });
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    gateway.client().with("traceparent", &parent).get("/healthz").is(200);
    wait_for("it is sent", || collector.has(&field("/healthz")));
    assert!(!collector.has(&bytes(TRACE)));
}

#[test]
fn a_collector_that_is_down_holds_up_nothing() {
    let gateway = Gateway::start_with("", |command| {
        command.env(ENDPOINT, format!("http://127.0.0.1:{}", free_port()));
    });
    gateway.client().get("/healthz").is(200);
    wait_for("it is told", || gateway.log().contains("traces cannot be sent"));
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

#[test]
fn an_address_that_needs_tls_is_refused_at_the_start() {
    let gateway = Gateway::prepare("");
    let mut command = gateway.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env(ENDPOINT, "https://user:password@collector.example.com");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(ENDPOINT) && error.contains("http://"), "{error}");
    assert!(!error.contains("password"), "{error}");
}
