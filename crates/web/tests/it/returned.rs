//! Mails that come back by SMTP, over the loopback.

use std::net::SocketAddr;
use std::slice::from_ref;

use domain::id::NoticeId;
use domain::provider::ProviderKind;
use engine::feedback::return_paths;
use store::MasterKey;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::feedback::{NOTICE, mailed, suppression, told};
use super::world::World;

const BOUNCE: &str = "From: mailer@example.com\r\nMessage-ID: <r1@example.com>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
    --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n\
    Final-Recipient: rfc822; ada@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n";

/// A server for returned mails, until it is stopped.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinSet<()>,
}

impl Server {
    async fn start(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        let engine = world.engine.clone();
        running.spawn(async move {
            web::serve_returned_mails(listener, engine, async { drop(stopped.await) }).await;
        });
        Self { address, stop, running }
    }

    /// Connects, and gives the greeting.
    async fn connect(&self) -> (BufReader<TcpStream>, String) {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        (stream, line)
    }

    /// Says all at once, and gives the codes of all that is said until the other end closes.
    async fn say(&self, text: &str) -> Vec<String> {
        let (mut stream, _) = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said.lines().map(|line| line.chars().take(3).collect()).collect()
    }

    async fn stop(mut self) {
        self.stop.send(()).unwrap();
        while self.running.join_next().await.is_some() {}
    }
}

/// Gives the return path of a notice.
fn return_path(notice: NoticeId) -> String {
    let paths = return_paths(&MasterKey::new(&[7; 32]).unwrap());
    paths.write(&notice.to_string(), "bounces.example.com")
}

/// Gives all that is said to hand a mail over.
fn session(to: &[String], mail: &str) -> String {
    let to: Vec<String> = to.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
    format!("HELO mx.test\r\nMAIL FROM:<>\r\n{}DATA\r\n{mail}.\r\nQUIT\r\n", to.concat())
}

#[tokio::test]
async fn a_bounce_is_told_and_a_mail_about_nothing_is_taken_all_the_same() {
    let world = World::new().await;
    let (request, _) = mailed(&world, ProviderKind::Smtp).await;
    let server = Server::start(&world).await;
    let nobody = return_path(NoticeId::new(99));
    let taken = ["250", "250", "250", "354", "250", "221"];
    assert_eq!(server.say(&session(from_ref(&nobody), BOUNCE)).await, taken);
    assert_eq!(server.say(&session(&[return_path(NOTICE)], "\0\r\n")).await, taken);
    assert_eq!(suppression(&world).await, None);
    let taken = ["250", "250", "250", "250", "354", "250", "221"];
    assert_eq!(server.say(&session(&[nobody, return_path(NOTICE)], BOUNCE)).await, taken);
    assert_eq!(suppression(&world).await.unwrap()["reason"], "bounce");
    let told = told(&world, &request).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let figures = world.get("/metrics").await.expect(200).text;
    for (outcome, count) in [("unknown", 2), ("unread", 1), ("heard", 1)] {
        let line = format!("countersign_returned_mails_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(figures.contains(&line), "{line}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_comes_too_many_or_too_late_is_told_to_come_again() {
    let world = World::new().await;
    let server = Server::start(&world).await;
    let mut sessions = Vec::new();
    for _ in 0..64 {
        let (stream, greeting) = server.connect().await;
        assert!(greeting.starts_with("220 sign.example.com"), "{greeting}");
        sessions.push(stream);
    }
    assert!(server.connect().await.1.starts_with("421 4.3.2 too many"));
    let half = session(&[return_path(NOTICE)], BOUNCE).replace(".\r\nQUIT\r\n", "");
    sessions[0].write_all(half.as_bytes()).await.unwrap();
    let mut said = String::new();
    while !said.contains("354") {
        sessions[0].read_line(&mut said).await.unwrap();
    }
    server.stop().await;
    for stream in &mut sessions {
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("421 4.3.2 the service stops"), "{said}");
    }
}
