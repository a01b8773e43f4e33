//! The program as a service: `portcullis serve` on a port of its own, with settings and a folder of
//! data of its own.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;

use super::http::Client;
use super::{Daemon, wait_for};
use crate::program::PROGRAM;

/// Settings under which no test is refused for asking often.
pub const UNLIMITED: &str = "\
[tenants.default]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
";

/// What the program prints when it answers.
const LISTENING: &str = "listening on ";

/// A running gateway. Killed when dropped.
pub struct Gateway {
    daemon: Daemon,
    place: Place,
    /// How many code mails to an address were read.
    read: Mutex<HashMap<String, usize>>,
}

/// The settings and the data, which several processes may share.
#[derive(Clone)]
struct Place {
    settings: PathBuf,
    data: PathBuf,
}

impl Gateway {
    /// With these settings (TOML) and a fresh folder of data, answering.
    pub fn start(settings: &str) -> Self {
        Self::start_with(settings, |_| ())
    }

    /// The same, with something more said to the process that is to be: an argument or a variable.
    pub fn start_with(settings: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let gateway = Self::prepare(settings);
        gateway.serve(prepare);
        gateway
    }

    /// Settings and a folder of data, and nothing that runs yet.
    pub fn prepare(settings: &str) -> Self {
        let daemon = Daemon::new("portcullis-gateway-");
        let place = Place {
            settings: daemon.folder().join("portcullis.toml"),
            data: daemon.folder().join("data"),
        };
        fs::write(&place.settings, settings).unwrap();
        Self { daemon, place, read: Mutex::default() }
    }

    /// One more process on the settings and the data of this one, which must outlive it.
    pub fn beside(&self) -> Self {
        let daemon = Daemon::new("portcullis-gateway-");
        let gateway = Self { daemon, place: self.place.clone(), read: Mutex::default() };
        gateway.serve(|_| ());
        gateway
    }

    /// Start the process, which must not be running, and wait until it answers.
    pub fn serve(&self, prepare: impl FnOnce(&mut Command)) {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        prepare(&mut command);
        let before = self.announcements().len();
        self.daemon.start(&mut command);
        wait_for("the gateway answers", || {
            assert!(self.daemon.runs(), "the gateway ended:\n{}", self.daemon.last_words());
            self.announcements().len() > before
        });
    }

    /// The program with these settings and this data.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        command.arg("--config").arg(&self.place.settings).arg("--data").arg(&self.place.data);
        command.current_dir(self.daemon.folder()).env_remove("RUST_LOG");
        // Not the settings of whoever runs the tests.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(variable);
            }
        }
        command
    }

    fn announcements(&self) -> Vec<String> {
        let log = self.log();
        // A line is there when its end is.
        let lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        lines.filter_map(|line| line.strip_prefix(LISTENING)).map(str::to_owned).collect()
    }

    /// Where it answers: `http://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        self.announcements().last().expect("it has answered").clone()
    }

    /// The address and the port of it.
    pub fn address(&self) -> String {
        self.url().trim_start_matches("http://").to_owned()
    }

    /// Somebody whom it does not know.
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// Somebody with a fresh admin token of this tenant.
    pub fn admin(&self, tenant: &str) -> Client {
        self.client().bearer(&self.admin_token(tenant))
    }

    /// A fresh admin token of this tenant.
    pub fn admin_token(&self, tenant: &str) -> String {
        let output = super::run(&mut self.command(&["admin-token", "--tenant", tenant]));
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    }

    /// All that the process has printed: what it logs, and where it listens.
    pub fn log(&self) -> String {
        self.daemon.printed()
    }

    pub fn data(&self) -> &Path {
        &self.place.data
    }

    /// Other settings, which the process learns of when it is told to look.
    pub fn rewrite(&self, settings: &str) {
        let new = self.place.settings.with_extension("new");
        fs::write(&new, settings).unwrap();
        fs::rename(&new, &self.place.settings).unwrap();
    }

    pub fn runs(&self) -> bool {
        self.daemon.runs()
    }

    /// Send a signal to the process, by its name (`TERM`, `HUP`).
    pub fn signal(&self, name: &str) {
        self.daemon.signal(name);
    }

    /// Wait for the end of the process.
    pub fn wait(&self) -> ExitStatus {
        wait_for("the gateway ends", || !self.daemon.runs());
        self.daemon.wait()
    }

    /// All mails to this address, the oldest first.
    pub fn mails(&self, email: &str) -> Vec<String> {
        // Of all tenants without a mail account.
        let Ok(folder) = fs::read_dir(self.place.data.join("outbox")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        let to = format!("To: {email}");
        let mails = files.iter().map(|path| fs::read_to_string(path).unwrap());
        mails.filter(|mail| mail.lines().any(|line| line.trim_end() == to)).collect()
    }

    /// The code in the newest mail to this address. Mail may come a moment after the answer: this
    /// waits for one that it has not yet told.
    pub fn mailed_code(&self, email: &str) -> String {
        let mut read = self.read.lock().unwrap();
        let read = read.entry(email.to_owned()).or_default();
        let mut codes = Vec::new();
        wait_for("a code comes by mail", || {
            codes = self.mails(email).iter().filter_map(|mail| code(mail)).collect();
            codes.len() > *read
        });
        *read = codes.len();
        codes.pop().unwrap()
    }
}

/// The digits of a code mail.
fn code(mail: &str) -> Option<String> {
    let (_, code) = mail.split_once("Your verification code is: ")?;
    Some(code.chars().take_while(char::is_ascii_digit).collect())
}
