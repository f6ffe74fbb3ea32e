//! A replay over more than ten thousand deliveries that stand in every way: what is asked for is told, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use domain::delivery::{Cause, State};
use domain::endpoint::{Endpoint, Status};
use domain::id::EventId;
use domain::replay::{Replay, Skip, Status as Standing, Wanted};
use domain::time::Timestamp;
use engine::endpoints::{EndpointPatch, NewEndpoint, NewProfile};
use engine::events::NewEvent;
use engine::replays::NewReplay;
use engine::{Once, Patch};
use sim::{Crew, Heard, Mood};
use store::{DeliveryFilter, Page};

use crate::stage::{crew, endpoint};

const HOST: &str = "hook.example.net";
const NAMES: [&str; 3] = ["custom.a", "custom.b.x", "custom.b.y"];
/// Events in one commit.
const BATCH: usize = 500;

/// An event as it should stand with the endpoint.
#[derive(Debug, Clone, Copy)]
struct Known {
    name: &'static str,
    at: Timestamp,
    stands: Wanted,
}

struct Stage {
    crew: Crew,
    endpoint: Endpoint,
    known: BTreeMap<EventId, Known>,
}

fn waits(waits_s: &[u32]) -> NewProfile {
    NewProfile::Waits { name: None, waits_s: Some(waits_s.to_vec()) }
}

impl Stage {
    /// Posts events that come to stand somewhere.
    async fn post(&mut self, count: usize, stands: Wanted) {
        post(&self.crew, &mut self.known, count, stands).await;
    }

    async fn patch(&self, patch: EndpointPatch) {
        let (engine, account) = (self.crew.engine().unwrap(), self.crew.account);
        engine.update_endpoint(account, self.endpoint.id, patch).await.unwrap();
    }

    async fn turn(&self, status: Status) {
        self.patch(EndpointPatch { status: Some(status), ..EndpointPatch::default() }).await;
    }

    /// Passes a minute in which everything is done that can be.
    async fn settle_down(&mut self) {
        self.crew.catch_up().await.unwrap();
        let until = self.crew.engine().unwrap().now().plus_seconds(60);
        while let Some(due) = self.crew.next_due().unwrap().filter(|due| *due <= until) {
            self.crew.clock.reach(due);
            self.crew.catch_up().await.unwrap();
        }
        self.crew.clock.reach(until);
    }

    /// Makes 12,500 events: missed, delivered, exhausted, cancelled, and still pending.
    async fn set(name: &str) -> Self {
        let crew = crew(&format!("replay-{name}")).await;
        let mut known = BTreeMap::new();
        post(&crew, &mut known, 1_000, Wanted::Missed).await;
        let new = NewEndpoint {
            url: format!("https://{HOST}/"),
            events: Some(vec!["custom.*".to_owned()]),
            max_in_flight: Some(100),
            profile: Some(waits(&[])),
            ..NewEndpoint::default()
        };
        let endpoint = endpoint(&crew, new).await;
        let mut stage = Self { crew, endpoint, known };
        stage.settle_down().await;
        stage.post(6_000, Wanted::Delivered).await;
        stage.settle_down().await;
        stage.crew.world.feels(HOST, Mood::Status(500));
        stage.post(2_000, Wanted::Exhausted).await;
        stage.settle_down().await;
        stage.post(1_500, Wanted::Cancelled).await;
        stage.turn(Status::Disabled).await;
        stage.settle_down().await;
        stage.post(1_000, Wanted::Missed).await;
        stage.settle_down().await;
        let profile = Patch::Set(waits(&[604_800, 604_800]));
        stage.patch(EndpointPatch { profile, ..EndpointPatch::default() }).await;
        stage.turn(Status::Enabled).await;
        stage.post(1_000, Wanted::Pending).await;
        stage.settle_down().await;
        stage.crew.world.heal();
        stage
    }

    async fn start(&self, input: NewReplay) -> Replay {
        let (engine, account) = (self.crew.engine().unwrap(), self.crew.account);
        engine.start_replay(account, self.endpoint.id, input, &Once::unkept()).await.unwrap()
    }

    /// Looks at a replay, and whether it adds up.
    async fn look(&self, replay: &Replay) -> Replay {
        let engine = self.crew.engine().unwrap();
        let replay = engine.views().replay(self.crew.account, replay.id).await.unwrap().unwrap();
        assert_eq!(replay.matched, replay.sent + replay.skipped_total(), "{replay:?}");
        replay
    }

