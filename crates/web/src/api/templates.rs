//! The account's own words for messages, and how they look.

use domain::key::Scope;
use engine::own_templates::Named;
use engine::previews::NewPreview;
use serde_json::json;

use crate::answer;
use crate::auth::{Caller, Path};
use crate::idempotency;
use crate::input::Input;
use crate::page::Query;
use crate::problem::Answer;

/// `GET /templates`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    let mut query = Query::of(&caller.parts.uri);
    let window = query.names();
    query.done()?;
    let (after, limit) = window.page();
    let rows = caller.engine().own_templates(caller.account(), after, limit).await?;
    let show =
        |named: &Named| json!({"name": named.name, "locales": named.locales().collect::<Vec<_>>()});
    Ok(answer::ok(&window.list(&rows, |named| &named.name, show)))
}

/// `GET /templates/{name}`.
pub(crate) async fn read(Path(name): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Ok(answer::ok(&caller.engine().template(caller.account(), &name).await?))
}

/// `PUT /templates/{name}`.
pub(crate) async fn replace(Path(name): Path<String>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let template = input.json("TemplateInput")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    Ok(answer::ok(&engine.set_template(account, &name, template).await?))
}

/// `DELETE /templates/{name}`.
pub(crate) async fn delete(Path(name): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    caller.engine().delete_template(caller.account(), &name).await?;
    Ok(answer::nothing())
}

/// `POST /templates/preview`.
pub(crate) async fn preview(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let once = input.once().await?;
    let new: NewPreview = input.json("NewPreview")?;
    if new.request_id.is_some() {
        input.may(Scope::Requests)?;
    }
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let shown = (200, answer::text(&engine.preview(account, new).await?));
    idempotency::keep(&input.caller, once, &shown).await?;
    Ok(answer::json(shown))
}
