//! Puts the guest component into `OUT_DIR/portcullis.wasm`, where the library takes it from, and
//! beside it the same for engines without 128-bit vectors, `portcullis-no-simd.wasm`.
//!
//! A plain `cargo build` is enough: this finds (or fetches) a compiler for the guest's target, runs
//! a second cargo for the guest, and makes a component of what comes out. `OUT_DIR/toolchain.txt`
//! says which compiler it was. `PORTCULLIS_COMPONENT=path` takes a ready component instead; there is no
//! second one then, and its file is empty.

#[path = "build/steps.rs"]
mod steps;
#[path = "build/toolchain.rs"]
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What the component depends on, seen from the workspace. Without this list cargo would run the
/// script again whenever a file of the host changes.
const SOURCES: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "argon2id/Cargo.toml",
    "argon2id/src",
    "guest/Cargo.toml",
    "guest/src",
    "guest/toolchain.sh",
    "wit",
];

/// What the library carries.
struct Components {
    simd: Vec<u8>,
    /// Empty if there is none.
    no_simd: Vec<u8>,
}

fn main() -> ExitCode {
    // Relative to the package, so that two checkouts with one target folder do not watch each
    // other's files.
    for source in SOURCES {
        println!("cargo:rerun-if-changed=../{source}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-env-changed=PORTCULLIS_COMPONENT");

    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package.parent().ok_or("the package has no parent folder")?;
    let out = PathBuf::from(variable("OUT_DIR")?);

    let (components, origin) = match env::var_os("PORTCULLIS_COMPONENT") {
        Some(path) if !path.is_empty() => ready_component(&workspace.join(path))?,
        _ => build_components(workspace, &out)?,
    };
    print!("{origin}");
    write(&out.join("portcullis.wasm"), &components.simd)?;
    write(&out.join("portcullis-no-simd.wasm"), &components.no_simd)?;
    write(&out.join("toolchain.txt"), origin.as_bytes())
}

/// A component that somebody else built. A relative path is seen from the workspace.
fn ready_component(path: &Path) -> Result<(Components, String), String> {
    println!("cargo:rerun-if-changed={}", path.display());
    let failed = |reason: &str| format!("PORTCULLIS_COMPONENT: {}: {reason}", path.display());
    let bytes = fs::read(path).map_err(|error| failed(&error.to_string()))?;
    if !steps::is_component(&bytes) {
        return Err(failed("this is not a WebAssembly component"));
    }
    let components = Components { simd: bytes, no_simd: Vec::new() };
    Ok((components, format!("origin: ready component {}\n", path.display())))
}

fn build_components(workspace: &Path, out: &Path) -> Result<(Components, String), String> {
    let toolchain = toolchain::find(workspace, target_dir(out), out)?;
    if toolchain.fetched {
        println!("cargo:warning=a compiler for the guest was fetched: {}", toolchain.origin);
    }
    let cargo = PathBuf::from(variable("CARGO")?);
    let build = |simd| {
        let (rustc, target_dir) = (&toolchain.rustc, &toolchain.build);
        steps::Guest { workspace, cargo: &cargo, rustc, target_dir, simd }.build()
    };
    let components = Components { simd: build(true)?, no_simd: build(false)? };
    let origin = format!(
        "origin: {}\nrustc: {}\nbuild: {}\n{}",
        toolchain.origin,
        toolchain.rustc.display(),
        toolchain.build.display(),
        toolchain.version
    );
    Ok((components, origin))
}

/// The target folder, which cargo does not tell build scripts. It is the nearest folder above
/// `OUT_DIR` with a file that cargo leaves at its top. Should that change, everything goes into
/// `OUT_DIR` itself: slower, because nothing is shared between profiles, but right.
fn target_dir(out: &Path) -> &Path {
    out.ancestors()
        .find(|folder| {
            [".rustc_info.json", "CACHEDIR.TAG"].iter().any(|name| folder.join(name).is_file())
        })
        .unwrap_or(out)
}

fn variable(name: &str) -> Result<std::ffi::OsString, String> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set: cargo has to run this"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
