//! AWS End User Messaging. Its reports come through a topic of SNS.
//!
//! Source: <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html>,
//! <https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-destinations.html>.

use std::borrow::Cow;

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt};
use domain::provider::Provider;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::aws::sigv4::{Signer, sign};
use crate::aws::sns::{self, Content};
use crate::calls::{self, BASE_URL, address, hidden, needed, present, short, text};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, setting,
};
use crate::sms::arrived;
use crate::sms::receipts::{
    self, SUPPRESSED, accepted, by_status, is_success, later, receipt, word,
};

#[derive(Debug)]
pub(crate) struct AwsSms;

pub(super) const ACCESS_KEY_ID: Field = text(
    "access_key_id",
    "The id of an access key that may send, from IAM: AKIA and 16 more characters.",
);
pub(super) const SECRET_ACCESS_KEY: Field =
    hidden("secret_access_key", "The secret half of that access key.");
pub(super) const REGION: Field = text("region", "The region to send from, such as eu-west-1.");

const FIELDS: &[Field] = &[
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    REGION,
    text("from", "A number in E.164, a sender id, or the id or ARN of a pool."),
    text("configuration_set", "The configuration set whose event destination is the topic that reports come from. Without it nothing is reported.").optional(),
    sns::TOPIC_ARN,
    BASE_URL,
];

impl Protocol for AwsSms {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        check_region(provider).into_iter().chain(sns::check(provider)).collect()
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, 1_600)?;
        let body = present(json!({
            "DestinationPhoneNumber": sms.to,
            "OriginationIdentity": sms.from,
            "MessageBody": sms.text,
            "MessageType": "TRANSACTIONAL",
            "ConfigurationSetName": setting(provider, "configuration_set"),
            "Context": { CONTEXT: sms.key },
        }));
        let usual = format!("https://sms-voice.{}.amazonaws.com", needed(provider, REGION.name)?);
        let url = address(provider, &usual, &[])?;
        let mut call = calls::post(url, "application/x-amz-json-1.0", body.to_string());
        let target = "PinpointSMSVoiceV2.SendTextMessage".to_owned();
        call.headers.push((Cow::Borrowed("x-amz-target"), target));
        sign(&mut call, &signer(provider, "sms-voice")?, sending.now);
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        if is_success(answer)
            && let Some(id) = receipts::id(&body, "/MessageId")
        {
            return accepted(Some(id));
        }
        let header = answer.headers.iter().find(|(name, _)| *name == "x-amzn-errortype");
        let name = header.map(|(_, value)| value.clone()).or_else(|| word(&body, "/__type"));
        // The name may stand behind a namespace, and before an address.
        let name = name.unwrap_or_default();
        let name = name.rsplit('#').next().and_then(|name| name.split(':').next());
        let reason = word(&body, "/Reason").unwrap_or_default();
        let said = word(&body, "/message").or_else(|| word(&body, "/Message"));
        by_name(answer, name.unwrap_or_default(), &reason, &said.unwrap_or_default())
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        sns::prove(provider, received)
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let (event_id, text) = match sns::open(received)? {
            Content::Notification { id, text } => (id, text),
            Content::Confirmation(url) => {
                return Ok(Feedback { confirm: Some(url), ..Feedback::default() });
            }
            Content::Ended => return Ok(Feedback::default()),
        };
        // Topics tell of other things too, such as that they were set up.
        let Ok(event) = serde_json::from_str::<Value>(&text) else {
            return Ok(Feedback::default());
        };
        let (Some(id), Some(kind)) =
            (receipts::id(&event, "/messageId"), word(&event, "/eventType"))
        else {
            return Ok(Feedback::default());
        };
        let fact = arrived::fact(WORDS, &kind);
        let mut report = arrived::report(&id, &kind, fact);
        report.event_id = event_id;
        report.key = event.pointer("/context").and_then(|context| receipts::id(context, "/notice"));
        report.recipient = receipts::id(&event, "/destinationPhoneNumber");
        let at = event.get("eventTimestamp").and_then(Value::as_i64);
        report.at = at.map(Timestamp::from_millis);
        let status = word(&event, "/messageStatusDescription").filter(|_| fact.is_failure());
        report.detail = arrived::detail(None, status.as_deref());
        Ok(arrived::one(report))
    }
}

/// The name of our key among what a message takes along.
const CONTEXT: &str = "notice";

const WORDS: &[(&str, Fact)] = &[
    ("TEXT_QUEUED", Fact::Accepted),
    ("TEXT_PENDING", Fact::Accepted),
    ("TEXT_SUCCESSFUL", Fact::Sent),
    ("TEXT_DELIVERED", Fact::Delivered),
    ("TEXT_INVALID", Fact::Bounced),
    ("TEXT_INVALID_MESSAGE", Fact::Failed),
    ("TEXT_UNREACHABLE", Fact::Failed),
    ("TEXT_CARRIER_UNREACHABLE", Fact::Failed),
    ("TEXT_BLOCKED", Fact::BouncedBlocked),
    ("TEXT_CARRIER_BLOCKED", Fact::BouncedBlocked),
    ("TEXT_SPAM", Fact::BouncedBlocked),
    ("TEXT_PROTECT_BLOCKED", Fact::Rejected),
    ("TEXT_TTL_EXPIRED", Fact::Expired),
    ("TEXT_UNKNOWN", Fact::Unknown),
];

/// Says what is wrong with the region.
pub(super) fn check_region(provider: &Provider) -> Option<(&'static str, String)> {
    let region = setting(provider, REGION.name)?;
    let fits = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (!fits).then(|| (REGION.name, "expected a region such as eu-west-1".to_owned()))
}

/// Gives whose a call is.
pub(super) fn signer<'a>(
    provider: &'a Provider,
    service: &'a str,
) -> Result<Signer<'a>, Unbuildable> {
    Ok(Signer {
        access_key_id: needed(provider, ACCESS_KEY_ID.name)?,
        secret_access_key: needed(provider, SECRET_ACCESS_KEY.name)?,
        region: needed(provider, REGION.name)?,
        service,
    })
}

/// Reads an answer by the name that Amazon's services give to what went wrong; the status says little.
pub(super) fn by_name(answer: &Answer, name: &str, reason: &str, said: &str) -> Receipt {
    let said = format!("{name} {reason} {said}");
    let reception = match (name, reason) {
        ("OptedOut" | "OptedOutException", _) | (_, "DESTINATION_PHONE_NUMBER_OPTED_OUT") => {
            SUPPRESSED
        }
        (name, _) if OURS.contains(&name.strip_suffix("Exception").unwrap_or(name)) => {
            later(answer)
        }
        _ => return by_status(answer, &said),
    };
    receipt(reception, answer, &said)
}

/// What says that not the message is wrong, but that there are too many, or that the account or its keys are.
const OURS: &[&str] = &[
    "AccessDenied",
    "AuthorizationError",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignature",
    "KMSThrottling",
    "MissingAuthenticationToken",
    "OptInRequired",
    "RequestExpired",
    "RequestLimitExceeded",
    "ResourceNotFound",
    "ServiceQuotaExceeded",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "Throttled",
    "Throttling",
    "TooManyRequests",
    "UnrecognizedClient",
];
