//! One attempt costs less than 1 MiB, whatever the receiver does.
//!
//! Invariant: measured for the whole process, receivers included, which is only harder; each test has its own process.

use std::fs;
use std::sync::Arc;

use channels::{Channel, Lane};
use domain::call::Ending;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::receiver::{Receiver, client, lane, post, read_request};

const ATTEMPTS: usize = 64;

/// Reads a line of `/proc/self/status`, in KiB.
fn memory_kib(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

async fn costs_little(head: &'static str, flood: &'static [u8]) {
    let receiver = Receiver::start(move |mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(flood).await.is_ok() {}
    })
    .await;
    let client = Arc::new(client());
    // The first attempt pays for what is there once.
    client.attempt(post(&receiver.url()), lane(300)).await;
    let before_kib = memory_kib("VmRSS");
    let mut attempts: JoinSet<Ending> = JoinSet::new();
    for key in 0..ATTEMPTS {
        let (client, call) = (Arc::clone(&client), post(&receiver.url()));
        attempts.spawn(async move {
            client.attempt(call, Lane { key: key as u128, ..lane(500) }).await
        });
    }
    assert_eq!(attempts.join_all().await.len(), ATTEMPTS);
    let grown_kib = memory_kib("VmHWM").saturating_sub(before_kib);
    assert!(grown_kib < ATTEMPTS * 1024 / 2, "{grown_kib} KiB for {ATTEMPTS} attempts");
}

#[tokio::test]
async fn an_endless_body_costs_little() {
    costs_little("HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 8192]).await;
}

#[tokio::test]
async fn an_endless_head_costs_little() {
    costs_little("HTTP/1.1 200 OK\r\nx: ", &[b'x'; 8192]).await;
}

#[tokio::test]
async fn endless_informational_answers_cost_little() {
    costs_little("", b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n").await;
}

#[tokio::test]
async fn an_endless_chunk_extension_costs_little() {
    costs_little("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", &[b'x'; 8192]).await;
}
