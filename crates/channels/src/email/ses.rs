//! Amazon SES, version 2 of its API.
//!
//! Reports come through SNS, one text for one or more recipients, and only where the configuration set says so.

use domain::call::{Answer, Call};
use domain::message::{Fact, Mailbox, Message, Receipt, Reception, Report};
use domain::provider::Provider;
use serde_json::{Value, json};

use crate::aws::sigv4::{self, Signer};
use crate::aws::sns::{self, Content, TOPIC_ARN};
use crate::calls::present;
use crate::email::{self, BASE_URL, FROM, FROM_NAME, KEY, REPLY_TO, secret_field, text_field};
use crate::mime;
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted, setting,
};
use crate::reception::{Repeats, accepted, by_status};

#[derive(Debug)]
pub(super) struct Ses;

impl Protocol for Ses {
    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        let mut flaws = email::check_addresses(provider);
        if setting(provider, REGION).is_some_and(|region| !is_region(region)) {
            flaws.push((REGION, "a region, such as eu-west-1".to_owned()));
        }
        flaws.extend(sns::check(provider));
        flaws
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let body = body(provider, message)?;
        let text = |name: &'static str| {
            let text = setting(provider, name);
            text.ok_or_else(|| Unbuildable(format!("the provider has no {name}; set it")))
        };
        let region = text(REGION)?;
        let base_url = format!("https://email.{region}.amazonaws.com");
        let call = email::post(provider, &base_url, "/v2/email/outbound-emails")?;
        let mut call = email::with_json(call, &body);
        let signer = Signer {
            access_key_id: text("access_key_id")?,
            secret_access_key: email::need(provider, "secret_access_key")?,
            region,
            service: "ses",
        };
        sigv4::sign(&mut call, &signer, sending.now);
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if let (200, Some(id)) = (answer.status, text("MessageId")) {
            return accepted(Some(id));
        }
        let header = answer.headers.iter().find(|(name, _)| *name == "x-amzn-errortype");
        let named = header.map(|(_, kind)| kind.as_str()).or_else(|| text("__type"));
        // A namespace may stand before a number sign, and a URL after a colon.
        let kind = named.unwrap_or_default().rsplit('#').next().unwrap_or_default();
        let kind = kind.split(':').next().unwrap_or_default();
        let said = text("message").or_else(|| text("Message")).unwrap_or_default();
        let mut receipt = by_status(answer, &format!("{kind} {said}"), Repeats::Doubled);
        if (400..=499).contains(&answer.status) && OF_THE_ACCOUNT.contains(&kind) {
            receipt.reception = Reception::Later { after_s: answer.retry_after_s, provider: true };
        }
        receipt
    }

    fn prove(&self, provider: &Provider, received: &Received<'_>) -> Result<(), Untrusted> {
        sns::prove(provider, received)
    }

    fn reports(
        &self,
        _provider: &Provider,
        received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        match sns::open(received)? {
            Content::Confirmation(url) => {
                Ok(Feedback { confirm: Some(url), ..Feedback::default() })
            }
            Content::Ended => Ok(Feedback::default()),
            Content::Notification { id, text } => {
                // SES first says, in plain words, that it may publish.
                let event: Value = serde_json::from_str(&text).unwrap_or_default();
                Ok(Feedback { reports: reports(&event, &id), ..Feedback::default() })
            }
        }
    }
}

fn body(provider: &Provider, message: &Message) -> Result<Value, Unbuildable> {
    let mail = email::mail(message)?;
    if !mail.to.address.is_ascii() {
        return Err(Unbuildable("SES takes addresses in ASCII only".to_owned()));
    }
    let part = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
    let html = mail.html.as_deref().map(part);
    Ok(present(json!({
        "FromEmailAddress": mailbox(&mail.from),
        "Destination": { "ToAddresses": [mail.to.address] },
        "ReplyToAddresses": mail.reply_to.as_ref().map(|reply_to| [reply_to]),
        "Content": { "Simple": {
            "Subject": part(&mail.subject),
            "Body": present(json!({ "Text": part(&mail.text), "Html": html })),
            "Headers": [{ "Name": "X-Notice-Id", "Value": mail.key }],
        } },
        "ConfigurationSetName": setting(provider, CONFIGURATION_SET),
        "EmailTags": [{ "Name": KEY, "Value": mail.key }],
    })))
}

