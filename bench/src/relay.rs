//! A stand-in for a server under test: takes events and passes them on, and remembers nothing on disk.
//!
//! It speaks just enough of Countersign's interface to be put through every scenario. That proves the bench, and
//! shows what two HTTP exchanges per event cost without any work between them. `kill` must find that it loses events.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::timeout,
};

use crate::clock;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[arg(long, env = "COUNTERSIGN_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[derive(Debug)]
struct Relay {
    lanes: Mutex<Vec<Arc<Lane>>>,
    opened: mpsc::UnboundedSender<Arc<Lane>>,
    pending: AtomicU64,
    next_id: AtomicU64,
}

/// One endpoint and what waits for it.
#[derive(Debug)]
struct Lane {
    url: Uri,
    workers: u32,
    queue: Mutex<VecDeque<Job>>,
    wake: Notify,
}

#[derive(Debug, Clone)]
struct Job {
    id: String,
    body: Bytes,
}

#[derive(Debug, Deserialize)]
struct NewEndpoint {
    url: String,
    max_in_flight: Option<u32>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    crate::runtime(1)?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Result<()> {
    let listener = TcpListener::bind(arguments.listen).await.context("binding the relay")?;
    let (opened, mut to_open) = mpsc::unbounded_channel::<Arc<Lane>>();
    let relay = Arc::new(Relay {
        lanes: Mutex::default(),
        opened,
        pending: AtomicU64::new(0),
        next_id: AtomicU64::new(clock::unix_us()),
    });
    let mut tasks = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tasks.spawn(converse(Arc::clone(&relay), stream));
                }
            }
            Some(lane) = to_open.recv() => {
                for _ in 0..lane.workers {
                    tasks.spawn(work(Arc::clone(&relay), Arc::clone(&lane)));
                }
            }
            _ = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

async fn converse(relay: Arc<Relay>, stream: TcpStream) {
    let service = service_fn(|request| {
        let relay = Arc::clone(&relay);
        async move { relay.answer(request).await }
    });
    if stream.set_nodelay(true).is_ok() {
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
    }
}

impl Relay {
    async fn answer(&self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let said = match (&head.method, head.uri.path()) {
            (&Method::GET, "/readyz") => Ok((StatusCode::OK, json!({}))),
            (&Method::GET, "/api/v1/stats") => {
                let pending = self.pending.load(Ordering::Relaxed);
                Ok((StatusCode::OK, json!({ "deliveries": { "pending": pending } })))
            }
            (&Method::POST, "/api/v1/endpoints") => self.open(&body),
            (&Method::POST, "/api/v1/events" | "/api/v1/requests") => Ok(self.accept(&body)),
            _ => Ok((StatusCode::NOT_FOUND, json!({}))),
        };
        let (status, answer) = said.unwrap_or_else(|error: anyhow::Error| {
            (StatusCode::BAD_REQUEST, json!({ "detail": format!("{error:#}") }))
        });
        let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
        *response.status_mut() = status;
        Ok(response)
    }

    fn open(&self, body: &Bytes) -> Result<(StatusCode, Value)> {
        let wanted: NewEndpoint = serde_json::from_slice(body)?;
        let lane = Arc::new(Lane {
            url: wanted.url.parse()?,
            workers: wanted.max_in_flight.unwrap_or(10),
            queue: Mutex::default(),
            wake: Notify::new(),
        });
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&lane));
        self.opened.send(lane).context("opening a lane")?;
        Ok((StatusCode::CREATED, json!({})))
    }

    fn accept(&self, body: &Bytes) -> (StatusCode, Value) {
        let id = format!("evt_{:026}", self.next_id.fetch_add(1, Ordering::Relaxed));
        for lane in self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            self.pending.fetch_add(1, Ordering::Relaxed);
            lane.queue().push_back(Job { id: id.clone(), body: body.clone() });
            lane.wake.notify_one();
        }
        (StatusCode::ACCEPTED, json!({ "id": id }))
    }
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Job {
        loop {
            let woken = self.wake.notified();
            if let Some(job) = self.queue().pop_front() {
                return job;
            }
            woken.await;
        }
    }
}

/// Delivers on one connection after the other, for as long as the relay lives.
async fn work(relay: Arc<Relay>, lane: Arc<Lane>) {
    while deliver_on_one_connection(&relay, &lane).await.is_err() {
        clock::pause(RETRY_WAIT).await;
    }
}

async fn deliver_on_one_connection(relay: &Relay, lane: &Lane) -> Result<()> {
    let authority = lane.url.authority().context("a URL without a host")?.as_str();
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let mut work = pin!(async {
        loop {
            let job = lane.next().await;
            if let Err(error) = attempt(&mut sender, lane, authority, &job).await {
                lane.queue().push_back(job);
                lane.wake.notify_one();
                return Err(error);
            }
            relay.pending.fetch_sub(1, Ordering::Relaxed);
        }
    });
    select! {
        biased;
        ended = &mut work => ended,
        _ = connection => work.await,
    }
}

async fn attempt(
    sender: &mut SendRequest<Full<Bytes>>,
    lane: &Lane,
    authority: &str,
    job: &Job,
) -> Result<()> {
    let mut request = Request::new(Full::new(job.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(lane.url.path())?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority)?);
    request.headers_mut().insert("webhook-id", HeaderValue::from_str(&job.id)?);
    sender.ready().await?;
    let answer = timeout(ATTEMPT_TIMEOUT, sender.send_request(request)).await??;
    let status = answer.status();
    answer.into_body().collect().await?;
    ensure!(status.is_success(), "status {status}");
    Ok(())
}

const RETRY_WAIT: Duration = Duration::from_millis(20);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
