//! What happens in review: approvals, turns, attributes, roles.
//!
//! Sources: <https://developer.ironcladapp.com/reference/list-all-workflow-approvals>,
//! <https://developer.ironcladapp.com/reference/approval-requests>,
//! <https://developer.ironcladapp.com/reference/update-workflow-approval>,
//! <https://developer.ironcladapp.com/reference/turn-history>,
//! <https://developer.ironcladapp.com/reference/update-workflow-metadata>,
//! <https://developer.ironcladapp.com/reference/update-workflow-role-assignment>; durations of an approval request as observed.

use std::collections::{BTreeMap, BTreeSet};

use domain::workflow::{ApprovalRequest, ApprovalRequestEnd, State, Step, Turn, Workflow};
use serde_json::{Value, json};

use super::course::user;
use super::{Error, People, workflow_id};
use crate::face::form::{self, Form};

/// Shows the approvals of a workflow, group by group.
pub fn approvals(people: People<'_>) -> Value {
    let workflow = people.workflow;
    let is_given = |role: &String| workflow.approvals.contains_key(role);
    let is_under_way = workflow.step == Step::Review && workflow.state == State::Active;
    let mut is_next = is_under_way;
    let mut groups = Vec::new();
    for (at, group) in workflow.template.approval_groups.iter().enumerate() {
        let status = if group.roles.iter().all(is_given) {
            "approved"
        } else if is_next {
            is_next = false;
            "active"
        } else {
            "pending"
        };
        let reviewer = |role: &String| {
            let name = workflow.template.role(role).map(|role| role.name.as_str());
            json!({
                "role": role, "displayName": name.unwrap_or(role), "reviewerType": "role",
                "status": if is_given(role) { "approved" } else { "pending" },
            })
        };
        let reviewers: Vec<Value> = group.roles.iter().map(reviewer).collect();
        groups.push(json!({"reviewers": reviewers, "status": status, "order": at + 1}));
    }
    json!({
        "workflowId": workflow_id(workflow.id), "title": workflow.title,
        "approvalGroups": groups, "roles": people.roles(),
    })
}

/// Shows an approval that was waited for; with who it is, if that is wanted.
pub fn approval_request(people: People<'_>, request: &ApprovalRequest, with_actor: bool) -> Value {
    let (status, ended_at) = match &request.end {
        None => ("Pending", None),
        Some(ApprovalRequestEnd::Approved(at)) => ("Approved", Some(at)),
        Some(ApprovalRequestEnd::Paused(at)) => ("Workflow Paused", Some(at)),
        Some(ApprovalRequestEnd::Cancelled(at)) => ("Workflow Canceled", Some(at)),
        Some(ApprovalRequestEnd::Removed(at)) => ("Approver Removed", Some(at)),
        Some(ApprovalRequestEnd::Reassigned(at)) => ("Approver Reassigned", Some(at)),
    };
    let role = people.workflow.template.role(&request.role);
    let mut shown = json!({
        "startTime": request.started_at,
        "status": status,
        "actorType": "User",
        "role": request.role,
        "roleName": role.map_or(request.role.as_str(), |role| role.name.as_str()),
        "approvalType": "Workflow",
    });
    let Some(members) = shown.as_object_mut() else { return shown };
    if let Some(approver) = &request.approver {
        members.insert("actorId".to_owned(), json!(people.id(approver)));
        if with_actor {
            let details = json!({"userName": people.name(approver), "userEmail": approver});
            members.insert("actorDetails".to_owned(), details);
        }
    }
    if let Some(ended_at) = ended_at {
        let millis = ended_at.millis_since(request.started_at);
        members.insert("endTime".to_owned(), json!(ended_at));
        members.insert("duration".to_owned(), json!(millis));
    }
    shown
}

/// What is wanted of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approving {
    /// Whether it is given, or taken back.
    pub is_approved: bool,
    /// The mail address of who does that, if it is said.
    pub by: Option<String>,
}

/// Reads the body that gives an approval, or takes it back: `{status, user?}`.
pub fn approving(body: &[u8]) -> Result<Approving, Error> {
    let read = form::read(body, |form| {
        let is_approved = match form.text("status") {
            Some("approved") => Some(true),
            Some("pending") => Some(false),
            Some(_) => {
                form.flaw_at("status", "expected approved or pending");
                None
            }
            None => None,
        };
        (is_approved, user(form, "user"))
    });
    let (is_approved, by) = read.map_err(Error::flawed)?;
    Ok(Approving { is_approved: is_approved.ok_or_else(|| Error::missing("status"))?, by })
}

/// Shows a turn. Where it took place is not known here.
pub fn turn(people: People<'_>, turn: &Turn) -> Value {
    json!({
        "turnNumber": turn.number,
        "turnParty": turn.party.as_str(),
        "turnStartTime": turn.started_at,
        "turnEndTime": turn.ended_at,
        "turnLocation": null,
        "turnUserId": people.id(&turn.by),
        "turnUserEmail": turn.by,
    })
}

/// What is wanted of attributes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Updates {
    /// Those set.
    pub set: BTreeMap<String, Value>,
    /// Those removed.
    pub remove: BTreeSet<String>,
    /// Why.
    pub comment: Option<String>,
}

/// Reads the body that changes attributes: `{updates: [{action, path, value}], comment?}`.
pub fn updates(workflow: &Workflow, body: &[u8]) -> Result<Updates, Error> {
    let read = form::read(body, |form| {
        let mut updates =
            Updates { comment: form.text("comment").map(str::to_owned), ..Updates::default() };
        for update in form.list("updates") {
            take(&update, &mut updates);
        }
        updates
    });
    let updates = read.map_err(Error::flawed)?;
    let Updates { set, remove, .. } = &updates;
    if set.is_empty() && remove.is_empty() {
        return Err(Error::missing("updates"));
    }
    let is_known = |path: &&String| workflow.template.attribute(path).is_some();
    let unknown: Vec<&str> =
        set.keys().chain(remove).filter(|path| !is_known(path)).map(String::as_str).collect();
    if !unknown.is_empty() {
        let message = format!("non-existent attribute(s) specified: {}", unknown.join(", "));
        return Err(Error::invalid("attributes", message));
    }
    let is_so = |(path, value): (&String, &Value)| workflow.attributes.get(path) == Some(value);
    if set.iter().all(is_so) && remove.iter().all(|path| !workflow.attributes.contains_key(path)) {
        let message =
            "No information changed. The updates provided did not introduce any new values";
        return Err(Error::invalid("attributes", message));
    }
    Ok(updates)
}

fn take(update: &Form<'_>, updates: &mut Updates) {
    let Some(path) = update.text("path").map(str::to_owned) else {
        return update.flaw_at("path", "expected the id of an attribute");
    };
    match (update.text("action"), update.any("value")) {
        (Some("remove"), _) => {
            updates.remove.insert(path);
        }
        (Some("set"), Some(value)) => {
            updates.set.insert(path, value.clone());
        }
        (Some("set"), None) => update.flaw_at("value", "expected what it is set to"),
        (_, _) => update.flaw_at("action", "expected set or remove"),
    }
}

/// Reads the body that gives a role to somebody: `{userId}`.
pub fn assignee(body: &[u8]) -> Result<String, Error> {
    let id = form::read(body, |form| form.text("userId").map(str::to_owned));
    let missing = || Error::invalid("userId", "userId is required");
    id.map_err(Error::flawed)?.ok_or_else(missing)
}
