//! What can change in a workflow: one change for each event of the catalogue, and what each does.
//!
//! Invariants: applying is total: a change that does not fit leaves everything else as it is; the moment and the person are
//! the event's own, so that a change says nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Approval, Comment, Counterparty, Document, Packet, Party, Scheduling, Signatory, State, Step,
    Transition, User, Workflow,
};
use crate::event::Kind;
use crate::id::{CommentId, DocumentId, RecordId, RequestId, SignerId};
use crate::signer::Person;
use crate::time::Timestamp;

/// One change of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// It was launched.
    Launched {
        /// The workflow as it began: before its first step, its first turn and its first roles.
        workflow: Box<Workflow>,
    },
    /// It was changed: by what happened before this, or in what this tells.
    Updated {
        /// The new title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// All notes anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<BTreeMap<String, Value>>,
        /// Which documents are signed now, in this order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        packet_documents: Option<Vec<DocumentId>>,
        /// What became of sending the packet by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule: Option<Scheduling>,
    },
    /// It was filed.
    Completed {
        /// As which records.
        record_ids: Vec<RecordId>,
    },
    /// It was given up.
    Cancelled {
        /// Why, in somebody's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It was halted.
    Paused,
    /// It goes on.
    Resumed,
    /// It went to another step.
    StepUpdated {
        /// Which way.
        transition: Transition,
    },
    /// An approval was given, or taken back.
    ApprovalStatusChanged {
        /// Whose: a role of the template.
        approval_id: String,
        /// What the template calls it.
        approval_name: String,
        /// Whether it is given now.
        is_approved: bool,
    },
    /// Attributes were set or removed.
    AttributeUpdated {
        /// Those set.
        set: BTreeMap<String, Value>,
        /// Those removed.
        removed: BTreeSet<String>,
    },
    /// Something was said.
    CommentAdded {
        /// What.
        comment: Comment,
    },
    /// What was said was changed.
    CommentUpdated {
        /// Which comment.
        comment_id: CommentId,
        /// What it says now.
        text: String,
        /// Whom it names now.
        mentions: BTreeSet<String>,
        /// Whether the other side sees it.
        is_external: bool,
    },
    /// What was said was removed.
    CommentRemoved {
        /// Which comment.
        comment_id: CommentId,
        /// Whether the other side saw it.
        is_external: bool,
    },
    /// Somebody reacted to what was said.
    CommentReactionAdded {
        /// Which comment.
        comment_id: CommentId,
        /// With what.
        emoji_id: String,
    },
    /// Somebody took a reaction back.
    CommentReactionRemoved {
        /// Which comment.
        comment_id: CommentId,
        /// Which reaction.
        emoji_id: String,
    },
    /// Somebody of the other side was asked in.
    CounterpartyInviteSent {
        /// Who.
        counterparty: User,
    },
    /// That was revoked.
    CounterpartyInviteRevoked {
        /// Whose: a mail address.
        counterparty: String,
    },
    /// Documents were added.
    DocumentsAdded {
        /// Which.
        documents: Vec<Document>,
    },
    /// Documents were removed.
    DocumentsRemoved {
        /// Which.
        document_ids: Vec<DocumentId>,
    },
    /// Documents have a new version.
    DocumentsUpdated {
        /// As they are now.
        documents: Vec<Document>,
    },
    /// Documents have other names.
    DocumentsRenamed {
        /// Which, and what they are called now.
        documents: Vec<Renamed>,
    },
    /// A document was worked on.
    DocumentEdited {
        /// As it is now.
        document: Document,
    },
    /// The other side is to act now.
    ChangedTurn {
        /// Whose turn it was; absent when it was nobody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Party>,
        /// Whose it is.
        to: Party,
    },
    /// Roles were given.
    RolesAssigned {
        /// Which, and to whom.
        assignments: BTreeMap<String, User>,
    },
    /// A part to be signed was added.
    SignerAdded {
        /// Which, and who has it.
        signer: Signatory,
    },
    /// A part to be signed was removed.
    SignerRemoved {
        /// Its name.
        role_name: String,
    },
    /// A part to be signed has somebody else.
    SignerReassigned {
        /// Its name.
        role_name: String,
        /// Who has it now.
        person: Person,
        /// Their id in the request that is out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signer_id: Option<SignerId>,
        /// Why, in somebody's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The signature packet was sent.
    SignaturePacketSent {
        /// As which request.
        request_id: RequestId,
        /// Who has which id in it, by the name of the part.
        signer_ids: BTreeMap<String, SignerId>,
    },
    /// A packet that was signed elsewhere was uploaded.
    SignaturePacketUploaded {
        /// The paper.
        document: Document,
    },
    /// Signatures are there.
    SignaturePacketSignaturesCollected {
        /// Those that were not there before.
        signatures: Vec<Collected>,
    },
    /// All have signed.
    SignaturePacketFullySigned,
    /// The packet was withdrawn, or ended unsigned; signatures that were there are void.
    SignaturePacketCancelled {
        /// Why: `cancelled`, `declined`, `expired`, `deleted`, `reverted`.
        reason: String,
    },
}

/// A document, and what it is called now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// Which one.
    pub id: DocumentId,
    /// The name of the file, 1 to 200 characters.
    pub name: String,
}

