//! Who gets which work, and when.

use std::slice;

use domain::delivery::{Cause, State};
use domain::endpoint::{Endpoint, Secrets, SigningSecret, Status};
use domain::event::Event;
use domain::id::EndpointId;
use domain::secret::Secret;
use domain::time::Timestamp;

use super::world::{World, at};
use crate::{Commit, DeliveryFilter, Guarded, LeaseScope, NewDelivery, Write};

pub async fn what_has_room_is_leased_and_the_rest_stays_due(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..5).map(|_| world.event(account, "custom.a")).collect();
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    world.lanes.set_room(2);
    world.say(&events).await;
    assert_eq!(world.lanes.told(), ids[..2]);

    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (0, vec![(endpoint.id, at(0))]));
    world.lanes.set_room(2);
    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (2, vec![(endpoint.id, at(0))]));
    world.lanes.set_room(9);
    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (1, vec![]));
    assert_eq!(world.lanes.told(), ids[2..]);
}

pub async fn a_lease_says_when_it_took_as_much_as_one_call_may(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..600).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(0);
    world.say(&events).await;
    world.lanes.set_room(usize::MAX);
    let first = world.lease_all(0).await;
    assert!(first.taken < 600, "one call does not hold everybody up");
    assert_eq!((first.next_due, first.unfinished), (vec![], vec![endpoint.id]));
    let second = world.lease_all(0).await;
    assert_eq!((second.taken, second.unfinished), (600 - first.taken, vec![]));
}

pub async fn a_delivery_is_never_leased_twice(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..9).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(4);
    world.say(&events).await;
    world.lanes.set_room(usize::MAX);
    // The lanes fail when a delivery comes a second time.
    let (a, b, c) = tokio::join!(world.lease_all(0), world.lease_all(1), world.lease_all(2));
    assert_eq!(a.taken + b.taken + c.taken, 5);
    assert_eq!(world.lanes.taken().len(), 9);
}

pub async fn a_delivery_handed_back_is_leased_again(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    assert_eq!(world.lease_all(0).await.taken, 0);
    // Both wait beside each other: what is handed back is free for whoever comes next.
    world.release(&delivery);
    assert_eq!(world.lease_all(0).await.taken, 1);
    assert_eq!(world.lanes.told(), [event.id]);
    assert_eq!(world.delivery(&delivery).await.0.delivery.attempts, 0);
}

pub async fn what_is_due_later_is_told_and_not_leased(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let later = world.settlement(&delivery, State::Pending { due_at: at(300) });
    world.settle(vec![later]).await;
    let leased = world.lease_all(299).await;
    assert_eq!((leased.taken, leased.next_due), (0, vec![(endpoint.id, at(300))]));
    let leased = world.lease_all(300).await;
    assert_eq!((leased.taken, leased.next_due), (1, vec![]));
    assert_eq!(world.lanes.taken()[0].delivery.attempts, 1);
}

async fn turn(world: &World, endpoint: &Endpoint, version: u64, status: Status) {
    let value = Endpoint { status, ..endpoint.clone() };
    let write = vec![Write::Endpoint(Guarded { version, value })];
    world.write(endpoint.account, write).await.unwrap();
}

async fn tell(world: &World, endpoint: &Endpoint, event: &Event, cause: Cause, due_at: Timestamp) {
    let new = NewDelivery { event: event.id, endpoint: endpoint.id, cause, due_at };
    let commit = Commit { deliveries: vec![new], ..Commit::new(endpoint.account, at(0)) };
    world.store.commit(commit).await.unwrap();
}

pub async fn an_endpoint_that_is_off_gets_only_tests_and_probes(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..3).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(0);
    world.say(&events).await;
    turn(world, &endpoint, 1, Status::DisabledBySystem).await;
    tell(world, &endpoint, &events[1], Cause::Probe, at(0)).await;
    world.lanes.set_room(9);
    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (1, vec![]), "the others are not told of");
    let taken = world.lanes.taken().remove(0);
    assert_eq!((taken.delivery.cause, taken.event.id), (Cause::Probe, events[1].id));
    turn(world, &endpoint, 2, Status::Enabled).await;
    assert_eq!(world.lease_all(0).await.taken, 3);
}

