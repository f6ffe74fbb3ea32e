//! The schemas of what events of workflows say: the workflow in short, by whom, and the change.

use domain::event::Kind;
use serde_json::{Value, json};

use super::{add, id, moment, object, one_of, person, text};

/// Gives the schema of the data of a kind.
pub(super) fn data(kind: Kind) -> Value {
    let what = kind.as_str().trim_start_matches("workflow.");
    let (required, mut members) = change(what);
    add(&mut members, "what", json!({"const": what}));
    let required: Vec<&str> = required.iter().copied().chain(["what"]).collect();
    let members = json!({"workflow": brief(), "by": text(), "change": object(&required, members)});
    object(&["workflow", "by", "change"], members)
}

/// Gives the members of the change by its name, and those that never lack.
fn change(what: &str) -> (&'static [&'static str], Value) {
    match what {
        "launched" => (&["workflow"], json!({"workflow": whole()})),
        "updated" => (
            &[],
            json!({
                "title": text(), "metadata": {"type": "object"},
                "packet_documents": list(id("doc")), "schedule": scheduling(),
            }),
        ),
        "completed" => (&["record_ids"], json!({"record_ids": list(id("rec"))})),
        "cancelled" => (&[], json!({"reason": text()})),
        "step_updated" => (&["transition"], json!({"transition": transition()})),
        "approval_status_changed" => (
            &["approval_id", "approval_name", "is_approved"],
            json!({"approval_id": text(), "approval_name": text(), "is_approved": boolean()}),
        ),
        "attribute_updated" => {
            (&["set", "removed"], json!({"set": {"type": "object"}, "removed": list(text())}))
        }
        "comment_added" => (&["comment"], json!({"comment": comment()})),
        "comment_updated" => (
            &["comment_id", "text", "mentions", "is_external"],
            json!({
                "comment_id": id("cmt"), "text": text(), "mentions": list(text()),
                "is_external": boolean(),
            }),
        ),
        "comment_removed" => (
            &["comment_id", "is_external"],
            json!({"comment_id": id("cmt"), "is_external": boolean()}),
        ),
        "comment_reaction_added" | "comment_reaction_removed" => {
            (&["comment_id", "emoji_id"], json!({"comment_id": id("cmt"), "emoji_id": text()}))
        }
        "counterparty_invite_sent" => (&["counterparty"], json!({"counterparty": user()})),
        "counterparty_invite_revoked" => (&["counterparty"], json!({"counterparty": text()})),
        "documents_added" | "documents_updated" => {
            (&["documents"], json!({"documents": list(document())}))
        }
        "documents_removed" => (&["document_ids"], json!({"document_ids": list(id("doc"))})),
        "documents_renamed" => {
            let renamed = object(&["id", "name"], json!({"id": id("doc"), "name": text()}));
            (&["documents"], json!({"documents": list(renamed)}))
        }
        "document_edited" | "signature_packet_uploaded" => {
            (&["document"], json!({"document": document()}))
        }
        "changed_turn" => (&["to"], json!({"from": party(), "to": party()})),
        "roles_assigned" => (&["assignments"], json!({"assignments": {"type": "object"}})),
        _ => packet_change(what),
    }
}

fn packet_change(what: &str) -> (&'static [&'static str], Value) {
    match what {
        "signer_added" => (&["signer"], json!({"signer": signatory()})),
        "signer_removed" => (&["role_name"], json!({"role_name": text()})),
        "signer_reassigned" => (
            &["role_name", "person"],
            json!({
                "role_name": text(), "person": object(&["name", "email"], person()),
                "signer_id": id("sgn"), "reason": text(),
            }),
        ),
        "signature_packet_sent" => (
            &["request_id", "signer_ids"],
            json!({"request_id": id("req"), "signer_ids": {"type": "object"}}),
        ),
        "signature_packet_signatures_collected" => {
            let members = json!({"name": text(), "email": text(), "role_name": text()});
            let signature = object(&["name", "email", "role_name"], members);
            (&["signatures"], json!({"signatures": list(signature)}))
        }
        "signature_packet_cancelled" => (
            &["reason"],
            json!({"reason": one_of(&["cancelled", "declined", "expired", "deleted", "reverted"])}),
        ),
        // Paused, resumed, signed by all: the change says nothing but its name.
        _ => (&[], json!({})),
    }
}

