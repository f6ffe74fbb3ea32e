//! A provider out of what a client says: checked field by field, then as a whole.
//!
//! Invariants: only names that the kind knows are kept; a secret field goes among the secrets, and nowhere else.
//! Left to others: what a kind says of its fields together (`channels`).

use std::collections::BTreeMap;

use channels::provider::{Field, Form, protocol};
use channels::{Guard, smtp};
use domain::id::{AccountId, ProviderId};
use domain::message::Channel;
use domain::provider::{Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde_json::Value;
use url::Url;

use crate::check::{self, Checked, Flaws};
use crate::command::{Flaw, Patch, Refusal};
use crate::providers::{self, Given, Kind, NewProvider, ProviderPatch};

const PRIORITY_DEFAULT: u16 = 100;
const RATE_MAX: u32 = 10_000;
const TEXT_CHARS_MAX: usize = 4_096;
const JSON_BYTES_MAX: usize = 16 * 1024;

/// Makes a provider out of what a client says.
pub(super) fn provider(
    (id, account, now): (ProviderId, AccountId, Timestamp),
    input: NewProvider,
    guard: &Guard,
    developing: bool,
) -> Result<Provider, Refusal> {
    let mut flaws = Flaws::default();
    if is_mailbox(input.kind) && !developing {
        let message =
            "expected a kind that sends: the built-in mailbox is there in development only";
        flaws.note("kind", message);
    }
    let (settings, values) = fill(&mut flaws, input.kind, Filled::default(), input.settings, guard);
    let provider = Provider {
        id,
        account,
        name: flaws.take("name", name(&input.name)),
        kind: input.kind,
        priority: flaws.take("priority", priority(input.priority)),
        rate_limit: flaws.take("rate_limit", check::within(input.rate_limit, 1, RATE_MAX)),
        on_unknown: input.on_unknown,
        enabled: input.enabled.unwrap_or(true),
        settings,
        created_at: now,
        updated_at: now,
        secrets: Secrets { values, feedback_token: None },
    };
    flaws.none()?;
    as_a_whole(provider)
}

/// Gives a provider with a change.
pub(super) fn patched(
    old: Provider,
    patch: ProviderPatch,
    guard: &Guard,
    now: Timestamp,
) -> Result<Provider, Refusal> {
    let mut flaws = Flaws::default();
    let known = (old.settings, old.secrets.values);
    let (settings, values) = fill(&mut flaws, old.kind, known, patch.settings, guard);
    let provider = Provider {
        name: patch.name.map_or(old.name, |text| flaws.take("name", name(&text))),
        priority: match patch.priority {
            Patch::Keep => old.priority,
            Patch::Clear => PRIORITY_DEFAULT,
            Patch::Set(number) => flaws.take("priority", priority(Some(number))),
        },
        rate_limit: flaws
            .take("rate_limit", check::within(patch.rate_limit.over(old.rate_limit), 1, RATE_MAX)),
        on_unknown: patch.on_unknown.unwrap_or(old.on_unknown),
        enabled: patch.enabled.unwrap_or(old.enabled),
        settings,
        updated_at: now,
        secrets: Secrets { values, feedback_token: old.secrets.feedback_token },
        ..old
    };
    flaws.none()?;
    as_a_whole(provider)
}

/// Describes a kind to people and forms.
pub(super) fn kind(kind: ProviderKind) -> Kind {
    let field = |field: Field| providers::Field {
        name: field.name,
        about: field.about,
        form: match field.form {
            Form::Text => providers::Form::Text,
            Form::OneOf(values) => providers::Form::OneOf { values },
            Form::Url => providers::Form::Url,
            Form::Number(min, max) => providers::Form::Number { min, max },
            Form::Flag => providers::Form::Flag,
            Form::Json => providers::Form::Json,
        },
        required: field.required,
        secret: field.secret,
    };
    Kind {
        service: kind,
        channel: kind.channel(),
        development_only: is_mailbox(kind),
        fields: fields(kind).into_iter().map(field).collect(),
    }
}

const fn is_mailbox(kind: ProviderKind) -> bool {
    matches!(kind, ProviderKind::MailboxEmail | ProviderKind::MailboxSms)
}

/// Lists what a kind needs. The mailbox takes addresses as a mail server does, and needs none.
fn fields(kind: ProviderKind) -> Vec<Field> {
    if let Some(protocol) = protocol(kind) {
        return protocol.fields().to_vec();
    }
    match kind.channel() {
        Channel::Email if is_mailbox(kind) => {
            let addresses = smtp::fields()
                .iter()
                .filter(|field| is_address(field.name) || field.name == FROM_NAME);
            addresses.map(|field| Field { required: false, ..*field }).collect()
        }
        Channel::Email => smtp::fields().to_vec(),
        Channel::Sms => Vec::new(),
    }
}

fn is_address(name: &str) -> bool {
    ["from", "reply_to"].contains(&name)
}

const FROM_NAME: &str = "from_name";

/// Settings and secrets by name.
type Filled = (BTreeMap<String, Value>, BTreeMap<String, Secret>);

/// Puts what a client gives over what is known.
fn fill(
    flaws: &mut Flaws,
    kind: ProviderKind,
    (mut settings, mut secrets): Filled,
    Given(given): Given,
    guard: &Guard,
) -> Filled {
    let fields = fields(kind);
    for (name, value) in given {
        let path = format!("settings.{name}");
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            flaws.note(path, unknown(kind, &fields));
            continue;
        };
        if value.is_null() {
            settings.remove(&name);
            secrets.remove(&name);
        } else if field.secret {
            drop(secrets.insert(name, flaws.take(path, secret(&value).map(Known)).0));
        } else {
            let is_mail = kind.channel() == Channel::Email && is_address(field.name);
            let checked = if is_mail { mail(&value) } else { plain(field.form, value, guard) };
            settings.insert(name, flaws.take(path, checked));
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        if !settings.contains_key(field.name) && !secrets.contains_key(field.name) {
            flaws.note(format!("settings.{}", field.name), format!("is missing. {}", field.about));
        }
    }
    (settings, secrets)
}

/// A secret that stands for nothing until the end, when it is bad.
struct Known(Secret);

impl Default for Known {
    fn default() -> Self {
        Self(Secret::new(""))
    }
}

fn unknown(kind: ProviderKind, fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    if names.is_empty() {
        format!("{} has no settings", kind.as_str())
    } else {
        format!("{} has no such setting; expected {}", kind.as_str(), names.join(", "))
    }
}

/// Asks the kind about its settings together.
fn as_a_whole(provider: Provider) -> Result<Provider, Refusal> {
    let wrong = match protocol(provider.kind) {
        Some(kind) => kind.check(&provider),
        None if provider.kind == ProviderKind::Smtp => smtp::check(&provider),
        None => Vec::new(),
    };
    if wrong.is_empty() {
        return Ok(provider);
    }
    let flaw = |(name, what): (&str, String)| {
        let message = if what.starts_with("expected") { what } else { format!("expected {what}") };
        Flaw::new(format!("settings.{name}"), message)
    };
    Err(Refusal::Invalid(wrong.into_iter().map(flaw).collect()))
}

fn name(text: &str) -> Checked<String> {
    if check::is_template_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 of a-z 0-9 - _".to_owned())
    }
}

