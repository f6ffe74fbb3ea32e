//! The one thread that writes: it takes what waits, and commits it together.
//!
//! Invariants: jobs are answered after their transaction is durable; a poisonous job fails alone.

use std::fs::File;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use domain::id::{DeliveryId, EndpointId};
use domain::time::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::oneshot::Sender;

use super::checkpointer::Checkpointer;
use super::flusher::{Committed, Flusher};
use super::rows::trouble;
use super::state::{Effects, State};
use super::{apply, lease, open, settle, sql};
use crate::commit::{self, Commit, Fault, Settled, Settlement};
use crate::error::Error;
use crate::lanes::{LeaseScope, Leased};

/// Jobs in one transaction at most.
const BATCH_JOBS_MAX: usize = 512;
/// A transaction of so many jobs means that there is a crowd, and the next one waits a moment for company: a tenth less
/// processor time for each job, measured, and sooner done for all.
const CROWD: usize = 6;
/// Company enough.
const COMPANY: usize = 64;
/// The longest pause between two jobs of a crowd.
const COMPANY_WAIT: Duration = Duration::from_micros(200);

/// Work for the writer, with the way to answer.
#[derive(Debug)]
pub(super) enum Job {
    Commit(Box<Commit>, Sender<Result<commit::Committed, Fault>>),
    Settle(Timestamp, Vec<Settlement>, Sender<Result<Settled, Error>>),
    Lease(Timestamp, LeaseScope, Sender<Result<Leased, Error>>),
    Release(Vec<(EndpointId, DeliveryId)>),
    Forget(Timestamp, u32, Sender<Result<u32, Error>>),
    Probe(Timestamp, Sender<Result<(), Error>>),
}

/// What a job came to, before it is durable.
pub(super) enum Done {
    Commit(Result<commit::Committed, Fault>),
    Settle(Settled),
    Lease(Leased),
    Release,
    Forget(u32),
    Probe,
}

/// The one thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    db: Connection,
    /// Held for as long as the thread lives.
    _lock: File,
    jobs: Receiver<Job>,
    /// Counts the jobs that wait.
    waiting: Arc<AtomicUsize>,
    state: State,
    data_version: i64,
    flusher: Flusher,
    checkpointer: Checkpointer,
}

impl Writer {
    /// Starts the helpers on the folder of a database that is open.
    pub(super) fn new(
        db: (Connection, File),
        folder: &Path,
        queue: (Receiver<Job>, Arc<AtomicUsize>),
        state: State,
    ) -> Result<Self, Error> {
        let (db, lock) = db;
        let (jobs, waiting) = queue;
        let flusher = Flusher::start(&folder.join(open::LOG), Arc::clone(&state.lanes))?;
        let checkpointer = Checkpointer::start(folder)?;
        Ok(Self { db, _lock: lock, jobs, waiting, state, data_version: 0, flusher, checkpointer })
    }

