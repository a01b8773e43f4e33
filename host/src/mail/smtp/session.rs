//! One connection, from the first byte to the last, step by step.
//!
//! The client library can do all steps at once, and keep a pool of connections. Neither is used:
//! from its error it cannot be told at which step it came, and with that whether the server may have
//! the mail; and it hands out again a connection whose mail was given up half-way, so that the next
//! mail would become a part of it and go to its receiver.

use std::future::Future;
use std::io;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::lines::Lines;
use super::trouble::{Cause, Step, Trouble};
use super::words::{Secrets, one_line};
use crate::mail::account::SmtpAccount;
use crate::mail::transport::{Failure, Outgoing};

/// How the connection is made secure, with the certificates that are trusted.
pub(super) enum Security {
    Implicit(TlsParameters),
    StartTls(TlsParameters),
    /// To this machine only.
    None,
}

/// The server, as it is connected to.
pub(super) struct Server {
    pub(super) account: SmtpAccount,
    pub(super) security: Security,
}

/// Until when an attempt may take, in all and for each step.
#[derive(Clone, Copy)]
pub(super) struct Time {
    end: Instant,
    step: Duration,
}

impl Time {
    /// From now on: half of it for each step, so that one that hangs leaves time for a second
    /// attempt.
    pub(super) fn new(whole: Duration) -> Self {
        Self { end: Instant::now() + whole, step: whole / 2 }
    }

    /// The same end, with less time for a step: for a connection that was idle and may be gone
    /// without a sign.
    fn impatient(self) -> Self {
        Self { step: self.step / 4, ..self }
    }

    /// Do one step.
    async fn of<T>(
        self,
        step: Step,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        // The mail itself gets all the time that is left: a server that looks for spam may need it,
        // and a second attempt would be a second mail.
        let end = if step == Step::Content { self.end } else { Instant::now() + self.step };
        timeout_at(end.min(self.end), work)
            .await
            .unwrap_or_else(|_| Err(Trouble::new(step, Cause::Late)))
    }
}

/// A mail that can be sent.
pub(super) struct Letter<'a> {
    from: Address,
    to: Address,
    content: &'a [u8],
}

impl<'a> Letter<'a> {
    /// Look at the mail: nothing in it may be taken for a command, and no line for its end.
    ///
    /// # Errors
    /// [`Failure::Permanent`]: no server is ever to get this.
    pub(super) fn new(mail: &'a Outgoing) -> Result<Self, Failure> {
        let refused = |what: &str| Failure::Permanent(format!("the mail cannot be sent: {what}"));
        let address = |text: &str, what: &str| {
            let fit = text.bytes().all(|it| it.is_ascii_graphic() && !b"<>".contains(&it));
            fit.then(|| text.parse().ok()).flatten().ok_or_else(|| refused(what))
        };
        let from = address(&mail.from, "its sender is no address")?;
        let to = address(&mail.to, "its receiver is no address")?;
        let content = mail.content.as_slice();
        // Whether the server takes more than ASCII is not asked for (RFC 6152).
        if !content.is_ascii() {
            return Err(refused("it is not ASCII"));
        }
        // A server that takes a bare line feed for a line ending would take what follows "\n.\r\n"
        // for commands.
        let mut before = 0;
        for (at, byte) in content.iter().enumerate() {
            let next = content.get(at + 1).copied();
            if (*byte == b'\n' && before != b'\r') || (*byte == b'\r' && next != Some(b'\n')) {
                return Err(refused("it has line endings other than CRLF"));
            }
            before = *byte;
        }
        // The end of the mail begins with a line ending of its own.
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        Ok(Self { from, to, content })
    }
}

/// A connection that is signed in, for one mail after another.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// Whether it has carried a mail before.
    used: bool,
    /// Whether that mail was refused, and is still to be taken back.
    refused: bool,
}

impl Session {
    /// Connect, make it secure, sign in.
    pub(super) async fn open(server: &Server, time: Time) -> Result<Self, Trouble> {
        let Server { account, security } = server;
        // The machine's own name is nobody's business; the account says who sends.
        let hello = ClientId::default();
        let mut connection = match security {
            Security::Implicit(tls) => {
                let to = (account.server.as_str(), account.port);
                let each = Some(time.step / 2);
                let tls = Some(tls.clone());
                time.of(Step::Connect, async {
                    AsyncSmtpConnection::connect_tokio1(to, each, &hello, tls, None)
                        .await
                        .map_err(told_apart)
                })
                .await?
            }
            Security::StartTls(_) | Security::None => {
                let stream = time.of(Step::Connect, connect(server, time.step / 2)).await?;
                let stream = Box::new(Lines::new(stream));
                time.of(Step::Greet, async {
                    AsyncSmtpConnection::connect_with_transport(stream, &hello)
                        .await
                        .map_err(at(Step::Greet, Secrets::None))
                })
                .await?
            }
        };
        if let Security::StartTls(tls) = security {
            if !connection.can_starttls() {
                return Err(Trouble::new(Step::Secure, Cause::NotOffered("STARTTLS")));
            }
            time.of(Step::Secure, async {
                let upgrade = connection.starttls(tls.clone(), &hello).await;
                upgrade.map_err(at(Step::Secure, Secrets::None))
            })
            .await?;
        }
        let mut session = Self { connection, used: false, refused: false };
        time.of(Step::SignIn, session.sign_in(account)).await?;
        Ok(session)
    }

