//! The lanes by themselves: turns, windows, rates, bytes; and order, through the whole engine.
//!
//! Invariant: what was admitted is started, given back, or taken back, and what was refused is asked for again.

mod books;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::call::Method;
use domain::delivery::{Cause, Delivery, State};
use domain::endpoint::{Dialect, Endpoint, Ordering, Scope, Secrets, Signing, Status};
use domain::event::{Event, Kind};
use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
use domain::retry::Profile;
use domain::subscription::Subscription;
use domain::time::Timestamp;
use engine::Lanes;
use engine::endpoints::{NewEndpoint, NewProfile};
use sim::{Dice, Mood};
use store::{Lanes as _, Lease};

use crate::stage::{crew, endpoint as register, posted};

const ACCOUNT: AccountId = AccountId::new(1);
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ARRIVED: State = State::Delivered { at: NOW };
/// Bytes of an event that is not about bytes.
const SMALL: usize = 100;

fn endpoint(number: u128) -> Endpoint {
    Endpoint {
        id: EndpointId::new(number),
        account: ACCOUNT,
        url: format!("https://{number}.example.net/"),
        description: None,
        dialect: Dialect::Standard,
        profile: Profile::named("standard").unwrap(),
        wants: Subscription::default(),
        method: Method::Post,
        signing: Signing::Hmac,
        ordering: Ordering::None,
        rate_limit: None,
        max_in_flight: 10,
        timeout_s: 15,
        status: Status::Enabled,
        scope: Scope::Registered,
        created_at: NOW,
        updated_at: NOW,
        secrets: Secrets::default(),
    }
}

fn event(bytes: usize) -> Arc<Event> {
    Arc::new(Event {
        id: EventId::new(7),
        account: ACCOUNT,
        kind: Kind::Custom,
        name: "custom.a".into(),
        at: NOW,
        request: None,
        order_key: None,
        key: None,
        data: "x".repeat(bytes),
        test: false,
        callbacks: Vec::new(),
        link: None,
    })
}

fn lease(endpoint: &Arc<Endpoint>, number: u128, event: &Arc<Event>) -> Lease {
    let delivery = Delivery {
        id: DeliveryId::new(number),
        account: ACCOUNT,
        event: event.id,
        endpoint: endpoint.id,
        cause: Cause::Event,
        state: State::Pending { due_at: NOW },
        attempts: 0,
        created_at: NOW,
    };
    Lease { delivery, event: Arc::clone(event), endpoint: Arc::clone(endpoint) }
}

/// Admits so many at most, and takes them; gives how many there was room for.
fn fill(lanes: &Lanes, endpoint: &Arc<Endpoint>, numbers: impl Iterator<Item = u128>) -> usize {
    let (mut count, event) = (0, event(SMALL));
    for number in numbers {
        let lease = lease(endpoint, number, &event);
        if !lanes.admit(endpoint, Lease::bytes(&lease.event)) {
            break;
        }
        lanes.take(vec![lease]);
        count += 1;
    }
    count
}

/// Starts what has its turn; gives whose turn it was, and which delivery.
fn start_all(lanes: &Lanes, now: Timestamp) -> Vec<(EndpointId, DeliveryId)> {
    let mut started = Vec::new();
    while let Ok(work) = lanes.next(now) {
        started.push((work.endpoint.id, work.lease.delivery.id));
    }
    started
}

fn end_and_settle(lanes: &Lanes, id: EndpointId, accepted: bool) {
    let state = if accepted { ARRIVED } else { State::Pending { due_at: NOW.plus_seconds(5) } };
    lanes.ended(id, accepted);
    lanes.settled(id, state, SMALL + 512);
}

#[test]
fn lanes_take_turns_however_much_waits_in_one() {
    let lanes = Lanes::default();
    let endpoints = [1, 2, 3].map(|number| Arc::new(endpoint(number)));
    for (endpoint, count) in endpoints.iter().zip([6, 1, 3]) {
        assert_eq!(fill(&lanes, endpoint, 0..count), usize::try_from(count).unwrap());
    }
    let turns: Vec<u128> = start_all(&lanes, NOW).iter().map(|(id, _)| id.bits()).collect();
    assert_eq!(turns, [1, 2, 3, 1, 3, 1, 3, 1, 1, 1]);
}

