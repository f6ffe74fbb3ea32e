//! What has outlived its time, and what stays whatever its age.

use std::slice;

use domain::delivery::{Cause, Delivery, State, Why};
use domain::endpoint::{Endpoint, Scope};
use domain::event::Event;
use domain::id::{AccountId, Chance as _, DeliveryId, EndpointId, EventId, ReplayId};
use domain::notice::Notice;
use domain::replay::{Replay, Status as ReplayStatus};
use domain::request::{Request, State as RequestState};
use domain::time::Timestamp;

use super::chains::verify;
use super::world::{Counting, World, at, page};
use crate::{
    Audience, Commit, DeliveryFilter, EventFilter, Fault, Forgotten, Guarded, NewDelivery,
    Outlived, Page, Said, Settlement, Write,
};

/// Later than anything a claim does.
const LATE_S: i64 = 90 * 24 * 3_600;
/// More rows than any claim has.
const MANY: u32 = 1_000;

async fn forget(world: &World, outlived: Outlived, limit: u32) -> Forgotten {
    world.store.forget(outlived, limit).await.unwrap()
}

async fn forget_deliveries(world: &World, account: AccountId, before: Timestamp) -> Forgotten {
    forget(world, Outlived::Deliveries { account, after: DeliveryId::new(0), before }, MANY).await
}

/// Everything that is old enough late; events of no request go altogether before `rows_before`.
async fn forget_events(world: &World, account: AccountId, rows_before: Timestamp) -> Forgotten {
    let (after, texts_before) = (EventId::new(0), at(LATE_S));
    forget(world, Outlived::Events { account, after, texts_before, rows_before }, MANY).await
}

/// Says an event of the account's own to its one endpoint; gives both.
async fn told(world: &World, account: AccountId) -> (Event, Delivery) {
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    (event, world.lanes.taken().remove(0).delivery)
}

async fn read(world: &World, event: &Event) -> Option<Event> {
    world.views.event(event.account, event.id).await.unwrap()
}

fn again(event: &Event, endpoint: EndpointId, replay: u128) -> Commit {
    let cause = Cause::Replay { id: ReplayId::new(replay) };
    let new = NewDelivery { event: event.id, endpoint, cause, due_at: at(5) };
    Commit { deliveries: vec![new], ..Commit::new(event.account, at(5)) }
}

pub async fn a_delivery_that_ended_long_ago_goes_with_its_attempts(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let (_, delivery) = told(world, account).await;
    world.settle(vec![world.settlement(&delivery, State::Pending { due_at: at(0) })]).await;
    world.lease_all(0).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let ended = State::Exhausted { at: at(1), why: Why::WaitsRanOut };
    world.settle(vec![world.settlement(&delivery, ended)]).await;
    let forgotten = forget_deliveries(world, account, at(LATE_S)).await;
    assert_eq!((forgotten.deliveries, forgotten.attempts, forgotten.rest), (1, 2, None));
    let failed = DeliveryFilter {
        endpoint: Some(endpoint.id),
        state: Some("exhausted".to_owned()),
        ..DeliveryFilter::default()
    };
    assert!(world.deliveries(account, failed).await.is_empty());
    assert_eq!(world.views.delivery(account, delivery.id).await.unwrap(), None);
    assert_eq!(forget_deliveries(world, account, at(LATE_S)).await, Forgotten::default());
}

pub async fn what_ended_lately_or_has_not_stays(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let (_, pending) = told(world, account).await;
    let (_, lately) = told(world, account).await;
    let ended = State::Delivered { at: at(LATE_S) };
    world.settle(vec![world.settlement(&lately, ended)]).await;
    assert_eq!(forget_deliveries(world, account, at(LATE_S)).await, Forgotten::default());
    assert_eq!(world.state(&lately).await, ended);
    assert!(world.state(&pending).await.is_pending());
    let before = at(LATE_S).plus_millis(1);
    assert_eq!(forget_deliveries(world, account, before).await.deliveries, 1);
}

