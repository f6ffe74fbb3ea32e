//! The server itself, over the loopback.

use std::future::pending;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::world::World;

#[tokio::test]
async fn a_call_that_was_begun_is_finished_when_the_service_stops() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = JoinSet::new();
    let router = world.router.clone();
    server.spawn(async move { web::serve(listener, router, async { drop(stopped.await) }).await });

    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let body = r#"{"type":"custom.a","data":{}}"#;
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        world.key,
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&body.as_bytes()[..5]).await.unwrap();
    // An answer on another connection shows that the server has read what came before.
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 12];
    idle.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    client.write_all(&body.as_bytes()[5..]).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    while server.join_next().await.is_some() {}
}

#[tokio::test]
async fn a_head_over_its_bound_is_refused() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    let router = world.router.clone();
    server.spawn(async move { web::serve(listener, router, pending()).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100_000));
    drop(client.write_all(head.as_bytes()).await);
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

/// Says something to a server of its own, and gives all that it answers until it has said that much.
async fn answered(world: &World, said: &[u8], until: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    let router = world.router.clone();
    server.spawn(async move { web::serve(listener, router, pending()).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(until) {
        assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
    }
    String::from_utf8(answer).unwrap()
}

fn chunked(world: &World, chunks: &str) -> Vec<u8> {
    format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunks}",
        world.key
    )
    .into_bytes()
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_one_body() {
    let world = World::new().await;
    let body = r#"{"type":"custom.a","data":{}}"#;
    let mut chunks: Vec<String> = body.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    chunks.push("0\r\n\r\n".to_owned());
    let answer = answered(&world, &chunked(&world, &chunks.concat()), "}").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_framed_wrongly_is_malformed_and_not_too_large() {
    let world = World::new().await;
    let answer = answered(&world, &chunked(&world, "3\r\n{}\r\nzz\r\n"), "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn much_is_not_waited_for_where_nobody_is_known() {
    let world = World::new().await;
    for (path, length) in [("in", "1000000"), ("feedback", "10"), ("feedback", "1000000")] {
        let head =
            format!("POST /{path}/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        let answer = answered(&world, head.as_bytes(), "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let head = "POST /in/nobody HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = answered(&world, head.as_bytes(), "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}
