//! A provider out of what a client says: checked field by field, then as a whole.
//!
//! Invariants: only names that the kind knows are kept; a secret field goes among the secrets, and nowhere else.
//! Left to others: what a kind says of its fields together (`channels`).

use channels::provider::{Field, Form, protocol};
use channels::{Guard, smtp};
use domain::id::{AccountId, ProviderId};
use domain::message::Channel;
use domain::provider::{Provider, ProviderKind, Secrets};
use domain::time::Timestamp;

use crate::check::{self, Checked, Flaws};
use crate::command::{Patch, Refusal};
use crate::fields::{self, Filled, Given};
use crate::providers::{Kind, NewProvider, ProviderPatch};

const PRIORITY_DEFAULT: u16 = 100;
const RATE_MAX: u32 = 10_000;

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
        name: flaws.take("name", fields::name(&input.name)),
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
        name: patch.name.map_or(old.name, |text| flaws.take("name", fields::name(&text))),
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
    Kind {
        service: kind,
        channel: kind.channel(),
        development_only: is_mailbox(kind),
        fields: fields(kind).into_iter().map(described).collect(),
    }
}

fn described(field: Field) -> fields::Field {
    fields::Field {
        name: field.name,
        about: field.about,
        form: match field.form {
            Form::Text => fields::Form::Text,
            Form::OneOf(values) => fields::Form::OneOf { values },
            Form::Url => fields::Form::Url,
            Form::Number(min, max) => fields::Form::Number { min, max },
            Form::Flag => fields::Form::Flag,
            Form::Json => fields::Form::Json,
        },
        required: field.required,
        secret: field.secret,
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

/// Puts what a client gives over what is known.
fn fill(
    flaws: &mut Flaws,
    kind: ProviderKind,
    known: Filled,
    given: Given,
    guard: &Guard,
) -> Filled {
    let fields: Vec<fields::Field> = fields(kind).into_iter().map(described).collect();
    let is_mail = |name: &str| kind.channel() == Channel::Email && is_address(name);
    fields::fill(flaws, (kind.as_str(), &fields, &is_mail), known, given, guard)
}

/// Asks the kind about its settings together.
fn as_a_whole(provider: Provider) -> Result<Provider, Refusal> {
    let wrong = match protocol(provider.kind) {
        Some(kind) => kind.check(&provider),
        None if provider.kind == ProviderKind::Smtp => smtp::check(&provider),
        None => Vec::new(),
    };
    fields::as_a_whole(wrong)?;
    Ok(provider)
}

fn priority(number: Option<u32>) -> Checked<u16> {
    let number = number.map_or(Ok(PRIORITY_DEFAULT), u16::try_from);
    number.map_err(|_too_large| format!("expected a number from 0 to {}", u16::MAX))
}

#[cfg(test)]
mod tests {
    use channels::Schemes;
    use serde_json::{Value, json};

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
