//! Mails to the owner of an address about what others, or he himself, tried to do. They hold no code,
//! and nobody is told whether one went out.

use crate::ports::{Message, Ports};

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
}

/// Tell the owner of an address. What goes wrong stands in the host's log.
pub fn tell(ports: &dyn Ports, to: &str, notice: Notice<'_>) {
    let text = match notice {
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
    };
    let message = Message {
        to: to.to_owned(),
        subject: "About your account".to_owned(),
        text,
        html: None,
        valid_until: ports.now().as_secs() + WORTH,
        guard: None,
    };
    if ports.hide_accounts() {
        let _ = ports.enqueue(&message);
    } else {
        let _ = ports.send(&message);
    }
}
