//! What becomes of endpoints: late answers, warnings, sweeps, probes.

use domain::endpoint::{Dialect, Endpoint, Status};
use domain::health::Health;
use domain::request::Callbacks;
use domain::time::{DAY_MS, HOUR_MS};
use engine::endpoints::{EndpointPatch, NewEndpoint, NewProfile};
use sim::{Crew, Mood, Verb};
use store::{
    Commit, DeliveryFilter, EndpointRow, EventFilter, Guarded, Page, Store as _, TimerKind, Write,
};

use crate::stage::{crew, endpoint, post, send};

const HOST: &str = "hook.example.net";
const OTHER: &str = "other.example.net";

async fn with_endpoint(name: &str, new: NewEndpoint) -> (Crew, Endpoint) {
    let crew = crew(&format!("endpoints-{name}")).await;
    let new = NewEndpoint {
        url: format!("https://{HOST}/"),
        events: Some(vec!["custom.*".to_owned()]),
        ..new
    };
    let endpoint = endpoint(&crew, new).await;
    (crew, endpoint)
}

async fn patch(crew: &Crew, endpoint: &Endpoint, patch: EndpointPatch) {
    crew.engine().unwrap().update_endpoint(crew.account, endpoint.id, patch).await.unwrap();
}

async fn row(crew: &Crew, endpoint: &Endpoint) -> EndpointRow {
    let views = crew.engine().unwrap().views().endpoint(crew.account, endpoint.id).await;
    views.unwrap().unwrap()
}

/// What is asked once, and never again.
fn once() -> NewEndpoint {
    let profile = Some(NewProfile::Waits { name: None, waits_s: Some(Vec::new()) });
    NewEndpoint { profile, ..NewEndpoint::default() }
}

/// Posts events and makes an attempt for each, in moods that follow each other; all are settled at once.
async fn attempt_together(crew: &mut Crew, moods: &[Mood]) {
    for _ in moods {
        post(crew, "a").await;
    }
    crew.lease().await.unwrap();
    for _ in moods {
        assert!(crew.begin().unwrap());
    }
    for mood in moods {
        crew.world.feels(HOST, *mood);
        assert!(crew.finish().await.unwrap());
    }
    crew.catch_up().await.unwrap();
}

/// Counts what was said so.
async fn said(crew: &Crew, name: &str) -> usize {
    let filter = EventFilter { names: vec![name.to_owned()], ..EventFilter::default() };
    let page = Page { limit: 100, after: None };
    crew.engine().unwrap().views().events(crew.account, filter, page).await.unwrap().len()
}

#[tokio::test]
async fn what_a_former_url_answers_late_leaves_the_new_one_alone() {
    for profile in ["standard", "ironclad"] {
        let named = Some(NewProfile::Named(profile.to_owned()));
        let new = NewEndpoint { profile: named, ..NewEndpoint::default() };
        let (mut crew, endpoint) = with_endpoint(&format!("url-{profile}"), new).await;
        crew.world.feels(HOST, Mood::Status(410));
        post(&crew, "a").await;
        crew.lease().await.unwrap();
        assert!(crew.begin().unwrap());
        let url = Some(format!("https://{OTHER}/"));
        patch(&crew, &endpoint, EndpointPatch { url, ..EndpointPatch::default() }).await;
        crew.catch_up().await.unwrap();
        assert_eq!(crew.world.heard(HOST).len(), 1, "{profile}");
        assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::Enabled, "{profile}");
        post(&crew, "b").await;
        crew.catch_up().await.unwrap();
        assert_eq!(crew.world.heard(OTHER).len(), 1, "{profile}");
    }
}

#[tokio::test]
async fn what_ends_while_it_is_swept_does_not_wait_for_ever() {
    let (mut crew, endpoint) = with_endpoint("swept", NewEndpoint::default()).await;
    crew.world.feels(HOST, Mood::Status(500));
    post(&crew, "a").await;
    crew.lease().await.unwrap();
    assert!(crew.attempt().await.unwrap());
    let status = Some(Status::Disabled);
    patch(&crew, &endpoint, EndpointPatch { status, ..EndpointPatch::default() }).await;
    let (engine, store) = (crew.engine().unwrap(), crew.store().unwrap());
    store.hold_next_answer(Verb::Commit);
    let meanwhile = async {
        store.answer_held().await;
        crew.settle().await.unwrap();
        store.let_answer_go();
    };
    let (swept, ()) = tokio::join!(engine.step_timers(), meanwhile);
    assert_eq!(swept.unwrap(), 1);
    crew.pass_days(1).await.unwrap();
    let page = Page { limit: 9, after: None };
    let rows = engine.views().deliveries(crew.account, DeliveryFilter::default(), page).await;
    assert_eq!(rows.unwrap()[0].delivery.state.as_str(), "cancelled");
}

#[tokio::test]
async fn each_warning_is_given_once_however_much_fails_together() {
    let (mut crew, _) = with_endpoint("warned", once()).await;
    let began = crew.engine().unwrap().now();
    attempt_together(&mut crew, &[Mood::Status(500)]).await;
    for (days, warnings) in [(1, 1), (3, 2)] {
        crew.clock.reach(began.plus_millis(days * DAY_MS + HOUR_MS));
        attempt_together(&mut crew, &[Mood::Status(500); 5]).await;
        assert_eq!(said(&crew, "endpoint.failing").await, warnings);
    }
}

