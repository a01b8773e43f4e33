//! The code mail: the tenant's subject and body, with the code in it.

use crate::outcome::{Code, Failure, Refusal, Stop};
use crate::ports::{Delivery, Guard, MailError, Message, Ports};
use crate::record::Use;
use crate::settings::{self, PLACEHOLDER};

/// A code that is to be mailed.
pub struct Draft<'a> {
    /// The form that the owner of the address gave.
    pub to: &'a str,
    /// The account's key.
    pub key: &'a str,
    /// What the code is for.
    pub of: Use,
    /// The code itself.
    pub digits: &'a str,
    /// Its digest, as it stands in the store.
    pub digest: &'a str,
    /// When it ends.
    pub until: u64,
}

/// Hand a code mail over. Where accounts are hidden it is queued, and the caller does not learn what
/// becomes of it.
///
/// # Errors
/// 400 when it will never be delivered; what was changed for it is then to be taken back.
pub fn send(ports: &dyn Ports, draft: &Draft<'_>) -> Result<(), Stop> {
    let subject = settings::MAIL_SUBJECT.read(ports).map_err(Failure::from)?;
    let body = settings::MAIL_BODY.read(ports).map_err(Failure::from)?;
    let filled = body.replace(PLACEHOLDER, draft.digits);
    let html = is_html(&body);
    let message = Message {
        to: draft.to.to_owned(),
        subject: subject.replace(PLACEHOLDER, draft.digits),
        text: if html { to_text(&filled) } else { filled.clone() },
        html: html.then_some(filled),
        valid_until: draft.until,
        guard: Some(Guard {
            collection: crate::record::USERS.to_owned(),
            key: draft.key.to_owned(),
            path: crate::record::code_path(draft.of, &["digest"]),
            value: crate::record::json(&draft.digest),
        }),
    };
    if ports.hide_accounts() {
        // Why it could not be queued stands in the host's log.
        let _ = ports.enqueue(&message);
        return Ok(());
    }
    let refuse = |why: String| Err(Refusal::because(Code::Error, why).into());
    match ports.send(&message) {
        Ok(Delivery::Accepted | Delivery::Queued) => Ok(()),
        Err(MailError::Rejected(why)) => refuse(format!("the mail was refused: {why}")),
        Err(MailError::Unconfigured) => refuse("no mailer".to_owned()),
        Err(MailError::Other(why)) => refuse(format!("the mail could not be handed over: {why}")),
    }
}

/// The elements by which a body is known to be HTML.
const ELEMENTS: [&str; 25] = [
    "a", "b", "body", "br", "center", "div", "em", "font", "h1", "h2", "h3", "h4", "head", "hr",
    "html", "i", "img", "li", "ol", "p", "span", "strong", "table", "ul", "!doctype",
];
/// The elements whose end or beginning is a new line of the text.
const BLOCKS: [&str; 15] = [
    "br", "center", "div", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "table", "title", "tr",
    "ul",
];
/// The elements whose content nobody is shown.
const HIDDEN: [&str; 4] = ["head", "script", "style", "title"];

fn is_html(body: &str) -> bool {
    body.split('<').skip(1).any(|rest| {
        rest.contains('>')
            && ELEMENTS.contains(&element(rest.strip_prefix('/').unwrap_or(rest)).as_str())
    })
}

/// The lower-case name at the beginning of a tag's inside.
fn element(tag: &str) -> String {
    let end = tag.find(|c: char| !(c.is_ascii_alphanumeric() || c == '!')).unwrap_or(tag.len());
    tag.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// What a person would read of the page: no tags, a line a block, links with their address.
fn to_text(html: &str) -> String {
    let mut text = String::new();
    let mut hidden: Option<String> = None;
    let mut link: Option<String> = None;
    let mut parts = html.split('<');
    if let Some(before) = parts.next() {
        push_words(&mut text, before);
    }
    for part in parts {
        let Some((tag, words)) = part.split_once('>') else { continue };
        if tag.starts_with("!--") && !tag.ends_with("--") {
            continue; // a comment that holds a '>': its rest is dropped with it
        }
        let (closing, name) = match tag.strip_prefix('/') {
            Some(rest) => (true, element(rest)),
            None => (false, element(tag)),
        };
        if let Some(open) = &hidden {
            if !(closing && name == *open) {
                continue;
            }
            hidden = None;
        } else if !closing && HIDDEN.contains(&name.as_str()) {
            hidden = Some(name);
            continue;
        }
        if name == "a" {
            match (closing, link.take()) {
                (true, Some(address)) if !text.ends_with(&address) => {
                    text.push_str(" (");
                    text.push_str(&address);
                    text.push(')');
                }
                (false, _) => link = attribute(tag, "href").map(|value| entities(&value)),
                _ => {}
            }
        }
        if BLOCKS.contains(&name.as_str()) && !text.is_empty() && !text.ends_with("\n\n") {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        push_words(&mut text, words);
    }
    text.trim().to_owned()
}

fn push_words(text: &mut String, source: &str) {
    let at_start = |text: &str| text.is_empty() || text.ends_with(['\n', ' ']);
    if source.starts_with(|c: char| c.is_ascii_whitespace()) && !at_start(text) {
        text.push(' ');
    }
    let words: Vec<&str> = source.split_ascii_whitespace().collect();
    text.push_str(&entities(&words.join(" ")));
    if !words.is_empty() && source.ends_with(|c: char| c.is_ascii_whitespace()) {
        text.push(' ');
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.find(&format!("{name}="))? + name.len() + 1;
    let rest = tag.get(at..)?;
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest.get(1..)?.split(quote).next()?,
        _ => rest.split_ascii_whitespace().next()?,
    };
    Some(value.to_owned())
}

fn entities(text: &str) -> String {
    [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, meant)| text.replace(entity, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_taken_for_html() {
        for body in [
            "Your code is {verifcode}",
            "1 < 2 > 0",
            "<{verifcode}>",
            "a<b and c",
            "<me@example.com>",
        ] {
            assert!(!is_html(body), "{body}");
        }
        for body in
            ["<p>{verifcode}</p>", "Hello<br>{verifcode}", "<!DOCTYPE html><html>", "<B>x</B>"]
        {
            assert!(is_html(body), "{body}");
        }
    }

    #[test]
    fn the_text_part_can_be_read() {
        let html = "<html><head><title>T</title><style>p > a { color: red }</style></head><body>\n\
                    <p>Hello &amp; welcome,</p>\n<p>your code: <b>123456</b></p>\
                    <ul><li>one<li>two</ul><a href=\"https://example.com/?a=1&amp;b=2\">Help</a> \
                    <!-- a > b --></body></html>";
        assert_eq!(
            to_text(html),
            "Hello & welcome,\n\nyour code: 123456\n\none\ntwo\nHelp (https://example.com/?a=1&b=2)"
        );
    }

    #[test]
    fn broken_markup_does_not_lose_the_code() {
        for html in
            ["<p>code 123456", "<b>123456</b", "<p>x</p>123456", "<p class='a>b'>123456</p>"]
        {
            assert!(to_text(html).contains("123456"), "{html}: {}", to_text(html));
        }
    }
}
