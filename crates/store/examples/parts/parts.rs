//! What those that measure a store have in common: lanes that hold work, chance, and attempts that succeed.
//!
//! Left to others: what is said, how fast, and what is measured (each example).

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use domain::call::{Answer, Outcome};
use domain::delivery::{Attempt, State};
use domain::endpoint::Endpoint;
use domain::id::{AttemptId, Chance, EndpointId};
use domain::time::Timestamp;
use store::{Lanes, Lease, Settlement};
use tokio::sync::Notify;

/// Lanes that hold whatever comes until it is taken out.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    leases: Mutex<Vec<Lease>>,
    /// Hears of each addition.
    pub(crate) filled: Notify,
}

impl Heap {
    /// Takes everything out.
    pub(crate) fn empty(&self) -> Vec<Lease> {
        mem::take(&mut *self.leases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lanes for Heap {
    fn admit(&self, _: &Arc<Endpoint>, _: usize) -> bool {
        true
    }

    fn take(&self, leases: Vec<Lease>) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).extend(leases);
        self.filled.notify_one();
    }

    fn withdraw(&self, _: EndpointId, _: usize) {}

    fn left_due(&self, _: BTreeSet<EndpointId>) {}

    fn changed(&self, _: &Arc<Endpoint>) {}

    fn hint(&self, _: Vec<EndpointId>) {}
}

/// Chance enough to tell ids apart.
#[derive(Debug)]
pub(crate) struct Xorshift(pub(crate) u64);

impl Chance for Xorshift {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.iter_mut().zip(self.0.to_le_bytes()).for_each(|(to, byte)| *to = byte);
        }
    }
}

/// Settles a lease: its first attempt, of that id, reached the receiver at that moment.
pub(crate) fn delivered(lease: &Lease, (id, at): (u128, Timestamp)) -> Settlement {
    Settlement {
        account: lease.delivery.account,
        endpoint: lease.endpoint.id,
        request: None,
        attempt: Arc::new(Attempt {
            id: AttemptId::new(id),
            delivery: lease.delivery.id,
            number: 1,
            at,
            took_ms: 1,
            url: lease.endpoint.url.clone(),
            body_digest: [7; 32],
            remote: Some("192.0.2.7:443".to_owned()),
            outcome: Outcome::Answered(Answer { status: 200, ..Answer::default() }),
        }),
        state: State::Delivered { at },
        health: Some(true),
        events: Vec::new(),
    }
}
