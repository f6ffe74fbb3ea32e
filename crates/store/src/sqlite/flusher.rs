//! What was noted or committed, onto the disk; and only then answers.
//!
//! Callers ask for hot verbs, and the writer commits the others, none of them waiting for the disk; this thread notes
//! what was asked for in a record, writes that into the journal, forces journal and log there, for all that has come
//! together meanwhile, and answers.
//!
//! Invariants: nothing is answered and no work is handed out before what holds it is on the disk; once the disk has
//! refused, it is not asked again: what it has kept is unknown until the store is opened anew.
//! Left to others: what an answer says (`job`, `hot`), copying the log into the database (`checkpointer`).

use std::error::Error as StdError;
use std::fs::File;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::runtime::Handle;

use super::desk::{Behind, Desk};
use super::hot;
use super::job::{Done, Job, answer, refuse};
use super::journal::Journal;
use super::noted::{Outbox, Promise, Record, Taken};
use super::queue::Queue;
use super::state::Effects;
use crate::error::Error;
use crate::lanes::Lanes;

/// What must be on the disk before anything is answered.
pub(super) enum Flush {
    /// Nothing more than what came before.
    Nothing,
    /// The database's log.
    Log,
}

/// Jobs that are done and wait for the disk.
pub(super) struct Committed {
    pub(super) batch: Vec<Job>,
    pub(super) done: Vec<Done>,
    pub(super) effects: Effects,
    pub(super) flush: Flush,
}

/// The way to the thread that flushes. Dropping it waits for the last answer.
#[derive(Debug)]
pub(super) struct Flusher {
    outbox: Arc<Outbox>,
    thread: Option<JoinHandle<()>>,
    refused: Arc<AtomicBool>,
}

impl Flusher {
    /// Starts the thread on a journal and on the log of a database, which exists.
    pub(super) fn start(
        log: &Path,
        journal: Journal,
        desk: Arc<Desk>,
        lanes: Arc<dyn Lanes>,
        queue: Queue,
    ) -> Result<Self, Error> {
        let unusable = |error: io::Error| Error::Unusable {
            detail: format!("cannot watch over {}", log.display()),
            source: Some(Box::new(error)),
        };
        let log = File::options().write(true).open(log).map_err(unusable)?;
        let outbox = Arc::new(Outbox::after(journal.number()));
        outbox.show_room(journal.room());
        let refused = Arc::new(AtomicBool::new(false));
        let mut work = Work {
            log,
            journal,
            desk,
            queue,
            outbox: Arc::clone(&outbox),
            answers: Answers { lanes, runtime: Handle::try_current().ok() },
            refused: Arc::clone(&refused),
        };
        let builder = thread::Builder::new().name("store-flusher".to_owned());
        let thread = builder.spawn(move || work.run()).map_err(unusable)?;
        Ok(Self { outbox, thread: Some(thread), refused })
    }

    /// Gives the place where done work waits.
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Gives what says that the disk has refused.
    pub(super) fn refused(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.refused)
    }

    /// Ends the store for all who write: it must be opened anew.
    pub(super) fn give_up(&self) {
        self.refused.store(true, Ordering::Release);
        self.outbox.rouse(1);
    }

    /// Fails once the disk has refused, after which nothing more may be written.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.refused.load(Ordering::Acquire) {
            return Err(refused("it has refused before".into()));
        }
        Ok(())
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.outbox.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }
}

/// Who hears of what is on the disk.
struct Answers {
    lanes: Arc<dyn Lanes>,
    /// Answers given from inside the runtime wake their callers without a detour through the system.
    runtime: Option<Handle>,
}

impl Answers {
    fn give(&self, record: Option<Record>, committed: Vec<Committed>) {
        // In the order of the transactions, which who answers may not keep: of two changes, the later one shall stay.
        for endpoint in committed.iter().flat_map(|committed| &committed.effects.changed) {
            self.lanes.changed(endpoint);
        }
        let lanes = Arc::clone(&self.lanes);
        let give = move || {
            if let Some(Record { promises, leases, .. }) = record {
                if !leases.is_empty() {
                    lanes.take(leases);
                }
                promises.into_iter().for_each(keep);
            }
            for committed in committed {
                answer_all(committed, lanes.as_ref());
            }
        };
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(async move { give() })),
            None => give(),
        }
    }
}

/// The thread that flushes.
struct Work {
    log: File,
    journal: Journal,
    desk: Arc<Desk>,
    queue: Queue,
    outbox: Arc<Outbox>,
    answers: Answers,
    refused: Arc<AtomicBool>,
}

impl Work {
    fn run(&mut self) {
        let (mut crowded, mut asked) = (false, Vec::new());
        while self.outbox.wait(crowded, &mut asked) {
            let turned = catch_unwind(AssertUnwindSafe(|| self.turn(&mut asked)));
            crowded = turned.unwrap_or_else(|_panic| {
                // What lies on the desk may be half done. The panic has said so already, and nobody may wait for ever.
                self.refused.store(true, Ordering::Release);
                self.outbox.rouse(1);
                false
            });
        }
    }

