//! Lanes of a node that shares the store with others.
//!
//! Invariants: nothing starts and nothing is taken before a crew was met, nor once the last beat is too old; what others
//! may have taken over is forgotten and handed back, not attempted.
//! Left to others: when to beat (`run`), what a share is (`share`).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::id::{DeliveryId, EndpointId};
use domain::time::Clock;
use store::{Crew, Lease};

use super::{Inner, Lanes};
use crate::nodes::HEARD_MAX;
use crate::share::Share;

impl Lanes {
    /// Makes lanes of a node that is not alone by nature: nothing starts before a crew was met.
    pub fn shared(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { share: Share::default(), ..Inner::default() };
        Self { inner: Mutex::new(inner), clock: Some(clock), ..Self::default() }
    }

    /// Tells whether other nodes may share the store.
    pub const fn is_shared(&self) -> bool {
        self.clock.is_some()
    }

    /// Tells how long ago the last beat began; `None` before the first one, and where there are none.
    pub fn unheard_for(&self) -> Option<Duration> {
        let clock = self.clock.as_ref()?;
        Some(clock.uptime().saturating_sub(self.lock().heard_at?))
    }

    /// Tells whether others may take us for dead soon.
    pub(super) fn is_unheard(&self, inner: &Inner) -> bool {
        self.clock.as_ref().is_some_and(|clock| {
            inner.heard_at.is_none_or(|at| clock.uptime().saturating_sub(at) > HEARD_MAX)
        })
    }

    /// Takes in how the crew stands, as a beat told that began at a moment of the clock's uptime; `true` when there is
    /// reason to look for work. What waited here as leased by somebody who was declared dead is dropped, and given to be
    /// handed back: others have some of it, and some may have been leased under the new name already.
    pub fn meet(&self, began: Duration, crew: Crew) -> (bool, Vec<(EndpointId, DeliveryId)>) {
        let mut inner = self.lock();
        let (before, was_unheard) = (inner.share.clone(), self.is_unheard(&inner));
        let mut dropped = Vec::new();
        if crew.renewed {
            dropped = inner.drop_queues();
            inner.share = Share::default();
        }
        inner.share.meet(crew);
        inner.heard_at = Some(began);
        let differs = inner.share != before || crew.renewed;
        if differs {
            let Inner { lanes, share, .. } = &mut *inner;
            for lane in lanes.values_mut() {
                let endpoint = Arc::clone(&lane.endpoint);
                let allowance = lane.allowance;
                lane.renew(&endpoint, share);
                if !lane.is_flowing() {
                    lane.allowance = allowance.max(1).min(lane.share);
                }
                lane.refused &= lane.share > 0;
            }
            let ids: Vec<EndpointId> = inner.lanes.keys().copied().collect();
            for id in ids {
                inner.give_turn(id);
            }
        }
        let looks = differs || was_unheard;
        inner.everything |= looks;
        drop(inner);
        if looks {
            self.start.notify_one();
            self.hungry.notify_one();
        }
        (looks, dropped)
    }

    /// Tells whether no lane has more under way than this node's share.
    pub fn keep_to_share(&self) -> bool {
        self.lock().lanes.values().all(|lane| lane.in_flight <= lane.share)
    }

    /// Tells how many nodes an operator would count, and whether they agree. One that was not met counts as none.
    pub fn crew(&self) -> (u32, bool) {
        let inner = self.lock();
        (inner.share.nodes(), inner.share.is_agreed())
    }

    /// Has everybody's work be asked for.
    pub fn ask_for_everything(&self) {
        self.lock().everything = true;
        self.hungry.notify_one();
    }

    /// Tells, once, whether everybody's work is to be asked for now.
    pub fn wants_everything(&self) -> bool {
        let mut inner = self.lock();
        let wants = inner.everything && !inner.closed && !self.is_unheard(&inner);
        if wants {
            inner.everything = false;
        }
        wants
    }
}

impl Inner {
    /// Forgets what waits, and gives it.
    fn drop_queues(&mut self) -> Vec<(EndpointId, DeliveryId)> {
        let mut dropped = Vec::new();
        for (endpoint, lane) in &mut self.lanes {
            for lease in lane.queue.drain(..) {
                let bytes = Lease::bytes(&lease.event);
                self.bytes = self.bytes.saturating_sub(bytes);
                lane.bytes = lane.bytes.saturating_sub(bytes);
                dropped.push((*endpoint, lease.delivery.id));
            }
        }
        dropped
    }
}