#[test]
fn a_lane_starts_no_more_than_its_endpoint_allows_and_the_oldest_first() {
    let lanes = Lanes::default();
    let endpoint = Arc::new(Endpoint { max_in_flight: 3, ..endpoint(1) });
    assert_eq!(fill(&lanes, &endpoint, 0..100), 6);
    let ids = |numbers: &[u128]| -> Vec<_> {
        numbers.iter().map(|number| (endpoint.id, DeliveryId::new(*number))).collect()
    };
    assert_eq!(start_all(&lanes, NOW), ids(&[0, 1, 2]));
    lanes.ended(endpoint.id, true);
    assert_eq!(start_all(&lanes, NOW), ids(&[3]));
}

#[test]
fn nothing_starts_while_too_much_that_ended_is_not_settled() {
    let lanes = Lanes::default();
    let endpoints: Vec<_> = (1..=5_000).map(|number| Arc::new(endpoint(number))).collect();
    let mut ended = Vec::new();
    for endpoint in &endpoints {
        assert_eq!(fill(&lanes, endpoint, 0..1), 1);
        let started = start_all(&lanes, NOW);
        for (id, _) in &started {
            lanes.ended(*id, true);
        }
        ended.extend(started);
    }
    assert_eq!(ended.len(), 4_096);
    lanes.settled(ended[0].0, ARRIVED, SMALL + 512);
    assert_eq!(start_all(&lanes, NOW).len(), 904);
}

#[test]
fn a_window_opens_slowly_and_closes_after_ten_failures_in_a_row() {
    let lanes = Lanes::default();
    let endpoint = Arc::new(endpoint(1));
    let room = |from: u128| fill(&lanes, &endpoint, from..from + 10_000);
    assert_eq!(room(0), 20, "a new lane holds twice what it may have under way");
    for round in 0..24 {
        assert_eq!(lanes.under_way_of(endpoint.id).0, 20 + round * 20);
        for _ in start_all(&lanes, NOW) {
            end_and_settle(&lanes, endpoint.id, true);
        }
        room(10_000 * (round as u128 + 1));
    }
    let open = 10 * 2 + 10 * 48;
    assert_eq!(lanes.under_way_of(endpoint.id).0, open, "it opens up to a bound");
    assert_eq!(start_all(&lanes, NOW).len(), 10);
    for _ in 0..9 {
        end_and_settle(&lanes, endpoint.id, false);
    }
    assert!(lanes.surplus().is_empty(), "nine failures are bad luck");
    end_and_settle(&lanes, endpoint.id, false);
    assert_eq!(lanes.surplus().len(), open - 10 - 5, "the tenth leaves what may be under way");
    assert_eq!(room(1_000_000), 0);
}

#[test]
fn an_endpoint_keeps_its_rate_to_the_millisecond() {
    for rate in [1, 3, 5, 7, 100, 999] {
        let lanes = Lanes::default();
        let endpoint =
            Arc::new(Endpoint { rate_limit: Some(rate), max_in_flight: 100, ..endpoint(1) });
        let (mut now, mut starts, mut number) = (NOW, Vec::new(), 0);
        while now < NOW.plus_seconds(10) {
            number += u128::try_from(fill(&lanes, &endpoint, number..number + 50)).unwrap();
            match lanes.next(now) {
                Ok(_) => {
                    starts.push(now.millis_since(NOW));
                    end_and_settle(&lanes, endpoint.id, true);
                }
                Err(wake_at) => {
                    assert_eq!(wake_at, lanes.next_rest());
                    let wake_at = wake_at.unwrap();
                    assert!(wake_at > now, "a rest that is over would spin");
                    now = wake_at;
                }
            }
        }
        let step_us = 1_000_000 / i64::from(rate);
        for (index, at) in starts.iter().enumerate() {
            // A tenth of a second may come at once; from there on, each has its own moment.
            let due_us = step_us * i64::try_from(index).unwrap() - 100_000;
            let late_us = at * 1_000 - due_us.max(0);
            assert!((0..=1_000).contains(&late_us), "{rate} a second: number {index} at {at} ms");
        }
        let count = u32::try_from(starts.len()).unwrap();
        assert!(count >= rate * 10 && count <= rate * 10 + rate / 10 + 1, "{rate}: {count}");
    }
}

