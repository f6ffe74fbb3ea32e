//! The one thread that changes the database.
//!
//! It carries out the verbs that need the database, and has the database catch up with the journal: before each such
//! verb, in its own transaction; when much stands in the journal alone; and when something has stood there for a while.
//!
//! Invariants: jobs are answered after what they wrote is durable; a poisonous job fails alone; what a verb does is seen
//! by the hot path at once, since the desk is held meanwhile; catching up holds nobody up, nor does forgetting, which
//! takes nothing that is kept in memory.
//! Left to others: what is hot (`hot`), forcing things onto the disk (`flusher`).

use std::fs::File;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::checkpointer::{CHANGE_BYTES, Checkpointer};
use super::chunk::Chunk;
use super::desk::{Behind, Desk, Papers};
use super::flood::{Due, Flood, STEP};
use super::flusher::{Committed, Flush, Flusher};
use super::job::{Done, Job, refuse};
use super::queue::Queue;
use super::rows::trouble;
use super::state::Effects;
use super::unwritten::Extent;
use super::{apply, forget, hot, lease, open, settle, sql};
use crate::error::Error;
use crate::forget::{Forgotten, Outlived};

/// Jobs in one transaction at most.
const BATCH_JOBS_MAX: usize = 512;
/// A batch of so many jobs means that there is a crowd, and the next one waits a moment for company: a tenth less
/// processor time for each job, measured, and sooner done for all.
const CROWD: usize = 6;
/// Company enough.
const COMPANY: usize = 64;
/// The longest pause between two jobs of a crowd.
const COMPANY_WAIT: Duration = Duration::from_micros(200);
/// Events that go into the database in one transaction at most, when many wait.
const CHUNK: usize = 2_048;
/// The name of the mark: the number up to which all records of the journal stand in the database.
pub(super) const MARK: &str = "journal";

/// The one thread that changes the database.
#[derive(Debug)]
pub(super) struct Writer {
    db: Connection,
    /// Says that the folder is taken.
    lock: File,
    jobs: Receiver<Job>,
    /// Where the jobs come from.
    queue: Queue,
    desk: Arc<Desk>,
    data_version: i64,
    /// Up to this record, what still stands in the journal alone has done so for a while.
    seen: u64,
    flood: Flood,
    /// Something was committed and nobody has asked the disk for it.
    is_loose: bool,
    /// A file of the journal that waits to be free.
    freeing: Option<(u64, Arc<AtomicBool>)>,
    flusher: Arc<Flusher>,
    /// Whether there is a journal to note anything in.
    has_journal: bool,
    checkpointer: Checkpointer,
}

impl Writer {
    /// Starts the thread that copies the log.
    pub(super) fn new(
        db: (Connection, File),
        folder: &Path,
        jobs: (Receiver<Job>, Queue),
        desk: Arc<Desk>,
        flusher: (Arc<Flusher>, bool),
    ) -> Result<Self, Error> {
        let ((db, lock), (jobs, queue), (flusher, has_journal)) = (db, jobs, flusher);
        let checkpointer = Checkpointer::start(folder, flusher.refused())?;
        Ok(Self {
            db,
            lock,
            jobs,
            queue,
            desk,
            data_version: 0,
            seen: 0,
            flood: Flood::default(),
            is_loose: false,
            freeing: None,
            flusher,
            has_journal,
            checkpointer,
        })
    }

    /// Works until the store is closed, and leaves nothing in the journal alone. Gives what locks the folder, which is to be
    /// kept until the journal is closed too.
    pub(super) fn run(mut self) -> File {
        if catch_unwind(AssertUnwindSafe(|| self.work_on())).is_err() {
            // What lies on the desk may be half done. The panic has said so already, and nobody is answered from that.
            self.flusher.give_up();
        }
        self.lock
    }

    fn work_on(&mut self) {
        let mut batch = Vec::with_capacity(BATCH_JOBS_MAX);
        let mut crowded = false;
        while let Some(first) = self.next() {
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
            self.queue.taken(batch.len());
            let closes = batch.iter().any(|job| matches!(job, Job::Close));
            // What is hot is noted before anything that takes time.
            let mut jobs = self.note(mem::take(&mut batch));
            jobs.retain(|job| !self.is_word(job));
            let (old, jobs) = jobs.into_iter().partition(|job| matches!(job, Job::Forget(..)));
            self.turn(jobs);
            Vec::into_iter(old).for_each(|job| self.forget(job));
            if closes {
                break;
            }
        }
        self.catch_up_all();
    }

