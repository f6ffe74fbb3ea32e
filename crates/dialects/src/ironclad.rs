//! Ironclad: a thin envelope of ids about a workflow, signed with RSA.
//!
//! Invariants: members stand in the order of the vendor's samples, which is that of the alphabet but for three events; a body
//! does not change from attempt to attempt, and is spelled as the vendor's runtime spells it again, so that the bytes are what
//! receivers verify. Ids of 24 hexadecimal digits follow from ours for ever, and begin with the second in which ours were
//! minted, as the vendor's do; who acts is known by their mail address, and so are the other side's people.
//!
//! Only workflows are told of: a request that is no signature packet has no word here, and what happens to one that is, its
//! workflow tells.
//!
//! Sources: <https://developer.ironcladapp.com/reference/webhooks> (envelope, one sample per event),
//! <https://developer.ironcladapp.com/reference/webhook-verification> (the two headers); how ids and the nonce look is taken from
//! what the vendor was seen to send.

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::{Call, Method};
use domain::endpoint::Endpoint;
use domain::event::{Event, Kind};
use domain::facts::AboutWorkflow;
use domain::id::{AccountId, CommentId, DocumentId};
use domain::time::Timestamp;
use domain::workflow::{Change, Collected, Renamed, User};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::data::{self, json as write, json_headers};
use crate::error::Unsayable;
use crate::headers::add_own;
use crate::proof::RsaKey;
use crate::{Dialect, Target, Word, derive};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ironclad;

/// The vendor's names: ours, with an underscore for the dot.
const WORDS: &[Word] = &[
    Word { name: "workflow_launched", kind: Kind::WorkflowLaunched },
    Word { name: "workflow_updated", kind: Kind::WorkflowUpdated },
    Word { name: "workflow_step_updated", kind: Kind::WorkflowStepUpdated },
    Word { name: "workflow_paused", kind: Kind::WorkflowPaused },
    Word { name: "workflow_resumed", kind: Kind::WorkflowResumed },
    Word { name: "workflow_completed", kind: Kind::WorkflowCompleted },
    Word { name: "workflow_cancelled", kind: Kind::WorkflowCancelled },
    Word { name: "workflow_attribute_updated", kind: Kind::WorkflowAttributeUpdated },
    Word { name: "workflow_approval_status_changed", kind: Kind::WorkflowApprovalStatusChanged },
    Word { name: "workflow_roles_assigned", kind: Kind::WorkflowRolesAssigned },
    Word { name: "workflow_changed_turn", kind: Kind::WorkflowChangedTurn },
    Word { name: "workflow_comment_added", kind: Kind::WorkflowCommentAdded },
    Word { name: "workflow_comment_updated", kind: Kind::WorkflowCommentUpdated },
    Word { name: "workflow_comment_removed", kind: Kind::WorkflowCommentRemoved },
    Word { name: "workflow_comment_reaction_added", kind: Kind::WorkflowCommentReactionAdded },
    Word { name: "workflow_comment_reaction_removed", kind: Kind::WorkflowCommentReactionRemoved },
    Word { name: "workflow_counterparty_invite_sent", kind: Kind::WorkflowCounterpartyInviteSent },
    Word {
        name: "workflow_counterparty_invite_revoked",
        kind: Kind::WorkflowCounterpartyInviteRevoked,
    },
    Word { name: "workflow_documents_added", kind: Kind::WorkflowDocumentsAdded },
    Word { name: "workflow_documents_removed", kind: Kind::WorkflowDocumentsRemoved },
    Word { name: "workflow_documents_updated", kind: Kind::WorkflowDocumentsUpdated },
    Word { name: "workflow_documents_renamed", kind: Kind::WorkflowDocumentsRenamed },
    Word { name: "workflow_document_edited", kind: Kind::WorkflowDocumentEdited },
    Word { name: "workflow_signer_added", kind: Kind::WorkflowSignerAdded },
    Word { name: "workflow_signer_removed", kind: Kind::WorkflowSignerRemoved },
    Word { name: "workflow_signer_reassigned", kind: Kind::WorkflowSignerReassigned },
    Word { name: "workflow_signature_packet_sent", kind: Kind::WorkflowSignaturePacketSent },
    Word {
        name: "workflow_signature_packet_uploaded",
        kind: Kind::WorkflowSignaturePacketUploaded,
    },
    Word {
        name: "workflow_signature_packet_signatures_collected",
        kind: Kind::WorkflowSignaturePacketSignaturesCollected,
    },
    Word {
        name: "workflow_signature_packet_fully_signed",
        kind: Kind::WorkflowSignaturePacketFullySigned,
    },
    Word {
        name: "workflow_signature_packet_cancelled",
        kind: Kind::WorkflowSignaturePacketCancelled,
    },
];

