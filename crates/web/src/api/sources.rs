//! Sources: the places that vendors' webhooks come in at, and their inboxes.
//!
//! Invariant: a secret is never shown whole; what came in is shown as it is kept, with secret headers masked.
//! Left to others: what each vendor needs, proving, keeping and reading what comes in (`engine`).

use domain::delivery::State as Standing;
use domain::facts::Arrival;
use domain::id::{EventId, SourceId};
use domain::key::Scope;
use domain::source::{Source, Vendor};
use engine::Once;
use engine::problem::Problem as Page;
use engine::sources::{self, Arrived, NewSource, SourcePatch};
use serde_json::{Value, json};

use crate::answer;
use crate::api::Nothing;
use crate::auth::{Caller, Path};
use crate::idempotency;
use crate::input::Input;
use crate::page::{List, Query};
use crate::problem::{Answer, Problem};
use crate::state::State;

/// `POST /sources`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let new: NewSource = input.json("NewSource")?;
    let state = &input.caller.state;
    let show = |source: &Source| (201, shown(state, source).to_string());
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let source = engine.create_source(account, new, &once).await?;
    Ok(answer::json(show(&source)))
}

/// `GET /sources`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    let rows = caller.engine().sources(caller.account()).await?;
    let shown = rows.iter().map(|source| shown(&caller.state, source));
    Ok(answer::ok(&List::whole(shown.collect())))
}

/// `GET /sources/{id}`.
pub(crate) async fn read(Path(id): Path<SourceId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let source = caller.engine().source(caller.account(), id).await?;
    Ok(answer::ok(&shown(&caller.state, &source)))
}

/// `PATCH /sources/{id}`.
pub(crate) async fn update(Path(id): Path<SourceId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let patch: SourcePatch = input.json("SourcePatch")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let source = engine.update_source(account, id, patch).await?;
    Ok(answer::ok(&shown(&input.caller.state, &source)))
}

/// `DELETE /sources/{id}`.
pub(crate) async fn delete(Path(id): Path<SourceId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    caller.engine().delete_source(caller.account(), id).await?;
    Ok(answer::nothing())
}

/// `GET /source-vendors`.
pub(crate) async fn vendors(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    let vendor =
        |vendor: &Vendor| json!({"vendor": vendor, "fields": sources::vendor_fields(*vendor)});
    Ok(answer::ok(&List::whole(Vendor::ALL.iter().map(vendor).collect())))
}

/// `GET /sources/{id}/inbox`.
pub(crate) async fn inbox(Path(id): Path<SourceId>, caller: Caller) -> Answer {
    caller.may(Scope::Events)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    let state = query.one_of("state", &["done", "waiting", "quarantined"]);
    query.done()?;
    let state = state.map(|state| delivery_state(&state).to_owned());
    let rows = caller.engine().inbox(caller.account(), id, state, window.page()).await?;
    let rows: Vec<Arrived> = rows;
    let list = window.list(&rows, |row| row.delivery.delivery.id.bits(), arrived);
    Ok(answer::ok(&list))
}

/// The most that is read again in one call.
const AGAIN_MAX: usize = 1_000;

