//! What callers send.

use std::net::SocketAddr;

use axum::body::Body;
use hyper::header::{CONTENT_TYPE, HOST};

/// A request as it is sent again and again.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    /// With its type.
    pub body: Option<(&'static str, String)>,
    /// What a good answer holds; one of status 200 without it is counted as a failure.
    pub holds: &'static str,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: None, holds: "" }
    }

    pub fn post(path: impl Into<String>, json: &serde_json::Value) -> Self {
        Self {
            method: "POST",
            body: Some(("application/json", json.to_string())),
            ..Self::get(path)
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub fn holds(self, text: &'static str) -> Self {
        Self { holds: text, ..self }
    }

    /// Send it on a connection of its own, and give the status of the answer, if one comes that is as
    /// it should be.
    pub fn send_once(&self, url: &str) -> Option<u16> {
        let mut request = ureq::http::Request::builder().method(self.method);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some((kind, _)) = &self.body {
            request = request.header("Content-Type", *kind);
        }
        let body = self.body.as_ref().map(|(_, text)| text.as_str()).unwrap_or_default();
        let request = request.uri(format!("{url}{}", self.path)).body(body).unwrap();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let mut answer = agent.new_agent().run(request).ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        text.contains(self.holds).then_some(answer.status().as_u16())
    }

    pub(super) fn build(&self, host: SocketAddr) -> hyper::Request<Body> {
        let request = hyper::Request::builder().method(self.method).uri(&self.path);
        let mut request = request.header(HOST, host.to_string());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let Some((kind, text)) = &self.body else {
            return request.body(Body::empty()).unwrap();
        };
        request.header(CONTENT_TYPE, *kind).body(Body::from(text.clone())).unwrap()
    }
}
