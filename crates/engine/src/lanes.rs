//! The lanes: leased work waiting for its turn, endpoint by endpoint.
//!
//! Each endpoint has a lane with its own bounds. A lane that succeeds keeps a window of leased work at hand, so that
//! it never waits for the store; a lane that fails shrinks to what it may have under way, down to one attempt at a
//! time, so that a thousand black holes hold a thousand attempts and no more. Lanes take turns.
//!
//! Invariants: memory is bounded by [`LEASED_BYTES_MAX`], attempts under way by [`IN_FLIGHT_MAX`] (more black holes
//! than that would delay the others); work refused here stays due in the store and is asked for
//! again; an endpoint that is off starts nothing but tests and probes.
//! Left to others: attempting (`deliver`), asking the store (`run`).

mod crew;
mod lane;
mod rate;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::delivery::{Cause, State};
use domain::endpoint::{Endpoint, Ordering, Status};
use domain::id::{DeliveryId, EndpointId};
use domain::time::{Clock, Timestamp};
use store::Lease;
use tokio::sync::Notify;
use url::Url;

use crate::share::Share;

use lane::Lane;
pub(crate) use rate::Rate;

/// Bytes of leased work in memory at most, all lanes together.
const LEASED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Beyond this, only lanes that hold little get more.
const SHARED_BYTES_MAX: usize = LEASED_BYTES_MAX / 2;
/// A lane holds little up to here.
const LITTLE_BYTES: usize = 1024 * 1024;
/// Attempts under way at most, all lanes together.
const IN_FLIGHT_MAX: usize = 4_096;
/// Attempts that ended and are not settled, at most: each keeps its answer in memory, and is made again if the process dies.
const UNSETTLED_MAX: usize = 4_096;
/// An endpoint whose due work could not be leased is looked at again after so long.
const RECHECK_MS: i64 = 1_000;

/// Leased work waiting for its turn. By default no other node shares the store.
#[derive(Debug, Default)]
pub struct Lanes {
    inner: Mutex<Inner>,
    /// Tells how long ago the last beat was, where other nodes may share the store.
    clock: Option<Arc<dyn Clock>>,
    /// Somebody may start an attempt.
    pub(crate) start: Notify,
    /// Somebody should ask the store for more.
    pub(crate) hungry: Notify,
    /// An attempt or a settlement ended.
    pub(crate) quiet: Notify,
}

#[derive(Debug)]
struct Inner {
    share: Share,
    /// When the last beat began.
    heard_at: Option<Duration>,
    /// Everybody's work is to be asked for.
    everything: bool,
    lanes: BTreeMap<EndpointId, Lane>,
    /// Lanes that may have something to start, in turn.
    turns: VecDeque<EndpointId>,
    /// Lanes that wait for their rate.
    resting: BTreeSet<(Timestamp, EndpointId)>,
    /// When the store has something for an endpoint.
    due: BTreeMap<EndpointId, Timestamp>,
    /// Lanes to ask the store for.
    asking: BTreeSet<EndpointId>,
    /// Lanes that hold nothing, since there was no memory; they are asked for once there is.
    starving: VecDeque<EndpointId>,
    bytes: usize,
    in_flight: usize,
    unsettled: usize,
    closed: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            share: Share::whole(),
            heard_at: None,
            everything: false,
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            resting: BTreeSet::new(),
            due: BTreeMap::new(),
            asking: BTreeSet::new(),
            starving: VecDeque::new(),
            bytes: 0,
            in_flight: 0,
            unsettled: 0,
            closed: false,
        }
    }
}

/// Work whose turn has come.
#[derive(Debug)]
pub struct Work {
    /// The right to attempt.
    pub lease: Lease,
    /// The endpoint as it is now.
    pub endpoint: Arc<Endpoint>,
    /// Its URL, parsed; templates that are no URL by themselves have none.
    pub url: Option<Arc<Url>>,
}

/// Where a lane stands, for those who look at health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It could start an attempt now.
    Free,
    /// It waits for its own attempts, its own rate, its own order, or is off.
    Busy,
}

