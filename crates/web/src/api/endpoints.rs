//! URLs that want events.
//!
//! Invariant: a signing secret is shown whole when it is drawn, and masked ever after; so are all other secrets.
//! Left to others: what names mean and which URLs may be called (`engine::endpoints`).

use domain::endpoint::{Endpoint, Scope as Origin, Status};
use domain::health::Health;
use domain::id::{AccountId, EndpointId};
use domain::key::Scope;
use domain::replay::Replay;
use domain::secret::Secret;
use engine::Once;
use engine::endpoints::{EndpointPatch, NewEndpoint};
use engine::replays::NewReplay;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::EndpointRow;

use crate::answer;
use crate::api::Nothing;
use crate::auth::{Caller, Path};
use crate::idempotency;
use crate::input::Input;
use crate::page::Query;
use crate::problem::{Answer, Halt, Problem};

/// `POST /endpoints`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let new: NewEndpoint = input.json("NewEndpoint")?;
    let show = |endpoint: &Endpoint| (201, shown(endpoint, None, Shown::Whole).to_string());
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let endpoint = engine.create_endpoint(account, new, &once).await?;
    Ok(answer::unkept(answer::json(show(&endpoint))))
}

/// `GET /endpoints`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    query.done()?;
    let rows = caller.engine().views().endpoints(caller.account(), window.page()).await?;
    let show = |row: &EndpointRow| shown(&row.endpoint, Some(row.health), Shown::Masked);
    Ok(answer::ok(&window.list(&rows, |row| row.endpoint.id.bits(), show)))
}

/// `GET /endpoints/{id}`.
pub(crate) async fn read(Path(id): Path<EndpointId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let row = visible(&caller, caller.account(), id).await?;
    Ok(answer::ok(&shown(&row.endpoint, Some(row.health), Shown::Masked)))
}

/// `PATCH /endpoints/{id}`.
pub(crate) async fn update(Path(id): Path<EndpointId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let patch: EndpointPatch = input.json("EndpointPatch")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let endpoint = engine.update_endpoint(account, id, patch).await?;
    Ok(answer::ok(&shown(&endpoint, None, Shown::Masked)))
}

/// `DELETE /endpoints/{id}`.
pub(crate) async fn delete(Path(id): Path<EndpointId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    drop(caller.engine().delete_endpoint(caller.account(), id).await?);
    Ok(answer::nothing())
}

#[derive(Debug, Deserialize)]
struct Test {
    event: String,
}

/// `POST /endpoints/{id}/test`.
pub(crate) async fn test(Path(id): Path<EndpointId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let once = input.once().await?;
    let Test { event } = input.json("Test")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let delivery = engine.test_endpoint(account, id, &event).await?;
    let shown = (202, json!({"delivery_id": delivery}).to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

/// `POST /endpoints/{id}/rotate-secret`.
pub(crate) async fn rotate_secret(Path(id): Path<EndpointId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    let show = |endpoint: &Endpoint| (200, shown(endpoint, None, Shown::Whole).to_string());
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let endpoint = engine.rotate_secret(account, id, &once).await?;
    Ok(answer::unkept(answer::json(show(&endpoint))))
}

/// `POST /endpoints/{id}/replay`.
pub(crate) async fn replay(Path(id): Path<EndpointId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let new: NewReplay = input.json("NewReplay")?;
    let show = |replay: &Replay| (202, answer::text(replay));
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let replay = engine.start_replay(account, id, new, &once).await?;
    Ok(answer::json(show(&replay)))
}

/// `GET /endpoints/{id}/replays`.
pub(crate) async fn replays(Path(id): Path<EndpointId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    query.done()?;
    visible(&caller, caller.account(), id).await?;
    let rows = caller.engine().views().replays(caller.account(), id, window.page()).await?;
    Ok(answer::ok(&window.list(&rows, |row| row.id.bits(), Replay::clone)))
}

/// Finds an endpoint that clients may see.
async fn visible(caller: &Caller, account: AccountId, id: EndpointId) -> Result<EndpointRow, Halt> {
    let row = caller.engine().views().endpoint(account, id).await?;
    let seen = |row: &EndpointRow| {
        row.endpoint.scope == Origin::Registered && row.endpoint.status != Status::Deleted
    };
    Ok(row.filter(seen).ok_or_else(|| Problem::not_found("endpoint"))?)
}

/// How much of the signing secret is shown.
#[derive(Clone, Copy)]
enum Shown {
    /// All of the newest one.
    Whole,
    /// Its last four characters.
    Masked,
}

fn shown(endpoint: &Endpoint, health: Option<Health>, secret: Shown) -> Value {
    let secrets = &endpoint.secrets;
    let newest = secrets.signing.first().map(|signing| match secret {
        Shown::Whole => signing.secret.expose().to_owned(),
        Shown::Masked => signing.secret.masked(),
    });
    let rotating: Vec<Value> = secrets
        .signing
        .iter()
        .skip(1)
        .map(|old| json!({"secret": old.secret.masked(), "until": old.until}))
        .collect();
    let headers: Map<String, Value> =
        secrets.headers.iter().map(|(name, value)| (name.clone(), value.masked().into())).collect();
    json!({
        "id": endpoint.id,
        "account_id": endpoint.account,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.wants.names,
        "dialect": endpoint.dialect,
        "profile": endpoint.profile,
        "method": endpoint.method,
        "signing": endpoint.signing,
        "secret": newest,
        "rotating_secrets": rotating,
        "token": secrets.token.as_ref().map(Secret::masked),
        "authorization": secrets.authorization.as_ref().map(Secret::masked),
        "headers": headers,
        "ordering": endpoint.ordering,
        "rate_limit": endpoint.rate_limit,
        "max_in_flight": endpoint.max_in_flight,
        "timeout_s": endpoint.timeout_s,
        "status": endpoint.status,
        "health": health.unwrap_or_default(),
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    })
}