    /// Heeds a word that is no verb; `false` when the job is one.
    fn is_word(&mut self, job: &Job) -> bool {
        match job {
            Job::Behind | Job::Close => {}
            Job::FarBehind => self.catch_up_far(),
            Job::Free { number, left, at_leisure } => {
                self.freeing = Some((*number, Arc::clone(left)));
                if !(*at_leisure && self.flusher.outbox().is_flooded()) {
                    self.catch_up_to(*number);
                }
            }
            Job::Full => self.catch_up_to(self.wanted()),
            Job::Release(leases) => self.desk.papers().release(leases),
            Job::Commit(..)
            | Job::Settle(..)
            | Job::Lease(..)
            | Job::Forget(..)
            | Job::Probe(..)
            | Job::CatchUp(_)
            | Job::LogEnd(_) => return false,
        }
        true
    }

    /// Notes the hot verbs that came here because the desk was taken, or too many waited for the flusher; gives the others.
    /// Carried out in a transaction, they would hold the desk longer, and send the next ones here as well.
    fn note(&self, jobs: Vec<Job>) -> Vec<Job> {
        if !self.has_journal || self.flusher.check().is_err() {
            return jobs;
        }
        let mut papers = self.desk.papers();
        let note = |job| hot::note(&self.desk, &mut papers, self.flusher.outbox(), job).err();
        let count = jobs.len();
        let left: Vec<Job> = jobs.into_iter().filter_map(note).collect();
        drop(papers);
        self.flusher.outbox().rouse(count - left.len());
        left
    }

