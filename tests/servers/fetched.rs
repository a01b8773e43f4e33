//! What the mail servers are made of, fetched once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of this name below the build's own, filled by `make` the first time. Tests run in
/// parallel, in several processes too: one makes it, the others wait. What was left half-made is
/// made again.
///
/// It bears a mark of what it was made from: `recipe`.
pub fn made_once(name: &str, recipe: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let top = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    fs::create_dir_all(&top).unwrap();
    let lock = File::create(top.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = top.join(name);
    let mark = folder.join("made-from");
    if !fs::read_to_string(&mark).is_ok_and(|made_from| made_from == recipe) {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        make(&folder);
        fs::write(mark, recipe).unwrap();
    }
    folder
}

/// Run a program of the machine that the servers need.
#[track_caller]
pub fn run(command: &mut Command, needed: &str) {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}: this test needs {needed}"),
    };
    assert!(
        output.status.success(),
        "{command:?}: {}: this test needs {needed}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
