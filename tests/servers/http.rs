//! A small HTTP client: every status is an answer, no redirect is followed, no cookie is kept.

use serde_json::Value as Json;
use ureq::http::{HeaderMap, Request};
use ureq::{Agent, AsSendBody};

use super::PATIENCE;

pub const JSON: &str = "application/json";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The most that an answer may hold.
const MAX_ANSWER: u64 = 16 << 20;

/// Who asks one server, with headers that go with every request.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    /// For paths below this URL, which has no slash at its end.
    pub fn new(base: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            // A connection a request: none is used that the server is just about to close.
            .max_idle_connections(0)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Self { agent, base: base.to_owned(), headers: Vec::new() }
    }

    /// With one more header in every request.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// With a token, in place of an earlier one.
    pub fn bearer(&self, token: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(name, _)| name != "Authorization");
        client.with("Authorization", &format!("Bearer {token}"))
    }

    /// With one more cookie in every request.
    pub fn cookie(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        match client.headers.iter_mut().find(|(name, _)| name == "Cookie") {
            Some((_, cookies)) => *cookies += &format!("; {name}={value}"),
            None => client.headers.push(("Cookie".to_owned(), format!("{name}={value}"))),
        }
        client
    }

    /// With the cookies that an answer sets, in place of earlier ones of their names, as a browser
    /// has them afterwards.
    pub fn with_cookies_of(&self, answer: &Answer) -> Self {
        let mut cookies: Vec<(String, String)> = Vec::new();
        for (_, line) in self.headers.iter().filter(|(name, _)| name == "Cookie") {
            for pair in line.split("; ") {
                let (name, value) = pair.split_once('=').unwrap();
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        for (name, value, attributes) in answer.set_cookies() {
            cookies.retain(|(known, _)| *known != name);
            if !attributes.to_ascii_lowercase().contains("max-age=0") {
                cookies.push((name, value));
            }
        }
        let mut client = self.clone();
        client.headers.retain(|(name, _)| name != "Cookie");
        cookies.iter().fold(client, |client, (name, value)| client.cookie(name, value))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, ())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, ())
    }

    pub fn post(&self, path: &str, body: Json) -> Answer {
        self.send("POST", path, Some(JSON), body.to_string())
    }

    /// A form, as a browser sends it from a page of the same origin.
    pub fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.with("Sec-Fetch-Site", "same-origin").send("POST", path, Some(FORM), body.join("&"))
    }

    /// # Panics
    /// When nothing comes back.
    #[track_caller]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: impl AsSendBody,
    ) -> Answer {
        let answer = self.try_send(method, path, content_type, body);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: impl AsSendBody,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(kind) = content_type {
            request = request.header("Content-Type", kind);
        }
        let answer = self.agent.run(request.body(body).unwrap())?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(MAX_ANSWER).read_to_vec()?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}: {}", self.status, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The cookies that it sets: name, value, attributes.
    pub fn set_cookies(&self) -> Vec<(String, String, String)> {
        let lines = self.headers.get_all("Set-Cookie").iter();
        lines
            .map(|line| {
                let line = line.to_str().unwrap();
                let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), value.to_owned(), attributes.trim().to_owned())
            })
            .collect()
    }

    /// The value of a cookie that it sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.set_cookies().into_iter().find(|(known, ..)| known == name).map(|(_, value, _)| value)
    }

    /// See that the status is this one.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{:?}\n{text}", self.headers);
        self
    }

    /// See that it leads elsewhere, and tell where to.
    #[track_caller]
    pub fn leads_to(&self) -> &str {
        assert!((301..=308).contains(&self.status), "{}\n{}", self.status, self.text());
        self.header("Location").expect("a redirect says where to")
    }
}

/// A text as it stands in a query or a form.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}
