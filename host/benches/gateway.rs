//! The service under load, as a process of its own on this machine, the callers included:
//!
//! - how long it takes from its start to its first answer, and what it then holds in memory, with one
//!   tenant and with 1,000;
//! - 64 connections, most of which sign in without pause while the others ask what needs no hash:
//!   answers by status, times of both kinds, memory from the beginning to the end;
//! - what one tenant's flood of sign-ins costs another, as a ratio to his quiet times.
//!
//! `cargo bench --bench gateway`. The load lasts a minute, or as many seconds as
//! `PORTCULLIS_LOAD_SECONDS` says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use ureq::Agent;

const PASSWORD: &str = "correct horse";
/// Connections that sign in, and of each kind that does not hash.
const SIGN_INS: usize = 48;
const READERS: usize = 8;
const USERS: usize = 64;
const TENANTS: usize = 1000;
/// The pause of a caller that does not hash, so that the load is a busy application's and not a loop's.
const PAUSE: Duration = Duration::from_millis(20);

fn main() {
    starts();
    load();
    neighbours();
}

/// The program at work. Killed when dropped.
struct Service {
    child: Child,
    url: String,
    folder: TempDir,
    started_in: Duration,
}

impl Service {
    fn start(tenants: &[&str], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = String::new();
        for tenant in tenants {
            writeln!(settings, "[tenants.{tenant}]\npeer_limit = 0\npeer_secret_limit = 0\n{more}")
                .unwrap();
        }
        std::fs::write(folder.path().join("portcullis.toml"), settings).unwrap();
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        let answer = agent().get(format!("{url}/healthz")).call().unwrap();
        assert_eq!(answer.status(), 200);
        Self { child, url, folder, started_in: began.elapsed() }
    }

