//! What needs no key: is it alive, is it ready, how does it fare, by which keys does it sign.
//!
//! Invariant: nothing here tells anything about an account's data.

use std::time::Duration;

use axum::body::Body;
use axum::extract;
use axum::response::Response;
use engine::Readiness;
use engine::problem::Problem as Page;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode, Uri};
use serde_json::json;
use tokio::time::timeout;

use crate::answer;
use crate::auth::Name;
use crate::problem::{Answer, Problem};
use crate::signing::document;
use crate::state::State;

type Reached = extract::State<State>;

/// `GET /healthz`: somebody is home.
pub(crate) async fn healthz() -> Response {
    answer::unkept(answer::json((200, r#"{"status":"alive"}"#.to_owned())))
}

/// Whoever asks whether work gets done is told after so long, also where a store says nothing at all.
const READY_TIME_MAX: Duration = Duration::from_secs(2);

/// `GET /readyz`: work gets done.
pub(crate) async fn readyz(extract::State(state): Reached) -> Response {
    let readiness = timeout(READY_TIME_MAX, state.engine().readiness()).await;
    let readiness = readiness.unwrap_or_else(|_elapsed| {
        let why = format!("the store did not answer for {} s", READY_TIME_MAX.as_secs());
        Readiness { ready: false, reasons: vec![why] }
    });
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({"ready": readiness.ready, "reasons": readiness.reasons});
    answer::unkept(answer::json((status.as_u16(), body.to_string())))
}

/// `GET /metrics`: figures for Prometheus.
pub(crate) async fn metrics(extract::State(state): Reached) -> Answer {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(text(state.engine().metrics_text().await?, OPENMETRICS))
}

/// `GET /.well-known/jwks.json`: the keys that webhooks are signed with.
pub(crate) async fn jwks(extract::State(state): Reached) -> Answer {
    Ok(answer::ok(&state.engine().jwks().await?))
}

/// `GET /public/api/v1/webhooks/verification-key`: the key that webhooks in Ironclad's words are signed with.
///
/// The media type is the one that the vendor was seen to answer with.
pub(crate) async fn verification_key(extract::State(state): Reached) -> Answer {
    let pem = state.engine().verification_key().await?;
    Ok(text(pem, "application/x-pem-file; charset=utf-8"))
}

/// `GET /`: where to go from here.
pub(crate) async fn start() -> Response {
    document::start()
}

/// `GET /problems/{problem}`: the page that explains a problem.
pub(crate) async fn problem_page(Name(name): Name) -> Answer {
    let page = Page::named(&name).ok_or_else(|| Problem::not_found("problem"))?;
    Ok(text(page.page().to_owned(), "text/markdown; charset=utf-8"))
}

/// Answers paths that lead nowhere.
pub(crate) async fn no_such_route(uri: Uri) -> Problem {
    let mut detail = "no operation has this path".to_owned();
    if uri.path().len() > 1 && uri.path().ends_with('/') {
        detail.push_str("; try it without the slash at the end");
    }
    Problem::new(Page::NoSuchRoute, detail)
}

/// Answers methods that a path does not have.
pub(crate) async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(Page::MethodNotAllowed, format!("the path has no method {method}"))
}

fn text(body: String, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
