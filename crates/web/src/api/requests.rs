//! Signature requests: drafted, sent, looked at, ended.
//!
//! Invariant: an answer shows the links of signers only while they can be used.
//! Left to others: what is possible when (`domain::request`), acting for a signer ([`super::signers`]).

use domain::id::{RequestId, SignerId};
use domain::key::Scope;
use domain::request::{Request, State as Standing};
use engine::requests::{NewRequest, RequestPatch};
use engine::{Idempotency, Once};
use serde_json::Value;
use store::RequestFilter;

use crate::answer;
use crate::api::{Because, Nothing};
use crate::auth::{Caller, Path};
use crate::input::Input;
use crate::page::Query;
use crate::problem::{Answer, Halt, Problem};
use crate::state::State;

/// The words for where a request stands.
const STATUSES: [&str; 6] = ["draft", "sent", "completed", "declined", "expired", "cancelled"];

/// `POST /requests`.
pub(crate) async fn create(input: Input) -> Answer {
    let once = begin(&input).await?;
    let new: NewRequest = input.json("NewRequest")?;
    let caller = &input.caller;
    let show = |request: &Request| (201, shown(caller, request).to_string());
    let once = Once { key: once, answer: &show };
    let request = caller.engine().create_request(caller.account(), new, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `GET /requests`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.window();
    let filter = RequestFilter {
        status: query.one_of("status", &STATUSES),
        archived: query.take("archived", "true or false"),
    };
    query.done()?;
    let rows = caller.engine().views().requests(caller.account(), filter, window.page()).await?;
    Ok(answer::ok(&window.list(&rows, |row| row.id.bits(), |row| shown(&caller, row))))
}

/// `GET /requests/{id}`.
pub(crate) async fn read(Path(id): Path<RequestId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let row = caller.engine().views().request(caller.account(), id).await?;
    let (request, _version) = row.ok_or_else(|| Problem::not_found("request"))?;
    Ok(answer::ok(&shown(&caller, &request)))
}

/// `PATCH /requests/{id}`.
pub(crate) async fn update(Path(id): Path<RequestId>, input: Input) -> Answer {
    input.may(Scope::Requests)?;
    let patch: RequestPatch = input.json("RequestPatch")?;
    let caller = &input.caller;
    let request = caller.engine().update_request(caller.account(), id, patch).await?;
    Ok(answer::ok(&shown(caller, &request)))
}

/// `DELETE /requests/{id}`.
pub(crate) async fn delete(Path(id): Path<RequestId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    drop(caller.engine().delete_request(caller.account(), id).await?);
    Ok(answer::nothing())
}

/// `POST /requests/{id}/send`.
pub(crate) async fn send(Path(id): Path<RequestId>, input: Input) -> Answer {
    let key = begin_bare(&input).await?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let request = input.caller.engine().send_request(input.caller.account(), id, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/cancel`.
pub(crate) async fn cancel(Path(id): Path<RequestId>, input: Input) -> Answer {
    let key = begin(&input).await?;
    let Because { reason } = input.json_or_nothing("Because")?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let request = engine.cancel_request(account, id, reason, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/archive`.
pub(crate) async fn archive(Path(id): Path<RequestId>, input: Input) -> Answer {
    let key = begin_bare(&input).await?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let request = input.caller.engine().archive_request(input.caller.account(), id, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/unarchive`.
pub(crate) async fn unarchive(Path(id): Path<RequestId>, input: Input) -> Answer {
    let key = begin_bare(&input).await?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let request =
        input.caller.engine().unarchive_request(input.caller.account(), id, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/remind`.
pub(crate) async fn remind(Path(id): Path<RequestId>, input: Input) -> Answer {
    let key = begin_bare(&input).await?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let request = input.caller.engine().remind_request(input.caller.account(), id, &once).await?;
    Ok(answer::json(show(&request)))
}

async fn begin(input: &Input) -> Result<Option<Idempotency>, Halt> {
    input.may(Scope::Requests)?;
    input.once().await
}

async fn begin_bare(input: &Input) -> Result<Option<Idempotency>, Halt> {
    let once = begin(input).await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    Ok(once)
}

/// Gives how a caller sees a request, as an answer.
pub(crate) fn shower(caller: &Caller) -> impl Fn(&Request) -> (u16, String) + Send + Sync {
    |request| (200, shown(caller, request).to_string())
}

/// Shows a request, to keys that may read requests with the links of its open signers.
pub(crate) fn shown(caller: &Caller, request: &Request) -> Value {
    let mut value = serde_json::to_value(request).unwrap_or_default();
    let open = matches!(request.state, Standing::Sent { .. }) && caller.key.allows(Scope::Requests);
    let signers = value.get_mut("signers").and_then(Value::as_array_mut).filter(|_| open);
    for (shown, signer) in signers.into_iter().flatten().zip(&request.signers) {
        if let Some(shown) = shown.as_object_mut().filter(|_| signer.is_open()) {
            let url = signing_url(&caller.state, request.id, signer.id);
            shown.insert("signing_url".to_owned(), Value::String(url));
        }
    }
    value
}

/// Gives the URL of a signer's page.
pub(crate) fn signing_url(state: &State, request: RequestId, signer: SignerId) -> String {
    let token = state.engine().signing_token(request, signer);
    format!("{}/s/{token}", state.settings().public_url)
}
