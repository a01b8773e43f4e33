//! `portcullis call`: one call, one reply.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::open::Program;
use super::options::{self, Common};
use super::{REFUSED, print, prompt};
use crate::functions::{self, Function, MAX_ARGUMENTS, Reply};

/// The outcome that says that a mail went out.
const MAILED: u16 = 201;

pub(super) fn run(common: &Common, call: &options::Call) -> anyhow::Result<ExitCode> {
    // The call is checked before anything is opened, so that a slip leaves no trace on disk.
    let function = functions::find(&call.function)?;
    let prepared = function.prepare(&arguments(function, call.json.as_deref())?)?;

    let program = Program::open(common)?;
    let reply = program.block_on(prepared.run(program.tenant()))?;
    if let Some(line) = reply.line() {
        print::line(&print::for_reader(&line))
            .context("the call was made, but its reply cannot be written")?;
    }
    tell_where_mail_went(&program, &reply);
    program.deliver();
    program.sweep();
    program.close();
    Ok(if reply.success() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// Where no mail account is set, mail goes to a folder and reaches nobody: said when a mail has
/// just gone there, since a program that is started for every call cannot say it once.
fn tell_where_mail_went(program: &Program, reply: &Reply) {
    if reply.success()
        && reply.code() == Some(MAILED)
        && let Some(outbox) = program.outbox()
    {
        tracing::warn!("no mail_info is set: the mail is in {}", outbox.display());
    }
}

/// The arguments, from the command line, standard input or the person at the terminal.
fn arguments(function: &'static Function, json: Option<&str>) -> anyhow::Result<Zeroizing<String>> {
    let terminal = io::stdin().is_terminal();
    let given = match json {
        Some(json) if json != "-" => Zeroizing::new(json.to_owned()),
        None if terminal => Zeroizing::new("{}".to_owned()),
        Some(_) | None => return from_stdin(),
    };
    if terminal { prompt::complete(function, given) } else { Ok(given) }
}

/// All of standard input. Nothing at all means no arguments: then whoever calls a function without
/// parameters need not write `{}`, and every other function says what it misses.
fn from_stdin() -> anyhow::Result<Zeroizing<String>> {
    // As large as it can get, so that it never moves and leaves no copy of a password behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_ARGUMENTS + 1));
    io::stdin()
        .lock()
        .take(MAX_ARGUMENTS as u64 + 1)
        .read_to_end(&mut bytes)
        .context("standard input")?;
    if bytes.len() > MAX_ARGUMENTS {
        bail!("standard input: the arguments exceed {MAX_ARGUMENTS} bytes");
    }
    if bytes.trim_ascii().is_empty() {
        return Ok(Zeroizing::new("{}".to_owned()));
    }
    let Ok(text) = str::from_utf8(&bytes) else { bail!("standard input: not UTF-8") };
    Ok(Zeroizing::new(text.to_owned()))
}