/// Reads an event, or one of the older notifications, which say the same under another name and carry no tags.
fn reports(event: &Value, id: &str) -> Vec<Report> {
    let kind = event.get("eventType").or_else(|| event.get("notificationType"));
    let part = |name: &str| event.get(name).unwrap_or(&Value::Null);
    let (fact, about, recipients) = match kind.and_then(Value::as_str).unwrap_or_default() {
        "Send" => (Fact::Accepted, &Value::Null, ""),
        "Delivery" => (Fact::Delivered, part("delivery"), "recipients"),
        "DeliveryDelay" => (Fact::Delayed, part("deliveryDelay"), "delayedRecipients"),
        "Bounce" => (bounce(part("bounce")), part("bounce"), "bouncedRecipients"),
        "Complaint" => (Fact::Complained, part("complaint"), "complainedRecipients"),
        "Reject" => (Fact::Rejected, part("reject"), ""),
        "Rendering Failure" => (Fact::Failed, part("failure"), ""),
        "Open" => (Fact::Opened, part("open"), ""),
        "Click" => (Fact::Clicked, part("click"), ""),
        "Subscription" => (Fact::Unsubscribed, part("subscription"), ""),
        _ => return Vec::new(),
    };
    let named = about.get(recipients).and_then(Value::as_array);
    let all = event.pointer("/mail/destination").and_then(Value::as_array);
    let said = ["diagnosticCode", "smtpResponse", "reason", "errorMessage"];
    let key = email::key(event.pointer(&format!("/mail/tags/{KEY}/0")));
    let at = about.get("timestamp").or_else(|| event.pointer("/mail/timestamp"));
    let report = |(number, recipient): (usize, &Value)| Report {
        key: key.clone(),
        message_id: email::text(event.pointer("/mail/messageId")),
        recipient: email::text(Some(recipient))
            .or_else(|| email::text(recipient.get("emailAddress"))),
        fact,
        at: at.and_then(|at| at.as_str()?.parse().ok()),
        event_id: format!("{id}/{number}"),
        detail: said.iter().find_map(|name| {
            email::text(recipient.get(name)).or_else(|| email::text(about.get(name)))
        }),
    };
    named.or(all).into_iter().flatten().enumerate().map(report).collect()
}

fn bounce(about: &Value) -> Fact {
    let text = |name: &str| about.get(name).and_then(Value::as_str);
    match (text("bounceType"), text("bounceSubType")) {
        (_, Some("Suppressed" | "OnAccountSuppressionList")) => Fact::Suppressed,
        (Some("Permanent"), _) => Fact::Bounced,
        (_, Some("ContentRejected" | "AttachmentRejected")) => Fact::BouncedBlocked,
        _ => Fact::BouncedTransient,
    }
}

/// SES reads names in ASCII alone.
fn mailbox(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{} <{}>", mime::phrase(name), mailbox.address),
        None => mailbox.address.clone(),
    }
}

fn is_region(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.contains('-') && text.bytes().all(fits)
}

/// Errors under a status of 4xx that are about the account, and not about the message.
const OF_THE_ACCOUNT: [&str; 7] = [
    "AccountSuspendedException",
    "LimitExceededException",
    "MailFromDomainNotVerifiedException",
    "NotFoundException",
    "SendingPausedException",
    "ThrottlingException",
    "TooManyRequestsException",
];

const REGION: &str = "region";
const CONFIGURATION_SET: &str = "configuration_set";

const FIELDS: [Field; 9] = [
    FROM,
    FROM_NAME,
    REPLY_TO,
    text_field(REGION, "The region in which the domain is verified, such as eu-west-1.", true),
    text_field(
        "access_key_id",
        "The access key id of a user who may call ses:SendEmail, from IAM, Users, Security credentials.",
        true,
    ),
    secret_field("secret_access_key", "The secret access key that belongs to it.", true),
    text_field(
        CONFIGURATION_SET,
        "The configuration set that publishes events to an SNS topic. Without one SES reports nothing about our key.",
        false,
    ),
    TOPIC_ARN,
    BASE_URL,
];
