//! The server itself, over the loopback.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use super::world::{PUBLIC_URL, World};

/// Serves until it is told to stop, by our own hand where that is possible, or by hyper alone.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinSet<()>,
}

impl Server {
    async fn start(service: impl Into<web::Service> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        running.spawn(web::serve(listener, service, async { drop(stopped.await) }));
        Self { address, stop: Some(stop), running }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

#[tokio::test]
async fn a_call_that_was_begun_is_finished_when_the_service_stops() {
    let world = World::new().await;
    let ways = [Server::start(quick(&world)).await, Server::start(world.router.clone()).await];
    for mut server in ways {
        let (mut idle, mut client) = (server.connect().await, server.connect().await);
        let call = event(&world, "");
        let (begun, rest) = call.as_bytes().split_at(call.len() - 20);
        client.write_all(begun).await.unwrap();
        // An answer on another connection shows that the server has read what came before.
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(answers(&mut idle, 1).await[0].starts_with("HTTP/1.1 200"));
        drop(server.stop.take());
        let mut rest_of_idle = Vec::new();
        idle.read_to_end(&mut rest_of_idle).await.unwrap();
        client.write_all(rest).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        while server.running.join_next().await.is_some() {}
    }
}

#[tokio::test]
async fn a_head_over_its_bound_is_refused() {
    let world = World::new().await;
    let server = Server::start(world.router.clone()).await;
    let mut client = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100_000));
    drop(client.write_all(head.as_bytes()).await);
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

/// Says something to a server of its own, and gives all that it answers until it has said that much.
async fn answered(world: &World, said: &[u8], until: &str) -> String {
    let server = Server::start(world.router.clone()).await;
    let mut client = server.connect().await;
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

/// The service with its short way.
fn quick(world: &World) -> web::Service {
    let settings = web::Settings { public_url: PUBLIC_URL.to_owned(), trusted_proxies: false };
    web::service(web::State::new(world.engine.clone(), settings))
}

fn event(world: &World, fields: &str) -> String {
    let body = r#"{"type":"custom.a","data":{}}"#;
    let length = body.len();
    format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{fields}\r\n{body}",
        world.key
    )
}

/// Reads so many answers, and gives them without what differs from call to call.
async fn answers(client: &mut TcpStream, count: usize) -> Vec<String> {
    let (mut bytes, mut answers) = (Vec::new(), Vec::new());
    while answers.len() < count {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((answer, taken)) = first_of(&text) else {
            assert_ne!(client.read_buf(&mut bytes).await.unwrap(), 0, "{text}");
            continue;
        };
        answers.push(answer);
        bytes.drain(..taken);
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    answers
}

/// Gives the first whole answer, with neither the time of its date nor the id that it tells, and its length.
fn first_of(text: &str) -> Option<(String, usize)> {
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let body = rest.get(..length.parse().unwrap())?;
    let field = |line: &str| line.strip_prefix("date: ").map_or(line.to_owned(), |_| "date".into());
    let head: Vec<String> = head.lines().map(field).collect();
    let told = match body.split_once("\"known\"") {
        Some((_id, rest)) => rest,
        None => body,
    };
    Some((format!("{}\n{told}", head.join("\n")), text.len() - rest.len() + body.len()))
}

#[tokio::test]
async fn an_answer_does_not_tell_which_way_it_took() {
    let world = World::new().await;
    let ways = [Server::start(quick(&world)).await, Server::start(world.router.clone()).await];
    let plain = event(&world, "");
    let with = |from: &str, to: &str| plain.replace(from, to);
    let calls = [
        plain.clone(),
        with("custom.a", "custom!a"),
        with("{}", "{,"),
        with("application/json", "text/plain"),
        with("Bearer ", "Bearer x"),
        with("authorization", "x-authorization"),
        with("\r\nhost", "\r\nx: \u{e9}\r\nhost"),
        with("/api/v1/events", "/in/nobody"),
        with("/api/v1/events", "/api/v1/events?x=1"),
        with("/api/v1/events", "/api/v1/nothing"),
        "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
    ];
    for call in calls {
        let mut said = Vec::new();
        for way in &ways {
            let mut client = way.connect().await;
            client.write_all(call.as_bytes()).await.unwrap();
            said.push(answers(&mut client, 1).await);
        }
        assert_eq!(said[0], said[1], "{call}");
    }
    let surplus = with("content-length: 29", "content-length: 28");
    for way in &ways {
        let mut client = way.connect().await;
        client.write_all(surplus.as_bytes()).await.unwrap();
        let answers = answers(&mut client, 2).await;
        assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 400")), "{answers:?}");
    }
}

#[tokio::test]
async fn calls_may_come_in_pieces_and_ahead_of_time() {
    let world = World::new().await;
    let server = Server::start(quick(&world)).await;
    let call = event(&world, "");
    for cut in [1, 20, call.len() - 40, call.len() - 1] {
        let mut client = server.connect().await;
        client.set_nodelay(true).unwrap();
        for part in [&call.as_bytes()[..cut], &call.as_bytes()[cut..]] {
            client.write_all(part).await.unwrap();
            yield_now().await;
        }
        assert!(answers(&mut client, 1).await[0].starts_with("HTTP/1.1 202"), "{cut}");
    }
    let mut client = server.connect().await;
    let other = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let closing = event(&world, "connection: close\r\n");
    let many = format!("{call}\r\n{call}{other}{call}{closing}");
    client.write_all(many.as_bytes()).await.unwrap();
    let answers = answers(&mut client, 5).await;
    let statuses: Vec<&str> =
        answers.iter().map(|answer| answer.split(' ').nth(1).unwrap()).collect();
    assert_eq!(statuses, ["202", "202", "200", "202", "202"]);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "it was asked to close");
}

#[tokio::test]
async fn whoever_is_gone_leaves_nothing_behind_and_the_service_stops_at_once() {
    let world = World::new().await;
    let mut server = Server::start(quick(&world)).await;
    let call = event(&world, "");
    let mut idle = server.connect().await;
    idle.write_all(call.as_bytes()).await.unwrap();
    answers(&mut idle, 1).await;
    let mut silent = server.connect().await;
    let mut tidy = server.connect().await;
    tidy.write_all(format!("{call}\r\n").as_bytes()).await.unwrap();
    answers(&mut tidy, 1).await;
    for cut in [0, 10, call.len() - 3, call.len()] {
        let mut client = server.connect().await;
        client.write_all(&call.as_bytes()[..cut]).await.unwrap();
        drop(client);
    }
    drop(server.stop.take());
    let ended = async { while server.running.join_next().await.is_some() {} };
    timeout(Duration::from_secs(5), ended).await.unwrap();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_says_no_more_after_two_calls_hears_the_first_answer() {
    let world = World::new().await;
    let server = Server::start(quick(&world)).await;
    let call = event(&world, "");
    let mut client = server.connect().await;
    client.write_all(format!("{call}{call}").as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert!(answers.starts_with("HTTP/1.1 202"), "{answers}");
}

#[tokio::test]
async fn a_wrong_key_is_refused_before_the_body_is_there() {
    let world = World::new().await;
    let server = Server::start(quick(&world)).await;
    let call = event(&world, "").replace("Bearer ", "Bearer x");
    let mut client = server.connect().await;
    client.write_all(&call.as_bytes()[..call.len() - 5]).await.unwrap();
    let answer = timeout(Duration::from_secs(10), answers(&mut client, 1)).await.unwrap();
    assert!(answer[0].starts_with("HTTP/1.1 401"), "{answer:?}");
}
