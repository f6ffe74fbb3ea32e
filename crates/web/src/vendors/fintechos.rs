//! FintechOS eSign's interface: the sign request, and the download of what was signed, with the key in the body.
//!
//! The vendor publishes no paths; these are ours. Whoever calls says so in the body, so that it is read, within its bound,
//! before anybody knows who it is.
//! Left to others: shapes (`dialects::face::fintechos`).

use axum::extract;
use axum::extract::Request as Incoming;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::id::DocumentId;
use domain::key::Scope;
use domain::request::Request;
use engine::face::fintechos as face;
use engine::problem::Problem as Page;
use engine::requests::NewRequest;
use engine::{Once, Refusal};

use crate::answer;
use crate::auth::Caller;
use crate::idempotency;
use crate::input::{self, BODY_BYTES_MAX};
use crate::problem::{Answer, Halt, Problem};
use crate::state::State;
use crate::vendors::{flawed, page};

type Reached = extract::State<State>;

/// `POST /fintechos/esign/sign`: drafted and sent in one commit.
pub(crate) async fn sign(extract::State(state): Reached, incoming: Incoming) -> Answer {
    let (caller, body) = begin(&state, incoming).await?;
    let key = idempotency::ask(&caller, &body).await?;
    let wanted = face::wanted(&body).map_err(flawed)?;
    let new = NewRequest { send: true, ..wanted.into() };
    let show = |request: &Request| {
        let url = |signer: &_| page(&caller, request, signer);
        (200, face::signed(request, url).to_string())
    };
    let once = Once { key, answer: &show };
    let request = caller.engine().create_request(caller.account(), new, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /fintechos/esign/downloadSignedDocument`.
pub(crate) async fn download(extract::State(state): Reached, incoming: Incoming) -> Answer {
    let (caller, body) = begin(&state, incoming).await?;
    let id = face::downloaded(&body).map_err(flawed)?;
    let row = caller.engine().views().request(caller.account(), id).await?;
    let (request, _version) = row.ok_or_else(|| Problem::not_found("envelope"))?;
    let document = match face::signed_document(&request) {
        Some(brief) => encoded(&caller, brief.id).await?,
        None => None,
    };
    let url = |signer: &_| page(&caller, &request, signer);
    Ok(answer::ok(&face::download(&request, document.as_deref(), url)))
}

/// Reads a document whole, in Base64; `None` when it was deleted.
async fn encoded(caller: &Caller, id: DocumentId) -> Result<Option<String>, Halt> {
    let found = caller.engine().document_content(caller.account(), id).await;
    let (_document, mut pieces) = match found {
        Err(Refusal::NotFound { .. }) => return Ok(None),
        found => found?,
    };
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(BASE64_STANDARD.encode(bytes)))
}

/// Reads the body, and finds in it who calls.
async fn begin(state: &State, incoming: Incoming) -> Result<(Caller, Bytes), Halt> {
    let (parts, body) = incoming.into_parts();
    let body = input::read(&parts.headers, body, BODY_BYTES_MAX).await?;
    let key = face::key(&body).map_err(flawed)?;
    let key = key.ok_or_else(|| {
        Problem::new(Page::KeyMissing, "send your key as Authentication.Key in the body")
    })?;
    let caller = Caller::by(key.expose(), parts, state).await?;
    caller.may(Scope::Requests)?;
    Ok((caller, body))
}
