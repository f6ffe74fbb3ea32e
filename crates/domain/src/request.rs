//! A signature request: its states, and what may happen in each.
//!
//! Invariants: transitions are pure, take the request and give the next one with what happened;
//! an impossible one is refused and says what is possible; the last signature completes the request in the same step.
//! Left to others: loading and committing (`engine`), when the time runs out (`engine::timers`), tokens of links (`engine`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Brief;
use crate::event::Kind;
use crate::id::{AccountId, RequestId, SignerId, WorkflowId};
use crate::notice::Rules;
use crate::signer::{self, Evidence, Person, Role, Signer};
use crate::time::Timestamp;

/// A signature request. Its serialised form is what the API and the events show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// What is to be signed, in a few words.
    pub title: String,
    /// What the sender says to the signers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The documents that are signed, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Brief>,
    /// Who asks.
    pub sender: Sender,
    /// All at once, or one group after the other.
    pub signing_order: SigningOrder,
    /// Who is asked, in the order given.
    pub signers: Vec<Signer>,
    /// Signed parts of those asked for, in percent, rounded down.
    pub progress: u8,
    /// When it ends unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When signers are reminded.
    #[serde(default)]
    pub reminders: Reminders,
    /// Who is told what, where that differs from the account's rules.
    #[serde(default, skip_serializing_if = "Rules::is_empty")]
    pub notices: Rules,
    /// URLs of this request's own that hear of its steps.
    #[serde(default, skip_serializing_if = "Callbacks::is_empty")]
    pub callbacks: Callbacks,
    /// Where a signer goes afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// The account's own notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    /// `native`, or the source that it mirrors.
    pub origin: String,
    /// The workflow whose signature packet it is, if it is one.
    #[serde(default, rename = "workflow_id", skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
    /// What it is at the vendor, if it is a mirror.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Since when it is put away; it keeps what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
}

/// What a mirror is at its vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// The vendor's id for the request.
    #[serde(rename = "foreign_id")]
    pub id: String,
    /// Whether it was told that the request was sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub said_sent: bool,
    /// What was taken in silently when the mirror began, and is told when the vendor tells of it after all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Happening>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sender {
    /// Their name.
    pub name: String,
    /// Their mail address.
    pub email: String,
}

/// Who may sign when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningOrder {
    /// All at once.
    #[default]
    Parallel,
    /// By `order`; those with the same number at once.
    Sequential,
}

/// When signers are reminded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminders {
    /// Days after their turn came.
    pub days: Vec<u16>,
}

impl Default for Reminders {
    fn default() -> Self {
        Self { days: vec![3, 7, 14] }
    }
}

/// URLs of one request that hear of its steps, with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Callbacks {
    /// Called once the request is finished: completed or declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_url: Option<String>,
    /// Called at every step the dialect has a word for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
    /// In whose words.
    #[serde(default)]
    pub dialect: CallbackDialect,
}

/// In whose words callbacks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackDialect {
    /// eSignAnyWhere: everything in the URL, no body.
    #[default]
    Esaw,
    /// FintechOS: the URL, and the context object as the body.
    Fintechos,
}

impl Callbacks {
    /// Tells whether there is nobody to call.
    pub const fn is_empty(&self) -> bool {
        self.finish_url.is_none() && self.status_url.is_none()
    }
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Not sent.
    Draft,
    /// With its signers.
    Sent {
        /// When it left the draft.
        sent_at: Timestamp,
    },
    /// Signed by everybody.
    Completed {
        /// When it left the draft.
        sent_at: Timestamp,
        /// When the last one signed.
        completed_at: Timestamp,
    },
    /// Refused by somebody.
    Declined {
        /// When it left the draft.
        sent_at: Timestamp,
        /// When somebody refused.
        declined_at: Timestamp,
    },
    /// Out of time.
    Expired {
        /// When it left the draft.
        sent_at: Timestamp,
        /// When its time ran out.
        expired_at: Timestamp,
    },
    /// Withdrawn by the sender.
    Cancelled {
        /// When it left the draft, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent_at: Option<Timestamp>,
        /// When it was withdrawn.
        cancelled_at: Timestamp,
        /// Why, in the sender's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_reason: Option<String>,
    },
}

