//! Pages for people: put together from templates, under a strict policy.
//!
//! Invariants: nothing but the one style sheet is ever loaded or run; no page is kept, indexed, or named to the next site, or
//! framed but by the one origin that its link names; every text is escaped by the templates.

use std::sync::LazyLock;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::chain::sha256;
use domain::request::Request;
use engine::Flaw;
use engine::problem::Problem as Page;
use engine::requests::visit::{Pass, Visit};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::problem::{Halt, Problem};
use crate::signing::standing::{self, File, Line, Standing, Told};

/// What a signer has filled in, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    pub(super) name: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) flaws: Vec<Flaw>,
}

impl Filled {
    fn flaw(&self, path: &str) -> Option<&str> {
        self.flaws.iter().find(|flaw| flaw.path == path).map(|flaw| flaw.message.as_str())
    }

    fn name_flaw(&self) -> Option<&str> {
        self.flaw("name").map(|_| "Please type your full name, with at most 200 characters.")
    }

    fn consent_flaw(&self) -> Option<&str> {
        self.flaw("consent")
            .map(|_| "Please tick the box if you agree; without that you cannot sign.")
    }

    fn reason_flaw(&self) -> Option<&str> {
        self.flaw("reason").map(|_| "Please keep the reason to 1,000 characters.")
    }
}

#[derive(Template)]
#[template(path = "signing.html")]
struct Signing<'a> {
    request: &'a Request,
    you: &'a str,
    token: &'a str,
    standing: Standing,
    documents: Vec<File>,
    lines: Vec<Line>,
    signed: usize,
    consent: String,
    sent: Option<String>,
    expires: Option<String>,
    onward: Option<(String, String)>,
    filled: &'a Filled,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    told: &'a Told,
}

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    version: &'static str,
}

/// Shows how things stand for whom a link was made.
pub(super) fn page(visit: &Visit, token: &str, filled: &Filled) -> Response {
    let status = if filled.flaws.is_empty() {
        StatusCode::OK
    } else {
        Problem::invalid(filled.flaws.clone()).status()
    };
    let request = &visit.request;
    if let (Pass::Used | Pass::Outdated, Standing::Told(told)) =
        (visit.pass, standing::standing(visit))
    {
        // Whoever finds it later learns nothing of the request.
        return framed(html(status, Notice { told: &told }.render()), visit);
    }
    let you = visit.signer.and_then(|id| request.signer(id));
    let lines = standing::lines(request, visit.signer);
    let page = Signing {
        request,
        you: you.map_or("", |signer| signer.person.name.as_str()),
        token,
        standing: standing::standing(visit),
        documents: standing::documents(visit),
        signed: lines.iter().filter(|line| line.status == "signed").count(),
        lines,
        consent: standing::consent(&request.title),
        sent: request.sent_at().map(standing::spoken),
        expires: request.deadline().map(standing::spoken),
        onward: visit.signer.and_then(|id| standing::onward(request, id)),
        filled,
    };
    framed(html(status, page.render()), visit)
}

