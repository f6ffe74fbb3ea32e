//! The signer's own page: read, sign, or decline, without a line of script. Others may look, by a link of their own.
//!
//! Invariants: a GET changes nothing, so that scanners and prefetchers of links leave no trace: a view is noted when a
//! person asks for the document; a form is taken only from the page itself; what proves a signature is gathered here
//! and never asked of the signer's browser; whoever holds the token of a link is the signer, and only for that part; who only
//! looks does nothing, and a link that may be used once is used by asking for the document.
//! Left to others: what is possible (`domain::request`), what a token is (`engine::requests::visit`).

pub(crate) mod document;
mod origin;
pub(crate) mod standing;

use std::collections::BTreeMap;

use axum::extract;
use axum::extract::Request as Incoming;
use axum::response::Response;
use domain::id::{RequestId, SignerId};
use domain::request::Request;
use domain::signer::Via;
use engine::problem::Problem as Page;
use engine::requests::SignInput;
use engine::requests::visit::{Pass, Visit};
use engine::{Flaw, Once, Refusal};
use http::header::USER_AGENT;
use http::request::Parts;
use url::form_urlencoded;

use crate::auth::Name;
use crate::files::{self, Shown};
use crate::input;
use crate::problem::{Halt, Problem};
use crate::signing::document::Filled;
use crate::state::State;

/// The most bytes of a form.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// The most characters of a browser's name for itself that are kept.
const USER_AGENT_CHARS_MAX: usize = 512;

type Reached = extract::State<State>;

/// `GET /s/{token}`.
pub(crate) async fn show(extract::State(state): Reached, Name(token): Name) -> Response {
    match find(&state, &token).await {
        Ok(visit) => document::page(&visit, &token, &Filled::default()),
        Err(halt) => document::trouble(halt),
    }
}

/// `GET /s/{token}/documents/{id}`: reading is no view and no signature, since scanners of links read too.
pub(crate) async fn read(
    extract::State(state): Reached,
    Name((token, id)): Name<(String, String)>,
) -> Response {
    let found = async {
        let visit = find(&state, &token).await?;
        let id = id.parse().ok().filter(|id| {
            let has = visit.request.documents.iter().any(|brief| brief.id == *id);
            has && standing::may_read(&visit)
        });
        let id = id.ok_or_else(|| Problem::not_found("document"))?;
        Ok(state.engine().document_content(visit.account, id).await?)
    };
    match found.await {
        Ok((document, pieces)) => files::answer(&document, pieces, Shown::Inline),
        Err(halt) => document::trouble(halt),
    }
}

/// `POST /s/{token}/view`: a person wants to see the document.
pub(crate) async fn view(
    extract::State(state): Reached,
    Name(token): Name,
    incoming: Incoming,
) -> Response {
    let mut onward = token;
    let acted = async {
        let (visit, _form, _parts) = begin(&state, &onward, incoming).await?;
        let viewed = match part(&visit, &[Pass::Open, Pass::Once]) {
            Ok(of) => state.engine().view_signer(visit.account, of, &Once::unkept()).await,
            Err(refusal) => Err(refusal),
        };
        // Only after the view, so that a process that dies here uses no link up for nothing.
        if visit.pass == Pass::Once
            && viewed.is_ok()
            && let Some(token) = state.engine().use_link(&onward).await?
        {
            onward = token;
        }
        Ok((viewed, visit, Filled::default()))
    };
    let acted = acted.await;
    finish(&onward, acted)
}

