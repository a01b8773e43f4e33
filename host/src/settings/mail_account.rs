//! The keys of the mail account: `mail_info`, `mail_tls` and `mail_from`.

use super::origin::{Origin, wrong};
use super::taker::Taker;
use crate::error::SetupError;
use crate::mail::account::{MailTls, SmtpAccount, is_loopback, is_server};
use crate::mail::address::is_sender;

/// The four keys of `mail_info`.
const MAIL_INFO: [&str; 4] =
    ["mail_info.server", "mail_info.port", "mail_info.username", "mail_info.password"];

/// Take the account out of a layer; none, when there is no `mail_info`.
pub(super) fn take(taker: &mut Taker<'_>) -> Result<Option<SmtpAccount>, SetupError> {
    let table = "must be a table of server, port, username and password";
    if let Some(entry) = taker.entries.get("mail_info") {
        return Err(wrong(taker.tenant, "mail_info", table, &entry.origin));
    }
    let mut given = taker.entries.iter().filter(|(key, _)| key.starts_with("mail_info."));
    let Some((_, first)) = given.clone().next() else { return without_account(taker) };
    let somewhere = first.origin.clone();
    if let Some((key, entry)) = given.find(|(key, _)| !MAIL_INFO.contains(&key.as_str())) {
        let problem = "is unknown: `mail_info` has server, port, username and password";
        return Err(wrong(taker.tenant, key, problem, &entry.origin));
    }
    if let Some(missing) = MAIL_INFO.iter().find(|key| !taker.entries.contains_key(**key)) {
        let problem = "is missing: `mail_info` needs server, port, username and password";
        return Err(wrong(taker.tenant, missing, problem, &somewhere));
    }
    let [server, port, username, password] = MAIL_INFO;
    let port = taker.integer(port, 1..=65535)?;
    let (Some((server, server_origin)), Some(port), Some((username, user_origin)), Some(password)) =
        (taker.text(server)?, port, taker.text(username)?, taker.text(password)?)
    else {
        return Err(wrong(taker.tenant, "mail_info", table, &somewhere));
    };
    if !is_server(&server) {
        let problem = "must be a host name or an address, without port or scheme";
        return Err(wrong(taker.tenant, "mail_info.server", problem, &server_origin));
    }
    let tls = tls(taker, &server, port)?;
    let from = from(taker, &username, &user_origin)?;
    Ok(Some(SmtpAccount {
        server: server.as_str().to_owned(),
        port,
        username: username.as_str().to_owned(),
        password: password.0,
        tls,
        from,
    }))
}

/// What is about an account must not stand there without one: it would say nothing.
fn without_account(taker: &mut Taker<'_>) -> Result<Option<SmtpAccount>, SetupError> {
    for key in ["mail_tls", "mail_from"] {
        if let Some((_, origin)) = taker.text(key)? {
            let problem = "is for a mail account: it needs `mail_info`";
            return Err(wrong(taker.tenant, key, problem, &origin));
        }
    }
    Ok(None)
}

fn tls(taker: &mut Taker<'_>, server: &str, port: u16) -> Result<MailTls, SetupError> {
    let Some((text, origin)) = taker.text("mail_tls")? else { return Ok(MailTls::for_port(port)) };
    match text.as_str() {
        "auto" => Ok(MailTls::for_port(port)),
        "implicit" => Ok(MailTls::Implicit),
        "starttls" => Ok(MailTls::StartTls),
        "none" if is_loopback(server) => Ok(MailTls::None),
        "none" => {
            let problem = "cannot be \"none\": the password would be sent in the open, and \
                           `mail_info.server` is not this machine";
            Err(wrong(taker.tenant, "mail_tls", problem, &origin))
        }
        _ => {
            let problem = "must be \"auto\", \"implicit\", \"starttls\" or \"none\"";
            Err(wrong(taker.tenant, "mail_tls", problem, &origin))
        }
    }
}

fn from(
    taker: &mut Taker<'_>,
    username: &str,
    username_origin: &Origin,
) -> Result<String, SetupError> {
    match taker.text("mail_from")? {
        Some((text, _)) if is_sender(&text) => Ok(text.as_str().to_owned()),
        Some((_, origin)) => {
            let problem = "must be one e-mail address, without a name";
            Err(wrong(taker.tenant, "mail_from", problem, &origin))
        }
        None if is_sender(username) => Ok(username.to_owned()),
        None => {
            let problem = "is missing: `mail_info.username` is no e-mail address that could be the \
                           sender";
            Err(wrong(taker.tenant, "mail_from", problem, username_origin))
        }
    }
}
