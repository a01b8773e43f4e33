//! The programs compared: how each is had, started and asked.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::json;
use tempfile::TempDir;

use crate::load::Request;
use crate::process::Process;
use crate::program::PROGRAM;
use crate::{SESSIONS, SIGN_INS, servers};

const PASSWORD: &str = "correct horse battery staple";
/// better-auth takes requests with a cookie from this origin only.
const ORIGIN: &str = "http://localhost:3000";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Portcullis,
    BetterAuth,
    FastApiUsers,
}

/// A program with a folder of its own for its data.
pub struct Program {
    pub kind: Kind,
    folder: TempDir,
    packages: Option<PathBuf>,
}

impl Kind {
    pub fn title(self, processes: usize) -> String {
        let of = if processes == 1 { "" } else { " x 2" };
        match self {
            Self::Portcullis => "portcullis (argon2id 19 MiB t=2 p=1)".to_owned(),
            Self::BetterAuth => format!("better-auth{of} (scrypt N=16384 r=16 p=1)"),
            Self::FastApiUsers => format!("FastAPI Users{of} (argon2id 64 MiB t=3 p=4)"),
        }
    }

    fn sign_up(self, user: usize, admin: &str) -> Request {
        let (email, password) = (address(user), PASSWORD);
        match self {
            Self::Portcullis => Request::post(
                "/v1/auth/register_user_no_verif",
                &json!({"email": email, "password": password}),
            )
            .bearer(admin),
            Self::BetterAuth => Request::post(
                "/api/auth/sign-up/email",
                &json!({"email": email, "password": password, "name": "Ann"}),
            )
            .header("Origin", ORIGIN),
            Self::FastApiUsers => {
                Request::post("/auth/register", &json!({"email": email, "password": password}))
            }
        }
    }

    pub fn sign_in(self, user: usize) -> Request {
        let (email, password) = (address(user), PASSWORD);
        let credentials = json!({"email": email, "password": password});
        match self {
            Self::Portcullis => Request::post("/v1/session", &credentials),
            Self::BetterAuth => {
                Request::post("/api/auth/sign-in/email", &credentials).header("Origin", ORIGIN)
            }
            Self::FastApiUsers => Request {
                method: "POST",
                body: Some((
                    servers::http::FORM,
                    format!(
                        "username={}&password={}",
                        servers::http::encode(&email),
                        servers::http::encode(password)
                    ),
                )),
                ..Request::get("/auth/login")
            },
        }
        .holds("token\"")
    }

