//! Who calls, and in whose name.
//!
//! A key or a token of one says who calls; `x-as-user-email` or `x-as-user-id` says for whom. A token must say so, a key may:
//! without, it is who launched the workflow.
//!
//! Invariant: whoever acts is known by their mail address; a user's id is one of somebody of the workflow, or of a contact.
//! Source: <https://developer.ironcladapp.com/reference/client-credentials-grant>.

use axum::extract::{FromRequest, FromRequestParts, Request as Incoming};
use bytes::Bytes;
use domain::contact::Contact;
use domain::key::Scope;
use domain::workflow::Workflow;
use engine::Idempotency;
use engine::face::ironclad::comments::Creator;
use engine::face::ironclad::{Error, People, user_id};
use engine::tokens::is_token;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use crate::auth::{Caller, bearer};
use crate::idempotency;
use crate::input::form::{Part, is_form, parts};
use crate::input::{self, BODY_BYTES_MAX};
use crate::problem::Halt;
use crate::state::State;

/// Names the acting user by mail address.
const BY_EMAIL: &str = "x-as-user-email";
/// Names the acting user by the vendor's id.
const BY_ID: &str = "x-as-user-id";
/// Contacts that are read at once, and that are looked through at most.
const CONTACTS_AT_ONCE: u32 = 200;
const CONTACTS_MAX: usize = 10_000;

/// Who calls, and in whose name.
#[derive(Debug)]
pub(crate) struct Actor {
    caller: Caller,
    user: Option<User>,
}

/// Whom a call is made for, as it says.
#[derive(Debug)]
enum User {
    /// By mail address, in lower case.
    Email(String),
    /// By the vendor's id.
    Id(String),
}

impl FromRequestParts<State> for Actor {
    type Rejection = Halt;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Halt> {
        let caller = Caller::of(parts.clone(), state).await?;
        let header = |name: &str| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let user = match (header(BY_EMAIL), header(BY_ID)) {
            (Some(email), _) if email.contains('@') => Some(User::Email(email.to_lowercase())),
            (Some(_), _) => {
                return Err(Error::invalid(BY_EMAIL, "expected a mail address").into());
            }
            (None, Some(id)) => Some(User::Id(id)),
            (None, None) => None,
        };
        if user.is_none() && is_token(bearer(&parts.headers)?) {
            let message = format!("a token of client credentials needs {BY_EMAIL} or {BY_ID}");
            return Err(Error { message, ..Error::missing(BY_EMAIL) }.into());
        }
        Ok(Self { caller, user })
    }
}

impl Actor {
    /// Refuses callers whose key lacks a scope; gives the caller.
    pub(super) fn may(&self, scope: Scope) -> Result<&Caller, Halt> {
        self.caller.may(scope)?;
        Ok(&self.caller)
    }

    /// Gives the mail address of whom the call is made for, if it says; `workflow` is what they act on.
    pub(super) async fn email(&self, workflow: Option<&Workflow>) -> Result<Option<String>, Halt> {
        match &self.user {
            None => Ok(None),
            Some(User::Email(email)) => Ok(Some(email.clone())),
            Some(User::Id(id)) => match email_of(&self.caller, workflow, id).await? {
                Some(email) => Ok(Some(email)),
                None => Err(Error::invalid(BY_ID, "there is no user with that id").into()),
            },
        }
    }
}

/// Finds the mail address of a user: of somebody of the workflow, or of a contact.
pub(super) async fn email_of(
    caller: &Caller,
    workflow: Option<&Workflow>,
    id: &str,
) -> Result<Option<String>, Halt> {
    let known = workflow.and_then(|workflow| People { workflow, company: "" }.find(id));
    if known.is_some() {
        return Ok(known);
    }
    let emails = contacts(caller).await?.into_iter();
    let mut emails = emails.map(|contact| contact.person.email.to_lowercase());
    Ok(emails.find(|email| user_id(caller.account(), email) == id))
}

/// Finds the mail address of whom a body names as `creator`, if it names somebody.
pub(super) async fn email_of_creator(
    caller: &Caller,
    workflow: Option<&Workflow>,
    creator: Option<Creator>,
) -> Result<Option<String>, Halt> {
    let id = match creator {
        None => return Ok(None),
        Some(Creator::Email(email)) => return Ok(Some(email)),
        Some(Creator::Id(id)) => id,
    };
    let unknown = || Error::invalid("creator", "there is no user with that id");
    Ok(Some(email_of(caller, workflow, &id).await?.ok_or_else(unknown)?))
}

/// Lists the account's contacts, at most so many.
pub(super) async fn contacts(caller: &Caller) -> Result<Vec<Contact>, Halt> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store::Page { limit: CONTACTS_AT_ONCE, after };
        let rows = caller.engine().views().contacts(caller.account(), page).await?;
        let is_last = rows.len() < CONTACTS_AT_ONCE as usize;
        after = rows.last().map(|contact| contact.id.bits());
        all.extend(rows);
        if is_last || all.len() >= CONTACTS_MAX {
            return Ok(all);
        }
    }
}

/// A call with a body.
#[derive(Debug)]
pub(crate) struct Call<const BYTES_MAX: usize = BODY_BYTES_MAX> {
    pub(super) actor: Actor,
    body: Bytes,
}

impl<const BYTES_MAX: usize> FromRequest<State> for Call<BYTES_MAX> {
    type Rejection = Halt;

    async fn from_request(incoming: Incoming, state: &State) -> Result<Self, Halt> {
        let (mut parts, body) = incoming.into_parts();
        let actor = Actor::from_request_parts(&mut parts, state).await?;
        let body = input::read(&parts.headers, body, BYTES_MAX).await?;
        Ok(Self { actor, body })
    }
}

impl<const BYTES_MAX: usize> Call<BYTES_MAX> {
    /// Refuses callers whose key lacks a scope; gives the caller.
    pub(super) fn may(&self, scope: Scope) -> Result<&Caller, Halt> {
        self.actor.may(scope)
    }

    /// Gives who calls, where what they may do was asked before.
    pub(super) const fn caller(&self) -> &Caller {
        &self.actor.caller
    }

    /// Gives the idempotency key, if there is one; one that was answered before ends the call with that answer.
    pub(super) async fn once(&self) -> Result<Option<Idempotency>, Halt> {
        idempotency::ask(&self.actor.caller, &self.body).await
    }

    /// Takes the body apart if it says that it is a form with parts; `param` is named if it is none after all.
    pub(super) fn form(&self, param: &str) -> Result<Option<Vec<Part>>, Error> {
        if is_form(self.content_type()) { self.parts(param).map(Some) } else { Ok(None) }
    }

    /// Takes the body apart, which has to be a form with parts; `param` is named if it is none.
    pub(super) fn parts(&self, param: &str) -> Result<Vec<Part>, Error> {
        let parts = parts(self.content_type(), self.body.clone());
        parts.map_err(|malformed| Error::invalid(param, malformed.to_string()))
    }

    fn content_type(&self) -> &str {
        let kind = self.actor.caller.parts.headers.get(CONTENT_TYPE);
        kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
    }

    /// Gives the body, whatever it says that it is.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.body
    }
}
