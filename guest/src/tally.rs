//! What is counted about an address, whether somebody lives there or not: wrong guesses in a row,
//! which make the next guess wait, and code mails, which are limited.
//!
//! A [`Tally`] is a working copy for one decision. It is settled in the commit of that decision:
//! written when it changed, and otherwise expected to be as it was read, so that no answer to a
//! guess leaves while another guess is being counted.

use crate::changes::Changes;
use crate::code::CLOCK_TOLERANCE;
use crate::outcome::{Failure, Refusal, Stop};
use crate::ports::Ports;
use crate::record::{Count, Counts, GUESSES, Stored, Use, json};
use crate::settings;

/// Seconds after the last wrong guess when the count ends.
const COUNTED_FOR: u64 = 86_400;
/// The longest that a guess must wait, in seconds.
const LONGEST_WAIT: u64 = 900;

/// What is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// A password.
    Password,
    /// A code.
    Code,
}

/// The counts of one address, as one decision changes them.
pub struct Tally {
    version: Option<String>,
    read: Counts,
    counts: Counts,
    now: u64,
    /// 0: guesses are not counted.
    guess_limit: u32,
    /// 0: mails are not counted.
    mail_limit: usize,
    window: u64,
}

impl Tally {
    /// Begin with what was read.
    ///
    /// # Errors
    /// Bad settings.
    pub fn begin(ports: &dyn Ports, stored: Option<&Stored<Counts>>) -> Result<Self, Stop> {
        let read = stored.map(|stored| stored.record.clone()).unwrap_or_default();
        let mut tally = Self {
            version: stored.map(|stored| stored.version.clone()),
            counts: read.clone(),
            read,
            now: ports.now().as_secs(),
            guess_limit: settings::GUESS_LIMIT.read_u32(ports).map_err(Failure::from)?,
            mail_limit: settings::MAIL_LIMIT.read_u32(ports).map_err(Failure::from)? as usize,
            window: settings::MAIL_LIMIT_WINDOW.read(ports).map_err(Failure::from)?,
        };
        tally.forget_what_ended();
        Ok(tally)
    }

    /// Whether a guess may be looked at now.
    ///
    /// # Errors
    /// 401: it must wait, and is not looked at.
    pub fn admit(&self, guess: Guess) -> Result<(), Stop> {
        let Some(count) = self.count(guess).filter(|_| self.guess_limit > 0) else { return Ok(()) };
        let Some(beyond) = count.wrong.checked_sub(self.guess_limit) else { return Ok(()) };
        let wait =
            2u64.checked_pow(beyond.saturating_add(1)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let ready = self.sane(count.last) + wait;
        match ready.checked_sub(self.now) {
            None | Some(0) => Ok(()),
            Some(left) => Err(Refusal::wait(u32::try_from(left).unwrap_or(u32::MAX)).into()),
        }
    }

    /// Count a wrong guess.
    pub fn wrong(&mut self, guess: Guess) {
        if self.guess_limit > 0 {
            let wrong = self.count(guess).map_or(0, |count| count.wrong).saturating_add(1);
            *self.slot(guess) = Some(Count { wrong, last: self.now });
        }
    }

    /// Forget the wrong guesses: this one was right.
    pub fn right(&mut self, guess: Guess) {
        *self.slot(guess) = None;
    }

    /// Count a code mail.
    ///
    /// # Errors
    /// 401: there were too many.
    pub fn mail(&mut self, of: Use) -> Result<(), Stop> {
        let (now, limit, window) = (self.now, self.mail_limit, self.window);
        if limit == 0 {
            return Ok(());
        }
        let mailed = self.mailed(of);
        if let Some(oldest) = mailed.len().checked_sub(limit).and_then(|at| mailed.get(at)) {
            let wait = (oldest + window).saturating_sub(now).clamp(1, window);
            return Err(Refusal::wait(u32::try_from(wait).unwrap_or(u32::MAX)).into());
        }
        mailed.push(now);
        Ok(())
    }

    /// Put the counts into a commit.
    pub fn settle(self, changes: &mut Changes) {
        let due = self.ends();
        let Self { version, read, counts, .. } = self;
        match version {
            _ if counts == read => changes.expect(GUESSES, version),
            Some(version) if counts == Counts::default() => changes.remove(GUESSES, version),
            version => {
                let edits = [
                    (&["password"][..], counts.password.map(|count| json(&count))),
                    (&["code"][..], counts.code.map(|count| json(&count))),
                    (&["mailed"][..], Some(json(&counts.mailed))),
                ];
                changes.put(GUESSES, version, &edits, due);
            }
        }
    }

    /// Put what is left of the counts into a commit that only tidies up.
    pub fn sweep(self, changes: &mut Changes) {
        let due = self.ends();
        match self.version.clone() {
            Some(version) if self.counts == self.read => {
                changes.put(GUESSES, Some(version), &[], due)
            }
            _ => self.settle(changes),
        }
    }

    /// When the next of the counts ends.
    fn ends(&self) -> Option<u64> {
        let guesses = [self.counts.password, self.counts.code].into_iter().flatten();
        let mails = self.counts.mailed.mailbox.iter().chain(&self.counts.mailed.mfa);
        guesses
            .map(|count| self.sane(count.last) + COUNTED_FOR)
            .chain(mails.map(|at| self.sane(*at) + self.window))
            .max()
    }

    fn forget_what_ended(&mut self) {
        let (now, window) = (self.now, self.window);
        for guess in [Guess::Password, Guess::Code] {
            if self.count(guess).is_some_and(|count| self.sane(count.last) + COUNTED_FOR <= now) {
                *self.slot(guess) = None;
            }
        }
        for of in [Use::Mailbox, Use::Mfa] {
            self.mailed(of).retain(|at| at + window > now);
        }
    }

    /// A time far ahead, by a clock that is wrong, counts as now.
    fn sane(&self, time: u64) -> u64 {
        if time > self.now + CLOCK_TOLERANCE { self.now } else { time }
    }

    fn count(&self, guess: Guess) -> Option<Count> {
        match guess {
            Guess::Password => self.counts.password,
            Guess::Code => self.counts.code,
        }
    }

    fn slot(&mut self, guess: Guess) -> &mut Option<Count> {
        match guess {
            Guess::Password => &mut self.counts.password,
            Guess::Code => &mut self.counts.code,
        }
    }

    fn mailed(&mut self, of: Use) -> &mut Vec<u64> {
        match of {
            Use::Mailbox => &mut self.counts.mailed.mailbox,
            Use::Mfa => &mut self.counts.mailed.mfa,
        }
    }
}
