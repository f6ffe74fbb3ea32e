//! Nothing that was acknowledged is lost when the process is killed.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;

use domain::delivery::{Cause, State};
use domain::endpoint::{Endpoint, Scope};
use domain::event::Event;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId, NoticeId, RequestId};
use domain::notice::Notice;
use store::conformance::{Recorder, World, chains};
use store::{
    Audience, Commit, DeliveryFilter, Guarded, NewDelivery, Page, Said, Settlement, Write,
};
use tokio::task::{self, JoinSet};

use crate::folder::{Folder, open_in};

const ROUNDS: u64 = 20;
const FOLDER: &str = "STORE_TEST_FOLDER";
const ROUND: &str = "STORE_TEST_ROUND";
const ACCOUNT: AccountId = AccountId::new(1);
/// What notices go through.
const LANE: EndpointId = EndpointId::new(2);
const ALL: Page = Page { limit: 1_000_000, after: None };

/// What was acknowledged in all rounds.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    requests: BTreeSet<RequestId>,
    events: BTreeSet<EventId>,
    settled: BTreeSet<DeliveryId>,
    notices: BTreeSet<NoticeId>,
}

fn note<T: FromStr + Ord>(into: &mut BTreeSet<T>, text: &str) {
    into.extend(text.parse().ok());
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        // A line that was cut by the kill has no end, and promises nothing.
        let Some(line) = line.strip_suffix('\n') else { return };
        match line.rsplit_once("ack ").and_then(|(_, ack)| ack.split_once(' ')) {
            Some(("request", id)) => note(&mut self.requests, id),
            Some(("event", id)) => note(&mut self.events, id),
            Some(("settled", id)) => note(&mut self.settled, id),
            Some(("notice", id)) => note(&mut self.notices, id),
            Some(_) | None => {}
        }
    }

    /// Counts all of it.
    pub(crate) fn count(&self) -> usize {
        self.requests.len() + self.events.len() + self.settled.len() + self.notices.len()
    }

    /// Takes what another one has noted.
    pub(crate) fn join(&mut self, other: &mut Self) {
        self.requests.append(&mut other.requests);
        self.events.append(&mut other.events);
        self.settled.append(&mut other.settled);
        self.notices.append(&mut other.notices);
    }

    pub(crate) async fn check(&self, world: &World) {
        for id in &self.events {
            assert!(world.views.event(ACCOUNT, *id).await.unwrap().is_some(), "{id} is lost");
            let filter = DeliveryFilter { event: Some(*id), ..DeliveryFilter::default() };
            assert_eq!(world.deliveries(ACCOUNT, filter).await.len(), 1, "{id}");
        }
        for id in &self.settled {
            let (row, attempts) = world.views.delivery(ACCOUNT, *id).await.unwrap().unwrap();
            assert!(matches!(row.delivery.state, State::Delivered { .. }), "{row:?}");
            assert_eq!(attempts.len(), 1);
        }
        for id in &self.requests {
            let entries = world.views.timeline(ACCOUNT, *id, ALL).await.unwrap();
            chains::verify(*id, &entries);
        }
        self.check_notices(world).await;
    }

    /// Every notice that was acknowledged is there, and each that is there has its delivery, acknowledged or not.
    async fn check_notices(&self, world: &World) {
        for id in &self.notices {
            assert!(world.views.notice(ACCOUNT, *id).await.unwrap().is_some(), "{id} is lost");
        }
        let filter = DeliveryFilter { endpoint: Some(LANE), ..DeliveryFilter::default() };
        let deliveries = world.views.deliveries(ACCOUNT, filter, ALL).await.unwrap();
        let causes: BTreeSet<NoticeId> = deliveries
            .iter()
            .filter_map(|row| match row.delivery.cause {
                Cause::Notice { id } => Some(id),
                Cause::Event | Cause::Replay { .. } | Cause::Test | Cause::Probe => None,
            })
            .collect();
        let notices = world.views.notices(ACCOUNT, None, ALL).await.unwrap();
        assert_eq!(notices.iter().map(|notice| notice.id).collect::<BTreeSet<_>>(), causes);
    }
}

