//! The record of the journal in the making: what was noted since the last flush, and who waits for it.
//!
//! Invariants: what is in here was noted while the desk was held; a record is sealed when the flusher takes it, and what
//! is noted after that goes into the next one; nobody who adds to it waits for the disk.
//! Left to others: writing and answering (`flusher`).

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::Sender;

use super::flusher::Committed;
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

/// Where done work waits for the flusher.
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    /// The flusher sleeps here.
    flusher: Condvar,
    /// The writer waits here for room.
    writer: Condvar,
    /// The bytes that the journal has room for.
    room: AtomicU64,
}

struct Inner {
    record: Record,
    /// Room for the next record, from one that is written: a fresh one costs more than what goes into it.
    room: Vec<u8>,
    committed: Vec<Committed>,
    sleep: Sleep,
    /// How many waited for each of the last records, added up.
    waited: usize,
    closed: bool,
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
    /// It gathers: only a full record, or a transaction, wakes it.
    Deeply,
}

/// The record in the making, held to add to it.
pub(super) struct Pen<'a> {
    inner: MutexGuard<'a, Inner>,
    outbox: &'a Outbox,
}

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
        let inner = Inner {
            record: Record::new(number + 1, Vec::new()),
            room: Vec::new(),
            committed: Vec::new(),
            sleep: Sleep::Not,
            waited: 0,
            closed: false,
        };
        let (flusher, writer) = (Condvar::new(), Condvar::new());
        Self { inner: Mutex::new(inner), flusher, writer, room: AtomicU64::new(0) }
    }

    /// Takes the pen; waits only for somebody else who adds a line.
    pub(super) fn pen(&self) -> Pen<'_> {
        Pen { inner: self.lock(), outbox: self }
    }

    /// Gives the number of the last record that was sealed.
    pub(super) fn sealed(&self) -> u64 {
        self.lock().record.number.saturating_sub(1)
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
        self.lock().is_flooded()
    }

    /// Hands a transaction over; waits while others wait for the disk, so that the next one grows.
    pub(super) fn hand_over(&self, committed: Committed) {
        let inner = self.lock();
        let waits = |inner: &mut Inner| inner.committed.len() >= COMMITTED_MAX && !inner.closed;
        let mut inner =
            self.writer.wait_while(inner, waits).unwrap_or_else(PoisonError::into_inner);
        inner.committed.push(committed);
        if inner.sleep != Sleep::Not {
            self.flusher.notify_one();
        }
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.flusher.notify_one();
        self.writer.notify_all();
    }

    /// Waits for something to flush, and takes it all; `None` when nothing more will come.
    pub(super) fn take(&self, crowded: bool) -> Option<Taken> {
        let mut inner = self.lock();
        loop {
            if !inner.is_empty() {
                break;
            }
            if inner.closed {
                return None;
            }
            inner.sleep = Sleep::Lightly;
            inner = self.flusher.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if crowded {
            inner.sleep = Sleep::Deeply;
            let most = if inner.is_flooded() { GATHERING_IN_FLOOD } else { GATHERING };
            let gathers = |inner: &mut Inner| inner.is_gathering();
            let gathered = self.flusher.wait_timeout_while(inner, most, gathers);
            inner = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.sleep = Sleep::Not;
        let record = (!inner.record.promises.is_empty()).then(|| {
            inner.waited -= inner.waited / FLOOD_RECORDS;
            inner.waited += inner.record.promises.len();
            let next = Record::new(inner.record.number + 1, mem::take(&mut inner.room));
            mem::replace(&mut inner.record, next)
        });
        let committed = mem::take(&mut inner.committed);
        drop(inner);
        self.writer.notify_all();
        Some(Taken { record, committed })
    }

    /// Takes back the room of a record that is written.
    pub(super) fn reuse(&self, room: Vec<u8>) {
        if room.capacity() <= ROOM_BYTES_MAX {
            self.lock().room = room;
        }
    }

    /// Takes the transactions that wait, without waiting for any; after a moment, if there are none.
    pub(super) fn take_committed(&self) -> Vec<Committed> {
        let inner = self.lock();
        let none = |inner: &mut Inner| inner.committed.is_empty();
        let waited = self.flusher.wait_timeout_while(inner, GATHERING, none);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let committed = mem::take(&mut inner.committed);
        drop(inner);
        self.writer.notify_all();
        committed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked here has added a line or not; the record is whole either way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_empty(&self) -> bool {
        self.record.promises.is_empty() && self.committed.is_empty()
    }

    const fn is_flooded(&self) -> bool {
        self.waited >= FLOOD * FLOOD_RECORDS
    }

    fn is_gathering(&self) -> bool {
        self.committed.is_empty() && self.record.promises.len() < COMPANY && !self.closed
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
        self.inner.record.bytes.len() + bytes <= RECORD_BYTES_MAX
    }

    /// Gives the number of the record.
    pub(super) fn number(&self) -> u64 {
        self.inner.record.number
    }

    /// Gives the bytes to add to.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.inner.record.bytes
    }

    /// Makes a promise: it is kept, and the leases are handed on, once the record is on the disk.
    pub(super) fn promise(mut self, promise: Promise, leases: Vec<Lease>) {
        self.inner.record.promises.push(promise);
        self.inner.record.leases.extend(leases);
        let wakes = match self.inner.sleep {
            Sleep::Not => false,
            Sleep::Lightly => true,
            Sleep::Deeply => self.inner.record.promises.len() >= COMPANY,
        };
        if wakes {
            self.outbox.flusher.notify_one();
        }
    }
}
