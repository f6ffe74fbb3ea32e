//! Replays: asked for here, stepped elsewhere.
//!
//! Invariant: a job has an end before it starts; its types are canonical names and custom patterns, whatever the dialect.
//! Left to others: stepping it (`replay_step`), what it counts (`domain::replay`).

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use domain::endpoint::{Dialect, Status as EndpointStatus};
use domain::event::Kind;
use domain::id::{AccountId, EndpointId, ReplayId};
use domain::replay::{RATE_DEFAULT, Replay, Status, Wanted};
use domain::time::Timestamp;
use serde::Deserialize;
use store::{Commit, TimerKind, Write};

use crate::Engine;
use crate::check::{self, Flaws};
use crate::command::{Once, Refusal};

/// The most types of a replay.
const TYPES_MAX: usize = 100;
/// The highest rate of a replay.
const RATE_MAX: u32 = 10_000;

/// What is to be told again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NewReplay {
    /// From that moment on; required.
    pub since: Option<Timestamp>,
    /// Up to that moment, itself excluded; absent, or later than now, means all that has happened so far.
    pub until: Option<Timestamp>,
    /// Only these types, in the dialect's words or canonically; empty means all that the endpoint can be told.
    pub types: Vec<String>,
    /// Only events whose last delivery stands there; empty means any.
    pub states: BTreeSet<Wanted>,
    /// Deliveries made per second at most, 1 to 10,000.
    pub rate: Option<u32>,
    /// Whether it only counts.
    pub dry_run: bool,
}

impl Engine {
    /// Starts a job that tells an endpoint events again.
    pub async fn start_replay(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        input: NewReplay,
        once: &Once<'_, Replay>,
    ) -> Result<Replay, Refusal> {
        self.refuse_known(account, once).await?;
        let endpoint = self.load_endpoint(account, endpoint).await?.endpoint;
        let status = endpoint.status;
        if status != EndpointStatus::Enabled {
            let message = format!("an endpoint that is {} cannot replay", status.as_str());
            return Err(Refusal::Impossible { message, possible: vec!["enable"] });
        }
        let now = self.now();
        let id = ReplayId::new(self.mint(now));
        let replay = replay((account, id), (endpoint.id, endpoint.dialect), input, now)?;
        let writes = vec![
            Write::Replay(replay.clone()),
            Write::Timer(TimerKind::Replay, id.bits(), Some(now)),
        ];
        let reply = once.reply(&replay);
        let commit = Commit { writes, reply, ..Commit::new(account, now) };
        self.commit(commit).await.map_err(|fault| once.refusal(fault))?;
        Ok(replay)
    }
}

/// Checks what is asked for.
fn replay(
    ids: (AccountId, ReplayId),
    endpoint: (EndpointId, Dialect),
    input: NewReplay,
    now: Timestamp,
) -> Result<Replay, Refusal> {
    let mut flaws = Flaws::default();
    // What happened in this very millisecond belongs to what has happened so far; and so does what happened before the
    // clock stepped back, since ids only rise.
    let latest = now.max(ids.1.minted_at()).plus_millis(1);
    let until = input.until.unwrap_or(latest).min(latest);
    let since = input.since.unwrap_or(until);
    if since >= until {
        flaws.note("since", "expected a moment in the past, before `until`");
    }
    let (endpoint, dialect) = endpoint;
    let rate = flaws.take("rate", check::within(input.rate, 1, RATE_MAX));
    let types = take_types(&mut flaws, dialect, &input.types);
    flaws.none()?;
    let (account, id) = ids;
    Ok(Replay {
        id,
        account,
        endpoint,
        since,
        until,
        types,
        states: input.states,
        rate: rate.unwrap_or(RATE_DEFAULT),
        dry_run: input.dry_run,
        status: Status::Running,
        matched: 0,
        sent: 0,
        skipped: BTreeMap::new(),
        cursor: None,
        created_at: now,
        finished_at: None,
    })
}

/// Turns types in the dialect's words, or canonical ones, into canonical names and custom patterns, each once.
fn take_types(flaws: &mut Flaws, dialect: Dialect, types: &[String]) -> Vec<String> {
    if types.len() > TYPES_MAX {
        flaws.note("types", format!("expected at most {TYPES_MAX} types"));
        return Vec::new();
    }
    let mut taken: Vec<String> = Vec::new();
    for (index, name) in types.iter().enumerate() {
        let canonical = Kind::of(name).filter(|kind| *kind != Kind::Custom);
        match (dialects::subscribe(dialect, slice::from_ref(name)), canonical) {
            (Ok(wants), _) => {
                taken.extend(wants.kinds.into_iter().map(|kind| kind.as_str().to_owned()));
                taken.extend(wants.custom);
            }
            (Err(_), Some(kind)) => taken.push(kind.as_str().to_owned()),
            (Err(unknown), None) => flaws.note(format!("types[{index}]"), unknown.to_string()),
        }
    }
    taken.sort_unstable();
    taken.dedup();
    taken
}

#[cfg(test)]
mod tests {
    use domain::id;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn check(dialect: Dialect, input: NewReplay) -> Result<Replay, Refusal> {
        let ids = (AccountId::new(1), ReplayId::new(2));
        replay(ids, (EndpointId::new(3), dialect), input, NOW)
    }

    fn since(millis: i64) -> NewReplay {
        NewReplay { since: Some(Timestamp::from_millis(millis)), ..NewReplay::default() }
    }

    fn paths(refused: Result<Replay, Refusal>) -> Vec<String> {
        match refused {
            Err(Refusal::Invalid(flaws)) => flaws.into_iter().map(|flaw| flaw.path).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_ends_at_what_has_happened_so_far() {
        let far = NewReplay { until: Some(NOW.plus_seconds(60)), ..since(0) };
        for input in [since(0), far, since(1_000_000)] {
            assert_eq!(check(Dialect::Standard, input).unwrap().until, NOW.plus_millis(1));
        }
    }

    #[test]
    fn what_happened_before_the_clock_stepped_back_has_happened() {
        let before = NOW.plus_seconds(60);
        let ids = (AccountId::new(1), ReplayId::new(id::lowest(before)));
        let far = NewReplay { until: Some(NOW.plus_seconds(90)), ..since(0) };
        for input in [since(0), far] {
            let replay = replay(ids, (EndpointId::new(3), Dialect::Standard), input, NOW);
            assert_eq!(replay.unwrap().until, before.plus_millis(1));
        }
    }

    #[test]
    fn a_span_goes_forward_and_types_are_known() {
        let input = NewReplay {
            until: Some(Timestamp::from_millis(5)),
            types: vec!["request.sent".to_owned(), "request.lost".to_owned()],
            rate: Some(0),
            ..since(5)
        };
        assert_eq!(paths(check(Dialect::Standard, input)), ["since", "rate", "types[1]"]);
        assert_eq!(paths(check(Dialect::Standard, NewReplay::default())), ["since"]);
    }

    #[test]
    fn types_become_canonical() {
        let names = ["request_complete", "request.sent", "request_sent"].map(str::to_owned);
        let replay = check(Dialect::Clickwrap, NewReplay { types: names.into(), ..since(0) });
        assert_eq!(replay.unwrap().types, ["request.completed", "request.sent"]);
        let names = ["custom.a.*", "contact.*"].map(str::to_owned);
        let replay = check(Dialect::Standard, NewReplay { types: names.into(), ..since(0) });
        let expected = ["contact.created", "contact.deleted", "contact.updated", "custom.a.*"];
        assert_eq!(replay.unwrap().types, expected);
    }
}
