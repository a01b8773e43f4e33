//! The program at work, and its users.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::load::{Load, Request};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
const PASSWORD: &str = "correct horse";

/// Killed when dropped.
pub struct Service {
    child: Child,
    pub url: String,
    folder: TempDir,
    pub started_in: Duration,
}

impl Service {
    /// With these tenants, on a fresh folder. Nobody is refused for asking often.
    pub fn start(tenants: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // All connections of a benchmark come from one peer, which may have a quarter.
        let mut settings = "[gateway]\nconnections = 16384\n".to_owned();
        for tenant in tenants {
            writeln!(settings, "[tenants.{tenant}]\npeer_limit = 0\npeer_secret_limit = 0")
                .unwrap();
        }
        fs::write(folder.path().join("portcullis.toml"), settings).unwrap();
        let began = Instant::now();
        let mut child = Command::new(PROGRAM)
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

    pub fn admin_token(&self, tenant: &str) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(["admin-token", "--tenant", tenant]).current_dir(self.folder.path());
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Resident memory in MiB, now and at its highest since [`Self::forget_highest`].
    pub fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(self.file("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.unwrap_or(0) / 1024
        };
        (field("VmRSS"), field("VmHWM"))
    }

    /// Begin anew with the highest (proc_pid_clear_refs(5)).
    pub fn forget_highest(&self) {
        let _ = fs::write(self.file("clear_refs"), "5");
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }

    /// Users 0 to `users` with a password, made by the application of the tenant whose paths begin
    /// with this.
    pub fn populate(&self, prefix: &str, token: &str, users: usize) {
        let url = format!("{}{prefix}/v1/auth/register_user_no_verif", self.url);
        std::thread::scope(|scope| {
            const AT_ONCE: usize = 4;
            for first in 0..AT_ONCE {
                let url = &url;
                scope.spawn(move || {
                    let agent = agent();
                    for user in (first..users).step_by(AT_ONCE) {
                        let body = json!({"email": address(user), "password": PASSWORD});
                        let (status, answer) = post(&agent, url, Some(token), &body);
                        assert_eq!(status, 200, "{answer}");
                    }
                });
            }
        });
    }

    /// The token of a new session.
    pub fn session(&self, prefix: &str, user: usize) -> String {
        let url = format!("{}{prefix}/v1/session", self.url);
        let body = json!({"email": address(user), "password": PASSWORD});
        let (status, opened) = post(&agent(), &url, None, &body);
        assert_eq!(status, 200, "{opened}");
        opened["token"].as_str().expect("a token").to_owned()
    }

    /// Sign-ins on so many connections, each as a user of its own, from this one on.
    pub fn sign_ins(&self, prefix: &str, connections: usize, from: usize) -> Load {
        let path = format!("{prefix}/v1/session");
        Load::new(&self.url, connections, move |at| {
            let body = json!({"email": address(from + at), "password": PASSWORD});
            Request::post(&path, &body).holds("\"token\"")
        })
    }

    /// Checks of this session.
    pub fn checks(&self, prefix: &str, connections: usize, session: &str) -> Load {
        let request = Request::get(format!("{prefix}/v1/session")).bearer(session);
        Load::new(&self.url, connections, move |_| request.clone().holds("example.com"))
    }

    /// Questions of the application about a user each, which need no hash.
    pub fn questions(&self, prefix: &str, connections: usize, token: &str) -> Load {
        let (path, token) = (format!("{prefix}/v1/utils/is_verified"), token.to_owned());
        Load::new(&self.url, connections, move |at| {
            Request::post(&path, &json!({"email": address(at)})).bearer(&token)
        })
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
