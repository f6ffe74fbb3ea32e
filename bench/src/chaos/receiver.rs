//! The receiver: writes down every attempt before it answers, and answers with a number that is nobody else's.
//!
//! Place 1 takes everything, 2 is moody, 3 is moody and asks for order, 4 is down at times.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    task::JoinSet,
};

use crate::{
    chaos::{
        book::Book,
        judge::{Reaction, Rule, Sight},
        plot::Dice,
    },
    clock,
};

#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    book: Arc<Book>,
    dice: Mutex<Dice>,
    nonces: AtomicU64,
    /// Whether the endpoint that is down at times is down.
    down: AtomicBool,
}

/// An attempt that gets no answer.
type Cut = Box<dyn Error + Send + Sync>;

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    post: Option<String>,
}

impl Receiver {
    pub(crate) async fn start(book: Arc<Book>, seed: u64, tasks: &mut JoinSet<()>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding the receiver")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            book,
            dice: Mutex::new(Dice::new(seed)),
            nonces: AtomicU64::new(1),
            down: AtomicBool::new(false),
        });
        tasks.spawn(listen(Arc::clone(&shared), listener));
        Ok(Self { address, shared })
    }

    pub(crate) fn url(&self, place: usize) -> String {
        format!("http://{}/e/{place}", self.address)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }
}

/// The endpoints, as they are registered.
pub(crate) fn rules() -> Vec<Rule> {
    let rule = |place| Rule { place, ordered: place == ORDERED, in_flight_max: IN_FLIGHT_MAX };
    (1..=PLACES).map(rule).collect()
}

async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(Arc::clone(&shared), stream));
                }
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn converse(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    // An error means that the peer went away or was cut.
    if stream.set_nodelay(true).is_ok() {
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let place = head.uri.path().rsplit('/').next().and_then(|place| place.parse().ok());
    let event = head.headers.get("webhook-id").and_then(|id| id.to_str().ok());
    let (Some(place), Some(event)) = (place, event) else { return Err("no webhook".into()) };
    let nonce = shared.nonces.fetch_add(1, Ordering::Relaxed);
    let (reaction, wait) = shared.mood(place);
    let post = serde_json::from_slice::<Body>(&body).unwrap_or_default().data.post;
    shared.book.saw(Sight { place, event: event.to_owned(), nonce, reaction, at_ms: 0, post });
    if let Some(wait) = wait {
        clock::pause(wait).await;
    }
    let status = match reaction {
        Reaction::Took => StatusCode::OK,
        Reaction::Refused => StatusCode::INTERNAL_SERVER_ERROR,
        Reaction::Cut => return Err("cut".into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(nonce.to_string())));
    *response.status_mut() = status;
    Ok(response)
}

impl Shared {
    fn mood(&self, place: usize) -> (Reaction, Option<Duration>) {
        let roll = self.dice.lock().unwrap_or_else(PoisonError::into_inner).below(100);
        let slow = Some(Duration::from_millis(roll * 20));
        match (place, roll) {
            (MOODY | ORDERED, 0..5) => (Reaction::Refused, None),
            (MOODY | ORDERED, 5..8) => (Reaction::Cut, None),
            (MOODY, 8..16) => (Reaction::Took, slow),
            (FLAPPING, _) if self.down.load(Ordering::Relaxed) => (Reaction::Refused, None),
            (_, _) => (Reaction::Took, None),
        }
    }
}

const PLACES: usize = 4;
const MOODY: usize = 2;
const ORDERED: usize = 3;
const FLAPPING: usize = 4;
/// What each endpoint allows to be under way.
const IN_FLIGHT_MAX: u32 = 6;
