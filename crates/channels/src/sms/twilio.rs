//! Twilio.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/message-resource>,
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security>.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt};
use domain::provider::Provider;
use ring::hmac;

use crate::calls::{self, BASE_URL, address, authorize, basic, hidden, keyed, needed, short, text};
use crate::proof::unbase64;
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use crate::sms::arrived::{self, Fields};
use crate::sms::receipts::{
    self, REFUSED, SUPPRESSED, accepted, by_status, is_success, later, receipt, word,
};

#[derive(Debug)]
pub(crate) struct Twilio;

const FIELDS: &[Field] = &[
    text(
        "account_sid",
        "The account's SID, from the first page of the console: AC and 32 more characters.",
    ),
    hidden(
        "auth_token",
        "The account's auth token, beside the SID. Reports are proven with it, even when an API key sends.",
    ),
    text("api_key_sid", "The SID of an API key (SK…) to send with instead of the auth token.")
        .optional(),
    hidden("api_key_secret", "The secret of that API key.").optional(),
    text("from", "A number in E.164, a sender id, or the SID of a messaging service (MG…)."),
    BASE_URL,
];

impl Protocol for Twilio {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if setting(provider, "account_sid").is_some_and(|sid| !is_sid(sid, "AC")) {
            wrong.push(("account_sid", "expected AC and 32 letters and digits".to_owned()));
        }
        let name = setting(provider, "api_key_sid").is_some();
        if name != secret(provider, "api_key_secret").is_some() {
            wrong.push((
                "api_key_sid",
                "expected together with api_key_secret, or not at all".to_owned(),
            ));
        }
        wrong
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, 1_600)?;
        let account = needed(provider, "account_sid")?;
        let path = ["2010-04-01", "Accounts", account, "Messages.json"];
        let url = address(provider, "https://api.twilio.com", &path)?;
        let from = if is_sid(&sms.from, "MG") { "MessagingServiceSid" } else { "From" };
        let callback = sending.feedback_url.map(|url| keyed(url, &sms.key));
        let mut pairs = vec![("To", sms.to.as_str()), (from, &sms.from), ("Body", &sms.text)];
        pairs.extend(callback.as_deref().map(|url| ("StatusCallback", url)));
        let mut call = calls::form(url, &pairs);
        let authorization = match setting(provider, "api_key_sid") {
            Some(key) => basic(key, needed(provider, "api_key_secret")?),
            None => basic(account, needed(provider, "auth_token")?),
        };
        authorize(&mut call, authorization);
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        if is_success(answer)
            && let Some(sid) = receipts::id(&body, "/sid")
        {
            return accepted(Some(sid));
        }
        let code = word(&body, "/code").unwrap_or_default();
        let said = format!("{code} {}", word(&body, "/message").unwrap_or_default());
        match code.as_str() {
            // Over the limit, or the sender's queue is full.
            "20429" | "14107" | "21611" => receipt(later(answer), answer, &said),
            // Not the message is wrong, but the sender in the settings.
            "21212" | "21603" | "21606" | "21659" | "21660" | "21701" | "21703" => {
                receipt(later(answer), answer, &said)
            }
            "21610" => receipt(SUPPRESSED, answer, &said),
            "21211" | "21614" => receipt(REFUSED, answer, &said),
            _ => by_status(answer, &said),
        }
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let signature = received
            .header("x-twilio-signature")
            .and_then(unbase64)
            .ok_or(Untrusted::Forged("the header x-twilio-signature is missing"))?;
        let token = secret(provider, "auth_token")
            .ok_or(Untrusted::Forged("the provider has no auth_token"))?;
        let fields = Fields::of_form(received);
        let fields: String =
            fields.sorted().iter().flat_map(|(name, value)| [*name, *value]).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        let fits = |url: &String| {
            hmac::verify(&key, format!("{url}{fields}").as_bytes(), &signature).is_ok()
        };
        if spellings(received.url).iter().any(fits) {
            Ok(())
        } else {
            Err(Untrusted::Forged(
                "the signature does not fit; is the public URL the one Twilio was told?",
            ))
        }
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        let fields = Fields::of_form(received);
        let sid = fields.id("MessageSid").or_else(|| fields.id("SmsSid"));
        let status = fields.value("MessageStatus").or_else(|| fields.value("SmsStatus"));
        let (Some(sid), Some(status)) = (sid, status) else {
            return Err(Unreadable("the form has no MessageSid with a MessageStatus".to_owned()));
        };
        if matches!(status, "receiving" | "received") {
            return Ok(Feedback::default());
        }
        let code = fields.value("ErrorCode").filter(|code| *code != "0");
        let fact = match (arrived::fact(WORDS, status), code) {
            (Fact::Failed, Some("21610")) => Fact::Suppressed,
            (Fact::Failed, Some("30004" | "30007")) => Fact::BouncedBlocked,
            (Fact::Failed, Some("30005" | "30006")) => Fact::Bounced,
            (Fact::Failed, Some("30036")) => Fact::Expired,
            (fact, _) => fact,
        };
        let mut report = arrived::report(&sid, status, fact);
        report.key = arrived::key(received);
        report.recipient = fields.id("To");
        report.detail = arrived::detail(code, fields.value("ErrorMessage"));
        Ok(arrived::one(report))
    }
}

const WORDS: &[(&str, Fact)] = &[
    ("accepted", Fact::Accepted),
    ("scheduled", Fact::Accepted),
    ("queued", Fact::Accepted),
    ("sending", Fact::Sent),
    ("sent", Fact::Sent),
    ("partially_delivered", Fact::Sent),
    ("delivered", Fact::Delivered),
    ("read", Fact::Delivered),
    ("undelivered", Fact::Failed),
    ("failed", Fact::Failed),
    ("canceled", Fact::Failed),
];

fn is_sid(text: &str, prefix: &str) -> bool {
    let rest = text.strip_prefix(prefix);
    rest.is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Gives the URL as it came, and with or without its port: Twilio signs the one or the other.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return all };
    let host_bytes = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((host, path)) = rest.split_at_checked(host_bytes) else { return all };
    let port = if scheme == "https" { "443" } else { "80" };
    match host.rsplit_once(':') {
        Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            all.push(format!("{scheme}://{name}{path}"));
        }
        Some(_) | None => all.push(format!("{scheme}://{host}:{port}{path}")),
    }
    all
}
