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
pub use delete::{delete_user, delete_user_with_verif};
pub use limits::{check_and_update_rate_limit, is_rate_limited, update_rate_limit};
pub use register::{register_user, register_user_no_pass, register_user_no_verif};
pub use reset::{reset_password_no_verif, verify_reset_code_and_reset_password};
pub use send_code::generate_code;
pub use sign_in::{authenticate_user, verify_mfa_code};
pub use verify::verify_user;

use zeroize::Zeroizing;

use crate::call::{Call, Committed, Plan, commit};
use crate::changes::{Changes, UserChange};
use crate::code::{self, Fresh};
use crate::mail::{self, Draft};
use crate::outcome::{Code, Stop};
use crate::password::{self, Cost, Match};
use crate::ports::Ports;
use crate::record::{OpenCode, Records, USERS, Use, User};
use crate::tally::{Guess, Tally};

/// A password that is being checked. The verdict on a stored hash is kept: a decision that is
/// taken again does not compute it twice.
struct PasswordCheck<'a> {
    password: &'a str,
    verdict: Option<(String, bool)>,
}

impl<'a> PasswordCheck<'a> {
    fn new(password: &'a str) -> Self {
        Self { password, verdict: None }
    }

    /// Whether it is the user's, counted either way. Nobody's password fits a user who has none.
    fn check(&mut self, call: &Call<'_>, tally: &mut Tally, user: Option<&User>) -> bool {
        let right = user
            .and_then(|user| user.password.as_deref())
            .is_some_and(|stored| self.fits(call, stored));
        if right {
            tally.right(Guess::Password)
        } else {
            tally.wrong(Guess::Password)
        }
        right
    }

    fn fits(&mut self, call: &Call<'_>, stored: &str) -> bool {
        if let Some((known, right)) = &self.verdict
            && known == stored
        {
            return *right;
        }
        let verdict = password::verify(stored, self.password);
        if let Match::Unusable(why) = verdict {
            call.ports.report(
                USERS,
                &call.address.key,
                &format!("the password hash is unusable: {why}"),
            );
        }
        let right = verdict == Match::Right;
        self.verdict = Some((stored.to_owned(), right));
        right
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
/// up; a wrong one costs an attempt; where none is open nothing is charged.
fn check_code(
    call: &Call<'_>,
    tally: &mut Tally,
    change: &mut UserChange<'_>,
    user: &User,
    of: Use,
    guess: &str,
) -> Result<bool, Stop> {
    let Some(open) = user.code(of) else { return Ok(false) };
    if !code::is_alive(call.ports, open)? {
        return Ok(false);
    }
    if code::is_right(call.ports, open, &call.address.key, of, guess)? {
        tally.right(Guess::Code);
        change.code(of, None);
        return Ok(true);
    }
    tally.wrong(Guess::Code);
    change.code(of, Some(&OpenCode { left: open.left.saturating_sub(1), ..open.clone() }));
    Ok(false)
}

/// The way of every function that takes a code and does one thing for it: `of` says which code, and
/// `effect` what is done, in the one commit that uses it up.
fn call_with_code(
    call: &Call<'_>,
    guess: &str,
    of: impl Fn(&User) -> Use,
    success: Code,
    mut effect: impl FnMut(&User, &mut UserChange<'_>, &mut Tally) -> Result<(), Stop>,
) -> Result<Code, Stop> {
    let committed = call.decide(&mut |records| {
        let mut tally = Tally::begin(call.ports, records.counts.as_ref())?;
        tally.admit(Guess::Code)?;
        let stored = records.user.as_ref().ok_or(Code::UserNotFound)?;
        let user = &stored.record;
        let mut change = UserChange::of(stored);
        let right = check_code(call, &mut tally, &mut change, user, of(user), guess)?;
        if right {
            effect(user, &mut change, &mut tally)?;
        }
        let mut changes = Changes::of(&call.address.key);
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
struct Letter {
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
        tally.mail(of)?;
        let Fresh { digits, open } = code::make(call.ports, &call.address.key, of, length)?;
        change.code(of, Some(&open));
        Ok(Self { to: to.to_owned(), of, digits, open })
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
    fn send_or_restore(
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
