//! The program itself: how it is called, what it prints, how it ends.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use portcullis::component::artifact::{COMPONENT, COMPONENT_WITHOUT_SIMD};
use portcullis::functions::FUNCTIONS;
use serde_json::{Value, json};
use tempfile::TempDir;

mod batch;
#[cfg(target_os = "linux")]
mod terminal;

/// A folder without settings, and the program called in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program, without the settings of whoever runs the tests.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_remove("RUST_LOG");
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(variable);
            }
        }
        command
    }

    fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // Apart, because either side may be waiting for the other. The program need not read it all.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// A call by standard input.
    fn call(&self, function: &str, arguments: &Value) -> Output {
        self.run_with(&["call", function], arguments.to_string().as_bytes())
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

fn ada() -> Value {
    json!({"email": "ada@example.com", "password": "correct horse"})
}

#[test]
fn a_success_is_one_line_of_json_and_exit_code_0() {
    let place = Place::new();
    let output = place.call("register_user_no_verif", &ada());
    assert_eq!(
        (code(&output), stdout(&output), stderr(&output)),
        (0, "{\"success\":true,\"message\":\"Success\"}\n", "")
    );
}

#[test]
fn a_refusal_is_one_line_of_json_and_exit_code_1() {
    let place = Place::new();
    let output = place.call("authenticate_user", &ada());
    assert_eq!(
        (code(&output), stdout(&output)),
        (1, "{\"success\":false,\"message\":\"User not found.\"}\n")
    );
}

#[test]
fn what_keeps_a_call_from_its_reply_is_exit_code_2_and_said_on_standard_error_alone() {
    let place = Place::new();
    for (arguments, input, problem) in [
        (
            &["call", "is_verified", "{\"mail\": 1}"][..],
            "",
            "unknown key \"mail\", did you mean \"email\"?",
        ),
        (
            &["call", "is_verified"],
            "not json",
            "utils.is_verified: the arguments must be one JSON object",
        ),
        (&["call", "is_verified"], "{\"email\": 5}", "\"email\" must be a string, found 5"),
        (&["call", "is_verified"], "", "missing key \"email\""),
        (&["call", "user_count"], "{\"tenant\": \"other\"}", "unknown key \"tenant\""),
        (&["call", "is_verifed", "{}"], "", "did you mean utils.is_verified?"),
        (&["call"], "", "FUNCTION"),
        (&["frobnicate"], "", "frobnicate"),
        (&["call", "is_verified", "{}", "{}"], "", "unexpected argument"),
        (&["call", "user_count", "--config", "nowhere.toml"], "", "nowhere.toml"),
        (&["call", "user_count", "--tenant", "nobody"], "", "nobody"),
    ] {
        let output = place.run_with(arguments, input.as_bytes());
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{arguments:?}");
        assert!(stderr(&output).contains(problem), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"));
    }
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        0,
        "a call that is wrong leaves nothing"
    );
}

#[test]
fn a_store_that_cannot_be_opened_is_exit_code_2() {
    let place = Place::new();
    fs::write(place.path().join("file"), "").unwrap();
    let output = place.run(&["call", "user_count", "{}", "--data", "file"]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert!(stderr(&output).contains("file"), "{}", stderr(&output));
}

#[test]
fn integers_are_bare_and_a_function_without_a_result_prints_nothing() {
    let place = Place::new();
    let created = place.run(&["call", "coredb.create_db"]);
    assert_eq!((code(&created), stdout(&created)), (0, ""));
    let counted = place.run(&["call", "user_count", "{}"]);
    assert_eq!((code(&counted), stdout(&counted)), (0, "0\n"));
    let asked = place.call("time_since_request", &json!({"email": "ada@example.com"}));
    assert_eq!((code(&asked), stdout(&asked)), (0, "-1\n"));
}

#[test]
fn custom_data_comes_back_to_the_letter() {
    let place = Place::new();
    let arguments = r#"{"email": "ada@example.com", "password": "correct horse",
        "custom_data": {"b": 1.10, "a": [9007199254740993], "$date": null}}"#;
    assert_eq!(
        code(&place.run_with(&["call", "register_user_no_verif", "-"], arguments.as_bytes())),
        0
    );
    let output =
        place.call("get_some_cust_usr_data", &json!({"email": "ada@example.com", "field": "a"}));
    assert_eq!(stdout(&output), "{\"success\":true,\"message\":[9007199254740993]}\n");
}

#[test]
fn without_readable_errors_replies_are_numbers() {
    let place = Place::new();
    fs::write(place.path().join("other.toml"), "[tenants.shop]\nreadable_errors = false\n")
        .unwrap();
    let options = ["--config", "other.toml", "--tenant", "shop"];
    let arguments = r#"{"email": "ada@example.com"}"#;
    let output = place.run(&[&["call", "is_verified", arguments][..], &options].concat());
    assert_eq!((code(&output), stdout(&output)), (1, "{\"success\":false,\"message\":404}\n"));
}

#[test]
fn options_stand_before_the_command_or_after_it() {
    let place = Place::new();
    let call =
        ["call", "register_user_no_verif", r#"{"email": "a@b.example", "password": "12345678"}"#];
    let data = ["--data", "here", "--tenant", "default"];
    assert_eq!(code(&place.run(&[&data[..], &call].concat())), 0);
    assert!(place.path().join("here").is_dir());
    // The second of two registrations is refused: both look at one place.
    assert_eq!(code(&place.run(&[&call[..], &data].concat())), 1);
    assert_eq!(code(&place.run(&["call", "--data=here", "user_count", "--tenant=default"])), 0);
    assert!(!place.path().join("portcullis-data").exists());
}

#[test]
fn without_a_mail_account_mail_is_written_to_the_outbox_with_a_warning() {
    let place = Place::new();
    let output = place.call("register_user", &ada());
    assert_eq!(
        (code(&output), stdout(&output)),
        (0, "{\"success\":true,\"message\":\"Verification email sent.\"}\n")
    );
    assert!(stderr(&output).contains("no mail_info"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(place.path().join("portcullis-data/outbox")).unwrap().count(), 1);
    let silent = place.call("is_verified", &json!({"email": "ada@example.com"}));
    assert_eq!(stderr(&silent), "");
}

#[test]
fn a_wrong_argument_never_shows_a_password() {
    let place = Place::new();
    for arguments in [
        r#"{"email": "ada@example.com", "password": "swordfish"#,
        r#"{"email": "ada@example.com", "password": ["swordfish"]}"#,
        r#"{"email": "ada@example.com", "password": "swordfish", "mfa": "yes"}"#,
        r#""swordfish""#,
    ] {
        let output = place
            .command(env!("CARGO_BIN_EXE_portcullis"))
            .env("PORTCULLIS_LOG", "trace")
            .args(["call", "authenticate_user", arguments])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(code(&output), 2);
        assert!(!stderr(&output).contains("swordfish"), "{}", stderr(&output));
    }
}

#[test]
fn standard_input_is_bounded() {
    let place = Place::new();
    let output = place.run_with(&["call", "is_verified"], &vec![b' '; 3 << 20]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("exceed 1048576 bytes"), "{}", stderr(&output));
    let output = place.run_with(&["call", "is_verified"], b"{\"email\": \"\xff\"}");
    assert!(stderr(&output).contains("not UTF-8"), "{}", stderr(&output));
}

#[test]
fn the_list_of_functions_is_the_table() {
    let place = Place::new();
    let output = place.run(&["functions", "--json"]);
    assert_eq!(code(&output), 0);
    let listed: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(listed, serde_json::to_value(FUNCTIONS).unwrap());
    assert_eq!(listed.as_array().unwrap().len(), 55);

    let readable = place.run(&["functions"]);
    for function in FUNCTIONS {
        assert!(stdout(&readable).contains(&format!("\n  {function}(")), "{function}");
    }
}

#[test]
fn the_component_that_is_written_is_the_one_inside() {
    let place = Place::new();
    let output = place.run(&["component", "--output", "portcullis.wasm"]);
    assert_eq!((code(&output), stdout(&output)), (0, ""));
    assert!(fs::read(place.path().join("portcullis.wasm")).unwrap() == COMPONENT);
    let output = place.run(&["component"]);
    assert!(output.stdout == COMPONENT);
    let output = place.run(&["component", "--no-simd"]);
    match COMPONENT_WITHOUT_SIMD {
        Some(component) => assert!(output.stdout == component),
        None => assert_eq!(code(&output), 2),
    }
    let output = place.run(&["component", "--output", "no/such/folder"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("no/such/folder"), "{}", stderr(&output));
}

#[test]
fn shells_complete_commands_and_function_names() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completions", shell]);
        assert_eq!(code(&output), 0, "{shell}: {}", stderr(&output));
        for word in ["completions", "tenant"] {
            assert!(stdout(&output).contains(word), "{shell}: {word}");
        }
        // clap_complete has no values of positional arguments for fish.
        let named = stdout(&output).contains("verify_reset_code_and_change_email");
        assert_eq!(named, shell != "fish", "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::new();
    for arguments in
        [&["functions", "--json"][..], &["component"], &["call", "user_count", "{}"], &["--help"]]
    {
        let mut child = place
            .command(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output)), (0, ""), "{arguments:?}");
    }
}
