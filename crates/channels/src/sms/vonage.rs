//! Vonage's Messages API.
//!
//! Invariant: a report without a proof is no forgery here. Vonage sends one unsigned when something fails on its side,
//! and again with a signature when it hears that something failed on ours.
//! Source: <https://developer.vonage.com/en/api/messages>,
//! <https://developer.vonage.com/en/messages/concepts/signed-webhooks>.

use domain::call::{Answer, Call};
use domain::message::{Fact, Message, Receipt, Sms};
use domain::provider::Provider;
use domain::time::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

use crate::calls::{
    self, BASE_URL, address, authorize, basic, digits, hidden, needed, present, short, text,
};
use crate::proof::{hex, is_secret, is_timely, sha256_hex};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, secret,
    setting,
};
use crate::sms::arrived;
use crate::sms::jwt;
use crate::sms::receipts::{self, accepted, by_status, is_success, word};

#[derive(Debug)]
pub(crate) struct Vonage;

const FIELDS: &[Field] = &[
    text("api_key", "The account's API key, from the API settings of the dashboard."),
    hidden("api_secret", "The account's API secret, beside the key; needed unless an application sends.").optional(),
    text("application_id", "The id of an application with the Messages capability, which sends instead of the account.").optional(),
    hidden("private_key", "That application's private key, as the PEM file that the dashboard gave.").optional(),
    hidden("signature_secret", "The account's signature secret, from the API settings of the dashboard. Reports are proven with it."),
    text("from", "A number without +, or a sender id of up to eleven letters and digits."),
    BASE_URL,
];

impl Protocol for Vonage {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let (application, key) =
            (setting(provider, "application_id"), secret(provider, "private_key"));
        if application.is_some() != key.is_some() {
            wrong.push((
                "application_id",
                "expected together with private_key, or not at all".to_owned(),
            ));
        } else if application.is_none() && secret(provider, "api_secret").is_none() {
            wrong.push(("api_secret", "expected, or application_id with private_key".to_owned()));
        }
        if key.is_some_and(|pem| jwt::rsa_key(pem).is_none()) {
            wrong.push(("private_key", KEY_EXPECTED.to_owned()));
        }
        wrong
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, 1_000)?;
        let url = address(provider, "https://api.nexmo.com", &["v1", "messages"])?;
        let mut call = calls::json(url, &body(sms, sending));
        let authorization = match setting(provider, "application_id") {
            Some(application) => bearer(provider, application, sending)?,
            None => basic(needed(provider, "api_key")?, needed(provider, "api_secret")?),
        };
        authorize(&mut call, authorization);
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body = receipts::body(answer);
        if is_success(answer)
            && let Some(id) = receipts::id(&body, "/message_uuid")
        {
            return accepted(Some(id));
        }
        let said = |pointer| word(&body, pointer).unwrap_or_default();
        let reason = said("/invalid_parameters/0/reason");
        let parameter = said("/invalid_parameters/0/name");
        let said = format!("{} {} {parameter} {reason}", said("/title"), said("/detail"));
        by_status(answer, &said)
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        let header = received
            .header("authorization")
            .ok_or(Untrusted::Unsigned("the report came without its token"))?;
        let secret = secret(provider, "signature_secret")
            .ok_or(Untrusted::Forged("the provider has no signature_secret"))?;
        let token =
            header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let claims = token
            .and_then(|(_, token)| jwt::claims(token.trim(), secret, ALLOWED))
            .ok_or(Untrusted::Forged("the token is not signed with the signature_secret"))?;
        let account = claims.get("api_key").and_then(Value::as_str);
        if account.is_some_and(|account| setting(provider, "api_key") != Some(account)) {
            return Err(Untrusted::Forged("the token is of another account"));
        }
        let at = claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
        let at = Timestamp::from_millis(0).plus_seconds(at);
        if !is_timely(received.now, at, TRIES_S) {
            return Err(Untrusted::Forged("the token is too old, or of the future"));
        }
        let hash = claims.get("payload_hash").and_then(Value::as_str).unwrap_or_default();
        if is_secret(&sha256_hex(received.body), &hash.to_ascii_lowercase()) {
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
        let body = arrived::json(received)?;
        let (Some(id), Some(status)) =
            (receipts::id(&body, "/message_uuid"), word(&body, "/status"))
        else {
            return Err(Unreadable("the body has no message_uuid with a status".to_owned()));
        };
        let code = word(&body, "/error/title");
        let mut report = arrived::report(&id, &status, arrived::fact(WORDS, &status));
        report.key = receipts::id(&body, "/client_ref");
        report.recipient = receipts::id(&body, "/to");
        report.at = word(&body, "/timestamp").and_then(|at| at.parse().ok());
        report.detail = arrived::detail(code.as_deref(), word(&body, "/error/detail").as_deref());
        Ok(arrived::one(report))
    }
}

const WORDS: &[(&str, Fact)] = &[
    ("submitted", Fact::Accepted),
    ("delivered", Fact::Delivered),
    ("read", Fact::Delivered),
    ("rejected", Fact::Rejected),
    ("undeliverable", Fact::Failed),
];

const KEY_EXPECTED: &str =
    "expected an RSA key of 2,048 to 4,096 bits in PEM, with its BEGIN and END lines";

/// Vonage signs by this one alone.
const ALLOWED: &[(&str, hmac::Algorithm)] = &[("HS256", hmac::HMAC_SHA256)];

/// How long a report is sent again: its token may be as old as the first try.
const TRIES_S: i64 = 24 * 3_600;

fn body(sms: &Sms, sending: &Sending<'_>) -> Value {
    present(json!({
        "message_type": "text",
        "channel": "sms",
        "to": digits(&sms.to),
        "from": digits(&sms.from),
        "text": sms.text,
        "client_ref": sms.key,
        "webhook_url": sending.feedback_url,
        "webhook_version": sending.feedback_url.map(|_| "v1"),
    }))
}

fn bearer(
    provider: &Provider,
    application: &str,
    sending: &Sending<'_>,
) -> Result<String, Unbuildable> {
    let wrong = || Unbuildable(format!("the private_key cannot be used: {KEY_EXPECTED}"));
    let key = jwt::rsa_key(needed(provider, "private_key")?).ok_or_else(wrong)?;
    let now = sending.now.as_seconds();
    let claims = json!({
        "application_id": application,
        "iat": now,
        "exp": now.saturating_add(TOKEN_S),
        "jti": hex(&sending.nonce),
    });
    let token = jwt::signed(&key, &claims).ok_or_else(wrong)?;
    Ok(format!("Bearer {token}"))
}

/// How long a token of ours is good for.
const TOKEN_S: i64 = 300;
