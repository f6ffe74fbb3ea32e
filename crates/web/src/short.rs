//! Short links, as people follow them: on to the signing page, or to a page that says why not and whom to ask.
//!
//! Invariant: following a link changes nothing, whoever does it.
//! Left to others: where a code leads (`engine::requests::short`), the signing page (`signing`).

use askama::Template;
use axum::extract;
use axum::response::Response;
use domain::request::{Request, Sender, State as Standing};
use engine::requests::short::Followed;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use url::form_urlencoded::byte_serialize;

use crate::auth::Name;
use crate::problem::Problem;
use crate::signing::document;
use crate::state::State;

type Reached = extract::State<State>;

#[derive(Template)]
#[template(path = "over.html")]
struct Over<'a> {
    heading: &'a str,
    text: &'a str,
    sender: Option<&'a Sender>,
    /// Where a mail to the sender goes.
    mailto: String,
}

/// `GET /l/{code}`.
pub(crate) async fn follow(extract::State(state): Reached, Name(code): Name) -> Response {
    match state.engine().follow(&code).await {
        Ok(Followed::Opened(token)) => on(&format!("/s/{token}")),
        Ok(Followed::Elsewhere(url)) => on(&url),
        Ok(Followed::Over(request)) => over(Some(&request)),
        Ok(Followed::Deleted) => over(None),
        Ok(Followed::Unknown) => document::trouble(Problem::not_found("link").into()),
        Err(refusal) => document::trouble(refusal.into()),
    }
}

/// Sends the browser on to the page.
fn on(place: &str) -> Response {
    let mut response = document::html(StatusCode::FOUND, Ok(String::new()));
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// Says that there is nothing to sign any more, and whom to ask.
fn over(request: Option<&Request>) -> Response {
    let (heading, text) = match request.map(|request| &request.state) {
        None => ("No longer there", "What this link was made for has been deleted."),
        Some(Standing::Cancelled { .. }) => {
            ("Withdrawn", "The sender has withdrawn this, and nobody needs to sign it.")
        }
        Some(
            Standing::Expired { .. }
            | Standing::Draft
            | Standing::Sent { .. }
            | Standing::Completed { .. }
            | Standing::Declined { .. },
        ) => ("Expired", "The time to sign has run out, so this link leads no further."),
    };
    let sender = request.map(|request| &request.sender).filter(|sender| !sender.email.is_empty());
    let email = sender.map_or("", |sender| sender.email.as_str());
    let mailto: String = byte_serialize(email.as_bytes()).collect();
    let mailto = format!("mailto:{}", mailto.replace("%40", "@"));
    document::html(StatusCode::GONE, Over { heading, text, sender, mailto }.render())
}
