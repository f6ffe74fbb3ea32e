//! Ironclad's interface (`/public/api/v1`): webhooks registered, listed, read, changed and deleted with a bearer token, which is a
//! key of ours.
//!
//! Invariants: a URL has one webhook, as far as calls do not come at the same instant; pages count from 0.
//! Left to others: shapes (`dialects::face::ironclad`), which URLs may be called (`engine::endpoints`).

use axum::response::Response;
use domain::endpoint::{Dialect, Endpoint, Status};
use domain::health::Health;
use domain::id::EndpointId;
use domain::key::Scope;
use domain::secret::Secret;
use engine::endpoints::{EndpointPatch, NewEndpoint};
use engine::face::ironclad as face;
use engine::problem::Problem as Page;
use engine::{Once, Patch};
use http::StatusCode;
use serde_json::json;
use store::EndpointRow;

use crate::answer;
use crate::auth::{Caller, Path};
use crate::input::Input;
use crate::page::Query;
use crate::problem::{Answer, Halt, Problem};
use crate::vendors::{instead, known};

/// Webhooks on a page, unless the call says otherwise.
const PAGE_SIZE_DEFAULT: u32 = 20;
/// The most webhooks on a page.
const PAGE_SIZE_MAX: u32 = 100;
const SIZES: &str = "a number from 1 to 100";
/// Endpoints that are read at once.
const READ_AT_ONCE: u32 = 200;
/// Endpoints that are looked through at most.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// `POST /webhooks`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let caller = &input.caller;
    let wanted = match face::wanted(input.bytes()) {
        Ok(wanted) => wanted,
        Err(error) => return Ok(refused(&error)),
    };
    let url = wanted.target_url.unwrap_or_default();
    if let Some(error) = taken(caller, &url, None).await? {
        return Ok(refused(&error));
    }
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
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let mut query = Query::of(&caller.parts.uri);
    let page: u32 = query.take("page", "a number from 0").unwrap_or(0);
    let size: u32 = query.take("pageSize", SIZES).unwrap_or(PAGE_SIZE_DEFAULT);
    query.done()?;
    if !(1..=PAGE_SIZE_MAX).contains(&size) {
        return Ok(refused(&face::invalid("pageSize", format!("expected {SIZES}"))));
    }
    let from = (page as usize).saturating_mul(size as usize);
    let all = webhooks(&caller).await?;
    let list = all.iter().skip(from).take(size as usize);
    let list: Vec<_> = list.map(|row| face::shown(&row.endpoint, row.health)).collect();
    Ok(answer::ok(&json!({"page": page, "pageSize": size, "list": list})))
}

/// `GET /webhooks/{id}`.
pub(crate) async fn read(Path(id): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let row = find(&caller, &id).await?;
    Ok(answer::ok(&face::shown(&row.endpoint, row.health)))
}

/// `PATCH /webhooks/{id}`.
pub(crate) async fn update(Path(id): Path<String>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let caller = &input.caller;
    let changes = match face::changes(input.bytes()) {
        Ok(changes) => changes,
        Err(error) => return Ok(refused(&error)),
    };
    let row = find(caller, &id).await?;
    if let Some(url) = &changes.target_url
        && let Some(error) = taken(caller, url, Some(row.endpoint.id)).await?
    {
        return Ok(refused(&error));
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
pub(crate) async fn delete(Path(id): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let row = find(&caller, &id).await?;
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
    Ok(row.ok_or_else(|| Problem::not_found("webhook"))?)
}

/// Refuses a URL that another webhook has.
async fn taken(
    caller: &Caller,
    url: &str,
    but: Option<EndpointId>,
) -> Result<Option<face::Error>, Halt> {
    let is_other = |row: &&EndpointRow| row.endpoint.url == url && Some(row.endpoint.id) != but;
    let all = webhooks(caller).await?;
    let other = all.iter().find(is_other);
    Ok(other.map(|row| face::taken(&row.endpoint.wants.names, url)))
}

/// Answers with an error of the vendor's.
fn refused(error: &face::Error) -> Response {
    answer::json((400, answer::text(error)))
}

/// Says a problem in the vendor's way.
pub(crate) fn say(response: Response, problem: &Problem) -> Response {
    const NAMED: [StatusCode; 7] = [
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    let status = known(response.status(), &NAMED);
    let flaw = problem.errors().first();
    let message = match (problem.page(), flaw) {
        (Page::KeyExpired, _) => "token has expired".to_owned(),
        (Page::KeyInvalid | Page::KeyMissing, _) => "invalid authentication token".to_owned(),
        (_, Some(flaw)) => flaw.message.clone(),
        (_, None) => problem.detail().to_owned(),
    };
    let param = flaw.map(|flaw| face::param(&flaw.path)).filter(|param| !param.is_empty());
    let error = face::Error { code: face::code(status.as_u16()), message, param };
    instead(response, status, &json!(error))
}
