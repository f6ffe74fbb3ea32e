//! Resend.
//!
//! The one service for mails that knows our key: the same mail may be handed over again for a day. Reports come by way
//! of Svix, which signs id, time and body anew with each try, with every key that is valid.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt, Reception, Report};
use domain::provider::Provider;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::calls::present;
use crate::email::{self, BASE_URL, FROM, FROM_NAME, KEY, REPLY_TO, secret_field};
use crate::proof::{WINDOW_S, is_hmac_sha256, is_timely, unbase64};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
};
use crate::reception::{Repeats, accepted, by_status, detail};

#[derive(Debug)]
pub(super) struct Resend;

impl Protocol for Resend {
    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut flaws = email::check_addresses(provider);
        if secret(provider, SIGNING_SECRET).is_some_and(|text| signing_key(text).is_none()) {
            let expected = "the secret as Resend shows it: whsec_ and Base64";
            flaws.push((SIGNING_SECRET, expected.to_owned()));
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
            "from": email::named(&mail.from),
            "to": [mail.to.address],
            "reply_to": mail.reply_to,
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
            "headers": { "X-Notice-Id": mail.key },
            "tags": [{ "name": KEY, "value": mail.key }],
        }));
        let mut call = email::post(provider, "https://api.resend.com", "/emails")?;
        let authorization = format!("Bearer {}", email::need(provider, "api_key")?);
        call.headers.push(("authorization".into(), authorization));
        call.headers.push(("idempotency-key".into(), format!("{}/1", mail.key)));
        Ok(email::with_json(call, &body))
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let said = text("message").unwrap_or_default();
        match (answer.status, text("id"), text("name")) {
            (200 | 201, Some(id), _) => accepted(Some(id)),
            // The first try is still under way there; what it came to shows the next time.
            (409, _, Some("concurrent_idempotent_requests")) => Receipt {
                reception: Reception::Later { after_s: answer.retry_after_s, provider: false },
                message_id: None,
                detail: detail(answer.status, said),
            },
            // The key is of this message alone, so a mail with it was taken.
            (409, _, Some("invalid_idempotent_request")) => {
                Receipt { detail: detail(answer.status, said), ..accepted(None) }
            }
            _ => by_status(answer, said, Repeats::Known),
        }
    }

    fn has_idempotency(&self) -> bool {
        true
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let key = secret(provider, SIGNING_SECRET).and_then(signing_key).ok_or(
            Untrusted::Forged("the provider has no signing_secret, so no report is taken"),
        )?;
        let header = |name| {
            received.header(name).ok_or(Untrusted::Forged("the report lacks a header of its proof"))
        };
        let (id, time) = (header("svix-id")?, header("svix-timestamp")?);
        let at = time.parse().map(|seconds| Timestamp::from_millis(0).plus_seconds(seconds));
        if !at.is_ok_and(|at| is_timely(received.now, at, WINDOW_S)) {
            return Err(Untrusted::Forged("the report is too old, or of the future"));
        }
        let parts = [id.as_bytes(), b".", time.as_bytes(), b".", received.body];
        let fits = header("svix-signature")?
            .split(' ')
            .take(SIGNATURES_MAX)
            .filter_map(|item| unbase64(item.strip_prefix("v1,")?))
            .any(|code| is_hmac_sha256(&key, &parts, &code));
        if fits { Ok(()) } else { Err(Untrusted::Forged("the signature does not fit the report")) }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let event: Value = serde_json::from_slice(received.body)
            .map_err(|error| Unreadable(format!("the body is no event: {error}")))?;
        let id = received
            .header("svix-id")
            .ok_or_else(|| Unreadable("the event has no svix-id".to_owned()))?;
        let reports = report(&event, id).into_iter().collect();
        Ok(Feedback { reports, ..Feedback::default() })
    }
}

fn report(event: &Value, id: &str) -> Option<Report> {
    let data = event.get("data")?;
    let bounce = |name: &str| data.get("bounce").and_then(|bounce| bounce.get(name)?.as_str());
    let fact = match event.get("type")?.as_str()? {
        "email.sent" => Fact::Accepted,
        "email.delivered" => Fact::Delivered,
        "email.delivery_delayed" => Fact::Delayed,
        "email.bounced" => match (bounce("type"), bounce("subType")) {
            (_, Some("Suppressed" | "OnAccountSuppressionList")) => Fact::Suppressed,
            (Some("Permanent"), _) => Fact::Bounced,
            _ => Fact::BouncedTransient,
        },
        "email.complained" => Fact::Complained,
        "email.opened" => Fact::Opened,
        "email.clicked" => Fact::Clicked,
        "email.failed" => Fact::Failed,
        "email.suppressed" => Fact::Suppressed,
        _ => return None,
    };
    let detail = [
        data.pointer("/bounce/diagnosticCode/0"),
        data.pointer("/bounce/message"),
        data.pointer("/failed/reason"),
    ];
    // Of several recipients the event does not say which one.
    let recipients = data.get("to").and_then(Value::as_array).filter(|all| all.len() == 1);
    Some(Report {
        key: email::key(data.get("tags").and_then(|tags| tags.get(KEY))),
        message_id: email::text(data.get("email_id")),
        recipient: recipients.and_then(|all| email::text(all.first())),
        fact,
        at: event.get("created_at").and_then(|at| at.as_str()?.parse().ok()),
        event_id: id.to_owned(),
        detail: detail.into_iter().find_map(email::text),
    })
}

fn signing_key(text: &str) -> Option<Vec<u8>> {
    unbase64(text.strip_prefix("whsec_")?).filter(|key| !key.is_empty())
}

const SIGNING_SECRET: &str = "signing_secret";

/// One for each key that is valid while keys are changed.
const SIGNATURES_MAX: usize = 10;

const FIELDS: [Field; 6] = [
    FROM,
    FROM_NAME,
    REPLY_TO,
    secret_field(
        "api_key",
        "The API key, from API Keys: one with sending access is enough. It begins with re_.",
        true,
    ),
    secret_field(
        SIGNING_SECRET,
        "The secret that reports are signed with, from Webhooks, the webhook, Signing Secret. It begins with whsec_. Without it no report is taken.",
        false,
    ),
    BASE_URL,
];