/// `POST /sources/{id}/inbox/replay`: all that is quarantined.
pub(crate) async fn replay_all(Path(id): Path<SourceId>, input: Input) -> Answer {
    input.may(Scope::Events)?;
    let once = input.once().await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let count = engine.read_quarantined_again(account, id, AGAIN_MAX).await?;
    let shown = (202, json!({"replayed": count}).to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

/// `POST /inbox/{id}/replay`.
pub(crate) async fn replay(Path(id): Path<EventId>, input: Input) -> Answer {
    input.may(Scope::Events)?;
    let once = input.once().await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let delivery = engine.read_again(account, id).await?;
    let shown = (202, json!({"delivery_id": delivery}).to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

/// `GET /inbox/{id}`.
pub(crate) async fn arrival(Path(id): Path<EventId>, caller: Caller) -> Answer {
    caller.may(Scope::Events)?;
    let event = caller.engine().views().event(caller.account(), id).await?;
    let arrival = event.and_then(|event| serde_json::from_str::<Arrival<'_>>(&event.data).ok());
    let arrival = arrival.ok_or_else(|| Problem::not_found("arrival"))?;
    Ok(answer::ok(&json!({"id": id, "arrival": arrival})))
}

const fn inbox_state(state: &Standing) -> &'static str {
    match state {
        Standing::Pending { .. } => "waiting",
        Standing::Delivered { .. } => "done",
        Standing::Exhausted { .. } | Standing::Cancelled { .. } => "quarantined",
    }
}

fn delivery_state(state: &str) -> &'static str {
    match state {
        "waiting" => "pending",
        "done" => "delivered",
        _ => "exhausted",
    }
}

fn arrived(row: &Arrived) -> Value {
    let delivery = &row.delivery.delivery;
    let arrival: Option<Arrival<'_>> = serde_json::from_str(&row.event.data).ok();
    let why = match delivery.state {
        Standing::Exhausted { why, .. } | Standing::Cancelled { why, .. } => Some(
            json!({"why": why, "problem": format!("/problems/{}", Page::of_ending(why).number())}),
        ),
        Standing::Pending { .. } | Standing::Delivered { .. } => None,
    };
    let due_at = match delivery.state {
        Standing::Pending { due_at } => Some(due_at),
        Standing::Delivered { .. } | Standing::Exhausted { .. } | Standing::Cancelled { .. } => {
            None
        }
    };
    let word = row.last.as_ref().map(|last| &last.word).filter(|word| !word.is_empty());
    json!({
        "id": row.event.id,
        "delivery_id": delivery.id,
        "received_at": row.event.at,
        "state": inbox_state(&delivery.state),
        "readings": delivery.attempts,
        "due_at": due_at,
        "word": word,
        "note": row.last.as_ref().and_then(|last| last.note.as_ref()),
        "quarantine": why,
        "method": arrival.as_ref().map(|arrival| arrival.method),
        "query": arrival.as_ref().map(|arrival| &arrival.query),
        "headers": arrival.as_ref().map(|arrival| &arrival.headers),
        "body": arrival.as_ref().and_then(|arrival| arrival.body.as_ref()),
        "body_base64": arrival.as_ref().and_then(|arrival| arrival.body_base64.as_ref()),
    })
}

fn shown(state: &State, source: &Source) -> Value {
    let url = state.engine().intake_url(source.account, source.id);
    json!({
        "id": source.id,
        "account_id": source.account,
        "name": source.name,
        "vendor": source.vendor,
        "enabled": source.enabled,
        "settings": sources::shown(source),
        "intake_url": url,
        "instructions": instructions(source, &url),
        "refused_count": state.engine().refusals(source.id),
        "created_at": source.created_at,
        "updated_at": source.updated_at,
    })
}

/// Says what is to be set at the vendor.
fn instructions(source: &Source, url: &str) -> String {
    match source.vendor {
        Vendor::Clickwrap => format!(
            "In Ironclad Clickwrap, open Settings, Integrations, Add Hook. URL: {url} Method: POST. Secret code: the `token` of this source. Choose all request and activity events."
        ),
        Vendor::Ironclad => format!(
            "Create a webhook with POST /public/api/v1/webhooks and {{\"targetURL\": \"{url}\", \"events\": [\"*\"]}}, or in Ironclad under Company Settings, API, Webhooks."
        ),
        Vendor::Insertsign => format!(
            "In InsertSign, open Settings, Webhooks, Add an endpoint. URL: {url} Choose all events, and press Test in its menu."
        ),
        Vendor::Fintechos => format!(
            "Have the FintechOS endpoint that handles the hook pass its context on to {url} as JSON; or set WebhookUrl and WebhookStatusUrl of the sign request to {url}?envelopeId=##EnvelopeId##&recipientEmail=##RecipientEmail##&recipientOrder=##RecipientOrder##&action=##Action##"
        ),
        Vendor::Esaw => format!(
            "Set CallbackUrl and StatusUpdateCallbackUrl of each envelope (or the organisation's defaults) to {url}?envelopeId=##EnvelopeId##&action=##Action##"
        ),
    }
}