/// `POST /s/{token}/sign`.
pub(crate) async fn sign(
    extract::State(state): Reached,
    Name(token): Name,
    incoming: Incoming,
) -> Response {
    let acted = async {
        let (visit, mut form, parts) = begin(&state, &token, incoming).await?;
        let filled = Filled { name: form.remove("name"), ..Filled::default() };
        let of = match part(&visit, &[Pass::Open]) {
            Ok(of) => of,
            Err(refusal) => return Ok((Err(refusal), visit, filled)),
        };
        if form.remove("consent").as_deref() != Some("yes") {
            let flaw = Flaw::new("consent", "expected your consent");
            return Ok((Err(Refusal::Invalid(vec![flaw])), visit, filled));
        }
        let input = SignInput {
            name: filled.name.clone().unwrap_or_default().trim().to_owned(),
            consent: standing::consent(&visit.request.title),
            device: None,
            ip: origin::address(&parts, state.settings().trusted_proxies).map(|ip| ip.to_string()),
            user_agent: user_agent(&parts),
            via: Via::Page,
        };
        let signed = state.engine().sign_signer(visit.account, of, input, &Once::unkept()).await;
        Ok((signed, visit, filled))
    };
    finish(&token, acted.await)
}

/// `POST /s/{token}/decline`.
pub(crate) async fn decline(
    extract::State(state): Reached,
    Name(token): Name,
    incoming: Incoming,
) -> Response {
    let acted = async {
        let (visit, mut form, _parts) = begin(&state, &token, incoming).await?;
        let reason = form.remove("reason").filter(|reason| !reason.trim().is_empty());
        let filled = Filled { reason: reason.clone(), ..Filled::default() };
        let of = match part(&visit, &[Pass::Open]) {
            Ok(of) => of,
            Err(refusal) => return Ok((Err(refusal), visit, filled)),
        };
        let declined =
            state.engine().decline_signer(visit.account, of, reason, &Once::unkept()).await;
        Ok((declined, visit, filled))
    };
    finish(&token, acted.await)
}

/// Gives whose part is acted on, if the link is good for that.
fn part(visit: &Visit, passes: &[Pass]) -> Result<(RequestId, SignerId), Refusal> {
    let signer = visit.signer.filter(|_| passes.contains(&visit.pass));
    let refused = || Refusal::Impossible {
        message: "the link is not good for that".to_owned(),
        possible: Vec::new(),
    };
    Ok((visit.request.id, signer.ok_or_else(refused)?))
}

/// Takes a form from the page itself, and finds whose it is.
async fn begin(
    state: &State,
    token: &str,
    incoming: Incoming,
) -> Result<(Visit, BTreeMap<String, String>, Parts), Halt> {
    let (parts, body) = incoming.into_parts();
    if !origin::is_own(&parts.headers, &state.settings().public_url) {
        return Err(Problem::new(Page::CrossSite, "the form was sent from another site").into());
    }
    // Nothing is read for whoever has no link; how things stand counts once all is there.
    find(state, token).await?;
    let body = input::read(&parts.headers, body, FORM_BYTES_MAX).await?;
    let form = form_urlencoded::parse(&body).into_owned().collect();
    Ok((find(state, token).await?, form, parts))
}

async fn find(state: &State, token: &str) -> Result<Visit, Halt> {
    let found = state.engine().visit(token).await?;
    Ok(found.ok_or_else(|| Problem::not_found("link"))?)
}

/// What came of a form: the engine's word, whose page it was, and what was filled in.
type Acted = Result<(Result<Request, Refusal>, Visit, Filled), Halt>;

/// Goes back to the page, which shows how things stand now; a form with flaws is shown again as it was filled in.
fn finish(token: &str, acted: Acted) -> Response {
    match acted {
        Err(halt) => document::trouble(halt),
        Ok((Err(Refusal::Invalid(flaws)), visit, filled)) => {
            document::page(&visit, token, &Filled { flaws, ..filled })
        }
        // What is no longer possible has happened already, or never will: the page says which.
        Ok((Ok(_) | Err(Refusal::Impossible { .. }), ..)) => document::back(token),
        Ok((Err(refusal), ..)) => document::trouble(refusal.into()),
    }
}

fn user_agent(parts: &Parts) -> Option<String> {
    let text = parts.headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(USER_AGENT_CHARS_MAX).collect())
}
