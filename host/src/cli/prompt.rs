//! Asking the person at the terminal for what a call misses.
//!
//! Passwords and codes are read without showing them, so that they stand neither on the screen nor
//! in the list of processes nor in the shell's history.

use std::io::{self, BufRead, Read, Write};

use anyhow::{Context, bail};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::functions::{Function, Kind, MAX_ARGUMENTS, Parameter};

/// Ask for the required parameters that `given`, the text of a JSON object, has no value for, and
/// return the object that has them all.
pub(super) fn complete(
    function: &'static Function,
    given: Zeroizing<String>,
) -> anyhow::Result<Zeroizing<String>> {
    let mut answers = Vec::new();
    for parameter in function.missing(&given)? {
        let answer = ask(parameter).with_context(|| format!("no {}", parameter.name))?;
        answers.push((parameter, answer));
    }
    if answers.is_empty() { Ok(given) } else { extend(&given, &answers) }
}

/// Ask whether to go on; only `yes` says so.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    let answer = line(&format!("{question} Type yes to go on: "))?;
    Ok(answer.trim() == "yes")
}

/// One answer: a line without its end.
fn ask(parameter: &Parameter) -> anyhow::Result<Zeroizing<String>> {
    let label = match parameter.kind {
        Kind::Json => format!("{} (JSON): ", parameter.name),
        _ => format!("{}: ", parameter.name),
    };
    if parameter.secret {
        return Ok(Zeroizing::new(rpassword::prompt_password(label)?));
    }
    line(&label)
}

fn line(label: &str) -> anyhow::Result<Zeroizing<String>> {
    // Not on standard output, which is for the reply.
    let mut stderr = io::stderr();
    stderr.write_all(label.as_bytes()).and_then(|()| stderr.flush())?;
    let mut line = String::new();
    if io::stdin().lock().take(MAX_ARGUMENTS as u64).read_line(&mut line)? == 0 {
        bail!("end of input");
    }
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// The object with more members. `given` was read as an object before.
fn extend(
    given: &str,
    answers: &[(&Parameter, Zeroizing<String>)],
) -> anyhow::Result<Zeroizing<String>> {
    let body = given.trim_ascii();
    let body = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();

    // Room for every character as an escape: the text never moves while it grows, and so leaves no
    // copy of a password behind.
    let room: usize =
        answers.iter().map(|(known, text)| known.name.len() + 6 * text.len() + 8).sum();
    let mut object = Zeroizing::new(Vec::with_capacity(given.len() + room));
    object.extend_from_slice(b"{");
    object.extend_from_slice(body.as_bytes());
    let mut separate = !body.trim_ascii().is_empty();
    for (parameter, text) in answers {
        if separate {
            object.extend_from_slice(b",");
        }
        separate = true;
        serde_json::to_writer(&mut *object, parameter.name)?;
        object.extend_from_slice(b":");
        if parameter.kind == Kind::Text {
            serde_json::to_writer(&mut *object, text.as_str())?;
        } else {
            // One value and nothing behind it, or the line could bring in members of its own.
            let value: &RawValue = serde_json::from_str(text)
                .with_context(|| format!("{} is not valid JSON", parameter.name))?;
            object.extend_from_slice(value.get().as_bytes());
        }
    }
    object.extend_from_slice(b"}");
    Ok(Zeroizing::new(String::from_utf8(std::mem::take(&mut *object))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::find;

    fn answered(function: &str, given: &str, answers: &[(&str, &str)]) -> anyhow::Result<String> {
        let function = find(function).unwrap();
        let answers: Vec<_> = answers
            .iter()
            .map(|(name, text)| {
                (function.parameter(name).unwrap(), Zeroizing::new((*text).to_owned()))
            })
            .collect();
        extend(given, &answers).map(|object| object.to_string())
    }

    #[test]
    fn answers_join_what_was_given() {
        let object =
            answered("verify_user", r#" {"email": "a@b.c"} "#, &[("code", "123")]).unwrap();
        assert_eq!(object, r#"{"email": "a@b.c","code":"123"}"#);
    }

    #[test]
    fn answers_alone_make_an_object() {
        let object = answered("verify_user", "{ }", &[("email", "a@b.c"), ("code", "1")]).unwrap();
        assert_eq!(object, r#"{ "email":"a@b.c","code":"1"}"#);
    }

    #[test]
    fn an_answer_that_is_text_stays_text_whatever_it_holds() {
        let object = answered("verify_user", "{}", &[("code", "\",\"x\":\"\u{1}")]).unwrap();
        assert_eq!(object, "{\"code\":\"\\\",\\\"x\\\":\\\"\\u0001\"}");
    }

    #[test]
    fn an_answer_that_is_json_brings_in_no_other_member() {
        let refused = answered("replace_usr_data", "{}", &[("custom_data", "1, \"email\": \"x\"")]);
        assert!(refused.unwrap_err().to_string().contains("custom_data is not valid JSON"));
        let object = answered("replace_usr_data", "{}", &[("custom_data", " [1.50] ")]).unwrap();
        assert_eq!(object, r#"{"custom_data":[1.50]}"#);
    }

    #[test]
    fn the_object_never_outgrows_the_room_made_for_it() {
        let worst = "\u{1}".repeat(1000);
        let object = answered("verify_user", "{}", &[("code", &worst)]).unwrap();
        assert!(object.len() <= 2 + "code".len() + 6 * worst.len() + 8);
    }
}
