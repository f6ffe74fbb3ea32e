//! Who is told what, over which channel: rules, and one message for one person about one event.
//!
//! Invariants: whom a step tells follows from the step and the rules alone; a notice never tells a person about what
//! that person did; what makes no sense any more is not sent.
//! Left to others: the words (`templates`), the way out (`channels`), when (`engine`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Kind;
use crate::id::{AccountId, EventId, NoticeId, ProviderId, RequestId, SignerId};
use crate::message::{Channel, Progress, Receipt};
use crate::request::{Happening, Request, State};
use crate::signer::{Role, Signer};
use crate::time::Timestamp;

/// When somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A signer's turn has come.
    Turn,
    /// Somebody signed, and others still have to.
    Signed,
    /// Everybody has signed.
    Completed,
    /// A signer has not signed for some days.
    Reminder,
    /// Somebody refused to sign.
    Declined,
    /// The time ran out.
    Expired,
    /// The sender withdrew the request.
    Cancelled,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 7] = [
        Self::Turn,
        Self::Signed,
        Self::Completed,
        Self::Reminder,
        Self::Declined,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Names the occasion as the API does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Signed => "signed",
            Self::Completed => "completed",
            Self::Reminder => "reminder",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Finds the occasion of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|occasion| occasion.as_str() == name)
    }

    /// Gives the occasion that an event is, if it is one.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::SignerNotified => Some(Self::Turn),
            Kind::SignerSigned => Some(Self::Signed),
            Kind::RequestCompleted => Some(Self::Completed),
            Kind::RequestReminded => Some(Self::Reminder),
            Kind::RequestDeclined => Some(Self::Declined),
            Kind::RequestExpired => Some(Self::Expired),
            Kind::RequestCancelled => Some(Self::Cancelled),
            Kind::RequestCreated
            | Kind::RequestSent
            | Kind::SignerViewed
            | Kind::SignerDeclined
            | Kind::SignerReassigned
            | Kind::SignerAdded
            | Kind::SignerRemoved
            | Kind::RequestArchived
            | Kind::RequestUnarchived
            | Kind::RequestDeleted
            | Kind::ContactCreated
            | Kind::ContactUpdated
            | Kind::ContactDeleted
            | Kind::EmailDelivered
            | Kind::EmailBounced
            | Kind::EmailComplained
            | Kind::SmsDelivered
            | Kind::SmsFailed
            | Kind::EndpointFailing
            | Kind::EndpointDisabled
            | Kind::EndpointEnabled
            | Kind::DeliveryExhausted
            | Kind::SourceReceived
            | Kind::SourceQuarantined
            | Kind::WorkflowLaunched
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
            | Kind::WorkflowSignaturePacketCancelled
            | Kind::Foreign
            | Kind::Custom => None,
        }
    }
}

/// What differs from the default on an occasion. Everything absent is as it is by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Nobody is told.
    #[serde(skip_serializing_if = "is_false")]
    pub off: bool,
    /// Over these channels, whatever the person's `send_to` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Channel>>,
    /// With this template of the account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Rules by occasion; an occasion that is absent is as it is by default.
pub type Rules = BTreeMap<Occasion, Rule>;

/// A person of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Who asks.
    Sender,
    /// Somebody who is asked, or gets a copy.
    Signer(SignerId),
}

/// One message for one person over one channel about one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id; its delivery has it as its cause.
    pub id: NoticeId,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// What it is about.
    #[serde(rename = "request_id")]
    pub request: RequestId,
    /// The event that it tells.
    #[serde(rename = "event_id")]
    pub event: EventId,
    /// What kind of telling it is.
    pub occasion: Occasion,
    /// By which way.
    pub channel: Channel,
    /// Who is told.
    pub party: Party,
    /// The address or the number.
    pub to: String,
    /// The account's own template that the rule names, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The attempt that was begun last: written before the provider is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// How far it has come, by what was reported.
    #[serde(default)]
    pub progress: Progress,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Notice {
    /// Gives the provider's own id for the message, once there is one.
    pub fn message_id(&self) -> Option<&str> {
        self.begun.as_ref()?.receipt.as_ref()?.message_id.as_deref()
    }
}

