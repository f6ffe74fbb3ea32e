//! One after the other, where an endpoint asks for it.

use std::slice;

use domain::delivery::{Cause, State, Why};
use domain::endpoint::{Endpoint, Ordering};
use domain::event::Event;
use domain::id::AccountId;

use super::world::{World, at};
use crate::{Audience, Commit, DeliveryFilter, Guarded, LeaseScope, Said, Write};

async fn ordered(world: &World, account: AccountId) -> Endpoint {
    let value = Endpoint { ordering: Ordering::Request, ..world.endpoint(account) };
    world.register(value).await
}

pub async fn only_the_first_of_an_order_key_goes(world: &World) {
    let account = world.account();
    ordered(world, account).await;
    let [a1, a2, a3, b1] = ["a", "a", "a", "b"].map(|key| world.keyed(account, key));
    let free = world.event(account, "custom.a");
    world.say(&[a1.clone(), a2.clone(), a3.clone(), b1.clone(), free.clone()]).await;
    let taken = world.lanes.taken();
    let events: Vec<_> = taken.iter().map(|taken| taken.event.id).collect();
    assert_eq!(events, [a1.id, b1.id, free.id]);
    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (0, vec![]), "the others are held");

    world.deliver(&taken[0].delivery).await;
    let taken = world.lanes.taken();
    assert_eq!(taken.iter().map(|taken| taken.event.id).collect::<Vec<_>>(), [a2.id]);
    let exhausted = State::Exhausted { at: at(1), why: Why::WaitsRanOut };
    world.settle(vec![world.settlement(&taken[0].delivery, exhausted)]).await;
    assert_eq!(world.lanes.told(), [a3.id]);
}

pub async fn a_retry_holds_those_behind_it(world: &World) {
    let account = world.account();
    let endpoint = ordered(world, account).await;
    let (first, second) = (world.keyed(account, "a"), world.keyed(account, "a"));
    world.say(&[first.clone(), second.clone()]).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let retry = world.settlement(&delivery, State::Pending { due_at: at(60) });
    world.settle(vec![retry]).await;
    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (0, vec![(endpoint.id, at(60))]));
    world.lease_all(60).await;
    assert_eq!(world.lanes.told(), [first.id]);
}

pub async fn a_cancelled_one_lets_the_next_go(world: &World) {
    let account = world.account();
    ordered(world, account).await;
    let events: Vec<Event> = (0..3).map(|_| world.keyed(account, "a")).collect();
    world.lanes.set_room(0);
    world.say(&events).await;
    world.lanes.set_room(9);
    let made = world.deliveries(account, DeliveryFilter::default()).await;
    let cancel = |at_row: usize| {
        let state = State::Cancelled { at: at(1), why: Why::Asked };
        vec![Write::Delivery(made[at_row].id, state)]
    };
    // The newest comes first in the list: one that is held ends without letting anybody go.
    assert_eq!(world.write(account, cancel(1)).await.unwrap().changed, 1);
    assert!(world.lanes.taken().is_empty());
    assert_eq!(world.write(account, cancel(2)).await.unwrap().changed, 1);
    assert_eq!(world.lanes.told(), [events[2].id]);
}

pub async fn the_next_one_goes_though_it_is_younger_than_what_lets_it_go(world: &World) {
    let account = world.account();
    ordered(world, account).await;
    let (first, second) = (world.keyed(account, "a"), world.keyed(account, "a"));
    world.say(slice::from_ref(&first)).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let retry = world.settlement(&delivery, State::Pending { due_at: at(300) });
    world.settle(vec![retry]).await;
    let said = Said { event: second.clone(), audience: Audience::Subscribers };
    let commit = Commit { events: vec![said], ..Commit::new(account, at(5)) };
    world.store.commit(commit).await.unwrap();
    assert!(world.lanes.taken().is_empty());
    // Whoever cancelled it looked at the clock before.
    let cancelled = State::Cancelled { at: at(1), why: Why::Asked };
    world.write(account, vec![Write::Delivery(delivery.id, cancelled)]).await.unwrap();
    assert_eq!(world.lanes.told(), [second.id]);
}