pub async fn a_probe_is_found_behind_many_others(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..700).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(0);
    world.say(&events).await;
    turn(world, &endpoint, 1, Status::DisabledBySystem).await;
    world.lanes.set_room(9);
    tell(world, &endpoint, &events[3], Cause::Probe, at(60)).await;
    let leased = world.lease_all(0).await;
    assert_eq!((leased.taken, leased.next_due), (0, vec![(endpoint.id, at(60))]));
    let leased = world.lease_all(60).await;
    assert_eq!((leased.taken, leased.next_due), (1, vec![]));
}

pub async fn only_those_asked_for_are_leased(world: &World) {
    let (account, other) = (world.account(), world.account());
    let first = world.register(world.endpoint(account)).await;
    let second = world.register(world.endpoint(account)).await;
    let third = world.register(world.endpoint(other)).await;
    world.lanes.set_room(0);
    world.say(&[world.event(account, "custom.a")]).await;
    world.say(&[world.event(other, "custom.a")]).await;
    world.lanes.set_room(9);
    let scope = LeaseScope::Endpoints(vec![third.id, first.id, EndpointId::new(0)]);
    assert_eq!(world.store.lease(at(0), scope).await.unwrap().taken, 2);
    let taken: Vec<_> = world.lanes.taken().iter().map(|taken| taken.endpoint.id).collect();
    assert_eq!(taken, [third.id, first.id]);
    assert_eq!(world.lease_all(0).await.taken, 1);
    assert_eq!(world.lanes.taken()[0].endpoint.id, second.id);
}

pub async fn what_is_handed_back_is_leased_with_the_last_of_those_behind_it(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let scope = LeaseScope::Endpoints(vec![endpoint.id]);
    let events: Vec<Event> = (0..5).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(0);
    world.say(&events).await;
    world.lanes.set_room(2);
    assert_eq!(world.store.lease(at(0), scope.clone()).await.unwrap().taken, 2);
    let first = world.lanes.taken().remove(0);
    assert_eq!(first.event.id, events[0].id);
    world.release(&first.delivery);
    world.lanes.set_room(9);
    let leased = world.store.lease(at(1), scope).await.unwrap();
    assert_eq!((leased.taken, leased.next_due), (4, vec![]));
    assert!(world.lanes.told().contains(&events[0].id));
}

pub async fn a_lease_is_whole(world: &World) {
    let account = world.account();
    let secrets = Secrets {
        signing: vec![SigningSecret { secret: Secret::new("whsec_a"), until: None }],
        ..Secrets::default()
    };
    let endpoint = world.register(Endpoint { secrets, ..world.endpoint(account) }).await;
    let event = Event {
        key: Some("a key".to_owned()),
        order_key: Some("an order".to_owned()),
        ..world.event(account, "custom.a")
    };
    world.say(slice::from_ref(&event)).await;
    let at_once = world.lanes.taken().remove(0);
    world.release(&at_once.delivery);
    world.lease_all(0).await;
    let from_the_store = world.lanes.taken().remove(0);
    for taken in [&at_once, &from_the_store] {
        assert_eq!((&*taken.event, &*taken.endpoint), (&event, &endpoint));
        assert_eq!(taken.delivery.state, State::Pending { due_at: at(0) });
        assert_eq!(taken.delivery.cause, Cause::Event);
        assert_eq!(taken.delivery, world.delivery(&taken.delivery).await.0.delivery);
    }
    assert_eq!(world.deliveries(account, DeliveryFilter::default()).await.len(), 1);
}

pub async fn the_lanes_hear_of_changed_endpoints(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    assert_eq!(world.lanes.changes(), [endpoint.id]);
    let stale = vec![Write::Endpoint(Guarded { version: 7, value: endpoint.clone() })];
    world.write(account, stale).await.unwrap_err();
    assert_eq!(world.lanes.changes(), []);
}

pub async fn the_oldest_due_delivery_of_each_endpoint_is_known(world: &World) {
    let account = world.account();
    let on = world.register(world.endpoint(account)).await;
    let off = world.register(world.endpoint(account)).await;
    world.say_at(&[world.event(account, "custom.a")], 5).await;
    world.say_at(&[world.event(account, "custom.a")], 9).await;
    turn(world, &off, 1, Status::Disabled).await;
    assert!(world.views.lags(at(4)).await.unwrap().is_empty(), "nothing is due yet");
    let lags = world.views.lags(at(10)).await.unwrap();
    let lags: Vec<_> = lags.iter().map(|lag| (lag.endpoint, lag.due_at)).collect();
    assert_eq!(lags, [(on.id, at(5))]);
}
