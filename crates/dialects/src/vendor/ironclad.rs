//! Ironclad, caught: an envelope about a workflow, signed.
//!
//! The signature packet of a workflow is the request, under the workflow's id; a signer is known by their role, which stays
//! when the person changes. A cancelled workflow ends its packet. Everything that is not about signing is foreign, and so
//! is what changes the signers without naming them (`workflow_signer_…`): asking tells whom.
//! The payloads of `…_signer_viewed` and `…_signer_first_viewed` are shown on no page; the signer is looked for in `signer` and
//! beside the event, under the names that `…_signatures_collected` has.
//!
//! Sources: <https://developer.ironcladapp.com/reference/webhooks> (envelope, one sample per event),
//! <https://developer.ironcladapp.com/reference/webhook-verification>; for asking, the vendor's OpenAPI document, and
//! recorded answers for `routing` and `routingOrder`.

mod respell;
mod signature;

use domain::call::{Answer, Method};
use domain::mirror::SIGNERS_MAX;
use domain::request::SigningOrder;
use domain::source::Source;
use domain::told::{About, Picture, Pictured, SignerStage, Stage, Step, Told, Who};
use serde_json::Value;

use crate::vendor::ironclad::signature::{PublicKey, Signature};
use crate::vendor::lookup::{self, Door};
use crate::vendor::{
    Ask, Catch, Field, Form, Received, Unaskable, Unreadable, Untrusted, bounds, json,
};

/// The vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ironclad;

const FIELDS: &[Field] = &[
    Field::setting(
        "verification_key",
        Form::Text,
        "The public key that webhooks are signed with, as PEM; without it, the key is fetched from `key_url`.",
    ),
    Field::setting(
        "key_url",
        Form::Url,
        "Where the key is fetched from, if not at /webhooks/verification-key below `base_url`.",
    ),
    Field::secret(
        "api_token",
        "A bearer token of the REST interface; without it, the vendor is never asked.",
    ),
    Field::setting(
        "as_user_email",
        Form::Text,
        "The user to ask as, which tokens of client credentials must name.",
    ),
    Field::setting(
        "base_url",
        Form::Url,
        "Where the REST interface is, if not at https://ironcladapp.com/public/api/v1, such as https://eu1.ironcladapp.com/public/api/v1.",
    ),
];

const BASE_URL: &str = "https://ironcladapp.com/public/api/v1";

