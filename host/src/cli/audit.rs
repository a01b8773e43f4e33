//! `portcullis audit`: the audit log, and what is added to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};

use super::open::Program;
use super::options::{self, Common};
use crate::audit::{Event, Query};

/// How often new events are looked for.
const PAUSE: Duration = Duration::from_secs(1);

/// How far back, in milliseconds: another process may write an event a little after its time.
const OVERLAP: u64 = 10_000;

pub(super) fn run(common: &Common, options: &options::Audit) -> anyhow::Result<()> {
    let mut query = Query {
        since: time(options.since.as_deref(), "--since")?,
        until: time(options.until.as_deref(), "--until")?,
        about: options.user.clone(),
        event: options.event.clone(),
        ..Query::default()
    };
    let program = Program::open(common)?;
    let print = async {
        let mut told = BTreeSet::new();
        loop {
            if !all(&program, &query, options, &mut told).await? || !options.follow {
                return Ok(());
            }
            let window = now().saturating_sub(OVERLAP);
            told = told.split_off(&format!("{window:012x}"));
            query.since = Some(query.since.unwrap_or(0).max(window));
            tokio::time::sleep(PAUSE).await;
        }
    };
    let ended = program.block_on(async {
        tokio::select! {
            ended = print => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    });
    program.close();
    ended
}

/// Print what was not yet told; false when nobody reads any more.
async fn all(
    program: &Program,
    query: &Query,
    options: &options::Audit,
    told: &mut BTreeSet<String>,
) -> anyhow::Result<bool> {
    let mut query = query.clone();
    loop {
        let found = program.tenant().audit(&query).await?;
        let mut text = String::new();
        for event in found.events {
            if told.contains(&event.key) {
                continue;
            }
            match options.json {
                true => text += &serde_json::to_string(&event)?,
                false => text += &line(&event),
            }
            text.push('\n');
            if options.follow {
                told.insert(event.key);
            }
        }
        let mut output = io::stdout().lock();
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            written => written.context("standard output")?,
        }
        match found.next {
            Some(next) => query.after = Some(next),
            None => return Ok(true),
        }
    }
}

/// An event for people. What somebody has sent is written so that no terminal takes it for orders.
fn line(event: &Event) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(event.at);
    let at = humantime::format_rfc3339_millis(at);
    let mut line = format!("{at} {} {} by {}", event.event, event.outcome, event.by);
    if let Some(from) = event.from {
        let _ = write!(line, " from {from}");
    }
    if let Some(about) = &event.about {
        let _ = write!(line, " about {}", about.escape_debug());
    }
    if let Some(count) = event.count {
        let _ = write!(line, " times {count}");
    }
    line
}

/// A time as it is typed, in milliseconds since 1970.
fn time(text: Option<&str>, option: &str) -> anyhow::Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(Some(now().saturating_sub(ago)));
    }
    let time = humantime::parse_rfc3339_weak(text).map_err(|_| {
        let text = text.escape_debug();
        anyhow!("{option}: `{text}` is neither a span such as 1h nor a time such as 2026-01-31T12:00:00Z")
    })?;
    Ok(Some(millis(time)))
}

fn now() -> u64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
