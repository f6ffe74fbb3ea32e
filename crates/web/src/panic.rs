//! The net under every handler: a panic becomes an answer, and the server goes on.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::problem::Problem as Page;
use tracing::error;

use crate::problem::Problem;

/// Answers 500 when what is inside panics.
pub(crate) async fn contain(request: Request, next: Next) -> Response {
    net(Box::pin(next.run(request))).await
}

/// Answers 500 when a future panics. It comes in its box, since it would be moved with all its room otherwise.
pub(crate) async fn net(mut inside: Pin<Box<impl Future<Output = Response>>>) -> Response {
    let outcome =
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| inside.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(response)) => Poll::Ready(Ok(response)),
            Err(panic) => Poll::Ready(Err(panic)),
        });
    outcome.await.unwrap_or_else(|panic| {
        error!(
            panic = message(panic.as_ref()),
            "a handler panicked; the call was answered with 500"
        );
        Problem::new(Page::Internal, "something broke inside; the log has the details")
            .into_response()
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn;
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn broken() -> &'static str {
        panic!("oh")
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let router = Router::new().route("/", get(broken)).layer(from_fn(contain));
        let request = http::Request::get("/").body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("\"code\":\"internal\""));
    }
}