impl store::Lanes for Lanes {
    fn admit(&self, endpoint: &Arc<Endpoint>, bytes: usize) -> bool {
        let mut inner = self.lock();
        if inner.closed || self.is_unheard(&inner) {
            return false;
        }
        let leased = inner.bytes;
        let lane = inner.lane(endpoint);
        if lane.share == 0 {
            return false;
        }
        if lane.held() >= lane.window() || !has_memory(leased, lane.bytes, bytes) {
            (lane.refused, lane.wants) = (true, bytes);
            // A lane that holds something asks when that ends; an empty one has nobody else to ask for it.
            if lane.held() == 0 && !mem::replace(&mut lane.starves, true) {
                inner.starving.push_back(endpoint.id);
            }
            return false;
        }
        lane.reserved += 1;
        lane.bytes += bytes;
        lane.starves = false;
        inner.bytes += bytes;
        true
    }

    fn take(&self, leases: Vec<Lease>) {
        let mut inner = self.lock();
        for lease in leases {
            let id = lease.delivery.endpoint;
            let lane = inner.lane(&lease.endpoint);
            lane.reserved = lane.reserved.saturating_sub(1);
            lane.queue.push_back(lease);
            inner.give_turn(id);
        }
        drop(inner);
        self.start.notify_one();
    }

    fn withdraw(&self, endpoint: EndpointId, bytes: usize) {
        let mut inner = self.lock();
        if let Some(lane) = inner.lanes.get_mut(&endpoint) {
            lane.reserved = lane.reserved.saturating_sub(1);
        }
        let mut asks = inner.free(endpoint, bytes);
        // Nothing of its own will end and ask later.
        let empty = inner.lanes.get_mut(&endpoint).filter(|lane| lane.held() == 0);
        if empty.is_some_and(|lane| mem::take(&mut lane.refused)) {
            inner.note_due(endpoint, Timestamp::default());
            asks = true;
        }
        drop(inner);
        if asks {
            self.hungry.notify_one();
        }
    }

    fn left_due(&self, endpoints: BTreeSet<EndpointId>) {
        let mut inner = self.lock();
        let mut asks = false;
        for id in endpoints {
            match inner.lanes.get_mut(&id) {
                Some(lane) if lane.share == 0 => {}
                Some(lane) => {
                    lane.refused = true;
                    asks |= inner.ask_if_hungry(id);
                }
                None => {
                    inner.note_due(id, Timestamp::default());
                    asks = true;
                }
            }
        }
        drop(inner);
        if asks {
            self.hungry.notify_one();
        }
    }

    fn changed(&self, endpoint: &Arc<Endpoint>) {
        let mut inner = self.lock();
        let Inner { lanes, share, .. } = &mut *inner;
        if let Some(lane) = lanes.get_mut(&endpoint.id) {
            lane.renew(endpoint, share);
        }
        if endpoint.status == Status::Enabled {
            inner.due.insert(endpoint.id, Timestamp::default());
        }
        drop(inner);
        self.hungry.notify_one();
    }

    fn hint(&self, endpoints: Vec<EndpointId>) {
        let mut inner = self.lock();
        for id in endpoints {
            match inner.lanes.get_mut(&id) {
                Some(lane) if lane.share == 0 => {}
                // It asks once it has emptied, or is asked for; until then, asking would only tell others of it again.
                Some(lane) if lane.is_full() => lane.refused = true,
                Some(_) | None => inner.note_due(id, Timestamp::default()),
            }
        }
        drop(inner);
        self.hungry.notify_one();
    }
}

impl Inner {
    fn lane(&mut self, endpoint: &Arc<Endpoint>) -> &mut Lane {
        let Self { lanes, share, .. } = self;
        lanes.entry(endpoint.id).or_insert_with(|| Lane::new(endpoint, share))
    }

