//! Readiness is progress: what waits for us makes us unready once it is late, what waits for its own endpoint does not.

use domain::call::{Outcome, Reason};
use domain::endpoint::Status;
use domain::time::SECOND_MS;
use engine::Work;
use engine::endpoints::{EndpointPatch, NewEndpoint};
use sim::{Crew, Mood};
use store::{DeliveryFilter, Page};

use crate::stage::{crew, endpoint, post};

const HOST: &str = "hook.example.net";

async fn with_endpoint(name: &str, new: NewEndpoint) -> Crew {
    let crew = crew(&format!("ready-{name}")).await;
    endpoint(&crew, NewEndpoint { url: format!("https://{HOST}/"), ..new }).await;
    crew
}

async fn reasons(crew: &Crew) -> Vec<String> {
    let readiness = crew.engine().unwrap().readiness().await;
    assert_eq!(readiness.ready, readiness.reasons.is_empty());
    readiness.reasons
}

fn pass_seconds(crew: &Crew, seconds: i64) {
    let now = crew.engine().unwrap().now();
    crew.clock.reach(now.plus_millis(seconds * SECOND_MS));
}

#[tokio::test]
async fn work_that_is_left_lying_makes_us_unready_until_it_is_done() {
    let mut crew = with_endpoint("late", NewEndpoint::default()).await;
    assert_eq!(reasons(&crew).await, Vec::<String>::new());
    post(&crew, "a").await;
    pass_seconds(&crew, 30);
    assert_eq!(reasons(&crew).await, Vec::<String>::new(), "late, and within the bound");
    pass_seconds(&crew, 15);
    assert_eq!(reasons(&crew).await, ["the oldest due delivery is 45 s late"]);
    // A restart alone is no progress.
    crew.restart().await.unwrap();
    assert_eq!(reasons(&crew).await, ["the oldest due delivery is 45 s late"]);
    crew.catch_up().await.unwrap();
    assert_eq!(reasons(&crew).await, Vec::<String>::new());
    assert_eq!(crew.world.heard(HOST).len(), 1);
}

#[tokio::test]
async fn an_ending_that_is_not_written_makes_us_unready() {
    let mut crew = with_endpoint("unsettled", NewEndpoint::default()).await;
    post(&crew, "a").await;
    assert!(crew.attempt().await.unwrap());
    pass_seconds(&crew, 45);
    assert_eq!(reasons(&crew).await, ["the oldest due delivery is 45 s late"]);
    crew.catch_up().await.unwrap();
    assert_eq!(reasons(&crew).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_endpoint_that_fails_for_days_leaves_us_ready() {
    for mood in [Mood::Status(500), Mood::Down, Mood::Later(3_600)] {
        let mut crew = with_endpoint("failing", NewEndpoint::default()).await;
        crew.world.feels(HOST, mood);
        for _ in 0..60 {
            post(&crew, "a").await;
        }
        for _ in 0..200 {
            crew.catch_up().await.unwrap();
            assert_eq!(reasons(&crew).await, Vec::<String>::new(), "{mood:?}");
            let Some(due) = crew.next_due().unwrap() else { break };
            crew.clock.reach(due);
            assert_eq!(reasons(&crew).await, Vec::<String>::new(), "{mood:?}");
        }
    }
}

/// Starts what may start. Whoever hangs keeps it.
fn hang(crew: &Crew) -> Vec<Work> {
    let engine = crew.engine().unwrap();
    let mut works = Vec::new();
    while let Ok(work) = engine.lanes().next(engine.now()) {
        works.push(work);
    }
    works
}

#[tokio::test]
async fn an_endpoint_that_hangs_leaves_us_ready() {
    for max_in_flight in [1, 2, 3, 5, 10] {
        let new = NewEndpoint {
            max_in_flight: Some(max_in_flight),
            timeout_s: Some(30),
            ..NewEndpoint::default()
        };
        let mut crew = with_endpoint(&format!("hanging-{max_in_flight}"), new).await;
        crew.world.feels(HOST, Mood::Down);
        let engine = crew.engine().unwrap();
        for _ in 0..max_in_flight + 2 {
            post(&crew, "a").await;
        }
        let mut begun = 0;
        while begun < max_in_flight as usize + 2 {
            let works = hang(&crew);
            assert!(!works.is_empty());
            begun += works.len();
            for _ in 0..30 {
                pass_seconds(&crew, 1);
                assert_eq!(reasons(&crew).await, Vec::<String>::new(), "{max_in_flight}");
            }
            for work in works {
                let ended = engine.attempt(work).await.unwrap();
                assert_eq!(ended.settlement.attempt.number, 1);
                engine.note_ended(ended);
            }
            crew.settle().await.unwrap();
            crew.lease().await.unwrap();
        }
        assert_eq!(last_reason(&crew).await, Reason::ConnectFailed);
    }
}

async fn last_reason(crew: &Crew) -> Reason {
    let engine = crew.engine().unwrap();
    let page = Page { limit: 1, after: None };
    let rows = engine.views().deliveries(crew.account, DeliveryFilter::default(), page).await;
    let id = rows.unwrap()[0].delivery.id;
    let (_, attempts) = engine.views().delivery(crew.account, id).await.unwrap().unwrap();
    match &attempts.last().unwrap().outcome {
        Outcome::Failed(failure) => failure.reason,
        other @ (Outcome::Answered(_) | Outcome::Handed(_) | Outcome::Read(_)) => {
            panic!("{other:?}")
        }
    }
}

#[tokio::test]
async fn an_endpoint_with_a_rate_keeps_its_own_backlog() {
    let new = NewEndpoint { rate_limit: Some(1), ..NewEndpoint::default() };
    let mut crew = with_endpoint("rate", new).await;
    for _ in 0..100 {
        post(&crew, "a").await;
    }
    while crew.world.heard(HOST).len() < 100 {
        crew.catch_up().await.unwrap();
        assert_eq!(reasons(&crew).await, Vec::<String>::new());
        if let Some(due) = crew.next_due().unwrap() {
            crew.clock.reach(due);
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_off_waits_for_nobody() {
    let mut crew = with_endpoint("off", NewEndpoint::default()).await;
    crew.world.feels(HOST, Mood::Status(500));
    for _ in 0..60 {
        post(&crew, "a").await;
    }
    crew.catch_up().await.unwrap();
    let engine = crew.engine().unwrap();
    let page = Page { limit: 1, after: None };
    let id = engine.views().endpoints(crew.account, page).await.unwrap()[0].endpoint.id;
    let off = EndpointPatch { status: Some(Status::Disabled), ..EndpointPatch::default() };
    engine.update_endpoint(crew.account, id, off).await.unwrap();
    pass_seconds(&crew, 3_600);
    assert_eq!(reasons(&crew).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_cannot_write_makes_us_unready_until_it_can() {
    let crew = with_endpoint("store", NewEndpoint::default()).await;
    crew.store_fails(100);
    let said = reasons(&crew).await;
    assert_eq!(said, ["the store cannot write or read now: the simulated store is away"]);
    crew.store_fails(0);
    assert_eq!(reasons(&crew).await, Vec::<String>::new());
}