    /// Works until nobody can send any more.
    pub(super) fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_JOBS_MAX);
        let mut crowded = false;
        while let Ok(first) = self.jobs.recv() {
            batch.push(first);
            while batch.len() < BATCH_JOBS_MAX {
                match self.jobs.try_recv() {
                    Ok(job) => batch.push(job),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            if crowded {
                while batch.len() < COMPANY {
                    match self.jobs.recv_timeout(COMPANY_WAIT) {
                        Ok(job) => batch.push(job),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                    }
                }
            }
            crowded = batch.len() >= CROWD;
            self.waiting.fetch_sub(batch.len(), Ordering::AcqRel);
            // A lease that is handed back is free whatever becomes of the transaction.
            batch.retain(|job| !self.is_release(job));
            self.turn(mem::take(&mut batch));
        }
    }

    /// Frees leases that are handed back; `false` when the job is another one.
    fn is_release(&mut self, job: &Job) -> bool {
        let Job::Release(leases) = job else { return false };
        for (endpoint, delivery) in leases {
            self.state.release(*endpoint, *delivery);
        }
        true
    }

    /// Carries out a batch in one transaction.
    ///
    /// When the store cannot write now, all are told so. When a job is poisonous, each is tried alone.
    fn turn(&mut self, batch: Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        match self.transact(&batch) {
            Ok((done, effects)) => {
                self.flusher.flush(Committed { batch, done, effects });
                self.checkpointer.committed(&self.db);
            }
            Err(error) if batch.len() == 1 || error.is_transient() => {
                for job in batch {
                    refuse(job, &error);
                }
            }
            Err(_) => batch.into_iter().for_each(|job| self.turn(vec![job])),
        }
    }

    fn transact(&mut self, batch: &[Job]) -> Result<(Vec<Done>, Effects), Error> {
        let begun = self.state.mark();
        self.roll_back();
        self.flusher.check()?;
        match self.work(batch) {
            Ok(done) => Ok((done, self.state.happen())),
            Err(error) => {
                self.state.undo_to(begun);
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Ends a transaction that was left open by a failure.
    fn roll_back(&self) {
        if !self.db.is_autocommit() {
            // The failure is being reported; should this fail too, the next transaction cannot begin and tells why.
            drop(self.db.execute_batch(sql::rollback));
        }
    }

    fn work(&mut self, batch: &[Job]) -> Result<Vec<Done>, Error> {
        self.run_cached(sql::begin)?;
        self.notice_others()?;
        let mut done = Vec::with_capacity(batch.len());
        for job in batch {
            done.push(self.job(job)?);
        }
        self.run_cached(sql::commit)?;
        Ok(done)
    }

    fn job(&mut self, job: &Job) -> Result<Done, Error> {
        let (db, state) = (&self.db, &mut self.state);
        Ok(match job {
            Job::Commit(commit, _) => Done::Commit(apply::commit(db, state, commit)?),
            Job::Settle(now, settlements, _) => {
                Done::Settle(settle::settle(db, state, *now, settlements)?)
            }
            Job::Lease(now, scope, _) => Done::Lease(lease::lease(db, state, *now, scope)?),
            Job::Release(_) => Done::Release,
            Job::Forget(now, limit, _) => {
                let mut statement = db.prepare_cached(sql::reply_forget).map_err(trouble)?;
                let gone = statement.execute(params![now.as_millis(), limit]).map_err(trouble)?;
                Done::Forget(u32::try_from(gone).unwrap_or(u32::MAX))
            }
            Job::Probe(now, _) => {
                let mut statement = db.prepare_cached(sql::meta_upsert).map_err(trouble)?;
                statement.execute(params!["probe", now.as_millis()]).map_err(trouble)?;
                Done::Probe
            }
        })
    }

    /// Forgets what was read when another program has written to the database.
    fn notice_others(&mut self) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached(sql::data_version).map_err(trouble)?;
        let version = statement.query_row([], |row| row.get(0)).map_err(trouble)?;
        if version != self.data_version {
            self.data_version = version;
            self.state.forget_all();
        }
        Ok(())
    }

    fn run_cached(&self, text: &str) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached(text).map_err(trouble)?;
        statement.execute([]).map_err(trouble)?;
        Ok(())
    }
}

/// Answers a job. A caller who went away misses nothing: the work is done.
pub(super) fn answer(job: Job, done: Done) {
    match (job, done) {
        (Job::Commit(_, answer), Done::Commit(result)) => drop(answer.send(result)),
        (Job::Settle(_, _, answer), Done::Settle(settled)) => drop(answer.send(Ok(settled))),
        (Job::Lease(_, _, answer), Done::Lease(leased)) => drop(answer.send(Ok(leased))),
        (Job::Forget(_, _, answer), Done::Forget(count)) => drop(answer.send(Ok(count))),
        (Job::Probe(_, answer), Done::Probe) => drop(answer.send(Ok(()))),
        // A release has nobody to answer; other pairs cannot meet, since `job` makes them together.
        (_, _) => {}
    }
}

/// Tells a job's caller why it failed.
pub(super) fn refuse(job: Job, error: &Error) {
    let again = || match error {
        Error::Unavailable { hint, source } => {
            Error::Unavailable { hint, source: source.to_string().into() }
        }
        Error::Corrupt { table, detail } => Error::Corrupt { table, detail: detail.clone() },
        Error::Unusable { detail, .. } => Error::Unusable { detail: detail.clone(), source: None },
        Error::Closed => Error::Closed,
    };
    match job {
        Job::Commit(_, answer) => drop(answer.send(Err(Fault::Store(again())))),
        Job::Settle(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Lease(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Forget(_, _, answer) => drop(answer.send(Err(again()))),
        Job::Probe(_, answer) => drop(answer.send(Err(again()))),
        Job::Release(_) => {}
    }
}
