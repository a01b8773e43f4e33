//! `portcullis users list`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::user::User;
use super::walk::Walk;
use super::{Records, printable};
use crate::cli::open::Program;
use crate::cli::options::{Common, ListUsers};
use crate::cli::print;
use crate::cli::{FAILED, REFUSED};

pub(super) fn run(common: &Common, options: &ListUsers) -> anyhow::Result<ExitCode> {
    let program = Program::open(common)?;
    let listed = program.block_on(list(&Records::of(program.tenant())?, options));
    program.close();
    listed
}

async fn list(records: &Records, options: &ListUsers) -> anyhow::Result<ExitCode> {
    let mut walk = Walk::after(records.clone(), options.after.as_deref().unwrap_or_default());
    let mut left = options.limit;
    let mut code = ExitCode::SUCCESS;
    let mut last = None;
    while left > 0 {
        let page = walk.next(u32::try_from(left).unwrap_or(u32::MAX)).await?;
        if page.is_empty() {
            break;
        }
        left = left.saturating_sub(page.len() as u64);
        last = page.last().map(|found| found.key.clone());
        let (keys, users): (Vec<_>, Vec<_>) =
            page.into_iter().map(|found| (found.key, found.user)).unzip();
        let mut text = String::new();
        for (key, line) in keys.iter().zip(records.tenant.write_users(users).await?) {
            match line {
                Ok(line) => {
                    text.push_str(&entry(&User::parse(&line)?, options.json)?);
                    text.push('\n');
                }
                Err(problem) => {
                    tracing::error!("{}: {problem}", printable(key));
                    code = ExitCode::from(REFUSED);
                }
            }
        }
        if !print::text(&text)? {
            // Nobody reads any more.
            return Ok(ExitCode::from(FAILED));
        }
    }
    if let Some(last) = last.filter(|_| left == 0)
        && !walk.next(1).await?.is_empty()
    {
        let last = printable(&last);
        // Nobody is left to be told when this fails.
        let _ = writeln!(io::stderr(), "portcullis: there are more; go on with --after {last}");
    }
    Ok(code)
}

fn entry(user: &User<'_>, json: bool) -> anyhow::Result<String> {
    if json {
        return Ok(print::tame(&serde_json::to_string(&user.brief())?).into_owned());
    }
    let verified = if user.verified { "verified" } else { "unverified" };
    let blocked = if user.blocked { "blocked" } else { "-" };
    let made = user.made();
    let made = made.as_deref().unwrap_or("-");
    Ok(format!("{:40}  {verified:10}  {blocked:7}  {made}", printable(&user.email)))
}
