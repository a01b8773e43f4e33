//! From the guest's sources to a component, with a compiler that is given.
//!
//! The result depends on the sources, the lock file and the compiler alone: not on the folder of
//! the checkout, the user's home or the settings of the build around it. The build script and the
//! test that proves this both include this file.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The target of the guest. A WASI target would import a file system, environment variables and
/// more that the guest must not have.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Bytes of stack. The deepest guest calls are serde_json's, which stops at 128 levels: well below
/// half of this. rustc puts the stack at the bottom of the memory, so one that runs over traps
/// instead of writing into data.
const STACK: u32 = 512 * 1024;

/// Bytes of memory that the component has from its start: room for one hash with the default
/// parameters (19 MiB) beside the stack, the data and what else a call works with. What is not
/// touched costs nothing; growing would cost, in every instance, because a host then changes the
/// protection of pages, of which all its threads have to hear.
const MEMORY: u32 = 21 << 20;

/// The variables that steer cargo and are right for the inner build as well: where the packages
/// come from, and the job server that both share. All others that begin with `CARGO` or `RUST`
/// describe the outer build.
const KEPT: [&str; 6] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
];

/// One build of the guest.
pub(crate) struct Guest<'a> {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) workspace: &'a Path,
    pub(crate) cargo: &'a Path,
    /// A compiler that has the standard library for [`TARGET`].
    pub(crate) rustc: &'a Path,
    /// Where the inner cargo works. Not the outer one's: cargo locks it.
    pub(crate) target_dir: &'a Path,
    /// Whether 128-bit vectors may be used. Engines without them refuse the whole component.
    pub(crate) simd: bool,
}

impl Guest<'_> {
    /// The component's bytes, or what cargo had to say.
    pub(crate) fn build(&self) -> Result<Vec<u8>, String> {
        component(
            &self.module(&["--package", "portcullis-guest", "--lib"], "portcullis_guest.wasm")?,
        )
    }

    /// The bytes of what cargo makes of this part of the workspace, as the guest is made.
    pub(crate) fn module(&self, part: &[&str], name: &str) -> Result<Vec<u8>, String> {
        // Each kind has a folder for its results, so that a build that runs beside this one cannot
        // put the other kind in its place. What they are made of is in one: the tools of the build
        // are the same, and cargo keeps apart what is compiled with other flags.
        let results = self.target_dir.join(if self.simd { "simd" } else { "no-simd" });
        let mut command = Command::new(self.cargo);
        for (name, _) in env::vars_os() {
            if belongs_to_the_outer_build(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.workspace)
            .args(["build", "--quiet", "--locked", "--profile", "guest", "--target", TARGET])
            .args(part)
            .arg("--target-dir")
            .arg(&results)
            .env("CARGO_BUILD_BUILD_DIR", self.target_dir.join("work"))
            .env("RUSTC", self.rustc)
            // Empty, not removed: that also overrules a wrapper from cargo's configuration file.
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags()?);
        run(&mut command).map_err(|reason| format!("the guest does not build:\n{reason}"))?;
        let module = results.join(TARGET).join("guest").join(name);
        fs::read(&module).map_err(|error| format!("{}: {error}", module.display()))
    }

    /// The compiler's flags, separated as cargo wants it.
    ///
    /// Panic messages carry the path of the source they come from. Those are rewritten, or they
    /// would say where the checkout lay and make every checkout's bytes different.
    fn flags(&self) -> Result<OsString, String> {
        let mut flags = vec![
            OsString::from(format!("-Clink-arg=-zstack-size={STACK}")),
            OsString::from(format!("-Clink-arg=--initial-memory={MEMORY}")),
        ];
        if self.simd {
            flags.push("-Ctarget-feature=+simd128".into());
        }
        let mut remap = |from: &Path, to: &str| {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(from);
            flag.push("=");
            flag.push(to);
            flags.push(flag);
        };
        // rustc takes the last one that fits: from the general to the special.
        if let Some(home) = cargo_home() {
            remap(&home, "/cargo");
            // The folder's name is derived from the registry's address: a mirror has another one.
            for registry in folders(&home.join("registry/src")) {
                remap(&registry, "/registry");
            }
        }
        remap(self.workspace, "/portcullis");
        let rustc = || Command::new(self.rustc);
        let sysroot = PathBuf::from(run(rustc().args(["--print", "sysroot"]))?.trim());
        remap(&sysroot, "/rust");
        // A sysroot with the component rust-src makes rustc name that copy of the library.
        let version = run(rustc().arg("-vV"))?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        let library = format!("/rustc/{}", commit.unwrap_or("unknown"));
        remap(&sysroot.join("lib/rustlib/src/rust"), &library);
        Ok(flags.join(&OsString::from("\x1f")))
    }
}

/// The component made of a core module in which wit-bindgen left its interface.
///
/// Fails if the module imports anything that the interface does not name, or is not valid.
fn component(module: &[u8]) -> Result<Vec<u8>, String> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("the guest's module is not fit for a component: {error:#}"))
}

/// Whether these bytes begin as a component does: the magic number, the encoding's version, and
/// the layer that tells it from a core module.
pub(crate) fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x0d\0\x01\0")
}

fn belongs_to_the_outer_build(name: &str) -> bool {
    let steers = name == "RUSTFLAGS"
        || name.starts_with("CARGO")
        || name.starts_with("RUSTC")
        || name.starts_with("RUSTDOC");
    steers && !KEPT.iter().any(|kept| name.starts_with(kept))
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// The folders in a folder, in a fixed order; none if it does not exist.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// What the command wrote to its output, or a text that says how it failed.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{program}: {}", text.trim_end(), output.status))
}