    /// Carries a replay to its end, and looks at it after every step.
    async fn finish(&mut self, replay: Replay) -> Replay {
        let mut before = self.look(&replay).await;
        while before.status == Standing::Running {
            if let Some(due) = self.crew.next_due().unwrap() {
                self.crew.clock.reach(due);
            }
            let _stepped: bool = self.crew.timers().await.unwrap();
            let now = self.look(&replay).await;
            assert!(now.matched >= before.matched && now.cursor >= before.cursor);
            before = now;
            while self.crew.lease().await.unwrap() | self.crew.attempt().await.unwrap() {}
            let _settled: bool = self.crew.settle().await.unwrap();
        }
        self.crew.catch_up().await.unwrap();
        before
    }

    /// Gives what the replay should tell, and what it should pass over.
    fn expected(&self, of: &NewReplay) -> (BTreeSet<EventId>, u64) {
        let fits = |known: &Known| {
            let since = of.since.unwrap();
            let type_fits = of.types.is_empty()
                || of.types.iter().any(|wanted| match wanted.strip_suffix('*') {
                    Some(prefix) => known.name.starts_with(prefix),
                    None => known.name == wanted,
                });
            let in_time = known.at >= since && of.until.is_none_or(|until| known.at < until);
            type_fits && in_time && (of.states.is_empty() || of.states.contains(&known.stands))
        };
        let fitting: Vec<_> = self.known.iter().filter(|(_, known)| fits(known)).collect();
        let told = fitting.iter().filter(|(_, known)| known.stands != Wanted::Pending);
        let told: BTreeSet<EventId> = told.map(|(id, _)| **id).collect();
        let skipped = (fitting.len() - told.len()) as u64;
        (told, skipped)
    }

    /// Gives the events of the deliveries that a replay made, each as often as it was made.
    async fn made_by(&self, replay: &Replay) -> Vec<EventId> {
        let engine = self.crew.engine().unwrap();
        let mut page = Page { limit: 1_000, after: None };
        let mut made = Vec::new();
        loop {
            let filter = DeliveryFilter::default();
            let rows = engine.views().deliveries(self.crew.account, filter, page).await.unwrap();
            for delivery in rows.iter().map(|row| &row.delivery) {
                if delivery.cause == (Cause::Replay { id: replay.id }) {
                    assert!(matches!(delivery.state, State::Delivered { .. }), "{delivery:?}");
                    made.push(delivery.event);
                }
            }
            let Some(last) = rows.last() else { return made };
            page.after = Some(last.delivery.id.bits());
        }
    }
}

