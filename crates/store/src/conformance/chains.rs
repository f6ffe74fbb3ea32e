//! The hash chain of each request.

use std::slice;
use std::sync::Arc;

use domain::call::{Outcome, Reason};
use domain::chain::{Entry, What};
use domain::delivery::{Attempt, Delivery, State};
use domain::endpoint::{Endpoint, Ordering};
use domain::event::Event;
use domain::id::{AccountId, RequestId};

use super::world::{World, at, page};
use crate::{EventFilter, Guarded, Page, Settlement, TimelineEntry, Write};

async fn drafted(world: &World, account: AccountId) -> RequestId {
    let request = world.request(account);
    let id = request.id;
    let write = Write::Request(Box::new(Guarded { version: 0, value: request }), Vec::new());
    world.write(account, vec![write]).await.unwrap();
    id
}

async fn timeline(world: &World, account: AccountId, request: RequestId) -> Vec<TimelineEntry> {
    world.views.timeline(account, request, page(1_000)).await.unwrap()
}

/// Fails unless the entries are a whole chain from its start; tells how many there are.
pub fn verify(request: RequestId, entries: &[TimelineEntry]) -> usize {
    let mut before = None;
    for (entry, seq) in entries.iter().zip(1..) {
        let TimelineEntry { link, what, id, at, digest, .. } = entry;
        let plain = Entry { what: *what, id: *id, at: *at, digest: *digest };
        assert_eq!(link.seq, seq, "a gap");
        assert_eq!(*link, plain.link(request, before), "entry {seq}");
        before = Some(*link);
    }
    entries.len()
}

async fn fail(world: &World, delivery: &Delivery, request: RequestId) -> Attempt {
    let settlement = world.settlement(delivery, State::Pending { due_at: at(0) });
    let outcome = Outcome::failed(Reason::ConnectFailed, "nobody listens");
    let attempt = Attempt { outcome, remote: None, ..(*settlement.attempt).clone() };
    let ended = Arc::new(attempt.clone());
    let settlement = Settlement { request: Some(request), attempt: ended, ..settlement };
    world.settle(vec![settlement]).await;
    attempt
}

pub async fn attempts_in_an_order_are_chained_too(world: &World) {
    let account = world.account();
    world.register(Endpoint { ordering: Ordering::Request, ..world.endpoint(account) }).await;
    let request = drafted(world, account).await;
    for name in ["signer.viewed", "signer.signed"] {
        world.say(&[world.event_of(account, request, name)]).await;
    }
    for count in 0..4 {
        world.lease_all(1).await;
        let taken = world.lanes.taken();
        assert_eq!(taken.len(), 1, "one at a time");
        let delivery = &taken[0].delivery;
        world.lanes.over(delivery.id);
        if count % 2 == 0 {
            fail(world, delivery, request).await;
        } else {
            let state = State::Delivered { at: at(1) };
            let settlement = world.settlement(delivery, state);
            world.settle(vec![Settlement { request: Some(request), ..settlement }]).await;
        }
    }
    assert_eq!(verify(request, &timeline(world, account, request).await), 6);
}

pub async fn the_chains_of_two_requests_stay_whole(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let (a, b) = (drafted(world, account).await, drafted(world, account).await);
    for round in 0..4 {
        let event = |request| world.event_of(account, request, "signer.viewed");
        let events: Vec<Event> =
            if round % 2 == 0 { vec![event(a), event(b), event(a)] } else { vec![event(b)] };
        world.say(&events).await;
        for taken in world.lanes.taken() {
            fail(world, &taken.delivery, taken.event.request.unwrap()).await;
            world.lanes.over(taken.delivery.id);
        }
        let again = world.lease_all(1).await.taken;
        for taken in world.lanes.taken() {
            let state = State::Delivered { at: at(1) };
            let request = taken.event.request;
            let settlement = Settlement { request, ..world.settlement(&taken.delivery, state) };
            world.settle(vec![settlement]).await;
        }
        assert_eq!(again, events.len());
    }
    let entries = timeline(world, account, a).await;
    assert_eq!(verify(a, &entries), 12, "four events, tried twice each");
    let entries = timeline(world, account, b).await;
    assert_eq!(verify(b, &entries), 12);
}

pub async fn an_entry_says_what_its_digest_covers(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let request = drafted(world, account).await;
    let event = world.event_of(account, request, "request.sent");
    world.say(slice::from_ref(&event)).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let attempt = fail(world, &delivery, request).await;
    let entries = timeline(world, account, request).await;
    verify(request, &entries);
    let [said, tried] = entries.as_slice() else { panic!("two entries: {entries:?}") };

    assert_eq!((said.what, said.id, said.at), (What::Event, event.id.bits(), event.at));
    let found = said.event.as_ref().unwrap();
    assert_eq!(*found, Event { link: Some(said.link), ..event });
    assert_eq!(Entry::of_event(found).digest, said.digest);
    assert_eq!(said.attempt, None);

    assert_eq!((tried.what, tried.id, tried.at), (What::Attempt, attempt.id.bits(), attempt.at));
    let (found_delivery, found_attempt) = tried.attempt.as_ref().unwrap();
    assert_eq!((found_delivery.id, found_attempt), (delivery.id, &attempt));
    assert_eq!(Entry::of_attempt(found_attempt).digest, tried.digest);
    assert_eq!(tried.event, None);
}

pub async fn a_timeline_comes_in_pages_and_outlives_its_request(world: &World) {
    let account = world.account();
    let request = drafted(world, account).await;
    for _ in 0..7 {
        world.say(&[world.event_of(account, request, "signer.viewed")]).await;
    }
    world.write(account, vec![Write::RequestGone(request, 1)]).await.unwrap();
    let mut entries = Vec::new();
    for expected in [3, 3, 1, 0] {
        let next = Page { limit: 3, after: Some(entries.len() as u128) };
        let found = world.views.timeline(account, request, next).await.unwrap();
        assert_eq!(found.len(), expected);
        entries.extend(found);
    }
    assert_eq!(verify(request, &entries), 7);
    assert!(timeline(world, world.account(), request).await.is_empty());
}

pub async fn an_event_knows_its_place(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let request = drafted(world, account).await;
    let plain = world.event(account, "custom.a");
    let first = world.event_of(account, request, "request.sent");
    let second = world.event_of(account, request, "request.completed");
    world.say(&[plain.clone(), first, second.clone()]).await;
    world.shown(&second).await;
    let links: Vec<_> = timeline(world, account, request).await.iter().map(|e| e.link).collect();
    let expected = [None, Some(links[0]), Some(links[1])];
    let told: Vec<_> = world.lanes.taken().iter().map(|taken| taken.event.link).collect();
    assert_eq!(told, expected, "in the lease");
    let filter = EventFilter { ascending: true, ..EventFilter::default() };
    let listed = world.views.events(account, filter, page(9)).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|event| event.link).collect();
    assert_eq!(listed, expected, "in the log");
}
