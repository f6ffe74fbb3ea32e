//! What may be read, and by whom.

use std::collections::BTreeSet;
use std::slice;

use domain::delivery::{State, Why};
use domain::endpoint::{Endpoint, Secrets, SigningSecret};
use domain::event::Event;
use domain::id::{AccountId, EventId, KeyId};
use domain::key::{self, Key, Scope};
use domain::request::{Request, State as RequestState};
use domain::secret::Secret;

use super::world::{World, at, page};
use crate::{DeliveryFilter, EventFilter, Guarded, Page, RequestFilter, Write};

pub async fn another_accounts_rows_are_absent(world: &World) {
    let (account, other) = (world.account(), world.account());
    let endpoint = world.register(world.endpoint(account)).await;
    let (request, contact) = (world.request(account), world.contact(account));
    let new = Key {
        id: KeyId::new(world.id()),
        account,
        name: String::new(),
        scopes: [Scope::Events].into(),
        hint: String::new(),
        hash: key::hash("a"),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    };
    let writes = vec![
        Write::Request(Box::new(Guarded { version: 0, value: request.clone() }), Vec::new()),
        Write::Contact(Guarded { version: 0, value: contact.clone() }),
        Write::Key(new.clone()),
    ];
    world.write(account, writes).await.unwrap();
    let event = world.event_of(account, request.id, "request.sent");
    world.say(slice::from_ref(&event)).await;
    let delivery = world.lanes.taken().remove(0).delivery;

    let views = &world.views;
    assert!(views.request(other, request.id).await.unwrap().is_none());
    assert!(views.contact(other, contact.id).await.unwrap().is_none());
    assert!(views.key(other, new.id).await.unwrap().is_none());
    assert!(views.keys(other).await.unwrap().is_empty());
    assert!(views.endpoint(other, endpoint.id).await.unwrap().is_none());
    assert!(views.event(other, event.id).await.unwrap().is_none());
    assert!(views.delivery(other, delivery.id).await.unwrap().is_none());
    assert!(views.timeline(other, request.id, page(9)).await.unwrap().is_empty());
    assert!(views.requests(other, RequestFilter::default(), page(9)).await.unwrap().is_empty());
    assert!(views.contacts(other, page(9)).await.unwrap().is_empty());
    assert!(views.endpoints(other, page(9)).await.unwrap().is_empty());
    for request in [None, Some(request.id)] {
        let filter = EventFilter { request, ..EventFilter::default() };
        assert!(views.events(other, filter, page(9)).await.unwrap().is_empty());
    }
    for (event, endpoint) in [(None, None), (Some(event.id), None), (None, Some(endpoint.id))] {
        let filter = DeliveryFilter { event, endpoint, state: None };
        assert!(world.deliveries(other, filter).await.is_empty());
    }
}

async fn log(world: &World, account: AccountId, count: usize) -> Vec<Event> {
    let events: Vec<Event> = (0..count).map(|_| world.event(account, "custom.a")).collect();
    world.say(&events).await;
    world.shown(&events[count - 1]).await;
    events
}

async fn walk(world: &World, account: AccountId, ascending: bool) -> Vec<u128> {
    let mut seen: Vec<u128> = Vec::new();
    loop {
        let filter = EventFilter { ascending, ..EventFilter::default() };
        let next = Page { limit: 3, after: seen.last().copied() };
        let found = world.views.events(account, filter, next).await.unwrap();
        if found.is_empty() {
            return seen;
        }
        seen.extend(found.iter().map(|event| event.id.bits()));
        // What comes meanwhile shifts nothing.
        if !ascending {
            log(world, account, 1).await;
        }
    }
}

pub async fn events_come_newest_first_without_loss_or_repetition(world: &World) {
    let account = world.account();
    let events = log(world, account, 10).await;
    let expected: Vec<u128> = events.iter().rev().map(|event| event.id.bits()).collect();
    assert_eq!(walk(world, account, false).await, expected);
}

pub async fn events_come_oldest_first_when_asked(world: &World) {
    let account = world.account();
    let events = log(world, account, 10).await;
    let expected: Vec<u128> = events.iter().map(|event| event.id.bits()).collect();
    assert_eq!(walk(world, account, true).await, expected);
}

