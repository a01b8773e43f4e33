//! `portcullis users show`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::Records;
use super::user::User;
use crate::cli::open::Program;
use crate::cli::options::{Common, ShowUser};
use crate::cli::{REFUSED, print};

pub(super) fn run(common: &Common, options: &ShowUser) -> anyhow::Result<ExitCode> {
    let program = Program::open(common)?;
    let shown = program.block_on(show(&Records::of(program.tenant())?, &options.email));
    program.close();
    match shown? {
        Some(text) => print::line(&print::tame(&text))?,
        None => {
            writeln!(io::stderr(), "portcullis: nobody has this address")?;
            return Ok(ExitCode::from(REFUSED));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(records: &Records, email: &str) -> anyhow::Result<Option<String>> {
    let key = email.trim().to_ascii_lowercase();
    let Some(user) = records.user_of(&key).await? else { return Ok(None) };
    let lines = records.tenant.write_users(vec![user]).await?;
    let line = lines.into_iter().next().context("the component wrote nothing")?;
    let line = line.map_err(|problem| anyhow!("{problem}"))?;
    Ok(Some(serde_json::to_string_pretty(&User::parse(&line)?.whole())?))
}
