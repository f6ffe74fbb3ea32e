//! The receiver: takes webhooks as fast as raw hyper can, and counts them.
//!
//! It runs in a process of its own, so that its time is nobody else's. `/e/1` to `/e/63` stand for as many
//! endpoints; `/__sink/…` is the control (`sink::remote` is its other end).

pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod remote;

use std::{
    convert::Infallible,
    error::Error,
    future::pending,
    io::{self, Read},
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{Notify, oneshot},
    task::JoinSet,
};

use crate::{
    clock,
    sink::ledger::{Arrival, Ledger, Mood, place_of},
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one, which the first line on stdout names.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The status of an accepted delivery.
    #[arg(long, default_value_t = 204)]
    status: u16,
    /// How many different deliveries are remembered; each takes 34 bytes.
    #[arg(long, default_value_t = 2_000_000)]
    keys_max: usize,
    /// Threads; one is fastest as long as it is not itself the limit.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// End when stdin does, so that the sink never outlives its parent.
    #[arg(long)]
    until_stdin_ends: bool,
}

#[derive(Debug)]
struct Sink {
    ledger: Mutex<Ledger>,
    status: StatusCode,
    mood_changed: Notify,
}

/// A delivery that gets no answer: the peer went away, or its path hung until the mood changed.
type Cut = Box<dyn Error + Send + Sync>;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    crate::runtime(arguments.threads)?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Result<()> {
    let listener = TcpListener::bind(arguments.listen).await.context("binding the sink")?;
    println!("{}", listener.local_addr()?);
    let sink = Arc::new(Sink {
        ledger: Mutex::new(Ledger::with_bound(arguments.keys_max)),
        status: StatusCode::from_u16(arguments.status).context("reading --status")?,
        mood_changed: Notify::new(),
    });
    let mut orphaned = pin!(orphaned(arguments.until_stdin_ends));
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(Arc::clone(&sink), stream));
                }
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
            () = &mut orphaned => return Ok(()),
        }
    }
}

/// Resolves when stdin ends, or never.
async fn orphaned(wanted: bool) {
    if !wanted {
        pending::<()>().await;
    }
    let (sender, receiver) = oneshot::channel::<Infallible>();
    thread::spawn(move || {
        // However it ends, it has ended.
        io::stdin().read_to_end(&mut Vec::new()).ok();
        drop(sender);
    });
    receiver.await.ok();
}

async fn converse(sink: Arc<Sink>, stream: TcpStream) {
    let greeted = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| answer(Arc::clone(&sink), Arc::clone(&greeted), request));
    // An error means that the peer went away or was cut; both are counted elsewhere.
    if stream.set_nodelay(true).is_ok() {
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
    }
}

async fn answer(
    sink: Arc<Sink>,
    greeted: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let arrived_us = clock::unix_us();
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(order) = head.uri.path().strip_prefix("/__sink/") {
        return Ok(sink.obey(&head.method, order, head.uri.query().unwrap_or_default(), &body));
    }
    let place = place_of(head.uri.path());
    let header = head.headers.get("webhook-id").or_else(|| head.headers.get("svix-id"));
    let header = header.map(HeaderValue::as_bytes);
    // Place 0 takes the yardstick's posts, which are nobody's events.
    let id = if place == 0 { None } else { header.or_else(|| text_after(&body, b"\"id\":\"")) };
    let sent_at_us = number_after(&body, b"\"sent_at_us\":");
    let mood = {
        let mut ledger = sink.ledger();
        if !greeted.swap(true, Ordering::Relaxed) {
            ledger.greet();
        }
        ledger.note(Arrival { place, id, sent_at_us, arrived_us })
    };
    match mood {
        Mood::Answer => Ok(plain(sink.status)),
        Mood::Refuse { until_us } => Ok(refusal(until_us)),
        Mood::Hang => {
            sink.mood_changed.notified().await;
            Err("cut".into())
        }
    }
}

impl Sink {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out one control call.
    fn obey(
        &self,
        method: &Method,
        order: &str,
        query: &str,
        body: &Bytes,
    ) -> Response<Full<Bytes>> {
        let said =
            |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let mut ledger = self.ledger();
        match (method.as_str(), order) {
            ("GET", "stats") => {
                document(&serde_json::to_vec(&ledger.stats(said("except").map(place_of))))
            }
            ("POST", "reset") => {
                ledger.reset();
                plain(StatusCode::NO_CONTENT)
            }
            ("POST", "mood") => {
                let until_us = said("until_us").and_then(|until| until.parse().ok()).unwrap_or(0);
                let mood = match said("mood") {
                    Some("answer") => Mood::Answer,
                    Some("hang") => Mood::Hang,
                    Some("refuse") => Mood::Refuse { until_us },
                    _ => return plain(StatusCode::BAD_REQUEST),
                };
                ledger.set_mood(said("path").map(place_of), mood);
                self.mood_changed.notify_waiters();
                plain(StatusCode::NO_CONTENT)
            }
            ("POST", "missing") => {
                let ids = str::from_utf8(body).unwrap_or_default();
                let place = place_of(said("path").unwrap_or_default());
                document(&serde_json::to_vec(
                    &json!({ "missing": ledger.missing(place, ids.lines()) }),
                ))
            }
            _ => plain(StatusCode::NOT_FOUND),
        }
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn refusal(until_us: u64) -> Response<Full<Bytes>> {
    let wait_s = until_us.saturating_sub(clock::unix_us()).div_ceil(1_000_000).max(1);
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
    response
}

fn document(written: &serde_json::Result<Vec<u8>>) -> Response<Full<Bytes>> {
    match written {
        Ok(bytes) => Response::new(Full::new(Bytes::copy_from_slice(bytes))),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Answers what follows the first occurrence of `key`. A scan, not a parser: the bodies are the bench's own.
fn after<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut rest = body;
    while let Some(quote) = rest.iter().position(|byte| *byte == b'"') {
        rest = rest.get(quote..)?;
        if let Some(value) = rest.strip_prefix(key) {
            return Some(value);
        }
        rest = rest.get(1..)?;
    }
    None
}

fn number_after(body: &[u8], key: &[u8]) -> Option<u64> {
    let value = after(body, key)?.trim_ascii_start();
    let length = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    str::from_utf8(value.get(..length)?).ok()?.parse().ok()
}

fn text_after<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = after(body, key)?;
    value.get(..value.iter().position(|byte| *byte == b'"')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","data":{"note":"\"sent\"","sent_at_us": 17,"pad":"x"}}"#;

    #[test]
    fn the_moment_of_sending_is_found_wherever_it_stands() {
        assert_eq!(number_after(BODY, b"\"sent_at_us\":"), Some(17));
    }

    #[test]
    fn the_id_is_found_in_the_body() {
        assert_eq!(text_after(BODY, b"\"id\":\""), Some(b"evt_1".as_slice()));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(number_after(b"{\"a\":\"b\"}", b"\"sent_at_us\":"), None);
        assert_eq!(text_after(b"", b"\"id\":\""), None);
    }
}
