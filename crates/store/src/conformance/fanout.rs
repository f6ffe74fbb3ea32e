//! Who hears of an event.

use std::collections::BTreeSet;
use std::slice;

use domain::delivery::Cause;
use domain::endpoint::{Endpoint, Scope, Status};
use domain::event::{Event, Kind};
use domain::id::{EndpointId, EventId, ReplayId};
use domain::subscription::Subscription;

use super::world::{World, at};
use crate::{
    Audience, Commit, DeliveryFilter, Fault, Guarded, LeaseScope, NewDelivery, Noted, Said, Write,
};

async fn told_of(world: &World, event: &Event) -> BTreeSet<EndpointId> {
    let filter = DeliveryFilter { event: Some(event.id), ..DeliveryFilter::default() };
    let found = world.deliveries(event.account, filter).await;
    let endpoints: BTreeSet<_> = found.iter().map(|delivery| delivery.endpoint).collect();
    assert_eq!(endpoints.len(), found.len(), "one delivery each");
    endpoints
}

pub async fn each_enabled_endpoint_that_wants_an_event_gets_one_delivery(world: &World) {
    let account = world.account();
    let wanting = |names: &[&str], kinds: &[Kind]| Endpoint {
        wants: Subscription {
            names: Vec::new(),
            kinds: kinds.iter().copied().collect(),
            custom: names.iter().map(|name| (*name).to_owned()).collect(),
        },
        ..world.endpoint(account)
    };
    let all = world.register(world.endpoint(account)).await;
    let bills = world.register(wanting(&["custom.bill.*"], &[])).await;
    let sent = world.register(wanting(&[], &[Kind::RequestSent])).await;
    let nothing = world.register(wanting(&[], &[])).await;

    let bill = world.event(account, "custom.bill.paid");
    let other = world.event(account, "custom.other");
    let request = world.event(account, "request.sent");
    world.say(&[bill.clone(), other.clone()]).await;
    world.say(slice::from_ref(&request)).await;
    assert_eq!(told_of(world, &bill).await, BTreeSet::from([all.id, bills.id]));
    assert_eq!(told_of(world, &other).await, BTreeSet::from([all.id]));
    assert_eq!(told_of(world, &request).await, BTreeSet::from([all.id, sent.id]));
    assert!(world.lanes.taken().iter().all(|taken| taken.endpoint.id != nothing.id));
}

pub async fn those_who_are_off_or_others_get_none(world: &World) {
    let (account, other) = (world.account(), world.account());
    world.register(world.endpoint(other)).await;
    for status in [Status::Disabled, Status::DisabledBySystem, Status::Deleted] {
        world.register(Endpoint { status, ..world.endpoint(account) }).await;
    }
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    assert_eq!(told_of(world, &event).await, BTreeSet::new());
    assert!(world.lanes.taken().is_empty());
}

pub async fn an_endpoint_written_in_the_commit_hears_of_its_events(world: &World) {
    let account = world.account();
    let old = world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    let new = world.endpoint(account);
    let event = world.event(account, "custom.b");
    let off = Endpoint { status: Status::Disabled, ..old };
    let commit = Commit {
        writes: vec![
            Write::Endpoint(Guarded { version: 0, value: new.clone() }),
            Write::Endpoint(Guarded { version: 1, value: off }),
        ],
        events: vec![Said { event: event.clone(), audience: Audience::Subscribers }],
        ..Commit::new(account, at(0))
    };
    world.store.commit(commit).await.unwrap();
    assert_eq!(told_of(world, &event).await, BTreeSet::from([new.id]));
}

pub async fn a_callback_endpoint_hears_only_of_what_names_it(world: &World) {
    let account = world.account();
    let value = Endpoint { scope: Scope::Callback, ..world.endpoint(account) };
    let callback = world.register(value).await;
    let (named, unnamed) =
        (world.event(account, "request.sent"), world.event(account, "request.sent"));
    let named = Event { callbacks: vec![callback.id], ..named };
    world.say(&[named.clone(), unnamed.clone()]).await;
    assert_eq!(told_of(world, &named).await, BTreeSet::from([callback.id]));
    assert_eq!(told_of(world, &unnamed).await, BTreeSet::new());
    let found = world.views.callback_endpoint(account, callback.dialect, callback.url.clone());
    assert_eq!(found.await.unwrap().unwrap().endpoint.id, callback.id);
    let listed = world.views.endpoints(account, super::world::page(10)).await.unwrap();
    assert!(listed.is_empty(), "callback endpoints are not listed");
}

pub async fn a_test_goes_to_one_endpoint_even_when_it_is_off(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let value = Endpoint { status: Status::Disabled, ..world.endpoint(account) };
    let off = world.register(value).await;
    let event = Event { test: true, ..world.event(account, "request.sent") };
    let commit = Commit {
        events: vec![Said { event: event.clone(), audience: Audience::Only(off.id, Cause::Test) }],
        ..Commit::new(account, at(0))
    };
    let committed = world.store.commit(commit).await.unwrap();
    assert_eq!(told_of(world, &event).await, BTreeSet::from([off.id]));
    let taken = world.lanes.taken();
    let ids: Vec<_> = taken.iter().map(|taken| taken.delivery.id).collect();
    assert_eq!(ids, committed.deliveries);
    assert_eq!(taken[0].delivery.cause, Cause::Test);
}