pub async fn an_event_of_no_request_goes_after_its_last_delivery(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let (event, delivery) = told(world, account).await;
    world.deliver(&delivery).await;
    let forgotten = forget_events(world, account, at(LATE_S)).await;
    assert_eq!((forgotten.events, forgotten.texts), (0, 1));
    assert_eq!(read(world, &event).await, Some(Event { data: String::new(), ..event.clone() }));
    forget_deliveries(world, account, at(LATE_S)).await;
    assert_eq!(forget_events(world, account, at(0)).await, Forgotten::default());
    assert_eq!(forget_events(world, account, at(LATE_S)).await.events, 1);
    assert_eq!(read(world, &event).await, None);
}

pub async fn a_text_that_is_still_to_be_told_stays(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let deliveries = world.lanes.taken();
    world.deliver(&deliveries[0].delivery).await;
    assert_eq!(forget_events(world, account, at(LATE_S)).await, Forgotten::default());
    world.deliver(&deliveries[1].delivery).await;
    world.store.commit(again(&event, endpoint.id, 1)).await.unwrap();
    assert_eq!(forget_events(world, account, at(LATE_S)).await, Forgotten::default());
    assert_eq!(read(world, &event).await, Some(event));
}

/// Writes a request in some state, with an event that an endpoint was told.
async fn requested(world: &World, account: AccountId, state: RequestState) -> (Request, Event) {
    let request = Request { state, ..world.request(account) };
    let write =
        Write::Request(Box::new(Guarded { version: 0, value: request.clone() }), Vec::new());
    world.write(account, vec![write]).await.unwrap();
    let event = world.event_of(account, request.id, "request.sent");
    world.say(slice::from_ref(&event)).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let settlement = world.settlement(&delivery, State::Delivered { at: at(1) });
    world.settle(vec![Settlement { request: Some(request.id), ..settlement }]).await;
    (request, event)
}

pub async fn the_texts_of_an_open_request_stay(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let sent = RequestState::Sent { sent_at: at(0) };
    let (_, drafted) = requested(world, account, RequestState::Draft).await;
    let (request, event) = requested(world, account, sent).await;
    assert_eq!(forget_events(world, account, at(LATE_S)).await, Forgotten::default());
    assert_eq!(read(world, &event).await.unwrap().data, event.data);
    world.write(account, vec![Write::RequestGone(request.id, 1)]).await.unwrap();
    let forgotten = forget_events(world, account, at(LATE_S)).await;
    assert_eq!((forgotten.texts, forgotten.events), (1, 0));
    assert!(read(world, &event).await.unwrap().is_forgotten());
    assert_eq!(read(world, &drafted).await.unwrap().data, drafted.data);
}

pub async fn a_timeline_holds_without_its_texts(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let ended = RequestState::Completed { sent_at: at(0), completed_at: at(0) };
    let (request, event) = requested(world, account, ended).await;
    let before = world.views.timeline(account, request.id, page(9)).await.unwrap();
    forget_deliveries(world, account, at(LATE_S)).await;
    assert_eq!(forget_events(world, account, at(LATE_S)).await.texts, 1);
    let after = world.views.timeline(account, request.id, page(9)).await.unwrap();
    assert_eq!(verify(request.id, &after), 2);
    let digests = |entries: &[crate::TimelineEntry]| -> Vec<_> {
        entries.iter().map(|entry| entry.digest).collect()
    };
    assert_eq!(digests(&after), digests(&before));
    let left = after[0].event.as_ref().unwrap();
    assert!(left.is_forgotten() && left.name == event.name && left.link.is_some());
    assert_eq!(after[1].attempt, None);
}

