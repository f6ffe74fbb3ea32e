//! `MessageBird`, whose API is still served beside Bird's.
//!
//! Invariant: reports come by `GET`, so what is proven is the URL.
//! Source: <https://developers.messagebird.com/api/sms-messaging/>.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt};
use domain::provider::Provider;
use serde_json::{Value, json};

use crate::calls::{
    self, BASE_URL, address, authorize, digits, hidden, needed, present, short, text,
};
use crate::proof::{WINDOW_S, is_secret, sha256_hex};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
};
use crate::sms::arrived::{self, Fields};
use crate::sms::jwt;
use crate::sms::receipts::{self, accepted, by_status, is_success, later, receipt, word};

#[derive(Debug)]
pub(crate) struct Messagebird;

const FIELDS: &[Field] = &[
    hidden("access_key", "A live access key, from the developers' page of the dashboard."),
    hidden("signing_key", "The signing key, from the same page. Reports are proven with it."),
    text("from", "A number without +, or up to eleven letters and digits."),
    BASE_URL,
];

impl Protocol for Messagebird {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, _provider: &Provider) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, 1_377)?;
        let body = present(json!({
            "originator": digits(&sms.from),
            "recipients": [digits(&sms.to)],
            "body": sms.text,
            "reference": sms.key,
            "reportUrl": sending.feedback_url,
            "datacoding": "auto",
        }));
        let url = address(provider, "https://rest.messagebird.com", &["messages"])?;
        let mut call = calls::json(url, &body);
        authorize(&mut call, format!("AccessKey {}", needed(provider, "access_key")?));
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        if is_success(answer)
            && let Some(id) = receipts::id(&body, "/id")
        {
            return accepted(Some(id));
        }
        let code = word(&body, "/errors/0/code").unwrap_or_default();
        let said = format!("{code} {}", word(&body, "/errors/0/description").unwrap_or_default());
        match code.as_str() {
            // The access key; no credit.
            "2" | "25" => receipt(later(answer), answer, &said),
            _ => by_status(answer, &said),
        }
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let token = received
            .header("messagebird-signature-jwt")
            .ok_or(Untrusted::Forged("the header messagebird-signature-jwt is missing"))?;
        let key = secret(provider, "signing_key")
            .ok_or(Untrusted::Forged("the provider has no signing_key"))?;
        let claims = jwt::claims(token, key, jwt::HS)
            .ok_or(Untrusted::Forged("the token is not signed with the signing_key"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("iss") != "MessageBird" {
            return Err(Untrusted::Forged("the token is not of MessageBird"));
        }
        let moment = |name: &str| claims.get(name).and_then(Value::as_i64);
        let now = received.now.as_seconds();
        let begun = moment("nbf").is_some_and(|from| from <= now.saturating_add(WINDOW_S));
        if !begun || moment("exp").is_none_or(|until| now >= until.saturating_add(WINDOW_S)) {
            return Err(Untrusted::Forged("the token is too old, or of the future"));
        }
        if !is_secret(&sha256_hex(received.url.as_bytes()), text("url_hash")) {
            return Err(Untrusted::Forged(
                "the token is of another URL; is the public URL the one MessageBird was told?",
            ));
        }
        let empty = received.body.is_empty() && text("payload_hash").is_empty();
        if empty || is_secret(&sha256_hex(received.body), text("payload_hash")) {
            Ok(())
        } else {
            Err(Untrusted::Forged("the token is of another body"))
        }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let fields = Fields::of_query(received);
        let (Some(id), Some(status)) = (fields.id("id"), fields.value("status")) else {
            return Err(Unreadable("the query has no id with a status".to_owned()));
        };
        let mut report = arrived::report(&id, status, arrived::fact(WORDS, status));
        report.key = fields.id("reference");
        report.recipient = fields.id("recipient");
        report.at = fields.value("statusDatetime").and_then(|at| at.parse().ok());
        report.detail =
            arrived::detail(fields.value("statusErrorCode"), fields.value("statusReason"));
        Ok(arrived::one(report))
    }
}

const WORDS: &[(&str, Fact)] = &[
    ("scheduled", Fact::Accepted),
    ("buffered", Fact::Accepted),
    ("sent", Fact::Sent),
    ("delivered", Fact::Delivered),
    ("expired", Fact::Expired),
    ("delivery_failed", Fact::Failed),
];
