//! The short way of the calls that come by the thousand: posting an event, and a vendor's webhook.
//!
//! It ends in the same handlers as the long way, past the table of routes; and where it is said plainly, past hyper too.
//!
//! Invariant: an answer does not tell which way it took.

mod read;
mod talk;

use axum::BoxError;
use axum::body::HttpBody as Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::Method;

use crate::api::events;
use crate::input::Input;
use crate::intake;
use crate::panic;
use crate::state::State;

pub(crate) use talk::Talk;

/// A call that takes the short way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hot {
    /// `POST /api/v1/events`.
    Event,
    /// `POST /in/{token}`.
    Arrival,
}

impl Hot {
    /// Tells which hot call this is, if it is one.
    pub(crate) fn of<B>(request: &http::Request<B>) -> Option<Self> {
        Self::at(request.method(), request.uri().path())
    }

    /// Tells which hot call it is that comes with a method at a path, if it is one.
    fn at(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        match path {
            "/api/v1/events" => Some(Self::Event),
            path => {
                let token = path.strip_prefix("/in/")?;
                (!token.is_empty() && !token.contains('/')).then_some(Self::Arrival)
            }
        }
    }

    /// Answers it.
    pub(crate) fn answer<B>(
        self,
        request: http::Request<B>,
        state: State,
    ) -> impl Future<Output = Response> + Send
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        panic::net(Box::pin(async move {
            let (parts, body) = request.into_parts();
            let answer = match self {
                Self::Event => match Input::of(parts, body, &state).await {
                    Ok(input) => events::create(input).await,
                    Err(halt) => Err(halt),
                },
                Self::Arrival => intake::keep(parts, body, &state).await,
            };
            answer.into_response()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_by_the_thousand_takes_the_short_way() {
        let of = |method: Method, path: &str| {
            Hot::of(&http::Request::builder().method(method).uri(path).body(()).unwrap())
        };
        assert_eq!(of(Method::POST, "/api/v1/events"), Some(Hot::Event));
        assert_eq!(of(Method::POST, "/in/abc?x=/y"), Some(Hot::Arrival));
        for path in ["/in/", "/in/abc/", "/in/abc/mail", "/in", "/api/v1/events/batch"] {
            assert_eq!(of(Method::POST, path), None, "{path}");
        }
        assert_eq!(of(Method::GET, "/in/abc"), None);
    }
}
