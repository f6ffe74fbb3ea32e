//! Receivers that are slow, rude, broken, or worse. None may cost more than the deadline and a little memory.

use std::future::pending;
use std::time::Duration;

use channels::Channel;
use domain::call::{ANSWER_BYTES_MAX, Failure, Reason};
use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;
use tokio::time::{Instant, interval};

use crate::receiver::{
    Receiver, answer, attempt, client, failure, lane, post, read_request, reason,
};

async fn dripping(start: &'static str, drop_of: &'static [u8]) -> Receiver {
    Receiver::start(move |mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if stream.write_all(drop_of).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_dripping_receiver_is_left_at_the_deadline() {
    for (start, drop_of, expected) in [
        ("", b"H".as_slice(), Reason::HeadersTimeout),
        ("HTTP/1.1 200 OK\r\nx: ", b"y", Reason::HeadersTimeout),
        ("", b"HTTP/1.1 103 Early Hints\r\n\r\n", Reason::HeadersTimeout),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"z", Reason::BodyTimeout),
        ("HTTP/1.1 200 OK\r\n\r\n", b"z", Reason::BodyTimeout),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1\r\nz\r\n",
            Reason::BodyTimeout,
        ),
    ] {
        let receiver = dripping(start, drop_of).await;
        let started = Instant::now();
        let ending = client().attempt(post(&receiver.url()), lane(300)).await;
        assert_eq!(reason(ending), expected, "{start:?}");
        assert!(
            started.elapsed() < Duration::from_millis(900),
            "{start:?}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn informational_answers_are_heard_up_to_a_bound() {
    let many: &'static [u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100).leak();
    let receiver = dripping("", many).await;
    let ending = client().attempt(post(&receiver.url()), lane(5_000)).await;
    assert_eq!(reason(ending), Reason::AnswerMalformed);
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_left_at_the_deadline() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        pending::<()>().await;
    })
    .await;
    let ending = client().attempt(post(&receiver.url()), lane(300)).await;
    assert_eq!(ending.remote, Some(receiver.address));
    assert_eq!(reason(ending), Reason::HeadersTimeout);
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_is_left_at_the_deadline() {
    let receiver = Receiver::start(|stream, _| async move {
        pending::<()>().await;
        drop(stream);
    })
    .await;
    let mut call = post(&receiver.url());
    call.body = vec![b'x'; 16 << 20];
    assert_eq!(reason(client().attempt(call, lane(300)).await), Reason::HeadersTimeout);
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_once() {
    let receiver = Receiver::start(|mut stream, notes| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2000000000\r\n\r\n").await.unwrap();
        let mut written_bytes = 0;
        while let Ok(bytes) = stream.write(&[b'x'; 4096]).await {
            written_bytes += bytes;
        }
        notes.add(written_bytes.to_string());
    })
    .await;
    let started = Instant::now();
    let answer = answer(client().attempt(post(&receiver.url()), lane(5000)).await);
    assert_eq!((answer.status, answer.body_cut, answer.body.len()), (200, true, ANSWER_BYTES_MAX));
    assert!(started.elapsed() < Duration::from_secs(1));
    while receiver.requests().is_empty() {
        yield_now().await;
    }
    // What the sockets' own buffers took; far from 2 GB.
    let written_bytes: usize = receiver.requests()[0].parse().unwrap();
    assert!(written_bytes < 16 << 20, "{written_bytes}");
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_malformed() {
    let many = "x: y\r\n".repeat(500);
    let huge = "y".repeat(64 * 1024);
    for bytes in [
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        "220 mail.example ESMTP\r\n\r\n".to_owned(),
        "HTTP/2 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 20 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nx y: z\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nx: \u{1}\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nx: {huge}\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let receiver = Receiver::answering(bytes.clone()).await;
        let reason = reason(attempt(&receiver).await);
        assert_eq!(reason, Reason::AnswerMalformed, "{:?}", bytes.get(..80).unwrap_or(&bytes));
    }
}

#[tokio::test]
async fn nonsense_is_nonsense_however_its_bytes_come() {
    for pieces in [["\n\u{1}\u{1}", ""], ["\n", "\u{1}\u{1}"], ["\n\u{1}", "\u{1}"]] {
        let receiver = Receiver::start(move |mut stream, _| async move {
            read_request(&mut stream).await.unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                yield_now().await;
            }
        })
        .await;
        assert_eq!(reason(attempt(&receiver).await), Reason::AnswerMalformed, "{pieces:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_speaks_before_it_is_asked_is_malformed() {
    let receiver = Receiver::start(|mut stream, _| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        pending::<()>().await;
    })
    .await;
    assert_eq!(reason(attempt(&receiver).await), Reason::AnswerMalformed);
}

#[tokio::test]
async fn a_close_before_the_answer_loses_the_connection() {
    for start in ["", "HTTP/1.1 200 OK\r\nconte"] {
        let receiver = Receiver::closing(start).await;
        assert_eq!(reason(attempt(&receiver).await), Reason::ConnectionLost, "{start:?}");
        assert_eq!(receiver.connections(), 1, "what may have arrived is not sent again");
    }
}

#[tokio::test]
async fn a_reset_before_the_answer_loses_the_connection() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(reason(attempt(&receiver).await), Reason::ConnectionLost);
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_reset_within_the_body_tells_the_status_that_came() {
    let receiver = Receiver::start(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let Failure { reason, detail } = failure(attempt(&receiver).await);
    assert_eq!(reason, Reason::ConnectionLost);
    // A reset may overtake the bytes before it; then there was no status to tell.
    assert!(detail.contains("status 200") || detail.contains("before an answer"), "{detail}");
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_no_answer() {
    for rest in ["content-length: 100\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"]
    {
        let receiver = Receiver::closing(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
        let Failure { reason, detail } = failure(attempt(&receiver).await);
        assert_eq!(reason, Reason::ConnectionLost, "{rest:?}");
        assert!(detail.contains("status 200"), "{detail}");
    }
}

#[tokio::test]
async fn dropping_an_attempt_closes_its_connection() {
    let receiver = Receiver::start(|mut stream, notes| async move {
        read_request(&mut stream).await.unwrap();
        notes.add("asked".to_owned());
        assert_eq!(read_request(&mut stream).await, None);
        notes.add("closed".to_owned());
    })
    .await;
    let client = client();
    let noted = |count: usize| {
        let receiver = &receiver;
        async move {
            while receiver.requests().len() < count {
                yield_now().await;
            }
        }
    };
    tokio::select! {
        ending = client.attempt(post(&receiver.url()), lane(5000)) => panic!("ended: {ending:?}"),
        () = noted(1) => {}
    }
    noted(2).await;
}
