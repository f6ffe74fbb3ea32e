//! The embedded store: SQLite in a folder.
//!
//! One thread writes; whatever waits beside it shares its next transaction (group commit). The hot verbs go into a
//! journal first, and into the database in larger steps. Readers have connections of their own, and have the database
//! catch up before they look. Leases live in memory, since the process that holds the folder is the only node: its death frees them.
//!
//! Invariants: an answer is given after the transaction that holds it is on the disk; a job that fails takes no other
//! one with it; what is kept in memory is forgotten whenever a transaction was undone.
//! Left to others: what a change means (`commit.rs`), how rows look (`sqlite/rows.rs`).

mod apply;
mod backup;
mod carry;
mod checkpointer;
mod chunk;
mod desk;
mod fanout;
mod finder;
mod flood;
mod flusher;
mod forget;
mod hot;
mod job;
mod journal;
mod lease;
mod noted;
mod open;
mod queue;
mod reader;
mod rows;
mod settle;
#[cfg(feature = "conformance")]
mod spent;
mod sql;
mod state;
mod unwritten;
mod views;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use domain::id::{Chance, DeliveryId, EndpointId};
use domain::time::Timestamp;
use tokio::sync::oneshot;

use crate::commit::{Commit, Committed, Fault, Settled, Settlement, Timer};
use crate::crew::Crew;
use crate::error::Error;
use crate::forget::{Forgotten, Outlived};
use crate::lanes::{Lanes, LeaseScope, Leased};
use crate::seal::MasterKey;
use crate::{Store, Views};

pub use backup::{backup, check, try_key};
pub use carry::{export, import};

use desk::Desk;
use finder::Finder;
use flusher::Flusher;
use job::Job;
use queue::Queue;
use reader::{Ahead, Readers};
#[cfg(feature = "conformance")]
pub use spent::{Spent, spent};
use state::State;
use unwritten::Unwritten;
use writer::Writer;

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
    queue: Queue,
    writer: Mutex<Option<JoinHandle<File>>>,
    desk: Arc<Desk>,
    /// Gone when the store is closed.
    flusher: Option<Arc<Flusher>>,
    /// Whether there is a journal; on a small disk there is none, and all verbs take the long way.
    has_journal: bool,
    readers: Arc<Readers>,
    highest_id: u128,
}

impl Sqlite {
    /// Opens the folder, brings the schema up to date and starts the writer.
    pub fn open(options: Options) -> Result<Self, Error> {
        let Options { folder, master, chance, lanes } = options;
        let lock = open::lock(&folder)?;
        open::refuse_half(&folder)?;
        let db = open::writer(&folder)?;
        open::try_key(&db, &master)?;
        let journal = open::journal(&folder, &db)?;
        let (has_journal, number) = (journal.is_open(), journal.number());
        let highest_id = open::highest_id(&db)?;
        let (queue, received) = Queue::new();
        let log = folder.join(open::LOG);
        let state = State::new(master.clone(), chance, Arc::clone(&lanes), highest_id);
        let unwritten = Unwritten::above(highest_id, number);
        let desk = Arc::new(Desk::new(state, unwritten, Finder::new(open::reader(&folder)?)));
        let flusher = Flusher::start(&log, journal, Arc::clone(&desk), lanes, queue.clone())?;
        let flusher = Arc::new(flusher);
        let ahead = Ahead { queue: queue.clone(), desk: Arc::clone(&desk) };
        let readers = Arc::new(Readers::open(&folder, master, ahead)?);
        let onward = (Arc::clone(&flusher), has_journal);
        let writer =
            Writer::new((db, lock), &folder, (received, queue.clone()), Arc::clone(&desk), onward)?;
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| Error::Unusable {
                detail: "cannot start the writer's thread".to_owned(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self {
            queue,
            writer: Mutex::new(Some(thread)),
            desk,
            flusher: Some(flusher),
            has_journal,
            readers,
            highest_id,
        })
    }

    /// Gives what may be read.
    pub fn views(&self) -> Arc<dyn Views> {
        Arc::<Readers>::clone(&self.readers)
    }

    /// Has a verb noted in the journal's record, if it may be hot; lines it up for the writer otherwise.
    fn note_or_line_up(&self, job: Job) {
        let flusher = self.flusher.as_deref().filter(|_| self.has_journal && hot::may_be(&job));
        let left = match flusher {
            Some(flusher) => flusher.outbox().ask(job).err(),
            None => Some(job),
        };
        if let Some(job) = left {
            self.queue.line_up(job);
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let asked = self.flusher.iter().flat_map(|flusher| flusher.outbox().take_asked());
        asked.chain([Job::Close]).for_each(|job| self.queue.line_up(job));
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has said so already; there is nothing left to hand on.
        let lock = writer.map(JoinHandle::join);
        drop(self.flusher.take());
        // Nobody else opens the folder before the journal is closed.
        drop(lock);
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let (answer, answered) = oneshot::channel();
        self.note_or_line_up(Job::Commit(Box::new(commit), answer));
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn lease(&self, now: Timestamp, scope: LeaseScope) -> Result<Leased, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.line_up(Job::Lease(now, scope, answer));
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Settled, Error> {
        let (answer, answered) = oneshot::channel();
        self.note_or_line_up(Job::Settle(now, settlements, answer));
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    fn release(&self, leases: Vec<(EndpointId, DeliveryId)>) {
        match self.desk.free_papers() {
            Some(mut papers) => papers.release(&leases),
            // A closed store has no leases.
            None => self.queue.line_up(Job::Release(leases)),
        }
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

    async fn forget(&self, outlived: Outlived, limit: u32) -> Result<Forgotten, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.line_up(Job::Forget(outlived, limit, answer));
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }

    fn highest_id(&self) -> u128 {
        self.highest_id
    }

    async fn probe(&self, now: Timestamp) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.line_up(Job::Probe(now, answer));
        answered.await.map_err(|oneshot::error::RecvError { .. }| Error::Closed)?
    }
}