    fn give_turn(&mut self, id: EndpointId) {
        if let Some(lane) = self.lanes.get_mut(&id)
            && !lane.has_turn
            && !lane.queue.is_empty()
            && lane.in_flight < lane.allowance
        {
            lane.has_turn = true;
            self.turns.push_back(id);
        }
    }

    /// Asks the store for more if it has more and the lane has emptied by half.
    fn ask_if_hungry(&mut self, id: EndpointId) -> bool {
        let Some(lane) = self.lanes.get_mut(&id) else { return false };
        let held = lane.held();
        let room = if held == 0 {
            // It asks however little room there is: nothing of its own will end and ask later.
            !lane.starves
        } else {
            // Not before what was refused would be taken, nor for one at a time.
            let memory = has_memory(self.bytes, lane.bytes, lane.wants)
                && (self.bytes < SHARED_BYTES_MAX / 2 || lane.bytes < LITTLE_BYTES / 2);
            held.saturating_mul(2) <= lane.window() && memory
        };
        let hungry = lane.refused && room && lane.share > 0 && !self.closed;
        if hungry {
            lane.refused = false;
            self.asking.insert(id);
        }
        hungry
    }

    /// Frees memory, and asks for lanes that had none: for one, or for all where there is plenty. Tells whether it did.
    fn free(&mut self, id: EndpointId, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.bytes = lane.bytes.saturating_sub(bytes);
        }
        let mut asks = false;
        while (!asks || self.bytes <= SHARED_BYTES_MAX)
            && let Some(id) = self.starving.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            if mem::take(&mut lane.starves) {
                lane.refused = false;
                self.asking.insert(id);
                asks = true;
            }
        }
        asks
    }

    fn drop_if_idle(&mut self, id: EndpointId) {
        let good = self.lanes.get(&id).is_some_and(|lane| {
            lane.is_idle()
                && lane.strikes == 0
                && lane.endpoint.rate_limit.is_none()
                && !lane.has_turn
        });
        if good && self.lanes.len() > 1_024 {
            self.lanes.remove(&id);
        }
    }
}

