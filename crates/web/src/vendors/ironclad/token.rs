//! Tokens for who has a key: `POST /oauth/token` with `grant_type=client_credentials`.
//!
//! The client is a key of ours: `client_id` is its id, `client_secret` the key itself.
//!
//! Invariants: an answer is kept by nobody on the way; whatever is wrong is said as RFC 6749, section 5.2, wants it.
//! Sources: RFC 6749, sections 2.3.1 and 4.4; <https://developer.ironcladapp.com/reference/client-credentials-grant>.

use axum::extract::{Request as Incoming, State as Shared};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::answer;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::state::State;
use crate::vendors::instead;

/// The most bytes of a body.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// `POST /oauth/token`.
pub(crate) async fn issue(Shared(state): Shared<State>, incoming: Incoming) -> Answer {
    let (parts, body) = incoming.into_parts();
    let body = input::read(&parts.headers, body, BODY_BYTES_MAX).await?;
    let Some(asked) = Asked::of(&parts.headers, &body) else {
        return Ok(wrong(400, "invalid_request", "expected a form, or an object in JSON"));
    };
    match asked.grant.as_deref() {
        Some("client_credentials") => {}
        Some(_) => {
            let expected = "expected grant_type=client_credentials";
            return Ok(wrong(400, "unsupported_grant_type", expected));
        }
        None => return Ok(wrong(400, "invalid_request", "grant_type is missing")),
    }
    let unknown = "the client is not known, or its secret is not the right one";
    let (Some(id), Some(secret)) = (asked.id, asked.secret) else {
        return Ok(challenged(wrong(401, "invalid_client", unknown)));
    };
    let Some(token) = state.engine().issue_token(&id, &secret).await? else {
        return Ok(challenged(wrong(401, "invalid_client", unknown)));
    };
    let body = json!({
        "token_type": "Bearer", "access_token": token.text.expose(),
        "expires_in": token.expires_in_s,
    });
    Ok(answer::unkept(answer::ok(&body)))
}

/// What a client asks for.
struct Asked {
    grant: Option<String>,
    id: Option<String>,
    secret: Option<String>,
}

impl Asked {
    fn of(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let kind =
            headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let members = if kind.trim_start().starts_with("application/json") {
            let body: Value = serde_json::from_slice(body).ok()?;
            let members = body.as_object()?.iter();
            let text =
                |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            members.filter_map(text).collect()
        } else {
            form_urlencoded::parse(body).into_owned().collect::<Vec<_>>()
        };
        let member = |name: &str| {
            let found = members.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let (id, secret) = basic(headers).map_or_else(
            || (member("client_id"), member("client_secret")),
            |(id, secret)| (Some(id), Some(secret)),
        );
        Some(Self { grant: member("grant_type"), id, secret })
    }
}

/// Reads `Authorization: Basic …`; id and secret are written as in a form.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, coded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(BASE64_STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (id, secret) = plain.split_once(':')?;
    let decoded = |text: &str| {
        let pair = form_urlencoded::parse(text.as_bytes()).next();
        pair.map(|(text, _)| text.into_owned()).unwrap_or_default()
    };
    Some((decoded(id), decoded(secret)))
}

/// Answers with an error of OAuth's.
fn wrong(status: u16, error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description});
    answer::unkept(answer::json((status, body.to_string())))
}

/// Says how a client may prove itself.
fn challenged(mut response: Response) -> Response {
    let challenge = HeaderValue::from_static("Basic realm=\"countersign\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// Says a problem in OAuth's way.
pub(crate) fn say(response: Response, problem: &Problem) -> Response {
    let status = response.status();
    let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
    let body = json!({"error": error, "error_description": problem.detail()});
    let mut response = instead(response, status, &body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
