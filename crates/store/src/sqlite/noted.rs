//! Where the flusher finds its work: hot verbs that were asked for, the record of the journal in the making with what was
//! noted since the last flush and who waits for it, and transactions.
//!
//! Invariants: what is in the record was noted while the desk was held; a record is sealed when the flusher takes it, and
//! what is noted after that goes into the next one; nobody who asks for anything, or adds to the record, waits for the disk,
//! and who asks does not wait for who adds.
//! Left to others: noting (`hot`), writing and answering (`flusher`).

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::Sender;

use super::flusher::Committed;
use super::job::Job;
use super::journal;
use crate::commit::{self, Fault, Settled};
use crate::error::Error;
use crate::lanes::Lease;

/// The most bytes of a record: what would make it longer takes the long way.
const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most room that is kept for the next record.
const ROOM_BYTES_MAX: usize = 256 * 1024;
/// So many promises in a record mean that there is a crowd: the flusher gathers a while before the next one.
const CROWD: usize = 4;
/// Company enough: the flusher gathers no longer.
const COMPANY: usize = 32;
/// Hot verbs that wait for the flusher at most; more line up for the writer.
const ASKED_MAX: usize = 8_192;
/// So many promises in a record, on the average, mean that there is a flood: nobody has the database catch up for nothing but
/// its being time.
const FLOOD: usize = 12;
/// Over how many records the average is taken, roughly.
const FLOOD_RECORDS: usize = 8;
/// How long the flusher gathers.
const GATHERING: Duration = Duration::from_micros(400);
/// How long it does in a flood: each flush wakes it, the callers and whoever they answer.
const GATHERING_IN_FLOOD: Duration = Duration::from_micros(1_500);
/// Transactions that wait for the disk; the writer then gathers a larger one.
const COMMITTED_MAX: usize = 1;

/// A hot verb that is done and waits for the disk.
pub(super) enum Promise {
    Commit(Sender<Result<commit::Committed, Fault>>, commit::Committed),
    Settle(Sender<Result<Settled, Error>>, Settled),
}

/// Where work waits for the flusher.
pub(super) struct Outbox {
    inbox: Mutex<Inbox>,
    making: Mutex<Making>,
    /// The flusher sleeps here.
    flusher: Condvar,
    /// The writer waits here for room.
    writer: Condvar,
    /// The bytes that the journal has room for.
    room: AtomicU64,
    /// Many wait for each record.
    is_flooded: AtomicBool,
    /// The database holds what is noted from now on follows from, and the disk may not.
    owes_log: AtomicBool,
}

/// What the flusher wakes for.
struct Inbox {
    asked: Vec<Job>,
    /// So many were noted by the writer.
    noted: usize,
    committed: Vec<Committed>,
    sleep: Sleep,
    closed: bool,
}

/// The record in the making.
struct Making {
    record: Record,
    /// Room for the next record, from one that is written: a fresh one costs more than what goes into it.
    room: Vec<u8>,
    /// How many waited for each of the last records, added up.
    waited: usize,
}

/// A record, and who waits for it.
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) promises: Vec<Promise>,
    pub(super) leases: Vec<Lease>,
}

/// How the flusher sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It is at work.
    Not,
    /// Anything wakes it.
    Lightly,
    /// It gathers: only company enough, or a transaction, wakes it.
    Deeply,
}

/// The record in the making, held to add to it.
pub(super) struct Pen<'a>(MutexGuard<'a, Making>);

/// What the flusher takes.
pub(super) struct Taken {
    pub(super) record: Option<Record>,
    pub(super) committed: Vec<Committed>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Outbox {
    /// Starts with nothing, behind a record.
    pub(super) fn after(number: u64) -> Self {
        let inbox = Inbox {
            asked: Vec::new(),
            noted: 0,
            committed: Vec::new(),
            sleep: Sleep::Not,
            closed: false,
        };
        let record = Record::new(number + 1, Vec::new());
        let making = Making { record, room: Vec::new(), waited: 0 };
        Self {
            inbox: Mutex::new(inbox),
            making: Mutex::new(making),
            flusher: Condvar::new(),
            writer: Condvar::new(),
            room: AtomicU64::new(0),
            is_flooded: AtomicBool::new(false),
            owes_log: AtomicBool::new(false),
        }
    }

    /// Asks for a hot verb to be noted; gives it back when too many wait, or nothing more is taken.
    pub(super) fn ask(&self, job: Job) -> Result<(), Job> {
        let mut inbox = self.inbox();
        if inbox.closed || inbox.asked.len() >= ASKED_MAX {
            return Err(job);
        }
        inbox.asked.push(job);
        let wakes = inbox.wakes();
        drop(inbox);
        if wakes {
            self.flusher.notify_one();
        }
        Ok(())
    }

    /// Takes what was asked for and not noted yet.
    pub(super) fn take_asked(&self) -> Vec<Job> {
        mem::take(&mut self.inbox().asked)
    }

    /// Takes the pen; waits only for somebody else who adds a line.
    pub(super) fn pen(&self) -> Pen<'_> {
        Pen(self.making())
    }

    /// Says that so many were noted by somebody else than the flusher.
    pub(super) fn rouse(&self, count: usize) {
        if count == 0 {
            return;
        }
        let mut inbox = self.inbox();
        inbox.noted += count;
        let wakes = inbox.wakes();
        drop(inbox);
        if wakes {
            self.flusher.notify_one();
        }
    }

    /// Gives the number of the last record that was sealed.
    pub(super) fn sealed(&self) -> u64 {
        self.making().record.number.saturating_sub(1)
    }

