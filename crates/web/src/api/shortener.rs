//! Who shortens the links in messages to people.
//!
//! Invariant: the token is never shown whole.

use domain::key::Scope;
use domain::secret::Secret;
use engine::shortener::{NewShortener, Shortener};
use serde_json::{Value, json};

use crate::answer;
use crate::auth::Caller;
use crate::input::Input;
use crate::page::Query;
use crate::problem::Answer;

/// `GET /shortener`.
pub(crate) async fn read(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    let shortener = caller.engine().shortener(caller.account()).await?;
    let default = shortener.is_none();
    Ok(answer::ok(&shown(&shortener.unwrap_or_default(), default)))
}

/// `PUT /shortener`.
pub(crate) async fn replace(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let new: NewShortener = input.json("ShortenerInput")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    Ok(answer::ok(&shown(&engine.set_shortener(account, new).await?, false)))
}

/// `DELETE /shortener`.
pub(crate) async fn delete(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    caller.engine().delete_shortener(caller.account()).await?;
    Ok(answer::nothing())
}

fn shown(shortener: &Shortener, default: bool) -> Value {
    json!({
        "default": default,
        "kind": shortener.kind,
        "domain": shortener.domain,
        "group": shortener.group,
        "workspace": shortener.workspace,
        "base_url": shortener.base_url,
        "token": shortener.token.as_ref().map(Secret::masked),
    })
}