#[test]
fn a_rate_that_was_not_used_is_not_saved_up() {
    let lanes = Lanes::default();
    let endpoint = Arc::new(Endpoint { rate_limit: Some(100), ..endpoint(1) });
    fill(&lanes, &endpoint, 0..1);
    assert_eq!(start_all(&lanes, NOW).len(), 1);
    end_and_settle(&lanes, endpoint.id, true);
    fill(&lanes, &endpoint, 10..30);
    let later = NOW.plus_seconds(3_600);
    let mut started = 0;
    while lanes.next(later).is_ok() {
        started += 1;
        end_and_settle(&lanes, endpoint.id, true);
    }
    assert_eq!(started, 11, "a tenth of a second's worth, and the present one");
}

#[test]
fn a_lane_that_rests_holds_up_nobody() {
    let lanes = Lanes::default();
    let slow = Arc::new(Endpoint { rate_limit: Some(1), ..endpoint(1) });
    let quick = Arc::new(endpoint(2));
    assert_eq!((fill(&lanes, &slow, 0..5), fill(&lanes, &quick, 5..10)), (5, 5));
    let whose: Vec<u128> = start_all(&lanes, NOW).iter().map(|(id, _)| id.bits()).collect();
    assert_eq!(whose, [1, 2, 2, 2, 2, 2]);
}

#[test]
fn a_failing_lane_hands_back_its_surplus_and_asks_for_it_again() {
    let lanes = Lanes::default();
    let endpoint = Arc::new(endpoint(1));
    assert_eq!(fill(&lanes, &endpoint, 0..100), 20);
    assert!(lanes.surplus().is_empty(), "a lane that did not fail keeps what it has");
    assert_eq!(start_all(&lanes, NOW).len(), 10);
    for _ in 0..10 {
        lanes.ended(endpoint.id, false);
    }
    let back: Vec<u128> = lanes.surplus().iter().map(|(_, id)| id.bits()).collect();
    assert_eq!(back, (10..20).rev().collect::<Vec<_>>(), "the youngest go back");
    assert_eq!(lanes.leased_bytes(), 10 * (SMALL + 512));
    for _ in 0..10 {
        lanes.settled(endpoint.id, State::Pending { due_at: NOW.plus_seconds(60) }, SMALL + 512);
    }
    assert_eq!((lanes.leased_bytes(), lanes.under_way_of(endpoint.id)), (0, (0, 0)));
    assert_eq!(lanes.asks(NOW), Ok(vec![endpoint.id]), "what went back is still due");
    // It fails on: one attempt at a time, and one success opens it again.
    assert_eq!(fill(&lanes, &endpoint, 20..100), 5);
    for _ in start_all(&lanes, NOW) {
        end_and_settle(&lanes, endpoint.id, false);
    }
    assert_eq!(fill(&lanes, &endpoint, 30..100), 1);
    assert_eq!(start_all(&lanes, NOW).len(), 1);
    end_and_settle(&lanes, endpoint.id, true);
    assert!(fill(&lanes, &endpoint, 40..100) > 1);
}

#[test]
fn leased_work_never_outgrows_its_bytes_and_whoever_was_refused_is_asked_for() {
    const BYTES: usize = 256 * 1_024;
    const BYTES_MAX: usize = 64 * 1_024 * 1_024;
    let lanes = Lanes::default();
    let endpoints: Vec<_> = (0..60).map(|number| Arc::new(endpoint(number))).collect();
    let event = event(BYTES - 512);
    let mut refused = BTreeSet::new();
    let mut number = 0;
    for endpoint in &endpoints {
        for _ in 0..10 {
            let lease = lease(endpoint, number, &event);
            if lanes.admit(endpoint, Lease::bytes(&lease.event)) {
                lanes.take(vec![lease]);
                number += 1;
            } else {
                refused.insert(endpoint.id);
            }
            assert!(lanes.leased_bytes() <= BYTES_MAX);
        }
    }
    assert_eq!(number, 256);
    // Twelve have what they want, and fill almost half; then each has little, until nothing is left.
    assert_eq!(refused.len(), 60 - 12);
    assert_eq!(lanes.under_way_of(EndpointId::new(12)).0, 8);
    assert_eq!(lanes.under_way_of(EndpointId::new(13)).0, 4);
    assert_eq!(lanes.under_way_of(EndpointId::new(59)).0, 0);
    let mut asked = BTreeSet::new();
    loop {
        let started = start_all(&lanes, NOW);
        if started.is_empty() {
            break;
        }
        for (id, _) in started {
            lanes.ended(id, true);
            lanes.settled(id, ARRIVED, BYTES);
        }
        asked.extend(lanes.asks(NOW).unwrap_or_default());
    }
    assert_eq!(lanes.leased_bytes(), 0);
    assert_eq!(asked, refused);
}

