//! What a person does with an account: one file an operation, the parameters in their order.
//!
//! Every function goes the same way: its inputs are checked; [`Call::admit`] counts the request;
//! [`Call::decide`] looks at the block and then at what the function itself is about. What several
//! of them need stands here: checking a password, checking a code, mailing one.

mod change_email;
mod delete;
mod limits;
mod register;
mod reset;
mod send_code;
mod sign_in;
mod verify;

pub use change_email::{change_email_no_verif, verify_reset_code_and_change_email};
pub(crate) use change_email::{move_to, whose};
pub use delete::{delete_user, delete_user_with_verif};
pub use limits::{check_and_update_rate_limit, is_rate_limited, update_rate_limit};
pub use register::{register_user, register_user_no_pass, register_user_no_verif};
pub use reset::{reset_password_no_verif, verify_reset_code_and_reset_password};
pub use send_code::generate_code;
pub use sign_in::{authenticate_user, verify_mfa_code};
pub(crate) use sign_in::{with_code, with_password};
pub use verify::verify_user;

use zeroize::Zeroizing;

use crate::call::{Call, Committed, Plan, commit};
use crate::changes::{Changes, UserChange};
use crate::code::{self, Fresh};
use crate::mail::{self, Draft};
use crate::outcome::{Code, Stop};
use crate::password::{self, Cost, Match};
use crate::ports::Ports;
use crate::proof::Charge;
use crate::record::{OpenCode, Records, USERS, Use, User};
use crate::tally::{Guess, Tally};

/// A password that is being checked. The verdict on a stored hash is kept: a decision that is
/// taken again does not compute it twice.
pub(crate) struct PasswordCheck<'a> {
    password: &'a str,
    verdict: Option<(String, bool)>,
}

impl<'a> PasswordCheck<'a> {
    pub(crate) fn new(password: &'a str) -> Self {
        Self { password, verdict: None }
    }

    /// Whether it is the user's, counted either way. Nobody's password fits a user who has none;
    /// where accounts are hidden that takes as long to say.
    pub(crate) fn check(
        &mut self,
        call: &Call<'_>,
        tally: &mut Tally,
        user: Option<&User>,
    ) -> Result<bool, Stop> {
        let right = match user.and_then(|user| user.password.as_deref()) {
            Some(stored) => self.fits(call, stored)?,
            None => {
                self.pretend(call)?;
                false
            }
        };
        if right {
            tally.right(Guess::Password)
        } else {
            tally.wrong(Guess::Password)
        }
        Ok(right)
    }

    /// Hash as if there were something to compare with, once.
    fn pretend(&mut self, call: &Call<'_>) -> Result<(), Stop> {
        if call.hides && self.verdict.is_none() {
            password::pretend(call.ports, self.password)?;
            self.verdict = Some((String::new(), false));
        }
        Ok(())
    }

    fn fits(&mut self, call: &Call<'_>, stored: &str) -> Result<bool, Stop> {
        if let Some((known, right)) = &self.verdict
            && known == stored
        {
            return Ok(*right);
        }
        let verdict = password::verify(stored, self.password);
        if let Match::Unusable(why) = verdict {
            call.ports.report(
                USERS,
                &call.address.key,
                &format!("the password hash is unusable: {why}"),
            );
            // Nothing was computed: that answer would come too soon.
            self.pretend(call)?;
        }
        let right = verdict == Match::Right;
        self.verdict = Some((stored.to_owned(), right));
        Ok(right)
    }
}

/// A hash of a password that is being set, made when it is needed first.
struct NewHash<'a> {
    password: &'a str,
    made: Option<String>,
}

impl<'a> NewHash<'a> {
    fn new(password: &'a str) -> Self {
        Self { password, made: None }
    }

    fn get(&mut self, ports: &dyn Ports) -> Result<&str, Stop> {
        if self.made.is_none() {
            self.made = Some(password::hash(ports, self.password, Cost::configured(ports)?)?);
        }
        Ok(self.made.as_deref().unwrap_or_default())
    }
}

/// Check a code against the open one of that use, and charge the guess to it. A right code is used
/// up; a wrong one costs an attempt of whoever asked for the code, or of everybody else. Where none
/// is open nothing is charged, unless accounts are hidden.
pub(crate) fn check_code(
    call: &Call<'_>,
    tally: &mut Tally,
    change: &mut UserChange<'_>,
    user: &User,
    of: Use,
    guess: &str,
) -> Result<bool, Stop> {
    let charged = match user.code(of) {
        Some(open) if code::is_alive(call.ports, open)? => charged(open, call.proofs.charge(open)),
        _ => None,
    };
    let (Some(open), Some(charged)) = (user.code(of), charged) else {
        no_code(call, tally);
        return Ok(false);
    };
    if code::is_right(call.ports, open, &call.address.key, of, guess)? {
        tally.right(Guess::Code);
        change.code(of, None);
        change.unproven(false);
        return Ok(true);
    }
    tally.wrong(Guess::Code);
    change.code(of, Some(&charged));
    Ok(false)
}

