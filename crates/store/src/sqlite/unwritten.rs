//! What stands in the journal and not yet in the database.
//!
//! A delivery that ends before the database catches up is written once, in its last state: it never enters the index of
//! what is due, and its row is never changed.
//!
//! Invariants: writing twice is writing once, so that a crash between database and journal does no harm; what a
//! transaction wrote is forgotten only after its commit.
//! Left to others: what may go through the journal at all (`writer`), writing a chunk (`chunk`).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use domain::delivery::{Attempt, State};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId, RequestId};
use domain::time::Timestamp;

use super::chunk::Chunk;
use super::fanout;
use super::finder::Finder;
use super::journal::Item;
use crate::error::Error;

/// An event, and the deliveries that it made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) event: Arc<Event>,
    /// When the deliveries were made, and since when they are due.
    pub(super) at: Timestamp,
    pub(super) deliveries: Vec<(DeliveryId, EndpointId)>,
    /// The number of the record that says it.
    pub(super) number: u64,
}

/// An attempt that reached its receiver and so ended its delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) account: AccountId,
    pub(super) request: Option<RequestId>,
    pub(super) attempt: Arc<Attempt>,
    /// When the delivery ended.
    pub(super) at: Timestamp,
    /// The number of the record that says it.
    pub(super) number: u64,
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// So many of the oldest events, and what else has ended.
    Oldest(usize),
    /// The same, with the processor left to others in between.
    Evenly(usize),
    /// So many of the events whose deliveries have all ended, and what else has ended.
    Over(usize),
    /// The same, and events with a delivery that nobody has leased. What is leased ends soon, and is written once then.
    Unleased(usize),
}

/// What stands in the journal and not yet in the database.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    told: Vec<Told>,
    /// Ends of deliveries that are made here.
    ends: BTreeMap<DeliveryId, Ended>,
    /// Ends of deliveries that stand in the database, or are being written.
    loose: Vec<Ended>,
    /// The deliveries of what is told here.
    deliveries: BTreeSet<DeliveryId>,
    /// The events told here, and those that are being written.
    ids: BTreeSet<(AccountId, EventId)>,
    keys: BTreeMap<AccountId, BTreeMap<String, EventId>>,
    bytes: usize,
    /// Subscribers hear of what stands here, and a lane without room for that waits for the database.
    presses: bool,
    /// How much is being written.
    handed_out: usize,
    /// The mark once that is written.
    mark: u64,
    /// The number of the last record.
    last: u64,
    /// No event with a higher id stands in the database.
    highest: u128,
}

impl Unwritten {
    /// Starts with nothing, above the highest id in the database, and behind a record.
    pub(super) fn above(highest: u128, last: u64) -> Self {
        Self { highest, last, mark: last, ..Self::default() }
    }

    /// Takes what a record says.
    pub(super) fn take(&mut self, item: Item) {
        match item {
            Item::Told(told) => self.tell(told),
            Item::Ended(ended) => self.end(ended),
        }
    }

    pub(super) fn tell(&mut self, told: Told) {
        let event = &told.event;
        self.ids.insert((event.account, event.id));
        if let Some(key) = &event.key {
            self.keys.entry(event.account).or_default().insert(key.clone(), event.id);
        }
        self.deliveries.extend(told.deliveries.iter().map(|(delivery, _)| *delivery));
        self.bytes += told.bytes();
        self.last = self.last.max(told.number);
        self.told.push(told);
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.last = self.last.max(ended.number);
        if !self.deliveries.contains(&ended.attempt.delivery) {
            self.bytes += Ended::BYTES;
            self.loose.push(ended);
        } else if let Entry::Vacant(entry) = self.ends.entry(ended.attempt.delivery) {
            self.bytes += Ended::BYTES;
            entry.insert(ended);
        }
    }

    /// Counts what there is, what is being written included.
    pub(super) fn len(&self) -> usize {
        self.told.len() + self.loose.len() + self.handed_out
    }

    /// Notes that subscribers hear of what stands here.
    pub(super) const fn press(&mut self) {
        self.presses = true;
    }

    /// Tells whether subscribers hear of what stands here.
    pub(super) const fn presses(&self) -> bool {
        self.presses
    }