#[test]
fn lanes_that_hang_with_much_at_hand_leave_memory_for_others() {
    let lanes = Lanes::default();
    let large = event(256 * 1_024);
    for number in 0..40 {
        let endpoint = Arc::new(endpoint(number));
        while lanes.admit(&endpoint, Lease::bytes(&large)) {
            lanes.take(vec![lease(&endpoint, 0, &large)]);
        }
    }
    start_all(&lanes, NOW);
    for number in 40..1_000 {
        let endpoint = Arc::new(endpoint(number));
        assert_eq!(fill(&lanes, &endpoint, 0..10), 10, "lane {number}");
    }
}

#[test]
fn a_lane_that_holds_something_is_not_asked_for_before_there_is_memory() {
    for (bytes, lanes_max) in [(256 * 1_024, 7), (256 * 1_024, 100), (600 * 1_024, 100)] {
        let lanes = Lanes::default();
        let large = event(bytes);
        let mut last = None;
        for number in 0..lanes_max {
            let endpoint = Arc::new(endpoint(number));
            while lanes.admit(&endpoint, Lease::bytes(&large)) {
                lanes.take(vec![lease(&endpoint, 0, &large)]);
            }
            last = Some(endpoint);
        }
        let last = last.unwrap();
        lanes.asks(NOW).unwrap_or_default();
        lanes.note_next_due(last.id, NOW, NOW);
        let asked = lanes.asks(NOW);
        assert!(asked.is_err(), "{bytes} bytes in {lanes_max} lanes: {asked:?}");
        lanes.hint(vec![last.id]);
        assert!(
            lanes.asks(NOW).is_err(),
            "others told of it, and there is no more room than before"
        );
    }
}

#[test]
fn without_memory_nothing_is_asked_for_until_some_is_free() {
    let lanes = Lanes::default();
    let large = event(16 << 20);
    for number in 0..3 {
        let endpoint = Arc::new(endpoint(number));
        assert!(lanes.admit(&endpoint, Lease::bytes(&large)));
        lanes.take(vec![lease(&endpoint, 0, &large)]);
    }
    let hungry = Arc::new(endpoint(9));
    for second in 0..10 {
        let now = NOW.plus_seconds(second);
        assert!(!lanes.admit(&hungry, Lease::bytes(&large)));
        lanes.note_next_due(hungry.id, NOW, now);
        assert_eq!(lanes.asks(now), Err(Some(now.plus_seconds(1))), "it would be refused again");
        assert_eq!(lanes.asks(now.plus_seconds(1)), Ok(vec![hungry.id]));
    }
    assert!(!lanes.admit(&hungry, Lease::bytes(&large)));
    let (first, _) = start_all(&lanes, NOW)[0];
    lanes.ended(first, true);
    lanes.settled(first, ARRIVED, Lease::bytes(&large));
    assert_eq!(lanes.asks(NOW), Ok(vec![hungry.id]), "there is memory now");
    assert!(lanes.admit(&hungry, Lease::bytes(&large)));
}

#[test]
fn what_was_refused_is_asked_for_again_once_it_can_be_seen() {
    let lanes = Lanes::default();
    let endpoint = Arc::new(endpoint(1));
    let held = fill(&lanes, &endpoint, 0..100);
    let empty = || {
        while lanes.under_way_of(endpoint.id) != (0, 0) {
            for (id, _) in start_all(&lanes, NOW) {
                end_and_settle(&lanes, id, true);
            }
        }
    };
    empty();
    assert_eq!(lanes.asks(NOW), Ok(vec![endpoint.id]), "{held} were held");
    assert_eq!(lanes.asks(NOW), Err(None), "nothing was there yet");
    lanes.left_due(BTreeSet::from([endpoint.id]));
    assert_eq!(lanes.asks(NOW), Ok(vec![endpoint.id]));
    // With much at hand it is soon enough when that has gone.
    assert!(fill(&lanes, &endpoint, 100..200) > held);
    lanes.asks(NOW).unwrap_or_default();
    lanes.left_due(BTreeSet::from([endpoint.id]));
    assert_eq!(lanes.asks(NOW), Err(None));
    empty();
    assert_eq!(lanes.asks(NOW), Ok(vec![endpoint.id]));
}

