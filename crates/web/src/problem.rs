//! Problems as answers: RFC 9457 `application/problem+json`; the only file that knows the statuses of errors.
//!
//! Invariants: every refusal of the service leaves through here; a `code` never changes its meaning; causes go to the
//! log, never into an answer.
//! Left to others: the catalogue with its pages (`engine::problem`).

use std::error::Error as StdError;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::feedback::Untaken;
use engine::problem::Problem as Page;
use engine::{Flaw, Refusal};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use store::Reply;
use tracing::{error, warn};

use crate::answer;

/// A problem on its way to a client.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    page: Page,
    detail: String,
    errors: Vec<Flaw>,
    members: Map<String, Value>,
}

/// Why a handler stops early.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Something is wrong.
    Problem(Box<Problem>),
    /// The call was answered before; here is that answer.
    Known(Reply),
    /// Something is wrong, and this says it in the words of the vendor whose client calls.
    Said(Box<Response>),
}

/// What a handler gives.
pub(crate) type Answer = Result<Response, Halt>;

/// Seconds after which a client may come back while the store is away.
const RETRY_AFTER_S: u16 = 5;

impl Problem {
    /// Makes a problem with one sentence about this very case.
    pub(crate) fn new(page: Page, detail: impl Into<String>) -> Self {
        Self { page, detail: detail.into(), errors: Vec::new(), members: Map::new() }
    }

    /// Adds a member of its own.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Makes the problem of an input that is well-formed and cannot be taken.
    pub(crate) fn invalid(errors: Vec<Flaw>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.path.is_empty() => only.message.clone(),
            [only] => format!("{}: {}", only.path, only.message),
            several => format!("{} places are wrong; see errors", several.len()),
        };
        Self { errors, ..Self::new(Page::Invalid, detail) }
    }

    /// Makes the problem of something that is not there.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Page::NotFound, format!("there is no such {what}"))
    }

    /// Gives the HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self.page {
            Page::Malformed => StatusCode::BAD_REQUEST,
            Page::KeyMissing | Page::KeyInvalid | Page::KeyExpired | Page::Unproven => {
                StatusCode::UNAUTHORIZED
            }
            Page::ScopeMissing
            | Page::DevelopmentOnly
            | Page::CrossSite
            | Page::LimitReached => StatusCode::FORBIDDEN,
            Page::NotFound | Page::NoSuchRoute => StatusCode::NOT_FOUND,
            Page::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Page::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Page::Impossible | Page::UrlTaken | Page::Contended | Page::Forgotten => {
                StatusCode::CONFLICT
            }
            Page::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Page::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Page::Invalid | Page::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Page::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Page::TooSoon => StatusCode::TOO_MANY_REQUESTS,
            Page::Internal
            // Endings of deliveries and attempts are told, never answered.
            | Page::WaitsRanOut
            | Page::Refused
            | Page::Suppressed
            | Page::Unknown
            | Page::Obsolete
            | Page::Unreadable
            | Page::Gone
            | Page::EndpointDisabled
            | Page::EndpointDeleted
            | Page::Asked
            | Page::DeliveryUnsayable
            | Page::TargetRefused
            | Page::NameUnresolved
            | Page::NameTimeout
            | Page::ConnectFailed
            | Page::ConnectTimeout
            | Page::TlsFailed
            | Page::TlsTimeout
            | Page::ConnectionLost
            | Page::HeadersTimeout
            | Page::BodyTimeout
            | Page::AnswerMalformed
            | Page::AttemptUnsayable
            | Page::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Gives the page behind it.
    pub(crate) const fn page(&self) -> Page {
        self.page
    }

    /// Gives the sentence about this very case.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Tells whether it has a member of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Gives the places of the input that are wrong.
    pub(crate) fn errors(&self) -> &[Flaw] {
        &self.errors
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.page == Page::KeyMissing {
            let challenge = HeaderValue::from_static("Bearer realm=\"countersign\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if matches!(self.page, Page::KeyInvalid | Page::KeyExpired) {
            let challenge = "Bearer realm=\"countersign\", error=\"invalid_token\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.page == Page::Unavailable {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        if let Some(wait_s) = self.members.get("retry_after_s").and_then(Value::as_u64) {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait_s));
        }
        if self.page == Page::TooLarge || self.page == Page::TooSlow {
            // What is left of the body would otherwise be read to the end.
            headers
                .insert(HeaderName::from_static("connection"), HeaderValue::from_static("close"));
        }
        headers
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("/problems/{}", self.page.number()),
            "title": self.page.title(),
            "status": self.status().as_u16(),
            "code": self.page.code(),
            "detail": self.detail,
        });
        if let Value::Object(body) = &mut body {
            if !self.errors.is_empty() {
                let flaw = |flaw: &Flaw| json!({"path": flaw.path, "message": flaw.message});
                body.insert("errors".to_owned(), self.errors.iter().map(flaw).collect());
            }
            body.extend(self.members.clone());
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Bytes::from(self.body().to_string());
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        // Whoever answers in other words finds here what they are to say.
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Halt {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Known(reply) => answer::replayed(reply),
            Self::Said(response) => *response,
        }
    }
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Untaken> for Halt {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            Untaken::Unproven(why) => Problem::new(Page::Unproven, why).into(),
            Untaken::Later(why) => Problem::new(Page::Unavailable, why).into(),
            Untaken::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        Self::from(match refusal {
            Refusal::Repeated(reply) => return Self::Known(reply),
            Refusal::NotFound { what } => Problem::not_found(what),
            Refusal::Invalid(errors) => Problem::invalid(errors),
            Refusal::Impossible { message, possible } => {
                Problem::new(Page::Impossible, message).with("possible", possible)
            }
            Refusal::UrlTaken { id } => {
                Problem::new(Page::UrlTaken, message).with("existing", id.to_string())
            }
            Refusal::TooLarge { bytes_max } => {
                Problem::new(Page::TooLarge, message).with("bytes_max", bytes_max)
            }
            Refusal::NotADocument => Problem::new(Page::UnsupportedMediaType, message),
            Refusal::LimitReached { .. } => Problem::new(Page::LimitReached, message),
            Refusal::KeyReused => Problem::new(Page::IdempotencyKeyReused, message),
            Refusal::Contended { .. } => Problem::new(Page::Contended, message),
            Refusal::Forgotten => Problem::new(Page::Forgotten, message),
            Refusal::TooSoon { wait_s, .. } => {
                Problem::new(Page::TooSoon, message).with("retry_after_s", wait_s)
            }
            Refusal::Store(error) => Problem::from(error),
        })
    }
}

