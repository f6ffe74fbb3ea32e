//! API keys.
//!
//! Invariants: the text of a key is shown once, when it is made; it has no scope that the key which made it lacks; a revoked
//! key stops working here at once.

use domain::id::KeyId;
use domain::key::{Key, Scope};
use engine::keys::NewKey;
use serde_json::{Value, json};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::idempotency;
use crate::input::Input;
use crate::page::List;
use crate::problem::{Answer, Problem};

/// `POST /keys`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Keys)?;
    let once = input.once().await?;
    let new: NewKey = input.json("NewKey")?;
    // Nobody gives away what they have not.
    for scope in &new.scopes {
        input.may(*scope)?;
    }
    let caller = &input.caller;
    let (key, text) = caller.engine().create_key(caller.account(), new).await?;
    caller.state.keys().forget();
    let mut value = shown(&key);
    if let Value::Object(members) = &mut value {
        members.insert("key".to_owned(), text.expose().into());
    }
    let shown = (201, value.to_string());
    idempotency::keep(caller, once, &shown).await?;
    Ok(answer::unkept(answer::json(shown)))
}

/// `GET /keys`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Keys)?;
    let rows = caller.engine().views().keys(caller.account()).await?;
    Ok(answer::ok(&List::whole(rows.iter().map(shown).collect())))
}

/// `GET /keys/{id}`.
pub(crate) async fn read(Path(id): Path<KeyId>, caller: Caller) -> Answer {
    caller.may(Scope::Keys)?;
    let key = caller.engine().views().key(caller.account(), id).await?;
    Ok(answer::ok(&shown(&key.ok_or_else(|| Problem::not_found("key"))?)))
}

/// `DELETE /keys/{id}`.
pub(crate) async fn revoke(Path(id): Path<KeyId>, caller: Caller) -> Answer {
    caller.may(Scope::Keys)?;
    let revoked = caller.engine().revoke_key(caller.account(), id).await;
    // Whatever came of it: it may have been written, and the answer lost.
    caller.state.keys().forget();
    drop(revoked?);
    Ok(answer::nothing())
}

fn shown(key: &Key) -> Value {
    json!({
        "id": key.id,
        "account_id": key.account,
        "name": key.name,
        "scopes": key.scopes,
        "hint": key.hint,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    })
}
