//! Postmark.
//!
//! Reports are not signed: they carry a user and a password, or a header, which the operator set on the webhook.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt, Reception, Report};
use domain::provider::Provider;
use serde_json::{Value, json};

use crate::calls::present;
use crate::email::{self, BASE_URL, FROM, FROM_NAME, KEY, REPLY_TO, secret_field, text_field};
use crate::proof::{base64, id_of, is_secret};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use crate::reception::{Repeats, accepted, by_status, detail};

#[derive(Debug)]
pub(super) struct Postmark;

impl Protocol for Postmark {
    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut flaws = email::check_addresses(provider);
        let pairs = [(FEEDBACK_USER, FEEDBACK_PASSWORD), (FEEDBACK_HEADER, FEEDBACK_HEADER_VALUE)];
        for (name, secret_name) in pairs {
            match (setting(provider, name), secret(provider, secret_name)) {
                (Some(_), None) => {
                    flaws.push((secret_name, format!("a text, since {name} is set")));
                }
                (None, Some(_)) => {
                    flaws.push((name, format!("a text, since {secret_name} is set")));
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
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
        let body = present(json!({
            "From": email::named(&mail.from),
            "To": email::named(&mail.to),
            "ReplyTo": mail.reply_to,
            "Subject": mail.subject,
            "TextBody": mail.text,
            "HtmlBody": mail.html,
            "MessageStream": setting(provider, MESSAGE_STREAM).unwrap_or("outbound"),
            "Tag": mail.tag,
            "Metadata": { KEY: mail.key },
            "TrackOpens": false,
            "TrackLinks": "None",
        }));
        let mut call = email::post(provider, "https://api.postmarkapp.com", "/email")?;
        let token = email::need(provider, "server_token")?.to_owned();
        call.headers.push(("accept".into(), "application/json".to_owned()));
        call.headers.push(("x-postmark-server-token".into(), token));
        Ok(email::with_json(call, &body))
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let said = body.get("Message").and_then(Value::as_str).unwrap_or_default();
        let receipt = by_status(answer, said, Repeats::Doubled);
        let reception = match (answer.status, body.get("ErrorCode").and_then(Value::as_i64)) {
            (200, Some(0)) => return accepted(body.get("MessageID").and_then(Value::as_str)),
            (200 | 422, Some(406)) => Reception::Refused { suppressed: true },
            // A sender that is not known, an account that may not send (yet), a pause: whatever the message.
            (200 | 422, Some(100 | 400 | 401 | 405 | 412 | 413)) => {
                Reception::Later { after_s: answer.retry_after_s, provider: true }
            }
            (200, Some(_)) => Reception::Refused { suppressed: false },
            _ => receipt.reception,
        };
        Receipt { reception, detail: detail(answer.status, said), ..receipt }
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let basic = setting(provider, FEEDBACK_USER).zip(secret(provider, FEEDBACK_PASSWORD));
        let header =
            setting(provider, FEEDBACK_HEADER).zip(secret(provider, FEEDBACK_HEADER_VALUE));
        let basic = basic.map(|(user, password)| {
            let expected = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
            ("authorization".to_owned(), expected)
        });
        let header = header.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let expected: Vec<_> = basic.into_iter().chain(header).collect();
        if expected.is_empty() {
            return Err(Untrusted::Forged(
                "the provider has neither feedback_user nor feedback_header, so no report is taken",
            ));
        }
        let fits = expected.iter().all(|(name, expected)| {
            received.header(name).is_some_and(|given| is_secret(expected, given))
        });
        if fits {
            Ok(())
        } else {
            Err(Untrusted::Forged("the report does not carry the password that it should"))
        }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let event: Value = serde_json::from_slice(received.body)
            .map_err(|error| Unreadable(format!("the body is no event: {error}")))?;
        let reports = report(&event).into_iter().collect();
        Ok(Feedback { reports, ..Feedback::default() })
    }
}

fn report(event: &Value) -> Option<Report> {
    let text = |name: &str| email::text(event.get(name));
    let record = text("RecordType")?;
    let kind = text("Type").unwrap_or_default();
    let (fact, time) = match record.as_str() {
        "Delivery" => (Fact::Delivered, "DeliveredAt"),
        "Bounce" => (bounce(&kind)?, "BouncedAt"),
        "SpamComplaint" => (Fact::Complained, "BouncedAt"),
        "Open" => (Fact::Opened, "ReceivedAt"),
        "Click" => (Fact::Clicked, "ReceivedAt"),
        "SubscriptionChange" if is_unsubscription(event) => (Fact::Unsubscribed, "ChangedAt"),
        _ => return None,
    };
    let (message_id, time) = (text("MessageID"), text(time).unwrap_or_default());
    let recipient = text("Email").or_else(|| text("Recipient"));
    let (message, person) = (message_id.as_deref(), recipient.as_deref());
    let id = [&record, &kind, message.unwrap_or_default(), person.unwrap_or_default(), &time];
    Some(Report {
        key: email::key(event.pointer(&format!("/Metadata/{KEY}"))),
        event_id: id_of(&id),
        message_id,
        recipient,
        fact,
        at: time.parse().ok(),
        detail: text("Details").or_else(|| text("Description")),
    })
}

/// Reads the type of a bounce; some are no failures: an answer by a machine, a new address.
fn bounce(kind: &str) -> Option<Fact> {
    Some(match kind {
        "HardBounce" | "BadEmailAddress" => Fact::Bounced,
        "SoftBounce" | "DnsError" => Fact::BouncedTransient,
        "Transient" => Fact::Delayed,
        "Blocked"
        | "SpamNotification"
        | "VirusNotification"
        | "DMARCPolicy"
        | "ChallengeVerification" => Fact::BouncedBlocked,
        "ManuallyDeactivated" | "Unconfirmed" => Fact::Suppressed,
        "SpamComplaint" => Fact::Complained,
        "Unsubscribe" => Fact::Unsubscribed,
        "SMTPApiError" | "TemplateRenderingFailed" | "Unknown" => Fact::Failed,
        _ => return None,
    })
}

fn is_unsubscription(event: &Value) -> bool {
    event.get("SuppressSending").and_then(Value::as_bool) == Some(true)
        && event.get("SuppressionReason").and_then(Value::as_str) == Some("ManualSuppression")
        && event.get("Origin").and_then(Value::as_str) == Some("Recipient")
}

const MESSAGE_STREAM: &str = "message_stream";
const FEEDBACK_USER: &str = "feedback_user";
const FEEDBACK_PASSWORD: &str = "feedback_password";
const FEEDBACK_HEADER: &str = "feedback_header";
const FEEDBACK_HEADER_VALUE: &str = "feedback_header_value";

const FIELDS: [Field; 10] = [
    FROM,
    FROM_NAME,
    REPLY_TO,
    secret_field(
        "server_token",
        "The token of the server, from Servers, the server, API Tokens.",
        true,
    ),
    text_field(
        MESSAGE_STREAM,
        "The id of the message stream that mails go through; outbound if left out.",
        false,
    ),
    text_field(
        FEEDBACK_USER,
        "The user that reports come with, as you set it on the webhook under Basic auth. Postmark does not sign reports: without a user or a header none is taken.",
        false,
    ),
    secret_field(FEEDBACK_PASSWORD, "The password that goes with it.", false),
    text_field(
        FEEDBACK_HEADER,
        "The name of a header that reports come with, as you set it on the webhook under Custom headers.",
        false,
    ),
    secret_field(FEEDBACK_HEADER_VALUE, "The value of that header.", false),
    BASE_URL,
];
