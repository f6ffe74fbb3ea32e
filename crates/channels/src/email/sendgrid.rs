//! Twilio SendGrid.
//!
//! Answers: 202 without a body. Reports: a list of events, in which our key stands beside everything else; signed, if
//! the operator turned that on, with ECDSA over the time and the body, whose last line end counts.

use domain::call::{Answer, Call};
use domain::message::{Fact, Mailbox, Message, Receipt, Report};
use domain::provider::Provider;
use domain::time::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::calls::present;
use crate::email::{self, BASE_URL, FROM, FROM_NAME, KEY, REPLY_TO, secret_field, text_field};
use crate::proof::{is_timely, unbase64};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, setting,
};
use crate::reception::{Repeats, accepted, by_status};

#[derive(Debug)]
pub(super) struct Sendgrid;

impl Protocol for Sendgrid {
    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut flaws = email::check_addresses(provider);
        if setting(provider, VERIFICATION_KEY).is_some_and(|text| public_key(text).is_none()) {
            let expected = "the key as SendGrid shows it: Base64 that begins with MFkw";
            flaws.push((VERIFICATION_KEY, expected.to_owned()));
        }
        flaws
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        _sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let mail = email::mail(message)?;
        let mut content = vec![json!({ "type": "text/plain", "value": mail.text })];
        content.extend(mail.html.iter().map(|html| json!({ "type": "text/html", "value": html })));
        let body = present(json!({
            "personalizations": [{ "to": [mailbox(&mail.to)], "custom_args": { KEY: mail.key } }],
            "from": mailbox(&mail.from),
            "reply_to": mail.reply_to.as_ref().map(|reply_to| json!({ "email": reply_to })),
            "subject": mail.subject,
            "content": content,
            "categories": mail.tag.as_ref().map(|tag| [tag]),
        }));
        let mut call = email::post(provider, "https://api.sendgrid.com", "/v3/mail/send")?;
        let authorization = format!("Bearer {}", email::need(provider, "api_key")?);
        call.headers.push(("authorization".into(), authorization));
        Ok(email::with_json(call, &body))
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        if matches!(answer.status, 200 | 202) {
            let id = answer.headers.iter().find(|(name, _)| *name == "x-message-id");
            return accepted(id.map(|(_, id)| id.as_str()));
        }
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let said = body.pointer("/errors/0/message").and_then(Value::as_str).unwrap_or_default();
        by_status(answer, said, Repeats::Doubled)
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let key = setting(provider, VERIFICATION_KEY).and_then(public_key).ok_or(
            Untrusted::Forged("the provider has no verification_key, so no report is taken"),
        )?;
        let time = received.header("x-twilio-email-event-webhook-timestamp");
        let code = received.header("x-twilio-email-event-webhook-signature");
        let (Some(time), Some(code)) = (time, code) else {
            return Err(Untrusted::Forged("the report is not signed; turn signatures on"));
        };
        if !seconds(time).is_some_and(|at| is_timely(received.now, at, TRIES_S)) {
            return Err(Untrusted::Forged("the report is too old, or of the future"));
        }
        let code = unbase64(code).unwrap_or_default();
        let signed = [time.as_bytes(), received.body].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
        key.verify(&signed, &code)
            .ok()
            .ok_or(Untrusted::Forged("the signature does not fit the report"))
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let events: Vec<Value> = serde_json::from_slice(received.body)
            .map_err(|error| Unreadable(format!("the body is no list of events: {error}")))?;
        let reports = events.iter().filter_map(report).collect();
        Ok(Feedback { reports, ..Feedback::default() })
    }
}

fn mailbox(mailbox: &Mailbox) -> Value {
    match &mailbox.name {
        Some(name) => json!({ "email": mailbox.address, "name": name }),
        None => json!({ "email": mailbox.address }),
    }
}

fn report(event: &Value) -> Option<Report> {
    let text = |name: &str| email::text(event.get(name));
    let reason = text("reason").or_else(|| text("response"));
    let fact = match event.get("event")?.as_str()? {
        "processed" => Fact::Accepted,
        "delivered" => Fact::Delivered,
        "deferred" => Fact::Delayed,
        "bounce" if text("type").as_deref() == Some("blocked") => Fact::BouncedBlocked,
        "bounce" => Fact::Bounced,
        "dropped" if reason.as_deref().is_some_and(|reason| !reason.ends_with("Address")) => {
            Fact::Rejected
        }
        "dropped" => Fact::Suppressed,
        "open" => Fact::Opened,
        "click" => Fact::Clicked,
        "spamreport" => Fact::Complained,
        "unsubscribe" | "group_unsubscribe" => Fact::Unsubscribed,
        _ => return None,
    };
    // Events carry more after a full stop than the answer did.
    let message_id =
        text("sg_message_id").map(|id| id.split('.').next().unwrap_or_default().to_owned());
    Some(Report {
        key: email::key(event.get(KEY)),
        message_id,
        recipient: text("email"),
        fact,
        at: event
            .get("timestamp")
            .and_then(Value::as_i64)
            .map(|seconds| Timestamp::from_millis(0).plus_seconds(seconds)),
        event_id: text("sg_event_id")?,
        detail: reason,
    })
}

fn seconds(text: &str) -> Option<Timestamp> {
    Some(Timestamp::from_millis(0).plus_seconds(text.parse().ok()?))
}

/// Takes the point out of a key of the curve P-256.
fn public_key(text: &str) -> Option<Vec<u8>> {
    Some(unbase64(text)?.strip_prefix(SPKI_P256)?.to_vec()).filter(|point| point.len() == 65)
}

/// How the DER form of every such key begins (RFC 5480).
const SPKI_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const VERIFICATION_KEY: &str = "verification_key";

/// SendGrid goes on trying for a day, and does not say that it signs anew.
const TRIES_S: i64 = 86_400;

const FIELDS: [Field; 6] = [
    FROM,
    FROM_NAME,
    REPLY_TO,
    secret_field(
        "api_key",
        "The API key, from Settings, API Keys: one with the right Mail Send is enough. It begins with SG.",
        true,
    ),
    text_field(
        VERIFICATION_KEY,
        "The key that reports are signed with, from Settings, Mail Settings, Event Webhook, Signature Verification. Without it no report is taken.",
        false,
    ),
    BASE_URL,
];