impl State {
    /// Names the state as the API does.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Sent { .. } => "sent",
            Self::Completed { .. } => "completed",
            Self::Declined { .. } => "declined",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// What somebody wants to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Change the draft.
    Update,
    /// Send it to its first signers.
    Send,
    /// Open it as a signer.
    View,
    /// Sign it.
    Sign,
    /// Refuse to sign it.
    Decline,
    /// Hand a part to somebody else.
    Reassign,
    /// Remind those whose turn it is.
    Remind,
    /// Withdraw it.
    Cancel,
    /// End it for lack of time.
    Expire,
    /// Put it away.
    Archive,
    /// Take it out again.
    Unarchive,
    /// Delete it.
    Delete,
}

impl Action {
    /// Names the action as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Send => "send",
            Self::View => "view",
            Self::Sign => "sign",
            Self::Decline => "decline",
            Self::Reassign => "reassign",
            Self::Remind => "remind",
            Self::Cancel => "cancel",
            Self::Expire => "expire",
            Self::Archive => "archive",
            Self::Unarchive => "unarchive",
            Self::Delete => "delete",
        }
    }
}

/// What a transition gives: the next state, and what happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The request as it is now; for a deletion, as it was.
    pub request: Request,
    /// What happened. Empty when there was nothing to do.
    pub happened: Vec<Happening>,
}

/// One thing that happened to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// What.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// To which signer, if to one.
    #[serde(rename = "signer_id", default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerId>,
}

/// Why a transition is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request is in a state that does not allow it.
    #[error("a request that is {status} cannot {}", action.as_str())]
    Impossible {
        /// What was wanted.
        action: Action,
        /// Where the request stands.
        status: &'static str,
        /// What could be done instead.
        possible: Vec<Action>,
    },
    /// The signer is in a state that does not allow it.
    #[error("a signer who is {status} cannot {}", action.as_str())]
    NotTheirs {
        /// What was wanted.
        action: Action,
        /// Where the signer stands.
        status: &'static str,
    },
    /// There is no such signer in the request.
    #[error("the request has no signer {0}")]
    NoSuchSigner(SignerId),
    /// Everybody whose turn it is was reminded within the last hour.
    #[error("those whose turn it is were reminded within the last hour")]
    TooSoon {
        /// After how many seconds the first of them may be reminded again.
        wait_s: u32,
    },
    /// A request needs somebody to sign it before it can be sent.
    #[error("the request has nobody to sign it")]
    NobodyToSign,
}

impl Request {
    /// Lists what can be done with the request as it stands.
    pub fn possible(&self) -> Vec<Action> {
        use Action::{
            Archive, Cancel, Decline, Delete, Reassign, Remind, Send, Sign, Unarchive, Update, View,
        };
        let mut actions = match self.state {
            State::Draft => vec![Update, Send, Cancel],
            State::Sent { .. } => vec![View, Sign, Decline, Reassign, Remind, Cancel],
            State::Completed { .. }
            | State::Declined { .. }
            | State::Expired { .. }
            | State::Cancelled { .. } => vec![],
        };
        if !matches!(self.state, State::Draft | State::Sent { .. }) {
            actions.push(Archive);
        }
        if self.archived_at.is_some() {
            actions.push(Unarchive);
        }
        actions.push(Delete);
        actions
    }

