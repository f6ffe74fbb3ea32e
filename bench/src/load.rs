//! The load generator: posts bodies over a fixed number of connections, in a closed loop or at a rate.
//!
//! It is the yardstick as well: pointed at the sink, it is the bare client that every figure is compared with.
//! In an open loop a latency counts from the moment the post was due, unless the connection was idle and waiting
//! then, so that a slow server is not forgiven and the machine's timer is not blamed on it.

pub(crate) mod recipe;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, select, task::JoinSet, time::timeout};

use crate::{
    clock,
    histogram::Histogram,
    load::recipe::{Recipe, Stamp},
    number::{float, micros, per_second},
};

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where to; the connections are spread over them in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) recipe: Recipe,
    pub(crate) connections: usize,
    pub(crate) posts_max: u64,
    /// Posts per second; without it, each connection posts as soon as it has its answer.
    pub(crate) rate: Option<f64>,
    pub(crate) trouble: Trouble,
    /// Whether to remember the id of each acknowledged event.
    pub(crate) ids: Ids,
    /// A load that takes longer is broken.
    pub(crate) patience: Duration,
}

/// What to do when a connection fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Reconnect,
    GiveUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    Keep,
    Drop,
}

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) acknowledged: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the post to its answer, in microseconds.
    pub(crate) latency_us: Histogram,
    pub(crate) began: Instant,
    pub(crate) length: Duration,
    pub(crate) ids: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    next: AtomicU64,
    began: Instant,
}

#[derive(Debug)]
struct Tally {
    acknowledged: u64,
    errors: BTreeMap<String, u64>,
    latency_us: Histogram,
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct Acknowledged {
    id: String,
}

impl Plan {
    /// As many posts as that, in a closed loop.
    pub(crate) fn closed(
        addresses: Vec<SocketAddr>,
        recipe: Recipe,
        connections: usize,
        posts_max: u64,
    ) -> Self {
        Self {
            addresses,
            recipe,
            connections,
            posts_max,
            rate: None,
            trouble: Trouble::Reconnect,
            ids: Ids::Drop,
            patience: Duration::from_mins(30),
        }
    }

    pub(crate) fn at_rate(self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self }
    }
}

impl Report {
    pub(crate) fn per_second(&self) -> f64 {
        per_second(self.acknowledged, self.length)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

pub(crate) async fn run(plan: Plan) -> Result<Report> {
    let patience = plan.patience;
    let connections = plan.connections;
    let shared = Arc::new(Shared { plan, next: AtomicU64::new(0), began: clock::now() });
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let address = turn_of(&shared.plan.addresses, number).context("a load without a target")?;
        tasks.spawn(post_on_one_connection(Arc::clone(&shared), address));
    }
    let mut sum = Tally::new();
    let gathered = timeout(patience, async {
        while let Some(tally) = tasks.join_next().await {
            sum.add(tally.context("a connection of the load panicked")?);
        }
        anyhow::Ok(())
    });
    gathered.await.with_context(|| format!("the load did not end within {patience:?}"))??;
    Ok(Report {
        acknowledged: sum.acknowledged,
        errors: sum.errors,
        latency_us: sum.latency_us,
        began: shared.began,
        length: shared.began.elapsed(),
        ids: sum.ids,
    })
}

/// Which address a connection goes to.
fn turn_of(addresses: &[SocketAddr], number: usize) -> Option<SocketAddr> {
    addresses.iter().cycle().nth(number).copied()
}

async fn post_on_one_connection(shared: Arc<Shared>, address: SocketAddr) -> Tally {
    let mut tally = Tally::new();
    for _ in 0..CONNECTS_MAX {
        let Err(error) = session(&shared, address, &mut tally).await else { break };
        tally.note_error(format!("{error:#}"));
        if shared.plan.trouble == Trouble::GiveUp {
            break;
        }
    }
    tally
}

/// Connects and posts until nothing is left to post, or the connection fails.
async fn session(shared: &Shared, address: SocketAddr, tally: &mut Tally) -> Result<()> {
    let stream = TcpStream::connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut posts = pin!(post_all(shared, &mut sender, address, tally));
    select! {
        biased;
        ended = &mut posts => ended,
        // An answer that came before the end still counts; the next post fails.
        _ = connection => posts.await,
    }
}

async fn post_all(
    shared: &Shared,
    sender: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    tally: &mut Tally,
) -> Result<()> {
    let plan = &shared.plan;
    let host = HeaderValue::from_str(&address.to_string())?;
    loop {
        sender.ready().await.context("the connection closed")?;
        let seq = shared.next.fetch_add(1, Ordering::Relaxed);
        if seq >= plan.posts_max {
            return Ok(());
        }
        let late = shared.turn_of(seq).await;
        let sent = clock::now();
        let sent_at_us = clock::unix_us().saturating_sub(micros(late));
        let mut request = Request::new(Full::new((plan.recipe.body)(Stamp { seq, sent_at_us })));
        *request.method_mut() = plan.recipe.method.clone();
        *request.uri_mut() = plan.recipe.path.clone();
        request.headers_mut().reserve(plan.recipe.headers.len() + 2);
        request.headers_mut().insert(header::HOST, host.clone());
        request.headers_mut().extend(plan.recipe.headers.iter().cloned());
        let answer = sender.send_request(request).await.context("posting")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("reading an answer")?.to_bytes();
        tally.latency_us.record(micros(sent.elapsed() + late));
        if !status.is_success() {
            tally.note_error(format!("status {status}"));
            continue;
        }
        tally.acknowledged += 1;
        if plan.ids == Ids::Keep {
            tally.ids.push(
                serde_json::from_slice::<Acknowledged>(&body)
                    .context("an answer without an id")?
                    .id,
            );
        }
    }
}

impl Shared {
    /// Waits until the post is due, and answers by how much it is late because no connection was free.
    async fn turn_of(&self, seq: u64) -> Duration {
        let Some(rate) = self.plan.rate else { return Duration::ZERO };
        let due = self.began + Duration::from_secs_f64(float(seq) / rate);
        let late = clock::now().saturating_duration_since(due);
        if late.is_zero() {
            clock::pause_until(due).await;
        }
        late
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            acknowledged: 0,
            errors: BTreeMap::new(),
            latency_us: Histogram::new(),
            ids: Vec::new(),
        }
    }

    fn note_error(&mut self, error: String) {
        *self.errors.entry(error).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.latency_us.merge(&other.latency_us);
        self.ids.extend(other.ids);
        for (error, times) in other.errors {
            *self.errors.entry(error).or_default() += times;
        }
    }
}

/// A connection that fails more often than this gives up.
const CONNECTS_MAX: u32 = 1000;
