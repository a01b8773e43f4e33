//! Which texts are an address that mail can be sent to or from.

/// Local part and domain of one address, not of a list, a group or a name with one: ASCII, the
/// characters of a dot-atom (RFC 5322 section 3.2.3), at most 254 octets (RFC 5321 section
/// 4.5.3.1.3). Dots may stand where none belong, as in `a..b@example.com`, which old databases hold
/// and some providers gave out.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let labels = domain.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    let fits = !local.is_empty() && local.bytes().all(plain) && labels && text.len() <= 254;
    fits.then_some((local, domain))
}

/// Whether mail may have this sender: as [`split`], and the local part a dot-atom.
pub(crate) fn is_sender(text: &str) -> bool {
    split(text)
        .is_some_and(|(local, _)| local.len() <= 64 && local.split('.').all(|it| !it.is_empty()))
}