impl From<store::Error> for Halt {
    fn from(error: store::Error) -> Self {
        Self::from(Problem::from(error))
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable { hint, source } => {
                warn!(error = %chain(source.as_ref()), hint, "the store is away");
                let detail =
                    format!("the store cannot work now: {hint}; nothing was done, try again later");
                Self::new(Page::Unavailable, detail)
            }
            store::Error::Closed => {
                Self::new(Page::Unavailable, "the service is stopping; nothing was done, try again")
            }
            broken @ (store::Error::Corrupt { .. } | store::Error::Unusable { .. }) => {
                error!(error = %chain(&broken), "the store answered with something that makes no sense");
                Self::new(
                    Page::Internal,
                    "the store answered with something that makes no sense; the log has the details",
                )
            }
        }
    }
}

/// Writes an error with its causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use domain::id::EndpointId;

    use super::*;

    fn shown(halt: Halt) -> String {
        let Halt::Problem(problem) = halt else { panic!("no problem") };
        format!("{} {:#}", problem.status(), problem.body())
    }

    #[test]
    fn an_invalid_input_names_each_place() {
        let flaws = vec![
            Flaw::new("signers[0].email", "expected a mail address"),
            Flaw::new("title", "expected 1 to 200 characters"),
        ];
        insta::assert_snapshot!(shown(Refusal::Invalid(flaws).into()));
    }

    #[test]
    fn an_impossible_step_says_what_is_possible() {
        let refusal = Refusal::Impossible {
            message: "a request that is completed cannot cancel".to_owned(),
            possible: vec!["archive", "delete"],
        };
        insta::assert_snapshot!(shown(refusal.into()));
    }

    #[test]
    fn a_taken_url_names_the_first_endpoint() {
        insta::assert_snapshot!(shown(Refusal::UrlTaken { id: EndpointId::new(7) }.into()));
    }

    #[test]
    fn an_absent_store_says_what_to_do_and_hides_its_cause() {
        let error =
            store::Error::Unavailable { hint: "the disk is full", source: "code 13".into() };
        insta::assert_snapshot!(shown(error.into()));
    }

    #[test]
    fn every_answering_problem_has_a_status_of_its_own_kind() {
        for page in Page::ALL {
            let status = Problem::new(*page, "").status();
            let told = page.number() > "P0100";
            assert_eq!(
                status == StatusCode::INTERNAL_SERVER_ERROR,
                told || *page == Page::Internal
            );
        }
    }
}