    /// Gives the bytes of the records that say it, roughly.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives the number of the last record.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Gives the number of the oldest record that is not wholly in the database.
    pub(super) fn oldest(&self) -> Option<u64> {
        // What is told stands in the order of its numbers.
        let told = self.told.first().map(|told| told.number);
        told.into_iter().chain(self.loose.iter().map(|ended| ended.number)).min()
    }

    /// Gives the number up to which all records stand in the database.
    pub(super) const fn mark(&self) -> u64 {
        self.mark
    }

    /// Finds the event that was noted before, here or in the database.
    pub(super) fn known(
        &self,
        finder: &mut Finder,
        event: &Event,
    ) -> Result<Option<EventId>, Error> {
        if let Some(id) = self.known_here(event) {
            return Ok(Some(id));
        }
        if event.key.is_some() && self.handed_out == 0 {
            finder.stay()?;
        }
        let db = finder.db();
        if let Some(id) = fanout::known_by_key(db, event)? {
            return Ok(Some(id));
        }
        // An id above all that stand in the database is new.
        if event.id.bits() > self.highest { Ok(None) } else { fanout::known_by_id(db, event) }
    }

    /// Finds the event that was noted here before.
    pub(super) fn known_here(&self, event: &Event) -> Option<EventId> {
        if self.ids.contains(&(event.account, event.id)) {
            return Some(event.id);
        }
        let key = event.key.as_ref()?;
        self.keys.get(&event.account)?.get(key).copied()
    }

    /// Hands out what shall be written now; `None` when there is nothing to write, and no record up to `wanted` to mark.
    /// Records after `sealed` may still grow. One chunk is out at a time.
    pub(super) fn hand_out(
        &mut self,
        extent: Extent,
        (sealed, wanted): (u64, u64),
        is_leased: impl Fn(EndpointId, DeliveryId) -> bool,
    ) -> Option<Chunk> {
        let mut chunk = Chunk {
            loose: mem::take(&mut self.loose),
            gives_way: matches!(extent, Extent::Evenly(_)),
            ..Chunk::default()
        };
        chunk.told = match extent {
            Extent::All => mem::take(&mut self.told),
            Extent::Oldest(most) | Extent::Evenly(most) => {
                self.told.drain(..most.min(self.told.len())).collect()
            }
            Extent::Over(most) => {
                let is_over = |told: &mut Told| told.open(&self.ends).next().is_none();
                self.told.extract_if(.., is_over).take(most).collect()
            }
            Extent::Unleased(most) => {
                let is_at_rest = |told: &mut Told| {
                    told.open(&self.ends).next().is_none()
                        || told.open(&self.ends).any(|(delivery, at)| !is_leased(at, delivery))
                };
                self.told.extract_if(.., is_at_rest).take(most).collect()
            }
        };
        for (delivery, _) in chunk.told.iter().flat_map(|told| &told.deliveries) {
            self.deliveries.remove(delivery);
            chunk.ends.extend(self.ends.remove_entry(delivery));
        }
        self.presses &= !self.told.is_empty();
        self.handed_out = chunk.told.len() + chunk.loose.len();
        chunk.mark = self.oldest().map_or(sealed, |oldest| sealed.min(oldest.saturating_sub(1)));
        (self.handed_out > 0 || self.mark < wanted.min(chunk.mark)).then_some(chunk)
    }

    /// Notes that a chunk is committed.
    pub(super) fn written(&mut self, chunk: &Chunk) {
        self.handed_out = 0;
        self.mark = self.mark.max(chunk.mark);
        self.bytes =
            self.bytes.saturating_sub(Ended::BYTES * (chunk.ends.len() + chunk.loose.len()));
        for told in &chunk.told {
            self.highest = self.highest.max(told.event.id.bits());
            self.forget(told);
        }
    }

    /// Takes a chunk back that could not be written.
    pub(super) fn put_back(&mut self, chunk: Chunk) {
        let Chunk { mut told, mut ends, mut loose, mark: _, gives_way: _ } = chunk;
        self.handed_out = 0;
        for told in &told {
            self.deliveries.extend(told.deliveries.iter().map(|(delivery, _)| *delivery));
        }
        told.append(&mut self.told);
        // What was over was handed out from between others.
        told.sort_by_key(|told| told.number);
        self.told = told;
        self.ends.append(&mut ends);
        loose.append(&mut self.loose);
        self.bytes = self.bytes.saturating_sub(Ended::BYTES * loose.len());
        for ended in loose {
            self.end(ended);
        }
    }