/// A signature that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// The signer's name; empty where nobody was named.
    pub name: String,
    /// Their mail address; empty where nobody was named.
    pub email: String,
    /// The part that was signed.
    pub role_name: String,
}

impl Change {
    /// Gives the kind of the event that tells of the change.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Launched { .. } => Kind::WorkflowLaunched,
            Self::Updated { .. } => Kind::WorkflowUpdated,
            Self::Completed { .. } => Kind::WorkflowCompleted,
            Self::Cancelled { .. } => Kind::WorkflowCancelled,
            Self::Paused => Kind::WorkflowPaused,
            Self::Resumed => Kind::WorkflowResumed,
            Self::StepUpdated { .. } => Kind::WorkflowStepUpdated,
            Self::ApprovalStatusChanged { .. } => Kind::WorkflowApprovalStatusChanged,
            Self::AttributeUpdated { .. } => Kind::WorkflowAttributeUpdated,
            Self::CommentAdded { .. } => Kind::WorkflowCommentAdded,
            Self::CommentUpdated { .. } => Kind::WorkflowCommentUpdated,
            Self::CommentRemoved { .. } => Kind::WorkflowCommentRemoved,
            Self::CommentReactionAdded { .. } => Kind::WorkflowCommentReactionAdded,
            Self::CommentReactionRemoved { .. } => Kind::WorkflowCommentReactionRemoved,
            Self::CounterpartyInviteSent { .. } => Kind::WorkflowCounterpartyInviteSent,
            Self::CounterpartyInviteRevoked { .. } => Kind::WorkflowCounterpartyInviteRevoked,
            Self::DocumentsAdded { .. } => Kind::WorkflowDocumentsAdded,
            Self::DocumentsRemoved { .. } => Kind::WorkflowDocumentsRemoved,
            Self::DocumentsUpdated { .. } => Kind::WorkflowDocumentsUpdated,
            Self::DocumentsRenamed { .. } => Kind::WorkflowDocumentsRenamed,
            Self::DocumentEdited { .. } => Kind::WorkflowDocumentEdited,
            Self::ChangedTurn { .. } => Kind::WorkflowChangedTurn,
            Self::RolesAssigned { .. } => Kind::WorkflowRolesAssigned,
            Self::SignerAdded { .. } => Kind::WorkflowSignerAdded,
            Self::SignerRemoved { .. } => Kind::WorkflowSignerRemoved,
            Self::SignerReassigned { .. } => Kind::WorkflowSignerReassigned,
            Self::SignaturePacketSent { .. } => Kind::WorkflowSignaturePacketSent,
            Self::SignaturePacketUploaded { .. } => Kind::WorkflowSignaturePacketUploaded,
            Self::SignaturePacketSignaturesCollected { .. } => {
                Kind::WorkflowSignaturePacketSignaturesCollected
            }
            Self::SignaturePacketFullySigned => Kind::WorkflowSignaturePacketFullySigned,
            Self::SignaturePacketCancelled { .. } => Kind::WorkflowSignaturePacketCancelled,
        }
    }

    /// Tells whether the change can move the moment at which the packet is sent by itself.
    pub const fn moves_schedule(&self) -> bool {
        matches!(
            self,
            Self::Updated { schedule: Some(_), .. }
                | Self::SignaturePacketSent { .. }
                | Self::StepUpdated { .. }
                | Self::Cancelled { .. }
        )
    }

    /// Tells whether the workflow is said to be updated after this.
    pub(super) const fn is_update(&self) -> bool {
        !matches!(
            self,
            Self::Launched { .. }
                | Self::Updated { .. }
                | Self::Completed { .. }
                | Self::Cancelled { .. }
        )
    }
}