/// The code with one guess less; `None` when none is left of those that this one is charged to.
fn charged(open: &OpenCode, charge: Charge) -> Option<OpenCode> {
    let mut after = open.clone();
    let left = match (charge, &mut after.own) {
        (Charge::Everybody, _) => &mut after.left,
        (Charge::Own, Some(own)) => &mut own.left,
        (Charge::Own, None) | (Charge::Nobody, _) => return None,
    };
    *left = left.checked_sub(1)?;
    Some(after)
}

/// A guess where there is nothing to guess. It is counted where accounts are hidden: at an address
/// that nobody has, waits then begin as they do elsewhere.
fn no_code(call: &Call<'_>, tally: &mut Tally) {
    if call.hides {
        tally.wrong(Guess::Code);
    }
}

/// What a right code can have an effect on.
struct Effect<'a, 'u> {
    /// What was read.
    records: &'a Records,
    /// The user among it.
    user: &'a User,
    /// Which of his codes it was.
    of: Use,
    /// What is changed of him.
    change: &'a mut UserChange<'u>,
    /// The counts.
    tally: &'a mut Tally,
    /// What else is changed.
    changes: &'a mut Changes,
}

/// The way of every function that takes a code and does one thing for it: `of` says which code, and
/// `effect` what is done, in the one commit that uses it up.
fn call_with_code(
    call: &Call<'_>,
    guess: &str,
    of: impl Fn(&User) -> Use,
    success: Code,
    mut effect: impl FnMut(&mut Effect<'_, '_>) -> Result<(), Stop>,
) -> Result<Code, Stop> {
    let committed = call.decide(&mut |records| {
        let mut tally = call.tally(records)?;
        tally.admit(Guess::Code)?;
        let mut changes = Changes::of(&call.address.key);
        let Some(stored) = &records.user else {
            if !call.hides {
                return Err(Code::UserNotFound.into());
            }
            no_code(call, &mut tally);
            tally.settle(&mut changes);
            return Ok(Plan::refuse(changes, Code::InvalidCode));
        };
        let user = &stored.record;
        let of = of(user);
        let mut change = UserChange::of(stored);
        let right = check_code(call, &mut tally, &mut change, user, of, guess)?;
        if right {
            effect(&mut Effect {
                records,
                user,
                of,
                change: &mut change,
                tally: &mut tally,
                changes: &mut changes,
            })?;
        }
        change.put(call.ports, &mut changes)?;
        tally.settle(&mut changes);
        Ok(if right {
            Plan::accept(changes, success)
        } else {
            Plan::refuse(changes, Code::InvalidCode)
        })
    })?;
    Ok(committed.code)
}

/// A code mail that goes out once the commit that holds the code's digest is made.
pub(crate) struct Letter {
    to: String,
    of: Use,
    digits: Zeroizing<String>,
    open: OpenCode,
}

impl Letter {
    /// Make a code, count the mail, and open the code in the user's record.
    fn write(
        call: &Call<'_>,
        tally: &mut Tally,
        change: &mut UserChange<'_>,
        to: &str,
        of: Use,
        length: usize,
    ) -> Result<Self, Stop> {
        let letter = Self::decoy(call, tally, to, of, length)?;
        change.code(of, Some(&letter.open));
        Ok(letter)
    }

    /// The same with a code that is opened nowhere, where accounts are hidden and there is none. Such
    /// a mail is queued like any other, and dropped because its code does not stand in the store.
    fn decoy(
        call: &Call<'_>,
        tally: &mut Tally,
        to: &str,
        of: Use,
        length: usize,
    ) -> Result<Self, Stop> {
        tally.mail(of)?;
        Self::prepare(call, to, of, None, length)
    }

    /// The same without counting the mail; `new` is an address that the code is to prove.
    pub(crate) fn prepare(
        call: &Call<'_>,
        to: &str,
        of: Use,
        new: Option<&str>,
        length: usize,
    ) -> Result<Self, Stop> {
        let key = &call.address.key;
        let Fresh { digits, open } = code::make(call.ports, key, &call.proofs, of, new, length)?;
        Ok(Self { to: to.to_owned(), of, digits, open })
    }

    /// The code as it is to stand in the user's record.
    pub(crate) fn open(&self) -> &OpenCode {
        &self.open
    }

    fn send(&self, call: &Call<'_>) -> Result<(), Stop> {
        let draft = Draft {
            to: &self.to,
            key: &call.address.key,
            of: self.of,
            digits: &self.digits,
            digest: &self.open.digest,
            until: self.open.until,
        };
        mail::send(call.ports, &draft)
    }

    /// Send it. Where it is refused for good, the former code is put back, if the user is as we left
    /// him: its mail is out, the new one's is not.
    pub(crate) fn send_or_restore(
        &self,
        call: &Call<'_>,
        committed: &Committed,
        former: Option<&OpenCode>,
    ) -> Result<(), Stop> {
        let Err(refused) = self.send(call) else { return Ok(()) };
        let version = committed.versions.first();
        let records = Records::load(call.ports, &call.address.key)?;
        if let Some(user) = records.user.filter(|user| Some(&user.version) == version) {
            let mut change = UserChange::of(&user);
            change.code(self.of, former);
            let mut changes = Changes::of(&call.address.key);
            change.put(call.ports, &mut changes)?;
            commit(call.ports, &changes)?;
        }
        Err(refused)
    }
}
