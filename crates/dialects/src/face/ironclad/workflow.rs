//! A workflow as the interface shows it.
//!
//! What an attribute takes is said in the vendor's words; a place for documents is an attribute too, whose value are the
//! documents in it.
//!
//! Sources: <https://developer.ironcladapp.com/reference/retrieve-a-workflow> (members, states); `url` of a state and `readOnly`
//! as observed.

use domain::workflow::{Attribute, AttributeKind, Packet, State, Step, Workflow};
use serde_json::{Map, Value, json};

use super::documents;
use super::{People, readable_id, record_id, template_id, workflow_id};

/// Names a step as the vendor does.
pub const fn step(step: Step) -> &'static str {
    match step {
        Step::Create => "Create",
        Step::Review => "Review",
        Step::Sign => "Sign",
        Step::Archive => "Archive",
    }
}

/// Shows a workflow; `base` is where people find the service, without a slash at the end.
pub fn shown(people: People<'_>, base: &str) -> Value {
    let workflow = people.workflow;
    let id = workflow_id(workflow.id);
    let mut shown = json!({
        "id": id,
        "ironcladId": readable_id(workflow),
        "title": workflow.title,
        "template": template_id(workflow.template.id),
        "step": step(workflow.step),
        "status": workflow.state.as_str(),
        "isCancelled": matches!(workflow.state, State::Cancelled { .. }),
        "isComplete": matches!(workflow.state, State::Completed { .. }),
        "created": workflow.created_at,
        "lastUpdated": workflow.updated_at,
        "creator": people.creator(),
        "roles": people.roles(),
        "approvals": approvals(workflow, &api_url(base, &id)),
        "signatures": signatures(workflow, &api_url(base, &id)),
        "attributes": attributes(people),
        "schema": schema(workflow),
        "isRevertibleToReview": is_revertible(workflow),
    });
    if let (State::Completed { record_ids, .. }, Some(shown)) =
        (&workflow.state, shown.as_object_mut())
    {
        let ids: Vec<String> = record_ids.iter().map(|id| record_id(*id)).collect();
        shown.insert("recordIds".to_owned(), json!(ids));
    }
    shown
}

/// Gives where the interface shows a workflow, known by its 24 hexadecimal digits.
pub fn api_url(base: &str, id: &str) -> String {
    format!("{base}/public/api/v1/workflows/{id}")
}

fn approvals(workflow: &Workflow, url: &str) -> Value {
    let roles = || workflow.template.approval_groups.iter().flat_map(|group| &group.roles);
    if roles().next().is_none() {
        return json!({"state": "not_applicable", "message": "the workflow needs no approvals"});
    }
    match workflow.step {
        _ if roles().all(|role| workflow.approvals.contains_key(role)) => {
            json!({"state": "completed"})
        }
        Step::Create => json!({"state": "not_started"}),
        Step::Review | Step::Sign | Step::Archive => {
            json!({"state": "in_progress", "url": format!("{url}/approvals")})
        }
    }
}

fn signatures(workflow: &Workflow, url: &str) -> Value {
    if workflow.signers.is_empty() {
        return json!({"state": "not_applicable", "message": "nobody signs the workflow"});
    }
    match (workflow.step, workflow.packet) {
        (_, Packet::Signed { .. }) => json!({"state": "completed"}),
        (Step::Create | Step::Review, Packet::NotSent | Packet::Sent { .. }) => {
            json!({"state": "not_started"})
        }
        (Step::Sign | Step::Archive, Packet::NotSent | Packet::Sent { .. }) => {
            json!({"state": "in_progress", "url": format!("{url}/signatures")})
        }
    }
}

/// Tells whether the workflow can go back to review.
fn is_revertible(workflow: &Workflow) -> bool {
    workflow.step == Step::Sign
        && workflow.state == State::Active
        && !matches!(workflow.packet, Packet::Sent { .. })
}

fn attributes(people: People<'_>) -> Value {
    let workflow = people.workflow;
    let known = workflow.attributes.iter().map(|(id, value)| (id.clone(), value.clone()));
    let mut all: Map<String, Value> = known.collect();
    for place in &workflow.template.documents {
        let there = workflow.documents.iter().filter(|document| document.place == place.id);
        let there: Vec<Value> = there.map(|document| documents::shown(people, document)).collect();
        if !there.is_empty() {
            all.insert(place.id.clone(), Value::Array(there));
        }
    }
    Value::Object(all)
}

fn schema(workflow: &Workflow) -> Value {
    let is_fixed = workflow.step != Step::Review || workflow.state != State::Active;
    let attribute = |attribute: &Attribute| {
        let Attribute { id, name, kind, .. } = attribute;
        let mut shown = json!({
            "type": type_of(*kind), "displayName": name, "propertyKey": id, "readOnly": is_fixed,
        });
        if let (AttributeKind::List, Some(shown)) = (kind, shown.as_object_mut()) {
            let element = json!({"type": "string", "displayName": name, "readOnly": is_fixed});
            shown.insert("elementType".to_owned(), element);
        }
        (id.clone(), shown)
    };
    let mut all: Map<String, Value> = workflow.template.attributes.iter().map(attribute).collect();
    for place in &workflow.template.documents {
        let name = &place.name;
        let element = json!({"type": "document", "displayName": name, "readOnly": is_fixed});
        let shown = json!({
            "type": "array", "displayName": name, "elementType": element, "readOnly": is_fixed,
        });
        all.insert(place.id.clone(), shown);
    }
    Value::Object(all)
}

const fn type_of(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Text => "string",
        AttributeKind::Number => "number",
        AttributeKind::Boolean => "boolean",
        AttributeKind::Date => "date",
        AttributeKind::Money => "monetaryAmount",
        AttributeKind::List => "array",
    }
}