fn priority(number: Option<u32>) -> Checked<u16> {
    let number = number.map_or(Ok(PRIORITY_DEFAULT), u16::try_from);
    number.map_err(|_too_large| format!("expected a number from 0 to {}", u16::MAX))
}

fn secret(value: &Value) -> Checked<Secret> {
    let Some(text) = value.as_str() else { return Err("expected a string".to_owned()) };
    if text.starts_with('…') {
        return Err(
            "expected the secret itself; leave it out to keep the one that is known".to_owned()
        );
    }
    if text.is_empty() || text.chars().nth(TEXT_CHARS_MAX).is_some() {
        return Err(format!("expected 1 to {TEXT_CHARS_MAX} characters"));
    }
    Ok(Secret::new(text))
}

fn mail(value: &Value) -> Checked<Value> {
    check::email(value.as_str().unwrap_or_default()).map(Value::String)
}

fn plain(form: Form, value: Value, guard: &Guard) -> Checked<Value> {
    match form {
        Form::Text => {
            let text = value.as_str().ok_or("expected a string")?;
            check::prose(text, TEXT_CHARS_MAX).map(Value::String)
        }
        Form::OneOf(words) if value.as_str().is_some_and(|word| words.contains(&word)) => Ok(value),
        Form::OneOf(words) => Err(format!("expected one of {}", words.join(", "))),
        Form::Url => url(value.as_str().unwrap_or_default(), guard).map(Value::String),
        Form::Number(least, most)
            if value.as_i64().is_some_and(|number| (least..=most).contains(&number)) =>
        {
            Ok(value)
        }
        Form::Number(least, most) => Err(format!("expected a whole number from {least} to {most}")),
        Form::Flag if value.is_boolean() => Ok(value),
        Form::Flag => Err("expected true or false".to_owned()),
        Form::Json if value.to_string().len() <= JSON_BYTES_MAX => Ok(value),
        Form::Json => Err(format!("expected at most {JSON_BYTES_MAX} bytes of JSON")),
    }
}

