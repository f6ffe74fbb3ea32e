//! The one HTTP client: guarded, bounded, timed.
//!
//! Invariants: one deadline spans name, connect, TLS, head and body; only vetted addresses are dialled; no redirect is
//! followed, no proxy is asked, nothing is inflated; a request is sent a second time only when not a byte of it was
//! written; nothing is spawned, so a dropped attempt leaves nothing behind.
//! Left to others: how many attempts run at once (`engine`).
//!
//! HTTP/1.1 is spoken by our own hand over what parses heads elsewhere: one buffer is written, one is read, in one task,
//! the caller's, so no wake-up crosses tasks, and an idle connection is a value in the pool. That a receiver has closed
//! it meanwhile shows when it is looked at again, before the request is written.

mod answer;
pub(crate) mod dial;
mod framing;
mod head;
mod live;
mod pool;
mod request;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::call::{ANSWER_BYTES_MAX, Answer, Call, Ending, Failure, Outcome, Reason};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::classify::Stage;
use crate::conversation::Notes;
use crate::guard::Guard;
use crate::http::dial::Dialler;
pub(crate) use crate::http::framing::Nonsense;
use crate::http::live::{Broken, Live};
use crate::http::pool::Pool;
use crate::http::request::Message;
use crate::resolve::{Resolve, SystemResolver};
use crate::{Channel, Lane};

/// Calls endpoints over HTTP.
#[derive(Debug)]
pub struct Http {
    dialler: Dialler,
    pool: Pool,
}

/// What a client is made of.
#[derive(Debug)]
pub struct Options {
    /// Which targets may be called.
    pub guard: Guard,
    /// Who turns names into addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Certificates (DER) of authorities to trust beside the public ones.
    pub authorities: Vec<Vec<u8>>,
    /// The most idle connections over all lanes.
    pub idle_connections_max: usize,
    /// How long a connection may lie idle and still be used.
    pub idle_max: Duration,
    /// How long a connection is used. Then the name is looked up again, and the address vetted: an endpoint may have moved.
    pub age_max: Duration,
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An extra authority is no certificate that can be trusted.
    #[error("trusting the extra authority number {number}")]
    Authority {
        /// Its place among [`Options::authorities`], from 1.
        number: usize,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The TLS library refused our settings.
    #[error("setting up TLS")]
    Tls {
        /// What it said.
        source: rustls::Error,
    },
}

impl Options {
    /// Takes the system's resolver and the usual bounds.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            resolver: Arc::new(SystemResolver::new()),
            authorities: Vec::new(),
            idle_connections_max: IDLE_CONNECTIONS_MAX,
            idle_max: IDLE_MAX,
            age_max: AGE_MAX,
        }
    }
}

impl Http {
    /// Makes a client with nothing in its pools.
    pub fn new(options: Options) -> Result<Self, BuildError> {
        let pool = Pool::new(options.idle_connections_max, options.idle_max, options.age_max);
        Ok(Self {
            dialler: Dialler::new(
                options.guard,
                options.resolver,
                &options.authorities,
                Some(b"http/1.1"),
            )?,
            pool,
        })
    }

    /// Drops connections that have been idle too long, and counts those that stay.
    ///
    /// Every attempt does this by the way; calling it matters only before a long silence, to give sockets back.
    pub fn sweep(&self) -> usize {
        self.pool.sweep(Instant::now())
    }

