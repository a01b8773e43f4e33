//! Looking for secrets, however they are written.

use std::collections::{BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use crate::servers::http::encode;

/// The ways in which a secret could be written: as it is, as in JSON, a page, a URL, a form, in base64
/// wherever it begins in what is encoded, and in hexadecimal.
fn spellings(secret: &str) -> BTreeSet<String> {
    let json = json!(secret).to_string();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url = encode(secret);
    let page = secret.replace('&', "&amp;").replace('"', "&quot;");
    let mut spellings = BTreeSet::from([
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        page,
        url.replace("%20", "+"),
        url,
        hex.to_uppercase(),
        hex,
    ]);
    for before in 0..3 {
        let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
        // Without what depends on the octets around it.
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [STANDARD, URL_SAFE] {
            spellings.insert(engine.encode(&bytes)[first..last].to_owned());
        }
    }
    spellings
}

/// The first of these secrets that stands in the text, in any spelling.
pub fn found(secrets: &BTreeSet<String>, text: &[u8]) -> Option<String> {
    const START: usize = 8;
    let mut by_start: HashMap<Vec<u8>, Vec<String>> = HashMap::new();
    for spelling in secrets.iter().flat_map(|it| spellings(it)) {
        by_start.entry(spelling.as_bytes()[..START].to_vec()).or_default().push(spelling);
    }
    let mut places = text.windows(START).enumerate();
    places.find_map(|(at, start)| {
        let spellings = by_start.get(start)?;
        spellings.iter().find(|it| text[at..].starts_with(it.as_bytes())).cloned()
    })
}

#[test]
fn a_secret_is_found_in_any_spelling() {
    let secret = "Tr0ub4dor&3 \"horse\" \u{e4}";
    let secrets = BTreeSet::from([secret.to_owned()]);
    let hex: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
    for text in [
        format!("password={secret};"),
        json!({ "password": secret }).to_string(),
        format!("/sign-in?password={}&x=1", encode(secret)),
        format!("<p>{}</p>", "Tr0ub4dor&amp;3 &quot;horse&quot; \u{e4}"),
        format!("email=a&password={}", encode(secret).replace("%20", "+")),
        format!("AUTH PLAIN {}", STANDARD.encode(format!("\0ann\0{secret}"))),
        STANDARD.encode(format!("ann:{secret}\n")),
        URL_SAFE.encode(format!("{secret}:ann")),
        format!("0x{hex}"),
    ] {
        assert!(found(&secrets, text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(&secrets, b"Tr0ub4dor&3 \"donkey\""), None);
}
