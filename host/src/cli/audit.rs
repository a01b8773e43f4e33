//! `portcullis audit`: the audit log, and what is added to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};

use super::open::Program;
use super::options::{self, Common};
use super::print;
use crate::audit::{Event, Query};

/// How often new events are looked for.
const PAUSE: Duration = Duration::from_secs(1);

/// How far back each look goes, in milliseconds. An event is written a little after its time: when its
/// call is over, which may take half a minute. The rest is for clocks of other hosts that are late.
const OVERLAP: u64 = 120_000;

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
        let mut window = Window::default();
        while all(&program, &query, options, &mut window).await? && options.follow {
            query.since = query.since.max(window.from);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
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

/// What has to be looked at again, and what was told of it.
#[derive(Default)]
struct Window {
    from: Option<u64>,
    told: BTreeSet<String>,
}

impl Window {
    /// Everything up to the event of the key `last` was looked at, by a look that began at `began`. It
    /// is no matter how long it took to tell it.
    fn passed(&mut self, began: u64, last: &str) {
        let at = last.get(..12).and_then(|at| u64::from_str_radix(at, 16).ok());
        let from = at.map(|at| at.min(began).saturating_sub(OVERLAP));
        self.from = self.from.max(from);
        if let Some(from) = self.from {
            self.told = self.told.split_off(&format!("{from:012x}"));
        }
    }
}

/// Print what was not yet told; false when nobody reads any more.
async fn all(
    program: &Program,
    query: &Query,
    options: &options::Audit,
    window: &mut Window,
) -> anyhow::Result<bool> {
    let mut query = query.clone();
    loop {
        let began = now();
        let found = program.tenant().audit(&query).await?;
        let mut text = String::new();
        for event in found.events {
            if options.follow && !window.told.insert(event.key.clone()) {
                continue;
            }
            match options.json {
                true => text += &print::tame(&serde_json::to_string(&event)?),
                false => text += &line(&event),
            }
            text.push('\n');
        }
        if !print::text(&text).context("standard output")? {
            return Ok(false);
        }
        if let Some(last) = &found.last {
            window.passed(began, last);
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
    if let Some(to) = &event.to {
        let _ = write!(line, " to {}", to.escape_debug());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at: u64) -> String {
        format!("{at:012x}-0000000000000000")
    }

    #[test]
    fn the_window_follows_what_was_seen_and_not_the_time_at_which_it_was_told() {
        let mut window = Window::default();
        window.passed(1_000_000, "odd");
        assert_eq!(window.from, None);
        // The newest event is older than the look.
        window.passed(1_000_000, &key(500_000));
        assert_eq!(window.from, Some(380_000));
        // The clock of another host is early.
        window.passed(1_000_000, &key(9_000_000));
        assert_eq!(window.from, Some(880_000));
        // The own clock goes back.
        window.passed(100_000, &key(9_000_000));
        assert_eq!(window.from, Some(880_000));
    }

    #[test]
    fn what_cannot_come_again_is_forgotten() {
        let mut window = Window::default();
        for at in (0..10_000_000).step_by(1000) {
            assert!(window.told.insert(key(at)));
            window.passed(u64::MAX, &key(at));
            assert!(window.told.len() <= 121);
            assert!(window.told.contains(&key(at.saturating_sub(OVERLAP))));
        }
    }
}