impl Workflow {
    /// Starts from the first event of a workflow, and applies those that follow; `None` where the first is no launch.
    pub fn replay<'a>(
        happened: impl IntoIterator<Item = (&'a Change, &'a str, Timestamp)>,
    ) -> Option<Self> {
        let mut happened = happened.into_iter();
        let (Change::Launched { workflow }, _, _) = happened.next()? else { return None };
        let mut workflow = workflow.as_ref().clone();
        for (change, by, at) in happened {
            workflow.apply(change, by, at);
        }
        Some(workflow)
    }

    /// Makes a change.
    pub(super) fn apply(&mut self, change: &Change, by: &str, at: Timestamp) {
        self.make(change, by, at);
        self.follow_turn(by, at);
        self.follow_approvals(change, by, at);
    }

    fn make(&mut self, change: &Change, by: &str, at: Timestamp) {
        self.updated_at = at;
        match change {
            Change::Launched { workflow } => *self = workflow.as_ref().clone(),
            Change::Updated { .. } => self.apply_update(change, at),
            Change::Completed { .. }
            | Change::Cancelled { .. }
            | Change::Paused
            | Change::Resumed
            | Change::StepUpdated { .. }
            | Change::ChangedTurn { .. } => self.apply_course(change, at),
            Change::ApprovalStatusChanged { approval_id, is_approved: true, .. } => {
                let approval = Approval { by: by.to_owned(), at };
                self.approvals.insert(approval_id.clone(), approval);
            }
            Change::ApprovalStatusChanged { approval_id, is_approved: false, .. } => {
                self.approvals.remove(approval_id);
            }
            Change::AttributeUpdated { set, removed } => {
                self.attributes.retain(|id, _| !removed.contains(id));
                self.attributes.extend(set.clone());
            }
            Change::CommentAdded { comment } => {
                self.participants.extend(comment.added_participants.iter().cloned());
                self.comments.push(comment.clone());
            }
            Change::CommentUpdated { comment_id, .. }
            | Change::CommentRemoved { comment_id, .. }
            | Change::CommentReactionAdded { comment_id, .. }
            | Change::CommentReactionRemoved { comment_id, .. } => {
                let found = self.comments.iter_mut().find(|comment| comment.id == *comment_id);
                if let Some(comment) = found {
                    comment.apply(change, by, at);
                }
            }
            Change::CounterpartyInviteSent { counterparty } => {
                let user = counterparty.clone();
                self.counterparties.retain(|known| known.user.email != user.email);
                self.counterparties.push(Counterparty { user, invited_at: at, revoked_at: None });
            }
            Change::CounterpartyInviteRevoked { counterparty } => {
                let mut known = self.counterparties.iter_mut();
                if let Some(known) = known.find(|known| known.user.email == *counterparty) {
                    known.revoked_at = Some(at);
                }
            }
            Change::DocumentsAdded { .. }
            | Change::DocumentsRemoved { .. }
            | Change::DocumentsUpdated { .. }
            | Change::DocumentsRenamed { .. }
            | Change::DocumentEdited { .. } => self.apply_documents(change),
            Change::RolesAssigned { assignments } => {
                self.participants.extend(assignments.values().map(|user| user.email.clone()));
                self.roles.extend(assignments.clone());
            }
            Change::SignerAdded { .. }
            | Change::SignerRemoved { .. }
            | Change::SignerReassigned { .. }
            | Change::SignaturePacketSent { .. }
            | Change::SignaturePacketUploaded { .. }
            | Change::SignaturePacketSignaturesCollected { .. }
            | Change::SignaturePacketFullySigned
            | Change::SignaturePacketCancelled { .. } => self.apply_packet(change, at),
        }
    }

    /// Makes a change that has no word of its own.
    fn apply_update(&mut self, change: &Change, at: Timestamp) {
        let Change::Updated { title, metadata, packet_documents, schedule } = change else {
            return;
        };
        self.title = title.clone().unwrap_or_else(|| self.title.clone());
        self.metadata = metadata.clone().unwrap_or_else(|| self.metadata.clone());
        if let Some(documents) = packet_documents {
            self.packet_documents = Some(documents.clone());
        }
        if let Some(scheduling) = schedule {
            self.apply_scheduling(scheduling, at);
        }
    }

    /// Makes a change of step, turn or state.
    fn apply_course(&mut self, change: &Change, at: Timestamp) {
        if let Change::Completed { record_ids } = change {
            let record_ids = record_ids.clone();
            self.state = State::Completed { completed_at: at, record_ids };
        } else if let Change::Cancelled { reason } = change {
            (self.turn, self.schedule) = (None, None);
            self.state = State::Cancelled { cancelled_at: at, cancel_reason: reason.clone() };
        } else if let Change::Paused = change {
            let paused_turn = self.turn.take().unwrap_or(Party::Internal);
            self.state = State::Paused { paused_at: at, paused_turn };
        } else if let Change::Resumed = change {
            self.state = State::Active;
        } else if let Change::StepUpdated { transition } = change {
            self.step = transition.to();
            self.schedule = None;
            if self.step != Step::Review {
                self.turn = None;
            }
        } else if let Change::ChangedTurn { to, .. } = change {
            self.turn = Some(*to);
        }
    }

    /// Makes a change of documents.
    fn apply_documents(&mut self, change: &Change) {
        if let Change::DocumentsAdded { documents } = change {
            let is_signed = |new: &&Document| {
                let mut places = self.template.documents.iter();
                places.any(|place| place.in_packet && place.id == new.place)
            };
            if let Some(chosen) = &mut self.packet_documents {
                chosen.extend(documents.iter().filter(is_signed).map(|document| document.id));
            }
            self.documents.extend(documents.iter().cloned());
        } else if let Change::DocumentsRemoved { document_ids } = change {
            self.documents.retain(|document| !document_ids.contains(&document.id));
            if let Some(chosen) = &mut self.packet_documents {
                chosen.retain(|id| !document_ids.contains(id));
            }
        } else if let Change::DocumentsUpdated { documents } = change {
            for document in documents {
                self.put_document(document);
            }
        } else if let Change::DocumentEdited { document } = change {
            self.put_document(document);
        } else if let Change::DocumentsRenamed { documents } = change {
            for Renamed { id, name } in documents {
                let found = self.documents.iter_mut().find(|document| document.id == *id);
                if let Some(document) = found {
                    document.name.clone_from(name);
                }
            }
        }
    }

    fn put_document(&mut self, new: &Document) {
        let found = self.documents.iter_mut().find(|document| document.id == new.id);
        if let Some(document) = found {
            *document = new.clone();
        }
    }

    /// Makes a change of who signs, and of the packet.
    fn apply_packet(&mut self, change: &Change, at: Timestamp) {
        if let Change::SignerAdded { signer } = change {
            self.signers.push(signer.clone());
        } else if let Change::SignerRemoved { role_name } = change {
            self.signers.retain(|signer| signer.part.role_name != *role_name);
        } else if let Change::SignerReassigned { role_name, person, signer_id, .. } = change {
            if let Some(signer) = self.signatory_mut(role_name) {
                signer.person = Some(person.clone());
                signer.signer_id = *signer_id;
            }
        } else if let Change::SignaturePacketSent { request_id, signer_ids } = change {
            self.packet = Packet::Sent { request_id: *request_id, sent_at: at };
            self.schedule = None;
            for (role_name, id) in signer_ids {
                if let Some(signer) = self.signatory_mut(role_name) {
                    signer.signer_id = Some(*id);
                }
            }
        } else if let Change::SignaturePacketUploaded { document } = change {
            self.uploads.push(document.clone());
        } else if let Change::SignaturePacketSignaturesCollected { signatures } = change {
            for Collected { role_name, .. } in signatures {
                if let Some(signer) = self.signatory_mut(role_name) {
                    signer.signed_at = Some(at);
                }
            }
        } else if let Change::SignaturePacketFullySigned = change {
            self.packet = Packet::Signed { signed_at: at };
        } else if let Change::SignaturePacketCancelled { .. } = change {
            self.packet = Packet::NotSent;
            for signer in &mut self.signers {
                (signer.signer_id, signer.signed_at) = (None, None);
            }
        }
    }

    fn signatory_mut(&mut self, role_name: &str) -> Option<&mut Signatory> {
        self.signers.iter_mut().find(|signer| signer.part.role_name == role_name)
    }
}

impl Comment {
    /// Makes a change of one comment.
    fn apply(&mut self, change: &Change, by: &str, at: Timestamp) {
        if let Change::CommentUpdated { text, mentions, .. } = change {
            self.text.clone_from(text);
            self.mentions.clone_from(mentions);
            self.edited_at = Some(at);
        } else if let Change::CommentRemoved { .. } = change {
            self.text.clear();
            self.mentions.clear();
            self.reactions.clear();
            self.removed_at = Some(at);
        } else if let Change::CommentReactionAdded { emoji_id, .. } = change {
            self.reactions.entry(emoji_id.clone()).or_default().insert(by.to_owned());
        } else if let Change::CommentReactionRemoved { emoji_id, .. } = change {
            if let Some(reactors) = self.reactions.get_mut(emoji_id) {
                reactors.remove(by);
            }
            self.reactions.retain(|_, reactors| !reactors.is_empty());
        }
    }
}