    async fn attempt_once(&self, call: Call, lane: Lane, notes: &Notes) -> Ending {
        if let Err(refused) = self.dialler.guard().check_url(&call.url) {
            let outcome = Outcome::failed(Reason::TargetRefused, refused.to_string());
            return Ending { outcome, remote: None, reused: false };
        }
        let url = Arc::clone(&call.url);
        notes.call(&call);
        let message = request::message(&call);
        // Its body is in the message, and is not kept twice.
        drop(call);
        let message = match message {
            Ok(message) => message,
            Err(failure) => {
                return Ending { outcome: Outcome::Failed(failure), remote: None, reused: false };
            }
        };
        // All who are ready now make ready first, so that their messages go out together: a receiver that sleeps between
        // messages is then woken once for many.
        yield_now().await;
        let mut progress = Progress::new(Instant::now(), lane.timeout, notes);
        progress.answer_bytes_max = lane.answer_bytes_max;
        let deadline = progress.deadline;
        let outcome =
            match timeout_at(deadline, self.carry_out(&url, message, &lane, &mut progress)).await {
                Ok(Ok(answer)) => Outcome::Answered(answer),
                Ok(Err(failure)) => Outcome::Failed(failure),
                Err(_elapsed) => Outcome::Failed(progress.stage.timed_out()),
            };
        Ending { outcome, remote: progress.remote, reused: progress.reused }
    }

    async fn carry_out(
        &self,
        url: &Arc<Url>,
        mut message: Message,
        lane: &Lane,
        progress: &mut Progress,
    ) -> Result<Answer, Failure> {
        if let Some(mut live) = self.pool.take(lane.key, url, progress.started) {
            progress.reuses(live.remote());
            match live.exchange(message, progress).await {
                Ok(answer) => {
                    self.keep(lane, live);
                    return Ok(answer);
                }
                Err(Broken::Failed(failure)) => return Err(failure),
                // It had died in the pool and nothing was sent: a fresh connection may serve the same attempt.
                Err(Broken::Unsent { message: unsent, .. }) => message = *unsent,
            }
        }
        progress.starts_over();
        // Boxed, so that the way over a kept-alive connection does not carry the room for a handshake.
        let mut live = Box::pin(self.dialler.connect(url, progress)).await?;
        match live.exchange(message, progress).await {
            Ok(answer) => {
                self.keep(lane, live);
                Ok(answer)
            }
            Err(Broken::Failed(failure) | Broken::Unsent { failure, .. }) => Err(failure),
        }
    }

    fn keep(&self, lane: &Lane, mut live: Box<Live>) {
        if lane.connections_max > 0 && live.becomes_idle() {
            self.pool.put(lane, live, Instant::now());
        }
    }
}

#[async_trait]
impl Channel for Http {
    async fn attempt(&self, call: Call, lane: Lane) -> Ending {
        self.attempt_once(call, lane, &Notes::default()).await
    }

    async fn attempt_noted(&self, call: Call, lane: Lane, notes: &Notes) -> Ending {
        self.attempt_once(call, lane, notes).await
    }
}

/// How far an attempt has come. Lives outside of what the deadline cuts off, so that it can tell afterwards.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) stage: Stage,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) notes: Notes,
    pub(crate) answer_bytes_max: usize,
    reused: bool,
}

impl Progress {
    pub(crate) fn new(started: Instant, timeout: Duration, notes: &Notes) -> Self {
        let deadline = started + timeout.min(TIMEOUT_MAX);
        let (stage, notes) = (Stage::Resolving, notes.clone());
        let answer_bytes_max = ANSWER_BYTES_MAX;
        Self { started, deadline, stage, remote: None, notes, answer_bytes_max, reused: false }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn reuses(&mut self, remote: SocketAddr) {
        (self.remote, self.reused) = (Some(remote), true);
    }

    fn starts_over(&mut self) {
        (self.stage, self.remote, self.reused) = (Stage::Resolving, None, false);
    }

    fn dials(&mut self, remote: SocketAddr) {
        (self.stage, self.remote) = (Stage::Connecting, Some(remote));
    }
}

/// An idle connection holds a buffer of some 2 KiB, and with TLS what that keeps.
const IDLE_CONNECTIONS_MAX: usize = 2048;

/// Below the 60 s after which many receivers and load balancers close.
const IDLE_MAX: Duration = Duration::from_secs(55);
/// How long a connection is used.
const AGE_MAX: Duration = Duration::from_mins(10);

/// Far above what any endpoint may ask for; keeps the sum of a time and a duration from overflowing.
const TIMEOUT_MAX: Duration = Duration::from_hours(1);
