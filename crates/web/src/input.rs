//! What comes in with a call: a bounded body, JSON of a known shape.
//!
//! Invariants: a body is read only for callers with a key, up to its bound, and in bounded time; JSON that cannot be
//! read says where, JSON of the wrong shape names every place.
//! Left to others: rules about values (`engine`).

pub(crate) mod form;

use std::mem;
use std::pin::pin;
use std::time::Duration;

use axum::BoxError;
use axum::body::HttpBody as Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use domain::key::Scope;
use engine::problem::Problem as Page;
use engine::{Flaw, Idempotency};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http_body_util::BodyExt as _;
use memchr::memchr_iter;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::auth::Caller;
use crate::idempotency;
use crate::openapi::shape;
use crate::problem::{Halt, Problem};
use crate::state::State;

/// The most bytes of a body in general.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes of a batch of events.
pub(crate) const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of a body beyond [`BODY_BYTES_MAX`], the most commas: each value of JSON takes a hundred times its bytes, and more, once it
/// is looked at for flaws.
const COMMAS_MAX: usize = 250_000;
/// Bodies up to here are read for whoever calls; longer ones may have to wait until it is known who that is.
const SMALL_BYTES_MAX: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// A call with a body.
#[derive(Debug)]
pub(crate) struct Input<const BYTES_MAX: usize = BODY_BYTES_MAX> {
    pub(crate) caller: Caller,
    body: Bytes,
}

impl<const BYTES_MAX: usize> FromRequest<State> for Input<BYTES_MAX> {
    type Rejection = Halt;

    async fn from_request(request: Request, state: &State) -> Result<Self, Halt> {
        let (parts, body) = request.into_parts();
        Self::of(parts, body, state).await
    }
}

impl<const BYTES_MAX: usize> Input<BYTES_MAX> {
    /// Finds out who calls, and reads the body.
    pub(crate) async fn of<B>(parts: Parts, body: B, state: &State) -> Result<Self, Halt>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let caller = Caller::of(parts, state).await?;
        let body = read(&caller.parts.headers, body, BYTES_MAX).await?;
        Ok(Self { caller, body })
    }

    /// Refuses callers whose key lacks a scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Halt> {
        self.caller.may(scope)
    }

    /// Gives the idempotency key, if there is one; one that was answered before ends the call with that answer.
    pub(crate) async fn once(&self) -> Result<Option<Idempotency>, Halt> {
        idempotency::ask(&self.caller, &self.body).await
    }

    /// Gives the body, whatever it says that it is.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Gives the body, which says that it is JSON.
    pub(crate) fn json_bytes(&self) -> Result<&[u8], Halt> {
        is_json(&self.caller.parts.headers)?;
        Ok(&self.body)
    }

    /// Reads the body as JSON of a shape that the API's document names.
    pub(crate) fn json<T: DeserializeOwned>(&self, shape: &str) -> Result<T, Halt> {
        parse(self.json_bytes()?, shape)
    }

    /// Reads the body like [`Input::json`]; none at all is an empty object.
    pub(crate) fn json_or_nothing<T: DeserializeOwned>(&self, shape: &str) -> Result<T, Halt> {
        if self.body.is_empty() { parse(b"{}", shape) } else { self.json(shape) }
    }
}

/// Reads a whole body, up to a bound.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, bytes_max: usize) -> Result<Bytes, Halt>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let too_large = || {
        let detail = format!("the body is longer than {bytes_max} bytes");
        Problem::new(Page::TooLarge, detail).with("bytes_max", bytes_max)
    };
    if announced(headers).is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large().into());
    }
    match timeout(BODY_TIME_MAX, gather(body, bytes_max)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large().into()),
        Ok(Err(error)) => {
            // Mostly a client that went away, and then nobody hears the answer.
            let error: BoxError = error.into();
            tracing::debug!(error = %error, "a body was not read to its end");
            Err(Problem::new(
                Page::Malformed,
                "the body broke off, or is not framed as HTTP has it",
            )
            .into())
        }
        Err(_elapsed) => {
            Err(Problem::new(Page::TooSlow, "the body did not arrive within 30 seconds").into())
        }
    }
}

/// Gathers a body in one piece, however many it came in; `None` once it is too long.
async fn gather<B: Body<Data = Bytes>>(
    body: B,
    bytes_max: usize,
) -> Result<Option<Bytes>, B::Error> {
    let mut body = pin!(body);
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        if first.len().max(rest.len()) + bytes.len() > bytes_max {
            return Ok(None);
        }
        if first.is_empty() && rest.is_empty() {
            first = bytes;
        } else {
            rest.extend_from_slice(&mem::take(&mut first));
            rest.extend_from_slice(&bytes);
        }
    }
    Ok(Some(if rest.is_empty() { first } else { rest.freeze() }))
}

/// Tells whether a body says that it is so small that it may be read for whoever calls.
pub(crate) fn is_small(headers: &HeaderMap) -> bool {
    announced(headers).is_some_and(|bytes| bytes <= SMALL_BYTES_MAX)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_json(headers: &HeaderMap) -> Result<(), Halt> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let ending = essence.get(essence.len().saturating_sub(5)..).unwrap_or("");
    if ending.eq_ignore_ascii_case("+json") {
        return Ok(());
    }
    let said = if essence.is_empty() { "nothing".to_owned() } else { format!("`{essence}`") };
    let detail = format!("the content-type is {said}; send application/json");
    Err(Problem::new(Page::UnsupportedMediaType, detail).into())
}

/// Reads JSON of a shape that the API's document names.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], shape: &str) -> Result<T, Halt> {
    if has_too_many_values(bytes) {
        let detail =
            format!("the body has more than {COMMAS_MAX} commas, which are too many values");
        return Err(Problem::new(Page::TooLarge, detail).into());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let flaws = shape::check(&value, shape);
    if !flaws.is_empty() {
        return Err(Problem::invalid(flaws).into());
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Problem::invalid(vec![Flaw::new(path, error.into_inner().to_string())]).into()
    })
}

/// Tells whether looking through all values of JSON would take too much memory.
pub(crate) fn has_too_many_values(bytes: &[u8]) -> bool {
    bytes.len() > BODY_BYTES_MAX && memchr_iter(b',', bytes).count() > COMMAS_MAX
}

/// Makes the problem of a body that is no JSON.
pub(crate) fn malformed(error: &serde_json::Error) -> Halt {
    let detail = format!("the body cannot be read as JSON: {error}");
    Problem::new(Page::Malformed, detail)
        .with("line", error.line())
        .with("column", error.column())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(value));
        is_json(&headers).is_ok()
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        assert!(kind("application/json"));
        assert!(kind("Application/JSON; charset=utf-8"));
        assert!(kind("application/merge-patch+json"));
        assert!(!kind("application/x-www-form-urlencoded"));
        assert!(!kind("text/plain"));
        assert!(!kind(""));
    }
}
