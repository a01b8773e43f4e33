//! `portcullis batch`: calls from standard input, one line each.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lines::{Line, Lines};
use super::open::Program;
use super::options::Common;
use super::print::for_reader;
use crate::error::CallError;
use crate::functions::{self, MAX_ARGUMENTS, Prepared, Reply};

/// The most bytes of a line: the largest arguments, and room for what stands around them.
const MAX_LINE: usize = MAX_ARGUMENTS + 1024;

/// How often what has run out is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// One line of input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    #[serde(borrow)]
    function: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// A line of output without a reply.
#[derive(Serialize)]
struct Failure {
    error: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

pub(super) fn run(common: &Common) -> anyhow::Result<()> {
    let program = Program::open(common)?;
    program.serve_mail();
    let mut lines = Lines::new(io::stdin().lock(), MAX_LINE);
    let mut output = io::stdout().lock();
    let mut swept = Instant::now();
    while let Some(line) = lines.next().context("standard input")? {
        let answer = answer(&program, line);
        match writeln!(output, "{}", for_reader(&answer)).and_then(|()| output.flush()) {
            // Whoever asked has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            written => written.context("standard output")?,
        }
        if swept.elapsed() >= SWEEP_EVERY {
            program.sweep();
            swept = Instant::now();
        }
    }
    program.sweep();
    program.close();
    Ok(())
}

fn answer(program: &Program, line: Line<'_>) -> String {
    let replied = prepare(line).and_then(|call| program.block_on(call.run(program.tenant())));
    match replied {
        Ok(reply) => replied_with(&reply),
        Err(error) => failed_with(&error),
    }
}

fn replied_with(reply: &Reply) -> String {
    format!(r#"{{"reply":{}}}"#, reply.line().as_deref().unwrap_or("null"))
}

fn failed_with(error: &CallError) -> String {
    let retry_after = match error {
        CallError::Overloaded { retry_after } => Some(retry_after.as_secs()),
        _ => None,
    };
    let failure = Failure { error: error.to_string(), kind: error.kind(), retry_after };
    // Text and numbers: nothing here can fail to be written.
    serde_json::to_string(&failure).unwrap_or_default()
}

fn prepare(line: Line<'_>) -> Result<Prepared, CallError> {
    let usage = |problem: String| CallError::Usage(problem);
    let text = match line {
        Line::Text(text) => text,
        Line::TooLong => return Err(usage(format!("the line exceeds {MAX_LINE} bytes"))),
        Line::NotText => return Err(usage("the line is not UTF-8".to_owned())),
    };
    // Looked at first, because serde takes lists for structures too, and its message for anything
    // else repeats the value.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(usage("the line must be one JSON object".to_owned()));
    }
    let request: Request<'_> = serde_json::from_str(text)
        .map_err(|error| usage(format!("the line is no call: {error}")))?;
    let arguments = request.arguments.map_or("{}", RawValue::get);
    functions::find(&request.function)?.prepare(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::types::Outcome;

    fn refusal(line: Line<'_>) -> String {
        failed_with(&prepare(line).unwrap_err())
    }

    #[test]
    fn a_line_that_is_no_call_is_refused_with_its_kind() {
        for (line, problem) in [
            ("", "must be one JSON object"),
            ("[\"auth.is_verified\", {}]", "must be one JSON object"),
            ("\"secret-word\"", "must be one JSON object"),
            ("{", "no call: EOF"),
            ("{}", "missing field `function`"),
            (r#"{"function": 5}"#, "invalid type: integer"),
            (r#"{"function": "is_verified", "argument": {}}"#, "unknown field `argument`"),
            (r#"{"function": "is_verified", "function": "x"}"#, "duplicate field `function`"),
            (r#"{"function": "is_verified"} 5"#, "trailing characters"),
            (r#"{"function": "is_verifed"}"#, "did you mean utils.is_verified?"),
            (r#"{"function": "is_verified"}"#, "missing key \\\"email\\\""),
            (r#"{"function": "is_verified", "arguments": []}"#, "found a list"),
            (r#"{"function": "user_count", "arguments": {"x": 1}}"#, "unknown key \\\"x\\\""),
        ] {
            let answer = refusal(Line::Text(line));
            assert!(answer.contains(problem), "{line}: {answer}");
            assert!(answer.ends_with(r#""kind":"usage"}"#), "{line}: {answer}");
            assert!(!answer.contains("secret-word"), "{answer}");
        }
        assert!(refusal(Line::TooLong).contains("exceeds"));
        assert!(refusal(Line::NotText).contains("not UTF-8"));
    }

    #[test]
    fn a_call_without_parameters_needs_no_arguments() {
        for line in [
            r#"{"function": "coredb.user_count"}"#,
            r#"{"function": "user_count", "arguments": null}"#,
            r#"{"arguments": {}, "function": "user_count"}"#,
        ] {
            assert_eq!(prepare(Line::Text(line)).unwrap().function().name, "user_count");
        }
    }

    #[test]
    fn every_answer_is_one_object_on_one_line() {
        let outcome = Outcome {
            success: false,
            code: 401,
            message: "wait\n".to_owned(),
            detail: None,
            retry_after: Some(3),
        };
        assert_eq!(
            replied_with(&Reply::Outcome(outcome)),
            r#"{"reply":{"success":false,"message":"wait\n","retry_after":3}}"#
        );
        assert_eq!(replied_with(&Reply::Integer(7.into())), r#"{"reply":7}"#);
        assert_eq!(replied_with(&Reply::Nothing), r#"{"reply":null}"#);
        let overloaded = CallError::Overloaded { retry_after: Duration::from_secs(2) };
        assert!(failed_with(&overloaded).ends_with(r#""kind":"overloaded","retry_after":2}"#));
    }
}