    /// Notes that an event stands in the database that did not come through here.
    pub(super) fn raise(&mut self, id: EventId) {
        self.highest = self.highest.max(id.bits());
    }

    fn forget(&mut self, told: &Told) {
        let event = &told.event;
        self.ids.remove(&(event.account, event.id));
        if let (Some(key), Some(keys)) = (&event.key, self.keys.get_mut(&event.account)) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys.remove(&event.account);
            }
        }
        self.bytes = self.bytes.saturating_sub(told.bytes());
    }
}

impl Told {
    /// Gives its deliveries that have not ended.
    fn open(
        &self,
        ends: &BTreeMap<DeliveryId, Ended>,
    ) -> impl Iterator<Item = (DeliveryId, EndpointId)> {
        self.deliveries.iter().copied().filter(|(delivery, _)| !ends.contains_key(delivery))
    }

    /// Gives the bytes of the record that says it, roughly.
    fn bytes(&self) -> usize {
        const FRAME: usize = 256;
        const DELIVERY: usize = 32;
        self.event.data.len() + FRAME + self.deliveries.len() * DELIVERY
    }
}

impl Ended {
    /// The bytes of the record that says it, roughly.
    const BYTES: usize = 384;

    /// Gives the state that the delivery ended in.
    pub(super) const fn state(&self) -> State {
        State::Delivered { at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::tests::{ended, told};
    use super::*;

    /// Tells an event with one delivery by the record of a number.
    fn tell(unwritten: &mut Unwritten, number: u64) {
        unwritten.tell(told(number, number.into()));
    }

    /// Ends the delivery of a record by the record of another number.
    fn end(unwritten: &mut Unwritten, of: u64, number: u64) {
        unwritten.end(Ended { number, ..ended(of.into()) });
    }

    /// Has leased nothing.
    fn nobody(_: EndpointId, _: DeliveryId) -> bool {
        false
    }

    #[test]
    fn what_is_leased_stays_until_it_has_ended_and_what_nobody_is_at_does_not() {
        let mut unwritten = Unwritten::above(0, 0);
        (1..=3).for_each(|number| tell(&mut unwritten, number));
        end(&mut unwritten, 2, 4);
        let is_leased = |_, delivery: DeliveryId| delivery.bits() != 3;
        let chunk = unwritten.hand_out(Extent::Unleased(9), (4, 0), is_leased).unwrap();
        let written: Vec<u64> = chunk.told.iter().map(|told| told.number).collect();
        assert_eq!((written, chunk.mark()), (vec![2, 3], 0), "the first is leased, and open");
        unwritten.written(&chunk);
        assert!(unwritten.hand_out(Extent::Unleased(9), (4, 0), is_leased).is_none());
        end(&mut unwritten, 1, 5);
        let chunk = unwritten.hand_out(Extent::Unleased(9), (5, 0), is_leased).unwrap();
        assert_eq!((chunk.told.len(), chunk.ends.len(), chunk.mark()), (1, 1, 5), "at once");
    }

    #[test]
    fn nothing_is_marked_as_written_before_it_is_though_a_part_was_taken_back() {
        let mut unwritten = Unwritten::above(0, 0);
        (1..=4).for_each(|number| tell(&mut unwritten, number));
        (2..=4).for_each(|of| end(&mut unwritten, of, of + 3));
        let over = unwritten.hand_out(Extent::Over(9), (7, 0), nobody).unwrap();
        assert_eq!((over.told.len(), over.mark()), (3, 0), "the first is not over");
        unwritten.put_back(over);
        for mark in 1..=4 {
            let chunk = unwritten.hand_out(Extent::Oldest(1), (7, 0), nobody).unwrap();
            assert_eq!(chunk.mark(), if mark < 4 { mark } else { 7 });
            unwritten.written(&chunk);
        }
        assert_eq!((unwritten.len(), unwritten.bytes(), unwritten.oldest()), (0, 0, None));
    }

    #[test]
    fn an_end_that_is_noted_twice_counts_once() {
        let mut unwritten = Unwritten::above(0, 0);
        tell(&mut unwritten, 1);
        end(&mut unwritten, 1, 2);
        end(&mut unwritten, 1, 3);
        let chunk = unwritten.hand_out(Extent::All, (3, 0), nobody).unwrap();
        unwritten.written(&chunk);
        assert_eq!(unwritten.bytes(), 0, "or the journal would seem ever fuller");
    }
}
