//! What went wrong at which step, what that means for the mail, and how it is told.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;

use super::words::{Secrets, one_line};
use crate::mail::account::SmtpAccount;
use crate::mail::transport::Failure;

/// Answers that ask for a log-in or refuse one (RFC 4954 section 6), at whatever step: they are
/// about the account and not about the mail.
const ABOUT_THE_ACCOUNT: [u16; 4] = [530, 534, 535, 538];
/// The server closes the connection (RFC 5321 section 3.8), whatever was asked.
const CLOSING: u16 = 421;

/// The steps of an attempt, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// To the server, by name or address.
    Connect,
    /// Its greeting and what it can do.
    Greet,
    /// Encryption and the server's certificate.
    Secure,
    /// The account.
    SignIn,
    /// MAIL.
    Sender,
    /// RCPT.
    Receiver,
    /// DATA.
    Data,
    /// The mail itself, to the server's last word.
    Content,
}

/// What happened at a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server said no: its code, and its words made safe.
    Answer(u16, String),
    /// The server does not offer what is needed.
    NotOffered(&'static str),
    /// Encryption could not be agreed upon, or the certificate is bad.
    NotSecure(String),
    /// The connection failed, or something came over it that is no answer.
    Broken(String),
    /// Nothing came in time.
    Late,
}

/// An attempt that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) step: Step,
    pub(super) cause: Cause,
}

impl Trouble {
    pub(super) fn new(step: Step, cause: Cause) -> Self {
        Self { step, cause }
    }

    /// From what the client library reports. `secrets` are not shown, should the server repeat one.
    pub(super) fn from_error(step: Step, error: &Error, secrets: Secrets<'_>) -> Self {
        let cause = match (error.status(), io_error(error)) {
            (Some(code), _) => {
                let words = error.source().map(ToString::to_string).unwrap_or_default();
                Cause::Answer(code.into(), secrets.keep_out_of(&words))
            }
            (None, Some(error)) if error.kind() == io::ErrorKind::TimedOut => Cause::Late,
            // What the TLS library reports; with TLS from the first byte on, while connecting.
            (None, Some(error))
                if error.kind() == io::ErrorKind::InvalidData
                    && matches!(step, Step::Connect | Step::Secure) =>
            {
                return Self::new(Step::Secure, Cause::NotSecure(one_line(&error.to_string())));
            }
            (None, Some(error)) => Cause::Broken(one_line(&error.to_string())),
            (None, None) => Cause::Broken(one_line(&deepest(error))),
        };
        Self { step, cause }
    }

    /// Whether another connection may do better, and cannot make two mails of one: this one failed
    /// as a connection, and the mail itself had not been begun.
    pub(super) fn calls_for_another_connection(&self) -> bool {
        self.step < Step::Content
            && matches!(self.cause, Cause::Broken(_) | Cause::Late | Cause::Answer(CLOSING, _))
    }

    /// Whether the connection is as good as before once the mail in hand is reset.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        self.step >= Step::Sender
            && matches!(&self.cause, Cause::Answer(code, _) if *code != CLOSING)
    }

    /// Whether the server has looked at name and password and refused them.
    pub(super) fn is_refused_sign_in(&self) -> bool {
        self.step == Step::SignIn && matches!(self.cause, Cause::Answer(500.., _))
    }

    /// Whether this is about the settings rather than about the mail or the moment, so that an
    /// operator has to do something.
    pub(super) fn is_for_the_operator(&self) -> bool {
        match &self.cause {
            Cause::Answer(500.., _) => {
                matches!(self.step, Step::SignIn | Step::Sender) || self.is_about_the_account()
            }
            Cause::NotOffered(_) | Cause::NotSecure(_) => true,
            _ => false,
        }
    }

    /// What this means for the mail.
    pub(super) fn failure(&self, account: &SmtpAccount) -> Failure {
        let text = self.text(account);
        match self.cause {
            Cause::Answer(500.., _)
                if self.step >= Step::Sender && !self.is_about_the_account() =>
            {
                Failure::Permanent(text)
            }
            _ => Failure::Temporary(text),
        }
    }

    fn is_about_the_account(&self) -> bool {
        matches!(&self.cause, Cause::Answer(code, _) if ABOUT_THE_ACCOUNT.contains(code))
    }

    fn text(&self, account: &SmtpAccount) -> String {
        let server = format!("the mail server {} port {}", account.server, account.port);
        let doing = match self.step {
            Step::Connect => "connecting",
            Step::Greet => "its greeting",
            Step::Secure => "securing the connection",
            Step::SignIn => "signing in",
            Step::Sender => "naming the sender",
            Step::Receiver => "naming the receiver",
            Step::Data => "asking to send the mail",
            Step::Content => "sending the mail",
        };
        match &self.cause {
            Cause::Answer(code, words) => {
                let answer = format!("{code} {words}");
                let answer = answer.trim_end();
                let refuses = if *code < 500 { "refuses for now" } else { "refuses" };
                match self.step {
                    _ if self.is_about_the_account() => format!(
                        "{server} does not let the account in: look at `username` and `password` of \
                         `mail_info` ({answer})"
                    ),
                    Step::Connect | Step::Greet => {
                        format!("{server} does not take connections of ours: {answer}")
                    }
                    Step::Secure => format!("{server} refuses to secure the connection: {answer}"),
                    Step::SignIn => {
                        format!("{server} did not let the account of `mail_info` in: {answer}")
                    }
                    Step::Sender => {
                        format!("the mail server {refuses} the sender, see `mail_from`: {answer}")
                    }
                    Step::Receiver => format!("the mail server {refuses} the receiver: {answer}"),
                    Step::Data | Step::Content => {
                        format!("the mail server {refuses} the mail: {answer}")
                    }
                }
            }
            Cause::NotOffered(what) if self.step == Step::Secure => format!(
                "{server} offers no {what}, and nothing was sent in the open: for a port with TLS from \
                 the first byte on set `mail_tls` to \"implicit\""
            ),
            Cause::NotOffered(what) => {
                format!("{server} offers no {what}, by which `mail_info` could sign in")
            }
            Cause::NotSecure(why) => format!(
                "the connection to {server} cannot be secured, and nothing was sent: {why}. Its \
                 certificate must be valid, for this very name, and from an authority that this \
                 machine or the file `certs` names; `mail_tls` must suit the port"
            ),
            Cause::Broken(why) if self.step == Step::Connect => {
                format!("{server} cannot be reached: {why}")
            }
            Cause::Late if self.step == Step::Connect => {
                format!("{server} cannot be reached: no answer in time")
            }
            Cause::Broken(why) => {
                format!("the connection to {server} broke at {doing}: {why}{}", self.doubt())
            }
            Cause::Late if self.step == Step::Greet => format!(
                "{server} did not greet in time: for a port with TLS from the first byte on set \
                 `mail_tls` to \"implicit\""
            ),
            Cause::Late => format!("{server} did not answer in time at {doing}{}", self.doubt()),
        }
    }

    /// What is not known after a failure that is no answer.
    fn doubt(&self) -> &'static str {
        if self.step == Step::Content { "; it is not known whether it has the mail" } else { "" }
    }
}

/// The error of the operating system or the TLS library below the library's own.
fn io_error(error: &Error) -> Option<&io::Error> {
    let mut below = error.source();
    while let Some(error) = below {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        below = error.source();
    }
    None
}

/// The reason at the bottom, without the library's words around it.
fn deepest(error: &Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = error.to_string();
        below = error.source();
    }
    text
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
pub(super) mod tests;
