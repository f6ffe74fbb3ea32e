//! Webhooks: registered, listed, read, changed and deleted.
//!
//! Invariant: a URL has one webhook, as far as calls do not come at the same instant.
//! Left to others: shapes (`dialects::face::ironclad::webhooks`), which URLs may be called (`engine::endpoints`).

use domain::endpoint::{Dialect, Endpoint, Status};
use domain::health::Health;
use domain::id::EndpointId;
use domain::key::Scope;
use domain::secret::Secret;
use engine::endpoints::{EndpointPatch, NewEndpoint};
use engine::face::ironclad::{Error, webhooks as face};
use engine::{Once, Patch};
use serde_json::json;
use store::EndpointRow;

use super::{Actor, Call, Paged};
use crate::answer;
use crate::auth::{Caller, Name};
use crate::page::Query;
use crate::problem::{Answer, Halt};

/// Endpoints that are read at once.
const READ_AT_ONCE: u32 = 200;
/// Endpoints that are looked through at most.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// `POST /webhooks`.
pub(crate) async fn create(call: Call) -> Answer {
    let caller = call.may(Scope::Endpoints)?;
    let key = call.once().await?;
    let wanted = face::wanted(call.bytes())?;
    let url = wanted.target_url.unwrap_or_default();
    must_be_free(caller, &url, None).await?;
    let new = NewEndpoint {
        url,
        events: wanted.events,
        dialect: Dialect::Ironclad,
        authorization: wanted.authorization.map(Secret::new),
        status: status(wanted.is_enabled.unwrap_or(true)),
        ..NewEndpoint::default()
    };
    let show = |made: &Endpoint| (201, answer::text(&face::shown(made, Health::default())));
    let once = Once { key, answer: &show };
    let made = caller.engine().create_endpoint(caller.account(), new, &once).await?;
    Ok(answer::json(show(&made)))
}

/// `GET /webhooks`.
pub(crate) async fn list(actor: Actor) -> Answer {
    let caller = actor.may(Scope::Endpoints)?;
    let mut query = Query::of(&caller.parts.uri);
    let paged = Paged::of(&mut query);
    query.done()?;
    let all = webhooks(caller).await?;
    let list: Vec<_> = paged.part(&all).map(|row| face::shown(&row.endpoint, row.health)).collect();
    // The vendor counts every other list.
    Ok(answer::ok(&json!({"page": paged.page, "pageSize": paged.size, "list": list})))
}

/// `GET /webhooks/{id}`.
pub(crate) async fn read(Name(id): Name, actor: Actor) -> Answer {
    let row = find(actor.may(Scope::Endpoints)?, &id).await?;
    Ok(answer::ok(&face::shown(&row.endpoint, row.health)))
}

/// `PATCH /webhooks/{id}`.
pub(crate) async fn update(Name(id): Name, call: Call) -> Answer {
    let caller = call.may(Scope::Endpoints)?;
    let changes = face::changes(call.bytes())?;
    let row = find(caller, &id).await?;
    if let Some(url) = &changes.target_url {
        must_be_free(caller, url, Some(row.endpoint.id)).await?;
    }
    let patch = EndpointPatch {
        url: changes.target_url,
        events: changes.events,
        authorization: changes
            .authorization
            .map_or(Patch::Keep, |text| Patch::Set(Secret::new(text))),
        status: changes.is_enabled.map(status),
        ..EndpointPatch::default()
    };
    let (engine, account) = (caller.engine(), caller.account());
    engine.update_endpoint(account, row.endpoint.id, patch).await?;
    let row = find(caller, &id).await?;
    Ok(answer::ok(&face::shown(&row.endpoint, row.health)))
}

/// `DELETE /webhooks/{id}`.
pub(crate) async fn delete(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Endpoints)?;
    let row = find(caller, &id).await?;
    drop(caller.engine().delete_endpoint(caller.account(), row.endpoint.id).await?);
    Ok(answer::nothing())
}

const fn status(is_enabled: bool) -> Status {
    if is_enabled { Status::Enabled } else { Status::Disabled }
}

/// Lists the account's endpoints in Ironclad's words, oldest last.
async fn webhooks(caller: &Caller) -> Result<Vec<EndpointRow>, Halt> {
    let (mut all, mut after, mut looked_through) = (Vec::new(), None, 0);
    loop {
        let part = store::Page { limit: READ_AT_ONCE, after };
        let rows = caller.engine().views().endpoints(caller.account(), part).await?;
        looked_through += rows.len();
        after = rows.last().map(|row| row.endpoint.id.bits());
        let is_last = rows.len() < READ_AT_ONCE as usize || looked_through >= LOOKED_THROUGH_MAX;
        all.extend(rows.into_iter().filter(|row| row.endpoint.dialect == Dialect::Ironclad));
        if is_last {
            return Ok(all);
        }
    }
}

async fn find(caller: &Caller, id: &str) -> Result<EndpointRow, Halt> {
    let is_it = |row: &EndpointRow| face::id(&row.endpoint) == id;
    let row = webhooks(caller).await?.into_iter().find(is_it);
    row.ok_or_else(|| Error { param: None, ..Error::not_found("webhook", "id") }.into())
}

/// Refuses a URL that another webhook has.
async fn must_be_free(caller: &Caller, url: &str, but: Option<EndpointId>) -> Result<(), Halt> {
    let is_other = |row: &&EndpointRow| row.endpoint.url == url && Some(row.endpoint.id) != but;
    let all = webhooks(caller).await?;
    let other = all.iter().find(is_other);
    match other {
        Some(row) => Err(face::taken(&row.endpoint.wants.names, url).into()),
        None => Ok(()),
    }
}