    fn admin_token(&self, tenant: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["admin-token", "--tenant", tenant])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Resident memory in MiB, now and at its highest.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.unwrap_or(0) / 1024
        };
        (field("VmRSS"), field("VmHWM"))
    }

    /// Users with a password, made by the application.
    fn populate(&self, prefix: &str, token: &str, users: usize) {
        let agent = agent();
        for user in 0..users {
            let body = json!({"email": address(user), "password": PASSWORD});
            let path = format!("{prefix}/v1/auth/register_user_no_verif");
            let (status, answer) = post(&agent, &format!("{}{path}", self.url), Some(token), &body);
            assert_eq!(status, 200, "{answer}");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(user: usize) -> String {
    format!("user{user}@example.com")
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

fn post(agent: &Agent, url: &str, token: Option<&str>, body: &Json) -> (u16, Json) {
    let mut request = agent.post(url).content_type("application/json");
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut answer = request.send(body.to_string()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Json::Null))
}

fn get(agent: &Agent, url: &str, token: &str) -> u16 {
    let request = agent.get(url).header("Authorization", format!("Bearer {token}"));
    let mut answer = request.call().unwrap();
    answer.body_mut().read_to_string().unwrap();
    answer.status().as_u16()
}

fn starts() {
    let names: Vec<String> = (0..TENANTS).map(|at| format!("t{at}")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    for tenants in [&["default"][..], &many] {
        let service = Service::start(tenants, "");
        let started = service.started_in;
        // What the start itself has taken is given back by then.
        std::thread::sleep(Duration::from_secs(5));
        let (idle, _) = service.memory();
        println!(
            "start with {} tenants: first answer after {} ms; idle memory {idle} MiB",
            tenants.len(),
            started.as_millis()
        );
    }
}

/// Times and statuses of one kind of call.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    statuses: BTreeMap<u16, u64>,
}

impl Seen {
    fn time(&mut self, share: f64) -> Duration {
        self.times.sort_unstable();
        let at = ((self.times.len() as f64 - 1.0) * share).round() as usize;
        self.times.get(at).copied().unwrap_or_default()
    }

    fn report(&mut self, what: &str, seconds: f64) {
        let count = self.times.len();
        println!(
            "{what}: {:.1}/s, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; by status {:?}",
            count as f64 / seconds,
            ms(self.time(0.5)),
            ms(self.time(0.99)),
            ms(self.time(1.0)),
            self.statuses
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Callers that go on until they are told to stop, each on a connection of its own.
struct Callers {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Callers {
    fn new() -> Self {
        Self { stop: Arc::default(), threads: Vec::new() }
    }

    fn add(
        &mut self,
        count: usize,
        seen: &Arc<Mutex<Seen>>,
        call: impl Fn(&Agent, usize) -> u16 + Clone + Send + 'static,
    ) {
        for at in 0..count {
            let (stop, seen, call) = (self.stop.clone(), seen.clone(), call.clone());
            self.threads.push(std::thread::spawn(move || {
                let agent = agent();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let status = call(&agent, at);
                    let mut seen = seen.lock().unwrap();
                    seen.times.push(began.elapsed());
                    *seen.statuses.entry(status).or_default() += 1;
                }
            }));
        }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn sign_in(url: String) -> impl Fn(&Agent, usize) -> u16 + Clone + Send + 'static {
    move |agent, at| {
        let body = json!({"email": address(at % USERS), "password": PASSWORD});
        post(agent, &url, None, &body).0
    }
}

fn load() {
    let seconds: u64 =
        std::env::var("PORTCULLIS_LOAD_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(60);
    let service = Service::start(&["default"], "");
    let token = service.admin_token("default");
    service.populate("", &token, USERS);
    let url = |path: &str| format!("{}{path}", service.url);
    let body = json!({"email": address(0), "password": PASSWORD});
    let (_, opened) = post(&agent(), &url("/v1/session"), None, &body);
    let session = opened["token"].as_str().expect("a token").to_owned();

    let [hashing, reading, asking] = [(); 3].map(|()| Arc::new(Mutex::new(Seen::default())));
    let mut callers = Callers::new();
    // Other users than the one whose session is read: 32 sign-ins later it would have given way.
    let signing = url("/v1/session");
    callers.add(SIGN_INS, &hashing, move |agent, at| sign_in(signing.clone())(agent, at + 1));
    let read = url("/v1/session");
    callers.add(READERS, &reading, {
        move |agent, _| {
            let status = get(agent, &read, &session);
            std::thread::sleep(PAUSE);
            status
        }
    });
    let ask = url("/v1/utils/is_verified");
    callers.add(READERS, &asking, move |agent, at| {
        let status = post(agent, &ask, Some(&token), &json!({"email": address(at)})).0;
        std::thread::sleep(PAUSE);
        status
    });
    let began = Instant::now();
    let mut memory = Vec::new();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_secs(seconds) / 10);
        memory.push(service.memory().0);
    }
    callers.stop();
    let took = began.elapsed().as_secs_f64();
    println!("load: {} connections for {took:.0} s", SIGN_INS + 2 * READERS);
    hashing.lock().unwrap().report("  sign-ins", took);
    for (what, seen) in [("  session reads", &reading), ("  is_verified", &asking)] {
        let mut seen = seen.lock().unwrap();
        // The pause of the caller is not the service's.
        seen.times.iter_mut().for_each(|time| *time -= PAUSE);
        seen.report(what, took);
    }
    println!("  memory, MiB, ten times in that time: {memory:?}; at most {}", service.memory().1);
}

fn neighbours() {
    let service = Service::start(&["one", "other"], "");
    for tenant in ["one", "other"] {
        let token = service.admin_token(tenant);
        service.populate(&format!("/t/{tenant}"), &token, USERS);
    }
    let token = service.admin_token("other");
    let url = |path: &str| format!("{}{path}", service.url);
    let measure = || {
        let [hashing, plain] = [(); 2].map(|()| Arc::new(Mutex::new(Seen::default())));
        let mut callers = Callers::new();
        callers.add(1, &hashing, sign_in(url("/t/other/v1/session")));
        let (ask, token) = (url("/t/other/v1/utils/is_verified"), token.clone());
        callers.add(1, &plain, move |agent, _| {
            post(agent, &ask, Some(&token), &json!({"email": address(0)})).0
        });
        std::thread::sleep(Duration::from_secs(10));
        callers.stop();
        let (mut hashing, mut plain) = (hashing.lock().unwrap(), plain.lock().unwrap());
        hashing.report("  sign-ins", 10.0);
        plain.report("  is_verified", 10.0);
        [hashing.time(0.99), plain.time(0.99)]
    };
    println!("a tenant on his own:");
    let quiet = measure();
    println!("while another floods the service with sign-ins on {SIGN_INS} connections:");
    let mut flood = Callers::new();
    flood.add(SIGN_INS, &Arc::default(), sign_in(url("/t/one/v1/session")));
    let flooded = measure();
    flood.stop();
    for (what, quiet, flooded) in
        [("sign-ins", quiet[0], flooded[0]), ("is_verified", quiet[1], flooded[1])]
    {
        println!("  p99 of {what}: {:.2} times its quiet value", ms(flooded) / ms(quiet));
    }
}
