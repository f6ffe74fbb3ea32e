//! Answers that are no problems.
//!
//! Invariant: an answer kept for an idempotency key is said again byte for byte.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use store::Reply;

/// Answers with JSON text.
pub(crate) fn json((status, body): (u16, String)) -> Response {
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if status != 204 {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// Answers 200 with JSON.
pub(crate) fn ok(body: &impl serde::Serialize) -> Response {
    json((200, text(body)))
}

/// Answers 204.
pub(crate) fn nothing() -> Response {
    json((204, String::new()))
}

/// Writes a value as JSON. All our forms can be written; one that cannot would answer `null`.
pub(crate) fn text(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|_| "null".to_owned())
}

/// Says a kept answer again.
pub(crate) fn replayed(reply: Reply) -> Response {
    let mut response = json((reply.status, reply.body));
    response
        .headers_mut()
        .insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
    // The first answer may have shown a secret.
    unkept(response)
}

/// Forbids everybody on the way to keep the answer.
pub(crate) fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