#[tokio::test]
async fn nobody_is_warned_of_an_endpoint_that_is_well_again() {
    for days in [1, 5] {
        let (mut crew, endpoint) = with_endpoint(&format!("well-{days}"), once()).await;
        let began = crew.engine().unwrap().now();
        attempt_together(&mut crew, &[Mood::Status(500); 9]).await;
        crew.clock.reach(began.plus_millis(days * DAY_MS + HOUR_MS));
        attempt_together(&mut crew, &[Mood::Status(500), Mood::Well]).await;
        assert_eq!(said(&crew, "endpoint.failing").await, 0);
        let row = row(&crew, &endpoint).await;
        assert_eq!((row.health, row.endpoint.status), (Health::default(), Status::Enabled));
    }
}

#[tokio::test]
async fn who_wants_what_is_rare_is_probed_in_a_busy_account() {
    let crew = crew("endpoints-rare").await;
    let new = NewEndpoint {
        url: format!("https://{HOST}/"),
        events: Some(vec!["custom.rare".to_owned()]),
        ..NewEndpoint::default()
    };
    let (endpoint, mut crew) = (endpoint(&crew, new).await, crew);
    crew.world.feels(HOST, Mood::Status(410));
    post(&crew, "rare").await;
    crew.catch_up().await.unwrap();
    assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::DisabledBySystem);
    for _ in 0..150 {
        post(&crew, "often").await;
    }
    crew.world.heal();
    crew.pass_days(2).await.unwrap();
    assert_eq!(crew.world.heard(HOST).len(), 2, "one probe");
    assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::Enabled);
}

/// Makes one attempt, and loses the store right behind its settlement.
async fn settle_and_no_more(crew: &mut Crew) {
    crew.lease().await.unwrap();
    assert!(crew.attempt().await.unwrap());
    crew.store().unwrap().fails_after(Verb::Commit, 0, 1);
    crew.settle().await.unwrap_err();
}

#[tokio::test]
async fn what_an_answer_says_of_its_endpoint_is_done_though_the_store_goes_away_behind_the_settlement()
 {
    let (mut crew, endpoint) = with_endpoint("behind", NewEndpoint::default()).await;
    crew.world.feels(HOST, Mood::Status(410));
    post(&crew, "a").await;
    settle_and_no_more(&mut crew).await;
    assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::Enabled);
    assert!(crew.settle().await.unwrap());
    assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::DisabledBySystem);
    crew.world.heal();
    crew.catch_up().await.unwrap();
    let engine = crew.engine().unwrap();
    crew.clock.reach(engine.now().plus_millis(DAY_MS));
    assert_eq!(engine.step_timers().await.unwrap(), 1, "the probe");
    settle_and_no_more(&mut crew).await;
    assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::DisabledBySystem);
    assert!(crew.settle().await.unwrap());
    assert_eq!(row(&crew, &endpoint).await.endpoint.status, Status::Enabled);
    assert!(!crew.settle().await.unwrap());
    assert_eq!(said(&crew, "endpoint.enabled").await, 1);
}

/// Sends a request with a URL of its own and so many without, turns that URL's endpoint off as the system does, and
/// lets it be probed; gives how often it was called meanwhile, and how it stands.
async fn probe_callback(crew: &mut Crew, others: usize) -> (usize, Status) {
    let status_url = Some(format!("https://{HOST}/?a=##Action##"));
    send(crew, Some(Callbacks { status_url, ..Callbacks::default() })).await;
    for _ in 0..others {
        send(crew, None).await;
    }
    crew.catch_up().await.unwrap();
    let (engine, origin) = (crew.engine().unwrap(), format!("https://{HOST}"));
    let found = engine.views().callback_endpoint(crew.account, Dialect::Esaw, origin).await;
    let EndpointRow { endpoint, version, .. } = found.unwrap().unwrap();
    let value = Endpoint { status: Status::DisabledBySystem, ..endpoint.clone() };
    let mut commit = Commit::new(crew.account, engine.now());
    commit.writes.push(Write::Endpoint(Guarded { version, value }));
    commit.writes.push(Write::Timer(TimerKind::Probe, endpoint.id.bits(), Some(engine.now())));
    crew.store().unwrap().commit(commit).await.unwrap();
    let before = crew.world.heard(HOST).len();
    assert_eq!(engine.step_timers().await.unwrap(), 1);
    crew.catch_up().await.unwrap();
    (crew.world.heard(HOST).len() - before, row(crew, &endpoint).await.endpoint.status)
}

#[tokio::test]
async fn a_requests_own_url_is_probed_with_what_that_request_has_to_say() {
    let mut crew = crew("endpoints-callback").await;
    assert_eq!(probe_callback(&mut crew, 3).await, (1, Status::Enabled));
}

#[tokio::test]
async fn a_requests_own_url_that_nothing_can_be_said_to_is_taken_for_back() {
    let mut crew = crew("endpoints-nothing").await;
    assert_eq!(probe_callback(&mut crew, 100).await, (0, Status::Enabled));
    assert_eq!(said(&crew, "endpoint.enabled").await, 1);
}
