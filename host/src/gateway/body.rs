//! Bodies: of the right type, of bounded length, and sent in time.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::reply::{Kind, Refusal};
use crate::functions::MAX_ARGUMENTS;

/// The most bytes of a form.
const MAX_FORM: usize = 64 << 10;

/// How much of a body that is too large is taken off the wire all the same: a client that is still
/// sending when the connection is closed does not see why.
const MOST_WASTED: usize = 1 << 20;

/// The type of a form that a browser sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// How long a body may take; put into the extensions of a request by the outermost layer.
#[derive(Clone, Copy)]
pub(crate) struct BodyTime(pub(crate) Duration);

/// A body of JSON, as text. It may hold a password.
pub(crate) struct JsonText(pub(crate) Zeroizing<String>);

/// A form, as a browser sends it.
pub(crate) struct Form<T>(pub(crate) T);

impl<S: Sync> FromRequest<S> for JsonText {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = read(request, "application/json", MAX_ARGUMENTS).await?;
        let text = str::from_utf8(&body).map_err(|_| Refusal::usage("the body is not UTF-8"))?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = read(request, FORM, MAX_FORM).await?;
        let form = Request::post("/")
            .header(CONTENT_TYPE, FORM)
            .body(axum::body::Body::from(body.to_vec()))
            .map_err(|_| wrong_form())?;
        // Not the parser's own words: they may repeat what somebody typed.
        axum::Form::from_request(form, &()).await.map(|form| Self(form.0)).map_err(|_| wrong_form())
    }
}

fn wrong_form() -> Refusal {
    Refusal::usage("the form lacks a field, or has one that is wrong")
}

/// The whole body.
async fn read(
    request: Request,
    expected: &'static str,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let time = request.extensions().get::<BodyTime>().map_or(Duration::from_secs(10), |it| it.0);
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !given.trim_ascii().eq_ignore_ascii_case(expected) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(
            status,
            Kind::Unsupported,
            format!("the body must be {expected}"),
        ));
    }
    let too_large = || {
        let text = format!("the body exceeds {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Kind::TooLarge, text)
    };
    let body = request.into_body();
    if body.size_hint().lower() > (limit + MOST_WASTED) as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(time, collect(body, limit)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::usage("the body broke off")),
        Err(_) => {
            let text = "the body took too long";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, Kind::Usage, text))
        }
    }
}

/// All parts of a body in one; none when it is too large.
async fn collect(
    mut body: axum::body::Body,
    limit: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, axum::Error> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit);
    let mut whole = Zeroizing::new(Vec::with_capacity(expected));
    let mut wasted = 0;
    loop {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await;
        let Some(frame) = frame else { return Ok((wasted == 0).then_some(whole)) };
        let Ok(data) = frame?.into_data() else { continue };
        if wasted == 0 && whole.len() + data.len() <= limit {
            whole.extend_from_slice(&data);
            continue;
        }
        wasted += data.len();
        if wasted > MOST_WASTED {
            return Ok(None);
        }
    }
}
