//! What flusher and writer share: what is kept in memory, and what stands in the journal alone.
//!
//! Invariants: the writer holds it while a verb changes the database, so that the hot path never sees half of a change,
//! and says so beforehand, so that nobody on the hot path waits for that; nobody holds it while waiting for the disk.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use domain::id::{DeliveryId, EndpointId};

use super::chunk::Chunk;
use super::finder::Finder;
use super::state::State;
use super::unwritten::{Extent, Unwritten};

/// The database catches up, whatever else goes on, when so many events and ends stand in the journal alone.
const FAR: usize = 24 * 1_024;
/// Or so many, when subscribers hear of what is among them: a lane without room for a delivery asks the database for it.
const FAR_PRESSED: usize = 1_024;
/// Or so many bytes of records.
const FAR_BYTES: usize = 24 * 1024 * 1024;
/// Or when the journal has room for so many bytes and no more.
const ROOM_LITTLE: u64 = 10 * 1024 * 1024;
/// The hot path waits for the database when there are so many.
const TOO_FAR: usize = FAR + 4 * 1_024;
/// Or so many bytes.
const TOO_FAR_BYTES: usize = FAR_BYTES + 4 * 1024 * 1024;
/// Or so little room: more than the records that are on their way take, since who waits for the journal cannot be refused
/// any more.
const ROOM_LAST: u64 = 5 * 1024 * 1024;

/// What flusher and writer share.
#[derive(Debug)]
pub(super) struct Desk {
    papers: Mutex<Papers>,
    /// Verbs that need the database are carried out just now.
    is_taken: AtomicBool,
    /// Counts those who were there before it was taken, and wait for whoever has it for a moment.
    waiting: AtomicUsize,
    /// Counts what stands in the journal alone, so that nobody asks the writer to catch up for nothing.
    behind: AtomicUsize,
    /// The writer was asked to catch up.
    asked: AtomicBool,
}

/// What lies on the desk.
#[derive(Debug)]
pub(super) struct Papers {
    pub(super) state: State,
    pub(super) unwritten: Unwritten,
    /// Finds what only the database knows.
    pub(super) finder: Finder,
    /// The database could not catch up the last time: no more is promised until it can.
    pub(super) is_stuck: bool,
}

/// The desk, taken for verbs that need the database.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    papers: MutexGuard<'a, Papers>,
    is_taken: &'a AtomicBool,
}

/// How far the database is behind the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Behind {
    /// Not enough to care.
    Near,
    /// So far that it should catch up.
    Far,
    /// So far that the hot path must wait, or unable to catch up at all.
    TooFar,
}

impl Desk {
    pub(super) const fn new(state: State, unwritten: Unwritten, finder: Finder) -> Self {
        let papers = Mutex::new(Papers { state, unwritten, finder, is_stuck: false });
        let (is_taken, asked) = (AtomicBool::new(false), AtomicBool::new(false));
        let (waiting, behind) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { papers, is_taken, waiting, behind, asked }
    }

    pub(super) fn papers(&self) -> MutexGuard<'_, Papers> {
        // A thread that panicked here has ended the store; nobody is answered from what it left.
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what lies on the desk, unless verbs that need the database are carried out there. Whoever else has it is done
    /// in a moment, and that is waited for: the long way may be a hundred times as long.
    pub(super) fn free_papers(&self) -> Option<MutexGuard<'_, Papers>> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let papers = (!self.is_taken.load(Ordering::SeqCst)).then(|| self.papers());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        papers
    }

    /// Takes the desk for verbs that need the database, behind those who were there before: they are done in a moment, and
    /// would wait for the whole of it.
    pub(super) fn take(&self) -> Taken<'_> {
        self.is_taken.store(true, Ordering::SeqCst);
        while self.waiting.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        Taken { papers: self.papers(), is_taken: &self.is_taken }
    }

    /// Shows everybody how much stands in the journal alone.
    pub(super) fn show(&self, papers: &Papers) {
        self.behind.store(papers.unwritten.len(), Ordering::Release);
    }

    /// Counts what stands in the journal alone.
    pub(super) fn count(&self) -> usize {
        self.behind.load(Ordering::Acquire)
    }

    /// Tells whether anything does.
    pub(super) fn is_behind(&self) -> bool {
        self.count() > 0
    }

    /// Notes that the writer is asked to catch up; `false` when it was asked already.
    pub(super) fn ask(&self) -> bool {
        !self.asked.swap(true, Ordering::AcqRel)
    }

    /// Notes that the writer has done what it was asked.
    pub(super) fn done(&self) {
        self.asked.store(false, Ordering::Release);
    }
}

impl Deref for Taken<'_> {
    type Target = Papers;

    fn deref(&self) -> &Papers {
        &self.papers
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Papers {
        &mut self.papers
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.is_taken.store(false, Ordering::Release);
    }
}

impl Papers {
    /// Frees leases that are handed back.
    pub(super) fn release(&mut self, leases: &[(EndpointId, DeliveryId)]) {
        for (endpoint, delivery) in leases {
            self.state.release(*endpoint, *delivery);
        }
    }

    /// Hands out what shall be written now, of what stands in records up to `sealed`.
    pub(super) fn hand_out(&mut self, extent: Extent, sealed: u64, wanted: u64) -> Option<Chunk> {
        let Self { state, unwritten, .. } = self;
        let is_leased = |endpoint, delivery| state.is_leased(endpoint, delivery);
        unwritten.hand_out(extent, (sealed, wanted), is_leased)
    }

    /// Forgets what was read, since another program has changed the database.
    pub(super) fn forget_all(&mut self) {
        self.finder.leave();
        self.state.forget_all();
    }

    fn is_pressed(&self, count: usize) -> bool {
        count >= FAR_PRESSED && self.unwritten.presses()
    }

    /// Tells how far the database is behind, when the journal has room for so many bytes more.
    pub(super) fn behind(&self, room: u64) -> Behind {
        let (count, bytes) = (self.unwritten.len(), self.unwritten.bytes());
        if self.is_stuck || count >= TOO_FAR || bytes >= TOO_FAR_BYTES || room < ROOM_LAST {
            Behind::TooFar
        } else if count >= FAR || self.is_pressed(count) || bytes >= FAR_BYTES || room < ROOM_LITTLE
        {
            Behind::Far
        } else {
            Behind::Near
        }
    }
}
