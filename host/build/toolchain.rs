//! A compiler for the guest: the one in use if it has the guest's target, else one that is fetched.
//!
//! Each way that fails leaves its reason, so that a machine on which none works says everything at
//! once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::steps::{self, TARGET};

/// How long rustup may take. It tries for many minutes where packets vanish on the way.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(180);

/// A compiler that has the standard library for the guest's target.
pub(crate) struct Toolchain {
    pub(crate) rustc: PathBuf,
    /// Where it comes from, for people.
    pub(crate) origin: String,
    /// What `rustc -vV` says.
    pub(crate) version: String,
    /// Whether something was downloaded for it just now.
    pub(crate) fetched: bool,
    /// Where the guest is built with it. Not the outer build's target folder, which cargo locks.
    pub(crate) build: PathBuf,
}

/// Tries the ways from the cheapest to the most expensive. `logs` is a folder for what the programs
/// say.
pub(crate) fn find(workspace: &Path, target_dir: &Path, logs: &Path) -> Result<Toolchain, String> {
    let rustc = PathBuf::from(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let build = target_dir.join("guest-build");
    if has_target(&rustc)? {
        return found(rustc, "the active toolchain".into(), false, build);
    }
    let no_rustup = match rustup_target_add(&rustc, &logs.join("rustup.log")) {
        Ok(()) => return found(rustc, format!("rustup target add {TARGET}"), true, build),
        Err(reason) => reason,
    };
    let folder = target_dir.join("guest-toolchain");
    let no_debian = match debian(workspace, &folder, &logs.join("toolchain.log")) {
        Ok(fetched) => {
            let origin = format!("Debian's packages in {}", folder.display());
            // Inside, so that the script clears it away whenever it makes the compiler anew.
            return found(folder.join("bin/rustc"), origin, fetched, folder.join("build"));
        }
        Err(reason) => reason,
    };
    Err(format!(
        "no compiler for the guest, which is built for {TARGET}\n\
         \n\
         tried:\n\
         - the active toolchain ({}): it does not have that target\n\
         - rustup target add {TARGET}: {no_rustup}\n\
         - guest/toolchain.sh, which unpacks Debian's compiler: {no_debian}\n\
         \n\
         do one of these, then build again:\n\
         - rustup target add {TARGET}, with access to rustup's server\n\
         - build on Debian 12 or newer with its security archive among the package sources\n\
         - PORTCULLIS_COMPONENT=/path/to/portcullis.wasm, a component built elsewhere",
        rustc.display()
    ))
}

fn found(
    rustc: PathBuf,
    origin: String,
    fetched: bool,
    build: PathBuf,
) -> Result<Toolchain, String> {
    let version = steps::run(Command::new(&rustc).arg("-vV"))?;
    Ok(Toolchain { rustc, origin, version, fetched, build })
}

fn has_target(rustc: &Path) -> Result<bool, String> {
    let sysroot = steps::run(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn rustup_target_add(rustc: &Path, log: &Path) -> Result<(), String> {
    if offline() {
        return Err("not tried: cargo is told to stay offline".into());
    }
    // RUSTUP_TOOLCHAIN is set for a build script, so this is the toolchain that runs it.
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).env("RUST_BACKTRACE", "0");
    logged(command, log, Some(RUSTUP_PATIENCE))?;
    if has_target(rustc)? {
        return Ok(());
    }
    Err("done, but for a toolchain that is not the one in use".into())
}

/// Whether it had to be made: a repeat finds the folder ready.
fn debian(workspace: &Path, folder: &Path, log: &Path) -> Result<bool, String> {
    if !Path::new("/etc/debian_version").exists() {
        return Err("not tried: this is not Debian".into());
    }
    let stamp = folder.join("stamp");
    let made = || fs::metadata(&stamp).and_then(|stamp| stamp.modified()).ok();
    let before = made();
    if before.is_none() && offline() {
        return Err("not tried: cargo is told to stay offline".into());
    }
    let mut command = Command::new("sh");
    command.arg(workspace.join("guest/toolchain.sh")).arg(folder);
    logged(command, log, None)?;
    Ok(made() != before)
}

fn offline() -> bool {
    env::var("CARGO_NET_OFFLINE").is_ok_and(|value| value == "true" || value == "1")
}

/// Runs a command that may take long. Its output goes to a file: a pipe that nobody reads would
/// stop it. The end of it is the reason if it fails.
fn logged(mut command: Command, log: &Path, patience: Option<Duration>) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let output = fs::File::create(log).map_err(io)?;
    let errors = output.try_clone().map_err(io)?;
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(io)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io)? {
            break status;
        }
        if patience.is_some_and(|patience| start.elapsed() > patience) {
            child.kill().and_then(|()| child.wait()).map_err(io)?;
            return Err(format!("given up after {} s", start.elapsed().as_secs()));
        }
        thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(());
    }
    let text = fs::read(log).map_err(io)?;
    let text = String::from_utf8_lossy(&text);
    let mut end: Vec<_> =
        text.lines().filter(|line| !line.trim().is_empty()).rev().take(6).collect();
    end.reverse();
    Err(format!("{status}\n    {}", end.join("\n    ")))
}
