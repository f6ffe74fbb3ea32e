//! Receivers made of raw bytes, and the client and calls to try them with.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels::{Channel, Guard, Http, Lane, Options, Resolve, Schemes};
use domain::call::{ANSWER_BYTES_MAX, Answer, Call, Ending, Failure, Method, Outcome, Reason};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

/// Something that listens, until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

/// What a receiver notes down.
#[derive(Clone)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, request: String) {
        self.0.lock().unwrap().push(request);
    }
}

impl Receiver {
    /// Serves every connection with a function.
    pub(crate) async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream, Notes) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, notes) = (Arc::clone(&accepted), Notes(Arc::clone(&heard)));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, notes.clone()));
            }
        });
        Self { address, accepted, heard, _tasks: tasks }
    }

    /// Gives every request the same bytes, over a connection that stays.
    pub(crate) async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |mut stream, notes| {
            let bytes = Arc::clone(&bytes);
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    notes.add(request);
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Gives the first request some bytes, and closes.
    pub(crate) async fn closing(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |mut stream, notes| {
            let bytes = Arc::clone(&bytes);
            async move {
                notes.add(read_request(&mut stream).await.unwrap());
                // The client may have given up by then.
                drop(stream.write_all(&bytes).await);
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Reads one request, head and body; nothing if the connection ended.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    loop {
        if let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..head]).to_ascii_lowercase();
            let body_bytes: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |bytes| bytes.parse().unwrap());
            if text.len() >= head.len() + 4 + body_bytes {
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        if stream.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}

/// A client that may call loopback.
pub(crate) fn client() -> Http {
    Http::new(options()).unwrap()
}

/// A client whose names are resolved by the test.
pub(crate) fn client_asking(resolver: Arc<dyn Resolve>) -> Http {
    Http::new(Options { resolver, ..options() }).unwrap()
}

pub(crate) fn options() -> Options {
    Options::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()], Schemes::HttpToo))
}

pub(crate) fn call(method: Method, url: &str, body: &str) -> Call {
    Call {
        method,
        url: Arc::new(Url::parse(url).unwrap()),
        headers: vec![(Cow::Borrowed("content-type"), "application/json".to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

pub(crate) fn post(url: &str) -> Call {
    call(Method::Post, url, "{}")
}

pub(crate) fn lane(timeout_ms: u64) -> Lane {
    Lane {
        key: 7,
        connections_max: 4,
        timeout: Duration::from_millis(timeout_ms),
        answer_bytes_max: ANSWER_BYTES_MAX,
    }
}

/// Posts to a receiver once, with a second's time.
pub(crate) async fn attempt(receiver: &Receiver) -> Ending {
    client().attempt(post(&receiver.url()), lane(1000)).await
}

/// Takes the answer out of an ending.
pub(crate) fn answer(ending: Ending) -> Answer {
    match ending.outcome {
        Outcome::Answered(answer) => answer,
        Outcome::Failed(failure) => panic!("no answer: {failure:?}"),
        other @ (Outcome::Handed(_) | Outcome::Read(_)) => panic!("no call: {other:?}"),
    }
}

/// Takes the failure out of an ending.
pub(crate) fn failure(ending: Ending) -> Failure {
    match ending.outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Answered(answer) => panic!("an answer: {answer:?}"),
        other @ (Outcome::Handed(_) | Outcome::Read(_)) => panic!("no call: {other:?}"),
    }
}

pub(crate) fn reason(ending: Ending) -> Reason {
    failure(ending).reason
}
