//! Which addresses are dialled, and which are not.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{future, io};

use async_trait::async_trait;
use channels::{Channel, Guard, Http, Lane, Options, Resolve, Schemes};
use domain::call::Reason;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::receiver::{Receiver, answer, client, client_asking, lane, options, post, reason};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Answers each question with the next of its answers.
#[derive(Debug)]
struct Script(Mutex<VecDeque<Vec<&'static str>>>);

impl Script {
    fn new<const N: usize>(answers: [&[&'static str]; N]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers.iter().map(|answer| answer.to_vec()).collect())))
    }
}

#[async_trait]
impl Resolve for Script {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let answer = self.0.lock().unwrap().pop_front();
        let answer =
            answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))?;
        Ok(answer.iter().map(|address| address.parse().unwrap()).collect())
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Resolve for Silent {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        future::pending().await
    }
}

fn named(receiver: &Receiver) -> String {
    format!("http://receiver.test:{}/", receiver.address.port())
}

#[tokio::test]
async fn a_resolver_that_never_answers_is_left_at_the_deadline() {
    let started = Instant::now();
    let ending =
        client_asking(Arc::new(Silent)).attempt(post("http://receiver.test/"), lane(300)).await;
    assert_eq!(ending.remote, None);
    assert_eq!(reason(ending), Reason::NameTimeout);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_name_without_addresses_is_unresolved() {
    for script in [Script::new([]), Script::new([&[]])] {
        let ending = client_asking(script).attempt(post("http://receiver.test/"), lane(300)).await;
        assert_eq!(reason(ending), Reason::NameUnresolved);
    }
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine() {
    let receiver = Receiver::answering(OK).await;
    let guard = Guard::new(
        vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        Schemes::HttpToo,
    );
    let client = Http::new(Options::new(guard)).unwrap();
    let url = format!("http://localhost:{}/", receiver.address.port());
    assert_eq!(answer(client.attempt(post(&url), lane(2000)).await).status, 200);
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_the_target() {
    for addresses in [
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::ffff:169.254.169.254"],
    ] {
        let receiver = Receiver::answering(OK).await;
        let ending = client_asking(Script::new([addresses.as_slice()]))
            .attempt(post(&named(&receiver)), lane(1000))
            .await;
        assert_eq!(ending.remote, None);
        assert_eq!(reason(ending), Reason::TargetRefused);
        assert_eq!(receiver.connections(), 0);
    }
}

#[tokio::test]
async fn the_address_that_was_vetted_is_the_one_dialled() {
    // The second answer points inside; asking twice within one attempt would dial it.
    let script = Script::new([&["127.0.0.1"], &["10.0.0.1"]]);
    let receiver = Receiver::answering(OK).await;
    let client = client_asking(script);
    let keeps_nothing = Lane { connections_max: 0, ..lane(1000) };
    let ending = client.attempt(post(&named(&receiver)), keeps_nothing).await;
    assert_eq!(ending.remote, Some(receiver.address));
    assert_eq!(answer(ending).status, 200);
    let ending = client.attempt(post(&named(&receiver)), keeps_nothing).await;
    assert_eq!(reason(ending), Reason::TargetRefused);
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn literal_private_addresses_are_refused_in_any_spelling() {
    let client = Http::new(Options::new(Guard::default())).unwrap();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "169.254.169.254",
        "168.63.129.16",
    ] {
        let ending = client.attempt(post(&format!("https://{host}/")), lane(300)).await;
        assert_eq!(reason(ending), Reason::TargetRefused, "{host}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_fails_to_connect() {
    let address = Receiver::answering(OK).await.address;
    let ending = client().attempt(post(&format!("http://{address}/")), lane(1000)).await;
    assert_eq!(ending.remote, Some(address));
    assert_eq!(reason(ending), Reason::ConnectFailed);
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let receiver = Receiver::answering(OK).await;
    let client = client_asking(Script::new([&["127.0.0.2", "127.0.0.3", "127.0.0.1"]]));
    let ending = client.attempt(post(&named(&receiver)), lane(1000)).await;
    assert_eq!(ending.remote, Some(receiver.address));
    assert_eq!(answer(ending).status, 200);
}

#[tokio::test]
async fn a_host_that_does_not_accept_costs_its_share_of_the_time_only() {
    let receiver = Receiver::answering(OK).await;
    // A queue that is full: further connections get no answer at all.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind(format!("127.0.0.2:{}", receiver.address.port()).parse().unwrap()).unwrap();
    let deaf = deaf.listen(1).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) =
        timeout(Duration::from_millis(100), TcpStream::connect(deaf.local_addr().unwrap())).await
    {
        queued.push(stream.unwrap());
    }

    let ending =
        client().attempt(post(&format!("http://{}/", deaf.local_addr().unwrap())), lane(300)).await;
    assert_eq!(reason(ending), Reason::ConnectTimeout);
    let client = client_asking(Script::new([&["127.0.0.2", "127.0.0.1"]]));
    let ending = client.attempt(post(&named(&receiver)), lane(1000)).await;
    assert_eq!(ending.remote, Some(receiver.address));
    assert_eq!(answer(ending).status, 200);
}

#[tokio::test]
async fn plain_http_is_refused_when_only_https_is_allowed() {
    let receiver = Receiver::answering(OK).await;
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()], Schemes::HttpsOnly);
    let client = Http::new(Options { guard, ..options() }).unwrap();
    assert_eq!(
        reason(client.attempt(post(&receiver.url()), lane(300)).await),
        Reason::TargetRefused
    );
    assert_eq!(receiver.connections(), 0);
}