    /// What a later request shows, from the answer to a sign-in.
    fn token(self, answer: &servers::http::Answer) -> String {
        match self {
            Self::Portcullis => answer.json()["token"].as_str().unwrap().to_owned(),
            Self::BetterAuth => answer.cookie("better-auth.session_token").unwrap(),
            Self::FastApiUsers => answer.json()["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// Who is signed in.
    pub fn check(self, token: &str) -> Request {
        match self {
            Self::Portcullis => Request::get("/v1/session").bearer(token),
            Self::BetterAuth => Request::get("/api/auth/get-session")
                .header("Cookie", format!("better-auth.session_token={token}")),
            Self::FastApiUsers => Request::get("/users/me").bearer(token),
        }
        // better-auth answers 200 to those who are not signed in.
        .holds("example.com")
    }
}

impl Program {
    /// Installed, with an empty folder.
    pub fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let packages = match kind {
            Kind::Portcullis => {
                let settings = "[tenants.default]\npeer_limit = 0\npeer_secret_limit = 0\n";
                file("portcullis.toml", settings);
                None
            }
            Kind::BetterAuth => {
                file("better-auth.mjs", include_str!("better-auth.mjs"));
                Some(better_auth())
            }
            Kind::FastApiUsers => {
                file("fastapi_users_app.py", include_str!("fastapi_users_app.py"));
                let help = "It takes Python 3.10 or newer, with pip.";
                let requirements = include_str!("requirements.txt");
                Some(servers::packages("fastapi-users-15.0.5", requirements, help))
            }
        };
        let program = Self { kind, folder, packages };
        if kind == Kind::BetterAuth {
            servers::run(program.node().arg("migrate")).unwrap();
        }
        program
    }

    pub fn start(&self, processes: usize) -> Process {
        let port = servers::free_port();
        let (port_text, count) = (port.to_string(), processes.to_string());
        let mut command = match self.kind {
            Kind::Portcullis => {
                let mut command = self.command(PROGRAM);
                command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
                // It would advise to make an admin token.
                command.stderr(Stdio::null());
                command
            }
            Kind::BetterAuth => {
                let mut command = self.node();
                command.args([&port_text, &count]);
                command
            }
            Kind::FastApiUsers => {
                let mut command = self.command(&PYTHON);
                command.args(["-m", "uvicorn", "fastapi_users_app:app", "--port", &port_text]);
                command.args(["--workers", &count, "--no-access-log", "--log-level", "warning"]);
                command.env("PYTHONPATH", self.packages.as_ref().unwrap());
                command.env("SECRET", "a secret of a benchmark, which guards nothing");
                command
            }
        };
        Process::start(&mut command, port)
    }

    /// Make all users by its own sign-up, and sign in those whose sessions are looked at. Gives their
    /// tokens.
    pub fn populate(&self) -> Vec<String> {
        let mut admin = String::new();
        if self.kind == Kind::Portcullis {
            let output = servers::run(self.command(PROGRAM).arg("admin-token")).unwrap();
            admin = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        }
        let process = self.start(1);
        servers::wait_for("it listens", || {
            std::net::TcpStream::connect(process.url.trim_start_matches("http://")).is_ok()
        });
        let client = servers::http::Client::new(&process.url);
        let send = |request: Request| {
            let client = request
                .headers
                .iter()
                .fold(client.clone(), |client, (name, value)| client.with(name, value));
            let (kind, body) = request.body.unwrap();
            client.send(request.method, &request.path, Some(kind), body)
        };
        for user in 0..SESSIONS + SIGN_INS {
            let answer = send(self.kind.sign_up(user, &admin));
            assert!([200, 201].contains(&answer.status), "{} {}", answer.status, answer.text());
        }
        let tokens = (0..SESSIONS).map(|user| {
            let answer = send(self.kind.sign_in(user)).is(200);
            self.kind.token(&answer)
        });
        tokens.collect()
    }

    fn node(&self) -> Command {
        let mut command = self.command("node");
        command.arg("better-auth.mjs").env("PACKAGES", self.packages.as_ref().unwrap());
        command.env("NODE_ENV", "production").env("BASE_URL", ORIGIN);
        command.env("BETTER_AUTH_SECRET", "a secret of a benchmark, which guards nothing");
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command
    }
}

fn address(user: usize) -> String {
    format!("user{user}@example.com")
}

/// Unlike other packages of npm it is had with an install script: that of better-sqlite3, which makes
/// or fetches its native part.
fn better_auth() -> PathBuf {
    servers::once("better-auth-1.7.25", |folder| {
        fs::create_dir(folder).map_err(|error| error.to_string())?;
        fs::write(
            folder.join("package.json"),
            json!({"private": true, "allowScripts": {"better-sqlite3": true}}).to_string(),
        )
        .map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund"]);
        // The last of better-sqlite3 that runs on Node 20.
        npm.args(["better-auth@1.7.25", "better-sqlite3@12.11.1", "kysely@0.28.19", "zod@4.6.7"]);
        let help = "It takes Node 20 or newer, with npm and a C++ compiler.";
        servers::run(npm.current_dir(folder))
            .map(drop)
            .map_err(|problem| format!("{problem}\n{help}"))
    })
}

/// Not a script that only looks for Python, whose time would count as the other program's.
static PYTHON: LazyLock<String> = LazyLock::new(|| {
    let script = "import sys; print(sys.executable)";
    let output = servers::run(Command::new("python3").args(["-c", script])).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
});
