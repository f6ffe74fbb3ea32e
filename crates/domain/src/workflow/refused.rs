//! What can be wanted of a workflow, and why it is refused.
//!
//! Invariant: a refusal names what is in the way, and where the state is, what could be done instead.

use super::{Party, Step};

/// What somebody wants to do with a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Change its title or notes.
    Update,
    /// Say something, change or remove what one said, react to it.
    Comment,
    /// Say who has which role.
    Assign,
    /// Say who signs.
    Signers,
    /// Set or remove attributes.
    Attributes,
    /// Give an approval, or take it back.
    Approve,
    /// Add, remove, change or rename documents.
    Documents,
    /// Ask somebody of the other side in, or revoke that.
    Invite,
    /// Give the turn to the other side.
    Turn,
    /// Halt it.
    Pause,
    /// Go on.
    Resume,
    /// Go to the next step.
    Advance,
    /// Go back to the step before.
    Revert,
    /// Send the signature packet.
    SendPacket,
    /// Say when the signature packet is sent by itself, or that it is not.
    SchedulePacket,
    /// Remind somebody who is asked to sign.
    RemindSigner,
    /// Upload a packet that was signed elsewhere.
    UploadSigned,
    /// Withdraw the signature packet.
    CancelPacket,
    /// File it.
    Complete,
    /// Give it up.
    Cancel,
}

impl Action {
    /// Names the action as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Comment => "comment",
            Self::Assign => "assign",
            Self::Signers => "signers",
            Self::Attributes => "attributes",
            Self::Approve => "approve",
            Self::Documents => "documents",
            Self::Invite => "invite",
            Self::Turn => "turn",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Advance => "advance",
            Self::Revert => "revert",
            Self::SendPacket => "send_packet",
            Self::SchedulePacket => "schedule_packet",
            Self::RemindSigner => "remind_signer",
            Self::UploadSigned => "upload_signed",
            Self::CancelPacket => "cancel_packet",
            Self::Complete => "complete",
            Self::Cancel => "cancel",
        }
    }

    /// Says what then happens to the workflow.
    const fn undergone(self) -> &'static str {
        match self {
            Self::Update => "be changed",
            Self::Comment => "be commented on",
            Self::Assign => "have its roles assigned",
            Self::Signers => "have its signers changed",
            Self::Attributes => "have its attributes changed",
            Self::Approve => "be approved",
            Self::Documents => "have its documents changed",
            Self::Invite => "have others invited",
            Self::Turn => "have its turn changed",
            Self::Pause => "be paused",
            Self::Resume => "be resumed",
            Self::Advance => "go to the next step",
            Self::Revert => "go back to the step before",
            Self::SendPacket => "have its packet sent",
            Self::SchedulePacket => "have its packet scheduled",
            Self::RemindSigner => "have a signer reminded",
            Self::UploadSigned => "take a signed paper",
            Self::CancelPacket => "have its packet withdrawn",
            Self::Complete => "be completed",
            Self::Cancel => "be cancelled",
        }
    }
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The workflow is where that cannot be done.
    #[error("a workflow that is {status} in the step {} cannot {}", step.as_str(), action.undergone())]
    Impossible {
        /// What was wanted.
        action: Action,
        /// Where it stands.
        status: &'static str,
        /// How far it is.
        step: Step,
        /// What could be done instead.
        possible: Vec<Action>,
    },
    /// There is no such thing in the workflow.
    #[error("the workflow has no {what} {id}")]
    NoSuch {
        /// Which noun.
        what: &'static str,
        /// Its id, as given.
        id: String,
    },
    /// There is one already.
    #[error("the workflow has the {what} {id} already")]
    Taken {
        /// Which noun.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// No more of that fit.
    #[error("a workflow takes at most {max} {what}")]
    Full {
        /// Which noun, in the plural.
        what: &'static str,
        /// How many at most.
        max: usize,
    },
    /// An attribute has another type, or must not be empty.
    #[error("the attribute {id} cannot be that: expected {expected}")]
    BadAttribute {
        /// Which one.
        id: String,
        /// What it takes.
        expected: String,
    },
    /// An earlier group has not approved yet.
    #[error("the approval {role} waits for those of an earlier group: {}", open.join(", "))]
    EarlierApprovals {
        /// Whose approval it would be.
        role: String,
        /// Roles whose approval comes first.
        open: Vec<String>,
    },
    /// Not all have approved.
    #[error("these approvals are missing: {}", open.join(", "))]
    ApprovalsMissing {
        /// Roles that have not approved.
        open: Vec<String>,
    },
    /// Only who said it may do that.
    #[error("only {author} may change or remove that comment")]
    NotTheAuthor {
        /// Who said it.
        author: String,
    },
    /// It is that side's turn already.
    #[error("it is the turn of that side already: {}", party.as_str())]
    TurnIsTheirs {
        /// Which side.
        party: Party,
    },
    /// Nobody is known for parts that have to be signed.
    #[error("nobody is to sign as {}", roles.join(", "))]
    SignersMissing {
        /// The parts.
        roles: Vec<String>,
    },
    /// The part is signed.
    #[error("{role} has signed already")]
    HasSigned {
        /// Which part.
        role: String,
    },
    /// Without that part the packet would be signed, though nobody signed last.
    #[error("{role} is the last part that is not signed")]
    LastToSign {
        /// Which part.
        role: String,
    },
    /// There is nobody to sign.
    #[error("the workflow has nobody to sign it")]
    NobodyToSign,
    /// The packet is with its signers.
    #[error("the signature packet is with its signers; withdraw it first")]
    PacketOut,
    /// It is not said when the packet is sent by itself.
    #[error("nothing is scheduled; say when the signature packet is to be sent")]
    NotScheduled,
    /// The packet cannot be sent, or the account be reminded of it, in the past.
    #[error("the moment of the sending, or of its reminder, has passed")]
    MomentPassed,
    /// The packet is not signed by all.
    #[error("the signature packet is not signed by all")]
    NotSigned,
}
