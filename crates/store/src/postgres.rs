//! The store of several nodes: PostgreSQL.
//!
//! A few tasks write, each with a connection of its own; whatever waits beside it shares its next transaction (group
//! commit), and a handful of statements carries it out. Leases are rows that name their node, and end by a settlement,
//! a release, or the death of the node, which the others notice by its beat.
//!
//! Invariants: an answer is given after the transaction that holds it is durable, as the server understands it; a job
//! that fails takes no other one with it; no node is special.
//! Left to others: what a change means (`commit.rs`), how rows look (`postgres/rows.rs`), when to beat (`engine`).

mod apply;
mod carry;
mod columns;
mod forget;
mod front;
mod health;
mod herald;
mod inspect;
mod jobs;
mod lease;
mod link;
mod nodes;
mod open;
mod order;
mod pool;
mod questions;
mod rows;
mod say;
mod server;
mod servers;
mod settle;
mod sql;
mod standings;
mod state;
mod states;
mod timers;
mod tls;
mod unit;
mod views;
mod writer;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::{Chance, DeliveryId, EndpointId};
use domain::secret::Secret;
use domain::time::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::commit::{Commit, Committed, Fault, Settled, Settlement, Timer, Write};
use crate::crew::Crew;
use crate::error::Error;
use crate::forget::{Forgotten, Outlived};
use crate::lanes::{Lanes, LeaseScope, Leased};
use crate::seal::MasterKey;
use crate::{Store, Views};

pub use carry::{export, import};
use forget::Forgetter;
pub use inspect::{About, NodeRow, inspect};
use jobs::{Job, Jobs};
use link::Link;
use nodes::{Keeper, WRITERS};
use pool::Readers;
use rows::Trouble;
use servers::Servers;
use state::{STEWARD, Shared};
pub use tls::Protection;
use writer::Writer;

/// Jobs that wait for the writers at most; more are refused as unavailable.
const JOBS_WAITING_MAX: usize = 16_384;
/// When the store is closed, its writers get so long to finish what they have; leaving takes less than that.
const WRITERS_PATIENCE: Duration = Duration::from_secs(5);

/// How to open the store of several nodes.
pub struct Options {
    /// Where the database is: `postgres://user:password@host:5432/name`, with libpq's words for encryption (`sslmode`,
    /// `sslrootcert`) behind a `?`; of several hosts, the one that takes writes.
    pub url: Secret,
    /// Seals secrets; the same on every node.
    pub master: MasterKey,
    /// Chance for ids and nonces.
    pub chance: Box<dyn Chance>,
    /// Where leased work goes.
    pub lanes: Arc<dyn Lanes>,
    /// How an operator calls this node; two may be called the same.
    pub node_name: String,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("node_name", &self.node_name).finish_non_exhaustive()
    }
}

/// The store of several nodes. Dropped, it finishes what it has and leaves the crew, as long as the runtime lives;
/// [`Store::close`] waits for that.
#[derive(Debug)]
pub struct Postgres {
    /// For commits and settlements.
    jobs: mpsc::UnboundedSender<Job>,
    /// For the steward, to whom everything goes that must not overtake what is handed back.
    chores: mpsc::UnboundedSender<Job>,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    keeper: Arc<Keeper>,
    forgetter: Forgetter,
    closed: watch::Sender<bool>,
    end: Mutex<Option<JoinHandle<Result<(), Error>>>>,
    highest_id: u128,
}

impl Postgres {
    /// Connects, brings the schema up to date, enters the crew and starts the writers.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { url, master, mut chance, lanes, node_name } = options;
        let servers = Servers::read(&url)?;
        let link = open::connect(&servers).await?;
        open::check(&link).await?;
        open::migrate(&link).await?;
        open::refuse_half(&link).await?;
        open::try_key(&link, &master).await?;
        let log = open::log_end(&link).await?;
        let node = u128::from(chance.draw()) << 64 | u128::from(chance.draw());
        nodes::join(&link, node, &node_name).await?;
        let shared = Shared::new(servers, (master, chance), lanes, (node_name, node), log);
        let shared = Arc::new(shared);

