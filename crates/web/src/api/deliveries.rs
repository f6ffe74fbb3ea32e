//! Deliveries: where they stand, every attempt, again or not any more.

use domain::call::Outcome;
use domain::chain::Hash;
use domain::delivery::{Attempt, State as Standing};
use domain::id::DeliveryId;
use domain::key::Scope;
use engine::problem::Problem as Page;
use serde_json::{Value, json};
use store::{DeliveryFilter, DeliveryRow};

use crate::answer;
use crate::api::Nothing;
use crate::auth::{Caller, Path};
use crate::idempotency;
use crate::input::Input;
use crate::page::Query;
use crate::problem::{Answer, Halt, Problem};

/// `GET /deliveries`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Deliveries)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    let filter = DeliveryFilter {
        endpoint: query.take("endpoint_id", "the id of an endpoint"),
        event: query.take("event_id", "the id of an event"),
        state: query.one_of("state", &["pending", "delivered", "exhausted", "cancelled"]),
    };
    query.done()?;
    let rows = caller.engine().views().deliveries(caller.account(), filter, window.page()).await?;
    Ok(answer::ok(&window.list(&rows, |row| row.delivery.id.bits(), shown)))
}

/// `GET /deliveries/{id}`.
pub(crate) async fn read(Path(id): Path<DeliveryId>, caller: Caller) -> Answer {
    caller.may(Scope::Deliveries)?;
    Ok(answer::ok(&found(&caller, id).await?))
}

/// `POST /deliveries/{id}/retry`.
pub(crate) async fn retry(Path(id): Path<DeliveryId>, input: Input) -> Answer {
    input.may(Scope::Deliveries)?;
    let once = input.once().await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let retried = engine.retry_delivery(account, id).await?;
    let shown = (202, json!({"delivery_id": retried}).to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

/// `POST /deliveries/{id}/cancel`.
pub(crate) async fn cancel(Path(id): Path<DeliveryId>, input: Input) -> Answer {
    input.may(Scope::Deliveries)?;
    let once = input.once().await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    engine.cancel_delivery(account, id).await?;
    let shown = (200, found(&input.caller, id).await?.to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

async fn found(caller: &Caller, id: DeliveryId) -> Result<Value, Halt> {
    let row = caller.engine().views().delivery(caller.account(), id).await?;
    let (row, attempts) = row.ok_or_else(|| Problem::not_found("delivery"))?;
    Ok(whole(&row, &attempts))
}

/// Shows a delivery with its attempts.
pub(crate) fn whole(row: &DeliveryRow, attempts: &[Attempt]) -> Value {
    let mut value = shown(row);
    if let Value::Object(members) = &mut value {
        members.insert("attempts".to_owned(), attempts.iter().map(shown_attempt).collect());
    }
    value
}

fn shown(row: &DeliveryRow) -> Value {
    let delivery = &row.delivery;
    let mut value = json!({
        "id": delivery.id,
        "account_id": delivery.account,
        "event_id": delivery.event,
        "event_type": row.event_name,
        "endpoint_id": delivery.endpoint,
        "cause": delivery.cause,
        "attempt_count": delivery.attempts,
        "created_at": delivery.created_at,
        "state": delivery.state.as_str(),
    });
    let standing = match delivery.state {
        Standing::Pending { due_at } => json!({"due_at": due_at}),
        Standing::Delivered { at } => json!({"ended_at": at}),
        Standing::Exhausted { at, why } | Standing::Cancelled { at, why } => {
            json!({"ended_at": at, "why": why, "problem": link(Page::of_ending(why))})
        }
    };
    if let (Value::Object(members), Value::Object(standing)) = (&mut value, standing) {
        members.extend(standing);
    }
    value
}

/// Shows an attempt.
pub(crate) fn shown_attempt(attempt: &Attempt) -> Value {
    let problem = match &attempt.outcome {
        Outcome::Answered(_) | Outcome::Handed(_) | Outcome::Read(_) => None,
        Outcome::Failed(failure) => Some(link(Page::of_attempt(failure.reason))),
    };
    let mut value = json!({
        "id": attempt.id,
        "number": attempt.number,
        "at": attempt.at,
        "took_ms": attempt.took_ms,
        "url": attempt.url,
        "body_digest": Hash(attempt.body_digest),
        "remote": attempt.remote,
        "outcome": attempt.outcome,
    });
    if let (Value::Object(members), Some(problem)) = (&mut value, problem) {
        members.insert("problem".to_owned(), problem.into());
    }
    value
}

fn link(page: Page) -> String {
    format!("/problems/{}", page.number())
}
