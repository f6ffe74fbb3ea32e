//! eSignAnyWhere's interface (v6): files uploaded and fetched, envelopes sent, shown and withdrawn, for who has an API token,
//! which is a key of ours.
//!
//! Left to others: shapes (`dialects::face::esaw`).

use axum::extract::{FromRequestParts, Request as Incoming};
use axum::response::Response;
use domain::document::Document;
use domain::key::Scope;
use domain::request::Request;
use engine::Once;
use engine::face::esaw as face;
use engine::requests::NewRequest;
use http::StatusCode;
use http::request::Parts;

use crate::answer;
use crate::auth::{Caller, Name};
use crate::files::{self, Shown};
use crate::idempotency;
use crate::input::{self, BODY_BYTES_MAX};
use crate::problem::{Answer, Halt, Problem};
use crate::state::State;
use crate::uploads;
use crate::vendors::{flawed, instead, known, page, places};

/// Who calls: by the header `apiToken`, or as a bearer.
pub(crate) struct Holder(pub(crate) Caller);

impl FromRequestParts<State> for Holder {
    type Rejection = Halt;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Halt> {
        let parts = parts.clone();
        let token = parts.headers.get("apitoken").and_then(|token| token.to_str().ok());
        let caller = match token.map(str::to_owned) {
            Some(token) => Caller::by(&token, parts, state).await?,
            None => Caller::of(parts, state).await?,
        };
        caller.may(Scope::Requests)?;
        Ok(Self(caller))
    }
}

/// `POST /Api/v6.0/file/upload`.
pub(crate) async fn upload(Holder(caller): Holder, incoming: Incoming) -> Answer {
    let show = |document: &Document| (200, face::uploaded(document).to_string());
    Ok(answer::json(uploads::take(&caller, incoming.into_body(), None, &show).await?))
}

/// `GET /Api/v6.0/file/{id}`.
pub(crate) async fn file(Holder(caller): Holder, Name(id): Name) -> Answer {
    let id = face::file_id(&id).ok_or_else(|| Problem::not_found("file"))?;
    let (document, pieces) = caller.engine().document_content(caller.account(), id).await?;
    Ok(files::answer(&document, pieces, Shown::Attachment))
}

/// `POST /Api/v6.0/envelope/send`: drafted and sent in one commit.
pub(crate) async fn send(Holder(caller): Holder, incoming: Incoming) -> Answer {
    let body = input::read(&caller.parts.headers, incoming.into_body(), BODY_BYTES_MAX).await?;
    let key = idempotency::ask(&caller, &body).await?;
    let wanted = face::wanted(&body, caller.engine().now()).map_err(flawed)?;
    let new = NewRequest { send: true, ..wanted.into() };
    let show = |request: &Request| (200, face::sent(request).to_string());
    let once = Once { key, answer: &show };
    let request = caller.engine().create_request(caller.account(), new, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `GET /Api/v6.0/envelope/{id}/files`.
pub(crate) async fn files_of(Holder(caller): Holder, Name(id): Name) -> Answer {
    Ok(answer::ok(&face::files(&find(&caller, &id).await?)))
}

/// `GET /Api/v6.0/envelope/{id}`.
pub(crate) async fn envelope(Holder(caller): Holder, Name(id): Name) -> Answer {
    Ok(answer::ok(&face::envelope(&find(&caller, &id).await?)))
}

/// `GET /Api/v6.0/envelope/{id}/viewerlinks`.
pub(crate) async fn viewer_links(Holder(caller): Holder, Name(id): Name) -> Answer {
    let request = find(&caller, &id).await?;
    let url = |signer: &_| page(&caller, &request, signer);
    Ok(answer::ok(&face::viewer_links(&request, url)))
}

/// `POST /Api/v6.0/envelope/cancel`.
pub(crate) async fn cancel(Holder(caller): Holder, incoming: Incoming) -> Answer {
    let body = input::read(&caller.parts.headers, incoming.into_body(), BODY_BYTES_MAX).await?;
    let key = idempotency::ask(&caller, &body).await?;
    let (id, why) = face::cancelled(&body).map_err(flawed)?;
    let once = Once { key, answer: &|_: &Request| (204, String::new()) };
    drop(caller.engine().cancel_request(caller.account(), id, why, &once).await?);
    Ok(answer::nothing())
}

async fn find(caller: &Caller, id: &str) -> Result<Request, Halt> {
    let id = face::request_id(id).ok_or_else(|| Problem::not_found("envelope"))?;
    let row = caller.engine().views().request(caller.account(), id).await?;
    row.map(|(request, _version)| request).ok_or_else(|| Problem::not_found("envelope").into())
}

/// Says a problem in the vendor's way; `spell` says where a place stands in the vendor's bodies.
pub(crate) fn say(response: Response, problem: &Problem, spell: fn(&str) -> String) -> Response {
    let named = [
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
    ];
    let status = known(response.status(), &named);
    let body = face::error(problem.page().number(), problem.detail(), &places(problem, spell));
    instead(response, status, &body)
}
