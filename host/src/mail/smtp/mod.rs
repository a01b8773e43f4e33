//! Mail over SMTP, submitted to the server of one account (RFC 6409).
//!
//! - `session`: one connection, step by step;
//! - `pool`: the few connections that are kept;
//! - `trouble`: what went wrong, and what that means for the mail;
//! - `words`: what may be told of what the server says;
//! - `lines`: what keeps words from before the encryption out of it.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use tokio::time::Instant;

mod lines;
mod pool;
mod session;
mod trouble;
mod words;

pub use super::account::{MailTls, SmtpAccount};
use super::account::{is_loopback, is_server};
use super::address::is_sender;
use super::transport::{Failure, Outgoing, Transport};
use crate::error::SetupError;
use crate::files::read_bounded;
use pool::{CONNECTIONS, Pool, Slot};
use session::{Letter, Security, Server, Session, Time};
use trouble::Trouble;
use words::one_line;

/// How long an attempt may take, unless [`SmtpTransport::time`] says otherwise: less than a call
/// waits for its mail, so that the answer is known when the call has to answer.
const TIME: Duration = Duration::from_secs(8);
/// How long after a refused log-in none is tried: many servers lock an account, or shut out a
/// machine, after a few.
const PAUSE: Duration = Duration::from_secs(15);
/// The most that a file of certificates may hold, in bytes; all of Mozilla's have 230 KiB.
const CERTS_LIMIT: u64 = 2 * 1024 * 1024;

/// Sends mail through one account.
///
/// - The connection is encrypted (TLS 1.2 or newer) and the server's certificate verified before
///   the password or a mail is sent; see [`MailTls`] for the exception.
/// - At most 8 connections are open at once. They serve further mails, and are closed after 30
///   seconds without use. One that has died meanwhile costs no mail: another is opened, unless the
///   mail itself had been begun.
/// - A mail that was given up (the future dropped, the time over) leaves with its connection.
/// - What the server is quoted with is one line of at most 200 printable ASCII characters, without
///   runs of four digits, and is left out altogether when it repeats a piece of the mail or the
///   password.
///
/// | what happens | result |
/// |---|---|
/// | the server answers 250 to the whole mail | sent |
/// | 5yz to sender, receiver or mail (RFC 5321 section 4.2.1) | [`Failure::Permanent`] |
/// | 4yz at any step, 5yz before the sender | [`Failure::Temporary`] |
/// | name or password refused (535 and the like, RFC 4954 section 6), at any step | [`Failure::Temporary`], and an error in the log |
/// | bad certificate, no STARTTLS, no usable log-in offered | [`Failure::Temporary`], and an error in the log; nothing was sent |
/// | no connection, no answer in time, or closed half-way | [`Failure::Temporary`]; when the whole mail had been sent, the server may have it |
///
/// The error in the log comes once, and again after the account has worked meanwhile.
///
/// Needs a [`tokio`] runtime with its timer and network.
pub struct SmtpTransport {
    server: Server,
    time: Duration,
    pool: Pool,
    /// When the server last refused name and password, and what was told then.
    refused: Mutex<Option<(Instant, Failure)>>,
    /// Whether the operator has been told that something is wrong with the settings.
    complained: AtomicBool,
}

impl SmtpTransport {
    /// Set up, without connecting. `certs` is a file of CA certificates (PEM) that are trusted
    /// beside those of the platform.
    ///
    /// # Errors
    /// [`SetupError::Mail`], with the key, for a server or sender that can be none, for
    /// [`MailTls::None`] with a server that is not this machine, and for certificates that cannot
    /// be read.
    pub fn new(account: &SmtpAccount, certs: Option<&Path>) -> Result<Self, SetupError> {
        let SmtpAccount { server, from, tls, .. } = account;
        if !is_server(server) {
            return Err(SetupError::Mail(format!(
                "`mail_info.server` must be a host name or an address, `{}` is none",
                one_line(server)
            )));
        }
        if !is_sender(from) {
            return Err(SetupError::Mail("`mail_from` must be one e-mail address".to_owned()));
        }
        let security = match tls {
            MailTls::None if is_loopback(server) => Security::None,
            MailTls::None => {
                return Err(SetupError::Mail(format!(
                    "`mail_tls` is \"none\", which would send the password in the open: {server} is \
                     not this machine"
                )));
            }
            MailTls::Implicit => Security::Implicit(tls_parameters(server, certs)?),
            MailTls::StartTls => Security::StartTls(tls_parameters(server, certs)?),
        };
        Ok(Self {
            server: Server { account: account.clone(), security },
            time: TIME,
            pool: Pool::new(),
            refused: Mutex::new(None),
            complained: AtomicBool::new(false),
        })
    }

