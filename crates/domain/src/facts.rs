//! What events say: the typed forms of [`crate::event::Event::data`].
//!
//! Invariant: `engine` writes these, `dialects` read them, and nobody else gives `data` a shape (custom events are the account's own).

use serde::{Deserialize, Serialize};

use crate::contact::Contact;
use crate::id::{DeliveryId, EndpointId, EventId, SignerId};
use crate::request::Request;
use crate::signer::Signer;
use crate::time::Timestamp;

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
    /// Why, as a stable word: `failing`, `gone`, `answered_probe`.
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
