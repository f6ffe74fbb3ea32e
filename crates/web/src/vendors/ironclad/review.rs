//! What happens in review: approvals, turns, attributes.

use domain::key::Scope;
use domain::workflow::Workflow;
use engine::face::ironclad::review as face;
use engine::face::ironclad::{Error, workflow as shape};
use engine::workflows::{Action, NewWord};

use super::act::Deed;
use super::{Actor, Call, Paged, company, find, people};
use crate::answer;
use crate::auth::{Name, Path};
use crate::page::Query;
use crate::problem::Answer;

/// `GET /workflows/{id}/approvals`.
pub(crate) async fn approvals(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    Query::of(&caller.parts.uri).done()?;
    let workflow = find(caller, &id).await?;
    Ok(answer::ok(&face::approvals(people(&workflow, ""))))
}

/// `GET /workflows/{id}/approval-requests`.
pub(crate) async fn approval_requests(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let paged = Paged::of(&mut query);
    let with_actor = query.one_of("actorDetails", &["true", "false"]);
    let kind = query.one_of("requestType", &["role", "user"]);
    query.done()?;
    if kind.is_some_and(|kind| kind == "role") {
        let message = "approvals are listed by user here; leave it out, or say user";
        return Err(Error::invalid("requestType", message).into());
    }
    let workflow = find(caller, &id).await?;
    let with_actor = with_actor.is_some_and(|word| word == "true");
    let show = |request: &_| face::approval_request(people(&workflow, ""), request, with_actor);
    Ok(paged.answer(&workflow.approval_requests, show))
}

/// `PATCH /workflows/{id}/approvals/{role}`; with the last approval, the workflow goes to the signatures.
pub(crate) async fn approve(Path((id, role)): Path<(String, String)>, call: Call) -> Answer {
    let key = call.to_act().await?;
    let face::Approving { is_approved, by } = face::approving(call.bytes())?;
    let workflow = find(call.caller(), &id).await?;
    let mut groups = workflow.template.approval_groups.iter();
    if !groups.any(|group| group.roles.contains(&role)) {
        return Err(Error::not_found("role", "roleId").into());
    }
    let action = if is_approved {
        Action::Approve { role, advances: true }
    } else {
        Action::ResetApproval { role }
    };
    let deed = Deed { by, ..Deed::of(&workflow, action) };
    call.act(key, deed, &|_| (200, "true".to_owned())).await
}

/// `GET /workflows/{id}/turn-history`.
pub(crate) async fn turns(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let paged = Paged::of(&mut query);
    query.done()?;
    let workflow = find(caller, &id).await?;
    Ok(paged.answer(&workflow.turns, |turn| face::turn(people(&workflow, ""), turn)))
}

/// `PATCH /workflows/{id}/attributes`.
pub(crate) async fn attributes(Name(id): Name, call: Call) -> Answer {
    let key = call.to_act().await?;
    let caller = call.caller();
    let workflow = find(caller, &id).await?;
    let face::Updates { set, remove, comment } = face::updates(&workflow, call.bytes())?;
    let company = company(caller).await?;
    let base = caller.engine().public_url();
    let show =
        |changed: &Workflow| (200, shape::shown(people(changed, &company), base).to_string());
    let comment = comment.map(|text| NewWord {
        text,
        is_external: false,
        replied_to: None,
        add_participants: false,
    });
    let deed = Deed::of(&workflow, Action::SetAttributes { set, remove, comment });
    call.act(key, deed, &show).await
}