    /// With another bound on an attempt as a whole than 8 seconds. A step may take half of it; the
    /// mail itself all that is left.
    #[must_use]
    pub fn time(mut self, whole: Duration) -> Self {
        self.time = whole;
        self
    }

    /// A signed-in connection, unless the account was refused a moment ago.
    async fn open(&self, time: Time) -> Result<Session, Failure> {
        if let Some(failure) = self.refused_lately() {
            return Err(failure);
        }
        let opened = Session::open(&self.server, time).await.map_err(|trouble| self.tell(&trouble));
        if opened.is_ok() {
            self.complained.store(false, Ordering::Relaxed);
        }
        opened
    }

    fn refused_lately(&self) -> Option<Failure> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, failure)| failure.clone())
    }

    /// After a mail: keep the connection, if it is fit for another one.
    fn end(&self, slot: Slot, session: Session, sent: Result<(), Trouble>) -> Result<(), Failure> {
        if sent.as_ref().err().is_none_or(Trouble::leaves_connection_usable) {
            slot.keep(session);
        }
        sent.map_err(|trouble| self.tell(&trouble))
    }

    /// What the trouble means for the mail; what is for the operator goes to the log.
    fn tell(&self, trouble: &Trouble) -> Failure {
        let failure = trouble.failure(&self.server.account);
        if trouble.is_refused_sign_in() {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *refused = Some((Instant::now(), failure.clone()));
        }
        if trouble.is_for_the_operator() && !self.complained.swap(true, Ordering::Relaxed) {
            tracing::error!("mail cannot be sent with these settings: {failure}");
        } else {
            tracing::debug!("mail was not sent: {failure}");
        }
        failure
    }
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), Failure> {
        let letter = Letter::new(mail)?;
        let time = Time::new(self.time);
        // With what is left after waiting a mail must still be sent.
        let Some(slot) = self.pool.slot(Instant::now() + self.time / 4).await else {
            let text = format!("all {CONNECTIONS} connections to the mail server are in use");
            return Err(Failure::Temporary(text));
        };
        if let Some(mut session) = slot.kept() {
            let sent = session.send(&letter, time).await;
            match &sent {
                Err(trouble) if trouble.calls_for_another_connection() => {
                    tracing::debug!("a kept connection to the mail server was gone");
                }
                _ => return self.end(slot, session, sent),
            }
        }
        let mut session = self.open(time).await?;
        let sent = session.send(&letter, time).await;
        self.end(slot, session, sent)
    }

    /// Connect, secure, sign in and leave, whatever is kept and however the account fared before.
    async fn check(&self) -> Result<(), Failure> {
        let time = Time::new(self.time);
        let checked = async {
            let mut session = Session::open(&self.server, time).await?;
            session.ask(time).await?;
            session.quit(time).await;
            Ok(())
        };
        let checked: Result<(), Trouble> = checked.await;
        checked.map_err(|trouble| trouble.failure(&self.server.account))
    }
}

/// Trust the platform's authorities, and those in the file.
fn tls_parameters(server: &str, certs: Option<&Path>) -> Result<TlsParameters, SetupError> {
    let wrong = |path: &Path, problem: &str| {
        SetupError::Mail(format!("`certs`: {} {problem}", path.display()))
    };
    let mut builder = TlsParameters::builder(server.to_owned());
    if let Some(path) = certs {
        let content = File::open(path)
            .and_then(|file| read_bounded(file, CERTS_LIMIT))
            .map_err(|error| wrong(path, &format!("cannot be read: {error}")))?;
        let begin = b"-----BEGIN CERTIFICATE-----";
        if !content.windows(begin.len()).any(|it| it == begin) {
            return Err(wrong(path, "holds no certificate (PEM)"));
        }
        let certificates = Certificate::from_pem(&content)
            .map_err(|_| wrong(path, "holds something that is no certificate (PEM)"))?;
        builder = builder.add_root_certificate(certificates);
    }
    builder.build().map_err(|_| match certs {
        Some(path) => wrong(path, "holds a certificate that cannot be used"),
        None => SetupError::Mail("TLS cannot be set up on this machine".to_owned()),
    })
}
