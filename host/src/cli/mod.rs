//! The program `portcullis`.
//!
//! It reads its command line, opens one tenant and prints what the functions reply:
//! - `options`: the command line as it is typed;
//! - `logs`, `traces`: what is logged, and how; traces for a collector;
//! - `open`: from settings to a tenant that can be called;
//! - `call`, `prompt`: one call, and what it asks for on a terminal;
//! - `batch`, `lines`: calls from standard input, line by line;
//! - `audit`: what the audit log says;
//! - `backup`: a copy of the embedded store, and the way back;
//! - `check`, `migrate`: whether a configuration works, and a database of other programs;
//! - `users`: looking at users, and moving them out and in;
//! - `progress`: how far something is that takes long;
//! - `serve`: the service over HTTP, and its admin tokens;
//! - `print`: lists, completions, the component, and writing to standard output at all.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

mod audit;
mod backup;
mod batch;
mod call;
mod check;
mod lines;
mod logs;
mod migrate;
mod open;
mod options;
mod print;
mod progress;
mod prompt;
mod serve;
#[cfg(feature = "opentelemetry")]
mod traces;
mod users;

use options::{Command, Options};

/// Exit code of a reply that is a refusal.
const REFUSED: u8 = 1;
/// Exit code when there is no reply; clap's own errors have it too.
const FAILED: u8 = 2;

/// Run the program and say how it went: 0, 1 for a refusal, 2 for everything that kept it from
/// a reply. Never panics over a closed pipe.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let serves = matches!(options.command, Command::Serve(_));
    // What is kept until the end sends the last traces.
    let done =
        logs::begin(options.common.log_format, serves).and_then(|_until_the_end| run(&options));
    match done {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(io::stderr(), "portcullis: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.command {
        Command::Call(call) => return call::run(&options.common, call),
        Command::Audit(audit) => audit::run(&options.common, audit)?,
        Command::Batch => batch::run(&options.common)?,
        Command::Backup(backup) => backup::backup(&options.common, backup)?,
        Command::Restore(restore) => backup::restore(&options.common, restore)?,
        Command::Check => return check::run(&options.common),
        Command::Migrate(migrate) => return migrate::run(&options.common, migrate),
        Command::Users(users) => return users::run(&options.common, users),
        Command::Serve(serve) => serve::run(&options.common, serve)?,
        Command::AdminToken => serve::admin_token(&options.common)?,
        Command::Functions { json: false } => print::functions()?,
        Command::Functions { json: true } => print::functions_as_json()?,
        Command::Component { output, no_simd } => {
            print::component(output.as_deref(), *no_simd)?;
        }
        Command::Man { output } => print::manual(output.as_deref())?,
        Command::Completions { shell } => print::completions(*shell)?,
    }
    Ok(ExitCode::SUCCESS)
}
