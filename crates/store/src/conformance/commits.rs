//! What a commit writes, and when it writes nothing.

use std::slice;

use domain::delivery::Cause;
use domain::endpoint::{Endpoint, Status};
use domain::event::Event;
use domain::id::{EventId, KeyId, ReplayId, SignerId};
use domain::key::{self, Key, Scope};
use domain::request::Request;
use domain::secret::Secret;

use super::world::{World, at, page};
use crate::{
    Account, Audience, Commit, DeliveryFilter, EventFilter, Fault, Guarded, NewDelivery, Said,
    SignerLink, TimerKind, Write,
};

fn is_conflict(result: &Result<impl Sized, Fault>, noun: &str) -> bool {
    matches!(result, Err(Fault::Conflict { what }) if *what == noun)
}

fn said(event: &Event) -> Said {
    Said { event: event.clone(), audience: Audience::Subscribers }
}

pub async fn a_conflict_in_the_second_write_undoes_the_first(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let (first, second) = (world.contact(account), world.contact(account));
    let event = world.event(account, "custom.a");
    let commit = Commit {
        writes: vec![
            Write::Contact(Guarded { version: 0, value: first.clone() }),
            Write::Contact(Guarded { version: 3, value: second }),
        ],
        events: vec![said(&event)],
        ..Commit::new(account, at(0))
    };
    assert!(is_conflict(&world.store.commit(commit).await, "contact"));
    assert_eq!(world.views.contact(account, first.id).await.unwrap(), None);
    assert_eq!(world.views.event(account, event.id).await.unwrap(), None);
    assert!(world.lanes.taken().is_empty());
}

pub async fn what_was_admitted_is_withdrawn_when_the_commit_is_refused(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    let missing = NewDelivery {
        event: EventId::new(world.id()),
        endpoint: endpoint.id,
        cause: Cause::Replay { id: ReplayId::new(1) },
        due_at: at(0),
    };
    let mut commit = Commit { events: vec![said(&event)], ..Commit::new(account, at(0)) };
    commit.deliveries.push(missing);
    world.lanes.set_room(1);
    let refused = world.store.commit(commit).await;
    assert!(matches!(refused, Err(Fault::Missing { what: "event" })), "{refused:?}");
    world.lanes.balance();
    assert!(world.lanes.taken().is_empty());
    assert_eq!(world.views.event(account, event.id).await.unwrap(), None);

    assert!(!world.say(slice::from_ref(&event)).await.events[0].known);
    assert_eq!(world.lanes.told(), [event.id], "the room came back");
}

pub async fn a_refused_commit_leaves_its_neighbours_alone(world: &World) {
    let account = world.account();
    let kept = world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    assert_eq!(world.lanes.taken().len(), 1);
    let stale = Endpoint { status: Status::Disabled, ..kept.clone() };
    let other = world.contact(account);
    let refused = [
        Write::Endpoint(Guarded { version: 1, value: stale }),
        Write::Contact(Guarded { version: 9, value: other.clone() }),
    ];
    let good = [Write::Contact(Guarded { version: 0, value: other.clone() })];
    let event = world.event(account, "custom.a");
    let say = Commit { events: vec![said(&event)], ..Commit::new(account, at(0)) };
    let (refused, written, told) = tokio::join!(
        world.write(account, refused.to_vec()),
        world.write(account, good.to_vec()),
        world.store.commit(say),
    );
    assert!(is_conflict(&refused, "contact"));
    written.unwrap();
    told.unwrap();
    assert!(world.views.contact(account, other.id).await.unwrap().is_some());
    assert_eq!(world.lanes.told(), [event.id], "the endpoint is enabled still");
}

