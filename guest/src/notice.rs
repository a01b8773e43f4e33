//! Mails to the owner of an address about what others, or he himself, have done or tried to do. They
//! hold no code, and nobody is told whether one went out.

use crate::ports::{Message, Ports};
use crate::record::User;
use crate::settings;

/// How long a notice is worth delivering, in seconds.
const WORTH: u64 = 86_400;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Somebody registered an address that has an account.
    Registered,
    /// Somebody wants an address for his account that has one already.
    Wanted,
    /// Somebody who is signed in asked to replace this address by that one.
    Leaving(&'a str),
    /// The password was changed by somebody who knew the former one.
    PasswordChanged,
    /// The password was changed with a code from the mailbox.
    PasswordReset,
    /// The account has another address now; this one is told.
    AddressChanged,
    /// An application has blocked the account.
    Blocked,
    /// An application has ended the block.
    Unblocked,
    /// All sessions, or all but one, were ended.
    SessionsEnded,
    /// The account is gone.
    Deleted,
}

/// Who is told what becomes of this user: nobody, before he has verified his address. A stranger who
/// has typed it could otherwise have it written to as often as he likes.
#[must_use]
pub fn owner(user: &User, key: &str) -> Option<String> {
    user.verified.then(|| user.mail_address(key).to_owned())
}

/// Tell what was done, once it is, if the tenant wants that. It goes out after the call, so that
/// nobody waits for the mail server.
pub fn done(ports: &dyn Ports, to: Option<String>, notice: Notice<'_>) {
    // A setting that is bad was told at the start of the tenant; what was done stays done.
    if let Some(to) = to
        && settings::NOTICES.read(ports).unwrap_or(false)
    {
        let _ = ports.enqueue(&message(ports, &to, notice));
    }
}

/// Tell the owner of an address. What goes wrong stands in the host's log.
pub fn tell(ports: &dyn Ports, to: &str, notice: Notice<'_>) {
    let message = message(ports, to, notice);
    if ports.hide_accounts() {
        let _ = ports.enqueue(&message);
    } else {
        let _ = ports.send(&message);
    }
}

fn message(ports: &dyn Ports, to: &str, notice: Notice<'_>) -> Message {
    Message {
        to: to.to_owned(),
        subject: "About your account".to_owned(),
        text: text(to, notice),
        html: None,
        valid_until: ports.now().as_secs() + WORTH,
        guard: None,
    }
}

fn text(to: &str, notice: Notice<'_>) -> String {
    match notice {
        Notice::Registered => format!(
            "Somebody asked for an account for {to}, which has one already.\n\nIf it was you: sign in, \
             or set a new password if you have forgotten yours. Otherwise there is nothing to do."
        ),
        Notice::Wanted => format!(
            "Somebody asked to use {to} for an account of his own. It has an account already, so \
             nothing was changed and there is nothing to do."
        ),
        Notice::Leaving(new) => format!(
            "Somebody who is signed in to your account asked to change its address from {to} to \
             {new}. Nothing is changed until the code that was sent there is entered.\n\nIf it was \
             not you: set a new password. That signs everybody out."
        ),
        Notice::PasswordChanged => format!(
            "The password of your account {to} was changed, and everybody was signed out.\n\nIf it \
             was not you: somebody knew your password. Set a new one as for a forgotten password, \
             and change it wherever else you use it."
        ),
        Notice::PasswordReset => format!(
            "The password of your account {to} was set anew with a code that was mailed to you, and \
             everybody was signed out.\n\nIf it was not you: somebody reads your mail. Change the \
             password of your mailbox first, and then set a new one here as for a forgotten password."
        ),
        Notice::AddressChanged => format!(
            "Your account has another address now, and {to} is not its address any more. Everybody \
             was signed out.\n\nIf it was not you: tell those who run this service at once. They \
             can block the account and give it back to you."
        ),
        Notice::Blocked => format!(
            "Your account {to} was blocked by those who run this service. Nobody can sign in to it, \
             and everybody was signed out.\n\nIf you do not know why: ask them."
        ),
        Notice::Unblocked => format!(
            "Your account {to} is not blocked any more. You can sign in again.\n\nIf you did not \
             know that it was blocked: ask those who run this service."
        ),
        Notice::SessionsEnded => format!(
            "Sessions of your account {to} were ended. Whoever was signed in there has to sign in \
             again.\n\nIf it was neither you nor those who run this service: set a new password. \
             That signs everybody out."
        ),
        Notice::Deleted => format!(
            "Your account {to} was deleted, with everything that was kept in it.\n\nIf it was not \
             you: somebody knew your password. Change it wherever else you use it, and tell those \
             who run this service."
        ),
    }
}
