//! What the program asks for on a terminal. `script` (util-linux) plays the terminal.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Place;

/// A person at a terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Receiver<u8>,
    seen: String,
}

impl Terminal {
    fn run(place: &Place, arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_portcullis");
        let mut child = place
            .command("script")
            .args(["-qec", &format!("'{program}' {arguments}"), "/dev/null"])
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests need `script`, of util-linux");
        let keys = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while matches!(stdout.read(&mut byte), Ok(1)) && sender.send(byte[0]).is_ok() {}
        });
        Self { child, keys, screen, seen: String::new() }
    }

    /// Wait for a question.
    fn shows(&mut self, text: &str) {
        while !self.seen.ends_with(text) {
            match self.screen.recv_timeout(Duration::from_secs(60)) {
                Ok(byte) => self.seen.push(byte.into()),
                Err(_) => {
                    let _ = self.child.kill();
                    panic!("no {text:?} on the screen, only {:?}", self.seen);
                }
            }
        }
    }

    fn types(&mut self, line: &str) {
        // The program shows its question before it stops showing keys: a person takes longer.
        std::thread::sleep(Duration::from_millis(200));
        self.keys.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Wait for the end: the exit code, and all that was on the screen.
    fn ends(mut self) -> (i32, String) {
        while let Ok(byte) = self.screen.recv_timeout(Duration::from_secs(60)) {
            self.seen.push(byte.into());
        }
        (self.child.wait().unwrap().code().unwrap(), self.seen)
    }
}

#[test]
fn on_a_terminal_required_arguments_are_asked_for_and_secrets_stay_unseen() {
    let place = Place::new();
    let mut terminal = Terminal::run(&place, "call register_user_no_verif");
    terminal.shows("email: ");
    terminal.types("ada@example.com");
    terminal.shows("password: ");
    terminal.types("correct horse");
    let (code, seen) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("{\"success\":true,\"message\":\"Success\"}"), "{seen}");
    assert!(seen.contains("ada@example.com") && !seen.contains("correct horse"), "{seen}");
}

#[test]
fn custom_data_commands_no_terminal() {
    let place = Place::new();
    let user = serde_json::json!({
        "email": "ada@example.com", "password": "correct horse", "custom_data": "\u{9b}2J\u{7f}"
    });
    assert_eq!(super::code(&place.call("register_user_no_verif", &user)), 0);
    let asked = r#"{"email": "ada@example.com"}"#;
    let mut batch = Terminal::run(&place, "batch");
    batch.types(&format!(r#"{{"function": "get_cust_usr_data", "arguments": {asked}}}"#));
    batch.types("\u{4}");
    for terminal in [batch, Terminal::run(&place, &format!("call get_cust_usr_data '{asked}'"))] {
        let (_, seen) = terminal.ends();
        assert!(
            seen.contains(r"\u009b2J\u007f") && !seen.contains(['\u{7f}', '\u{9b}']),
            "{seen:?}"
        );
    }
    // A program reads it to the letter.
    let given = place.run(&["call", "get_cust_usr_data", asked]);
    assert!(super::stdout(&given).contains("\u{9b}2J\u{7f}"), "{}", super::stdout(&given));
}

#[test]
fn only_what_was_not_given_is_asked_for() {
    let place = Place::new();
    let mut terminal = Terminal::run(&place, r#"call verify_user '{"email": "ada@example.com"}'"#);
    terminal.shows("code: ");
    terminal.types("123456");
    let (code, seen) = terminal.ends();
    assert_eq!(code, 1, "{seen}");
    assert!(seen.contains("User not found.") && !seen.contains("123456"), "{seen}");
    assert!(!seen.contains("email: "), "{seen}");
}

#[test]
fn a_function_without_parameters_asks_for_nothing() {
    let (code, seen) = Terminal::run(&Place::new(), "call user_count").ends();
    assert_eq!((code, seen.trim()), (0, "0"));
}

#[test]
fn the_component_is_not_written_to_a_terminal() {
    let (code, seen) = Terminal::run(&Place::new(), "component").ends();
    assert_eq!(code, 2);
    assert!(seen.contains("--output"), "{seen}");
}

#[test]
fn before_a_restore_it_is_asked_and_only_yes_goes_on() {
    let place = Place::new();
    let mut terminal = Terminal::run(&place, "restore backup.db");
    terminal.shows("Type yes to go on: ");
    terminal.types("y");
    let (code, seen) = terminal.ends();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("nothing was done"), "{seen}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
