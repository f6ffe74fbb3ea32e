//! The short way of the one call that comes by the thousand: posting an event.
//!
//! It ends in the same handler as the long way, past the table of routes.
//!
//! Invariant: an answer does not tell which way it took.

use axum::response::{IntoResponse as _, Response};
use http::Method;
use hyper::body::Incoming;

use crate::api::events;
use crate::input::Input;
use crate::panic;
use crate::state::State;

/// The path of the hot call.
pub(crate) const PATH: &str = "/api/v1/events";

/// Tells whether a call takes the short way.
pub(crate) fn is_hot<B>(request: &http::Request<B>) -> bool {
    request.method() == Method::POST && request.uri().path() == PATH
}

/// Answers a hot call.
pub(crate) async fn answer(request: http::Request<Incoming>, state: State) -> Response {
    panic::net(async move {
        let (parts, body) = request.into_parts();
        match Input::of(parts, body, &state).await {
            Ok(input) => events::create(input).await.into_response(),
            Err(halt) => halt.into_response(),
        }
    })
    .await
}