async fn post(crew: &Crew, known: &mut BTreeMap<EventId, Known>, count: usize, stands: Wanted) {
    let engine = crew.engine().unwrap();
    for batch in 0..count / BATCH {
        let at = engine.now();
        let new = |number: usize| NewEvent {
            name: NAMES[number % 3].to_owned(),
            data: format!(r#"{{"batch":{batch},"number":{number}}}"#),
            id: None,
            order_key: None,
        };
        let events = (0..BATCH).map(new).collect();
        let noted = engine.post_events(crew.account, events, &Once::unkept()).await.unwrap();
        for (number, noted) in noted.iter().enumerate() {
            known.insert(noted.id, Known { name: NAMES[number % 3], at, stands });
        }
        crew.clock.reach(at.plus_millis(7));
    }
}

/// Gives what was heard since, event by event.
fn heard_since(crew: &Crew, count: usize) -> BTreeMap<EventId, Vec<Heard>> {
    let mut heard: BTreeMap<EventId, Vec<Heard>> = BTreeMap::new();
    for heard_one in crew.world.heard(HOST).split_off(count) {
        heard.entry(heard_one.event.parse().unwrap()).or_default().push(heard_one);
    }
    heard
}

fn states(states: &[Wanted]) -> BTreeSet<Wanted> {
    states.iter().copied().collect()
}

#[tokio::test]
async fn a_replay_tells_exactly_what_was_asked_for_and_a_dry_run_counts_it() {
    let mut stage = Stage::set("filters").await;
    let times: BTreeSet<Timestamp> = stage.known.values().map(|known| known.at).collect();
    let times: Vec<Timestamp> = times.into_iter().collect();
    let all = || NewReplay { since: Some(times[0]), rate: Some(10_000), ..NewReplay::default() };
    let types = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let asked = [
        NewReplay { states: states(&[Wanted::Missed]), ..all() },
        NewReplay { states: states(&[Wanted::Exhausted]), types: types(&["custom.a"]), ..all() },
        NewReplay {
            states: states(&[Wanted::Cancelled, Wanted::Pending]),
            types: types(&["custom.b.*"]),
            ..all()
        },
        NewReplay { since: Some(times[12]), until: Some(times[15]), ..all() },
        NewReplay { states: states(&[Wanted::Pending]), ..all() },
        NewReplay {
            since: Some(times[5].plus_millis(1)),
            states: states(&[Wanted::Exhausted, Wanted::Cancelled]),
            ..all()
        },
    ];
    for input in asked {
        let (told, skipped) = stage.expected(&input);
        let before = stage.crew.world.heard(HOST).len();
        let dry = stage.start(NewReplay { dry_run: true, ..input.clone() }).await;
        let dry = stage.finish(dry).await;
        assert_eq!(stage.crew.world.heard(HOST).len(), before, "a dry run tells nobody");
        let real = stage.start(input.clone()).await;
        let real = stage.finish(real).await;
        assert_eq!((real.matched, real.sent), (dry.matched, dry.sent), "{input:?}");
        assert_eq!(real.skipped, dry.skipped, "{input:?}");
        assert_eq!((real.sent, real.skipped_total()), (told.len() as u64, skipped), "{input:?}");
        assert_eq!(real.skipped.get(&Skip::StillPending).copied().unwrap_or(0), skipped);
        let heard = heard_since(&stage.crew, before);
        assert!(heard.values().all(|heard| heard.len() == 1), "{input:?}");
        assert_eq!(heard.into_keys().collect::<BTreeSet<_>>(), told, "{input:?}");
        for id in told {
            stage.known.get_mut(&id).unwrap().stands = Wanted::Delivered;
        }
    }
}

#[tokio::test]
async fn a_replay_that_crashes_on_its_way_repeats_nothing_and_skips_nothing() {
    let mut stage = Stage::set("crash").await;
    let first = stage.crew.world.heard(HOST);
    let since = stage.known.values().map(|known| known.at).min();
    let input = NewReplay { since, rate: Some(10_000), ..NewReplay::default() };
    let (told, skipped) = stage.expected(&input);
    assert!(told.len() > 10_000 && skipped == 1_000, "{} {skipped}", told.len());
    let replay = stage.start(input).await;
    let (mut steps, mut lost) = (0, 0);
    while stage.look(&replay).await.status == Standing::Running {
        steps += 1;
        if let Some(due) = stage.crew.next_due().unwrap() {
            stage.crew.clock.reach(due);
        }
        // Each step is cut off in another way: by a store that is away before or after its commit, or by a crash.
        stage.crew.store_fails(if steps % 3 == 0 { 50 } else { 0 });
        drop(stage.crew.timers().await);
        stage.crew.store_fails(0);
        for _ in 0..50 {
            let _attempted: bool = stage.crew.attempt().await.unwrap();
        }
        if steps % 4 == 0 {
            lost += stage.crew.under_way();
            stage.crew.restart().await.unwrap();
        }
        stage.crew.catch_up().await.unwrap();
    }
    stage.settle_down().await;
    let replay = stage.look(&replay).await;
    assert_eq!((replay.sent, replay.skipped_total()), (told.len() as u64, skipped));
    let made = stage.made_by(&replay).await;
    assert_eq!(made.len(), told.len(), "each delivery is made once");
    assert_eq!(made.into_iter().collect::<BTreeSet<_>>(), told);

    let heard = heard_since(&stage.crew, first.len());
    assert_eq!(heard.keys().copied().collect::<BTreeSet<_>>(), told);
    let twice: usize = heard.values().map(|heard| heard.len() - 1).sum();
    assert!(lost > 0 && twice <= lost, "{twice} told twice, {lost} were under way at a crash");
    let header = |heard: &Heard, name: &str| -> String {
        heard.headers.iter().find(|(known, _)| known == name).unwrap().1.clone()
    };
    for old in &first {
        let id: EventId = old.event.parse().unwrap();
        let Some(again) = heard.get(&id) else { continue };
        for new in again {
            assert_eq!(new.body, old.body);
            assert_eq!(header(new, "webhook-id"), header(old, "webhook-id"));
            assert!(header(new, "webhook-timestamp") > header(old, "webhook-timestamp"));
            assert_ne!(header(new, "webhook-signature"), header(old, "webhook-signature"));
        }
    }
}
