//! A contract workflow: from launch through review and signature to the archive.
//!
//! A command looks at the workflow and says what changes ([`Change`]); the changes, applied one after the other, are the
//! next state, and each of them is told as one event. Nothing else ever changes a workflow.
//!
//! Invariants: commands are pure; an impossible one is refused by a name of its own; no change is without its event, no
//! event without its change, so the events of a workflow, applied in order, give its state; every command that changes a
//! launched workflow ends with [`Change::Updated`], but for one that ends the workflow.
//! Left to others: loading and committing, the text of documents, the request that is the signature packet (`engine`).
//!
//! Source of steps, turns and moments: <https://developer.ironcladapp.com/reference/webhooks>.

mod approval_requests;
mod approvals;
mod change;
mod comments;
mod documents;
mod launch;
mod packet;
mod people;
mod refused;
mod review;
mod schedule;
mod signers;
mod template;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chain::Hash;
use crate::id::{
    AccountId, CommentId, DocumentId, RecordId, RequestId, SignerId, WorkflowId, WorkflowTemplateId,
};
use crate::request::SigningOrder;
use crate::signer::Person;
use crate::time::Timestamp;

pub use crate::workflow::approval_requests::{ApprovalRequest, ApprovalRequestEnd};
pub use crate::workflow::change::{Change, Collected, Renamed};
pub use crate::workflow::comments::Say;
pub use crate::workflow::documents::Written;
pub use crate::workflow::launch::Launch;
pub use crate::workflow::packet::Upload;
pub use crate::workflow::refused::{Action, Refused};
pub use crate::workflow::schedule::{
    NewReminder, NewSchedule, REMIND_DAYS_MAX, Schedule, Scheduling,
};
pub use crate::workflow::template::{
    ApprovalGroup, Attribute, AttributeKind, DocumentPlace, Invalid, ORDER_MAX, Part, RoleSpec,
    Template, is_id,
};
pub use crate::workflow::turns::Turn;

/// A contract workflow. Its serialised form is what the API shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// The how manieth of the account it is, from 1; 0 of one that is older than the counting.
    #[serde(default)]
    pub number: u32,
    /// What it is about, in a few words.
    pub title: String,
    /// What it was launched from, as that was then.
    pub template: Template,
    /// Who launched it: a mail address.
    pub creator: String,
    /// How far it is.
    pub step: Step,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Who is to act in review; nobody elsewhere, and nobody while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Party>,
    /// The turns that there were, oldest first, the present one last; the newest 500.
    #[serde(default)]
    pub turns: Vec<Turn>,
    /// What is known of the contract, by the template's ids.
    pub attributes: BTreeMap<String, Value>,
    /// Who has which role, by the template's ids.
    pub roles: BTreeMap<String, User>,
    /// The approvals that were given, by the role whose it is.
    pub approvals: BTreeMap<String, Approval>,
    /// The approvals that were waited for, oldest first; the newest 500.
    #[serde(default)]
    pub approval_requests: Vec<ApprovalRequest>,
    /// Mail addresses of those who take part.
    pub participants: BTreeSet<String>,
    /// What was said, oldest first.
    pub comments: Vec<Comment>,
    /// Its documents, in the order in which they came.
    pub documents: Vec<Document>,
    /// Which documents are signed, in this order; unless somebody said so, those in places that are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_documents: Option<Vec<DocumentId>>,
    /// Those invited from the other side, and those whose invitation was revoked.
    pub counterparties: Vec<Counterparty>,
    /// Who signs, by the name of the part.
    pub signers: Vec<Signatory>,
    /// Where the signature packet stands.
    pub packet: Packet,
    /// When it is sent by itself, if it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Papers that were signed elsewhere and uploaded.
    pub uploads: Vec<Document>,
    /// The account's own notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    /// When it was launched.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How far a workflow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Being made; left with the launch.
    Create,
    /// Both sides work on it, and it is approved.
    Review,
    /// It is signed.
    Sign,
    /// It is signed, and waits to be filed.
    Archive,
}

impl Step {
    /// Names the step as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Review => "review",
            Self::Sign => "sign",
            Self::Archive => "archive",
        }
    }
}

