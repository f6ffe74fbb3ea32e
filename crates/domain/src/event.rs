//! Things that happened: a closed set of kinds, and one immutable record each.
//!
//! Invariants: an event never changes once committed, but that its text is forgotten when it has outlived its time; its
//! `data` is JSON text that every attempt says again byte for byte.
//! Left to others: how a dialect says it (`dialects`), who wants it ([`crate::subscription`]).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::chain::Link;
use crate::id::{AccountId, EndpointId, EventId, RequestId};
use crate::source::Vendor;
use crate::time::Timestamp;
use crate::told::WORD_CHARS_MAX;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The receiver's key for deduplication.
    pub id: EventId,
    /// Whose it is.
    pub account: AccountId,
    /// What happened.
    pub kind: Kind,
    /// The whole name: the kind's, or `custom.` and the account's own.
    pub name: Cow<'static, str>,
    /// When.
    pub at: Timestamp,
    /// The request it belongs to, if any.
    pub request: Option<RequestId>,
    /// Events of one key arrive in order where an endpoint asks for it: the request's id, or the account's own key.
    pub order_key: Option<String>,
    /// The account's own id for it: a second event with the same key is the first one.
    pub key: Option<String>,
    /// What is said about it: a JSON object as compact text, at most [`DATA_BYTES_MAX`]; empty once it was forgotten.
    pub data: String,
    /// Whether it is a sample somebody asked for, told to one endpoint alone.
    pub test: bool,
    /// Hidden endpoints of the request's own callbacks that hear of it; not stored.
    pub callbacks: Vec<EndpointId>,
    /// Its place in the request's chain; set by the store in the commit.
    pub link: Option<Link>,
}

impl Event {
    /// Tells whether its text was forgotten, so that it cannot be told any more.
    pub const fn is_forgotten(&self) -> bool {
        self.data.is_empty()
    }
}

/// The most bytes of an event's `data`.
pub const DATA_BYTES_MAX: usize = 256 * 1024;
/// The most characters of a custom event's name, `custom.` included.
pub const NAME_CHARS_MAX: usize = 100;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// The closed set of what can happen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Gives the canonical name; for [`Kind::Custom`] only the prefix `custom`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Finds the kind of a canonical name; `custom.` and anything after it is [`Kind::Custom`].
            pub fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => (!matches!(Self::$variant, Self::Custom)).then_some(Self::$variant),)*
                    _ if is_foreign_name(name) => Some(Self::Foreign),
                    _ => is_custom_name(name).then_some(Self::Custom),
                }
            }
        }
    };
}