    /// Waits for a job, and meanwhile for the time to catch up; `None` when nobody can send any more.
    fn next(&mut self) -> Option<Job> {
        loop {
            if !self.desk.is_behind() && !self.flood.lasts() && self.is_marked() {
                return self.jobs.recv().ok();
            }
            match self.jobs.recv_timeout(self.flood.pause(self.desk.count())) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.catch_up_by_and_by(),
            }
        }
    }

    /// Tells whether the database's mark stands behind the last record, or cannot be written just now. The last ones may say
    /// nothing, or what a transaction has written meanwhile.
    fn is_marked(&self) -> bool {
        let papers = self.desk.papers();
        let last = self.flusher.outbox().sealed().max(papers.unwritten.last());
        papers.is_stuck || papers.unwritten.mark() >= last || self.flusher.check().is_err()
    }

    /// Writes what is over, and what was not over the last time either; of a flood, what is due of it.
    fn catch_up_by_and_by(&mut self) {
        let outbox = self.flusher.outbox();
        let is_flooded = outbox.is_flooded() && !self.desk.papers().unwritten.presses();
        match self.flood.look(outbox.sealed(), is_flooded, self.desk.count()) {
            Due::All => {}
            Due::Step => return self.catch_up(Extent::Evenly(STEP)),
            Due::Nothing => return,
        }
        let (oldest, last) = {
            let papers = self.desk.papers();
            (papers.unwritten.oldest(), papers.unwritten.last())
        };
        match oldest {
            Some(oldest) if oldest <= self.seen => self.catch_up_to(self.seen),
            Some(_) | None => {}
        }
        self.catch_up(Extent::Over(usize::MAX));
        self.seen = last;
    }

    /// Writes a part, so that it is not as far behind; whoever notes the next thing says whether that was enough. What
    /// subscribers hear of is mostly over by then, and cheaper to write.
    fn catch_up_far(&mut self) {
        let presses = self.desk.papers().unwritten.presses();
        if presses {
            self.catch_up(Extent::Over(CHUNK));
        }
        let room = self.flusher.outbox().room();
        if !presses || self.desk.papers().behind(room) >= Behind::Far {
            self.catch_up(Extent::Oldest(CHUNK));
        }
        self.desk.done();
    }

    /// Writes everything up to a record, part by part.
    fn catch_up_to(&mut self, number: u64) {
        loop {
            let (oldest, is_stuck) = {
                let papers = self.desk.papers();
                (papers.unwritten.oldest(), papers.is_stuck)
            };
            self.catch_up(Extent::Oldest(CHUNK));
            let is_there = oldest.is_none_or(|oldest| oldest > number);
            if is_there || is_stuck {
                break;
            }
        }
    }

    /// Writes everything that was noted until now.
    fn catch_up_all(&mut self) {
        let last = self.desk.papers().unwritten.last();
        self.catch_up_to(last);
    }

    /// Has the database catch up. What cannot be written now stays in the journal, and is tried again.
    fn catch_up(&mut self, extent: Extent) {
        // The desk is free while the chunk is written.
        let chunk = {
            let mut papers = self.desk.papers();
            let sealed = self.flusher.outbox().sealed();
            papers.finder.leave();
            papers.hand_out(extent, sealed, sealed)
        };
        if let Some(chunk) = chunk {
            let written = self.write_chunk(&chunk);
            let changes = chunk.len() + chunk.bytes() / CHANGE_BYTES;
            let mut papers = self.desk.papers();
            papers.is_stuck = written.is_err();
            papers.finder.leave();
            if written.is_ok() {
                papers.unwritten.written(&chunk);
                self.is_loose = true;
            } else {
                self.roll_back();
                papers.unwritten.put_back(chunk);
            }
            self.desk.show(&papers);
            drop(papers);
            // Before the log is copied, or the file would wait for that.
            self.free();
            self.checkpointer.committed(&self.db, changes);
        } else {
            self.free();
        }
    }

    /// Forgets what a job asks for, in a transaction of its own. The desk is free meanwhile.
    fn forget(&mut self, job: Job) {
        let Job::Forget(outlived, limit, _) = &job else { return };
        match self.forget_some(*outlived, *limit) {
            Ok(forgotten) => {
                let changes = forgotten.deliveries + forgotten.attempts + forgotten.events;
                let (done, effects) = (vec![Done::Forget(forgotten)], Effects::default());
                let committed = Committed { batch: vec![job], done, effects, flush: Flush::Log };
                self.flusher.outbox().hand_over(committed);
                self.checkpointer.committed(&self.db, (changes + forgotten.texts) as usize);
            }
            Err(error) => {
                self.roll_back();
                refuse(job, &error);
            }
        }
    }

    fn forget_some(&mut self, outlived: Outlived, limit: u32) -> Result<Forgotten, Error> {
        self.catch_up_all();
        self.begin()?;
        let forgotten = forget::forget(&self.db, outlived, limit)?;
        self.run_cached(sql::commit)?;
        Ok(forgotten)
    }

    /// Begins a transaction during which the desk is free.
    fn begin(&mut self) -> Result<(), Error> {
        self.roll_back();
        self.flusher.check()?;
        self.run_cached(sql::begin)?;
        if self.was_changed()? {
            self.desk.papers().forget_all();
        }
        Ok(())
    }

    fn write_chunk(&mut self, chunk: &Chunk) -> Result<(), Error> {
        self.begin()?;
        chunk.write(&self.db)?;
        write_mark(&self.db, chunk.mark())?;
        self.run_cached(sql::commit)
    }

    /// Gives the record up to which somebody waits for the database.
    fn wanted(&self) -> u64 {
        self.freeing.as_ref().map_or(0, |(number, _)| *number)
    }

    /// Frees the journal's file that waits, once the database holds what is in it.
    fn free(&mut self) {
        let mark = self.desk.papers().unwritten.mark();
        if let Some((_, left)) = self.freeing.take_if(|(number, _)| *number <= mark) {
            self.checkpointer.raise(left);
        }
    }

    /// Carries out a batch in one transaction.
    ///
    /// When the store cannot write now, all are told so. When a job is poisonous, each is tried alone.
    fn turn(&mut self, batch: Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        self.flood.heed(self.flusher.outbox().is_flooded());
        // The batch holds the desk while the rest of the journal goes before it: as little as can be, though in a flood more
        // comes meanwhile.
        let only_leases = batch.iter().all(Job::only_leases);
        let mut before = usize::MAX;
        loop {
            let count = self.desk.count();
            // What is leased stays; a chunk that was hardly half full was the last.
            let step = if only_leases { CHUNK / 2 } else { before / 4 };
            let is_enough = count < COMPANY || count > before.saturating_sub(step);
            if is_enough || self.desk.papers().is_stuck {
                break;
            }
            before = count;
            if only_leases {
                self.catch_up(Extent::Unleased(CHUNK));
            } else {
                self.catch_up_all();
            }
        }
        let transacted = catch_unwind(AssertUnwindSafe(|| self.transact(&batch)));
        let transacted = transacted.unwrap_or_else(|panic| {
            // Before its callers hear of it, so that none is promised anything after that.
            self.flusher.give_up();
            resume_unwind(panic)
        });
        match transacted {
            Ok((done, effects)) => {
                let flush = self.flush_for(&batch);
                let bytes: usize = batch.iter().map(Job::bytes).sum();
                let changes = batch.len() + bytes / CHANGE_BYTES;
                self.flusher.outbox().hand_over(Committed { batch, done, effects, flush });
                self.free();
                self.checkpointer.committed(&self.db, changes);
            }
            Err(error) if batch.len() == 1 || error.is_transient() => {
                for job in batch {
                    refuse(job, &error);
                }
            }
            Err(_) => batch.into_iter().for_each(|job| self.turn(vec![job])),
        }
    }

    /// Says what must be on the disk before a batch is answered. Who only looks waits for what came before, and no longer.
    fn flush_for(&mut self, batch: &[Job]) -> Flush {
        let follows = |job: &Job| matches!(job, Job::LogEnd(_));
        if batch.iter().all(Job::only_looks) && !(self.is_loose && batch.iter().any(follows)) {
            return Flush::Nothing;
        }
        self.is_loose = false;
        Flush::Log
    }

    fn transact(&mut self, batch: &[Job]) -> Result<(Vec<Done>, Effects), Error> {
        self.roll_back();
        self.flusher.check()?;
        // Another program may hold the database: nobody waits at the desk for that.
        self.run_cached(sql::begin)?;
        let desk = Arc::clone(&self.desk);
        let mut papers = desk.take();
        let begun = papers.state.mark();
        papers.finder.leave();
        let (sealed, wanted) = (self.flusher.outbox().sealed(), self.wanted());
        let only_leases = batch.iter().all(Job::only_leases);
        let extent = if only_leases { Extent::Unleased(usize::MAX) } else { Extent::All };
        let chunk = papers.hand_out(extent, sealed, wanted);
        let worked = self.work(&mut papers, batch, chunk.as_ref());
        match worked {
            Ok(done) => {
                if let Some(chunk) = &chunk {
                    papers.unwritten.written(chunk);
                    self.is_loose = true;
                }
                papers.is_stuck = false;
                for id in batch.iter().flat_map(Job::events) {
                    papers.unwritten.raise(id);
                }
                desk.show(&papers);
                if !batch.iter().all(Job::only_looks) {
                    // What is noted from now on follows from this.
                    self.flusher.outbox().owe_log();
                }
                Ok((done, papers.state.happen()))
            }
            Err(error) => {
                if let Some(chunk) = chunk {
                    papers.unwritten.put_back(chunk);
                }
                papers.state.undo_to(begun);
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

    fn work(
        &mut self,
        papers: &mut Papers,
        batch: &[Job],
        chunk: Option<&Chunk>,
    ) -> Result<Vec<Done>, Error> {
        if self.was_changed()? {
            papers.forget_all();
        }
        if let Some(chunk) = chunk {
            chunk.write(&self.db)?;
            write_mark(&self.db, chunk.mark())?;
        }
        let mut done = Vec::with_capacity(batch.len());
        for job in batch {
            done.push(self.job(papers, job)?);
        }
        self.run_cached(sql::commit)?;
        Ok(done)
    }

    fn job(&self, papers: &mut Papers, job: &Job) -> Result<Done, Error> {
        let (db, state) = (&self.db, &mut papers.state);
        Ok(match job {
            Job::Commit(commit, _) => Done::Commit(apply::commit(db, state, commit)?),
            Job::Settle(now, settlements, _) => {
                Done::Settle(settle::settle(db, state, *now, settlements)?)
            }
            Job::Lease(now, scope, _) => Done::Lease(lease::lease(db, state, *now, scope)?),
            Job::Probe(now, _) => {
                let mut statement = db.prepare_cached(sql::meta_upsert).map_err(trouble)?;
                statement.execute(params!["probe", now.as_millis()]).map_err(trouble)?;
                Done::Probe
            }
            Job::CatchUp(_) => Done::CaughtUp,
            Job::LogEnd(_) => Done::LogEnd(open::log_end(db)?),
            Job::Release(_)
            | Job::Forget(..)
            | Job::Behind
            | Job::FarBehind
            | Job::Full
            | Job::Free { .. }
            | Job::Close => Done::Release,
        })
    }

    /// Tells whether another program has written to the database, so that what was read must be forgotten.
    fn was_changed(&mut self) -> Result<bool, Error> {
        let mut statement = self.db.prepare_cached(sql::data_version).map_err(trouble)?;
        let version = statement.query_row([], |row| row.get(0)).map_err(trouble)?;
        let was_changed = version != self.data_version;
        self.data_version = version;
        Ok(was_changed)
    }

    fn run_cached(&self, text: &str) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached(text).map_err(trouble)?;
        statement.execute([]).map_err(trouble)?;
        Ok(())
    }
}

/// Writes down up to which number all records of the journal stand in the database.
pub(super) fn write_mark(db: &Connection, mark: u64) -> Result<(), Error> {
    let mut statement = db.prepare_cached(sql::meta_upsert).map_err(trouble)?;
    statement.execute(params![MARK, mark.cast_signed()]).map_err(trouble)?;
    Ok(())
}
