//! What was committed, onto the disk; and only then answers.
//!
//! The writer commits without waiting for the disk; this thread forces its log there, for all transactions that have
//! come together meanwhile, while the writer works on the next one.
//!
//! Invariants: nothing is answered and no work is handed out before the log that holds it is on the disk; once the disk
//! has refused, it is not asked again: what it has kept is unknown until the store is opened anew.
//! Left to others: what an answer says (`writer`), copying the log into the database (`checkpointer`).

use std::error::Error as StdError;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use tokio::runtime::Handle;

use super::state::Effects;
use super::writer::{Done, Job, answer, refuse};
use crate::error::Error;
use crate::lanes::Lanes;

/// Transactions that wait for the disk while one is being flushed; the writer then gathers a larger one.
const WAITING_MAX: usize = 1;

/// A committed transaction that waits for the disk.
pub(super) struct Committed {
    pub(super) batch: Vec<Job>,
    pub(super) done: Vec<Done>,
    pub(super) effects: Effects,
}

/// The writer's way to the thread that flushes. Dropping it waits for the last answer.
#[derive(Debug)]
pub(super) struct Flusher {
    queue: Option<SyncSender<Committed>>,
    thread: Option<JoinHandle<()>>,
    refused: Arc<AtomicBool>,
}

impl Flusher {
    /// Starts the thread on the log of a database, which exists.
    pub(super) fn start(log: &Path, lanes: Arc<dyn Lanes>) -> Result<Self, Error> {
        let unusable = |error: io::Error| Error::Unusable {
            detail: format!("cannot watch over {}", log.display()),
            source: Some(Box::new(error)),
        };
        let file = File::options().write(true).open(log).map_err(unusable)?;
        let (queue, queued) = mpsc::sync_channel(WAITING_MAX);
        let refused = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&refused);
        let answers = Answers { lanes, runtime: Handle::try_current().ok() };
        let work = move || flush_all(&file, &queued, &answers, &mark);
        let builder = thread::Builder::new().name("store-flusher".to_owned());
        let thread = builder.spawn(work).map_err(unusable)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), refused })
    }

    /// Hands a transaction over; its answers are given once it is on the disk.
    pub(super) fn flush(&self, committed: Committed) {
        if let Some(queue) = &self.queue
            && let Err(mpsc::SendError(committed)) = queue.send(committed)
        {
            refuse_all(committed, &refused("the flushing thread has ended".into()));
        }
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
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }
}

/// Who hears of a transaction that is on the disk.
struct Answers {
    lanes: Arc<dyn Lanes>,
    /// Answers given from inside the runtime wake their callers without a detour through the system.
    runtime: Option<Handle>,
}

impl Answers {
    fn give(&self, together: Vec<Committed>) {
        let lanes = Arc::clone(&self.lanes);
        let give = move || {
            for committed in together {
                answer_all(committed, lanes.as_ref());
            }
        };
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(async move { give() })),
            None => give(),
        }
    }
}

fn flush_all(file: &File, queued: &Receiver<Committed>, answers: &Answers, mark: &AtomicBool) {
    while let Ok(first) = queued.recv() {
        let mut together = vec![first];
        together.extend(queued.try_iter().take(WAITING_MAX));
        if mark.load(Ordering::Acquire) {
            let error = refused("it has refused before".into());
            for committed in together {
                refuse_all(committed, &error);
            }
            continue;
        }
        match file.sync_data() {
            Ok(()) => answers.give(together),
            Err(error) => {
                mark.store(true, Ordering::Release);
                let error = refused(error.into());
                for committed in together {
                    refuse_all(committed, &error);
                }
            }
        }
    }
}

fn refused(source: Box<dyn StdError + Send + Sync>) -> Error {
    let hint = "the disk did not keep what was written; look at it, and start countersign again";
    Error::Unavailable { hint, source }
}

fn answer_all(committed: Committed, lanes: &dyn Lanes) {
    let Committed { batch, done, effects } = committed;
    for endpoint in &effects.changed {
        lanes.changed(endpoint);
    }
    if !effects.leases.is_empty() {
        lanes.take(effects.leases);
    }
    batch.into_iter().zip(done).for_each(|(job, done)| answer(job, done));
}

fn refuse_all(committed: Committed, error: &Error) {
    committed.batch.into_iter().for_each(|job| refuse(job, error));
}
