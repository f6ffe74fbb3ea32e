//! Connections that serve more than one attempt.

use std::time::Duration;

use channels::{Channel, Http, Lane, Options};
use domain::call::ANSWER_BYTES_MAX;
use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;

use crate::receiver::{Receiver, answer, attempt, client, lane, options, post, read_request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn attempts_one_after_another_share_a_connection() {
    for bytes in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=30\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (receiver, client) = (Receiver::answering(bytes).await, client());
        let mut reused = 0;
        for _ in 0..200 {
            reused += usize::from(client.attempt(post(&receiver.url()), lane(1000)).await.reused);
        }
        assert_eq!((reused, receiver.connections()), (199, 1), "{bytes:?}");
        assert_eq!(client.sweep(), 1);
    }
}

#[tokio::test]
async fn a_chunked_answer_in_many_pieces_is_reused_as_well() {
    let receiver = Receiver::start(|mut stream, notes| async move {
        stream.set_nodelay(true).unwrap();
        while let Some(request) = read_request(&mut stream).await {
            notes.add(request);
            for piece in [
                "HTTP/1.1 200 OK\r\ntransfer-",
                "encoding: chunked\r\n\r\n",
                "2\r\no",
                "k\r\n0\r",
                "\n\r\n",
            ] {
                stream.write_all(piece.as_bytes()).await.unwrap();
                yield_now().await;
            }
        }
    })
    .await;
    let client = client();
    for _ in 0..20 {
        assert_eq!(answer(client.attempt(post(&receiver.url()), lane(1000)).await).body, "ok");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_connection_closed_in_the_pool_is_replaced_without_an_error() {
    let receiver = Receiver::closing(OK).await;
    let client = client();
    for number in 1..=20 {
        let ending = client.attempt(post(&receiver.url()), lane(1000)).await;
        assert!(!ending.reused);
        assert_eq!(answer(ending).status, 200);
        assert_eq!((receiver.connections(), receiver.requests().len()), (number, number));
        // Lets the close arrive, which a fresh connection proves by coming after it.
        attempt_elsewhere().await;
    }
}

async fn attempt_elsewhere() {
    assert_eq!(answer(attempt(&Receiver::answering(OK).await).await).status, 200);
}

#[tokio::test]
async fn a_receiver_that_says_close_is_not_reused() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .await;
    let client = client();
    for _ in 0..3 {
        assert!(!client.attempt(post(&receiver.url()), lane(1000)).await.reused);
        assert_eq!(client.sweep(), 0);
    }
}

#[tokio::test]
async fn what_comes_after_an_answer_is_never_taken_for_the_next_one() {
    let receiver =
        Receiver::answering(format!("{OK}HTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n"))
            .await;
    let client = client();
    for _ in 0..5 {
        let ending = client.attempt(post(&receiver.url()), lane(1000)).await;
        assert!(!ending.reused);
        assert_eq!(answer(ending).status, 200);
    }
}

#[tokio::test]
async fn a_connection_that_is_old_or_idle_for_long_is_neither_used_nor_kept() {
    for old in [
        Options { idle_max: Duration::ZERO, ..options() },
        Options { age_max: Duration::ZERO, ..options() },
    ] {
        let receiver = Receiver::answering(OK).await;
        let client = Http::new(old).unwrap();
        for _ in 0..3 {
            assert!(!client.attempt(post(&receiver.url()), lane(1000)).await.reused);
        }
        assert_eq!((receiver.connections(), client.sweep()), (3, 0));
    }
}

#[tokio::test]
async fn a_receiver_that_keeps_connections_for_a_moment_only_gets_fresh_ones() {
    let receiver = Receiver::answering(
        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let client = client();
    for _ in 0..3 {
        assert!(!client.attempt(post(&receiver.url()), lane(1000)).await.reused);
    }
}

#[tokio::test]
async fn the_pool_has_a_bound_per_lane_and_one_in_all() {
    let receiver = Receiver::answering(OK).await;
    let client = Http::new(Options { idle_connections_max: 3, ..options() }).unwrap();
    let url = receiver.url();
    let attempt = |key| {
        client.attempt(
            post(&url),
            Lane {
                key,
                connections_max: 2,
                timeout: Duration::from_secs(1),
                answer_bytes_max: ANSWER_BYTES_MAX,
            },
        )
    };
    tokio::join!(attempt(1), attempt(1), attempt(1), attempt(1));
    assert_eq!(client.sweep(), 2);
    tokio::join!(attempt(2), attempt(3), attempt(4));
    assert_eq!(client.sweep(), 3);
}

#[tokio::test]
async fn lanes_and_origins_do_not_share_connections() {
    let (receiver, other) = (Receiver::answering(OK).await, Receiver::answering(OK).await);
    let client = client();
    let one = lane(1000);
    let two = Lane { key: 8, ..one };
    assert!(!client.attempt(post(&receiver.url()), one).await.reused);
    assert!(!client.attempt(post(&receiver.url()), two).await.reused);
    assert!(!client.attempt(post(&other.url()), one).await.reused);
    assert!(client.attempt(post(&receiver.url()), one).await.reused);
    assert!(client.attempt(post(&other.url()), one).await.reused);
}

#[tokio::test]
async fn a_lane_may_keep_nothing() {
    let receiver = Receiver::answering(OK).await;
    let client = client();
    let keeps_nothing = Lane { connections_max: 0, ..lane(1000) };
    assert!(!client.attempt(post(&receiver.url()), keeps_nothing).await.reused);
    assert_eq!(client.sweep(), 0);
}
