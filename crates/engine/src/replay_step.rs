//! A replay, one page of the log at a time.
//!
//! Invariants: page and progress are one commit, so a crash repeats nothing and skips nothing;
//! matched = sent + skipped at every moment.
//! Left to others: starting one (`replays`), when to step (`timers`).

use domain::delivery::{Cause, State};
use domain::endpoint::{Endpoint, Status};
use domain::event::Event;
use domain::id::ReplayId;
use domain::replay::{self, Replay, Skip, Wanted};
use domain::time::{SECOND_MS, Timestamp};
use store::{Commit, NewDelivery, ReplayRow, Timer, Write};

use crate::Engine;
use crate::timers::written;

/// Events looked at in one step at most.
const PAGE: u32 = 500;

impl Engine {
    /// Carries a replay one page on.
    pub(crate) async fn step_replay(&self, timer: Timer) -> Result<(), store::Error> {
        let (account, id, now) = (timer.account, ReplayId::new(timer.subject), self.now());
        let timer = |due| Write::TimerDone(timer, due);
        let mut commit = Commit::new(account, now);
        let replay = match self.views().replay(account, id).await? {
            Some(replay) if replay.status == replay::Status::Running => replay,
            Some(_) | None => {
                commit.writes.push(timer(None));
                return written(self.commit(commit).await.map(|_committed| ()));
            }
        };
        let endpoint = self.views().endpoint(account, replay.endpoint).await?;
        let Some(endpoint) =
            endpoint.map(|row| row.endpoint).filter(|e| e.status == Status::Enabled)
        else {
            let ended =
                Replay { status: replay::Status::Stopped, finished_at: Some(now), ..replay };
            commit.writes.extend([Write::Replay(ended), timer(None)]);
            return written(self.commit(commit).await.map(|_committed| ()));
        };
        let limit = PAGE.min(replay.rate);
        let page = self.views().replay_page(replay.clone(), limit).await?;
        let through = page.len() < limit as usize;
        let (mut replay, deliveries) = advance(replay, &endpoint, &page, now);
        if through {
            replay.status = replay::Status::Done;
            replay.finished_at = Some(now);
        }
        let sent = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
        let pause_ms = sent * SECOND_MS / i64::from(replay.rate.max(1));
        commit.writes.push(timer((!through).then(|| now.plus_millis(pause_ms))));
        commit.writes.push(Write::Replay(replay));
        commit.deliveries = deliveries;
        written(self.commit(commit).await.map(|_committed| ()))
    }
}

/// Goes through a page: counts, and makes the deliveries unless the replay only counts.
fn advance(
    mut replay: Replay,
    endpoint: &Endpoint,
    page: &[ReplayRow],
    now: Timestamp,
) -> (Replay, Vec<NewDelivery>) {
    let mut deliveries = Vec::new();
    for row in page {
        replay.cursor = Some(row.event.id);
        if !fits(&replay, endpoint, row) {
            continue;
        }
        replay.matched += 1;
        if let Some(skip) = skip(endpoint, row) {
            *replay.skipped.entry(skip).or_default() += 1;
            continue;
        }
        replay.sent += 1;
        if !replay.dry_run {
            deliveries.push(NewDelivery {
                event: row.event.id,
                endpoint: endpoint.id,
                cause: Cause::Replay { id: replay.id },
                due_at: now,
            });
        }
    }
    (replay, deliveries)
}

/// Tells whether an event is one that the replay asks for.
fn fits(replay: &Replay, endpoint: &Endpoint, row: &ReplayRow) -> bool {
    let type_fits = if replay.types.is_empty() {
        endpoint.wants.matches(&row.event)
    } else {
        replay.types.iter().any(|wanted| names(endpoint, wanted, &row.event))
    };
    let stands = match row.last.as_ref().map(|delivery| delivery.state) {
        None => Wanted::Missed,
        Some(State::Pending { .. }) => Wanted::Pending,
        Some(State::Delivered { .. }) => Wanted::Delivered,
        Some(State::Exhausted { .. }) => Wanted::Exhausted,
        Some(State::Cancelled { .. }) => Wanted::Cancelled,
    };
    type_fits && (replay.states.is_empty() || replay.states.contains(&stands))
}

/// Tells whether a type of the replay names the event: by its canonical name, by a prefix and `*`, or in the
/// endpoint's own words.
fn names(endpoint: &Endpoint, wanted: &str, event: &Event) -> bool {
    if let Some(prefix) = wanted.strip_suffix('*') {
        return event.name.starts_with(prefix);
    }
    let word = dialects::dialect(endpoint.dialect).words().iter().find(|word| word.name == wanted);
    wanted == event.name || word.is_some_and(|word| word.kind == event.kind)
}

/// Says why an event that fits is not told.
fn skip(endpoint: &Endpoint, row: &ReplayRow) -> Option<Skip> {
    let pending = row.last.as_ref().is_some_and(|delivery| delivery.state.is_pending());
    if !dialects::speaks(endpoint.dialect, row.event.kind) {
        Some(Skip::NoWord)
    } else if pending {
        Some(Skip::StillPending)
    } else if row.forgotten {
        Some(Skip::Forgotten)
    } else {
        None
    }
}