impl Lanes {
    /// Tells how many nodes there are, as far as this one knows; 1 where it is alone.
    pub(crate) fn nodes(&self) -> u32 {
        self.lock().share.nodes().max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next piece of work, lane by lane in turn. `Err` gives the moment at which a resting lane wakes.
    pub fn next(&self, now: Timestamp) -> Result<Work, Option<Timestamp>> {
        let mut inner = self.lock();
        while let Some(&(at, id)) = inner.resting.first() {
            if at > now {
                break;
            }
            inner.resting.pop_first();
            inner.give_turn(id);
        }
        let is_full = inner.in_flight >= IN_FLIGHT_MAX || inner.unsettled >= UNSETTLED_MAX;
        if inner.closed || is_full || self.is_unheard(&inner) {
            return Err(None);
        }
        while let Some(id) = inner.turns.pop_front() {
            let Some(lane) = inner.lanes.get_mut(&id) else { continue };
            lane.has_turn = false;
            if lane.queue.is_empty() || lane.in_flight >= lane.allowance {
                continue;
            }
            if let Some(per_second) = lane.endpoint.rate_limit
                && let Err(at) = lane.rate.take(per_second, lane.sharers, now)
            {
                inner.resting.insert((at, id));
                continue;
            }
            let Some(lease) = lane.queue.pop_front() else { continue };
            lane.in_flight += 1;
            let work = Work { lease, endpoint: Arc::clone(&lane.endpoint), url: lane.url.clone() };
            inner.in_flight += 1;
            inner.give_turn(id);
            return Ok(work);
        }
        Err(inner.resting.first().map(|(at, _)| *at))
    }

    /// Gives the moment at which a lane that waits for its rate wakes.
    pub fn next_rest(&self) -> Option<Timestamp> {
        self.lock().resting.first().map(|(at, _)| *at)
    }

    /// Notes that an attempt ended; its settlement is still to come.
    pub fn ended(&self, id: EndpointId, accepted: bool) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.unsettled += 1;
        if let Some(lane) = inner.lanes.get_mut(&id) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
            lane.unsettled += 1;
            lane.judge(accepted);
            let overfull = lane.held() > lane.window();
            if !accepted && overfull {
                lane.refused = true;
            }
        }
        inner.give_turn(id);
    }

    /// Notes that a settlement is durable: where the delivery stands, and the bytes it held.
    pub fn settled(&self, id: EndpointId, state: State, bytes: usize) {
        let mut inner = self.lock();
        let was_full = inner.unsettled >= UNSETTLED_MAX;
        inner.unsettled = inner.unsettled.saturating_sub(1);
        let starts = was_full && inner.unsettled < UNSETTLED_MAX;
        let mut asks = inner.free(id, bytes);
        if let Some(lane) = inner.lanes.get_mut(&id) {
            lane.unsettled = lane.unsettled.saturating_sub(1);
            // Those behind it in its order key were never leased; the store knows who is next.
            if lane.endpoint.ordering == Ordering::Request && !state.is_pending() {
                lane.refused = true;
            }
        }
        if let State::Pending { due_at } = state {
            inner.note_due(id, due_at);
            asks = true;
        }
        asks |= inner.ask_if_hungry(id);
        inner.drop_if_idle(id);
        drop(inner);
        if asks {
            self.hungry.notify_one();
        }
        if starts {
            self.start.notify_one();
        }
        self.quiet.notify_one();
    }

    /// Notes that work was given back untried; the store is asked for it again after a pause.
    pub fn abandoned(&self, id: EndpointId, bytes: usize, now: Timestamp) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.free(id, bytes);
        if let Some(lane) = inner.lanes.get_mut(&id) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
        inner.note_due(id, now.plus_millis(RECHECK_MS));
        inner.give_turn(id);
        drop(inner);
        self.hungry.notify_one();
        self.quiet.notify_one();
    }

    /// Notes when the store has something for an endpoint, as a lease answered; a moment that has passed means that
    /// it could not be leased now.
    pub fn note_next_due(&self, id: EndpointId, due_at: Timestamp, now: Timestamp) {
        let mut inner = self.lock();
        let refused = inner.lanes.get(&id).is_some_and(|lane| lane.refused && lane.held() > 0);
        if inner.lanes.get(&id).is_some_and(|lane| lane.share == 0) {
            return;
        }
        if due_at > now {
            inner.note_due(id, due_at);
        } else if !refused {
            inner.note_due(id, now.plus_millis(RECHECK_MS));
        }
        let asks = inner.ask_if_hungry(id);
        drop(inner);
        if asks {
            self.hungry.notify_one();
        }
    }

    /// Takes the endpoints to ask the store for; gives the moment of the next one when there is none now.
    pub fn asks(&self, now: Timestamp) -> Result<Vec<EndpointId>, Option<Timestamp>> {
        let mut inner = self.lock();
        if self.is_unheard(&inner) {
            return Err(None);
        }
        let Inner { lanes, due, asking, .. } = &mut *inner;
        // What this node has no share of, others ask for.
        let others = |id: &EndpointId| lanes.get(id).is_some_and(|lane| lane.share == 0);
        due.retain(|id, _| !others(id));
        asking.retain(|id| !others(id));
        let due: Vec<EndpointId> =
            inner.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            inner.due.remove(&id);
            inner.asking.insert(id);
        }
        if inner.asking.is_empty() || inner.closed {
            return Err(inner.due.values().min().copied());
        }
        Ok(mem::take(&mut inner.asking).into_iter().collect())
    }

    /// Puts endpoints back that could not be asked for, to be asked for at that moment.
    pub fn ask_again(&self, ids: Vec<EndpointId>, at: Timestamp) {
        let mut inner = self.lock();
        for id in ids {
            inner.note_due(id, at);
        }
    }

    /// Takes no more work and starts nothing; gives what waits, to be released.
    pub fn close(&self) -> Vec<(EndpointId, DeliveryId)> {
        let mut inner = self.lock();
        inner.closed = true;
        let mut left = Vec::new();
        for (id, lane) in &mut inner.lanes {
            left.extend(lane.queue.drain(..).map(|lease| (*id, lease.delivery.id)));
        }
        inner.bytes = 0;
        left
    }

    /// Counts attempts under way and settlements to come.
    pub fn under_way(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.in_flight, inner.unsettled)
    }

    /// Counts attempts under way in lanes that succeed, and in lanes that only fail.
    pub fn under_way_by_class(&self) -> (usize, usize) {
        let inner = self.lock();
        let count = |flowing: bool| {
            let lanes = inner.lanes.values().filter(|lane| lane.is_flowing() == flowing);
            lanes.map(|lane| lane.in_flight as usize).sum()
        };
        (count(true), count(false))
    }

    /// Counts attempts under way and settlements to come of one endpoint, work in its queue included.
    pub fn under_way_of(&self, id: EndpointId) -> (usize, usize) {
        let inner = self.lock();
        inner.lanes.get(&id).map_or((0, 0), |lane| {
            (lane.in_flight as usize + lane.queue.len(), lane.unsettled as usize)
        })
    }

    /// Gives bytes of leased work in memory.
    pub fn leased_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Takes the leases that a failing lane may not hold, to be released; the store keeps them due.
    pub fn surplus(&self) -> Vec<(EndpointId, DeliveryId)> {
        let mut inner = self.lock();
        let mut surplus = Vec::new();
        for (id, lane) in &mut inner.lanes {
            if lane.is_flowing() && lane.share > 0 {
                continue;
            }
            let most = if lane.share == 0 { 0 } else { lane.window().max(1) };
            while lane.held() > most {
                let Some(lease) = lane.queue.pop_back() else { break };
                lane.refused = lane.share > 0;
                surplus.push((*id, lease.delivery.id, Lease::bytes(&lease.event)));
            }
        }
        let mut asks = false;
        for (id, _, bytes) in &surplus {
            asks |= inner.free(*id, *bytes);
        }
        drop(inner);
        if asks {
            self.hungry.notify_one();
        }
        surplus.into_iter().map(|(endpoint, delivery, _)| (endpoint, delivery)).collect()
    }

    /// Says whether a late delivery of the endpoint waits for us or for the endpoint itself.
    pub fn standing(&self, id: EndpointId) -> Standing {
        let inner = self.lock();
        match inner.lanes.get(&id) {
            None => Standing::Free,
            Some(lane) => {
                // With nothing left to start, what is late is what the endpoint has not answered yet.
                let answers_owed = lane.in_flight > 0 && lane.queue.is_empty() && !lane.refused;
                let busy = lane.share == 0
                    || lane.in_flight >= lane.allowance
                    || answers_owed
                    || !lane.is_flowing()
                    || lane.endpoint.status != Status::Enabled
                    || lane.endpoint.rate_limit.is_some()
                    || lane.endpoint.ordering == Ordering::Request;
                if busy { Standing::Busy } else { Standing::Free }
            }
        }
    }
}

impl Inner {
    fn note_due(&mut self, id: EndpointId, at: Timestamp) {
        let due = self.due.entry(id).or_insert(at);
        *due = (*due).min(at);
    }
}

/// Tells whether there is memory for so many more bytes of a lane. Those that hold little have the upper half to themselves:
/// however many hang, and hold what they had at hand, others go on.
const fn has_memory(leased: usize, of_lane: usize, bytes: usize) -> bool {
    let little = of_lane == 0 || of_lane + bytes <= LITTLE_BYTES;
    let most = if little { LEASED_BYTES_MAX } else { SHARED_BYTES_MAX };
    leased + bytes <= most || leased == 0
}

/// Tells whether work may start: the endpoint is on, or it is a test or a probe of one that is not gone.
pub(crate) fn may_start(endpoint: &Endpoint, cause: Cause) -> bool {
    match endpoint.status {
        Status::Enabled => true,
        Status::Disabled | Status::DisabledBySystem => matches!(cause, Cause::Test | Cause::Probe),
        Status::Deleted => false,
    }
}
