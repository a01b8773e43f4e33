//! Mail servers: aiosmtpd in Python, which does whatever a test tells it, and smtp-server in Node, to
//! see that it is not one server alone that understands us.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use portcullis::mail::smtp::{MailTls, SmtpAccount};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::{node_packages, once, packages, run};

pub const USER: &str = "portcullis@example.com";
pub const PASSWORD: &str = "Tr0ub4dor&3 horse";

const REQUIREMENTS: &str = include_str!("requirements.txt");
const CERTIFICATES: &str = include_str!("certificates.py");
/// Its own dependencies are pinned by it.
const NODE_SERVER: &str = "smtp-server@3.21.6";

/// Which program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Python,
    Node,
}

/// A server that is to be started.
pub struct Options {
    pub kind: Kind,
    pub tls: MailTls,
    /// The name of a certificate, see `certificates.py`.
    pub certificate: &'static str,
    /// Whether log-in is offered.
    pub auth: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { kind: Kind::Python, tls: MailTls::StartTls, certificate: "good", auth: true }
    }
}

/// A mail that a server has kept.
#[derive(Debug)]
pub struct Kept {
    pub from: String,
    pub to: Vec<String>,
    pub content: Vec<u8>,
}

/// A running server. Killed when dropped.
pub struct SmtpServer {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    folder: tempfile::TempDir,
    tls: MailTls,
    pub port: u16,
}

impl SmtpServer {
    pub fn start(options: &Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let description = json!({
            "tls": match options.tls {
                MailTls::Implicit => "implicit",
                MailTls::StartTls => "starttls",
                _ => "none",
            },
            "certificate": certificate(options.certificate),
            "user": USER,
            "password": PASSWORD,
            "folder": folder.path(),
            "auth": options.auth,
        });
        let mut command = program(options.kind);
        let mut child = command
            .arg(description.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the server says {line:?}"));
        Self { child, talk: Mutex::new((input, output)), folder, tls: options.tls, port }
    }

    /// The account that the server knows.
    pub fn account(&self) -> SmtpAccount {
        SmtpAccount {
            server: "localhost".to_owned(),
            port: self.port,
            username: USER.to_owned(),
            password: Zeroizing::new(PASSWORD.to_owned()),
            tls: self.tls,
            from: USER.to_owned(),
        }
    }

    /// What it does from now on: see the server's own file.
    pub fn behave(&self, behaviour: &str) {
        assert_eq!(self.say(&format!("behave {behaviour}")), "ok");
    }

    /// Cut all connections.
    pub fn close_connections(&self) {
        assert_eq!(self.say("close"), "ok");
    }

    /// How many there have been.
    pub fn connections(&self) -> u64 {
        self.say("connections").parse().unwrap()
    }

    /// Everything that clients have said.
    pub fn seen(&self) -> String {
        serde_json::from_str(&self.say("seen")).unwrap()
    }

    fn say(&self, line: &str) -> String {
        let mut talk = self.talk.lock().unwrap();
        let (input, output) = &mut *talk;
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// The mails it has kept, in their order.
    pub fn mails(&self) -> Vec<Kept> {
        let mut names: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
            .collect();
        names.sort();
        let read = |path: PathBuf| {
            let about: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let to = about["to"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            Kept {
                from: about["from"].as_str().unwrap().to_owned(),
                to: to.map(str::to_owned).collect(),
                content: fs::read(path.with_extension("eml")).unwrap(),
            }
        };
        names.into_iter().map(read).collect()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The authority of the good certificates.
pub fn authority() -> PathBuf {
    certificate("ca")
}

fn program(kind: Kind) -> Command {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/servers"));
    match kind {
        Kind::Python => {
            let mut command = python();
            command.arg(sources.join("smtp_server.py"));
            command
        }
        Kind::Node => {
            let mut command = Command::new("node");
            command.arg(sources.join("smtp_server.mjs")).current_dir(node());
            command
        }
    }
}

/// Python with what its server needs.
fn python() -> Command {
    let help = "It takes python3, version 3.9 or newer, with pip.";
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages("mail-server-1", REQUIREMENTS, help));
    command
}

fn node() -> PathBuf {
    node_packages(&NODE_SERVER.replace('@', "-"), &[NODE_SERVER])
}

fn certificate(name: &str) -> PathBuf {
    let folder = once("mail-certificates-1", |folder| {
        fs::create_dir(folder).map_err(|error| error.to_string())?;
        run(python().args(["-c", CERTIFICATES]).arg(folder)).map(drop)
    });
    folder.join(format!("{name}.pem"))
}
