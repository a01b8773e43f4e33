//! The README, typed: every command of its console blocks is run by a shell in an empty folder, beside
//! the service that its first command starts, and what it prints is compared with what the README shows.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const README: &str = include_str!("../README.md");

/// The commands of the console blocks, each with what it prints. Blocks that build the program are
/// typed before the tests run, by whoever runs them.
fn typed() -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in README.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => commands.push((command.to_owned(), String::new())),
                None => {
                    let (_, shown) = commands.last_mut().unwrap();
                    shown.push_str(line);
                    shown.push('\n');
                }
            }
        }
    }
    commands
}

/// `…` stands for anything on its line.
fn matches(printed: &str, shown: &str) -> bool {
    let (printed, shown): (Vec<_>, Vec<_>) = (printed.lines().collect(), shown.lines().collect());
    printed.len() == shown.len()
        && printed.iter().zip(&shown).all(|(printed, shown)| line_matches(printed, shown))
}

fn line_matches(printed: &str, shown: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return printed == shown };
    let Some(rest) = printed.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    middle.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// The service in this folder, without any settings. Killed when dropped.
struct Service(Child);

impl Service {
    fn start(folder: &Path) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("it listens");
        (Self(child), address.to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_line_that_the_readme_shows_does_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let commands = typed();
    let (_service, address) = Service::start(folder.path());
    assert!(commands.len() > 10, "the README shows {} commands", commands.len());

    // One shell for all of them, as a person would have: variables live on.
    const MARK: &str = "--- typed ---";
    let script: String =
        commands.iter().map(|(command, _)| format!("{command}\necho '{MARK}'\n")).collect();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}").replace("localhost:8080", &address)])
        .env("PATH", path)
        .env("PORTCULLIS_LOG", "off")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = text.split(&format!("{MARK}\n")).collect();
    for (at, (command, shown)) in commands.iter().enumerate() {
        let printed = printed.get(at).unwrap_or_else(|| panic!("{command}: not reached:\n{text}"));
        assert!(
            matches(printed, shown),
            "$ {command}\nprinted:\n{printed}\nthe README shows:\n{shown}"
        );
    }
}