/// Where a workflow stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Under way.
    Active,
    /// Halted in review.
    Paused {
        /// Since when.
        paused_at: Timestamp,
        /// Whose turn it was, and will be again.
        paused_turn: Party,
    },
    /// Filed.
    Completed {
        /// When.
        completed_at: Timestamp,
        /// The records it was filed as.
        record_ids: Vec<RecordId>,
    },
    /// Given up.
    Cancelled {
        /// When.
        cancelled_at: Timestamp,
        /// Why, in somebody's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_reason: Option<String>,
    },
}

impl State {
    /// Names the state as the API does.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Completed { .. } => "completed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// One of the two sides of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Ours.
    Internal,
    /// The other one.
    Counterparty,
}

impl Party {
    /// Names the side as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Counterparty => "counterparty",
        }
    }
}

/// Somebody who acts in workflows, known by their mail address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct User {
    /// The mail address, in lower case; checked at the door.
    pub email: String,
    /// The name; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// An approval that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// By whom: a mail address.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Something that was said about a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// Who said it: a mail address.
    pub author: String,
    /// What was said; empty once it was removed.
    pub text: String,
    /// Whether the other side sees it.
    pub is_external: bool,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replied_to: Option<CommentId>,
    /// Mail addresses of those it names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mentions: BTreeSet<String>,
    /// Mail addresses of those whom it brought into the workflow.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub added_participants: BTreeSet<String>,
    /// Who reacted, by what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, BTreeSet<String>>,
    /// When it was said.
    pub created_at: Timestamp,
    /// When it was last changed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When it was removed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

/// A document of a workflow. Its text is kept elsewhere, under its id and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its id; the same in all versions.
    pub id: DocumentId,
    /// The place it takes, by the template's ids.
    pub place: String,
    /// The name of the file, 1 to 200 characters.
    pub name: String,
    /// What kind of file it is, such as `application/pdf`.
    pub media_type: String,
    /// How long the text is, in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of the text.
    pub sha256: Hash,
    /// How often it was written, from 1.
    pub version: u32,
    /// Who wrote this version: a mail address.
    pub by: String,
    /// When this version was written.
    pub updated_at: Timestamp,
}

/// Somebody of the other side who was asked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterparty {
    /// Who.
    #[serde(flatten)]
    pub user: User,
    /// When they were asked.
    pub invited_at: Timestamp,
    /// When that was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// One part of the signature packet, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatory {
    /// Which part.
    #[serde(flatten)]
    pub part: Part,
    /// Who has it; nobody yet if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// Their id in the request that is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer_id: Option<SignerId>,
    /// The signature, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Timestamp>,
}

impl Signatory {
    /// Tells whether the part is signed.
    pub const fn has_signed(&self) -> bool {
        self.signed_at.is_some()
    }
}

/// Where the signature packet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Packet {
    /// Nobody was asked, or that was cancelled. Some may have signed on paper.
    NotSent,
    /// With its signers.
    Sent {
        /// The request that it is.
        request_id: RequestId,
        /// Since when.
        sent_at: Timestamp,
    },
    /// Signed by all.
    Signed {
        /// When.
        signed_at: Timestamp,
    },
}

/// A way from one step to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// With the launch.
    CreateToReview,
    /// Approved, and ready to be signed.
    ReviewToSign,
    /// Back to work.
    RevertSignToReview,
    /// Signed by all.
    SignToArchive,
    /// Back to the signatures.
    RevertArchiveToSign,
}

impl Transition {
    /// Names the way as the API and the vendor do.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateToReview => "create_to_review",
            Self::ReviewToSign => "review_to_sign",
            Self::RevertSignToReview => "revert_sign_to_review",
            Self::SignToArchive => "sign_to_archive",
            Self::RevertArchiveToSign => "revert_archive_to_sign",
        }
    }

    /// Gives the step that it leads to.
    pub const fn to(self) -> Step {
        match self {
            Self::CreateToReview | Self::RevertSignToReview => Step::Review,
            Self::ReviewToSign | Self::RevertArchiveToSign => Step::Sign,
            Self::SignToArchive => Step::Archive,
        }
    }
}

/// What a command gives: the next state, and what happened on the way, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The workflow as it is now.
    pub workflow: Workflow,
    /// What happened. Empty when there was nothing to do.
    pub happened: Vec<Happening>,
}

/// One thing that happened to a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// What.
    pub change: Change,
    /// By whom: a mail address.
    pub by: String,
    /// The workflow in short, as it was after that.
    pub brief: Brief,
}

