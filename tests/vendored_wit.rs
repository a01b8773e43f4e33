//! The WASI packages in `wit/deps` are copies; these tests compare them with their source.
//!
//! The source is the crate `wasip2`, which ships the interfaces as their authors publish them. It
//! is among the dependencies for this purpose only, so `Cargo.lock` pins it with a checksum.

// Helpers of tests: what fails here fails the test.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const CRATE: &str = "wasip2";
const VENDORED: [&str; 3] = ["clocks.wit", "io.wit", "random.wit"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a folder").into()
}

/// The folder of the crate's sources on this machine.
fn source() -> PathBuf {
    // Not `--offline`: what other platforms need was perhaps never fetched, and is asked for here.
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(workspace().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let manifest = metadata["packages"]
        .as_array()
        .expect("a list of packages")
        .iter()
        .find(|package| package["name"] == CRATE)
        .and_then(|package| package["manifest_path"].as_str())
        .expect("wasip2 is a dependency");
    Path::new(manifest).parent().expect("a manifest lies in a folder").into()
}

#[test]
fn the_vendored_wasi_packages_are_byte_for_byte_those_of_their_source() {
    let source = source().join("wit/deps");
    let deps = workspace().join("wit/deps");
    for name in VENDORED {
        let (ours, theirs) = (deps.join(name), source.join(name));
        let read =
            |path: &Path| fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(
            read(&ours) == read(&theirs),
            "wit/deps/{name} differs from the one in the crate {CRATE}. Never edit it by hand. If \
             the crate was updated on purpose, copy the file anew and adapt the versions in \
             wit/world.wit:\n  cp {} {}",
            theirs.display(),
            ours.display(),
        );
    }
}

#[test]
fn nothing_else_lies_among_the_vendored_packages() {
    let entries = fs::read_dir(workspace().join("wit/deps")).expect("wit/deps is a folder");
    let found: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let expected: BTreeSet<String> = VENDORED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(
        found, expected,
        "wit/deps holds copies from the crate {CRATE} only; a new one belongs into VENDORED here"
    );
}
