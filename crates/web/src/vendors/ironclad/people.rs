//! Who takes part in a workflow, and who has which role.

use domain::key::Scope;
use domain::workflow::{RoleSpec, State, Workflow};
use engine::face::ironclad::review as face;
use engine::face::ironclad::{Error, user_id};
use engine::workflows::{Action, NewUser};
use serde_json::{Value, json};

use super::act::Deed;
use super::who::{contacts, email_of};
use super::{Actor, Call, Paged, find, people, said_as};
use crate::answer;
use crate::auth::{Name, Path};
use crate::page::Query;
use crate::problem::Answer;

/// `GET /workflows/{id}/participants`.
pub(crate) async fn participants(Name(id): Name, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let (paged, email) = (Paged::of(&mut query), query.text("email"));
    query.done()?;
    let workflow = find(caller, &id).await?;
    let is_wanted =
        |known: &&String| email.as_ref().is_none_or(|email| known.eq_ignore_ascii_case(email));
    let all: Vec<&String> = workflow.participants.iter().filter(is_wanted).collect();
    let show =
        |email: &&String| json!({"userId": user_id(workflow.account, email), "email": email});
    Ok(paged.answer(&all, show))
}

/// `PATCH /workflows/{id}/roles/{role}`; a role is called what people call it.
pub(crate) async fn assign(Path((id, role)): Path<(String, String)>, call: Call) -> Answer {
    let key = call.to_act().await?;
    let user = face::assignee(call.bytes())?;
    let workflow = find(call.caller(), &id).await?;
    let role = role_named(&workflow, &role)?.clone();
    if matches!(workflow.state, State::Completed { .. } | State::Cancelled { .. }) {
        let status = workflow.state.as_str();
        let error = Error::state(format!("workflow is {status} and cannot be reassigned"));
        return Err(said_as(422, &error));
    }
    let email = email_of(call.caller(), Some(&workflow), &user).await?;
    let email = email.ok_or_else(|| Error::forbidden("user is not assignable to the role"))?;
    let name = people(&workflow, "").name(&email);
    let name = if name == email { String::new() } else { name };
    let new = NewUser { email: email.clone(), name };
    let show = |workflow: &Workflow| {
        let assignee = people(workflow, "").assignee(&email);
        (200, json!({"roleName": role.name, "assignee": assignee}).to_string())
    };
    let action = Action::AssignRoles { roles: [(role.id.clone(), new)].into() };
    call.act(key, Deed::of(&workflow, action), &show).await
}

/// `GET /workflows/{id}/roles/{role}/eligible-assignees`: whoever has to do with the workflow on our side, and every contact.
pub(crate) async fn assignees(Path((id, role)): Path<(String, String)>, actor: Actor) -> Answer {
    let caller = actor.may(Scope::Requests)?;
    let mut query = Query::of(&caller.parts.uri);
    let paged = Paged::of(&mut query);
    query.done()?;
    let workflow = find(caller, &id).await?;
    let role = role_named(&workflow, &role)?;
    let known = people(&workflow, "");
    let mut all: Vec<Value> = known.emails().iter().map(|email| known.assignee(email)).collect();
    for contact in contacts(caller).await? {
        let email = contact.person.email.to_lowercase();
        let is_there = |shown: &Value| shown["email"] == json!(email);
        if !email.is_empty() && !all.iter().any(is_there) {
            let id = user_id(workflow.account, &email);
            let name = contact.person.name;
            let name = if name.is_empty() { email.clone() } else { name };
            all.push(json!({"userId": id, "email": email, "displayName": name}));
        }
    }
    let list: Vec<&Value> = paged.part(&all).collect();
    let mut body = json!({
        "page": paged.page, "pageSize": paged.size, "count": all.len(), "list": list,
    });
    let assigned = workflow.roles.get(&role.id).map(|user| known.assignee(&user.email));
    if let (Some(assigned), Some(body)) = (assigned, body.as_object_mut()) {
        body.insert("defaultAssignee".to_owned(), assigned);
    }
    Ok(answer::ok(&body))
}

/// Finds a role by what people call it, or by its id.
fn role_named<'a>(workflow: &'a Workflow, name: &str) -> Result<&'a RoleSpec, Error> {
    let mut roles = workflow.template.roles.iter();
    let found = roles.find(|role| role.name == name);
    let found = found.or_else(|| workflow.template.role(name));
    found.ok_or_else(|| Error {
        message: "role does not exist on this workflow".to_owned(),
        ..Error::not_found("role", "roleName")
    })
}
