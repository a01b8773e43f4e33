//! The Python package `easy-mongodb-auth-handler`, as its users run it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use super::mongod::Database;
use super::packages;

/// The package and all that it needs.
const PACKAGES: &str = "\
easy-mongodb-auth-handler==2.1.0
pymongo==4.15.0
bcrypt==4.3.0
certifi==2025.8.3
dnspython==2.7.0
";

const HELP: &str = "It takes python3, version 3.9 to 3.13, with pip.";

const SCRIPT: &str = include_str!("coprocess.py");

/// A running interpreter with the three objects of the package on one database. Ended when dropped.
pub struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// The settings are those of the package's `Auth`.
    pub fn on(database: &Database, settings: Json) -> Self {
        let place = json!({
            "uri": database.uri,
            "name": database.name,
            "certs": database.certs,
            "settings": settings,
        });
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT, &place.to_string()])
            .env("PYTHONPATH", packages("easy-mongodb-auth-handler-2.1.0", PACKAGES, HELP))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Call a function of any of the three.
    pub fn call(&mut self, function: &str, arguments: Json) -> Json {
        let line = json!({"function": function, "arguments": arguments});
        writeln!(self.input, "{line}").unwrap();
        self.input.flush().unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        let answer: Json = serde_json::from_str(&answer).expect("the interpreter answers");
        assert!(answer.get("raised").is_none(), "{function}: {answer}");
        answer["reply"].clone()
    }

    /// The code in the mail that it sent last.
    pub fn mailed_code(&mut self) -> String {
        let mail = self.call("last_mail", json!({}));
        let (_, code) = mail.as_str().expect("a mail").split_once("code is: ").unwrap();
        code.trim().to_owned()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
