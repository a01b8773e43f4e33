//! Real servers and foreign programs for the tests.
//!
//! What they are made of is found on the machine, or fetched once into `servers/` of the folder that
//! cargo builds in, with versions that stand here. Each listens on a port of its own on the loopback
//! interface, keeps its data in a folder of its own, and is gone with the process that started it,
//! however that ends.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

pub mod application;
pub mod certificates;
pub mod gateway;
pub mod http;
pub mod mongod;
pub mod proxy;
pub mod python;
pub mod replica_set;
pub mod smtp;

/// How long anything may take to start or to come back, on a machine that is busy with all tests at
/// once.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Below the ports that systems give to outgoing connections: nobody takes the port of a server
/// while that is down.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A port on which nobody listens now.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        // Several test programs may run at once.
        let spread = std::process::id() as usize * 97 % PORTS.len();
        AtomicU16::new(PORTS.start + spread as u16)
    });
    for _ in PORTS {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + port % PORTS.len() as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on the loopback interface");
}

/// The folder of this name, made by `make` unless it is there; of many tests and processes one makes
/// it. Half-made ones are never seen.
///
/// # Panics
/// With what `make` says when it fails.
pub fn once(name: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> PathBuf {
    let servers = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("servers");
    fs::create_dir_all(&servers).unwrap();
    let lock = File::create(servers.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap(); // until it is dropped
    let done = servers.join(name);
    if !done.is_dir() {
        let half = servers.join(format!("{name}.half"));
        let _ = fs::remove_dir_all(&half);
        if let Err(problem) = make(&half) {
            panic!("{name} is needed for this test and cannot be had:\n{problem}");
        }
        fs::rename(&half, &done).unwrap();
    }
    done
}

/// Python packages in a folder of their own, fetched unless they are there. `requirements` as pip
/// reads them from a file; nothing is built, and nothing that they do not name is fetched.
///
/// # Panics
/// With `help` when they cannot be had.
pub fn packages(name: &str, requirements: &str, help: &str) -> PathBuf {
    once(name, |folder| {
        let list = folder.with_extension("txt");
        fs::write(&list, requirements).map_err(|error| error.to_string())?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        pip.arg("--target").arg(folder).arg("--requirement").arg(&list);
        run(&mut pip).map(drop).map_err(|problem| format!("{problem}\n{help}"))
    })
}

/// Packages of npm in a folder of their own, each with its version, fetched unless they are there. No
/// script of theirs is run.
///
/// # Panics
/// When they cannot be had.
pub fn node_packages(name: &str, packages: &[&str]) -> PathBuf {
    once(name, |folder| {
        fs::create_dir(folder).map_err(|error| error.to_string())?;
        fs::write(folder.join("package.json"), "{\"private\": true}")
            .map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).args(packages);
        run(npm.current_dir(folder))
            .map(drop)
            .map_err(|problem| format!("{problem}\nIt takes node with npm."))
    })
}

/// Run a command to its end.
pub fn run(command: &mut Command) -> Result<Output, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Send a signal, by its name.
pub fn signal(pid: u32, name: &str) {
    run(Command::new("kill").args(["-s", name, &pid.to_string()])).unwrap();
}

/// Wait until it holds, looking often.
///
/// # Panics
/// When it does not hold within [`PATIENCE`].
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Run this to its end, whether or not the caller is itself inside a runtime.
pub fn blocking<T: Send>(future: impl Future<Output = T> + Send) -> T {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(future)).join()).unwrap()
}

/// Where servers keep their data: in memory if there is room, because they wait for the disk most of
/// the time, and no test takes the power from the machine.
fn fast_folder() -> &'static Path {
    static FOLDER: LazyLock<&Path> = LazyLock::new(|| {
        const MEMORY: &str = "/dev/shm";
        const ROOM: u64 = 2 << 20;
        let free = run(Command::new("df").args(["--output=avail", "--block-size=1024", MEMORY]));
        let free = free.ok().and_then(|output| String::from_utf8(output.stdout).ok());
        let free = free.and_then(|text| text.lines().nth(1)?.trim().parse().ok()).unwrap_or(0u64);
        Path::new(if free >= ROOM { MEMORY } else { env!("CARGO_TARGET_TMPDIR") })
    });
    &FOLDER
}

/// A process with a folder of data. Both are gone when this is dropped, and also when this process
/// ends without dropping it: statics never are, and a test program may be killed.
pub struct Daemon {
    folder: PathBuf,
    child: Mutex<Option<Child>>,
    /// Outlives this process for a moment: it hears the end of its input, and cleans up.
    keeper: Mutex<(Child, Option<ChildStdin>)>,
}

impl Daemon {
    /// A new folder; nothing runs yet.
    pub fn new(prefix: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix(prefix).tempdir_in(fast_folder()).unwrap().keep();
        // It is told the process that runs, if any, one a line.
        let script = r#"
            trap '' INT TERM HUP
            while read -r line; do pid=$line; done
            if [ -n "$pid" ]; then
                kill -9 "$pid"
                for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.1; done
            fi
            rm -rf "$0"
        "#;
        let mut keeper = Command::new("sh")
            .args(["-c", script])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = keeper.stdin.take();
        Self { folder, child: Mutex::new(None), keeper: Mutex::new((keeper, input)) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Start the process. What it prints goes to `output` in the folder.
    pub fn start(&self, command: &mut Command) {
        let output = File::options().create(true).append(true).open(self.output()).unwrap();
        let errors = output.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        self.tell(&child.id().to_string());
        *self.child.lock().unwrap() = Some(child);
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// All that it printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.output()).unwrap_or_default()
    }

    /// The end of what it printed.
    pub fn last_words(&self) -> String {
        let text = self.printed();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    pub fn runs(&self) -> bool {
        self.child.lock().unwrap().as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Send a signal to the process, which is running.
    pub fn signal(&self, name: &str) {
        signal(self.child.lock().unwrap().as_ref().unwrap().id(), name);
    }

    /// Send a signal that ends the process, and wait for its end.
    pub fn end(&self, name: &str) {
        if self.child.lock().unwrap().is_none() {
            return;
        }
        if self.runs() {
            self.signal(name);
        }
        self.wait();
    }

    /// Wait for the end of the process, which was started.
    pub fn wait(&self) -> ExitStatus {
        let mut child = self.child.lock().unwrap().take().expect("a process was started");
        let status = child.wait().unwrap();
        self.tell("");
        status
    }

    fn tell(&self, line: &str) {
        use std::io::Write;
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.1.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(Some(mut child)) = self.child.get_mut().map(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
            self.tell("");
        }
        if let Ok((keeper, input)) = self.keeper.get_mut() {
            drop(input.take());
            let _ = keeper.wait();
        }
    }
}
