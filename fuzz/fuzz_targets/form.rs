//! Whatever comes in as a form with parts is answered, never with a 500, and in the same way however it is cut; whoever reads
//! it in pieces and whoever reads it as a whole.

#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use fuzz::service::{KEY, Service, service};
use http_body::Frame;
use libfuzzer_sys::fuzz_target;
use tower::ServiceExt;

/// A body that comes in pieces of some length.
struct Cut(Vec<Bytes>);

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop().map(|bytes| Ok(Frame::data(bytes))))
    }
}

thread_local! {
    static SERVICE: RefCell<Service> = RefCell::new(service());
}

fn answer(service: &Service, path: &str, body: &[u8], step: usize) -> u16 {
    let pieces = body.chunks(step).rev().map(Bytes::copy_from_slice).collect();
    let request = Request::post(path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::new(Cut(pieces)))
        .expect("a request");
    let answer = service.runtime.block_on(service.router.clone().oneshot(request));
    answer.expect("infallible").status().as_u16()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let step = usize::from(*first) + 1;
    SERVICE.with_borrow(|service| {
        for path in ["/api/v1/documents", "/public/api/v1/workflows"] {
            let status = answer(service, path, body, step);
            assert_ne!(status, 500, "{path}");
            assert_eq!(status, answer(service, path, body, usize::MAX), "{path} by {step}");
        }
    });
});