impl Dialect for Ironclad {
    fn words(&self) -> &'static [Word] {
        WORDS
    }

    fn render(&self, event: &Event, target: &Target<'_>) -> Result<Option<Call>, Unsayable> {
        let Some(word) = WORDS.iter().find(|word| word.kind == event.kind) else {
            return Ok(None);
        };
        let about: AboutWorkflow = data::read(event)?;
        if about.change.kind() != event.kind {
            return Err(Unsayable::Missing { kind: event.kind, part: "change" });
        }
        let envelope = Envelope {
            company: company_id(event.account),
            payload: payload(word.name, &about),
            timestamp: event.at,
            webhook: webhook_id(target.endpoint),
        };
        let body = write(&envelope)?;
        let mut headers = json_headers();
        let id = event_id(event);
        let proof = proof(&id, &body, target)?;
        headers.push((Cow::Borrowed(ID_HEADER), id));
        headers.push((Cow::Borrowed(PROOF_HEADER), proof));
        add_own(&mut headers, &target.endpoint.secrets)?;
        Ok(Some(Call { method: Method::Post, url: Arc::clone(target.url), headers, body }))
    }
}

/// Names the event to the receiver: the key by which it knows one that comes twice.
pub(crate) const ID_HEADER: &str = "x-ironclad-webhook-event-id";
/// Carries the signature.
pub(crate) const PROOF_HEADER: &str = "x-ironclad-webhook-verification";

#[derive(Debug, Serialize)]
struct Envelope {
    #[serde(rename = "companyID")]
    company: String,
    payload: Map<String, Value>,
    timestamp: Timestamp,
    #[serde(rename = "webhookID")]
    webhook: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof<'a> {
    nonce: &'a str,
    sign_algorithm: &'static str,
    signature: &'a str,
    encoding: &'static str,
}

/// Signs id, body and nonce, one after the other.
fn proof(id: &str, body: &[u8], target: &Target<'_>) -> Result<String, Unsayable> {
    let key: &RsaKey = target.rsa.ok_or(Unsayable::NoSigner)?;
    // Of the event and the endpoint, so that an attempt says the same as the one before it.
    let Endpoint { id: endpoint, account, .. } = target.endpoint;
    let nonce = derive::bits("ironclad nonce", *account, &format!("{id} {endpoint}"));
    let nonce = format!("{:016x}", nonce >> 64);
    let signature = key.sign(&[id.as_bytes(), body, nonce.as_bytes()].concat());
    let signature = signature.ok_or(Unsayable::NoSigner)?;
    let proof = Proof {
        nonce: &nonce,
        sign_algorithm: "sha256",
        signature: &signature,
        encoding: "base64",
    };
    serde_json::to_string(&proof).map_err(|source| Unsayable::Body { source })
}

fn event_id(event: &Event) -> String {
    format!("webhookEvent{:032x}", event.id.bits())
}

