//! The books of the lanes: whatever happens, what they say is what a plain model says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::delivery::State;
use domain::endpoint::Endpoint;
use domain::event::Event;
use domain::id::{DeliveryId, EndpointId};
use domain::time::Timestamp;
use engine::Lanes;
use sim::Dice;
use store::{Lanes as _, Lease};

use super::{ARRIVED, NOW, SMALL, endpoint, event, lease};

/// What must be true of the lanes, kept in the plainest way.
struct Model {
    lanes: Lanes,
    dice: Dice,
    now: Timestamp,
    endpoints: Vec<Arc<Endpoint>>,
    small: Arc<Event>,
    large: Arc<Event>,
    number: u128,
    /// Admitted, and neither taken nor taken back.
    reserved: Vec<Lease>,
    queued: BTreeMap<DeliveryId, (EndpointId, usize)>,
    in_flight: Vec<(EndpointId, usize)>,
    unsettled: Vec<(EndpointId, bool, usize)>,
    /// Refused, and not durable yet: whoever asks does not see it.
    unseen: Vec<EndpointId>,
    /// Refused, and not asked for since.
    owed: BTreeSet<EndpointId>,
    started: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let endpoints = (0..4).map(|number| {
            Arc::new(Endpoint {
                max_in_flight: [1, 2, 10, 100][number],
                rate_limit: [None, None, None, Some(50)][number],
                ..endpoint(number as u128)
            })
        });
        Self {
            endpoints: endpoints.collect(),
            lanes: Lanes::default(),
            dice: Dice::new(seed),
            now: NOW,
            small: event(SMALL),
            large: event(16 << 20),
            number: 0,
            reserved: Vec::new(),
            queued: BTreeMap::new(),
            in_flight: Vec::new(),
            unsettled: Vec::new(),
            unseen: Vec::new(),
            owed: BTreeSet::new(),
            started: 0,
        }
    }

    fn any<T>(dice: &mut Dice, list: &mut Vec<T>) -> Option<T> {
        let index = usize::try_from(dice.below(list.len() as u64)).unwrap();
        (!list.is_empty()).then(|| list.swap_remove(index))
    }

    fn admit(&mut self) {
        let endpoint = Arc::clone(self.dice.pick(&self.endpoints).unwrap());
        // Now and then one that is so large that few of them fill everything.
        let event = if self.dice.percent(20) { &self.large } else { &self.small };
        self.number += 1;
        let lease = lease(&endpoint, self.number, event);
        if self.lanes.admit(&endpoint, Lease::bytes(&lease.event)) {
            self.reserved.push(lease);
        } else if self.dice.percent(50) {
            self.unseen.push(endpoint.id);
        } else {
            self.owed.insert(endpoint.id);
        }
    }

    fn commit(&mut self) {
        let Some(id) = Self::any(&mut self.dice, &mut self.unseen) else { return };
        self.owed.insert(id);
        self.lanes.left_due(BTreeSet::from([id]));
    }

    fn take_or_withdraw(&mut self, percent: u64) {
        let Some(lease) = Self::any(&mut self.dice, &mut self.reserved) else { return };
        let (id, bytes) = (lease.delivery.endpoint, Lease::bytes(&lease.event));
        if self.dice.percent(percent) {
            self.queued.insert(lease.delivery.id, (id, bytes));
            self.lanes.take(vec![lease]);
        } else {
            self.lanes.withdraw(id, bytes);
        }
    }

    fn start(&mut self) {
        match self.lanes.next(self.now) {
            Ok(work) => {
                let known = self.queued.remove(&work.lease.delivery.id);
                self.in_flight.push(known.expect("it was taken, and is started once"));
                self.started += 1;
            }
            Err(Some(at)) => self.now = self.now.max(at),
            Err(None) => {}
        }
    }

    fn end(&mut self, percent: u64) {
        let Some((id, bytes)) = Self::any(&mut self.dice, &mut self.in_flight) else { return };
        if self.dice.percent(2) {
            self.owed.insert(id);
            return self.lanes.abandoned(id, bytes, self.now);
        }
        let accepted = self.dice.percent(percent);
        self.lanes.ended(id, accepted);
        self.unsettled.push((id, accepted, bytes));
    }

    fn settle(&mut self) {
        let Some((id, ok, bytes)) = Self::any(&mut self.dice, &mut self.unsettled) else { return };
        let state = if ok { ARRIVED } else { State::Pending { due_at: self.now.plus_seconds(5) } };
        self.lanes.settled(id, state, bytes);
    }

    fn give_back(&mut self) {
        for (endpoint, delivery) in self.lanes.surplus() {
            let known = self.queued.remove(&delivery);
            assert_eq!(known.expect("it waited").0, endpoint);
            self.owed.insert(endpoint);
        }
    }

    fn ask(&mut self) {
        for id in self.lanes.asks(self.now).unwrap_or_default() {
            self.owed.remove(&id);
        }
    }

    fn step(&mut self, percent: u64) {
        match self.dice.below(14) {
            0..=3 => self.admit(),
            4..=5 => self.take_or_withdraw(90),
            6..=7 => self.start(),
            8 => self.end(percent),
            9 => self.settle(),
            10 => self.give_back(),
            11..=12 => self.commit(),
            _ => self.ask(),
        }
    }

    /// Compares the lanes with the model.
    fn check(&self) {
        let reserved: usize = self.reserved.iter().map(|lease| Lease::bytes(&lease.event)).sum();
        let queued: usize = self.queued.values().map(|(_, bytes)| bytes).sum();
        let in_flight: usize = self.in_flight.iter().map(|(_, bytes)| bytes).sum();
        let unsettled: usize = self.unsettled.iter().map(|(_, _, bytes)| bytes).sum();
        assert_eq!(self.lanes.leased_bytes(), reserved + queued + in_flight + unsettled);
        assert_eq!(self.lanes.under_way(), (self.in_flight.len(), self.unsettled.len()));
        for endpoint in &self.endpoints {
            let id = endpoint.id;
            let started = self.in_flight.iter().filter(|(of, _)| *of == id).count();
            let waiting = self.queued.values().filter(|(of, _)| *of == id).count();
            let ended = self.unsettled.iter().filter(|(of, ..)| *of == id).count();
            assert_eq!(self.lanes.under_way_of(id), (started + waiting, ended));
            assert!(started <= endpoint.max_in_flight as usize);
        }
    }

    /// Carries everything to its end.
    fn drain(&mut self) {
        while !self.reserved.is_empty() {
            self.take_or_withdraw(100);
        }
        while !(self.queued.is_empty() && self.in_flight.is_empty() && self.unsettled.is_empty()) {
            if self.dice.percent(10) {
                self.commit();
            }
            self.start();
            self.end(100);
            self.settle();
            self.give_back();
            self.ask();
            self.check();
        }
        while !self.unseen.is_empty() {
            self.commit();
        }
    }
}

#[test]
fn whatever_happens_to_the_lanes_their_books_balance_and_nobody_is_forgotten() {
    for seed in 0..200 {
        let mut model = Model::new(seed);
        let percent = [0, 20, 80, 100][usize::try_from(seed % 4).unwrap()];
        for _ in 0..1_500 {
            model.step(percent);
            model.check();
        }
        model.drain();
        assert!(model.started > 0, "seed {seed}");
        assert_eq!(model.lanes.leased_bytes(), 0, "seed {seed}");
        assert_eq!(model.lanes.under_way(), (0, 0), "seed {seed}");
        model.now = model.now.plus_seconds(60);
        model.ask();
        assert_eq!(model.owed, BTreeSet::new(), "seed {seed}: refused, and never asked for");
    }
}