        let (chores, chores_waiting) = mpsc::unbounded_channel();
        let (jobs, jobs_waiting) = mpsc::unbounded_channel();
        let steward = Arc::new(Mutex::new(Jobs::new(chores_waiting)));
        let queue = Arc::new(Mutex::new(Jobs::new(jobs_waiting)));
        let (closed, closes) = watch::channel(false);
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            let link = Link::open_writer(&shared.servers).await.map_err(Trouble::into_error)?;
            let jobs = if number == STEWARD { Arc::clone(&steward) } else { Arc::clone(&queue) };
            let writer = Writer::new(number, Arc::clone(&shared), jobs, link);
            writers.spawn(writer.run(closes.clone()));
        }
        let ear = herald::listen(&shared).await.map_err(Trouble::into_error)?;
        let herald = Handle::current().spawn(herald::run(Arc::clone(&shared), ear, closes));
        let keeper = Arc::new(Keeper::new(Arc::clone(&shared)));
        let last = Arc::clone(&keeper);
        let mut ends = closed.subscribe();
        let end = Handle::current().spawn(async move {
            // A store that was dropped says nothing more.
            drop(ends.wait_for(|closed| *closed).await);
            let rest = async { while writers.join_next().await.is_some() {} };
            // What a connection that fell silent may still bring to the database is fenced off by leaving.
            drop(timeout(WRITERS_PATIENCE, rest).await);
            writers.shutdown().await;
            let left = last.leave().await;
            herald.abort();
            left
        });
        let readers = Arc::new(Readers::new(Arc::clone(&shared)));
        let (highest_id, end) = (log.0, Mutex::new(Some(end)));
        let forgetter = Forgetter::default();
        Ok(Self { jobs, chores, shared, readers, keeper, forgetter, closed, end, highest_id })
    }

    /// Tells how the way to the database is protected, as the URL asks.
    pub fn protection(&self) -> Protection {
        self.shared.servers.protection()
    }

    /// Gives what may be read.
    pub fn views(&self) -> Arc<dyn Views> {
        Arc::<Readers>::clone(&self.readers)
    }

    /// Lines a job up; refuses it when too many wait, since the database does not keep up.
    fn send(&self, queue: &mpsc::UnboundedSender<Job>, job: Job) -> Result<(), Error> {
        let may_wait = matches!(job, Job::Release(_));
        let waiting = &self.shared.waiting;
        if waiting.fetch_add(1, Ordering::AcqRel) >= JOBS_WAITING_MAX && !may_wait {
            waiting.fetch_sub(1, Ordering::AcqRel);
            let hint =
                "PostgreSQL does not keep up with what is to be written; try again in a moment";
            return Err(Error::Unavailable { hint, source: "too many jobs wait".into() });
        }
        queue.send(job).map_err(|mpsc::error::SendError(_)| Error::Closed)
    }
}

/// Tells whether a commit looks at who has leased what, which what was handed back before must not contradict.
fn looks_at_leases(commit: &Commit) -> bool {
    let looks = |write: &Write| matches!(write, Write::Delivery(..) | Write::CancelPending { .. });
    commit.writes.iter().any(looks)
}

#[async_trait]
impl Store for Postgres {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let (answer, answered) = oneshot::channel();
        let queue = if looks_at_leases(&commit) { &self.chores } else { &self.jobs };
        self.send(queue, Job::Commit(Box::new(commit), answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn lease(&self, now: Timestamp, scope: LeaseScope) -> Result<Leased, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(&self.chores, Job::Lease(now, scope, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Settled, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(&self.jobs, Job::Settle(now, settlements, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    fn release(&self, leases: Vec<(EndpointId, DeliveryId)>) {
        // A closed store has no leases.
        drop(self.send(&self.chores, Job::Release(leases)));
    }

    async fn beat(&self, now: Timestamp) -> Result<Crew, Error> {
        self.keeper.beat(now).await
    }

    async fn agree(&self, now: Timestamp) -> Result<Crew, Error> {
        self.keeper.agree(now).await
    }

    async fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(&self.chores, Job::Timers(now, limit, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>, Error> {
        self.readers.next_timer().await
    }

    async fn forget(&self, outlived: Outlived, limit: u32) -> Result<Forgotten, Error> {
        self.forgetter.forget(&self.shared.servers, outlived, limit).await
    }

    fn highest_id(&self) -> u128 {
        self.highest_id
    }

    async fn probe(&self, now: Timestamp) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.send(&self.chores, Job::Probe(now, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        let Some(end) = self.end.lock().await.take() else { return Ok(()) };
        end.await.map_err(|error| Error::Unusable {
            detail: "the store did not end well".to_owned(),
            source: Some(Box::new(error)),
        })?
    }
}