pub async fn what_was_forgotten_is_told_no_more(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await;
    let (event, delivery) = told(world, account).await;
    world.deliver(&delivery).await;
    forget_events(world, account, at(0)).await;
    let refused = world.store.commit(again(&event, endpoint.id, 1)).await;
    assert!(matches!(refused, Err(Fault::Forgotten)), "{refused:?}");
    let replay = Replay {
        id: ReplayId::new(world.id()),
        account,
        endpoint: endpoint.id,
        since: at(-9),
        until: at(9),
        types: Vec::new(),
        states: [].into(),
        rate: 1,
        dry_run: false,
        status: ReplayStatus::Running,
        matched: 0,
        sent: 0,
        skipped: [].into(),
        cursor: None,
        created_at: at(9),
        finished_at: None,
    };
    world.say(&[world.event(account, "custom.b")]).await;
    let rows = world.views.replay_page(replay, 9).await.unwrap();
    let forgotten: Vec<bool> = rows.iter().map(|row| row.forgotten).collect();
    assert_eq!(forgotten, [true, false]);
}

pub async fn a_key_that_was_forgotten_is_new_again(world: &World) {
    let account = world.account();
    let keyed = || Event { key: Some("k".to_owned()), ..world.event(account, "custom.a") };
    let first = keyed();
    world.say(slice::from_ref(&first)).await;
    forget_events(world, account, at(0)).await;
    let known = world.say(&[keyed()]).await.events[0];
    assert_eq!((known.id, known.known), (first.id, true), "its row still has the key");
    forget_events(world, account, at(LATE_S)).await;
    assert!(!world.say(&[keyed()]).await.events[0].known);
}

pub async fn no_more_is_looked_at_than_was_asked_for(world: &World) {
    let account = world.account();
    world.register(world.endpoint(account)).await;
    for _ in 0..5 {
        let (_, delivery) = told(world, account).await;
        world.deliver(&delivery).await;
    }
    let after = DeliveryId::new(0);
    let mut next = Some(Outlived::Deliveries { account, after, before: at(LATE_S) });
    let mut gone = Vec::new();
    while let Some(outlived) = next {
        let forgotten = forget(world, outlived, 2).await;
        gone.push(forgotten.deliveries);
        next = forgotten.rest;
    }
    assert_eq!(gone, [2, 2, 1]);
    let (after, moment) = (EventId::new(0), at(LATE_S));
    let events = Outlived::Events { account, after, texts_before: moment, rows_before: moment };
    let forgotten = forget(world, events, 4).await;
    assert_eq!(forgotten.events, 4);
    let rest = forget(world, forgotten.rest.unwrap(), 4).await;
    assert_eq!((rest.events, rest.rest), (1, None));
}

pub async fn another_accounts_past_stays(world: &World) {
    let (account, other) = (world.account(), world.account());
    world.register(world.endpoint(other)).await;
    let (event, delivery) = told(world, other).await;
    world.deliver(&delivery).await;
    assert_eq!(forget_deliveries(world, account, at(LATE_S)).await, Forgotten::default());
    assert_eq!(forget_events(world, account, at(LATE_S)).await, Forgotten::default());
    assert_eq!(read(world, &event).await, Some(event));
}

pub async fn who_follows_the_log_goes_on_from_what_is_left(world: &World) {
    let account = world.account();
    let old: Vec<Event> = (0..3).map(|_| world.event(account, "custom.a")).collect();
    world.say(&old).await;
    let new: Vec<Event> = (0..3).map(|_| world.event_at(account, "custom.a", LATE_S + 9)).collect();
    world.say_at(&new, LATE_S + 9).await;
    world.shown(&new[2]).await;
    assert_eq!(forget_events(world, account, at(LATE_S)).await.events, 3);
    let filter = EventFilter { ascending: true, ..EventFilter::default() };
    for after in [0, old[1].id.bits()] {
        let cursor = Page { limit: 9, after: Some(after) };
        let left = world.views.events(account, filter.clone(), cursor).await.unwrap();
        assert_eq!(left, new);
    }
}

