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
