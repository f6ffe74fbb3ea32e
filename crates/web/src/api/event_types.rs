//! The catalogue of events, with a call that shows each in each dialect.

use domain::endpoint::Dialect;
use domain::key::Scope;
use engine::Flaw;
use engine::catalogue::{self, EventType};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::page::{List, Query};
use crate::problem::{Answer, Problem};

const READERS: [Scope; 2] = [Scope::Events, Scope::Endpoints];

/// `GET /event-types`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may_any(&READERS)?;
    let types = catalogue::event_types();
    Ok(answer::ok(&List::whole(types.iter().map(shown).collect())))
}

/// `GET /event-types/{type}`.
pub(crate) async fn read(Path(name): Path<String>, caller: Caller) -> Answer {
    caller.may_any(&READERS)?;
    let found = catalogue::event_type(&name);
    Ok(answer::ok(&shown(&found.ok_or_else(|| Problem::not_found("event type"))?)))
}

/// `GET /event-types/{type}/example`.
pub(crate) async fn example(Path(name): Path<String>, caller: Caller) -> Answer {
    caller.may_any(&READERS)?;
    let mut query = Query::of(&caller.parts.uri);
    let names = Dialect::ALL.map(Dialect::as_str);
    let dialect = query.one_of("dialect", &names).unwrap_or_default();
    let form = query.one_of("as", &["json", "curl"]);
    query.done()?;
    let dialect = Dialect::ALL.into_iter().find(|one| one.as_str() == dialect).unwrap_or_default();
    let call = caller.engine().example(caller.account(), &name, dialect).await?;
    let call = call.ok_or_else(|| {
        let message = format!("the {} dialect has no word for {name}", dialect.as_str());
        Problem::invalid(vec![Flaw::new("dialect", message)])
    })?;
    if form.as_deref() == Some("curl") {
        let mut response = answer::json((200, catalogue::curl(&call) + "\n"));
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        return Ok(response);
    }
    Ok(answer::ok(&catalogue::json(&call)))
}

fn shown(one: &EventType) -> Value {
    let words: Map<String, Value> = one
        .dialects
        .iter()
        .map(|(dialect, word)| (dialect.as_str().to_owned(), (*word).into()))
        .collect();
    json!({"type": one.name, "description": one.description, "dialects": words, "schema": one.schema})
}
