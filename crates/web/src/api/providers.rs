//! The account's own e-mail and SMS services.
//!
//! Invariant: a secret is never shown whole; it was made elsewhere, and the account has it.
//! Left to others: what each kind needs and which values fit (`engine::providers`).

use domain::id::ProviderId;
use domain::key::Scope;
use domain::provider::Provider;
use engine::providers::{self, NewProvider, NewTest, ProviderPatch, Tested};
use engine::{Once, Said};
use serde_json::{Value, json};

use crate::auth::{Caller, Path};
use crate::input::Input;
use crate::page::{List, Query};
use crate::problem::Answer;
use crate::state::State;
use crate::{answer, idempotency};

/// `POST /providers`.
pub(crate) async fn create(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let key = input.once().await?;
    let new: NewProvider = input.json("NewProvider")?;
    let state = &input.caller.state;
    let show = |provider: &Provider| (201, shown(state, provider).to_string());
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let provider = engine.create_provider(account, new, &once).await?;
    Ok(answer::json(show(&provider)))
}

/// `GET /providers`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    let rows = caller.engine().providers(caller.account()).await?;
    let shown = rows.iter().map(|provider| shown(&caller.state, provider));
    Ok(answer::ok(&List::whole(shown.collect())))
}

/// `GET /providers/{id}`.
pub(crate) async fn read(Path(id): Path<ProviderId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let provider = caller.engine().provider(caller.account(), id).await?;
    Ok(answer::ok(&shown(&caller.state, &provider)))
}

/// `PATCH /providers/{id}`.
pub(crate) async fn update(Path(id): Path<ProviderId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let patch: ProviderPatch = input.json("ProviderPatch")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let provider = engine.update_provider(account, id, patch).await?;
    Ok(answer::ok(&shown(&input.caller.state, &provider)))
}

/// `DELETE /providers/{id}`.
pub(crate) async fn delete(Path(id): Path<ProviderId>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    caller.engine().delete_provider(caller.account(), id).await?;
    Ok(answer::nothing())
}

/// `POST /providers/{id}/test`.
pub(crate) async fn test(Path(id): Path<ProviderId>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let once = input.once().await?;
    let new: NewTest = input.json("NewProviderTest")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let shown = (200, tested(&engine.test_provider(account, id, new).await?).to_string());
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}

/// `GET /provider-kinds`.
pub(crate) async fn kinds(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    Ok(answer::ok(&List::whole(providers::kinds())))
}

fn shown(state: &State, provider: &Provider) -> Value {
    let secrets = provider.secrets.values.iter();
    let masked = secrets.map(|(name, secret)| (name.clone(), Value::String(secret.masked())));
    let settings: serde_json::Map<String, Value> =
        provider.settings.clone().into_iter().chain(masked).collect();
    json!({
        "id": provider.id,
        "account_id": provider.account,
        "name": provider.name,
        "kind": provider.kind,
        "channel": provider.kind.channel(),
        "priority": provider.priority,
        "rate_limit": provider.rate_limit,
        "on_unknown": provider.on_unknown,
        "enabled": provider.enabled,
        "settings": settings,
        "feedback_url": state.engine().feedback_url(provider.account, provider.id),
        "created_at": provider.created_at,
        "updated_at": provider.updated_at,
    })
}

fn tested(tested: &Tested) -> Value {
    let Tested { provider, name, receipt, took_ms, conversation } = tested;
    let said = |said: &Said| json!({"from": said.by.as_str(), "text": said.text});
    json!({
        "provider_id": provider,
        "provider": name,
        "reception": receipt.reception.as_str(),
        "message_id": receipt.message_id,
        "detail": receipt.detail,
        "took_ms": took_ms,
        "conversation": conversation.iter().map(said).collect::<Vec<_>>(),
    })
}