pub async fn who_follows_the_log_sees_what_lands_late_once(world: &World) {
    let account = world.account();
    let request = world.request(account).id;
    let [early, first, second] =
        [0, 1, 2].map(|seconds| world.event_at(account, "custom.a", seconds));
    let [early_step, first_step] = [3, 4].map(|seconds| Event {
        id: EventId::new(world.id_at(seconds)),
        ..world.event_of(account, request, "signer.viewed")
    });
    let follow = async |request, after: Option<&Event>| {
        let filter = EventFilter { request, ascending: true, ..EventFilter::default() };
        let next = Page { limit: 9, after: after.map(|event| event.id.bits()) };
        let found = world.views.events(account, filter, next).await.unwrap();
        found.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let ids = |events: &[&Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    world.say(slice::from_ref(&first)).await;
    world.say(slice::from_ref(&first_step)).await;
    world.shown(&first_step).await;
    assert_eq!(follow(None, None).await, ids(&[&first, &first_step]));

    // Their ids were made before, and their commits come after the page.
    world.say(slice::from_ref(&early_step)).await;
    world.say(slice::from_ref(&early)).await;
    world.say(slice::from_ref(&second)).await;
    world.shown(&second).await;
    let log = [&first, &first_step, &early_step, &early, &second];
    for (index, event) in log.iter().enumerate() {
        assert_eq!(follow(None, Some(event)).await, ids(&log[index + 1..]));
    }
    assert_eq!(follow(None, None).await, ids(&log));
    assert_eq!(follow(Some(request), Some(&first_step)).await, ids(&[&early_step]));
    assert_eq!(follow(Some(request), None).await, ids(&[&first_step, &early_step]));
}

pub async fn who_follows_from_a_place_without_an_event_goes_on_behind_it(world: &World) {
    let account = world.account();
    // Another account's log lies between.
    let other = world.account();
    let [nobody, first, missing, second] =
        [0, 1, 2, 3].map(|seconds| world.event_at(account, "custom.a", seconds));
    world.say(slice::from_ref(&world.event_at(other, "custom.a", 4))).await;
    world.say(slice::from_ref(&first)).await;
    world.say(slice::from_ref(&world.event_at(other, "custom.a", 5))).await;
    world.say(slice::from_ref(&second)).await;
    world.shown(&second).await;
    for (after, expected) in
        [(nobody.id, [first.id, second.id].as_slice()), (missing.id, &[second.id])]
    {
        let filter = EventFilter { ascending: true, ..EventFilter::default() };
        let next = Page { limit: 9, after: Some(after.bits()) };
        let found = world.views.events(account, filter, next).await.unwrap();
        assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), expected);
    }
}

pub async fn events_are_chosen_by_name_and_request(world: &World) {
    let account = world.account();
    let request = world.request(account);
    let sent = world.event_of(account, request.id, "request.sent");
    let viewed = world.event_of(account, request.id, "signer.viewed");
    let custom = world.event(account, "custom.a");
    world.say(&[sent.clone(), viewed.clone(), custom.clone()]).await;
    world.shown(&custom).await;
    let chosen = async |request, names: &[&str], ascending| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let filter = EventFilter { request, names, ascending };
        let found = world.views.events(account, filter, page(9)).await.unwrap();
        found.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(chosen(None, &["custom.a", "request.sent"], false).await, [custom.id, sent.id]);
    assert_eq!(chosen(None, &["signer.viewed"], true).await, [viewed.id]);
    assert_eq!(chosen(None, &["no.such"], true).await, []);
    assert_eq!(chosen(Some(request.id), &[], false).await, [viewed.id, sent.id]);
    assert_eq!(chosen(Some(request.id), &[], true).await, [sent.id, viewed.id]);
    assert_eq!(chosen(Some(request.id), &["request.sent"], true).await, [sent.id]);
}

pub async fn deliveries_are_chosen_by_event_endpoint_and_state(world: &World) {
    let account = world.account();
    let a = world.register(world.endpoint(account)).await;
    let b = world.register(world.endpoint(account)).await;
    let events = log(world, account, 4).await;
    for taken in world.lanes.taken() {
        let at = at(1);
        let state = if taken.endpoint.id == b.id {
            State::Exhausted { at, why: Why::Gone }
        } else if taken.event.id == events[0].id {
            State::Delivered { at }
        } else {
            State::Pending { due_at: at }
        };
        world.settle(vec![world.settlement(&taken.delivery, state)]).await;
    }
    let count = async |event, endpoint, state: Option<&str>| {
        let filter = DeliveryFilter { event, endpoint, state: state.map(str::to_owned) };
        let mut seen = Vec::new();
        loop {
            let next = Page { limit: 2, after: seen.last().copied() };
            let rows = world.views.deliveries(account, filter.clone(), next).await.unwrap();
            if rows.is_empty() {
                break;
            }
            seen.extend(rows.iter().map(|row| row.delivery.id.bits()));
        }
        assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
        seen.len()
    };
    assert_eq!(count(None, None, None).await, 8);
    assert_eq!(count(None, None, Some("pending")).await, 3);
    assert_eq!(count(None, None, Some("exhausted")).await, 4);
    assert_eq!(count(None, Some(b.id), Some("exhausted")).await, 4);
    assert_eq!(count(None, Some(a.id), Some("exhausted")).await, 0);
    assert_eq!(count(None, Some(a.id), None).await, 4);
    assert_eq!(count(Some(events[0].id), None, None).await, 2);
    assert_eq!(count(Some(events[0].id), Some(a.id), Some("delivered")).await, 1);
}