/// An attempt that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Which one, from 1.
    pub number: u32,
    /// With which provider.
    #[serde(rename = "provider_id")]
    pub provider: ProviderId,
    /// When.
    pub at: Timestamp,
    /// What the provider made of it, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Somebody to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// What kind of telling it is.
    pub occasion: Occasion,
    /// By which way.
    pub channel: Channel,
    /// Who is told.
    pub party: Party,
    /// The address or the number, as it stands in the request.
    pub to: String,
    /// The account's own template that the rule names, if one.
    pub template: Option<String>,
}

/// Lists who is told of what happened, by the request after its step. The request's own rules go before the account's.
pub fn tellings(request: &Request, happening: &Happening, account: &Rules) -> Vec<Telling> {
    let Some(occasion) = Occasion::of(happening.kind) else { return Vec::new() };
    let none = Rule::default();
    let rule = request.notices.get(&occasion).or_else(|| account.get(&occasion)).unwrap_or(&none);
    if rule.off {
        return Vec::new();
    }
    let mut tellings = Vec::new();
    for party in parties(request, occasion, happening.signer) {
        for (channel, to) in ways(request, party, rule) {
            let template = rule.template.clone();
            tellings.push(Telling { occasion, channel, party, to, template });
        }
    }
    tellings
}

/// Lists who is told on an occasion by default.
fn parties(request: &Request, occasion: Occasion, about: Option<SignerId>) -> Vec<Party> {
    let signers = |which: &dyn Fn(&Signer) -> bool| -> Vec<Party> {
        let others = request.signers.iter().filter(|signer| which(signer));
        others.map(|signer| Party::Signer(signer.id)).collect()
    };
    match occasion {
        Occasion::Turn | Occasion::Reminder => about.map(Party::Signer).into_iter().collect(),
        Occasion::Signed => {
            if !request.signers.iter().any(Signer::is_open) {
                return Vec::new();
            }
            let signed = signers(&|signer| signer.has_signed() && Some(signer.id) != about);
            [vec![Party::Sender], signed].concat()
        }
        Occasion::Completed => signers(&|signer| signer.role == Role::Cc || signer.has_signed()),
        Occasion::Declined | Occasion::Expired | Occasion::Cancelled => {
            if request.sent_at().is_none() {
                return Vec::new();
            }
            let told = signers(&|signer| signer.has_signed() || signer.has_turn());
            [vec![Party::Sender], told].concat()
        }
    }
}

/// Lists the ways by which a person is told.
fn ways(request: &Request, party: Party, rule: &Rule) -> Vec<(Channel, String)> {
    let (email, mobile, usual) = match party {
        Party::Sender => (Some(request.sender.email.as_str()), None, vec![Channel::Email]),
        Party::Signer(id) => {
            let Some(signer) = request.signer(id) else { return Vec::new() };
            let send_to = signer.send_to;
            let usual = [(Channel::Email, send_to.email), (Channel::Sms, send_to.sms)];
            let usual = usual.into_iter().filter(|(_, wanted)| *wanted).map(|(channel, _)| channel);
            (Some(signer.person.email.as_str()), signer.person.mobile.as_deref(), usual.collect())
        }
    };
    let channels = rule.channels.clone().unwrap_or(usual);
    let address = |channel: Channel| match channel {
        Channel::Email => email,
        Channel::Sms => mobile,
    };
    let channels = channels.into_iter();
    channels
        .filter_map(|channel| {
            Some((channel, address(channel).filter(|to| !to.is_empty())?.to_owned()))
        })
        .collect()
}

/// Tells whether a notice still makes sense, by the request as it is now; `None` when it is deleted.
pub fn makes_sense(occasion: Occasion, party: Party, request: Option<&Request>) -> bool {
    let Some(request) = request else { return false };
    let is_sent = matches!(request.state, State::Sent { .. });
    match (occasion, party) {
        (Occasion::Turn | Occasion::Reminder, Party::Signer(id)) => {
            is_sent && request.signer(id).is_some_and(Signer::has_turn)
        }
        (Occasion::Turn | Occasion::Reminder, Party::Sender) => false,
        (Occasion::Signed, _) => is_sent,
        (Occasion::Completed | Occasion::Declined | Occasion::Expired | Occasion::Cancelled, _) => {
            true
        }
    }
}