impl Catch for Ironclad {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, source: &Source) -> Vec<(&'static str, String)> {
        let key = source.text("verification_key");
        if key.is_some_and(|pem| PublicKey::read(pem).is_none()) {
            let what = "expected an RSA key in PEM: `-----BEGIN PUBLIC KEY-----` and what follows";
            return vec![("verification_key", what.to_owned())];
        }
        Vec::new()
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post]
    }

    fn prove(&self, source: &Source, received: &Received<'_>) -> Result<(), Untrusted> {
        let id = received.header(ID_HEADER);
        let id =
            id.ok_or(Untrusted::Forged("the header x-ironclad-webhook-event-id is missing"))?;
        let proof = received.header(PROOF_HEADER);
        let proof = proof
            .ok_or(Untrusted::Forged("the header x-ironclad-webhook-verification is missing"))?;
        let signature = Signature::read(proof)?;
        let Some(pem) = source.text("verification_key").or(received.key) else {
            return Err(Untrusted::KeyNeeded { url: key_url(source) });
        };
        let needed = || Untrusted::KeyNeeded { url: key_url(source) };
        let key = PublicKey::read(pem).ok_or_else(needed)?;
        if signature.covers(&key, id, received.body) {
            return Ok(());
        }
        // What was signed is what the vendor's runtime writes for the body, in whatever spelling that was sent.
        let respelt = respell::as_node(received.body);
        if respelt.is_some_and(|body| signature.covers(&key, id, body.as_bytes())) {
            Ok(())
        } else {
            Err(Untrusted::Forged("the signature does not fit id, body and nonce"))
        }
    }

    fn key(&self, _source: &Source, received: &Received<'_>) -> Option<String> {
        received.header(ID_HEADER).filter(|id| !id.trim().is_empty()).map(bounds::key)
    }

    fn read(&self, _source: &Source, received: &Received<'_>) -> Result<Told, Unreadable> {
        let envelope = json::object(received.body)?;
        let at = json::moment(&envelope, "timestamp");
        let payload = envelope.get("payload").unwrap_or(&Value::Null);
        let word = json::text(payload, "event").unwrap_or_default();
        let word = bounds::word(word, "payload.event")?;
        let workflow = json::id(payload, "workflowID");
        let Some(step) = step(&word, payload)? else {
            return Ok(Told { word, at, about: About::Foreign { request: workflow } });
        };
        let foreign_id = bounds::must(workflow.as_deref(), "payload.workflowID")?;
        let picture = Box::new(Picture::default());
        Ok(Told { word, at, about: About::Request { foreign_id, step: Some(step), picture } })
    }

    fn ask(&self, source: &Source, foreign_id: &str, answers: &[Answer]) -> Result<Ask, Unaskable> {
        let Some(first) = answers.first() else {
            return door(source)?.call(&["workflows", foreign_id, "signatures"]);
        };
        let signatures = match lookup::object(first, is_own) {
            Ok(signatures) if !signatures.get("signers").is_some_and(Value::is_array) => {
                return Ok(lookup::nonsense(first, "no `signers`"));
            }
            Ok(signatures) => Some(signatures),
            // There may be a workflow that has nothing to sign.
            Err(Ask::Gone) => None,
            Err(ask) => return Ok(unready(first).unwrap_or(ask)),
        };
        let Some(second) = answers.get(1) else {
            return door(source)?.call(&["workflows", foreign_id]);
        };
        let (signatures, workflow) = match (signatures, lookup::object(second, is_own)) {
            (Some(signatures), Ok(workflow)) => (signatures, workflow),
            (None, Ok(workflow)) => (Value::Null, workflow),
            (_, Err(later @ Ask::Later(..))) => return Ok(later),
            // A right of its own, and a long answer: the signers are known without it.
            (Some(signatures), Err(_)) => (signatures, Value::Null),
            (None, Err(ask)) => return Ok(ask),
        };
        Ok(Ask::Known(Box::new(picture(&signatures, &workflow))))
    }
}

const ID_HEADER: &str = "x-ironclad-webhook-event-id";
const PROOF_HEADER: &str = "x-ironclad-webhook-verification";

fn key_url(source: &Source) -> String {
    source.text("key_url").map_or_else(
        || {
            let base = source.text("base_url").unwrap_or(BASE_URL);
            format!("{}/webhooks/verification-key", base.trim_end_matches('/'))
        },
        ToOwned::to_owned,
    )
}

/// Tells what happened to the signature packet, if the event is about that.
fn step(word: &str, payload: &Value) -> Result<Option<Step>, Unreadable> {
    Ok(Some(match word {
        "workflow_signature_packet_sent" => Step::Sent,
        "workflow_signature_packet_signatures_collected" => {
            let all = json::items(payload, "signatures").into_iter().take(SIGNERS_MAX);
            let all: Vec<Who> = all.map(who).filter(|who| !who.is_nobody()).collect();
            if all.is_empty() {
                let what = "expected the `roleName` or the `email` of those who signed";
                return Err(Unreadable::new("payload.signatures", what));
            }
            Step::Signed(all)
        }
        "workflow_signature_packet_fully_signed" => Step::Completed,
        "workflow_signature_packet_signer_first_viewed"
        | "workflow_signature_packet_signer_viewed" => {
            Step::Viewed(who(payload.get("signer").unwrap_or(payload)))
        }
        "workflow_signature_packet_cancelled" | "workflow_cancelled" => Step::Cancelled,
        _ => return Ok(None),
    }))
}