/// Lets the one origin that a link names frame its page.
fn framed(mut response: Response, visit: &Visit) -> Response {
    if let Some(frame) = &visit.frame
        && let Ok(policy) = HeaderValue::try_from(policy(frame))
    {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Sends the browser back to the page.
pub(super) fn back(token: &str) -> Response {
    let mut response = html(StatusCode::SEE_OTHER, Ok(String::new()));
    // A token that is no header value names no signer, and then nobody is sent back.
    if let Ok(place) = HeaderValue::try_from(format!("/s/{token}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// Says that something is wrong.
pub(crate) fn trouble(halt: Halt) -> Response {
    let Halt::Problem(problem) = halt else {
        return html(StatusCode::OK, Ok(String::new()));
    };
    let told = wording(problem.page());
    let mut response = html(problem.status(), Notice { told: &told }.render());
    if problem.page() == Page::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(5));
    }
    response
}

/// Shows where to go from the root.
pub(crate) fn start() -> Response {
    html(StatusCode::OK, Start { version: env!("CARGO_PKG_VERSION") }.render())
}

fn wording(page: Page) -> Told {
    let (heading, text) = if page == Page::NotFound {
        (
            "This link leads nowhere",
            "It may have been cut off when it was copied, or what it was made for has been deleted. Open it from the \
             message again, or ask the sender.",
        )
    } else if page == Page::CrossSite {
        (
            "Please open the link again",
            "The form was sent from another site. Open the link from the message and act there.",
        )
    } else if page == Page::Unavailable {
        (
            "Please try again in a moment",
            "We cannot save anything right now, and nothing has been done.",
        )
    } else if page == Page::TooLarge || page == Page::TooSlow {
        (
            "That did not arrive",
            "The form was too long, or took too long to arrive. Nothing has been done; please try again.",
        )
    } else {
        (
            "Something went wrong",
            "The mistake is ours. Open the link again to see how things stand.",
        )
    };
    Told { mood: standing::Mood::Over, heading: heading.to_owned(), text: text.to_owned() }
}

/// The one style sheet, which the templates hold as well.
pub(crate) const STYLE: &str = include_str!("../../assets/page.css");

/// Lets no site frame a page.
static POLICY: LazyLock<String> = LazyLock::new(|| policy("'none'"));

/// Lets the style sheet in by its hash, and nothing else; and lets `frame` show the page in a frame.
fn policy(frame: &str) -> String {
    let hash = BASE64_STANDARD.encode(sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors {frame}"
    )
}

/// Answers with a page under the strict policy.
pub(crate) fn html(status: StatusCode, page: askama::Result<String>) -> Response {
    let (status, page) = match page {
        Ok(page) => (status, page),
        Err(error) => {
            tracing::error!(error = %error, "a page could not be put together");
            (Problem::new(Page::Internal, "").status(), String::new())
        }
    };
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    *response.headers_mut() = headers();
    response
}

fn headers() -> HeaderMap {
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    if let Ok(policy) = HeaderValue::try_from(POLICY.as_str()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use domain::id::{AccountId, SignerId};
    use serde_json::{Value, json};

    use super::*;

    fn request() -> Request {
        let at = "2027-01-15T08:00:00.000Z";
        let id = |prefix: &str, last: &str| format!("{prefix}_{}{last}", "0".repeat(25));
        let person = |last: &str, name: &str, state: Value| {
            let mut signer = json!({
                "id": id("sgn", last), "name": name, "email": "a@example.com", "order": 1,
                "role": "signer", "send_to": {"email": true, "sms": false},
            });
            signer.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
            signer
        };
        let evidence =
            json!({"name": "Alan", "consent": "Yes.", "device": "desktop", "via": "page"});
        serde_json::from_value(json!({
            "id": id("req", "0"), "account_id": id("acc", "0"), "title": "Lease & more",
            "message": "Please sign by Friday.", "sender": {"name": "Grace", "email": "g@example.com"},
            "signing_order": "parallel", "progress": 50, "origin": "native", "created_at": at,
            "status": "sent", "sent_at": at, "expires_at": "2027-02-28T12:00:00.000Z",
            "signers": [
                person("1", "Ada", json!({"status": "viewed", "notified_at": at, "viewed_at": at})),
                person("2", "Alan", json!({"status": "signed", "signed_at": at, "evidence": evidence})),
            ],
        }))
        .unwrap()
    }

    fn visit() -> Visit {
        Visit {
            account: AccountId::new(0),
            request: request(),
            version: 1,
            signer: Some(SignerId::new(1)),
            frame: None,
            pass: Pass::Open,
        }
    }

    async fn text(visit: &Visit) -> (String, String) {
        let response = page(visit, "token", &Filled::default());
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let policy = policy.rsplit_once("; ").unwrap().1.to_owned();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (policy, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_the_origin_that_a_link_names_may_frame_its_page() {
        assert_eq!(text(&visit()).await.0, "frame-ancestors 'none'");
        let framed = Visit { frame: Some("https://a.example".to_owned()), ..visit() };
        assert_eq!(text(&framed).await.0, "frame-ancestors https://a.example");
    }

    #[tokio::test]
    async fn who_only_looks_has_nothing_to_press() {
        let forms = |page: &str| page.matches("<form").count();
        assert_eq!(forms(&text(&visit()).await.1), 2, "to sign, and to decline");
        let looking = text(&Visit { signer: None, ..visit() }).await.1;
        assert!(looking.contains("nothing to sign for you") && looking.contains("Alan"));
        assert_eq!(forms(&looking), 0);
        let once = text(&Visit { pass: Pass::Once, ..visit() }).await.1;
        assert!(once.contains("/s/token/view") && !once.contains("/s/token/sign"));
        for pass in [Pass::Used, Pass::Outdated] {
            let frame = Some("https://a.example".to_owned());
            let (policy, page) = text(&Visit { pass, frame, ..visit() }).await;
            assert_eq!((forms(&page), policy), (0, "frame-ancestors https://a.example".to_owned()));
            let tells = ["Lease", "Alan", "Ada", "Grace"].map(|word| page.contains(word));
            assert_eq!(
                tells, [false; 4],
                "{pass:?}: a link that is over says nothing of the request"
            );
        }
    }

    #[tokio::test]
    async fn a_form_with_flaws_says_what_is_wrong_beside_each_field() {
        let flaws = ["name", "consent", "reason"].map(|path| Flaw::new(path, "")).into();
        let filled = Filled { name: Some("A\"da".to_owned()), reason: None, flaws };
        let response = page(&visit(), "token", &filled);
        assert_eq!(response.status(), 422);
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        insta::assert_snapshot!(text.replace(STYLE, "…"));
    }
}
