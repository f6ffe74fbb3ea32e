//! Vendors' interfaces: what their clients send is taken, and whatever goes wrong is said in the vendor's shape.

mod clickwrap;
mod esaw;
mod fintechos;
mod ironclad;
mod ironclad_tokens;
mod ironclad_workflows;
mod wrong;

use axum::body::Body;
use http::Request;

use crate::world::{Answer, World};

/// Calls a vendor's interface with headers of the test's own.
async fn call(
    world: &World,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::from(body.to_vec())).unwrap()).await
}

/// Bodies that no client means.
const HOSTILE: [&[u8]; 12] = [
    b"",
    b"\xff\xfe",
    b"null",
    b"7",
    b"[]",
    b"\"a\"",
    b"{\"name\":",
    b"{\"name\":\"a\",\"name\":\"b\"}",
    b"{\"name\":{\"a\":[]},\"signers\":7}",
    b"{\"signers\":[null,[],{}]}",
    b"<?xml version=\"1.0\"?><a/>",
    b"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];
