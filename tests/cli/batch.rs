//! `portcullis batch`, as a program in another language would use it.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Place, code, stderr, stdout};

fn answers(place: &Place, input: &[u8]) -> Vec<Value> {
    let output = place.run_with(&["batch"], input);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn calls_are_answered_in_order_whatever_stands_between_them() {
    let place = Place::new();
    let mut input = Vec::new();
    let register = json!({"function": "auth.register_user_no_verif", "arguments": {
        "email": "ada@example.com", "password": "correct horse"}});
    writeln!(input, "{register}").unwrap();
    input.extend_from_slice(b"broken\n\xff\n\n");
    input.extend_from_slice(&vec![b'x'; 5 << 20]);
    writeln!(input, "\n{{\"function\": \"user_count\"}}\r").unwrap();
    writeln!(input, "{{\"function\": \"coredb.create_db\", \"arguments\": {{}}}}").unwrap();
    write!(
        input,
        "{}",
        json!({"function": "is_verified", "arguments": {"email": "eve@example.com"}})
    )
    .unwrap();

    let answers = answers(&place, &input);
    assert_eq!(answers.len(), 8);
    assert_eq!(answers[0], json!({"reply": {"success": true, "message": "Success"}}));
    for (answer, problem) in
        answers[1..5].iter().zip(["JSON object", "UTF-8", "JSON object", "exceeds"])
    {
        assert_eq!(answer["kind"], "usage");
        assert!(answer["error"].as_str().unwrap().contains(problem), "{answer}");
    }
    assert_eq!(answers[5], json!({"reply": 1}));
    assert_eq!(answers[6], json!({"reply": null}));
    assert_eq!(answers[7], json!({"reply": {"success": false, "message": "User not found."}}));
}

#[test]
fn each_answer_is_there_before_the_next_question() {
    let place = Place::new();
    let mut child = place
        .command(env!("CARGO_BIN_EXE_portcullis"))
        .arg("batch")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        writeln!(questions, "{{\"function\": \"user_count\"}}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "{\"reply\":0}\n");
    }
    drop(questions);
    assert!(child.wait().unwrap().success());
}

#[test]
fn no_input_is_no_answer() {
    assert!(answers(&Place::new(), b"").is_empty());
}