/// Makes the command of a child that commits in a folder until it is killed.
pub(crate) fn child(folder: &Path, round: u64) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["kill::a_child_that_commits_until_it_is_killed", "--exact", "--ignored"])
        .arg("--nocapture")
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Reads a line of a child, and notes what it acknowledges; `false` at the end.
pub(crate) fn listen(lines: &mut impl BufRead, acknowledged: &mut Acknowledged) -> bool {
    let mut line = String::new();
    let is_there = lines.read_line(&mut line).unwrap() > 0;
    acknowledged.note(&line);
    is_there
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = Folder::new();
    let mut acknowledged = Acknowledged::default();
    for round in 1..=ROUNDS {
        let mut child = child(folder.path(), round).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let acks = 5 + round * 37 % 101;
        for _ in 0..acks {
            assert!(listen(&mut lines, &mut acknowledged), "the child ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while listen(&mut lines, &mut acknowledged) {}
        let world = open_in(folder.path(), Recorder::new(), 1_000 + round, ()).unwrap();
        acknowledged.check(&world).await;
    }
    let Acknowledged { requests, events, settled, notices } = &acknowledged;
    assert!(notices.len() > 50, "{}", notices.len());
    assert_eq!(requests.len() as u64, ROUNDS);
    assert!(events.len() > 100 && settled.len() > 50, "{} {}", events.len(), settled.len());
}

#[expect(clippy::print_stdout, reason = "the parent reads what is acknowledged")]
fn acknowledge(noun: &str, id: &impl ToString) {
    println!("ack {noun} {}", id.to_string());
}

/// Commits an event, and says so.
async fn say(world: Arc<World>, request: Option<RequestId>, seconds: i64) {
    let event = match request {
        Some(request) => {
            let event = world.event_at(ACCOUNT, "signer.viewed", seconds);
            Event { request: Some(request), ..event }
        }
        None => world.event_at(ACCOUNT, "custom.a", seconds),
    };
    let id = event.id;
    let events = vec![Said { event, audience: Audience::Subscribers }];
    let commit = Commit { events, ..Commit::new(ACCOUNT, id.minted_at()) };
    world.store.commit(commit).await.unwrap();
    acknowledge("event", &id);
}

/// Commits an event with a notice of it, and says so.
async fn tell(world: &World, request: RequestId, seconds: i64) {
    let event = world.event_at(ACCOUNT, "signer.notified", seconds);
    let event = Event { request: Some(request), ..event };
    let id = NoticeId::new(world.id_at(seconds));
    let notice = Notice { id, event: event.id, ..world.notice(ACCOUNT, request) };
    let (endpoint, cause, due_at) = (LANE, Cause::Notice { id }, event.at);
    let mut commit = Commit::new(ACCOUNT, event.at);
    commit.writes.push(Write::Notice(Guarded { version: 0, value: notice }));
    commit.deliveries.push(NewDelivery { event: event.id, endpoint, cause, due_at });
    commit.events.push(Said { event, audience: Audience::Subscribers });
    world.store.commit(commit).await.unwrap();
    acknowledge("notice", &id);
}

/// Settles what the lanes hold, and says so.
async fn settle(world: &World) {
    let taken = world.lanes.taken();
    let state = State::Delivered { at: ACCOUNT.minted_at() };
    let settlements = taken.iter().map(|taken| Settlement {
        request: taken.event.request,
        ..world.settlement(&taken.delivery, state)
    });
    world.settle(settlements.collect()).await;
    for taken in &taken {
        acknowledge("settled", &taken.delivery.id);
    }
}

#[tokio::test]
#[ignore = "a part of the test above"]
async fn a_child_that_commits_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round = env::var_os(ROUND).and_then(|round| round.to_str()?.parse::<u64>().ok()).unwrap();
    commit_for_ever(&folder, round).await;
}

async fn commit_for_ever(folder: &Path, round: u64) {
    let world = Arc::new(open_in(folder, Recorder::new(), round, ()).unwrap());
    let start = i64::try_from(round).unwrap() * 1_000_000;
    // Ids of one round rise from a moment of their own.
    let mut request = world.request(ACCOUNT);
    request.id = RequestId::new(world.id_at(start));
    let write =
        Write::Request(Box::new(Guarded { version: 0, value: request.clone() }), Vec::new());
    world.write(ACCOUNT, vec![write]).await.unwrap();
    acknowledge("request", &request.id);
    if round == 1 {
        world.register(world.endpoint(ACCOUNT)).await;
        let endpoint = world.endpoint(ACCOUNT);
        world.register(Endpoint { id: LANE, scope: Scope::Notices, ..endpoint }).await;
    }
    for wave in 0_i64.. {
        let mut said = JoinSet::new();
        for number in 0..8 {
            let request = (number % 2 == 0).then_some(request.id);
            said.spawn(say(Arc::clone(&world), request, start + wave));
        }
        task::yield_now().await;
        tell(&world, request.id, start + wave).await;
        settle(&world).await;
        said.join_all().await;
    }
}
