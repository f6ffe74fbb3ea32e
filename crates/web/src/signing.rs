//! The signer's own page: read, sign, or decline, without a line of script.
//!
//! Invariants: a GET changes nothing, so that scanners and prefetchers of links leave no trace: a view is noted when a
//! person asks for the document; a form is taken only from the page itself; what proves a signature is gathered here
//! and never asked of the signer's browser; whoever holds the token of a link is the signer, and only for that part.
//! Left to others: what is possible (`domain::request`), what a token is (`engine::requests`).

pub(crate) mod document;
mod origin;
pub(crate) mod standing;

use std::collections::BTreeMap;

use axum::extract;
use axum::extract::Request as Incoming;
use axum::response::Response;
use domain::id::{AccountId, SignerId};
use domain::request::Request;
use domain::signer::Via;
use engine::problem::Problem as Page;
use engine::requests::SignInput;
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

/// Whose page it is.
struct Part {
    account: AccountId,
    request: Request,
    signer: SignerId,
}

/// `GET /s/{token}`.
pub(crate) async fn show(extract::State(state): Reached, Name(token): Name) -> Response {
    let part = match find(&state, &token).await {
        Ok(part) => part,
        Err(halt) => return document::trouble(halt),
    };
    document::page(&part.request, part.signer, &token, &Filled::default())
}

/// `GET /s/{token}/documents/{id}`: reading is no view and no signature, since scanners of links read too.
pub(crate) async fn read(
    extract::State(state): Reached,
    Name((token, id)): Name<(String, String)>,
) -> Response {
    let found = async {
        let part = find(&state, &token).await?;
        let id = id.parse().ok().filter(|id| {
            let has = part.request.documents.iter().any(|brief| brief.id == *id);
            has && standing::may_read(&part.request, part.signer)
        });
        let id = id.ok_or_else(|| Problem::not_found("document"))?;
        Ok(state.engine().document_content(part.account, id).await?)
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
    let acted = async {
        let (part, _form, _parts) = begin(&state, &token, incoming).await?;
        let once = Once { key: None, answer: &unsaid };
        let of = (part.request.id, part.signer);
        Ok((state.engine().view_signer(part.account, of, &once).await, part, Filled::default()))
    };
    finish(&token, acted.await)
}

/// `POST /s/{token}/sign`.
pub(crate) async fn sign(
    extract::State(state): Reached,
    Name(token): Name,
    incoming: Incoming,
) -> Response {
    let acted = async {
        let (part, mut form, parts) = begin(&state, &token, incoming).await?;
        let filled = Filled { name: form.remove("name"), ..Filled::default() };
        if form.remove("consent").as_deref() != Some("yes") {
            let flaw = Flaw::new("consent", "expected your consent");
            return Ok((Err(Refusal::Invalid(vec![flaw])), part, filled));
        }
        let input = SignInput {
            name: filled.name.clone().unwrap_or_default().trim().to_owned(),
            consent: standing::consent(&part.request.title),
            device: None,
            ip: origin::address(&parts, state.settings().trusted_proxies).map(|ip| ip.to_string()),
            user_agent: user_agent(&parts),
            via: Via::Page,
        };
        let once = Once { key: None, answer: &unsaid };
        let of = (part.request.id, part.signer);
        Ok((state.engine().sign_signer(part.account, of, input, &once).await, part, filled))
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
        let (part, mut form, _parts) = begin(&state, &token, incoming).await?;
        let reason = form.remove("reason").filter(|reason| !reason.trim().is_empty());
        let filled = Filled { reason: reason.clone(), ..Filled::default() };
        let once = Once { key: None, answer: &unsaid };
        let of = (part.request.id, part.signer);
        let refused = state.engine().decline_signer(part.account, of, reason, &once).await;
        Ok((refused, part, filled))
    };
    finish(&token, acted.await)
}

/// The page is its own answer; none is kept.
fn unsaid(_request: &Request) -> (u16, String) {
    (204, String::new())
}

/// Takes a form from the page itself, and finds whose it is.
async fn begin(
    state: &State,
    token: &str,
    incoming: Incoming,
) -> Result<(Part, BTreeMap<String, String>, Parts), Halt> {
    let (parts, body) = incoming.into_parts();
    if !origin::is_own(&parts.headers, &state.settings().public_url) {
        return Err(Problem::new(Page::CrossSite, "the form was sent from another site").into());
    }
    let body = input::read(&parts.headers, body, FORM_BYTES_MAX).await?;
    let form = form_urlencoded::parse(&body).into_owned().collect();
    Ok((find(state, token).await?, form, parts))
}

async fn find(state: &State, token: &str) -> Result<Part, Halt> {
    let found = state.engine().signer_of_token(token).await?;
    let (account, request, _version, signer) = found.ok_or_else(|| Problem::not_found("link"))?;
    Ok(Part { account, request, signer })
}

/// What came of a form: the engine's word, whose page it was, and what was filled in.
type Acted = Result<(Result<Request, Refusal>, Part, Filled), Halt>;

/// Goes back to the page, which shows how things stand now; a form with flaws is shown again as it was filled in.
fn finish(token: &str, acted: Acted) -> Response {
    match acted {
        Err(halt) => document::trouble(halt),
        Ok((Err(Refusal::Invalid(flaws)), part, filled)) => {
            document::page(&part.request, part.signer, token, &Filled { flaws, ..filled })
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
