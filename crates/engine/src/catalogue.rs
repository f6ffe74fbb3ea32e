//! The catalogue of events: what there is, how each dialect calls it, and a call that shows it.
//!
//! Invariant: an example is what would really be sent, signed with a secret that everybody knows.
//! Left to others: words and samples (`dialects`).

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::Call;
use domain::endpoint::{Dialect, Endpoint, Secrets, SigningSecret};
use domain::event::Kind;
use domain::id::{AccountId, EndpointId, EventId};
use domain::retry::{Gone, Profile, Success};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::Engine;
use crate::command::Refusal;
use crate::service_key::signs_with_rsa;

/// One line of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct EventType {
    /// The canonical name; for the account's own events `custom.*`.
    pub name: &'static str,
    /// When it happens, in a sentence.
    pub description: &'static str,
    /// The JSON Schema of `data`.
    pub schema: Value,
    /// The dialects that have a word for it, and their words.
    pub dialects: Vec<(Dialect, &'static str)>,
}

/// The secret that examples are signed with.
pub const EXAMPLE_SECRET: &str = "whsec_Y291bnRlcnNpZ24tZXhhbXBsZS1zZWNyZXQ=";

/// Lists the whole catalogue.
pub fn event_types() -> Vec<EventType> {
    Kind::ALL.iter().map(|kind| line(*kind)).collect()
}

/// Finds a line of the catalogue by its canonical name.
pub fn event_type(name: &str) -> Option<EventType> {
    kind_of(name).map(line)
}

impl Engine {
    /// Gives the call that tells the sample of an event in a dialect; `None` when the dialect has no word for it.
    pub async fn example(
        &self,
        account: AccountId,
        name: &str,
        dialect: Dialect,
    ) -> Result<Option<Call>, Refusal> {
        let kind = kind_of(name).ok_or(Refusal::NotFound { what: "event type" })?;
        let now = self.now();
        let mut event = dialects::sample(kind, account, EventId::new(EXAMPLE_BITS), now);
        if Kind::of(name) == Some(Kind::Custom) {
            event.name = Cow::Owned(name.to_owned());
        }
        let impossible = |message| Refusal::Impossible { message, possible: Vec::new() };
        let url = dialects::check_url(dialect, example_url(dialect))
            .map_err(|error| impossible(error.to_string()))?;
        let endpoint = example_endpoint(account, dialect, now);
        let rsa = if signs_with_rsa(dialect) { Some(self.rsa_key().await?) } else { None };
        let (url, rsa) = (Arc::new(url), rsa.as_deref());
        let target = dialects::Target { endpoint: &endpoint, url: &url, now, signer: None, rsa };
        dialects::dialect(dialect)
            .render(&event, &target)
            .map_err(|unsayable| impossible(unsayable.to_string()))
    }
}

/// Shows a call as one line for a shell.
pub fn curl(call: &Call) -> String {
    dialects::curl(call)
}

/// Shows a call as JSON; a body that is JSON stands in it as such.
pub fn json(call: &Call) -> Value {
    let headers: Vec<Value> =
        call.headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let text = String::from_utf8_lossy(&call.body);
    let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
    let body = if call.body.is_empty() { Value::Null } else { body };
    json!({"method": call.method, "url": call.url.as_str(), "headers": headers, "body": body})
}

const EXAMPLE_BITS: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0001;

const fn example_url(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Standard | Dialect::Clickwrap | Dialect::Ironclad | Dialect::Insertsign => {
            "https://example.com/webhooks"
        }
        Dialect::Fintechos | Dialect::Esaw => {
            "https://example.com/callback?envelope=##EnvelopeId##&action=##Action##"
        }
    }
}

fn example_endpoint(account: AccountId, dialect: Dialect, now: Timestamp) -> Endpoint {
    let signing = vec![SigningSecret { secret: Secret::new(EXAMPLE_SECRET), until: None }];
    let profile = Profile::named(dialect.as_str()).unwrap_or(Profile {
        name: Cow::Borrowed("custom"),
        waits_s: Cow::Borrowed(&[]),
        jitter_percent: 0,
        success: Success::Any2xx,
        gone: Gone::Retry,
    });
    let of = (account, EndpointId::new(EXAMPLE_BITS));
    let token = Some(Secret::new("example-token"));
    Endpoint {
        method: dialects::dialect(dialect).methods().first().copied().unwrap_or_default(),
        secrets: Secrets { signing, token, ..Secrets::default() },
        ..Endpoint::plain(of, dialect, example_url(dialect), profile, now)
    }
}

/// Finds the kind of a name; `custom.*` is that of the account's own events.
fn kind_of(name: &str) -> Option<Kind> {
    if name == CUSTOM { Some(Kind::Custom) } else { Kind::of(name) }
}

const CUSTOM: &str = "custom.*";

