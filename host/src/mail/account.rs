//! An account on a mail server: what is needed to send with it.

use std::net::IpAddr;

use zeroize::Zeroizing;

/// An account on a mail server. Not `Debug`: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpAccount {
    /// Host name or address; the server's certificate must be valid for it.
    pub server: String,
    /// Port, not 0.
    pub port: u16,
    /// Name to sign in with.
    pub username: String,
    /// Password to sign in with.
    pub password: Zeroizing<String>,
    /// How the connection is made secure.
    pub tls: MailTls,
    /// The sender of all mail, an address alone.
    pub from: String,
}

/// How the connection to a mail server is made secure. Certificates are verified in every case, and
/// a connection that cannot be made secure carries neither the password nor a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailTls {
    /// TLS from the first byte on (RFC 8314 section 3.3).
    Implicit,
    /// TLS after the command STARTTLS (RFC 3207), which the server must offer.
    StartTls,
    /// No TLS: for a server on this machine only.
    None,
}

impl MailTls {
    /// What a port means by convention: 465 is for TLS from the first byte on (RFC 8314 section
    /// 7.3), any other for STARTTLS.
    #[must_use]
    pub fn for_port(port: u16) -> Self {
        if port == 465 { Self::Implicit } else { Self::StartTls }
    }
}

/// Whether the server is this machine by its very name: what is said to it crosses no wire.
#[must_use]
pub fn is_loopback(server: &str) -> bool {
    server.eq_ignore_ascii_case("localhost")
        || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether this can be the name of a server: a host name or an address, and nothing around it.
pub(crate) fn is_server(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let name = |text: &str| {
        text.len() <= 253
            && text.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
    };
    text.parse::<IpAddr>().is_ok() || name(text)
}
