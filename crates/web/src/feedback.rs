//! What providers report of messages: at a URL of each provider's own, without a key.
//!
//! Invariants: an answer of 200 says that everything reported is on the disk, or is about nothing of ours; nothing is read
//! for whoever knows no token.
//! Left to others: proving and reading reports, and what follows (`engine::feedback`).

use axum::body::Body;
use axum::extract;
use axum::extract::Request as Incoming;
use axum::response::Response;
use engine::feedback::Arrived;
use http::HeaderMap;

use crate::input;
use crate::page::Query;
use crate::problem::Answer;
use crate::state::State;

/// The most bytes of a report.
const REPORT_BYTES_MAX: usize = 1024 * 1024;

type Reached = extract::State<State>;

/// `GET` and `POST /feedback/{token}`, whatever one segment comes behind it.
pub(crate) async fn take(extract::State(state): Reached, incoming: Incoming) -> Answer {
    let (parts, body) = incoming.into_parts();
    state.engine().may_report(token(parts.uri.path()))?;
    let body = input::read(&parts.headers, body, REPORT_BYTES_MAX).await?;
    let path_and_query = parts.uri.path_and_query().map_or("", |place| place.as_str());
    let arrived = Arrived {
        method: parts.method.as_str(),
        path_and_query,
        headers: &headers(&parts.headers),
        body: &body,
    };
    state.engine().take_feedback(token(parts.uri.path()), &arrived).await?;
    Ok(taken())
}

/// `POST /feedback/{token}/mail`: a mail that came back, as it is; `?to=` says to which address.
pub(crate) async fn take_mail(extract::State(state): Reached, incoming: Incoming) -> Answer {
    let (parts, body) = incoming.into_parts();
    let mut query = Query::of(&parts.uri);
    let to = query.text("to");
    query.done()?;
    state.engine().may_report(token(parts.uri.path()))?;
    let mail = input::read(&parts.headers, body, REPORT_BYTES_MAX).await?;
    state.engine().take_returned_mail(token(parts.uri.path()), &mail, to.as_deref()).await?;
    Ok(taken())
}

fn taken() -> Response {
    Response::new(Body::empty())
}

/// Gives the second segment of a path, as it is: a token has no characters that would be written otherwise.
pub(crate) fn token(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or("")
}

/// Gives names in lower case with their values; what is no text reads as one with replacements.
pub(crate) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
