//! What is made of answers that are what they should be, more or less.

use domain::call::{ANSWER_BYTES_MAX, Answer};

use crate::receiver::{Receiver, answer, attempt};

#[tokio::test]
async fn an_answer_keeps_status_and_body() {
    let receiver =
        Receiver::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nfine").await;
    let ending = attempt(&receiver).await;
    assert_eq!((ending.remote, ending.reused), (Some(receiver.address), false));
    assert_eq!(
        answer(ending),
        Answer { status: 202, body: "fine".to_owned(), ..Answer::default() }
    );
}

#[tokio::test]
async fn a_redirect_is_answered_and_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let receiver = Receiver::answering(format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    ))
    .await;
    assert_eq!(answer(attempt(&receiver).await).status, 302);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn informational_answers_do_not_count() {
    let receiver = Receiver::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
         HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    assert_eq!(
        answer(attempt(&receiver).await),
        Answer { status: 201, body: "ok".to_owned(), ..Answer::default() }
    );
}

#[tokio::test]
async fn a_body_may_end_with_the_connection() {
    let receiver = Receiver::closing("HTTP/1.0 200 OK\r\n\r\nto the end").await;
    assert_eq!(answer(attempt(&receiver).await).body, "to the end");
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let receiver = Receiver::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\ntrailer: a\r\n\r\n",
    )
    .await;
    assert_eq!(answer(attempt(&receiver).await).body, "abcde");
}

#[tokio::test]
async fn a_status_line_may_lack_its_phrase() {
    for line in ["HTTP/1.1 200", "HTTP/1.1 200 "] {
        let receiver = Receiver::answering(format!("{line}\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(answer(attempt(&receiver).await).status, 200, "{line:?}");
    }
}

#[tokio::test]
async fn a_status_without_a_body_ends_with_its_head() {
    for status in [204, 304] {
        let receiver = Receiver::answering(format!("HTTP/1.1 {status} X\r\n\r\n")).await;
        assert_eq!(answer(attempt(&receiver).await), Answer { status, ..Answer::default() });
    }
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    for (fields, retry_after_s) in [
        ("retry-after: 120", Some(120)),
        (
            "date: Sun, 22 Nov 2026 15:00:00 GMT\r\nretry-after: Sun, 22 Nov 2026 15:01:00 GMT",
            Some(60),
        ),
        ("retry-after: later", None),
    ] {
        let receiver =
            Receiver::answering(format!("HTTP/1.1 503 X\r\n{fields}\r\ncontent-length: 0\r\n\r\n"))
                .await;
        assert_eq!(answer(attempt(&receiver).await).retry_after_s, retry_after_s, "{fields}");
    }
}

#[tokio::test]
async fn a_long_body_is_cut_and_the_status_counts() {
    let body = "x".repeat(ANSWER_BYTES_MAX + 1);
    let receiver = Receiver::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let answer = answer(attempt(&receiver).await);
    assert_eq!((answer.status, answer.body_cut, answer.body.len()), (200, true, ANSWER_BYTES_MAX));
}

#[tokio::test]
async fn a_compressed_body_is_never_inflated() {
    // The head of a gzip file; were it inflated, this would be an error and not two dozen bytes.
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xed, 0xc1, 1, 13, 0, 0, 0, 0xc2, 0xa0, 0xf7, 0x4f,
        0x6d, 0x0e,
    ];
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        gzip.len()
    );
    let receiver = Receiver::answering([head.as_bytes(), &gzip].concat()).await;
    let answer = answer(attempt(&receiver).await);
    assert_eq!(answer.body, String::from_utf8_lossy(&gzip));
    assert!(receiver.requests().iter().all(|request| !request.contains("accept-encoding")));
}
