//! How the component comes to be: that it depends on its sources and its compiler alone.

// Helpers of tests: what fails here fails the test.

#[path = "../host/build/steps.rs"]
pub(crate) mod steps;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use portcullis::component::artifact::{COMPONENT, COMPONENT_WITHOUT_SIMD};

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a folder").into()
}

/// What the build script wrote down about how it came to the embedded component; none if that was
/// built elsewhere.
pub(crate) fn record(key: &str) -> Option<String> {
    let text = fs::read_to_string(concat!(env!("OUT_DIR"), "/toolchain.txt")).expect("a record");
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(str::to_owned)
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).expect("a new folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("a copy");
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_copy_of_the_sources_in_another_folder_gives_the_same_bytes() {
    let (Some(rustc), Some(build)) = (record("rustc"), record("build")) else {
        eprintln!("not tested: the component was not built here (PORTCULLIS_COMPONENT)");
        return;
    };
    let elsewhere = tempfile::Builder::new().prefix("another place ").tempdir().expect("a folder");
    for name in ["Cargo.toml", "Cargo.lock", "argon2id", "guest", "host", "wit"] {
        copy(&workspace().join(name), &elsewhere.path().join(name));
    }
    let here = [(true, COMPONENT), (false, COMPONENT_WITHOUT_SIMD.expect("it was built here"))];
    for (simd, component) in here {
        let rebuilt = steps::Guest {
            workspace: elsewhere.path(),
            cargo: &PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            rustc: Path::new(&rustc),
            // Kept between runs: what does not depend on the folder need not be compiled each time.
            target_dir: Path::new(&format!("{build}-elsewhere")),
            simd,
        }
        .build()
        .expect("the copy builds");
        assert!(steps::is_component(&rebuilt));
        assert!(
            rebuilt == component,
            "the same sources gave {} bytes here and {} elsewhere, or others (SIMD: {simd})",
            component.len(),
            rebuilt.len()
        );
    }
}

#[test]
fn the_component_names_no_folder_of_the_machine_it_was_built_on() {
    let home = env::home_dir().expect("a home folder");
    let mut folders = vec![workspace(), home.join(".cargo"), home.join(".rustup")];
    folders.extend(["CARGO_HOME", "RUSTUP_HOME"].iter().filter_map(env::var_os).map(PathBuf::from));
    for folder in folders {
        let folder = folder.to_string_lossy();
        assert!(!contains(COMPONENT, &folder), "{folder}");
    }
}

#[test]
fn the_component_keeps_nothing_that_was_meant_for_its_build() {
    for section in ["component-type", ".debug_"] {
        assert!(!contains(COMPONENT, section), "{section}");
    }
}

#[test]
fn a_core_module_is_not_taken_for_a_component() {
    assert!(steps::is_component(COMPONENT));
    assert!(!steps::is_component(b"\0asm\x01\0\0\0"));
    assert!(!steps::is_component(b"\0asm"));
    assert!(!steps::is_component(b""));
}