/// What became of sending the packet at a moment said before.
fn scheduling() -> Value {
    let schedule = json!({
        "send_at": moment(), "remind_days_before": {"type": "integer"}, "reminded_at": moment(),
        "by": text(),
    });
    let members = json!({
        "is": one_of(&["set", "reminded", "off"]),
        "schedule": object(&["send_at", "by"], schedule), "reason": text(),
    });
    object(&["is"], members)
}

fn brief() -> Value {
    let members = json!({
        "id": id("wfl"), "account_id": id("acc"), "title": text(), "template_id": id("wft"),
        "step": step(), "status": status(), "turn": party(),
    });
    object(&["id", "account_id", "title", "template_id", "step", "status"], members)
}

/// The workflow as it was launched.
fn whole() -> Value {
    let any = || json!({"type": "object"});
    let members = json!({
        "id": id("wfl"), "account_id": id("acc"), "title": text(), "template": any(),
        "creator": text(), "step": step(), "status": status(), "turn": party(),
        "number": {"type": "integer", "minimum": 0}, "turns": list(any()), "approval_requests": list(any()),
        "attributes": any(), "roles": any(), "approvals": any(), "participants": list(text()),
        "comments": list(comment()), "documents": list(document()),
        "packet_documents": list(id("doc")),
        "counterparties": list(any()), "signers": list(signatory()), "packet": any(),
        "uploads": list(document()), "metadata": any(), "created_at": moment(),
        "updated_at": moment(),
    });
    object(
        &["id", "account_id", "title", "template", "creator", "step", "status", "signers"],
        members,
    )
}

fn comment() -> Value {
    let members = json!({
        "id": id("cmt"), "author": text(), "text": text(), "is_external": boolean(),
        "replied_to": id("cmt"), "mentions": list(text()), "added_participants": list(text()),
        "reactions": {"type": "object"}, "created_at": moment(), "edited_at": moment(),
        "removed_at": moment(),
    });
    object(&["id", "author", "text", "is_external", "created_at"], members)
}

fn document() -> Value {
    let members = json!({
        "id": id("doc"), "place": text(), "name": text(), "media_type": text(),
        "size_bytes": {"type": "integer", "minimum": 0}, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "version": {"type": "integer", "minimum": 1}, "by": text(), "updated_at": moment(),
    });
    let required = [
        "id",
        "place",
        "name",
        "media_type",
        "size_bytes",
        "sha256",
        "version",
        "by",
        "updated_at",
    ];
    object(&required, members)
}

fn signatory() -> Value {
    let members = json!({
        "role_name": text(), "party": party(), "order": {"type": "integer", "minimum": 1},
        "person": object(&["name", "email"], person()), "signer_id": id("sgn"),
        "signed_at": moment(),
    });
    object(&["role_name", "party", "order"], members)
}

fn user() -> Value {
    object(&["email"], json!({"email": text(), "name": text()}))
}

fn step() -> Value {
    one_of(&["create", "review", "sign", "archive"])
}

fn status() -> Value {
    one_of(&["active", "paused", "completed", "cancelled"])
}

fn party() -> Value {
    one_of(&["internal", "counterparty"])
}

fn transition() -> Value {
    one_of(&[
        "create_to_review",
        "review_to_sign",
        "revert_sign_to_review",
        "sign_to_archive",
        "revert_archive_to_sign",
    ])
}

fn list(items: Value) -> Value {
    let mut list = json!({"type": "array"});
    add(&mut list, "items", items);
    list
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}