pub async fn of_many_at_once_only_the_stale_are_refused(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let requests: Vec<_> = (0..6).map(|_| world.request(account)).collect();
    let write = |which: usize, version, title: &str| {
        let value = Request { title: title.to_owned(), ..requests[which].clone() };
        let event = world.event_of(account, value.id, "request.sent");
        let timer = Write::Timer(TimerKind::Expiry, value.id.bits(), Some(at(9)));
        let writes = vec![Write::Request(Box::new(Guarded { version, value }), Vec::new()), timer];
        let events = vec![said(&event)];
        world.store.commit(Commit { writes, events, ..Commit::new(account, at(0)) })
    };
    let (a, b, c) = tokio::join!(write(0, 0, "a"), write(1, 0, "a"), write(2, 0, "a"));
    assert!([a, b, c].iter().all(Result::is_ok));
    assert_eq!(world.lanes.taken().len(), 3);
    // Changed, stale, made twice, new, never there, and one changed by two at once.
    let (changed, stale, twice, new, never, one, two) = tokio::join!(
        write(0, 1, "b"),
        write(1, 7, "b"),
        write(2, 0, "b"),
        write(3, 0, "b"),
        write(4, 1, "b"),
        write(2, 1, "c"),
        write(2, 1, "d"),
    );
    for refused in [stale, twice, never] {
        assert!(is_conflict(&refused, "request"), "{refused:?}");
    }
    assert!(changed.is_ok() && new.is_ok() && one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert_eq!(world.lanes.taken().len(), 3, "what was refused tells nobody");
    let mut found = Vec::new();
    for request in &requests {
        let stands = world.views.request(account, request.id).await.unwrap();
        let told = world.views.timeline(account, request.id, page(9)).await.unwrap();
        found.push(stands.map(|(request, version)| (request.title, version)));
        assert_eq!(
            told.len() as u64,
            found.last().unwrap().as_ref().map_or(0, |(_, version)| *version)
        );
    }
    let is = |which: usize, title: &str, version| found[which] == Some((title.to_owned(), version));
    assert!(is(0, "b", 2) && is(1, "a", 1) && is(3, "b", 1), "{found:?}");
    assert!((is(2, "c", 2) || is(2, "d", 2)) && found[4..] == [None, None], "{found:?}");
}

pub async fn a_stale_request_is_a_conflict(world: &World) {
    let account = world.account();
    let request = world.request(account);
    let guarded = |version, title: &str| {
        let value = Request { title: title.to_owned(), ..request.clone() };
        vec![Write::Request(Box::new(Guarded { version, value }), Vec::new())]
    };
    world.write(account, guarded(0, "a")).await.unwrap();
    assert!(is_conflict(&world.write(account, guarded(0, "b")).await, "request"));
    world.write(account, guarded(1, "c")).await.unwrap();
    assert!(is_conflict(&world.write(account, guarded(1, "d")).await, "request"));
    let (found, version) = world.views.request(account, request.id).await.unwrap().unwrap();
    assert_eq!((found.title.as_str(), version), ("c", 2));

    let gone = |version| vec![Write::RequestGone(request.id, version)];
    assert!(is_conflict(&world.write(account, gone(1)).await, "request"));
    world.write(account, gone(2)).await.unwrap();
    assert_eq!(world.views.request(account, request.id).await.unwrap(), None);
    assert!(is_conflict(&world.write(account, gone(3)).await, "request"));
    assert!(is_conflict(&world.write(account, guarded(3, "e")).await, "request"));
}

pub async fn a_stale_contact_is_a_conflict(world: &World) {
    let account = world.account();
    let contact = world.contact(account);
    let guarded = |version| vec![Write::Contact(Guarded { version, value: contact.clone() })];
    world.write(account, guarded(0)).await.unwrap();
    assert!(is_conflict(&world.write(account, guarded(0)).await, "contact"));
    world.write(account, guarded(1)).await.unwrap();
    assert!(is_conflict(&world.write(account, guarded(1)).await, "contact"));
    assert_eq!(world.views.contact(account, contact.id).await.unwrap(), Some((contact.clone(), 2)));

    let gone = |version| vec![Write::ContactGone(contact.id, version)];
    assert!(is_conflict(&world.write(account, gone(1)).await, "contact"));
    world.write(account, gone(2)).await.unwrap();
    assert_eq!(world.views.contact(account, contact.id).await.unwrap(), None);
}

pub async fn a_stale_endpoint_is_a_conflict(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let guarded = |version| vec![Write::Endpoint(Guarded { version, value: endpoint.clone() })];
    assert!(is_conflict(&world.write(account, guarded(0)).await, "endpoint"));
    world.write(account, guarded(1)).await.unwrap();
    assert!(is_conflict(&world.write(account, guarded(1)).await, "endpoint"));
    let row = world.views.endpoint(account, endpoint.id).await.unwrap().unwrap();
    assert_eq!((row.endpoint, row.version), (endpoint, 2));
}

pub async fn a_url_is_registered_once(world: &World) {
    let (account, other) = (world.account(), world.account());
    let first = world.register(world.endpoint(account)).await;
    let second = |account| Endpoint { url: first.url.clone(), ..world.endpoint(account) };
    let write = |value| vec![Write::Endpoint(Guarded { version: 0, value })];
    let refused = world.write(account, write(second(account))).await;
    assert!(matches!(refused, Err(Fault::UrlTaken { id }) if id == first.id), "{refused:?}");
    world.write(other, write(second(other))).await.unwrap();

    let value = Endpoint { status: Status::Deleted, ..first.clone() };
    let gone = vec![Write::Endpoint(Guarded { version: 1, value })];
    world.write(account, gone).await.unwrap();
    world.write(account, write(second(account))).await.unwrap();
}

pub async fn a_known_event_is_told_once(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    let first = world.say(slice::from_ref(&event)).await;
    let second = world.say(slice::from_ref(&event)).await;
    assert_eq!((first.events[0].id, first.events[0].known), (event.id, false));
    assert_eq!((second.events[0].id, second.events[0].known), (event.id, true));
    assert_eq!(world.lanes.told(), [event.id]);
    assert_eq!(world.deliveries(account, DeliveryFilter::default()).await.len(), 1);
}

pub async fn a_known_key_names_the_first_event(world: &World) {
    let (account, other) = (world.account(), world.account());
    world.register(world.endpoint(account)).await;
    let keyed =
        |account| Event { key: Some("order-7".to_owned()), ..world.event(account, "custom.a") };
    let (first, second) = (keyed(account), keyed(account));
    world.say(slice::from_ref(&first)).await;
    let noted = world.say(slice::from_ref(&second)).await.events[0];
    assert_eq!((noted.id, noted.known), (first.id, true));
    assert_eq!(world.views.event(account, second.id).await.unwrap(), None);
    assert_eq!(world.deliveries(account, DeliveryFilter::default()).await.len(), 1);
    assert!(!world.say(&[keyed(other)]).await.events[0].known, "another account's key");

    let renamed = Event { key: Some("order-8".to_owned()), ..first.clone() };
    let noted = world.say(&[renamed]).await.events[0];
    assert_eq!((noted.id, noted.known), (first.id, true), "its id is known");
}

pub async fn an_event_said_twice_in_one_commit_is_known_the_second_time(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let request = world.request(account);
    let write =
        Write::Request(Box::new(Guarded { version: 0, value: request.clone() }), Vec::new());
    world.write(account, vec![write]).await.unwrap();
    let event = world.event_of(account, request.id, "request.created");
    let noted = world.say(&[event.clone(), event.clone()]).await.events;
    assert_eq!(noted.iter().map(|noted| noted.known).collect::<Vec<_>>(), [false, true]);
    let filter = EventFilter::default();
    assert_eq!(world.views.events(account, filter, page(10)).await.unwrap().len(), 1);
    let entries = world.views.timeline(account, request.id, page(10)).await.unwrap();
    assert_eq!(entries.len(), 1);
}

pub async fn an_account_written_twice_is_there_once(world: &World) {
    let account = |name: &str| Account {
        id: world.account(),
        name: name.to_owned(),
        signing_seed: Secret::new("c2VlZA=="),
        created_at: at(0),
    };
    let first = account("first");
    let write = |account: &Account| vec![Write::Account(account.clone())];
    world.write(first.id, write(&first)).await.unwrap();
    world.write(first.id, write(&first)).await.unwrap();
    let usurper = account("first");
    assert!(is_conflict(&world.write(usurper.id, write(&usurper)).await, "account"));
    let found = world.views.accounts().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, found[0].name.as_str()), (first.id, "first"));
    assert_eq!(found[0].signing_seed, first.signing_seed);
}