pub async fn an_event_for_one_endpoint_is_told_to_that_one_once(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let hidden = Endpoint { scope: Scope::Intake, ..world.endpoint(account) };
    let hidden = world.register(hidden).await;
    let key = Some("said:1".to_owned());
    let first = Event { key: key.clone(), ..world.event(account, "source.received") };
    let again = Event { key, ..world.event(account, "source.received") };
    let commit = |event: &Event, to| Commit {
        events: vec![Said { event: event.clone(), audience: Audience::Only(to, Cause::Event) }],
        ..Commit::new(account, at(0))
    };
    let committed = world.store.commit(commit(&first, hidden.id)).await.unwrap();
    let repeated = world.store.commit(commit(&again, hidden.id)).await.unwrap();
    assert_eq!(repeated.events, [Noted { id: first.id, known: true }]);
    assert!(repeated.deliveries.is_empty());
    assert_eq!(told_of(world, &first).await, BTreeSet::from([hidden.id]));
    let taken = world.lanes.taken();
    let ids: Vec<_> = taken.iter().map(|taken| taken.delivery.id).collect();
    assert_eq!(ids, committed.deliveries);
    assert_eq!(taken[0].delivery.cause, Cause::Event);
    let off = Endpoint { status: Status::Disabled, ..hidden.clone() };
    world.write(account, vec![Write::Endpoint(Guarded { version: 1, value: off })]).await.unwrap();
    let later = world.event(account, "source.received");
    let committed = world.store.commit(commit(&later, hidden.id)).await.unwrap();
    assert_eq!(committed.deliveries.len(), 1, "it waits until the endpoint is on");
    assert_eq!(world.lanes.taken().len(), 0);
    let nobody =
        world.store.commit(commit(&world.event(account, "custom.a"), EndpointId::new(5))).await;
    assert!(matches!(nobody, Err(Fault::Missing { what: "endpoint" })), "{nobody:?}");
}

pub async fn an_event_is_told_again_once_per_replay(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let again = |replay| Commit {
        deliveries: vec![NewDelivery {
            event: event.id,
            endpoint: endpoint.id,
            cause: Cause::Replay { id: ReplayId::new(replay) },
            due_at: at(0),
        }],
        ..Commit::new(account, at(0))
    };
    assert_eq!(world.store.commit(again(1)).await.unwrap().deliveries.len(), 1);
    assert_eq!(world.store.commit(again(1)).await.unwrap().deliveries.len(), 0);
    assert_eq!(world.store.commit(again(2)).await.unwrap().deliveries.len(), 1);
    assert_eq!(world.lanes.told(), [event.id; 3]);
    let causes: Vec<_> = world
        .deliveries(account, DeliveryFilter::default())
        .await
        .iter()
        .map(|d| d.cause)
        .collect();
    let replay = |id| Cause::Replay { id: ReplayId::new(id) };
    assert_eq!(causes, [replay(2), replay(1), Cause::Event]);
}

pub async fn an_endpoint_that_is_off_keeps_a_replay_until_it_is_on(world: &World) {
    let account = world.account();
    let value = Endpoint { status: Status::Disabled, ..world.endpoint(account) };
    let endpoint = world.register(value).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let commit = Commit {
        deliveries: vec![NewDelivery {
            event: event.id,
            endpoint: endpoint.id,
            cause: Cause::Replay { id: ReplayId::new(1) },
            due_at: at(0),
        }],
        ..Commit::new(account, at(0))
    };
    world.store.commit(commit).await.unwrap();
    assert!(world.lanes.taken().is_empty());
    assert_eq!(world.lease_all(0).await.taken, 0);
    let on = Endpoint { status: Status::Enabled, ..endpoint.clone() };
    let write = vec![Write::Endpoint(Guarded { version: 1, value: on })];
    world.write(account, write).await.unwrap();
    let scope = LeaseScope::Endpoints(vec![endpoint.id]);
    assert_eq!(world.store.lease(at(0), scope).await.unwrap().taken, 1);
}

pub async fn what_a_commit_refers_to_must_be_there(world: &World) {
    let (account, other) = (world.account(), world.account());
    let foreign = world.register(world.endpoint(other)).await;
    let event = world.event(account, "custom.a");
    let test = Commit {
        events: vec![Said {
            event: event.clone(),
            audience: Audience::Only(foreign.id, Cause::Test),
        }],
        ..Commit::new(account, at(0))
    };
    let refused = world.store.commit(test).await;
    assert!(matches!(refused, Err(Fault::Missing { what: "endpoint" })), "{refused:?}");
    assert_eq!(world.views.event(account, event.id).await.unwrap(), None);
    for (endpoint, what) in [(foreign.id, "endpoint"), (EndpointId::new(5), "endpoint")] {
        let again =
            NewDelivery { event: EventId::new(7), endpoint, cause: Cause::Probe, due_at: at(0) };
        let commit = Commit { deliveries: vec![again], ..Commit::new(account, at(0)) };
        let refused = world.store.commit(commit).await;
        assert!(matches!(refused, Err(Fault::Missing { what: noun }) if noun == what));
    }
}
