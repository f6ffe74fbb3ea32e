//! Deliveries that are not wanted any more, or at once.

use std::slice;
use std::time::Duration;

use domain::delivery::{State, Why};
use domain::endpoint::{Endpoint, Ordering};
use domain::event::Event;
use tokio::time::timeout;

use super::world::{World, at};
use crate::{DeliveryFilter, Fault, Write};

const CANCELLED: State = State::Cancelled { at: at(1), why: Why::Asked };

pub async fn a_pending_delivery_is_cancelled_once(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.lanes.set_room(0);
    world.say(&[world.event(account, "custom.a")]).await;
    let delivery = world.deliveries(account, DeliveryFilter::default()).await.remove(0);
    let write = vec![Write::Delivery(delivery.id, CANCELLED)];
    assert_eq!(world.write(account, write.clone()).await.unwrap().changed, 1);
    assert_eq!(world.write(account, write).await.unwrap().changed, 0);
    assert_eq!(world.state(&delivery).await, CANCELLED);
    world.lanes.set_room(9);
    assert_eq!(world.lease_all(9).await.taken, 0);
}

pub async fn a_leased_delivery_stays_as_it_is(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    for next in [CANCELLED, State::Pending { due_at: at(9) }] {
        let write = vec![Write::Delivery(delivery.id, next)];
        assert_eq!(world.write(account, write).await.unwrap().changed, 0);
        assert_eq!(world.state(&delivery).await, State::Pending { due_at: at(0) });
    }
}

pub async fn a_delivery_that_becomes_due_now_is_offered(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let later = world.settlement(&delivery, State::Pending { due_at: at(3_600) });
    world.settle(vec![later]).await;
    let write = vec![Write::Delivery(delivery.id, State::Pending { due_at: at(0) })];
    assert_eq!(world.write(account, write).await.unwrap().changed, 1);
    assert_eq!(world.lanes.told(), [event.id]);
}

pub async fn what_is_pending_is_cancelled_but_for_what_is_leased(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let other = world.register(world.endpoint(account)).await;
    let events: Vec<Event> = (0..4).map(|_| world.event(account, "custom.a")).collect();
    world.lanes.set_room(3);
    world.say(&events).await;
    let leased = world.lanes.taken();
    world.turn_off(&endpoint).await;
    let write =
        Write::CancelPending { endpoint: endpoint.id, why: Why::EndpointDeleted, limit: 100 };
    let ours = leased.iter().filter(|taken| taken.endpoint.id == endpoint.id).count();
    assert!(ours > 0, "some are leased");
    let changed = world.write(account, vec![write]).await.unwrap().changed;
    assert_eq!(changed, 4 - ours as u64);
    for delivery in world.deliveries(account, DeliveryFilter::default()).await {
        let spared = delivery.endpoint == other.id
            || leased.iter().any(|taken| taken.delivery.id == delivery.id);
        let expected = State::Cancelled { at: at(0), why: Why::EndpointDeleted };
        assert_eq!(delivery.state.is_pending(), spared, "{delivery:?}");
        assert!(spared || delivery.state == expected);
    }
}

pub async fn what_is_left_for_an_endpoint_that_is_off_is_told_of(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    let leased = world.lanes.taken().remove(0);
    world.turn_off(&endpoint).await;
    let sweep =
        || Write::CancelPending { endpoint: endpoint.id, why: Why::EndpointDisabled, limit: 9 };
    assert_eq!(world.write(account, vec![sweep()]).await.unwrap().changed, 0, "somebody has it");
    assert!(world.lease_all(9).await.off.is_empty());
    world.release(&leased.delivery);
    let told = timeout(Duration::from_secs(20), async {
        while world.lease_all(9).await.off != [(account, endpoint.id)] {}
    });
    told.await.expect("what comes back is told of");
    assert_eq!(world.write(account, vec![sweep()]).await.unwrap().changed, 1);
    assert!(world.lease_all(9).await.off.is_empty());
}

pub async fn no_more_is_cancelled_than_was_asked_for(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let say = async |count, seconds| {
        let events: Vec<Event> = (0..count).map(|_| world.event(account, "custom.a")).collect();
        world.say_at(&events, seconds).await;
    };
    world.lanes.set_room(0);
    say(7, 0).await;
    // What is leased is due later than what is not.
    world.lanes.set_room(2);
    say(2, 1).await;
    assert_eq!(world.lanes.taken().len(), 2);
    world.turn_off(&endpoint).await;
    let write =
        Write::CancelPending { endpoint: endpoint.id, why: Why::EndpointDisabled, limit: 3 };
    for expected in [3, 3, 1, 0] {
        let changed = world.write(account, vec![write.clone()]).await.unwrap().changed;
        assert_eq!(changed, expected);
    }
}

pub async fn nothing_is_swept_of_an_endpoint_that_is_on(world: &World) {
    let account = world.account();
    let endpoint =
        world.register(Endpoint { ordering: Ordering::Request, ..world.endpoint(account) }).await;
    world.lanes.set_room(0);
    world.say(&[world.event(account, "custom.a")]).await;
    world.say(&[world.keyed(account, "a"), world.keyed(account, "a")]).await;
    let sweep =
        Write::CancelPending { endpoint: endpoint.id, why: Why::EndpointDisabled, limit: 9 };
    assert_eq!(world.write(account, vec![sweep.clone()]).await.unwrap().changed, 0);
    for delivery in world.deliveries(account, DeliveryFilter::default()).await {
        assert!(delivery.state.is_pending(), "{delivery:?}");
    }
    world.turn_off(&endpoint).await;
    assert_eq!(world.write(account, vec![sweep]).await.unwrap().changed, 3);
}

pub async fn another_accounts_delivery_is_missing(world: &World) {
    let (account, other) = (world.account(), world.account());
    let endpoint = world.register(world.endpoint(account)).await;
    world.lanes.set_room(0);
    world.say(&[world.event(account, "custom.a")]).await;
    let delivery = world.deliveries(account, DeliveryFilter::default()).await.remove(0);
    let refused = world.write(other, vec![Write::Delivery(delivery.id, CANCELLED)]).await;
    assert!(matches!(refused, Err(Fault::Missing { what: "delivery" })), "{refused:?}");
    world.turn_off(&endpoint).await;
    let sweep = Write::CancelPending { endpoint: endpoint.id, why: Why::Asked, limit: 9 };
    assert_eq!(world.write(other, vec![sweep]).await.unwrap().changed, 0);
    assert!(world.state(&delivery).await.is_pending());
}
