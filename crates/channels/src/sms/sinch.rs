//! Sinch.
//!
//! Source: <https://developers.sinch.com/docs/sms/api-reference/>.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt, Report};
use domain::provider::Provider;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::calls::{
    self, BASE_URL, address, authorize, digits, hidden, needed, present, short, text,
};
use crate::proof::{WINDOW_S, id_of, is_hmac_sha256, is_timely, unbase64};
use crate::provider::{
    Feedback, Field, Form, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use crate::sms::arrived;
use crate::sms::receipts::{self, accepted, by_status, is_success, word};

#[derive(Debug)]
pub(crate) struct Sinch;

const FIELDS: &[Field] = &[
    text("service_plan_id", "The service plan's id, from the REST configuration of the SMS page in the dashboard."),
    hidden("api_token", "The service plan's API token, beside its id."),
    Field {
        name: "region",
        about: "Where the service plan lives; us if left out.",
        form: Form::OneOf(&["us", "eu", "au", "br", "ca"]),
        required: false,
        secret: false,
    },
    hidden("webhook_secret", "The secret of the HMAC that Sinch's account manager has turned on for callbacks. Without it the secret URL alone proves a report.").optional(),
    text("from", "A number without +, or a sender id of up to eleven letters and digits."),
    BASE_URL,
];

impl Protocol for Sinch {
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
        let sms = short(message, 2_000)?;
        let body = present(json!({
            "from": digits(&sms.from),
            "to": [digits(&sms.to)],
            "body": sms.text,
            "type": "mt_text",
            "delivery_report": sending.feedback_url.map(|_| "per_recipient"),
            "callback_url": sending.feedback_url,
            "client_reference": sms.key,
        }));
        let region = setting(provider, "region").unwrap_or("us");
        let usual = format!("https://{region}.sms.api.sinch.com");
        let path = ["xms", "v1", needed(provider, "service_plan_id")?, "batches"];
        let mut call = calls::json(address(provider, &usual, &path)?, &body);
        authorize(&mut call, format!("Bearer {}", needed(provider, "api_token")?));
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        if is_success(answer)
            && let Some(id) = receipts::id(&body, "/id")
        {
            return accepted(Some(id));
        }
        let said = |pointer| word(&body, pointer).unwrap_or_default();
        by_status(answer, &format!("{} {}", said("/code"), said("/text")))
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let Some(secret) = secret(provider, "webhook_secret") else { return Ok(()) };
        let signature = received.header("x-sinch-webhook-signature").and_then(unbase64);
        let nonce = received.header("x-sinch-webhook-signature-nonce");
        let time = received.header("x-sinch-webhook-signature-timestamp");
        let (Some(signature), Some(nonce), Some(time)) = (signature, nonce, time) else {
            return Err(Untrusted::Forged(
                "the headers x-sinch-webhook-signature, -nonce and -timestamp are not all there",
            ));
        };
        let at = Timestamp::from_millis(0).plus_seconds(time.parse().unwrap_or_default());
        if !is_timely(received.now, at, TRIES_S) {
            return Err(Untrusted::Forged("the report is too old, or of the future"));
        }
        let parts = [received.body, b".", nonce.as_bytes(), b".", time.as_bytes()];
        if is_hmac_sha256(secret.as_bytes(), &parts, &signature) {
            Ok(())
        } else {
            Err(Untrusted::Forged("the signature does not fit the report"))
        }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let body = arrived::json(received)?;
        let batch = receipts::id(&body, "/batch_id");
        let reports = match (body.get("type").and_then(Value::as_str), batch) {
            (Some("recipient_delivery_report_sms"), Some(batch)) => {
                let recipient = receipts::id(&body, "/recipient");
                let report = report(&batch, recipient.as_deref(), &body, &body)
                    .ok_or_else(|| Unreadable("the report has no status".to_owned()))?;
                vec![report]
            }
            (Some("delivery_report_sms"), Some(batch)) => of_batch(&batch, &body),
            (Some(_), _) => Vec::new(),
            (None, _) => return Err(Unreadable("the body has no type".to_owned())),
        };
        Ok(Feedback { reports, ..Feedback::default() })
    }
}

/// Reads a report of a whole batch: statuses, each with the numbers it is about, or with none where they are left out.
fn of_batch(batch: &str, body: &Value) -> Vec<Report> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut reports = Vec::new();
    for status in list(body.get("statuses")) {
        let recipients = list(status.get("recipients"));
        if recipients.is_empty() {
            reports.extend(report(batch, None, &status, body));
        }
        let numbers = recipients.iter().filter_map(|number| receipts::id(number, ""));
        reports.extend(numbers.filter_map(|number| report(batch, Some(&number), &status, body)));
    }
    reports
}

fn report(batch: &str, recipient: Option<&str>, status: &Value, body: &Value) -> Option<Report> {
    let name = word(status, "/status")?;
    let fact = arrived::fact(WORDS, &name);
    let code = word(status, "/code").filter(|code| fact.is_failure() && code != "0");
    Some(Report {
        key: receipts::id(body, "/client_reference"),
        recipient: recipient.map(ToOwned::to_owned),
        at: word(status, "/at").and_then(|at| at.parse().ok()),
        event_id: id_of(&[batch, recipient.unwrap_or_default(), &name]),
        detail: arrived::detail(code.as_deref(), None),
        ..arrived::report(batch, &name, fact)
    })
}

const WORDS: &[(&str, Fact)] = &[
    ("Queued", Fact::Accepted),
    ("Dispatched", Fact::Sent),
    ("Delivered", Fact::Delivered),
    ("Failed", Fact::Failed),
    ("Aborted", Fact::Failed),
    ("Cancelled", Fact::Failed),
    ("Deleted", Fact::Failed),
    ("Rejected", Fact::Rejected),
    ("Expired", Fact::Expired),
    ("Unknown", Fact::Unknown),
];

/// How long a report is sent again, 22 hours and three quarters: its signature may be as old as the first try.
const TRIES_S: i64 = 22 * 3_600 + 45 * 60 + WINDOW_S;
