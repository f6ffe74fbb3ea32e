//! Random verbs against a small model.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use domain::delivery::{Delivery, State, Why};
use domain::endpoint::{Endpoint, Ordering, Status};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
use proptest::prelude::*;
use proptest::{collection, option};
use store::conformance::{Taken, World, at};
use store::{DeliveryFilter, Guarded, LeaseScope, Write};
use tokio::runtime::Builder;

use crate::folder;

/// What somebody does; numbers choose among what is there.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Register { ordered: bool },
    Turn { endpoint: usize, on: bool },
    Order { endpoint: usize, ordered: bool },
    Say { order_key: Option<u8>, repeat: bool },
    Room(usize),
    Lease { all: bool },
    Settle { lease: usize, how: How },
    Release { lease: usize },
    Cancel { delivery: usize },
    Hurry { delivery: usize },
    Sweep { endpoint: usize, limit: u32 },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Delivered,
    Exhausted,
    Again,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![Just(How::Delivered), Just(How::Exhausted), Just(How::Again)];
    prop_oneof![
        1 => any::<bool>().prop_map(|ordered| Step::Register { ordered }),
        1 => (0..9_usize, any::<bool>()).prop_map(|(endpoint, on)| Step::Turn { endpoint, on }),
        1 => (0..9_usize, any::<bool>())
            .prop_map(|(endpoint, ordered)| Step::Order { endpoint, ordered }),
        6 => (option::of(0..3_u8), any::<bool>())
            .prop_map(|(order_key, repeat)| Step::Say { order_key, repeat }),
        2 => (0..6_usize).prop_map(Step::Room),
        3 => any::<bool>().prop_map(|all| Step::Lease { all }),
        6 => (0..99_usize, how).prop_map(|(lease, how)| Step::Settle { lease, how }),
        1 => (0..99_usize).prop_map(|lease| Step::Release { lease }),
        1 => (0..99_usize).prop_map(|delivery| Step::Cancel { delivery }),
        1 => (0..99_usize).prop_map(|delivery| Step::Hurry { delivery }),
        1 => (0..9_usize, 0..4_u32).prop_map(|(endpoint, limit)| Step::Sweep { endpoint, limit }),
    ]
}

struct Model {
    world: World,
    account: AccountId,
    endpoints: Vec<(Endpoint, u64)>,
    said: Vec<Event>,
    /// Who is to hear of which event.
    wanted: BTreeSet<(EventId, EndpointId)>,
    leased: Vec<Taken>,
    ended: BTreeMap<DeliveryId, State>,
    seconds: i64,
}

fn pick(count: usize, number: usize) -> Option<usize> {
    number.checked_rem(count)
}

