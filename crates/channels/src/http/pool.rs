//! Idle connections, by lane.
//!
//! Invariants: at most `connections_max` per lane and `idle_connections_max` in all, the newcomer gives way; none is
//! used after its time; no socket is closed while the lock is held, and nothing wakes up on its own: every use sweeps
//! by the way, now and then.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::Lane;
use crate::http::live::Live;

/// Idle connections of all lanes.
pub(crate) struct Pool {
    shelves: Mutex<Shelves>,
    idle_connections_max: usize,
    idle_max: Duration,
    age_max: Duration,
}

#[derive(Default)]
struct Shelves {
    /// The last one put is the first one taken: it is the likeliest to live, and the others may grow old.
    lanes: BTreeMap<u128, Vec<Idle>>,
    count: usize,
    sweep_due: Option<Instant>,
}

struct Idle {
    live: Box<Live>,
    until: Instant,
}

impl Pool {
    /// Makes an empty pool with its bounds.
    pub(crate) fn new(idle_connections_max: usize, idle_max: Duration, age_max: Duration) -> Self {
        Self { shelves: Mutex::default(), idle_connections_max, idle_max, age_max }
    }

    /// Takes a connection that leads to where the URL points.
    pub(crate) fn take(&self, key: u128, url: &Arc<Url>, now: Instant) -> Option<Box<Live>> {
        // Declared before the lock, so that sockets are closed after it is given back.
        let mut stale = Vec::new();
        let mut shelves = self.lock();
        shelves.sweep_if_due(now, &mut stale);
        let mut taken = None;
        let mut count = 0_usize;
        if let Some(lane) = shelves.lanes.get_mut(&key) {
            while let Some(place) = lane.iter().rposition(|idle| idle.live.leads_to(url)) {
                let idle = lane.remove(place);
                count = count.saturating_add(1);
                if idle.until > now {
                    taken = Some(idle.live);
                    break;
                }
                stale.push(idle);
            }
        }
        shelves.count = shelves.count.saturating_sub(count);
        taken
    }

    /// Puts a connection back, unless there are enough.
    pub(crate) fn put(&self, lane: &Lane, live: Box<Live>, now: Instant) {
        // A margin, since what the receiver closes in this moment may meet our next request on the way.
        let keep_alive =
            live.keep_alive().map_or(self.idle_max, |said| said.saturating_sub(KEEP_ALIVE_MARGIN));
        let until = (now + keep_alive.min(self.idle_max)).min(live.opened() + self.age_max);
        let idle = Idle { live, until };
        let mut stale = Vec::new();
        let mut shelves = self.lock();
        shelves.sweep_if_due(now, &mut stale);
        let room = shelves.count < self.idle_connections_max;
        let shelf = shelves.lanes.entry(lane.key).or_default();
        if room && idle.until > now && shelf.len() < lane.connections_max {
            shelf.push(idle);
            shelves.count = shelves.count.saturating_add(1);
        } else {
            stale.push(idle);
        }
    }

    /// Drops what is too old, and counts what stays.
    pub(crate) fn sweep(&self, now: Instant) -> usize {
        let mut stale = Vec::new();
        let mut shelves = self.lock();
        shelves.sweep(now, &mut stale);
        shelves.count
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // A panic elsewhere cannot leave more than the count askew, and sweeping sets that right.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn sweep_if_due(&mut self, now: Instant, stale: &mut Vec<Idle>) {
        if self.sweep_due.is_none_or(|due| due <= now) {
            self.sweep(now, stale);
        }
    }

    fn sweep(&mut self, now: Instant, stale: &mut Vec<Idle>) {
        self.lanes.retain(|_, lane| {
            stale.extend(lane.extract_if(.., |idle| idle.until <= now));
            !lane.is_empty()
        });
        self.count = self.lanes.values().map(Vec::len).sum();
        self.sweep_due = Some(now + SWEEP_EVERY);
    }
}

impl Debug for Pool {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle_max", &self.idle_max).finish_non_exhaustive()
    }
}

/// How much earlier than the receiver a connection is given up.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// A sweep walks over every lane; that often is often enough.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