fn who(signer: &Value) -> Who {
    Who {
        foreign_id: json::id(signer, "roleName"),
        email: json::email(signer, "email"),
        name: json::line(signer, "name"),
        ..Who::default()
    }
}

fn door(source: &Source) -> Result<Door, Unaskable> {
    let door = Door::new(source, Some(BASE_URL), ("authorization", "Bearer "))?;
    match source.text("as_user_email") {
        Some(user) => door.with("as_user_email", "x-as-user-email", user),
        None => Ok(door),
    }
}

/// Errors of this vendor have a `code`.
fn is_own(error: &Value) -> bool {
    error.get("code").is_some_and(|code| code == "NOT_FOUND")
}

/// Reads the refusal of a workflow that has not come to signing.
fn unready(answer: &Answer) -> Option<Ask> {
    let error = json::object(answer.body.as_bytes()).ok()?;
    let invalid = answer.status == 400 && json::text(&error, "code") == Some("INVALID_STATE");
    invalid.then_some(Ask::Later("the workflow is not at its signatures yet", None))
}

fn picture(signatures: &Value, workflow: &Value) -> Picture {
    let signers = json::items(signatures, "signers").into_iter().take(SIGNERS_MAX);
    let signers: Vec<Pictured> = signers.map(pictured).collect();
    let signing_order = match json::state(signatures, "routing").as_str() {
        "sequential" => Some(SigningOrder::Sequential),
        "parallel" => Some(SigningOrder::Parallel),
        _ => None,
    };
    let title = json::line(signatures, "title").or_else(|| json::line(workflow, "title"));
    let stage = stage(&signers, workflow);
    Picture { title, signing_order, signers, stage, ..Picture::default() }
}

/// Tells where the packet stands: cancelled with its workflow, else as far as its signers.
fn stage(signers: &[Pictured], workflow: &Value) -> Option<Stage> {
    let is_cancelled = workflow.get("isCancelled") == Some(&Value::Bool(true));
    let signatures = workflow.get("signatures").map(|part| json::state(part, "state"));
    let at_least = |stage| signers.iter().any(|signer| signer.stage >= Some(stage));
    let all_signed = !signers.is_empty()
        && signers.iter().all(|signer| signer.stage == Some(SignerStage::Signed));
    if all_signed || signatures.as_deref() == Some("completed") {
        Some(Stage::Completed)
    } else if is_cancelled || json::state(workflow, "status") == "cancelled" {
        Some(Stage::Cancelled)
    } else if at_least(SignerStage::Notified) {
        Some(Stage::Sent)
    } else {
        let all_known = signers.iter().all(|signer| signer.stage.is_some());
        (all_known && !signers.is_empty()).then_some(Stage::Draft)
    }
}

fn pictured(signer: &Value) -> Pictured {
    let status = signer.get("signatureStatus").filter(|status| status.is_object());
    let state = match status {
        Some(status) => json::state(status, "status"),
        None => json::state(signer, "signatureStatus"),
    };
    let stage = match state.as_str() {
        "pending" => Some(SignerStage::Waiting),
        "sent" => Some(SignerStage::Notified),
        "viewed" => Some(SignerStage::Viewed),
        "signed" => Some(SignerStage::Signed),
        "declined" => Some(SignerStage::Declined),
        _ => None,
    };
    // The vendor counts from 0, and from -1 for those who sign on paper.
    let order = json::number(signer, "routingOrder").and_then(|order| order.checked_add(1));
    let Who { foreign_id, email, name, .. } = who(signer);
    Pictured {
        label: foreign_id.clone(),
        foreign_id,
        name,
        email,
        order: order.and_then(|order| u32::try_from(order).ok()).filter(|order| *order > 0),
        stage,
        ..Pictured::default()
    }
}
