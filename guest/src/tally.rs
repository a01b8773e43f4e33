//! What is counted about an address, whether somebody lives there or not: wrong guesses in a row,
//! which make the next guess wait, and code mails, which are limited.
//!
//! Wrong guesses by strangers must not make the owner wait. So a caller with a device has counts of his
//! own, and those who have asked for a code (which anybody can) share one, apart from that of
//! everybody else, which begins to make them wait at `TICKETS` wrong codes in a row.
//!
//! A [`Tally`] is a working copy for one decision. It is settled in the commit of that decision:
//! written when it changed, and otherwise expected to be as it was read, so that no answer to a
//! guess leaves while another guess is being counted.

use crate::changes::Changes;
use crate::code::CLOCK_TOLERANCE;
use crate::outcome::{Failure, Refusal, Stop};
use crate::ports::Ports;
use crate::proof::Proofs;
use crate::record::{Count, Counts, DeviceCounts, GUESSES, Stored, Use, json};
use crate::settings;

/// Seconds after the last wrong guess when the count ends.
const COUNTED_FOR: u64 = 86_400;
/// The longest that a guess must wait, in seconds.
const LONGEST_WAIT: u64 = 900;

/// Wrong codes in a row of all who had asked for a code, from which on the next must wait. Each code
/// bounds its own guesses; this bounds those at all codes of an address (NIST SP 800-63B section
/// 3.2.2: at most 100).
const TICKETS: u32 = 100;
/// Devices of one address whose wrong guesses are remembered; the one that was wrong longest ago gives
/// way. Each of them the owner has signed in with.
const DEVICES: usize = 16;

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
    by: By,
    now: u64,
    /// 0: guesses are not counted.
    guess_limit: u32,
    /// 0: mails are not counted.
    mail_limit: usize,
    window: u64,
}

/// Whose guesses are counted together.
#[derive(Clone, Debug)]
enum By {
    Anybody,
    Ticket,
    Device(String),
}

impl Tally {
    /// Begin with what was read, for a caller with these proofs.
    ///
    /// # Errors
    /// Bad settings.
    pub fn begin(
        ports: &dyn Ports,
        stored: Option<&Stored<Counts>>,
        proofs: &Proofs,
    ) -> Result<Self, Stop> {
        let read = stored.map(|stored| stored.record.clone()).unwrap_or_default();
        let mut tally = Self {
            version: stored.map(|stored| stored.version.clone()),
            counts: read.clone(),
            read,
            by: match proofs.device() {
                Some(device) => By::Device(device.to_owned()),
                None if proofs.has_ticket() => By::Ticket,
                None => By::Anybody,
            },
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
        let limit = match (guess, &self.by) {
            (Guess::Code, By::Ticket) => self.guess_limit.max(TICKETS),
            _ => self.guess_limit,
        };
        let Some(beyond) = count.wrong.checked_sub(limit) else { return Ok(()) };
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
            self.set(guess, Some(Count { wrong, last: self.now }));
        }
    }

    /// Forget the wrong guesses of this caller: this one was right.
    pub fn right(&mut self, guess: Guess) {
        self.set(guess, None);
    }

    /// Forget all wrong guesses, whoever made them.
    pub fn forgive(&mut self) {
        let mailed = core::mem::take(&mut self.counts.mailed);
        self.counts = Counts { mailed, ..Counts::default() };
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
                let devices = (!counts.devices.is_empty()).then(|| json(&counts.devices));
                let edits = [
                    (&["password"][..], counts.password.map(|count| json(&count))),
                    (&["code"][..], counts.code.map(|count| json(&count))),
                    (&["tickets"][..], counts.tickets.map(|count| json(&count))),
                    (&["devices"][..], devices),
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
        let Counts { password, code, tickets, devices, mailed } = &self.counts;
        let devices = devices.values().flat_map(|device| [device.password, device.code]);
        let guesses = [*password, *code, *tickets].into_iter().chain(devices).flatten();
        let mails = mailed.mailbox.iter().chain(&mailed.mfa).chain(&mailed.new_mail);
        guesses
            .map(|count| self.sane(count.last) + COUNTED_FOR)
            .chain(mails.map(|at| self.sane(*at) + self.window))
            .max()
    }

    fn forget_what_ended(&mut self) {
        let (now, window) = (self.now, self.window);
        let mut counts = core::mem::take(&mut self.counts);
        let lives = |count: &Count| self.sane(count.last) + COUNTED_FOR > now;
        counts.password = counts.password.filter(lives);
        counts.code = counts.code.filter(lives);
        counts.tickets = counts.tickets.filter(lives);
        for device in counts.devices.values_mut() {
            device.password = device.password.filter(lives);
            device.code = device.code.filter(lives);
        }
        counts.devices.retain(|_, device| *device != DeviceCounts::default());
        self.counts = counts;
        for of in Use::ALL {
            self.mailed(of).retain(|at| at + window > now);
        }
    }

    /// A time far ahead, by a clock that is wrong, counts as now.
    fn sane(&self, time: u64) -> u64 {
        if time > self.now + CLOCK_TOLERANCE { self.now } else { time }
    }

    fn count(&self, guess: Guess) -> Option<Count> {
        match (guess, &self.by) {
            (guess, By::Device(name)) => {
                let device = self.counts.devices.get(name)?;
                match guess {
                    Guess::Password => device.password,
                    Guess::Code => device.code,
                }
            }
            (Guess::Code, By::Ticket) => self.counts.tickets,
            (Guess::Code, By::Anybody) => self.counts.code,
            (Guess::Password, _) => self.counts.password,
        }
    }

    fn set(&mut self, guess: Guess, count: Option<Count>) {
        match (guess, &self.by) {
            (guess, By::Device(name)) => {
                let devices = &mut self.counts.devices;
                let mut device = devices.remove(name).unwrap_or_default();
                match guess {
                    Guess::Password => device.password = count,
                    Guess::Code => device.code = count,
                }
                if device == DeviceCounts::default() {
                    return;
                }
                let last = |device: &DeviceCounts| {
                    [device.password, device.code].iter().flatten().map(|count| count.last).max()
                };
                while devices.len() >= DEVICES
                    && let Some(oldest) =
                        devices.iter().min_by_key(|(_, it)| last(it)).map(|(name, _)| name.clone())
                {
                    devices.remove(&oldest);
                }
                devices.insert(name.clone(), device);
            }
            (Guess::Code, By::Ticket) => self.counts.tickets = count,
            (Guess::Code, By::Anybody) => self.counts.code = count,
            (Guess::Password, _) => self.counts.password = count,
        }
    }

    fn mailed(&mut self, of: Use) -> &mut Vec<u64> {
        match of {
            Use::Mailbox => &mut self.counts.mailed.mailbox,
            Use::Mfa => &mut self.counts.mailed.mfa,
            Use::NewMail => &mut self.counts.mailed.new_mail,
        }
    }
}
