//! Where leased work goes.
//!
//! Invariants: a lease belongs to one node at a time and ends by a settlement, a release, or that node's death;
//! it saves work, and correctness never needs it.
//! Left to others: queueing and attempting (`engine::lanes`).

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use domain::delivery::Delivery;
use domain::endpoint::Endpoint;
use domain::event::Event;
use domain::id::{AccountId, EndpointId};
use domain::time::Timestamp;

/// The right to attempt one delivery, with all that the attempt needs.
#[derive(Debug)]
pub struct Lease {
    /// The delivery, pending.
    pub delivery: Delivery,
    /// What is told.
    pub event: Arc<Event>,
    /// To whom, as of the lease.
    pub endpoint: Arc<Endpoint>,
}

impl Lease {
    /// Gives the bytes of memory the lease stands for, roughly.
    pub fn bytes(event: &Event) -> usize {
        Self::bytes_of(event.data.len())
    }

    /// Gives the bytes of memory a lease stands for whose event has that many bytes of data.
    pub(crate) const fn bytes_of(data_bytes: usize) -> usize {
        data_bytes + 512
    }
}

/// The node's side of leasing: says how much it can take, and takes it.
///
/// All methods are called from inside the store and must neither block nor call it.
pub trait Lanes: Send + Sync + Debug {
    /// Reserves room for one delivery of the endpoint; `false` leaves the delivery due in the store, and the lanes ask
    /// for it with [`crate::Store::lease`] once they have room, unless the commit fails.
    fn admit(&self, endpoint: &Arc<Endpoint>, bytes: usize) -> bool;

    /// Takes leased work. Called after the commit is durable.
    fn take(&self, leases: Vec<Lease>);

    /// Takes back a reservation, since the commit failed.
    fn withdraw(&self, endpoint: EndpointId, bytes: usize);

    /// Hears that work of these endpoints for which there was no room is durable now. Where leases are answered while a commit
    /// is under way, one that was asked for since could not see it; the lanes ask again once they have room.
    fn left_due(&self, endpoints: BTreeSet<EndpointId>);

    /// Hears that an endpoint is different now.
    fn changed(&self, endpoint: &Arc<Endpoint>);

    /// Hears that another node left due work of these endpoints, or may have; the lanes ask for it once they have room.
    fn hint(&self, endpoints: Vec<EndpointId>);
}

/// Whose deliveries to lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseScope {
    /// Everybody's: at the start, and after the clock was moved.
    All,
    /// Those of endpoints that have room or whose time has come.
    Endpoints(Vec<EndpointId>),
}

/// What a lease gave, beside the work itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leased {
    /// How many deliveries went to the lanes.
    pub taken: usize,
    /// For each endpoint in scope that has more to be told: the moment of the earliest one that was not leased, or, when
    /// the lanes had no room, the moment in the past of the one they had no room for. One that is held behind another of
    /// its order key does not count: whatever ends that one offers it to the lanes.
    pub next_due: Vec<(EndpointId, Timestamp)>,
    /// Endpoints of which as many were leased as one call leases: there may be more that is due and has room.
    pub unfinished: Vec<EndpointId>,
    /// Endpoints that are off and have deliveries that nobody has leased, nor will: somebody had when they were swept.
    pub off: Vec<(AccountId, EndpointId)>,
}
