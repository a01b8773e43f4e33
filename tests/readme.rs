//! The README, typed: every command of its console blocks is run by a shell in an empty folder, and
//! what it prints is compared with what the README shows.

use std::path::Path;
use std::process::Command;

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
        && printed.iter().zip(&shown).all(|(printed, shown)| match shown.split_once('…') {
            None => printed == shown,
            Some((before, after)) => printed.starts_with(before) && printed.ends_with(after),
        })
}

#[test]
fn every_line_that_the_readme_shows_does_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let commands = typed();
    assert!(commands.len() > 10, "the README shows {} commands", commands.len());

    // One shell for all of them, as a person would have: variables live on.
    const MARK: &str = "--- typed ---";
    let script: String =
        commands.iter().map(|(command, _)| format!("{command}\necho '{MARK}'\n")).collect();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}")])
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
