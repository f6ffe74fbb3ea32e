//! Vendors' webhooks, at a URL of each source's own, without a key.
//!
//! Invariants: an answer of 200 says that what came in is on the disk; much is read only for whoever knows a token.
//! Left to others: proving, keeping and reading it (`engine::intake`).

use axum::BoxError;
use axum::body::HttpBody as Body;
use axum::extract;
use axum::extract::Request as Incoming;
use bytes::Bytes;
use domain::call::Method;
use engine::intake::{BODY_BYTES_MAX, Came};
use http::request::Parts;

use crate::answer;
use crate::feedback::{headers, token};
use crate::input;
use crate::problem::Answer;
use crate::state::State;

type Reached = extract::State<State>;

/// `GET` and `POST /in/{token}`.
pub(crate) async fn take(extract::State(state): Reached, incoming: Incoming) -> Answer {
    let (parts, body) = incoming.into_parts();
    keep(parts, body, &state).await
}

/// Has what came in kept.
pub(crate) async fn keep<B>(parts: Parts, body: B, state: &State) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if !input::is_small(&parts.headers) {
        state.engine().may_knock(token(parts.uri.path()))?;
    }
    let body = input::read(&parts.headers, body, BODY_BYTES_MAX).await?;
    let method = if parts.method == http::Method::GET { Method::Get } else { Method::Post };
    let headers = headers(&parts.headers);
    let query = parts.uri.query().unwrap_or_default();
    let came = Came { method, query, headers, body: &body };
    let id = state.engine().take_arrival(token(parts.uri.path()), came).await?;
    // An id needs no escaping.
    Ok(answer::unkept(answer::json((200, format!(r#"{{"id":"{id}"}}"#)))))
}
