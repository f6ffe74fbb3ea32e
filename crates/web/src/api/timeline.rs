//! Everything about one request in order, as an export that can be checked without the service.
//!
//! Invariants: an entry carries every text that its digest covers, unchanged, unless that was forgotten; entries come in
//! the order of the chain.
//! Left to others: the chain (`domain::chain`), checking an export (`app`).

use domain::chain::{Hash, What};
use domain::delivery::{Attempt, Cause, Delivery};
use domain::event::Event;
use domain::id::{AttemptId, EventId, RequestId};
use domain::key::Scope;
use serde_json::{Value, json};
use store::{Page, TimelineEntry};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::page::{self, Query};
use crate::problem::{Answer, Problem};

/// The most bytes of an export, give or take one reading; the cursor gives the rest.
const EXPORT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries that are read at once.
const READ_AT_ONCE: u32 = 50;

/// `GET /requests/{id}/timeline`.
pub(crate) async fn read(Path(id): Path<RequestId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let start = query.cursor();
    query.done()?;
    let (engine, account) = (caller.engine(), caller.account());
    let mut after = start;
    let mut entries: Vec<Value> = Vec::new();
    let mut bytes = 0;
    let next_cursor = loop {
        let part = Page { limit: READ_AT_ONCE, after };
        let rows = engine.views().timeline(account, id, part).await?;
        bytes += rows.iter().map(size).sum::<usize>();
        entries.extend(rows.iter().map(shown));
        let Some(last) = rows.last().filter(|_| rows.len() >= READ_AT_ONCE as usize) else {
            break None;
        };
        after = Some(u128::from(last.link.seq));
        if bytes >= EXPORT_BYTES_MAX {
            break after.map(page::write);
        }
    };
    if entries.is_empty() && start.is_none() {
        return Err(Problem::not_found("request").into());
    }
    Ok(answer::ok(&json!({
        "format": "countersign timeline 1",
        "account_id": account,
        "request_id": id,
        "exported_at": engine.now(),
        "data": entries,
        "next_cursor": next_cursor,
    })))
}

fn size(entry: &TimelineEntry) -> usize {
    let event = entry.event.as_ref().map_or(0, |event| event.data.len());
    let attempt = entry.attempt.as_ref().map_or(0, |(_, attempt)| attempt.url.len());
    event + attempt + 512
}

fn shown(entry: &TimelineEntry) -> Value {
    let id = match entry.what {
        What::Event => EventId::new(entry.id).to_string(),
        What::Attempt => AttemptId::new(entry.id).to_string(),
    };
    json!({
        "seq": entry.link.seq,
        "hash": entry.link.hash,
        "what": entry.what,
        "id": id,
        "at": entry.at,
        "digest": entry.digest,
        "event": entry.event.as_ref().map(shown_event),
        "attempt": entry.attempt.as_ref().map(|(delivery, attempt)| shown_attempt(delivery, attempt)),
    })
}

/// Shows an event with `data` as text, so that nobody on the way lays it out anew; `null` once it was forgotten.
fn shown_event(event: &Event) -> Value {
    let data = (!event.is_forgotten()).then_some(&event.data);
    json!({"type": event.name, "data": data})
}

fn shown_attempt(delivery: &Delivery, attempt: &Attempt) -> Value {
    let (ending, detail) = (attempt.outcome.ending(), attempt.outcome.detail());
    json!({
        "delivery_id": attempt.delivery,
        "event_id": delivery.event,
        "endpoint_id": delivery.endpoint,
        "notice_id": match delivery.cause {
            Cause::Notice { id } => Some(id),
            Cause::Event | Cause::Replay { .. } | Cause::Test | Cause::Probe => None,
        },
        "number": attempt.number,
        "took_ms": attempt.took_ms,
        "url": attempt.url,
        "body_digest": Hash(attempt.body_digest),
        "ending": ending,
        "detail": detail,
        "remote": attempt.remote,
    })
}