pub async fn the_next_one_waits_for_room(world: &World) {
    let account = world.account();
    let endpoint = ordered(world, account).await;
    let (first, second) = (world.keyed(account, "a"), world.keyed(account, "a"));
    world.lanes.set_room(1);
    world.say(&[first, second.clone()]).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    world.deliver(&delivery).await;
    assert!(world.lanes.taken().is_empty());
    let leased = world.lease_all(2).await;
    assert_eq!((leased.taken, leased.next_due), (0, vec![(endpoint.id, at(0))]));
    world.lanes.set_room(1);
    let scope = LeaseScope::Endpoints(vec![endpoint.id]);
    assert_eq!(world.store.lease(at(2), scope).await.unwrap().taken, 1);
    assert_eq!(world.lanes.told(), [second.id]);
}

pub async fn tests_do_not_wait_for_their_turn(world: &World) {
    let account = world.account();
    let endpoint = ordered(world, account).await;
    world.say(&[world.keyed(account, "a"), world.keyed(account, "a")]).await;
    assert_eq!(world.lanes.taken().len(), 1);
    let test = Event { test: true, ..world.keyed(account, "a") };
    let said = Said { event: test.clone(), audience: Audience::Only(endpoint.id, Cause::Test) };
    let commit = Commit { events: vec![said], ..Commit::new(account, at(0)) };
    world.store.commit(commit).await.unwrap();
    assert_eq!(world.lanes.told(), [test.id]);
}

pub async fn order_that_is_given_up_holds_nobody(world: &World) {
    let account = world.account();
    let endpoint = ordered(world, account).await;
    let events: Vec<Event> = (0..3).map(|_| world.keyed(account, "a")).collect();
    world.say(&events).await;
    assert_eq!(world.lanes.taken().len(), 1);
    let value = Endpoint { ordering: Ordering::None, ..endpoint };
    let write = vec![Write::Endpoint(Guarded { version: 1, value: value.clone() })];
    world.write(account, write).await.unwrap();
    assert_eq!(world.lease_all(0).await.taken, 2);
    assert_eq!(world.lanes.told(), [events[1].id, events[2].id]);

    // Asked for again: what comes now waits for all that went before.
    let value = Endpoint { ordering: Ordering::Request, ..value };
    let write = vec![Write::Endpoint(Guarded { version: 2, value })];
    world.write(account, write).await.unwrap();
    let last = world.keyed(account, "a");
    world.say(slice::from_ref(&last)).await;
    let pending = world.deliveries(account, DeliveryFilter::default()).await;
    for delivery in pending.iter().skip(1) {
        assert!(world.lanes.taken().is_empty());
        world.deliver(delivery).await;
    }
    assert_eq!(world.lanes.told(), [last.id]);
}

pub async fn without_order_nobody_waits(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..3).map(|_| world.keyed(account, "a")).collect();
    world.say(&events).await;
    assert_eq!(world.lanes.taken().len(), 3);
}

pub async fn no_held_delivery_outlives_a_sweep(world: &World) {
    let account = world.account();
    let endpoint = ordered(world, account).await;
    let events: Vec<Event> = (0..9).map(|_| world.keyed(account, "a")).collect();
    world.say(&events).await;
    let first = world.lanes.taken().remove(0).delivery;
    world.turn_off(&endpoint).await;
    let sweep =
        Write::CancelPending { endpoint: endpoint.id, why: Why::EndpointDisabled, limit: 100 };
    assert_eq!(world.write(account, vec![sweep.clone()]).await.unwrap().changed, 8);
    world.deliver(&first).await;
    assert!(world.lanes.taken().is_empty());
    assert_eq!(world.write(account, vec![sweep]).await.unwrap().changed, 0);
}