    /// Brings what there is onto the disk, and answers; tells whether there was a crowd.
    fn turn(&mut self, asked: &mut Vec<Job>) -> bool {
        self.note(asked);
        let Taken { mut record, committed } = self.outbox.take();
        let crowded = record.as_ref().is_some_and(Record::is_crowded);
        match self.flush(record.as_mut(), &committed) {
            Ok(()) => self.answers.give(record, committed),
            Err(error) => {
                self.refused.store(true, Ordering::Release);
                refuse_all(record, committed, &refused(error.into()));
            }
        }
        crowded
    }

    /// Notes what was asked for, and has the database catch up when it is time. What cannot be noted lines up for the writer.
    fn note(&self, asked: &mut Vec<Job>) {
        if asked.is_empty() {
            return;
        }
        // Held by the writer, the desk means that verbs need the database just now: these line up with them.
        let Some(mut papers) = self.desk.free_papers().filter(|_| self.check().is_ok()) else {
            asked.drain(..).for_each(|job| self.queue.line_up(job));
            return;
        };
        let (was_behind, mut noted) = (self.desk.is_behind(), 0);
        for job in asked.drain(..) {
            match hot::note(&self.desk, &mut papers, &self.outbox, job) {
                Ok(()) => noted += 1,
                Err(job) => self.queue.line_up(job),
            }
        }
        let behind = papers.behind(self.outbox.room());
        drop(papers);
        match behind {
            _ if noted == 0 => {}
            Behind::Near if was_behind => {}
            Behind::Near => self.queue.line_up(Job::Behind),
            Behind::Far | Behind::TooFar if self.desk.ask() => self.queue.line_up(Job::FarBehind),
            Behind::Far | Behind::TooFar => {}
        }
    }

    /// Forces onto the disk what some jobs have written, each file once.
    fn flush(&mut self, record: Option<&mut Record>, committed: &[Committed]) -> io::Result<()> {
        self.check()?;
        let has_record = record.is_some();
        if let Some(record) = record {
            self.make_room(record.bytes.len())?;
            self.journal.append(record.number, &mut record.bytes)?;
            self.journal.sync()?;
            self.outbox.reuse(mem::take(&mut record.bytes));
            if self.outbox.is_flooded() {
                self.journal.grow();
            }
        }
        // A file may have become free in the meantime.
        self.outbox.show_room(self.journal.room());
        self.flush_log(committed, has_record)
    }

    fn check(&self) -> io::Result<()> {
        if self.refused.load(Ordering::Acquire) {
            return Err(io::Error::other("it has refused before"));
        }
        Ok(())
    }

    fn flush_log(&self, committed: &[Committed], has_record: bool) -> io::Result<()> {
        let is_due = |committed: &Committed| !matches!(committed.flush, Flush::Nothing);
        let owes = has_record && self.outbox.pay_log();
        if owes || committed.iter().any(is_due) {
            #[cfg(feature = "conformance")]
            super::spent::flushed(1);
            self.log.sync_data()?;
        }
        Ok(())
    }

    /// Makes sure that the journal has room, turning over to its other file if need be. That file is free unless the
    /// database is a whole file behind; then its transactions go first.
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        while !self.journal.has_room(bytes) {
            self.check()?;
            let number = self.journal.number();
            let job = match self.journal.turn_over() {
                Some(left) => Job::Free { number, left, at_leisure: self.journal.is_grown() },
                None => Job::Full,
            };
            let is_turned = matches!(job, Job::Free { .. });
            self.queue.line_up(job);
            if is_turned {
                continue;
            }
            let committed = self.outbox.take_committed();
            self.flush_log(&committed, false)?;
            self.answers.give(None, committed);
        }
        Ok(())
    }
}

fn refused(source: Box<dyn StdError + Send + Sync>) -> Error {
    let hint = "the disk did not keep what was written; look at it, and start countersign again";
    Error::Unavailable { hint, source }
}

/// Keeps a promise. A caller who went away misses nothing: the work is done.
fn keep(promise: Promise) {
    match promise {
        Promise::Commit(answer, committed) => drop(answer.send(Ok(committed))),
        Promise::Settle(answer, settled) => drop(answer.send(Ok(settled))),
    }
}

fn answer_all(committed: Committed, lanes: &dyn Lanes) {
    let Committed { batch, done, effects, flush: _ } = committed;
    if !effects.leases.is_empty() {
        lanes.take(effects.leases);
    }
    batch.into_iter().zip(done).for_each(|(job, done)| answer(job, done));
}

fn refuse_all(record: Option<Record>, committed: Vec<Committed>, error: &Error) {
    let promises = record.map(|mut record| mem::take(&mut record.promises));
    for promise in promises.into_iter().flatten() {
        match promise {
            Promise::Commit(answer, _) => drop(answer.send(Err(error.again().into()))),
            Promise::Settle(answer, _) => drop(answer.send(Err(error.again()))),
        }
    }
    for job in committed.into_iter().flat_map(|committed| committed.batch) {
        refuse(job, error);
    }
}