    async fn sign_in(&mut self, account: &SmtpAccount) -> Result<(), Trouble> {
        if self.connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            let missing = "log-in by AUTH PLAIN or LOGIN";
            return Err(Trouble::new(Step::SignIn, Cause::NotOffered(missing)));
        }
        // Made for this moment: the library does not wipe its copy.
        let secret =
            Credentials::new(account.username.clone(), account.password.as_str().to_owned());
        let answer = self.connection.auth(DEFAULT_MECHANISMS, &secret).await;
        let answer = answer.map_err(at(Step::SignIn, Secrets::Account(account)))?;
        expect(Step::SignIn, &answer, &[235])
    }

    /// Send one mail. After `Ok` the server has it. The session is ready for the next one then, and
    /// after a [trouble that leaves it usable](Trouble::leaves_connection_usable).
    pub(super) async fn send(&mut self, letter: &Letter<'_>, time: Time) -> Result<(), Trouble> {
        let mail = Mail::new(Some(letter.from.clone()), Vec::new());
        let rcpt = Rcpt::new(letter.to.clone(), Vec::new());
        let first = if self.used { time.impatient() } else { time };
        self.used = true;
        if self.refused {
            self.reset(first).await?;
        }
        self.refused = true;
        self.command(Step::Sender, mail, &[250], letter, first).await?;
        self.command(Step::Receiver, rcpt, &[250, 251, 252], letter, time).await?;
        self.command(Step::Data, Data, &[354], letter, time).await?;
        time.of(Step::Content, async {
            let answer = self.connection.message(letter.content).await;
            let answer = answer.map_err(at(Step::Content, Secrets::Content(letter.content)))?;
            expect(Step::Content, &answer, &[250])
        })
        .await?;
        self.refused = false;
        Ok(())
    }

    async fn command(
        &mut self,
        step: Step,
        command: impl std::fmt::Display,
        expected: &[u16],
        letter: &Letter<'_>,
        time: Time,
    ) -> Result<(), Trouble> {
        time.of(step, async {
            let answer = self.connection.command(command).await;
            let answer = answer.map_err(at(step, Secrets::Content(letter.content)))?;
            expect(step, &answer, expected)
        })
        .await
    }

    /// Take back the mail that was refused. A connection that will not do so is broken: the answer
    /// has nothing to do with the next mail.
    async fn reset(&mut self, time: Time) -> Result<(), Trouble> {
        let broken = |why: &str| Trouble::new(Step::Sender, Cause::Broken(why.to_owned()));
        time.of(Step::Sender, async {
            let answer = self.connection.command(Rset).await;
            let answer = answer.map_err(|_| broken("it did not take back the mail before"))?;
            expect(Step::Sender, &answer, &[250])
        })
        .await
    }

    /// Whether the server is there and listens.
    pub(super) async fn ask(&mut self, time: Time) -> Result<(), Trouble> {
        time.of(Step::SignIn, async {
            let answer = self.connection.command(Noop).await;
            answer.map(drop).map_err(at(Step::SignIn, Secrets::None))
        })
        .await
    }

    /// Take one's leave (RFC 5321 section 4.1.1.10); the answer changes nothing.
    pub(super) async fn quit(mut self, time: Time) {
        let _ = timeout_at(time.end, self.connection.command(Quit)).await;
    }
}

/// A plain connection to the first address of the server that takes one.
async fn connect(server: &Server, each: Duration) -> Result<TcpStream, Trouble> {
    let broken =
        |error: io::Error| Trouble::new(Step::Connect, Cause::Broken(one_line(&error.to_string())));
    let SmtpAccount { server: name, port, .. } = &server.account;
    let in_the_open = matches!(server.security, Security::None);
    let mut last = Trouble::new(Step::Connect, Cause::Broken("the name has no address".to_owned()));
    for address in lookup_host((name.as_str(), *port)).await.map_err(broken)? {
        if in_the_open && !address.ip().is_loopback() {
            let why = "without TLS it must be this machine, and its name leads elsewhere";
            last = Trouble::new(Step::Connect, Cause::Broken(why.to_owned()));
            continue;
        }
        match tokio::time::timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // The end of a mail is a small packet that is not to wait for the one before.
                stream.set_nodelay(true).map_err(broken)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = broken(error),
            Err(_) => last = Trouble::new(Step::Connect, Cause::Late),
        }
    }
    Err(last)
}

/// With TLS from the first byte on the library connects, secures and listens in one: which of them
/// failed is seen from how.
fn told_apart(error: Error) -> Trouble {
    let listening = error.status().is_some() || error.is_response();
    let step = if listening { Step::Greet } else { Step::Connect };
    at(step, Secrets::None)(error)
}

fn at(step: Step, secrets: Secrets<'_>) -> impl FnOnce(Error) -> Trouble {
    move |error| Trouble::from_error(step, &error, secrets)
}

/// Any other answer, even a friendly one, is one to something else: the two sides are out of step,
/// and nothing more may be believed.
fn expect(step: Step, answer: &Response, codes: &[u16]) -> Result<(), Trouble> {
    let code = u16::from(answer.code());
    if codes.contains(&code) {
        return Ok(());
    }
    Err(Trouble::new(step, Cause::Broken(format!("the answer {code} belongs to something else"))))
}