impl Model {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Register { ordered } => {
                let ordering = if ordered { Ordering::Request } else { Ordering::None };
                let endpoint = Endpoint { ordering, ..self.world.endpoint(self.account) };
                self.endpoints.push((self.world.register(endpoint).await, 1));
            }
            Step::Turn { endpoint, on } => {
                let status = if on { Status::Enabled } else { Status::Disabled };
                self.change(endpoint, |endpoint| endpoint.status = status).await;
            }
            Step::Order { endpoint, ordered } => {
                let ordering = if ordered { Ordering::Request } else { Ordering::None };
                self.change(endpoint, |endpoint| endpoint.ordering = ordering).await;
            }
            Step::Say { order_key, repeat } => self.say(order_key, repeat).await,
            Step::Room(room) => self.world.lanes.set_room(room),
            Step::Lease { all } => self.lease(all).await,
            Step::Settle { lease, how } => self.settle(lease, how).await,
            Step::Release { lease } => {
                if let Some(lease) = pick(self.leased.len(), lease) {
                    self.world.release(&self.leased.swap_remove(lease).delivery);
                }
            }
            Step::Cancel { delivery } => {
                let state = State::Cancelled { at: self.account.minted_at(), why: Why::Asked };
                self.write_delivery(delivery, state).await;
            }
            Step::Hurry { delivery } => {
                let state = State::Pending { due_at: self.account.minted_at() };
                self.write_delivery(delivery, state).await;
            }
            Step::Sweep { endpoint, limit } => {
                if let Some(endpoint) = pick(self.endpoints.len(), endpoint) {
                    let endpoint = self.endpoints[endpoint].0.id;
                    let why = Why::EndpointDisabled;
                    let sweep = Write::CancelPending { endpoint, why, limit };
                    let changed = self.world.write(self.account, vec![sweep]).await.unwrap();
                    assert!(changed.changed <= u64::from(limit));
                }
            }
        }
        self.leased.extend(self.world.lanes.taken());
    }

    async fn lease(&self, all: bool) {
        let ids = self.endpoints.iter().map(|(endpoint, _)| endpoint.id);
        let scope = if all { LeaseScope::All } else { LeaseScope::Endpoints(ids.collect()) };
        self.world.store.lease(at(self.seconds), scope).await.unwrap();
    }

    async fn change(&mut self, number: usize, change: impl Fn(&mut Endpoint)) {
        let Some(number) = pick(self.endpoints.len(), number) else { return };
        let (endpoint, version) = &mut self.endpoints[number];
        change(endpoint);
        let write = Guarded { version: *version, value: endpoint.clone() };
        *version += 1;
        self.world.write(self.account, vec![Write::Endpoint(write)]).await.unwrap();
    }

    async fn say(&mut self, order_key: Option<u8>, repeat: bool) {
        if let Some(event) = self.said.last().filter(|_| repeat).cloned() {
            assert!(self.world.say(&[event]).await.events[0].known);
            return;
        }
        let order_key = order_key.map(|key| key.to_string());
        let event = Event { order_key, ..self.world.event(self.account, "custom.a") };
        for (endpoint, _) in &self.endpoints {
            if endpoint.status == Status::Enabled {
                self.wanted.insert((event.id, endpoint.id));
            }
        }
        self.world.say(slice::from_ref(&event)).await;
        self.said.push(event);
    }

    async fn settle(&mut self, lease: usize, how: How) {
        let Some(lease) = pick(self.leased.len(), lease) else { return };
        let delivery = self.leased.swap_remove(lease).delivery;
        let at = self.account.minted_at();
        let state = match how {
            How::Delivered => State::Delivered { at },
            How::Exhausted => State::Exhausted { at, why: Why::WaitsRanOut },
            How::Again => State::Pending { due_at: at.plus_seconds(self.seconds + 60) },
        };
        self.seconds += 10;
        self.world.settle(vec![self.world.settlement(&delivery, state)]).await;
    }

    async fn write_delivery(&self, number: usize, state: State) {
        let all = self.all().await;
        let Some(number) = pick(all.len(), number) else { return };
        let write = vec![Write::Delivery(all[number].id, state)];
        self.world.write(self.account, write).await.unwrap();
    }

    async fn all(&self) -> Vec<Delivery> {
        self.world.deliveries(self.account, DeliveryFilter::default()).await
    }

    async fn check(&mut self) {
        let all = self.all().await;
        let made: BTreeSet<_> = all.iter().map(|d| (d.event, d.endpoint)).collect();
        assert_eq!(made.len(), all.len(), "one delivery each");
        assert_eq!(made, self.wanted);
        for delivery in &all {
            if !delivery.state.is_pending() {
                let first = self.ended.entry(delivery.id).or_insert(delivery.state);
                assert_eq!(*first, delivery.state, "{} left its end", delivery.id);
            }
        }
        assert!(
            self.ended.keys().all(|id| all.iter().any(|d| d.id == *id && !d.state.is_pending()))
        );
        for taken in &self.leased {
            assert!(!self.ended.contains_key(&taken.delivery.id), "ended while it is leased");
        }
    }

    /// Delivers until nothing is left; nothing may be stuck.
    async fn drain(mut self) {
        self.world.lanes.set_room(usize::MAX);
        for number in 0..self.endpoints.len() {
            self.change(number, |endpoint| endpoint.status = Status::Enabled).await;
        }
        self.seconds += 1_000_000;
        loop {
            self.lease(false).await;
            self.leased.extend(self.world.lanes.taken());
            if self.leased.is_empty() {
                break;
            }
            while !self.leased.is_empty() {
                self.settle(0, How::Delivered).await;
                self.leased.extend(self.world.lanes.taken());
                self.in_order();
            }
        }
        self.check().await;
        assert!(self.all().await.iter().all(|delivery| !delivery.state.is_pending()));
        self.world.lanes.balance();
    }

    /// Fails when an ordered endpoint has two leases of one key that were made under that order.
    fn in_order(&self) {
        let always_ordered = |id| {
            self.endpoints.iter().any(|(endpoint, version)| {
                endpoint.id == id && endpoint.ordering == Ordering::Request && *version <= 2
            })
        };
        let mut keys = BTreeSet::new();
        for taken in &self.leased {
            if let Some(key) = &taken.event.order_key
                && always_ordered(taken.endpoint.id)
            {
                assert!(keys.insert((taken.endpoint.id, key.clone())), "two of {key} at once");
            }
        }
    }
}

/// Takes the steps in a world that `open` gives.
pub(crate) fn run(steps: Vec<Step>, open: impl AsyncFnOnce() -> World) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = open().await;
        let mut model = Model {
            account: world.account(),
            world,
            endpoints: Vec::new(),
            said: Vec::new(),
            wanted: BTreeSet::new(),
            leased: Vec::new(),
            ended: BTreeMap::new(),
            seconds: 0,
        };
        for ordered in [true, false] {
            model.take(Step::Register { ordered }).await;
        }
        for step in steps {
            model.take(step).await;
            model.check().await;
        }
        model.drain().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_each_event_reaches_each_endpoint_once(
        steps in collection::vec(step(), 1..60),
    ) {
        run(steps, folder::open);
    }
}
