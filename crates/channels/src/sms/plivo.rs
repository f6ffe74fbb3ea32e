//! Plivo.
//!
//! Invariant: signatures of the second version cover the URL and a nonce, and no body; so a nonce counts once.
//! Source: <https://www.plivo.com/docs/messaging/api/message/>,
//! <https://www.plivo.com/docs/messaging/concepts/signature-validation/>.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt};
use domain::provider::Provider;
use serde_json::json;

use crate::calls::{
    self, BASE_URL, address, authorize, basic, hidden, keyed, needed, present, short, text,
};
use crate::proof::{is_hmac_sha256, unbase64};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
};
use crate::sms::arrived::{self, Fields};
use crate::sms::receipts::{self, accepted, by_status, is_success, word};

#[derive(Debug)]
pub(crate) struct Plivo;

const FIELDS: &[Field] = &[
    text("auth_id", "The account's auth ID, from the overview of the console."),
    hidden("auth_token", "The account's auth token, beside it. Reports are proven with it too."),
    text("from", "A number in E.164, a sender id, or the UUID of a Powerpack."),
    BASE_URL,
];

impl Protocol for Plivo {
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
        let sms = short(message, 1_600)?;
        let account = needed(provider, "auth_id")?;
        let from = if is_uuid(&sms.from) { "powerpack_uuid" } else { "src" };
        let body = present(json!({
            from: sms.from,
            "dst": sms.to,
            "text": sms.text,
            "type": "sms",
            "url": sending.feedback_url.map(|url| keyed(url, &sms.key)),
            "method": sending.feedback_url.map(|_| "POST"),
        }));
        // The last part is empty: the address ends with a slash.
        let path = ["v1", "Account", account, "Message", ""];
        let mut call = calls::json(address(provider, "https://api.plivo.com", &path)?, &body);
        authorize(&mut call, basic(account, needed(provider, "auth_token")?));
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        if is_success(answer)
            && let Some(id) = receipts::id(&body, "/message_uuid/0")
        {
            return accepted(Some(id));
        }
        by_status(answer, &word(&body, "/error").unwrap_or_default())
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let token = secret(provider, "auth_token")
            .ok_or(Untrusted::Forged("the provider has no auth_token"))?;
        let proof = Proof::of(received)
            .ok_or(Untrusted::Forged("neither x-plivo-signature-v3 nor -v2 came with its nonce"))?;
        let fits = |signature: &str| {
            let parts = [proof.signed.as_bytes(), proof.nonce.as_bytes()];
            unbase64(signature).is_some_and(|code| is_hmac_sha256(token.as_bytes(), &parts, &code))
        };
        if proof.signatures.split(',').any(fits) {
            Ok(())
        } else {
            Err(Untrusted::Forged(
                "the signature does not fit; is the public URL the one Plivo was told?",
            ))
        }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let fields = said(received);
        let (Some(id), Some(status)) = (fields.id("MessageUUID"), fields.value("Status")) else {
            return Err(Unreadable("the report has no MessageUUID with a Status".to_owned()));
        };
        let mut report = arrived::report(&id, status, arrived::fact(WORDS, status));
        // Each part of a long text has an id of its own; what was handed over has the first one's.
        report.message_id = fields.id("ParentMessageUUID").or(Some(id));
        report.key = arrived::key(received);
        report.recipient = fields.id("To");
        let code = fields.value("ErrorCode").filter(|code| *code != "000" && *code != "0");
        report.detail = arrived::detail(code, None);
        let once = Proof::of(received).map(|proof| proof.nonce.to_owned());
        Ok(Feedback { once, ..arrived::one(report) })
    }
}

const WORDS: &[(&str, Fact)] = &[
    ("queued", Fact::Accepted),
    ("sent", Fact::Sent),
    ("delivered", Fact::Delivered),
    ("read", Fact::Delivered),
    ("undelivered", Fact::Failed),
    ("failed", Fact::Failed),
    ("rejected", Fact::Rejected),
];

/// What a proof is made of.
struct Proof<'a> {
    /// One or more, with commas between them.
    signatures: &'a str,
    nonce: &'a str,
    /// What is signed, up to the nonce.
    signed: String,
}

impl<'a> Proof<'a> {
    /// Finds the better proof of those that came.
    fn of(received: &Received<'a>) -> Option<Self> {
        let header = |name: &str| {
            let mut all = received.headers.iter().filter(|(known, _)| known == name);
            all.next().map(|(_, value)| value.as_str())
        };
        let base = received.url.split(['?', '#']).next()?;
        if let Some(signatures) = header("x-plivo-signature-v3") {
            let nonce = header("x-plivo-signature-v3-nonce")?;
            return Some(Self { signatures, nonce, signed: signed(received, base) });
        }
        let signatures = header("x-plivo-signature-v2")?;
        let nonce = header("x-plivo-signature-v2-nonce")?;
        Some(Self { signatures, nonce, signed: base.to_owned() })
    }
}

/// Gives what the third version signs: the URL, the sorted query, the sorted form, with a point after each.
fn signed(received: &Received<'_>, base: &str) -> String {
    let query = Fields::of_query(received);
    let query: Vec<String> =
        query.sorted().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let form = Fields::of_form(received);
    let form: String = form.sorted().iter().flat_map(|(name, value)| [*name, *value]).collect();
    match (query.is_empty(), form.is_empty()) {
        (true, true) => format!("{base}."),
        (false, true) => format!("{base}?{query}."),
        (true, false) => format!("{base}?{form}."),
        (false, false) => format!("{base}?{query}.{form}."),
    }
}

fn said(received: &Received<'_>) -> Fields {
    if received.body.is_empty() { Fields::of_query(received) } else { Fields::of_form(received) }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
