//! Mails, through the operator's own service: one file for each.
//!
//! Left to others: what every kind reads of an answer's status (`reception`), mails over SMTP (`smtp`).

mod mailgun;
mod postmark;
mod resend;
mod sendgrid;
mod ses;

use std::sync::Arc;

use domain::call::{Call, Method};
use domain::message::{Mail, Mailbox, Message};
use domain::provider::{Provider, ProviderKind};
use serde_json::Value;
use url::Url;

use crate::address;
use crate::provider::{Field, Form, Protocol, Unbuildable, secret, setting};
use crate::reception::one_line;

/// Gives the protocol of a kind that carries mails over HTTP.
pub(crate) fn protocol(kind: ProviderKind) -> Option<&'static dyn Protocol> {
    match kind {
        ProviderKind::Ses => Some(&ses::Ses),
        ProviderKind::Sendgrid => Some(&sendgrid::Sendgrid),
        ProviderKind::Mailgun => Some(&mailgun::Mailgun),
        ProviderKind::Postmark => Some(&postmark::Postmark),
        ProviderKind::Resend => Some(&resend::Resend),
        ProviderKind::MailboxEmail
        | ProviderKind::MailboxSms
        | ProviderKind::Smtp
        | ProviderKind::Twilio
        | ProviderKind::Vonage
        | ProviderKind::VonageSms
        | ProviderKind::Messagebird
        | ProviderKind::Plivo
        | ProviderKind::Sinch
        | ProviderKind::AwsSms
        | ProviderKind::SnsSms
        | ProviderKind::HttpSms => None,
    }
}

/// Who mails are from.
pub(crate) const FROM: Field = Field {
    name: "from",
    about: "The address that mails are from, such as sign@example.com. The service must know its domain as yours.",
    form: Form::Text,
    required: true,
    secret: false,
};

/// The name beside that address.
pub(crate) const FROM_NAME: Field = Field {
    name: "from_name",
    about: "The name beside that address, as people see it in their inbox.",
    form: Form::Text,
    required: false,
    secret: false,
};

/// Where answers go.
pub(crate) const REPLY_TO: Field = Field {
    name: "reply_to",
    about: "The address that answers go to, if not the one that mails are from.",
    form: Form::Text,
    required: false,
    secret: false,
};

/// Where the service's API lies.
const BASE_URL: Field = Field {
    name: "base_url",
    about: "Where the API lies, without its path: for the service's other regions, or a stand-in. The service's main one if left out.",
    form: Form::Url,
    required: false,
    secret: false,
};

/// A secret that the service shows once.
const fn secret_field(name: &'static str, about: &'static str, required: bool) -> Field {
    Field { name, about, form: Form::Text, required, secret: true }
}

/// A setting that anybody may see.
const fn text_field(name: &'static str, about: &'static str, required: bool) -> Field {
    Field { name, about, form: Form::Text, required, secret: false }
}

/// Looks at the addresses in the settings.
pub(crate) fn check_addresses(provider: &Provider) -> Vec<(&'static str, String)> {
    [FROM.name, REPLY_TO.name]
        .into_iter()
        .filter(|name| setting(provider, name).is_some_and(|text| !address::is_plausible(text)))
        .map(|name| (name, "a mail address, such as sign@example.com".to_owned()))
        .collect()
}

/// Takes the mail out of a message, with addresses that can be said.
pub(crate) fn mail(message: &Message) -> Result<&Mail, Unbuildable> {
    let mail = match message {
        Message::Email(mail) => mail,
        Message::Sms(_) => {
            return Err(Unbuildable("this provider carries mails, not short messages".to_owned()));
        }
    };
    let addresses = [Some(&mail.from.address), Some(&mail.to.address), mail.reply_to.as_ref()];
    match addresses.into_iter().flatten().find(|text| !address::is_plausible(text)) {
        None => Ok(mail),
        Some(_) => Err(Unbuildable(
            "the mail has an address that is none: sender, recipient or where answers go"
                .to_owned(),
        )),
    }
}

/// Begins a call to a service: a POST to a path below its base URL.
fn post(provider: &Provider, base_url: &str, path: &str) -> Result<Call, Unbuildable> {
    let base = setting(provider, BASE_URL.name).unwrap_or(base_url);
    let url = Url::parse(&format!("{}{path}", base.trim_end_matches('/')))
        .map_err(|error| Unbuildable(format!("base_url makes no URL: {error}")))?;
    Ok(Call { method: Method::Post, url: Arc::new(url), headers: Vec::new(), body: Vec::new() })
}

/// Gives a call its body in JSON.
fn with_json(mut call: Call, body: &Value) -> Call {
    call.headers.push(("content-type".into(), "application/json".to_owned()));
    call.body = body.to_string().into_bytes();
    call
}

/// Gives a secret that must be there.
fn need<'a>(provider: &'a Provider, name: &str) -> Result<&'a str, Unbuildable> {
    secret(provider, name).ok_or_else(|| Unbuildable(format!("the provider has no {name}; set it")))
}

/// Writes a name and an address as one text, in which services that take Unicode read both.
fn named(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{} <{}>", address::phrase(name), mailbox.address),
        None => mailbox.address.clone(),
    }
}

/// The name under which our key travels.
const KEY: &str = "notice_id";

/// Gives a text of a report, bounded.
fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(one_line)
}

/// Gives our key out of what a report carries.
fn key(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| address::is_key(text)).map(ToOwned::to_owned)
}