pub async fn requests_are_chosen_by_status_and_archive(world: &World) {
    let account = world.account();
    let mut writes = Vec::new();
    for index in 0..6 {
        let draft = world.request(account);
        let sent = RequestState::Sent { sent_at: at(0) };
        let state = if index % 2 == 0 { sent } else { RequestState::Draft };
        let value = Request { state, archived_at: (index > 3).then_some(at(1)), ..draft };
        writes.push(Write::Request(Box::new(Guarded { version: 0, value }), Vec::new()));
    }
    world.write(account, writes).await.unwrap();
    let count = async |status: Option<&str>, archived| {
        let filter = RequestFilter { status: status.map(str::to_owned), archived };
        let mut seen: Vec<u128> = Vec::new();
        loop {
            let next = Page { limit: 2, after: seen.last().copied() };
            let found = world.views.requests(account, filter.clone(), next).await.unwrap();
            if found.is_empty() {
                break;
            }
            seen.extend(found.iter().map(|request| request.id.bits()));
        }
        assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
        seen.len()
    };
    assert_eq!(count(None, None).await, 6);
    assert_eq!(count(None, Some(true)).await, 2);
    assert_eq!(count(Some("sent"), None).await, 3);
    assert_eq!(count(Some("sent"), Some(false)).await, 2);
    assert_eq!(count(Some("expired"), None).await, 0);
}

pub async fn open_requests_of_the_accounts_own_are_counted(world: &World) {
    let (account, other) = (world.account(), world.account());
    let sent = || RequestState::Sent { sent_at: at(0) };
    let request = |state, origin: &str| {
        let value = Request { state, origin: origin.to_owned(), ..world.request(account) };
        Write::Request(Box::new(Guarded { version: 0, value }), Vec::new())
    };
    let mut writes = vec![request(RequestState::Draft, "native")];
    writes.extend([request(sent(), "native"), request(sent(), "native")]);
    writes.push(request(sent(), "src_0123456789abcdefghjkmnpqrs"));
    world.write(account, writes).await.unwrap();
    assert_eq!(world.views.open_requests(account, 10).await.unwrap(), 2);
    assert_eq!(world.views.open_requests(account, 2).await.unwrap(), 1, "the newest is a mirror");
    assert_eq!(world.views.open_requests(other, 10).await.unwrap(), 0);
}

pub async fn contacts_and_endpoints_come_in_pages(world: &World) {
    let account = world.account();
    let mut contacts = BTreeSet::new();
    let mut endpoints = BTreeSet::new();
    for _ in 0..5 {
        let contact = world.contact(account);
        contacts.insert(contact.id.bits());
        let write = Write::Contact(Guarded { version: 0, value: contact });
        world.write(account, vec![write]).await.unwrap();
        endpoints.insert(world.register(world.endpoint(account)).await.id.bits());
    }
    let (mut listed, mut registered) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let next = Page { limit: 2, after: listed.last().copied() };
        let found = world.views.contacts(account, next).await.unwrap();
        listed.extend(found.iter().map(|contact| contact.id.bits()));
        let next = Page { limit: 2, after: registered.last().copied() };
        let found = world.views.endpoints(account, next).await.unwrap();
        registered.extend(found.iter().map(|row| row.endpoint.id.bits()));
    }
    assert!(listed.iter().rev().eq(&contacts), "{listed:?}");
    assert!(registered.iter().rev().eq(&endpoints), "{registered:?}");
}

pub async fn secrets_survive_a_round_trip(world: &World) {
    let account = world.account();
    let secrets = Secrets {
        signing: vec![
            SigningSecret { secret: Secret::new("whsec_new"), until: None },
            SigningSecret { secret: Secret::new("whsec_old"), until: Some(at(9)) },
        ],
        token: Some(Secret::new("code")),
        authorization: Some(Secret::new("Bearer x")),
        headers: vec![("x-a".to_owned(), Secret::new("b ✓"))],
    };
    let endpoint = world.register(Endpoint { secrets, ..world.endpoint(account) }).await;
    let row = world.views.endpoint(account, endpoint.id).await.unwrap().unwrap();
    assert_eq!(row.endpoint, endpoint);
    world.say(&[world.event(account, "custom.a")]).await;
    assert_eq!(*world.lanes.taken()[0].endpoint, endpoint);
}

pub async fn figures_count_what_is_there(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    log(world, account, 3).await;
    let taken = world.lanes.taken();
    world.deliver(&taken[0].delivery).await;
    let stats = world.views.stats().await.unwrap();
    assert_eq!((stats.pending, stats.events), (2, 3));
    assert!(stats.bytes > 0);
}