    /// Shows how many bytes the journal has room for.
    pub(super) fn show_room(&self, bytes: u64) {
        self.room.store(bytes, Ordering::Release);
    }

    /// Gives the bytes that the journal has room for, what is in the making not counted.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Acquire)
    }

    /// Tells whether many waited for each of the last records that were sealed.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded.load(Ordering::Acquire)
    }

    /// Says, with the desk held, that a transaction was committed: the next record is not on the disk before the log is.
    pub(super) fn owe_log(&self) {
        self.owes_log.store(true, Ordering::Release);
    }

    /// Tells whether the log must be on the disk before a record that was sealed, and takes it as done.
    pub(super) fn pay_log(&self) -> bool {
        self.owes_log.swap(false, Ordering::AcqRel)
    }

    /// Hands a transaction over; waits while others wait for the disk, so that the next one grows.
    pub(super) fn hand_over(&self, committed: Committed) {
        let inbox = self.inbox();
        let waits = |inbox: &mut Inbox| inbox.committed.len() >= COMMITTED_MAX && !inbox.closed;
        let mut inbox =
            self.writer.wait_while(inbox, waits).unwrap_or_else(PoisonError::into_inner);
        inbox.committed.push(committed);
        if inbox.sleep != Sleep::Not {
            self.flusher.notify_one();
        }
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.inbox().closed = true;
        self.flusher.notify_one();
        self.writer.notify_all();
    }

    /// Waits for work, and takes what was asked for, into an empty list; `false` when nothing more will come.
    pub(super) fn wait(&self, crowded: bool, asked: &mut Vec<Job>) -> bool {
        let mut inbox = self.inbox();
        while inbox.is_empty() {
            if inbox.closed {
                return false;
            }
            inbox.sleep = Sleep::Lightly;
            inbox = self.flusher.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        if crowded {
            inbox.sleep = Sleep::Deeply;
            let most = if self.is_flooded() { GATHERING_IN_FLOOD } else { GATHERING };
            let gathers = |inbox: &mut Inbox| inbox.is_gathering();
            let gathered = self.flusher.wait_timeout_while(inbox, most, gathers);
            inbox = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        inbox.sleep = Sleep::Not;
        inbox.noted = 0;
        mem::swap(&mut inbox.asked, asked);
        true
    }

    /// Takes what there is to flush: the record, which is sealed by that, and the transactions. Those come first, so that
    /// whatever they follow from is in this record or in one before.
    pub(super) fn take(&self) -> Taken {
        let committed = mem::take(&mut self.inbox().committed);
        self.writer.notify_all();
        Taken { record: self.making().seal(&self.is_flooded), committed }
    }

    /// Takes back the room of a record that is written.
    pub(super) fn reuse(&self, room: Vec<u8>) {
        if room.capacity() <= ROOM_BYTES_MAX {
            self.making().room = room;
        }
    }

    /// Takes the transactions that wait, without waiting for any; after a moment, if there are none.
    pub(super) fn take_committed(&self) -> Vec<Committed> {
        let inbox = self.inbox();
        let none = |inbox: &mut Inbox| inbox.committed.is_empty();
        let waited = self.flusher.wait_timeout_while(inbox, GATHERING, none);
        let mut inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        let committed = mem::take(&mut inbox.committed);
        drop(inbox);
        self.writer.notify_all();
        committed
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        // Whoever panicked here has put something in or not; what is in here is whole either way.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn making(&self) -> MutexGuard<'_, Making> {
        // Whoever panicked here has added a line or not; the record is whole either way.
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.noted == 0 && self.committed.is_empty()
    }

    const fn is_company(&self) -> bool {
        self.asked.len() + self.noted >= COMPANY
    }

    /// Tells whether what has just come wakes the flusher, who is called once: it may take a while to rise.
    const fn wakes(&mut self) -> bool {
        let wakes = match self.sleep {
            Sleep::Not => false,
            Sleep::Lightly => true,
            Sleep::Deeply => self.is_company(),
        };
        if wakes {
            self.sleep = Sleep::Not;
        }
        wakes
    }

    fn is_gathering(&self) -> bool {
        self.committed.is_empty() && !self.is_company() && !self.closed
    }
}

impl Making {
    /// Seals the record, unless nobody waits for it, and begins the next one.
    fn seal(&mut self, is_flooded: &AtomicBool) -> Option<Record> {
        if self.record.promises.is_empty() {
            return None;
        }
        self.waited -= self.waited / FLOOD_RECORDS;
        self.waited += self.record.promises.len();
        is_flooded.store(self.waited >= FLOOD * FLOOD_RECORDS, Ordering::Release);
        let next = Record::new(self.record.number + 1, mem::take(&mut self.room));
        Some(mem::replace(&mut self.record, next))
    }
}

impl Record {
    fn new(number: u64, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.resize(journal::HEAD_BYTES, 0);
        Self { number, bytes, promises: Vec::new(), leases: Vec::new() }
    }

    /// Tells whether so many have come that the next record shall wait for company.
    pub(super) fn is_crowded(&self) -> bool {
        self.promises.len() >= CROWD
    }
}

impl Pen<'_> {
    /// Tells whether so many more bytes have room in the record.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.0.record.bytes.len() + bytes <= RECORD_BYTES_MAX
    }

    /// Gives the number of the record.
    pub(super) fn number(&self) -> u64 {
        self.0.record.number
    }

    /// Gives the bytes to add to.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.0.record.bytes
    }

    /// Makes a promise: it is kept, and the leases are handed on, once the record is on the disk.
    pub(super) fn promise(mut self, promise: Promise, leases: Vec<Lease>) {
        self.0.record.promises.push(promise);
        self.0.record.leases.extend(leases);
    }
}
