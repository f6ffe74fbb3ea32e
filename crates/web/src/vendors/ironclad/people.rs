//! Who takes part in a workflow.

use domain::key::Scope;
use engine::face::ironclad::People;
use serde_json::json;

use super::{Actor, Paged, find};
use crate::auth::Name;
use crate::page::Query;
use crate::problem::Answer;

/// `GET /workflows/{id}/participants`.
pub(crate) async fn participants(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let (paged, email) = (Paged::of(&mut query), query.text("email"));
    query.done()?;
    let workflow = find(caller, &id).await?;
    let people = People { workflow: &workflow, company: "" };
    let is_wanted =
        |known: &&String| email.as_ref().is_none_or(|email| known.eq_ignore_ascii_case(email));
    let all: Vec<&String> = workflow.participants.iter().filter(is_wanted).collect();
    Ok(paged.answer(&all, |email| json!({"userId": people.id(email), "email": email})))
}
