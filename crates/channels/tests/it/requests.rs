//! What goes on the wire.

use channels::Channel;
use domain::call::{Method, Reason};

use crate::receiver::{Receiver, answer, call, client, lane, post, reason};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

async fn heard(method: Method, query: &str, body: &str) -> (String, u16) {
    let receiver = Receiver::answering(OK).await;
    let call = call(method, &format!("{}{query}", receiver.url()), body);
    answer(client().attempt(call, lane(1000)).await);
    (receiver.requests().remove(0), receiver.address.port())
}

#[tokio::test]
async fn a_post_says_who_calls_and_how_long_its_body_is() {
    let (request, port) = heard(Method::Post, "?a=b%20c", "{\"a\":1}").await;
    let expected = format!(
        "POST /hook?a=b%20c HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: Countersign/{}\r\n\
         content-type: application/json\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}",
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(request, expected);
}

#[tokio::test]
async fn an_empty_post_has_a_length_all_the_same() {
    let (request, _) = heard(Method::Post, "", "").await;
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    assert_eq!(request.matches("content-length: 0\r\n").count(), 1, "{request}");
}

#[tokio::test]
async fn a_get_has_no_body_and_no_length() {
    let (request, _) = heard(Method::Get, "?status=signed", "").await;
    assert!(request.starts_with("GET /hook?status=signed HTTP/1.1\r\n"), "{request}");
    assert!(
        !request.contains("content-length") && !request.contains("transfer-encoding"),
        "{request}"
    );
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let body = "x".repeat(1 << 20);
    let (request, _) = heard(Method::Post, "", &body).await;
    assert!(request.ends_with(&format!("content-length: {}\r\n\r\n{body}", body.len())));
}

#[tokio::test]
async fn a_header_with_illegal_bytes_is_unsayable_and_nobody_is_called() {
    let receiver = Receiver::answering(OK).await;
    let mut call = post(&receiver.url());
    call.headers.push(("x-secret".into(), "one\r\ntwo: three".to_owned()));
    assert_eq!(reason(client().attempt(call, lane(1000)).await), Reason::Unsayable);
    assert_eq!(receiver.connections(), 0);
}
