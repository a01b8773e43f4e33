//! The real program as processes: one folder of data, and a database server where asked for; any
//! number of co-processes on it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::servers::mongod::{Database, Mongod};
use crate::servers::replica_set::ReplicaSet;

/// Where the program was built.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// What keeps the records of a site.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// A file in its folder.
    Embedded,
    /// A MongoDB server by itself, which has no transactions.
    Single,
    /// A MongoDB replica set, which has.
    ReplicaSet,
}

/// A test for each [`Ground`], in a module of its name.
macro_rules! on_every_ground {
    (in $name:ident: $ground:ident: $($test:ident)*) => {
        mod $name {$(
            #[test]
            fn $test() {
                super::$test($crate::program::Ground::$ground);
            }
        )*}
    };
    ($($test:ident)*) => {
        on_every_ground!(in embedded: Embedded: $($test)*);
        on_every_ground!(in single: Single: $($test)*);
        on_every_ground!(in replica_set: ReplicaSet: $($test)*);
    };
}
pub(crate) use on_every_ground;

/// A folder of data, and the settings of all processes on it.
pub struct Site {
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    /// Where the records are, if not in the folder.
    server: Option<Database>,
}

impl Site {
    pub fn new(settings: &[(&str, i64)]) -> Self {
        let site =
            Self { folder: tempfile::tempdir().unwrap(), settings: Vec::new(), server: None };
        settings.iter().fold(site, |site, (key, value)| site.with(key, value))
    }

    /// A new and empty database on this ground.
    pub fn on(ground: Ground, settings: &[(&str, i64)]) -> Self {
        match ground {
            Ground::Embedded => Self::new(settings),
            Ground::Single => Self::at(Mongod::shared(), settings),
            Ground::ReplicaSet => Self::at(ReplicaSet::shared(), settings),
        }
    }

    /// One more setting; keys of tables are written with a dot.
    pub fn set(&mut self, key: &str, value: &str) {
        let key = key.to_uppercase().replace('.', "__");
        self.settings.push((format!("PORTCULLIS_TENANTS__DEFAULT__{key}"), value.to_owned()));
    }

    /// A new and empty database on a server.
    pub fn at(server: impl Into<Database>, settings: &[(&str, i64)]) -> Self {
        let server = server.into();
        let mut site =
            Self::new(settings).with("mongo_uri", &server.uri).with("db_name", &server.name);
        if let Some(certs) = &server.certs {
            site = site.with("certs", certs.display());
        }
        site.server = Some(server);
        site
    }

    /// With one more setting, in place of an earlier one of that key.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.set(key, &value.to_string());
        self
    }

    /// Where the records are, if not in the folder.
    pub fn server(&self) -> &Database {
        self.server.as_ref().unwrap()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> PathBuf {
        self.data().join("portcullis.db")
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("portcullis-data")
    }

    /// The program, in this folder and with these settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.path()).envs(self.settings.iter().cloned());
        command.env_remove("RUST_LOG");
        command
    }

    /// What the workers have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap()
    }

    pub fn worker(&self) -> Worker {
        self.logging_worker("warn")
    }

    /// A worker that logs from this level on.
    pub fn logging_worker(&self, level: &str) -> Worker {
        self.start(self.command(&["batch"]).env("PORTCULLIS_LOG", level))
    }

    /// A worker that is started by this command.
    pub fn start(&self, command: &mut Command) -> Worker {
        let log = File::options().create(true).append(true).open(self.path().join("log")).unwrap();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Worker { child, input, output }
    }

    /// That many processes, all of them ready.
    pub fn workers(&self, count: usize) -> Vec<Worker> {
        let mut workers: Vec<Worker> = (0..count).map(|_| self.worker()).collect();
        for worker in &mut workers {
            worker.ask("is_verified", json!({"email": "nobody@example.com"}));
        }
        for worker in &mut workers {
            worker.hear();
        }
        workers
    }

    /// The digits in the mail to this address that was written last.
    pub fn mailed_code(&self, email: &str) -> String {
        let mut mails: Vec<PathBuf> = std::fs::read_dir(self.data().join("outbox"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        mails.sort();
        let to = format!("To: {email}");
        let mail = mails
            .iter()
            .rev()
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .find(|mail| mail.contains(&to) && mail.contains("code is: "))
            .unwrap_or_else(|| panic!("no code mail to {email}"));
        let (_, code) = mail.split_once("code is: ").unwrap();
        code.chars().take_while(char::is_ascii_digit).collect()
    }
}

/// A running `portcullis batch`. Killed when dropped.
pub struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Ask without waiting.
    pub fn ask(&mut self, function: &str, arguments: Json) {
        self.say(&json!({"function": function, "arguments": arguments}).to_string());
    }

    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// The next answer; none when the process is gone.
    pub fn listen(&mut self) -> Option<Json> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(1..) if line.ends_with('\n') => Some(serde_json::from_str(&line).unwrap()),
            _ => None,
        }
    }

    /// The next answer.
    pub fn hear(&mut self) -> Json {
        self.listen().expect("the process answers")
    }

    /// Ask and wait for the reply.
    pub fn call(&mut self, function: &str, arguments: Json) -> Json {
        self.ask(function, arguments);
        let answer = self.hear();
        assert!(answer.get("error").is_none(), "{function}: {answer}");
        answer["reply"].clone()
    }

    /// The end of its input, for a thread that goes on writing while others listen.
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
