//! Every profile's waits, to the second, on the engine's own clock.

use domain::endpoint::{Dialect, Status};
use domain::event::Event;
use domain::retry::Profile;
use engine::endpoints::{NewEndpoint, NewProfile};
use sim::{Crew, Mood};
use store::{DeliveryFilter, EventFilter, Page};

use crate::stage::{crew, endpoint, post};

const HOST: &str = "hook.example.net";

async fn with_profile(name: &str) -> Crew {
    let crew = crew(&format!("profile-{name}")).await;
    let new = NewEndpoint {
        url: format!("https://{HOST}/"),
        dialect: Dialect::Standard,
        profile: Some(NewProfile::Named(name.to_owned())),
        events: Some(vec!["custom.*".to_owned()]),
        ..NewEndpoint::default()
    };
    endpoint(&crew, new).await;
    crew
}

/// Seconds between the attempts that a failing endpoint sees.
async fn waits(name: &str, mood: Mood) -> Vec<i64> {
    let mut crew = with_profile(name).await;
    crew.world.feels(HOST, mood);
    post(&crew, "x").await;
    crew.pass_days(10).await.unwrap();
    let heard = crew.world.heard(HOST);
    heard.windows(2).map(|pair| pair[1].at.millis_since(pair[0].at) / 1_000).collect()
}

#[tokio::test]
async fn a_failing_endpoint_sees_exactly_the_waits_of_its_profile() {
    for name in ["clickwrap", "ironclad", "ironclad-2026", "insertsign", "esaw"] {
        let expected = Profile::named(name).unwrap();
        let expected: Vec<i64> = expected.waits_s.iter().map(|wait| i64::from(*wait)).collect();
        assert_eq!(waits(name, Mood::Status(500)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_standard_waits_stay_within_their_jitter() {
    let seen = waits("standard", Mood::Status(500)).await;
    let profile = Profile::named("standard").unwrap();
    assert_eq!(seen.len(), profile.waits_s.len());
    for (seen, wait) in seen.iter().zip(profile.waits_s.iter()) {
        let (wait, seen) = (i64::from(*wait), *seen);
        assert!(seen >= wait * 9 / 10 - 1 && seen <= wait * 11 / 10, "{seen} s for {wait} s");
    }
}

#[tokio::test]
async fn retry_after_lengthens_a_wait_and_never_shortens_it() {
    assert_eq!(waits("ironclad", Mood::Later(3_600)).await[..3], [3_600, 3_600, 3_600]);
    assert_eq!(waits("ironclad", Mood::Later(3)).await[..3], [60, 120, 240]);
}

#[tokio::test]
async fn insertsign_takes_200_alone_and_asks_once() {
    assert_eq!(waits("insertsign", Mood::Status(204)).await, Vec::<i64>::new());
    let crew = with_profile("insertsign").await;
    crew.world.feels(HOST, Mood::Status(204));
    let mut crew = crew;
    post(&crew, "x").await;
    crew.catch_up().await.unwrap();
    let page = Page { limit: 10, after: None };
    let engine = crew.engine().unwrap();
    let rows =
        engine.views().deliveries(crew.account, DeliveryFilter::default(), page).await.unwrap();
    assert_eq!(rows[0].delivery.state.as_str(), "exhausted");
}

#[tokio::test]
async fn an_ironclad_endpoint_that_answers_410_is_gone() {
    for (profile, expected) in [
        ("ironclad", Status::Deleted),
        ("ironclad-2026", Status::DisabledBySystem),
        ("standard", Status::DisabledBySystem),
        ("clickwrap", Status::Enabled),
        ("esaw", Status::Enabled),
    ] {
        let mut crew = with_profile(profile).await;
        crew.world.feels(HOST, Mood::Status(410));
        post(&crew, "x").await;
        crew.catch_up().await.unwrap();
        let engine = crew.engine().unwrap();
        let page = Page { limit: 10, after: None };
        let deliveries =
            engine.views().deliveries(crew.account, DeliveryFilter::default(), page).await.unwrap();
        let id = deliveries[0].delivery.endpoint;
        let row = engine.views().endpoint(crew.account, id).await.unwrap().unwrap();
        assert_eq!(row.endpoint.status, expected, "{profile}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_for_five_days_is_warned_of_disabled_probed_and_revived() {
    let mut crew = with_profile("standard").await;
    crew.world.feels(HOST, Mood::Status(500));
    let names = |events: Vec<Event>| -> Vec<String> {
        events
            .iter()
            .rev()
            .filter(|e| e.kind.is_operational())
            .map(|e| e.name.to_string())
            .collect()
    };
    for day in 0..6 {
        post(&crew, &format!("day-{day}")).await;
        crew.pass_days(1).await.unwrap();
    }
    let engine = crew.engine().unwrap();
    let page = Page { limit: 100, after: None };
    let events = engine.views().events(crew.account, EventFilter::default(), page).await.unwrap();
    let said: Vec<String> =
        names(events).into_iter().filter(|n| n != "delivery.exhausted").collect();
    assert_eq!(said, ["endpoint.failing", "endpoint.failing", "endpoint.disabled"]);

    let before = crew.world.heard(HOST).len();
    post(&crew, "while-off").await;
    crew.world.feels(HOST, Mood::Well);
    crew.pass_days(2).await.unwrap();
    assert_eq!(crew.world.heard(HOST).len(), before + 1, "one probe");
    let events = engine.views().events(crew.account, EventFilter::default(), page).await.unwrap();
    assert_eq!(names(events).last().map(String::as_str), Some("endpoint.enabled"));
}
