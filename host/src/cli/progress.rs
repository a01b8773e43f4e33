//! How far it is, on standard error: a bar on a terminal, elsewhere a line every few seconds.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// What is told while it goes on.
pub(super) struct Progress {
    way: Way,
    /// What there is to do, in whatever unit; unknown for a stream.
    total: Option<u64>,
}

enum Way {
    Quiet,
    Bar(ProgressBar),
    Lines { told: Instant },
}

impl Progress {
    /// About so much to do; nothing is told where `quiet`.
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        let way = if quiet {
            Way::Quiet
        } else if io::stderr().is_terminal() {
            Way::Bar(bar(total))
        } else {
            Way::Lines { told: Instant::now() }
        };
        Self { way, total }
    }

    /// So much of it is done, in words that a person understands.
    pub(super) fn at(&mut self, done: u64, words: impl Display) {
        match &mut self.way {
            Way::Quiet => {}
            Way::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(words.to_string());
            }
            Way::Lines { told } if told.elapsed() >= EVERY => {
                *told = Instant::now();
                let part = match self.total {
                    Some(total @ 1..) => {
                        format!(" ({} %)", u128::from(done.min(total)) * 100 / u128::from(total))
                    }
                    _ => String::new(),
                };
                self.tell(&format!("{words}{part}"));
            }
            Way::Lines { .. } => {}
        }
    }

    /// The same, of so much as turns out to be there.
    pub(super) fn of(&mut self, done: u64, total: u64, words: impl Display) {
        self.total = Some(total);
        if let Way::Bar(bar) = &self.way {
            bar.set_length(total);
        }
        self.at(done, words);
    }

    /// A line that is told also where nothing else is.
    pub(super) fn tell(&self, line: &str) {
        // Nobody is left to be told when this fails.
        let write = || drop(writeln!(io::stderr(), "portcullis: {line}"));
        match &self.way {
            Way::Bar(bar) => bar.suspend(write),
            Way::Quiet | Way::Lines { .. } => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {percent:>3} %  {msg}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
    };
    // A template with a mistake is no reason to fail; the bar has one of its own.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
