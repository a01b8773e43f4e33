//! A message as RFC 5322 text with MIME, whatever way it then goes.

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::address::split;
use super::{Error, Message};
use crate::random;

/// The message to be sent, its envelope included.
///
/// `message_id` is given, so that a second attempt bears the same one and a receiver can drop it:
/// see [`message_id`]. `Auto-Submitted` (RFC 3834) keeps holiday notices from answering.
///
/// # Errors
/// [`Error::Rejected`] for an address that no mail can be sent to, or a control character in a
/// header: nothing of a message may begin a header of its own.
pub(crate) fn render(
    message: &Message,
    from: Mailbox,
    message_id: &str,
) -> Result<lettre::Message, Error> {
    if message.subject.chars().any(char::is_control) {
        return Err(Error::Rejected("the subject has a control character".to_owned()));
    }
    let to = Mailbox::new(None, address(&message.to)?);
    // Not read back from the headers, where a quoted local part would not be understood.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])
        .map_err(|error| Error::Other(error.to_string()))?;
    let headers = lettre::Message::builder()
        .from(from)
        .to(to)
        .envelope(envelope)
        .subject(message.subject.as_str())
        .date_now()
        .message_id(Some(message_id.to_owned()))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    let text = part(ContentType::TEXT_PLAIN, &message.text);
    let rendered = match &message.html {
        None => headers.singlepart(text),
        Some(html) => {
            // The last part is the preferred one (RFC 2046 section 5.1.4). The boundary is not to
            // be guessed by whoever wrote the text.
            let parts = MultiPart::alternative()
                .boundary(random()?)
                .singlepart(text)
                .singlepart(part(ContentType::TEXT_HTML, html));
            headers.multipart(parts)
        }
    };
    rendered.map_err(|error| Error::Other(format!("the message cannot be put together: {error}")))
}

/// A fresh Message-ID (RFC 5322 section 3.6.4).
pub(crate) fn message_id(domain: &str) -> Result<String, Error> {
    Ok(format!("<{}@{domain}>", random()?))
}

/// 128 random bits in hexadecimal.
pub(crate) fn random() -> Result<String, Error> {
    random::hex()
        .map_err(|error| Error::Other(format!("the system gives no random bytes: {error}")))
}

/// The address to send to: one address, not a list, a group or a name with one.
///
/// A local part that is no dot-atom because of its dots (`a..b@example.com`, which old databases
/// hold and some providers gave out) is written as a quoted string, as RFC 5321 section 4.1.2 has
/// it.
fn address(text: &str) -> Result<Address, Error> {
    let refused = || Error::Rejected("mail cannot be sent to this address".to_owned());
    let (local, domain) = split(text).ok_or_else(refused)?;
    Address::new(local, domain)
        .or_else(|_| Address::new(format!("\"{local}\""), domain))
        .map_err(|_| refused())
}

/// One body. Line endings become CRLF; what 7 bits and short lines cannot carry is encoded.
fn part(kind: ContentType, text: &str) -> SinglePart {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let builder = SinglePart::builder().header(kind);
    if text.chars().any(|c| c.is_ascii_control() && c != '\n' && c != '\t') {
        // Not allowed in the open (RFC 2045 section 2.7); the encoder would let it through.
        return builder.header(ContentTransferEncoding::QuotedPrintable).body(text);
    }
    builder.body(text)
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