#[test]
fn lanes_that_are_closed_take_nothing_and_give_back_what_waits() {
    let lanes = Lanes::default();
    let endpoint = Arc::new(endpoint(1));
    assert_eq!(fill(&lanes, &endpoint, 0..15), 15);
    let started: BTreeSet<DeliveryId> =
        start_all(&lanes, NOW).into_iter().map(|(_, id)| id).collect();
    let back: BTreeSet<DeliveryId> = lanes.close().into_iter().map(|(_, id)| id).collect();
    assert!(started.is_disjoint(&back));
    assert_eq!(started.len() + back.len(), 15);
    assert!(!lanes.admit(&endpoint, 1));
    assert!(lanes.next(NOW).is_err());
}

#[tokio::test]
async fn order_is_kept_through_failures_and_crashes() {
    const HOST: &str = "order.example.net";
    const KEYS: usize = 6;
    const EACH: usize = 15;
    let mut crew = crew("order").await;
    let waits = NewProfile::Waits { name: None, waits_s: Some(vec![1; 100]) };
    let new = NewEndpoint {
        url: format!("https://{HOST}/"),
        ordering: Ordering::Request,
        profile: Some(waits),
        ..NewEndpoint::default()
    };
    register(&crew, new).await;
    crew.world.feels(HOST, Mood::Flapping(50));
    let mut dice = Dice::new(3);
    for number in 0..KEYS * EACH {
        let (key, turn) = (number % KEYS, number / KEYS);
        posted(&crew, "a", &format!(r#"{{"key":{key},"turn":{turn}}}"#), Some(key)).await;
        for _ in 0..dice.below(4) {
            crew.lease().await.unwrap();
            crew.attempt().await.unwrap();
            if dice.percent(60) {
                crew.settle().await.unwrap();
            }
        }
        if dice.percent(15) {
            crew.restart().await.unwrap();
        }
    }
    assert!(crew.pass_days(1).await.unwrap());
    let mut told: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let heard = crew.world.heard(HOST);
    let failed = heard.iter().filter(|heard| !heard.taken).count();
    for heard in heard.iter().filter(|heard| heard.taken) {
        let body = String::from_utf8(heard.body.clone()).unwrap();
        let number = |name: &str| -> usize {
            let (_, rest) = body.split_once(&format!(r#""{name}":"#)).unwrap();
            rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
        };
        told.entry(number("key")).or_default().push(number("turn"));
    }
    assert!(failed > 20 && told.len() == KEYS, "{failed}");
    for (key, turns) in told {
        // A crash between an attempt and its settlement tells one again; it never goes back behind it.
        let mut once = turns.clone();
        once.dedup();
        assert_eq!(once, (0..EACH).collect::<Vec<_>>(), "key {key}: {turns:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_found_no_room_is_told_once_there_is_some() {
    const GREEDY: usize = 80;
    let mut crew = crew("room").await;
    let greedy = |number: usize| NewEndpoint {
        url: format!("https://{number}.example.net/"),
        events: Some(vec!["custom.large".to_owned()]),
        ..NewEndpoint::default()
    };
    for number in 0..GREEDY {
        register(&crew, greedy(number)).await;
    }
    let modest = NewEndpoint {
        url: "https://modest.example.net/".to_owned(),
        events: Some(vec!["custom.small".to_owned()]),
        ..NewEndpoint::default()
    };
    register(&crew, modest).await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(250_000));
    for _ in 0..15 {
        posted(&crew, "large", &large, None).await;
    }
    posted(&crew, "small", &format!(r#"{{"text":"{}"}}"#, "x".repeat(200_000)), None).await;
    let bytes = crew.engine().unwrap().lanes().leased_bytes();
    assert!(bytes > 63 << 20, "everything is full: {bytes}");
    assert!(crew.pass_days(1).await.unwrap());
    for number in 0..GREEDY {
        assert_eq!(crew.world.heard(&format!("{number}.example.net")).len(), 15);
    }
    assert_eq!(crew.world.heard("modest.example.net").len(), 1);
}