    /// Gives the moment at which the request ends unsigned, while that can still happen.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.state {
            // Of a mirror the vendor says when it is over.
            State::Sent { .. } if self.foreign.is_some() => None,
            State::Sent { .. } => self.expires_at,
            State::Draft
            | State::Completed { .. }
            | State::Declined { .. }
            | State::Expired { .. }
            | State::Cancelled { .. } => None,
        }
    }

    /// Gives the moment it was sent, if it was.
    pub const fn sent_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Draft => None,
            State::Sent { sent_at }
            | State::Completed { sent_at, .. }
            | State::Declined { sent_at, .. }
            | State::Expired { sent_at, .. } => Some(sent_at),
            State::Cancelled { sent_at, .. } => sent_at,
        }
    }

    /// Finds a signer.
    pub fn signer(&self, id: SignerId) -> Option<&Signer> {
        self.signers.iter().find(|signer| signer.id == id)
    }

    /// Counts the parts that are asked for: reassigned ones count once, copies never.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Signer> {
        self.signers.iter().filter(|signer| {
            signer.role == Role::Signer && !matches!(signer.state, signer::State::Reassigned { .. })
        })
    }

    /// Sends the draft to its first signers.
    pub fn send(mut self, now: Timestamp) -> Result<Step, Refused> {
        if !matches!(self.state, State::Draft) {
            return Err(self.impossible(Action::Send));
        }
        if self.parts().next().is_none() {
            return Err(Refused::NobodyToSign);
        }
        self.state = State::Sent { sent_at: now };
        let mut happened = vec![Happening { kind: Kind::RequestSent, signer: None }];
        happened.extend(self.notify_next(now));
        Ok(Step { request: self, happened })
    }

    /// Notes that a signer opened the page; a second look changes nothing.
    pub fn view(mut self, id: SignerId, now: Timestamp) -> Result<Step, Refused> {
        let at = self.turn_of(id, Action::View)?;
        let Some(signer) = self.signers.get_mut(at) else { return Err(Refused::NoSuchSigner(id)) };
        let signer::State::Notified { notified_at } = signer.state else {
            return Ok(Step { request: self, happened: Vec::new() });
        };
        signer.state = signer::State::Viewed { notified_at, viewed_at: now };
        let happened = vec![Happening { kind: Kind::SignerViewed, signer: Some(id) }];
        Ok(Step { request: self, happened })
    }

    /// Signs. The last signature completes the request; the last of a group notifies the next one.
    pub fn sign(
        mut self,
        id: SignerId,
        evidence: Evidence,
        now: Timestamp,
    ) -> Result<Step, Refused> {
        let at = self.turn_of(id, Action::Sign)?;
        let Some(signer) = self.signers.get_mut(at) else { return Err(Refused::NoSuchSigner(id)) };
        signer.state = signer::State::Signed { signed_at: now, evidence };
        let mut happened = vec![Happening { kind: Kind::SignerSigned, signer: Some(id) }];
        self.progress = self.measure();
        if self.parts().any(Signer::is_open) {
            happened.extend(self.notify_next(now));
        } else if let State::Sent { sent_at } = self.state {
            self.state = State::Completed { sent_at, completed_at: now };
            happened.push(Happening { kind: Kind::RequestCompleted, signer: None });
        }
        Ok(Step { request: self, happened })
    }

    /// Refuses to sign, which ends the request.
    pub fn decline(
        mut self,
        id: SignerId,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Step, Refused> {
        let at = self.turn_of(id, Action::Decline)?;
        let Some(signer) = self.signers.get_mut(at) else { return Err(Refused::NoSuchSigner(id)) };
        signer.state = signer::State::Declined { declined_at: now, reason };
        if let State::Sent { sent_at } = self.state {
            self.state = State::Declined { sent_at, declined_at: now };
        }
        let happened = vec![
            Happening { kind: Kind::SignerDeclined, signer: Some(id) },
            Happening { kind: Kind::RequestDeclined, signer: None },
        ];
        Ok(Step { request: self, happened })
    }

    /// Hands a part that is not signed yet to somebody else, who takes the same place under a new id.
    pub fn reassign(
        mut self,
        id: SignerId,
        to: (SignerId, Person),
        now: Timestamp,
    ) -> Result<Step, Refused> {
        if !matches!(self.state, State::Sent { .. }) {
            return Err(self.impossible(Action::Reassign));
        }
        let Some(at) = self.signers.iter().position(|signer| signer.id == id) else {
            return Err(Refused::NoSuchSigner(id));
        };
        let Some(old) = self.signers.get_mut(at) else { return Err(Refused::NoSuchSigner(id)) };
        if !old.is_open() {
            return Err(Refused::NotTheirs { action: Action::Reassign, status: old.status() });
        }
        let had_turn = old.has_turn();
        let (new_id, person) = to;
        let state = if had_turn {
            signer::State::Notified { notified_at: now }
        } else {
            signer::State::Waiting
        };
        let new =
            Signer { id: new_id, person, state, reminders: 0, reminded_at: None, ..old.clone() };
        old.state = signer::State::Reassigned { reassigned_at: now, to: new_id };
        self.signers.insert(at + 1, new);
        let mut happened = vec![Happening { kind: Kind::SignerReassigned, signer: Some(new_id) }];
        if had_turn {
            happened.push(Happening { kind: Kind::SignerNotified, signer: Some(new_id) });
        }
        Ok(Step { request: self, happened })
    }

    /// Withdraws the request.
    pub fn cancel(mut self, reason: Option<String>, now: Timestamp) -> Result<Step, Refused> {
        if !matches!(self.state, State::Draft | State::Sent { .. }) {
            return Err(self.impossible(Action::Cancel));
        }
        self.state =
            State::Cancelled { sent_at: self.sent_at(), cancelled_at: now, cancel_reason: reason };
        let happened = vec![Happening { kind: Kind::RequestCancelled, signer: None }];
        Ok(Step { request: self, happened })
    }

    /// Ends the request for lack of time.
    pub fn expire(mut self, now: Timestamp) -> Result<Step, Refused> {
        let State::Sent { sent_at } = self.state else {
            return Err(self.impossible(Action::Expire));
        };
        self.state = State::Expired { sent_at, expired_at: now };
        let happened = vec![Happening { kind: Kind::RequestExpired, signer: None }];
        Ok(Step { request: self, happened })
    }

    /// Puts the request away. Doing it again happens again; the state it had stays.
    pub fn archive(mut self, now: Timestamp) -> Result<Step, Refused> {
        if !self.possible().contains(&Action::Archive) {
            return Err(self.impossible(Action::Archive));
        }
        self.archived_at = Some(now);
        let happened = vec![Happening { kind: Kind::RequestArchived, signer: None }];
        Ok(Step { request: self, happened })
    }

    /// Takes the request out again.
    pub fn unarchive(mut self) -> Result<Step, Refused> {
        if self.archived_at.take().is_none() {
            return Err(self.impossible(Action::Unarchive));
        }
        let happened = vec![Happening { kind: Kind::RequestUnarchived, signer: None }];
        Ok(Step { request: self, happened })
    }

    /// Deletes the request; the step carries the state before.
    pub fn delete(self) -> Step {
        let happened = vec![Happening { kind: Kind::RequestDeleted, signer: None }];
        Step { request: self, happened }
    }

    /// Notes that the draft was made.
    pub fn created(self) -> Step {
        let happened = vec![Happening { kind: Kind::RequestCreated, signer: None }];
        Step { request: self, happened }
    }

    /// Tells the next group that its turn has come, unless one still has it.
    pub(crate) fn notify_next(&mut self, now: Timestamp) -> Vec<Happening> {
        if self.signing_order == SigningOrder::Sequential
            && self.signers.iter().any(Signer::has_turn)
        {
            return Vec::new();
        }
        let next = match self.signing_order {
            SigningOrder::Parallel => None,
            SigningOrder::Sequential => {
                self.signers.iter().filter(|s| s.is_open()).map(|s| s.order).min()
            }
        };
        let mut happened = Vec::new();
        for signer in &mut self.signers {
            let in_turn = next.is_none_or(|order| signer.order == order);
            if in_turn && signer.is_open() && matches!(signer.state, signer::State::Waiting) {
                signer.state = signer::State::Notified { notified_at: now };
                happened.push(Happening { kind: Kind::SignerNotified, signer: Some(signer.id) });
            }
        }
        happened
    }

    /// Finds the signer whose turn it must be.
    fn turn_of(&self, id: SignerId, action: Action) -> Result<usize, Refused> {
        if !matches!(self.state, State::Sent { .. }) {
            return Err(self.impossible(action));
        }
        let Some((at, signer)) = self.signers.iter().enumerate().find(|(_, s)| s.id == id) else {
            return Err(Refused::NoSuchSigner(id));
        };
        if signer.has_turn() {
            Ok(at)
        } else {
            Err(Refused::NotTheirs { action, status: signer.status() })
        }
    }

    /// Measures the progress in percent, rounded down.
    pub(crate) fn measure(&self) -> u8 {
        let asked = self.parts().count();
        let signed = self.parts().filter(|signer| signer.has_signed()).count();
        (signed * 100)
            .checked_div(asked)
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(0)
    }

    pub(crate) fn impossible(&self, action: Action) -> Refused {
        Refused::Impossible { action, status: self.state.as_str(), possible: self.possible() }
    }
}
