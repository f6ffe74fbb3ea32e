//! JSON Schemas of the standard dialect's bodies, one per kind, for the catalogue.
//!
//! Invariants: a schema stands alone, without references; it names every member we write, and forbids none, since later
//! versions may add some. A test holds every sample against its schema, and finds a member without one.
//! Source of the form: <https://json-schema.org/draft/2020-12/schema>.

mod workflow;

use domain::event::Kind;
use serde_json::{Value, json};

/// Gives the schema of the body that tells of a kind.
pub fn schema(kind: Kind) -> Value {
    let name = if kind == Kind::Custom {
        json!({"type": "string", "pattern": r"^custom(\.[A-Za-z0-9_-]+)+$", "maxLength": 100})
    } else {
        json!({"const": kind.as_str()})
    };
    let name = if kind == Kind::Foreign {
        json!({"type": "string", "pattern": r"^(clickwrap|ironclad|insertsign|fintechos|esaw)\..+$"})
    } else {
        name
    };
    let mut body = object(
        &["type", "timestamp", "data"],
        json!({
            "type": name,
            "test": {"const": true},
            "timestamp": moment(),
            "data": with_chain(data(kind)),
        }),
    );
    add(&mut body, "title", json!(kind.as_str()));
    add(&mut body, "$schema", json!("https://json-schema.org/draft/2020-12/schema"));
    body
}

#[expect(clippy::too_many_lines, reason = "one arm names each kind")]
fn data(kind: Kind) -> Value {
    match kind {
        Kind::RequestCreated
        | Kind::RequestSent
        | Kind::RequestCompleted
        | Kind::RequestDeclined
        | Kind::RequestExpired
        | Kind::RequestCancelled
        | Kind::RequestArchived
        | Kind::RequestUnarchived
        | Kind::RequestDeleted => object(&["request"], json!({"request": request()})),
        Kind::SignerNotified
        | Kind::SignerViewed
        | Kind::SignerSigned
        | Kind::SignerDeclined
        | Kind::SignerAdded
        | Kind::SignerRemoved
        | Kind::RequestReminded => {
            object(&["request", "signer"], json!({"request": request(), "signer": signer()}))
        }
        Kind::SignerReassigned => object(
            &["request", "signer"],
            json!({"request": request(), "signer": signer(), "from_signer_id": id("sgn")}),
        ),
        Kind::ContactCreated | Kind::ContactUpdated | Kind::ContactDeleted => {
            object(&["contact"], json!({"contact": contact()}))
        }
        Kind::EmailDelivered | Kind::EmailBounced | Kind::EmailComplained => {
            object(&["to", "subject"], json!({"to": text(), "subject": text(), "reason": text()}))
        }
        Kind::SmsDelivered | Kind::SmsFailed => {
            object(&["to"], json!({"to": text(), "reason": text()}))
        }
        Kind::EndpointFailing | Kind::EndpointDisabled | Kind::EndpointEnabled => endpoint(),
        Kind::DeliveryExhausted => delivery(),
        Kind::SourceReceived => object(
            &["source_id", "method", "headers"],
            json!({
                "source_id": id("src"), "method": one_of(&["GET", "POST"]), "query": text(),
                "headers": {"type": "array", "items": {"type": "array", "items": text()}},
                "body": text(), "body_base64": text(),
            }),
        ),
        Kind::SourceQuarantined => object(
            &["source_id", "arrival_id", "reason"],
            json!({"source_id": id("src"), "arrival_id": id("evt"), "reason": text()}),
        ),
        Kind::Foreign => object(
            &["source_id", "arrival_id", "word"],
            json!({
                "source_id": id("src"), "arrival_id": id("evt"), "word": text(), "query": text(),
                "body": text(),
            }),
        ),
        Kind::WorkflowLaunched
        | Kind::WorkflowUpdated
        | Kind::WorkflowStepUpdated
        | Kind::WorkflowPaused
        | Kind::WorkflowResumed
        | Kind::WorkflowCompleted
        | Kind::WorkflowCancelled
        | Kind::WorkflowAttributeUpdated
        | Kind::WorkflowApprovalStatusChanged
        | Kind::WorkflowRolesAssigned
        | Kind::WorkflowChangedTurn
        | Kind::WorkflowCommentAdded
        | Kind::WorkflowCommentUpdated
        | Kind::WorkflowCommentRemoved
        | Kind::WorkflowCommentReactionAdded
        | Kind::WorkflowCommentReactionRemoved
        | Kind::WorkflowCounterpartyInviteSent
        | Kind::WorkflowCounterpartyInviteRevoked
        | Kind::WorkflowDocumentsAdded
        | Kind::WorkflowDocumentsRemoved
        | Kind::WorkflowDocumentsUpdated
        | Kind::WorkflowDocumentsRenamed
        | Kind::WorkflowDocumentEdited
        | Kind::WorkflowSignerAdded
        | Kind::WorkflowSignerRemoved
        | Kind::WorkflowSignerReassigned
        | Kind::WorkflowSignaturePacketSent
        | Kind::WorkflowSignaturePacketUploaded
        | Kind::WorkflowSignaturePacketSignaturesCollected
        | Kind::WorkflowSignaturePacketFullySigned
        | Kind::WorkflowSignaturePacketCancelled => workflow::data(kind),
        Kind::Custom => json!({"type": "object"}),
    }
}