fn line(kind: Kind) -> EventType {
    let name = if kind == Kind::Custom { CUSTOM } else { kind.as_str() };
    let word = |dialect: &Dialect| {
        if kind == Kind::Custom {
            return dialects::dialect(*dialect).says_custom().then_some((*dialect, CUSTOM));
        }
        let words = dialects::dialect(*dialect).words();
        words.iter().find(|word| word.kind == kind).map(|word| (*dialect, word.name))
    };
    EventType {
        name,
        description: describe(kind),
        schema: dialects::schema(kind),
        dialects: Dialect::ALL.iter().filter_map(word).collect(),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm names each kind")]
const fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::RequestCreated => "A request was drafted.",
        Kind::RequestSent => "A request left the draft and went to its first signers.",
        Kind::SignerNotified => "A signer's turn came and they were told.",
        Kind::SignerViewed => "A signer opened the signing page and showed to be a person.",
        Kind::SignerSigned => "A signer signed.",
        Kind::SignerDeclined => "A signer refused to sign.",
        Kind::SignerReassigned => "A signer's part went to another person.",
        Kind::SignerAdded => "A signer was added.",
        Kind::SignerRemoved => "A signer was removed.",
        Kind::RequestCompleted => "Everybody has signed.",
        Kind::RequestDeclined => "Somebody refused, and the request ended.",
        Kind::RequestExpired => "The request ended unsigned, because its time ran out.",
        Kind::RequestCancelled => "The sender withdrew the request.",
        Kind::RequestArchived => "The request was put away; it keeps what it was.",
        Kind::RequestUnarchived => "The request was taken out again.",
        Kind::RequestDeleted => "The request was deleted; the event tells the state before.",
        Kind::RequestReminded => "Those whose turn it is were reminded.",
        Kind::ContactCreated => "A contact was made.",
        Kind::ContactUpdated => "A contact was changed.",
        Kind::ContactDeleted => "A contact was deleted; the event tells the state before.",
        Kind::EmailDelivered => "A mail reached its person.",
        Kind::EmailBounced => "A mail came back.",
        Kind::EmailComplained => "A person called a mail unwanted.",
        Kind::SmsDelivered => "A short message reached its person.",
        Kind::SmsFailed => "A short message did not reach its person.",
        Kind::EndpointFailing => "An endpoint has failed every attempt for a day or longer.",
        Kind::EndpointDisabled => "An endpoint was disabled by the system.",
        Kind::EndpointEnabled => "A disabled endpoint answered a probe and was enabled again.",
        Kind::DeliveryExhausted => "A delivery ran out of attempts.",
        Kind::SourceReceived => "A vendor's webhook came in; it is kept, and told to nobody.",
        Kind::SourceQuarantined => "A vendor's webhook cannot be read, and waits in the inbox.",
        Kind::WorkflowLaunched => "A contract workflow was launched.",
        Kind::WorkflowUpdated => {
            "A workflow was changed, by the steps told just before or in its title or notes."
        }
        Kind::WorkflowStepUpdated => "A workflow went to another step.",
        Kind::WorkflowPaused => "A workflow was halted in review.",
        Kind::WorkflowResumed => "A workflow goes on.",
        Kind::WorkflowCompleted => "A workflow was filed, as records.",
        Kind::WorkflowCancelled => "A workflow was given up.",
        Kind::WorkflowAttributeUpdated => "Attributes of a workflow were set or removed.",
        Kind::WorkflowApprovalStatusChanged => "An approval of a workflow was given or taken back.",
        Kind::WorkflowRolesAssigned => "Roles of a workflow were given to people.",
        Kind::WorkflowChangedTurn => "It is the turn of the other side of a workflow.",
        Kind::WorkflowCommentAdded => "Something was said about a workflow.",
        Kind::WorkflowCommentUpdated => "Something that was said about a workflow was changed.",
        Kind::WorkflowCommentRemoved => "Something that was said about a workflow was removed.",
        Kind::WorkflowCommentReactionAdded => "Somebody reacted to what was said about a workflow.",
        Kind::WorkflowCommentReactionRemoved => "Somebody took a reaction back.",
        Kind::WorkflowCounterpartyInviteSent => {
            "Somebody of the other side was asked into a workflow."
        }
        Kind::WorkflowCounterpartyInviteRevoked => "An invitation to the other side was revoked.",
        Kind::WorkflowDocumentsAdded => "Documents were added to a workflow.",
        Kind::WorkflowDocumentsRemoved => "Documents of a workflow were removed.",
        Kind::WorkflowDocumentsUpdated => "Documents of a workflow have a new version.",
        Kind::WorkflowDocumentsRenamed => "Documents of a workflow have other names.",
        Kind::WorkflowDocumentEdited => "A document of a workflow was worked on.",
        Kind::WorkflowSignerAdded => "A part to be signed was added to a workflow.",
        Kind::WorkflowSignerRemoved => "A part to be signed was removed from a workflow.",
        Kind::WorkflowSignerReassigned => "A part to be signed was given to somebody else.",
        Kind::WorkflowSignaturePacketSent => {
            "The signature packet of a workflow was sent, as a request."
        }
        Kind::WorkflowSignaturePacketUploaded => "A packet that was signed elsewhere was uploaded.",
        Kind::WorkflowSignaturePacketSignaturesCollected => "Signatures of a workflow are there.",
        Kind::WorkflowSignaturePacketFullySigned => "All have signed a workflow.",
        Kind::WorkflowSignaturePacketCancelled => {
            "A signature packet was withdrawn, or ended unsigned."
        }
        Kind::Foreign => {
            "A vendor said something that there is no other type for; the type is the vendor's name, a dot, and its word."
        }
        Kind::Custom => "The account's own event, posted to the API.",
    }
}