/// A workflow in short: what every event of it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Its id.
    pub id: WorkflowId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// Its title.
    pub title: String,
    /// The template it was launched from.
    pub template_id: WorkflowTemplateId,
    /// How far it is.
    pub step: Step,
    /// Where it stands.
    pub status: String,
    /// Whose turn it is, if it is anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Party>,
}

/// The most comments of a workflow, removed ones included.
pub const COMMENTS_MAX: usize = 500;
/// The most documents of a workflow, and the most signed papers that are uploaded to it.
pub const DOCUMENTS_MAX: usize = 100;
/// The most counterparties of a workflow, revoked ones included.
pub const COUNTERPARTIES_MAX: usize = 100;
/// The most parts that are signed.
pub const SIGNATORIES_MAX: usize = 50;
/// The most different reactions to a comment.
pub const REACTIONS_MAX: usize = 50;

impl Workflow {
    /// Lists what can be done with the workflow as it stands.
    pub fn possible(&self) -> Vec<Action> {
        use Action::{
            Advance, Approve, Assign, Attributes, Cancel, CancelPacket, Comment, Complete,
            Documents, Invite, Pause, RemindSigner, Resume, Revert, SchedulePacket, SendPacket,
            Signers, Turn, Update, UploadSigned,
        };
        let mut actions = vec![Update, Comment];
        match (&self.state, self.step) {
            (State::Completed { .. } | State::Cancelled { .. }, _) => return Vec::new(),
            (State::Paused { .. }, _) => actions.push(Resume),
            (State::Active, Step::Create) => {}
            (State::Active, Step::Review) => {
                actions.extend([Assign, Signers, Attributes, Approve, Documents, Invite]);
                actions.extend([Turn, Pause, Advance]);
            }
            (State::Active, Step::Sign) => {
                actions.push(Assign);
                actions.extend(match self.packet {
                    Packet::NotSent => {
                        vec![Signers, SendPacket, SchedulePacket, UploadSigned, Revert]
                    }
                    Packet::Sent { .. } => vec![Signers, RemindSigner, CancelPacket],
                    Packet::Signed { .. } => vec![CancelPacket, Advance, Revert],
                });
            }
            (State::Active, Step::Archive) => actions.extend([Complete, Revert]),
        }
        actions.push(Cancel);
        actions
    }

    /// Gives the workflow in short.
    pub fn brief(&self) -> Brief {
        Brief {
            id: self.id,
            account: self.account,
            title: self.title.clone(),
            template_id: self.template.id,
            step: self.step,
            status: self.state.as_str().to_owned(),
            turn: self.turn,
        }
    }

    /// Changes title or notes; what is absent stays.
    pub fn update(
        self,
        title: Option<String>,
        metadata: Option<BTreeMap<String, Value>>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Update)?;
        let title = title.filter(|title| *title != self.title);
        let metadata = metadata.filter(|metadata| *metadata != self.metadata);
        if title.is_none() && metadata.is_none() {
            return Ok(self.unchanged());
        }
        let change = Change::Updated { title, metadata, packet_documents: None, schedule: None };
        Ok(self.take(vec![change], (by, now)))
    }

    /// Refuses an action that is not possible as the workflow stands.
    fn must(&self, action: Action) -> Result<(), Refused> {
        let possible = self.possible();
        if possible.contains(&action) {
            return Ok(());
        }
        if matches!(self.packet, Packet::Sent { .. })
            && matches!(
                action,
                Action::SendPacket | Action::SchedulePacket | Action::UploadSigned | Action::Revert
            )
        {
            return Err(Refused::PacketOut);
        }
        let (status, step) = (self.state.as_str(), self.step);
        Err(Refused::Impossible { action, status, step, possible })
    }

    /// Leaves everything as it is.
    const fn unchanged(self) -> Done {
        Done { workflow: self, happened: Vec::new() }
    }

    /// Applies changes one after the other, and says that the workflow was updated by them.
    fn take(mut self, mut changes: Vec<Change>, (by, now): (&str, Timestamp)) -> Done {
        if !changes.is_empty() && changes.iter().all(Change::is_update) {
            changes.push(Change::Updated {
                title: None,
                metadata: None,
                packet_documents: None,
                schedule: None,
            });
        }
        let mut happened = Vec::with_capacity(changes.len());
        for change in changes {
            self.apply(&change, by, now);
            happened.push(Happening { change, by: by.to_owned(), brief: self.brief() });
        }
        Done { workflow: self, happened }
    }
}