pub async fn an_api_key_is_found_by_its_hash(world: &World) {
    let account = world.account();
    let new = Key {
        id: KeyId::new(world.id()),
        account,
        name: "ci".to_owned(),
        scopes: [Scope::Events].into(),
        hint: "wxyz".to_owned(),
        hash: key::hash("cs_text"),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    };
    world.write(account, vec![Write::Key(new.clone())]).await.unwrap();
    assert_eq!(world.views.key_by_hash(new.hash).await.unwrap(), Some(new.clone()));
    assert_eq!(world.views.key_by_hash(key::hash("cs_other")).await.unwrap(), None);

    let revoked = Key { revoked_at: Some(at(9)), ..new.clone() };
    world.write(account, vec![Write::Key(revoked.clone())]).await.unwrap();
    assert_eq!(world.views.key(account, new.id).await.unwrap(), Some(revoked.clone()));
    assert_eq!(world.views.keys(account).await.unwrap(), [revoked]);

    let twin = Key { id: KeyId::new(world.id()), ..new };
    assert!(is_conflict(&world.write(account, vec![Write::Key(twin)]).await, "key"));
}

pub async fn a_link_is_found_by_its_hash(world: &World) {
    let account = world.account();
    let request = world.request(account);
    let link = SignerLink { hash: [9; 32], request: request.id, signer: SignerId::new(world.id()) };
    let write = Write::Request(Box::new(Guarded { version: 0, value: request }), vec![link]);
    world.write(account, vec![write]).await.unwrap();
    assert_eq!(world.views.link([9; 32]).await.unwrap(), Some((account, link)));
    assert_eq!(world.views.link([8; 32]).await.unwrap(), None);
}

pub async fn the_store_proves_that_it_writes(world: &World) {
    world.store.probe(at(0)).await.unwrap();
    world.store.probe(at(1)).await.unwrap();
}