/// Writes what the event says, in the order of its sample.
fn payload(word: &str, about: &AboutWorkflow) -> Map<String, Value> {
    let AboutWorkflow { workflow, by, change } = about;
    let account = workflow.account;
    let user = || json!(user_id(account, by));
    let is_anonymous = matches!(
        change,
        Change::Launched { .. }
            | Change::Updated { .. }
            | Change::Completed { .. }
            | Change::Cancelled { .. }
            | Change::Paused
            | Change::Resumed
            | Change::StepUpdated { .. }
            | Change::ChangedTurn { .. }
            | Change::RolesAssigned { .. }
            | Change::SignaturePacketSignaturesCollected { .. }
            | Change::SignaturePacketFullySigned
    );
    let mut members = vec![("event", json!(word))];
    if !matches!(change, Change::ApprovalStatusChanged { .. }) {
        let template = workflow.template_id;
        members.push(("templateID", json!(id_of(template.bits(), template.minted_at(), "wft"))));
    }
    if !is_anonymous {
        members.push(("userID", user()));
    }
    members.push(("workflowID", json!(id_of(workflow.id.bits(), workflow.id.minted_at(), "wfl"))));
    if let Change::ChangedTurn { from, to } = change {
        members.extend(from.map(|from| ("fromParty", json!(from.as_str()))));
        members.push(("toParty", json!(to.as_str())));
    } else if let Change::RolesAssigned { assignments } = change {
        let assignment = |(role, user): (&String, &User)| json!({"action": "assigned", "assigneeID": user_id(account, &user.email), "roleID": role});
        let assignments: Vec<Value> = assignments.iter().map(assignment).collect();
        members.extend([("userId", user()), ("RoleAssignments", json!(assignments))]);
    } else if let Change::SignaturePacketSignaturesCollected { signatures } = change {
        let signature = |signed: &Collected| json!({"name": signed.name, "email": signed.email, "roleName": signed.role_name});
        let signatures: Vec<Value> = signatures.iter().map(signature).collect();
        members.push(("signatures", json!(signatures)));
    } else {
        members.extend(own_members(account, by, change));
        members.sort_unstable_by_key(|(name, _)| *name);
    }
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Gives the members that only this kind of change has.
fn own_members(account: AccountId, by: &str, change: &Change) -> Vec<(&'static str, Value)> {
    let comment = |id: &CommentId| ("commentID", json!(derive::guid_of(id.bits())));
    let keys = |ids: Vec<DocumentId>| {
        let keys: Vec<String> = ids.into_iter().map(document_key).collect();
        vec![("documentKeys", json!(keys))]
    };
    match change {
        Change::Launched { .. }
        | Change::Updated { .. }
        | Change::Cancelled { .. }
        | Change::Paused
        | Change::Resumed
        | Change::ChangedTurn { .. }
        | Change::RolesAssigned { .. }
        | Change::CounterpartyInviteSent { .. }
        | Change::SignerAdded { .. }
        | Change::SignerRemoved { .. }
        | Change::SignerReassigned { .. }
        | Change::SignaturePacketSent { .. }
        | Change::SignaturePacketUploaded { .. }
        | Change::SignaturePacketSignaturesCollected { .. }
        | Change::SignaturePacketFullySigned
        | Change::SignaturePacketCancelled { .. } => Vec::new(),
        Change::Completed { record_ids } => {
            let ids = record_ids.iter().map(|id| derive::guid_of(id.bits()));
            vec![("recordIDs", json!(ids.collect::<Vec<_>>()))]
        }
        Change::StepUpdated { transition } => vec![("transition", json!(transition.as_str()))],
        Change::ApprovalStatusChanged { approval_id, approval_name, is_approved } => vec![
            ("approvalID", json!(approval_id)),
            ("approvalName", json!(approval_name)),
            ("status", json!(if *is_approved { "approved" } else { "pending" })),
            ("userEmail", json!(by)),
        ],
        Change::AttributeUpdated { set, removed } => {
            let changed: Vec<&String> = set.keys().chain(removed).collect();
            vec![("changedAttributes", json!(changed))]
        }
        Change::CommentAdded { comment: added } => {
            vec![comment(&added.id), ("isExternal", json!(added.is_external))]
        }
        Change::CommentUpdated { comment_id, is_external, .. }
        | Change::CommentRemoved { comment_id, is_external } => {
            vec![comment(comment_id), ("isExternal", json!(is_external))]
        }
        Change::CommentReactionAdded { comment_id, emoji_id }
        | Change::CommentReactionRemoved { comment_id, emoji_id } => {
            vec![comment(comment_id), ("emojiID", json!(emoji_id))]
        }
        Change::CounterpartyInviteRevoked { counterparty } => {
            vec![("counterpartyID", json!(user_id(account, counterparty)))]
        }
        Change::DocumentsAdded { documents } | Change::DocumentsUpdated { documents } => {
            keys(documents.iter().map(|document| document.id).collect())
        }
        Change::DocumentsRemoved { document_ids } => keys(document_ids.clone()),
        Change::DocumentsRenamed { documents } => {
            keys(documents.iter().map(|Renamed { id, .. }| *id).collect())
        }
        Change::DocumentEdited { document } => {
            vec![("documentKey", json!(document_key(document.id)))]
        }
    }
}

/// Gives the vendor's form of an account.
pub(crate) fn company_id(account: AccountId) -> String {
    id_of(account.bits(), account.minted_at(), "acc")
}

/// Gives the vendor's form of an endpoint.
pub(crate) fn webhook_id(endpoint: &Endpoint) -> String {
    id_of(endpoint.id.bits(), endpoint.id.minted_at(), "ep")
}

/// Gives the vendor's form of an id: the second it was minted in, and 64 bits that follow from it.
pub(crate) fn id_of(bits: u128, minted_at: Timestamp, prefix: &str) -> String {
    let chance = derive::bits(prefix, AccountId::new(bits), "ironclad") >> 64;
    format!("{:08x}{chance:016x}", minted_at.as_seconds() & 0xffff_ffff)
}

/// Gives the vendor's form of a person: 96 bits that follow from the account and the mail address.
pub fn user_id(account: AccountId, email: &str) -> String {
    format!("{:024x}", derive::bits("ironclad user", account, email) >> 32)
}

/// Gives the vendor's form of a document: 11 letters and digits.
pub fn document_key(id: DocumentId) -> String {
    let mut rest = derive::bits("ironclad document", AccountId::new(id.bits()), "");
    let mut key = String::with_capacity(KEY_CHARS);
    for _ in 0..KEY_CHARS {
        let digit = usize::try_from(rest % 62).ok().and_then(|at| ALPHABET.get(at)).copied();
        key.push(char::from(digit.unwrap_or(b'0')));
        rest /= 62;
    }
    key
}

const KEY_CHARS: usize = 11;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
