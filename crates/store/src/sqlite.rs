//! The embedded store: SQLite in a folder.
//!
//! One thread writes; whatever waits beside it shares its next transaction (group commit). Readers have connections of
//! their own. Leases live in memory, since the process that holds the folder is the only node: its death frees them.
//!
//! Invariants: an answer is given after the transaction that holds it is on the disk; a job that fails takes no other
//! one with it; what is kept in memory is forgotten whenever a transaction was undone.
//! Left to others: what a change means (`commit.rs`), how rows look (`sqlite/rows.rs`).

mod apply;
mod checkpointer;
mod fanout;
mod flusher;
mod lease;
mod open;
mod reader;
mod rows;
mod settle;
mod sql;
mod state;
mod views;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use domain::id::{Chance, DeliveryId, EndpointId};
use domain::time::Timestamp;
use tokio::sync::oneshot;

use crate::commit::{Commit, Committed, Fault, Settled, Settlement, Timer};
use crate::crew::Crew;
use crate::error::Error;
use crate::lanes::{Lanes, LeaseScope, Leased};
use crate::seal::MasterKey;
use crate::{Store, Views};

use reader::Readers;
use state::State;
use writer::{Job, Writer};

/// Jobs that wait for the writer at most; more are refused as unavailable.
const JOBS_WAITING_MAX: usize = 16_384;

/// How to open the embedded store.
pub struct Options {
    /// The data folder; made when absent.
    pub folder: PathBuf,
    /// Seals secrets.
    pub master: MasterKey,
    /// Chance for ids and nonces.
    pub chance: Box<dyn Chance>,
    /// Where leased work goes.
    pub lanes: Arc<dyn Lanes>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The embedded store. Dropping it waits for the writer to finish what it has.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    /// Jobs that the writer has not taken yet.
    waiting: Arc<AtomicUsize>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    highest_id: u128,
}

impl Sqlite {
    /// Opens the folder, brings the schema up to date and starts the writer.
    pub fn open(options: Options) -> Result<Self, Error> {
        let Options { folder, master, chance, lanes } = options;
        let lock = open::lock(&folder)?;
        let db = open::writer(&folder)?;
        open::try_key(&db, &master)?;
        let highest_id = open::highest_id(&db)?;
        let readers = Arc::new(Readers::open(&folder, master.clone())?);
        let (jobs, received) = mpsc::channel();
        let state = State::new(master, chance, lanes, highest_id);
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = (received, Arc::clone(&waiting));
        let writer = Writer::new((db, lock), &folder, queue, state)?;
        let handle = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| Error::Unusable {
                detail: "cannot start the writer's thread".to_owned(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self {
            jobs: Some(jobs),
            waiting,
            writer: Mutex::new(Some(handle)),
            readers,
            highest_id,
        })
    }

    /// Gives what may be read.
    pub fn views(&self) -> Arc<dyn Views> {
        Arc::<Readers>::clone(&self.readers)
    }

    /// Lines a job up for the writer; refuses it when too many wait, since the disk does not keep up.
    fn send(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        let may_wait = matches!(job, Job::Release(_));
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= JOBS_WAITING_MAX && !may_wait {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            let hint =
                "the disk does not keep up with what is to be written; try again in a moment";
            return Err(Error::Unavailable { hint, source: "too many jobs wait".into() });
        }
        jobs.send(job).map_err(|mpsc::SendError(_)| Error::Closed)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // A writer that panicked has said so already; there is nothing left to hand on.
            drop(handle.join());
        }
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Commit(Box::new(commit), answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn lease(&self, now: Timestamp, scope: LeaseScope) -> Result<Leased, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Lease(now, scope, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Settled, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Settle(now, settlements, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    fn release(&self, leases: Vec<(EndpointId, DeliveryId)>) {
        // A closed store has no leases.
        drop(self.send(Job::Release(leases)));
    }

    async fn beat(&self, _: Timestamp) -> Result<Crew, Error> {
        Ok(Crew::ALONE)
    }

    async fn agree(&self, _: Timestamp) -> Result<Crew, Error> {
        Ok(Crew::ALONE)
    }

    async fn due_timers(&self, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Error> {
        self.readers.due_timers(now, limit).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>, Error> {
        self.readers.next_timer().await
    }

    async fn forget(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Forget(now, limit, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    fn highest_id(&self) -> u128 {
        self.highest_id
    }

    async fn probe(&self, now: Timestamp) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Probe(now, answer))?;
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }
}