kinds! {
    /// A request was drafted.
    RequestCreated = "request.created";
    /// A request left the draft and went to its first signers.
    RequestSent = "request.sent";
    /// A signer's turn came and they were told.
    SignerNotified = "signer.notified";
    /// A signer opened the signing page and showed to be a person.
    SignerViewed = "signer.viewed";
    /// A signer signed.
    SignerSigned = "signer.signed";
    /// A signer refused to sign.
    SignerDeclined = "signer.declined";
    /// A signer's part went to another person.
    SignerReassigned = "signer.reassigned";
    /// A signer was added.
    SignerAdded = "signer.added";
    /// A signer was removed.
    SignerRemoved = "signer.removed";
    /// Everybody has signed.
    RequestCompleted = "request.completed";
    /// Somebody refused, and the request ended.
    RequestDeclined = "request.declined";
    /// The request ended unsigned, because its time ran out.
    RequestExpired = "request.expired";
    /// The sender withdrew the request.
    RequestCancelled = "request.cancelled";
    /// The request was put away; it keeps what it was.
    RequestArchived = "request.archived";
    /// The request was taken out again.
    RequestUnarchived = "request.unarchived";
    /// The request was deleted; the event tells the state before.
    RequestDeleted = "request.deleted";
    /// Those whose turn it is were reminded.
    RequestReminded = "request.reminded";
    /// A contact was made.
    ContactCreated = "contact.created";
    /// A contact was changed.
    ContactUpdated = "contact.updated";
    /// A contact was deleted; the event tells the state before.
    ContactDeleted = "contact.deleted";
    /// A mail reached its person.
    EmailDelivered = "email.delivered";
    /// A mail came back.
    EmailBounced = "email.bounced";
    /// A person called a mail unwanted.
    EmailComplained = "email.complained";
    /// A short message reached its person.
    SmsDelivered = "sms.delivered";
    /// A short message did not reach its person.
    SmsFailed = "sms.failed";
    /// An endpoint has failed every attempt for a day or longer.
    EndpointFailing = "endpoint.failing";
    /// An endpoint was disabled by the system.
    EndpointDisabled = "endpoint.disabled";
    /// A disabled endpoint answered a probe and was enabled again.
    EndpointEnabled = "endpoint.enabled";
    /// A delivery ran out of attempts.
    DeliveryExhausted = "delivery.exhausted";
    /// A vendor's webhook came in. Told to nobody but whoever reads it.
    SourceReceived = "source.received";
    /// A vendor's webhook cannot be read, and waits for somebody to look at it.
    SourceQuarantined = "source.quarantined";
    /// A contract workflow was launched.
    WorkflowLaunched = "workflow.launched";
    /// A workflow was changed, by the steps told just before or in its title or notes.
    WorkflowUpdated = "workflow.updated";
    /// A workflow went to another step.
    WorkflowStepUpdated = "workflow.step_updated";
    /// A workflow was halted in review.
    WorkflowPaused = "workflow.paused";
    /// A workflow goes on.
    WorkflowResumed = "workflow.resumed";
    /// A workflow was filed, as records.
    WorkflowCompleted = "workflow.completed";
    /// A workflow was given up.
    WorkflowCancelled = "workflow.cancelled";
    /// Attributes of a workflow were set or removed.
    WorkflowAttributeUpdated = "workflow.attribute_updated";
    /// An approval of a workflow was given or taken back.
    WorkflowApprovalStatusChanged = "workflow.approval_status_changed";
    /// Roles of a workflow were given to people.
    WorkflowRolesAssigned = "workflow.roles_assigned";
    /// It is the turn of the other side of a workflow.
    WorkflowChangedTurn = "workflow.changed_turn";
    /// Something was said about a workflow.
    WorkflowCommentAdded = "workflow.comment_added";
    /// Something that was said about a workflow was changed.
    WorkflowCommentUpdated = "workflow.comment_updated";
    /// Something that was said about a workflow was removed.
    WorkflowCommentRemoved = "workflow.comment_removed";
    /// Somebody reacted to what was said about a workflow.
    WorkflowCommentReactionAdded = "workflow.comment_reaction_added";
    /// Somebody took a reaction back.
    WorkflowCommentReactionRemoved = "workflow.comment_reaction_removed";
    /// Somebody of the other side was asked into a workflow.
    WorkflowCounterpartyInviteSent = "workflow.counterparty_invite_sent";
    /// An invitation to the other side was revoked.
    WorkflowCounterpartyInviteRevoked = "workflow.counterparty_invite_revoked";
    /// Documents were added to a workflow.
    WorkflowDocumentsAdded = "workflow.documents_added";
    /// Documents of a workflow were removed.
    WorkflowDocumentsRemoved = "workflow.documents_removed";
    /// Documents of a workflow have a new version.
    WorkflowDocumentsUpdated = "workflow.documents_updated";
    /// Documents of a workflow have other names.
    WorkflowDocumentsRenamed = "workflow.documents_renamed";
    /// A document of a workflow was worked on.
    WorkflowDocumentEdited = "workflow.document_edited";
    /// A part to be signed was added to a workflow.
    WorkflowSignerAdded = "workflow.signer_added";
    /// A part to be signed was removed from a workflow.
    WorkflowSignerRemoved = "workflow.signer_removed";
    /// A part to be signed was given to somebody else.
    WorkflowSignerReassigned = "workflow.signer_reassigned";
    /// The signature packet of a workflow was sent, as a request.
    WorkflowSignaturePacketSent = "workflow.signature_packet_sent";
    /// A packet that was signed elsewhere was uploaded.
    WorkflowSignaturePacketUploaded = "workflow.signature_packet_uploaded";
    /// Signatures of a workflow are there.
    WorkflowSignaturePacketSignaturesCollected = "workflow.signature_packet_signatures_collected";
    /// All have signed a workflow.
    WorkflowSignaturePacketFullySigned = "workflow.signature_packet_fully_signed";
    /// A signature packet was withdrawn, or ended unsigned.
    WorkflowSignaturePacketCancelled = "workflow.signature_packet_cancelled";
    /// A vendor said something that we have no word for. Its name is the vendor's, a dot, and the vendor's word.
    Foreign = "foreign";
    /// The account's own.
    Custom = "custom";
}

impl Kind {
    /// Tells whether events of the kind bring names of their own.
    pub const fn has_own_names(self) -> bool {
        matches!(self, Self::Custom | Self::Foreign)
    }

    /// Tells whether the kind is about the machinery itself; such events never beget further ones of the kind.
    pub const fn is_operational(self) -> bool {
        matches!(
            self,
            Self::EndpointFailing
                | Self::EndpointDisabled
                | Self::EndpointEnabled
                | Self::DeliveryExhausted
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <Cow<'de, str>>::deserialize(deserializer)?;
        if name == Self::Custom.as_str() {
            return Ok(Self::Custom);
        }
        Self::of(&name).ok_or_else(|| de::Error::custom("unknown event type"))
    }
}

/// Tells whether a name may be a custom event's: `custom.` and then words of `a-z A-Z 0-9 _ -`, joined by dots.
pub fn is_custom_name(name: &str) -> bool {
    name.len() <= NAME_CHARS_MAX
        && name.strip_prefix("custom.").is_some_and(|rest| {
            rest.split('.').all(|word| {
                !word.is_empty()
                    && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            })
        })
}

/// Tells whether a name may be that of a vendor's word: a vendor, a dot, and up to [`WORD_CHARS_MAX`] of
/// `a-z A-Z 0-9 _ - .`.
pub fn is_foreign_name(name: &str) -> bool {
    let Some((vendor, word)) = name.split_once('.') else { return false };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    Vendor::named(vendor).is_some()
        && !word.is_empty()
        && word.len() <= WORD_CHARS_MAX
        && word.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Custom) {
            assert_eq!(Kind::of(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn a_custom_name_needs_a_word_after_the_prefix() {
        assert_eq!(Kind::of("custom.invoice.paid"), Some(Kind::Custom));
        for bad in ["custom", "custom.", "custom..a", "custom.a b", "customer.a", "invoice.paid"] {
            assert_eq!(Kind::of(bad), None, "{bad}");
        }
    }
}