pub async fn a_notice_goes_with_its_delivery_and_no_sooner(world: &World) {
    let account = world.account();
    let lane = Endpoint { scope: Scope::Notices, ..world.endpoint(account) };
    let lane = world.register(lane).await.id;
    let request = world.request(account);
    let write =
        Write::Request(Box::new(Guarded { version: 0, value: request.clone() }), Vec::new());
    world.write(account, vec![write]).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let event = world.event_of(account, request.id, "signer.notified");
        let notice = Notice { event: event.id, ..world.notice(account, request.id) };
        let cause = Cause::Notice { id: notice.id };
        let mut commit = Commit::new(account, at(0));
        commit.writes.push(Write::Notice(Guarded { version: 0, value: notice.clone() }));
        commit.deliveries.push(NewDelivery {
            event: event.id,
            endpoint: lane,
            cause,
            due_at: at(0),
        });
        commit.events.push(Said { event, audience: Audience::Subscribers });
        world.store.commit(commit).await.unwrap();
        told.push((notice, world.lanes.taken().remove(0).delivery));
    }
    let left = async || world.views.notices(account, Some(request.id), page(9)).await.unwrap();
    world.deliver(&told[0].1).await;
    world.write(account, vec![Write::RequestGone(request.id, 1)]).await.unwrap();
    forget_deliveries(world, account, at(1)).await;
    forget_events(world, account, at(LATE_S)).await;
    assert_eq!(left().await.len(), 2, "one is pending still, and one ended lately");
    assert_eq!(forget_deliveries(world, account, at(LATE_S)).await.deliveries, 1);
    assert_eq!(left().await, [told[1].0.clone()]);
    let by_message = world.views.notice_by_message(account, "m-1".to_owned()).await.unwrap();
    assert_eq!(by_message.map(|(notice, _)| notice.id), Some(told[1].0.id));
    world.deliver(&told[1].1).await;
    assert_eq!(forget_deliveries(world, account, at(LATE_S)).await.deliveries, 1);
    assert_eq!(left().await, []);
}

pub async fn whatever_happens_no_pending_delivery_loses_its_text(world: &World) {
    let account = world.account();
    let endpoint = world.register(world.endpoint(account)).await.id;
    let mut dice = Counting::default();
    let mut roll = |sides: u64| usize::try_from(dice.draw() % sides).unwrap();
    let (mut events, mut leased): (Vec<Event>, Vec<Delivery>) = (Vec::new(), Vec::new());
    let (mut gone, mut refused) = (0, 0);
    for turn in 0..300 {
        match roll(6) {
            0 | 1 => {
                events.push(world.event(account, "custom.a"));
                world.say(&events[events.len() - 1..]).await;
            }
            2 if !leased.is_empty() => {
                let delivery = leased.swap_remove(roll(leased.len() as u64));
                world.deliver(&delivery).await;
            }
            3 if !events.is_empty() => {
                let event = &events[roll(events.len() as u64)];
                match world.store.commit(again(event, endpoint, turn)).await {
                    Ok(_) => {}
                    Err(Fault::Forgotten | Fault::Missing { what: "event" }) => refused += 1,
                    Err(fault) => panic!("{fault}"),
                }
            }
            4 => gone += forget_deliveries(world, account, at(LATE_S)).await.deliveries,
            _ => {
                let rows_before = [at(0), at(LATE_S)][roll(2)];
                forget_events(world, account, rows_before).await;
            }
        }
        leased.extend(world.lanes.taken().into_iter().map(|taken| taken.delivery));
        for delivery in &leased {
            let event = world.views.event(account, delivery.event).await.unwrap().unwrap();
            assert!(!event.is_forgotten(), "{delivery:?}");
            assert!(world.state(delivery).await.is_pending());
        }
    }
    assert!(gone > 9 && refused > 3, "too little happened: {gone} {refused}");
}