/// Adds the place in the request's chain, which stands last in the data of linked events.
fn with_chain(mut data: Value) -> Value {
    let chain = object(
        &["seq", "hash"],
        json!({
            "seq": {"type": "integer", "minimum": 1},
            "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }),
    );
    if let Some(Value::Object(members)) = data.get_mut("properties") {
        members.insert("chain".to_owned(), chain);
    }
    data
}

fn request() -> Value {
    let mut members = json!({
        "id": id("req"),
        "account_id": id("acc"),
        "title": text(),
        "message": text(),
        "documents": {"type": "array", "items": document()},
        "sender": object(&["name", "email"], json!({"name": text(), "email": text()})),
        "signing_order": one_of(&["parallel", "sequential"]),
        "signers": {"type": "array", "items": signer()},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "expires_at": moment(),
        "reminders": object(
            &["days"],
            json!({"days": {"type": "array", "items": {"type": "integer", "minimum": 0}}}),
        ),
        "callbacks": object(
            &["dialect"],
            json!({
                "finish_url": text(),
                "status_url": text(),
                "dialect": one_of(&["esaw", "fintechos"]),
            }),
        ),
        "redirect_url": text(),
        "notices": {"type": "object"},
        "metadata": {"type": "object"},
        "origin": text(),
        "workflow_id": id("wfl"),
        "foreign_id": text(),
        "said_sent": {"const": true},
        "untold": {"type": "array", "items": object(&["type"], json!({"type": text(), "signer_id": text()}))},
        "created_at": moment(),
        "status": one_of(&["draft", "sent", "completed", "declined", "expired", "cancelled"]),
    });
    for name in
        ["sent_at", "completed_at", "declined_at", "expired_at", "cancelled_at", "archived_at"]
    {
        add(&mut members, name, moment());
    }
    add(&mut members, "cancel_reason", text());
    let required = [
        "id",
        "account_id",
        "title",
        "sender",
        "signing_order",
        "signers",
        "progress",
        "reminders",
        "metadata",
        "origin",
        "created_at",
        "status",
    ];
    object(&required, members)
}

fn document() -> Value {
    object(
        &["id", "name", "size_bytes", "sha256"],
        json!({
            "id": id("doc"),
            "name": text(),
            "size_bytes": {"type": "integer", "minimum": 1},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }),
    )
}

fn signer() -> Value {
    let mut members = person();
    add(&mut members, "id", id("sgn"));
    add(&mut members, "order", json!({"type": "integer", "minimum": 0}));
    add(&mut members, "role", one_of(&["signer", "cc"]));
    let channel = json!({"type": "boolean"});
    let send_to = object(&["email", "sms"], json!({"email": channel, "sms": channel}));
    add(&mut members, "send_to", send_to);
    let states = ["waiting", "notified", "viewed", "signed", "declined", "reassigned"];
    add(&mut members, "status", one_of(&states));
    for name in ["notified_at", "viewed_at", "signed_at", "declined_at", "reassigned_at"] {
        add(&mut members, name, moment());
    }
    add(&mut members, "reminders", json!({"type": "integer", "minimum": 1}));
    add(&mut members, "reminded_at", moment());
    add(&mut members, "evidence", evidence());
    add(&mut members, "reason", text());
    add(&mut members, "to", id("sgn"));
    object(&["id", "name", "email", "order", "role", "send_to", "status"], members)
}

fn evidence() -> Value {
    object(
        &["name", "consent", "device", "via"],
        json!({
            "name": text(),
            "consent": text(),
            "ip": text(),
            "user_agent": text(),
            "device": one_of(&["desktop", "mobile", "tablet"]),
            "via": one_of(&["page", "api"]),
        }),
    )
}

fn contact() -> Value {
    let mut members = person();
    add(&mut members, "id", id("cnt"));
    add(&mut members, "account_id", id("acc"));
    add(&mut members, "metadata", json!({"type": "object"}));
    add(&mut members, "created_at", moment());
    add(&mut members, "updated_at", moment());
    object(&["id", "account_id", "name", "email", "metadata", "created_at", "updated_at"], members)
}

fn person() -> Value {
    let names = ["name", "email", "mobile", "label", "company", "locale"];
    Value::Object(names.map(|name| (name.to_owned(), text())).into_iter().collect())
}

fn endpoint() -> Value {
    object(
        &["endpoint_id", "url", "status", "reason", "failures"],
        json!({
            "endpoint_id": id("ep"),
            "url": text(),
            "status": one_of(&["enabled", "disabled", "disabled_by_system", "deleted"]),
            "reason": text(),
            "failing_since": moment(),
            "failures": {"type": "integer", "minimum": 0},
        }),
    )
}

fn delivery() -> Value {
    object(
        &["delivery_id", "endpoint_id", "event_id", "event_type", "attempts", "reason"],
        json!({
            "delivery_id": id("dlv"),
            "endpoint_id": id("ep"),
            "event_id": id("evt"),
            "event_type": text(),
            "attempts": {"type": "integer", "minimum": 0},
            "reason": text(),
            "last_status": {"type": "integer", "minimum": 100, "maximum": 999},
        }),
    )
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({"type": "object", "required": required});
    add(&mut schema, "properties", properties);
    schema
}

fn text() -> Value {
    json!({"type": "string"})
}

fn moment() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn id(prefix: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$")})
}

fn add(members: &mut Value, name: &str, schema: Value) {
    if let Some(members) = members.as_object_mut() {
        members.insert(name.to_owned(), schema);
    }
}
