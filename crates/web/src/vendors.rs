//! Interfaces that vendors' clients call: their paths, their ways to say who calls, their ways to say what is wrong.
//!
//! Invariants: whatever goes wrong under a vendor's path is said in the vendor's shape, also what no handler saw;
//! nothing here decides: a command is the same as that of the API.
//! Left to others: what a body means and how a request is shown (`dialects::face`).

pub(crate) mod clickwrap;
pub(crate) mod esaw;
pub(crate) mod fintechos;
pub(crate) mod ironclad;

use axum::body::Body;
use axum::extract::{self, Request as Incoming};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use domain::request::Request;
use domain::signer::Signer;
use engine::{Flaw, face};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use crate::api::requests::signing_url;
use crate::auth::Caller;
use crate::problem::{Halt, Problem};
use crate::state::State;

/// Has the answers under a vendor's paths say problems in its words.
pub(crate) async fn in_their_words(
    extract::State(state): extract::State<State>,
    incoming: Incoming,
    next: Next,
) -> Response {
    let vendor = Face::of(incoming.uri().path());
    let mut response = next.run(incoming).await;
    let Some(vendor) = vendor else { return response };
    if vendor == Face::Ironclad {
        ironclad::name(&mut response, &state);
    }
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    match vendor {
        Face::Clickwrap => clickwrap::say(response, &problem),
        Face::Esaw => esaw::say(response, &problem, face::esaw::place),
        Face::Fintechos => esaw::say(response, &problem, face::fintechos::place),
        Face::Ironclad => ironclad::say(response, &problem),
        Face::OAuth => ironclad::token::say(response, &problem),
    }
}

/// Gives where a signer signs: at our own page, or in a mirror at the vendor.
fn page(caller: &Caller, request: &Request, signer: &Signer) -> String {
    let own = || signing_url(&caller.state, request.id, signer.id);
    signer.foreign_url.clone().unwrap_or_else(own)
}

/// Refuses a body that has members of the wrong type.
fn flawed(flaws: Vec<(String, String)>) -> Halt {
    let flaws = flaws.into_iter().map(|(path, message)| Flaw::new(path, message));
    Problem::invalid(flaws.collect()).into()
}

/// Lists the places of a problem, each as the vendor spells it.
fn places(problem: &Problem, spell: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let flaws = problem.errors().iter();
    flaws.map(|flaw| (spell(&flaw.path), flaw.message.clone())).collect()
}

/// Gives the status that a vendor's client knows: the same, if it is `named`, or is no fault of the client's; else 400.
fn known(status: StatusCode, named: &[StatusCode]) -> StatusCode {
    let is_known = !status.is_client_error()
        || named.contains(&status)
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE);
    if is_known { status } else { StatusCode::BAD_REQUEST }
}

/// Puts a body in the place of a problem's, and keeps its headers.
fn instead(response: Response, status: StatusCode, body: &Value) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(Bytes::from(body.to_string())))
}

/// Whose interface a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    /// Ironclad Clickwrap's.
    Clickwrap,
    /// eSignAnyWhere's.
    Esaw,
    /// FintechOS's.
    Fintechos,
    /// Ironclad's.
    Ironclad,
    /// That of OAuth, where tokens for Ironclad's are given.
    OAuth,
}

impl Face {
    fn of(path: &str) -> Option<Self> {
        let is_below = |place: &str| {
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let places = [
            ("/v1.1", Self::Clickwrap),
            ("/Api/v6", Self::Esaw),
            ("/Api/v6.0", Self::Esaw),
            ("/fintechos", Self::Fintechos),
            ("/public/api/v1", Self::Ironclad),
            ("/oauth", Self::OAuth),
        ];
        places.into_iter().find(|(place, _)| is_below(place)).map(|(_, vendor)| vendor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_whom_it_begins_with() {
        assert_eq!(Face::of("/v1.1/requests/1"), Some(Face::Clickwrap));
        assert_eq!(Face::of("/v1.1"), Some(Face::Clickwrap));
        assert_eq!(Face::of("/Api/v6.0/envelope/1"), Some(Face::Esaw));
        assert_eq!(Face::of("/fintechos/esign/sign"), Some(Face::Fintechos));
        assert_eq!(Face::of("/public/api/v1/webhooks"), Some(Face::Ironclad));
        for path in ["/Api/v5/envelope", "/v1.10/requests", "/api/v1/requests", "/v1", "/"] {
            assert_eq!(Face::of(path), None, "{path}");
        }
    }
}
