//! What events say: the typed forms of [`crate::event::Event::data`].
//!
//! Invariant: `engine` writes these, `dialects` read them, and nobody else gives `data` a shape (custom events are the account's own).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::call::Method;
use crate::contact::Contact;
use crate::id::{DeliveryId, EndpointId, EventId, SignerId, SourceId};
use crate::request::Request;
use crate::signer::Signer;
use crate::time::Timestamp;
use crate::workflow::{Brief, Change};

/// What `request.*` and `signer.*` events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutRequest {
    /// The request after the step; for `request.deleted`, before it.
    pub request: Request,
    /// The signer the event is about, as in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// For `signer.reassigned`: whose part it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_signer_id: Option<SignerId>,
    /// How a mirror came to know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Heard>,
}

/// How a mirror came to know of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// At which source.
    pub source_id: SourceId,
    /// By which way.
    pub by: HeardBy,
    /// The vendor's word, if it came by a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// What came in, if it came by a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_id: Option<EventId>,
    /// What else is to be known, such as that the vendor could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// By which way a mirror came to know of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeardBy {
    /// The vendor told it.
    Webhook,
    /// The vendor was asked.
    Asking,
}

/// What `source.received` says: a webhook as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival<'a> {
    /// Where it came in.
    pub source_id: SourceId,
    /// `GET` or `POST`.
    pub method: Method,
    /// The query, without its question mark.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub query: Cow<'a, str>,
    /// Header names in lower case and their values; those that are secret are masked.
    pub headers: Vec<(String, String)>,
    /// The body, if it is a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
    /// The body in Base64, if it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// What `source.quarantined` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutArrival {
    /// Where it came in.
    pub source_id: SourceId,
    /// What came in.
    pub arrival_id: EventId,
    /// Why it cannot be read.
    pub reason: String,
}

/// What events that we have no word for say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutForeign {
    /// Where it came in.
    pub source_id: SourceId,
    /// What came in.
    pub arrival_id: EventId,
    /// The vendor's word.
    pub word: String,
    /// The query as it came, where it says something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The body as it came, if it is a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// What `workflow.*` events say.
///
/// The changes of one workflow, applied in the order of its log, give its state: [`crate::workflow::Workflow::replay`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutWorkflow {
    /// The workflow in short, as it was after the change.
    pub workflow: Brief,
    /// By whom: a mail address.
    pub by: String,
    /// What changed.
    pub change: Change,
}

/// What `contact.*` events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutContact {
    /// The contact after the step; for `contact.deleted`, before it.
    pub contact: Contact,
}

/// What `email.*` events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutMail {
    /// The address it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Why it came back, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `sms.*` events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutSms {
    /// The number it went to.
    pub to: String,
    /// Why it did not arrive, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `endpoint.*` events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutEndpoint {
    /// Which one.
    pub endpoint_id: EndpointId,
    /// Where it listens.
    pub url: String,
    /// Its status after the step.
    pub status: String,
    /// Why, as a stable word: `failing`, `gone`, `answered_probe`, `nothing_to_say`.
    pub reason: String,
    /// The first failure since the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Failures since the last success.
    #[serde(default)]
    pub failures: u32,
}

/// What `delivery.exhausted` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutDelivery {
    /// Which one.
    pub delivery_id: DeliveryId,
    /// To whom.
    pub endpoint_id: EndpointId,
    /// What was told.
    pub event_id: EventId,
    /// What kind of event that was.
    pub event_type: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// Why it was given up, as a stable word.
    pub reason: String,
    /// The last HTTP status, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
}