/// Checks a URL that is called.
fn url(text: &str, guard: &Guard) -> Checked<String> {
    if text.chars().nth(check::URL_CHARS_MAX).is_some() {
        return Err(format!("expected at most {} characters", check::URL_CHARS_MAX));
    }
    let url = Url::parse(text)
        .map_err(|_bad| "expected an absolute url, such as https://api.example.com")?;
    guard.check_url(&url).map_err(|refused| refused.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use channels::Schemes;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn guard() -> Guard {
        Guard::new(Vec::new(), Schemes::HttpsOnly)
    }

    fn told(refused: Result<Provider, Refusal>) -> Result<Provider, Vec<String>> {
        refused.map_err(|refusal| {
            let Refusal::Invalid(flaws) = refusal else { panic!("{refusal}") };
            flaws.into_iter().map(|flaw| format!("{}: {}", flaw.path, flaw.message)).collect()
        })
    }

    fn check(input: Value) -> Result<Provider, Vec<String>> {
        let input = serde_json::from_value(input).unwrap();
        told(provider((ProviderId::new(1), AccountId::new(2), NOW), input, &guard(), false))
    }

    fn change(old: Provider, patch: Value) -> Result<Provider, Vec<String>> {
        let patch = serde_json::from_value(patch).unwrap();
        told(patched(old, patch, &guard(), NOW.plus_millis(1)))
    }

    fn smtp_with(settings: &Value) -> Result<Provider, Vec<String>> {
        check(json!({"kind": "smtp", "name": "relay", "settings": settings}))
    }

    #[test]
    fn a_secret_is_kept_apart_from_what_is_written() {
        let provider = smtp_with(&json!({
            "from": "sign@example.com", "host": "smtp.example.com", "port": 2525,
            "username": "ada", "password": "hunter2hunter2",
        }))
        .unwrap();
        assert_eq!((provider.priority, provider.enabled), (PRIORITY_DEFAULT, true));
        assert_eq!(provider.secrets.values["password"].expose(), "hunter2hunter2");
        assert!(!serde_json::to_string(&provider).unwrap().contains("hunter2"));
    }

    #[test]
    fn every_flaw_is_told_with_its_place_and_without_its_value() {
        let flaws = check(json!({
            "kind": "smtp", "name": "Our Relay", "priority": 70_000, "rate_limit": 0,
            "settings": {
                "from": "nobody", "port": 0, "tls": "maybe", "pasword": "hunter2", "password": 5,
            },
        }))
        .unwrap_err();
        let paths: Vec<&str> = flaws.iter().map(|flaw| flaw.split(':').next().unwrap()).collect();
        let expected = [
            "settings.from",
            "settings.password",
            "settings.pasword",
            "settings.port",
            "settings.tls",
            "settings.host",
            "name",
            "priority",
            "rate_limit",
        ];
        assert_eq!(paths, expected);
        assert!(
            flaws[2].contains("expected from, from_name, reply_to, host, port, tls"),
            "{flaws:?}"
        );
        assert!(!flaws.concat().contains("hunter2"));
    }

    #[test]
    fn what_a_kind_says_of_its_settings_together_is_told() {
        let settings =
            json!({"from": "a@example.com", "host": "mx.example.com", "username": "ada"});
        let flaws = smtp_with(&settings).unwrap_err();
        assert_eq!(
            flaws,
            ["settings.password: expected a text, since username is set; or set access_token"]
        );
    }

    #[test]
    fn a_url_must_be_one_that_may_be_called() {
        let at = |url: &str| {
            let settings = json!({"url": url, "body": {"to": "{to}", "text": "{text}"}});
            check(json!({"kind": "http_sms", "name": "ours", "settings": settings}))
        };
        at("https://sms.example.com/send").unwrap();
        for bad in ["http://sms.example.com/", "https://127.0.0.1/", "https://a@example.com/", "x"]
        {
            let flaws = at(bad).unwrap_err();
            assert!(flaws[0].starts_with("settings.url: "), "{bad}: {flaws:?}");
        }
    }

    #[test]
    fn a_change_keeps_the_settings_that_it_does_not_name() {
        let old = smtp_with(&json!({
            "from": "a@example.com", "host": "mx.example.com", "from_name": "Ada",
            "username": "ada", "password": "hunter2hunter2",
        }))
        .unwrap();
        let patch =
            json!({"settings": {"from_name": null, "host": "mx2.example.com"}, "rate_limit": 5});
        let new = change(old.clone(), patch).unwrap();
        assert_eq!(new.settings["host"], "mx2.example.com");
        assert!(!new.settings.contains_key("from_name"));
        assert_eq!((new.rate_limit, &new.secrets), (Some(5), &old.secrets));
        let masked = old.secrets.values["password"].masked();
        let flaws = change(old.clone(), json!({"settings": {"password": masked}})).unwrap_err();
        assert!(flaws[0].starts_with("settings.password: expected the secret itself"), "{flaws:?}");
        let flaws = change(old, json!({"settings": {"host": null}})).unwrap_err();
        assert!(flaws[0].starts_with("settings.host: is missing"), "{flaws:?}");
    }

    #[test]
    fn the_mailbox_is_there_in_development_alone() {
        let mailbox = json!({"kind": "mailbox_email", "name": "box"});
        assert!(check(mailbox.clone()).unwrap_err()[0].starts_with("kind: "));
        let input = serde_json::from_value(mailbox).unwrap();
        let base = (ProviderId::new(1), AccountId::new(2), NOW);
        told(provider(base, input, &guard(), true)).unwrap();
    }

    #[test]
    fn secret_fields_are_texts() {
        for kind in ProviderKind::ALL {
            let named = fields(*kind);
            let all = named.iter().filter(|field| field.secret);
            assert!(all.clone().all(|field| field.form == Form::Text), "{}", kind.as_str());
        }
    }
}
