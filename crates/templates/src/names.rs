//! The names that templates know, and what they stand for.
//!
//! Invariant: every name is there on every occasion; what the facts do not say is nothing, and writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::notice::Occasion;
use domain::signer::Role;
use minijinja::context;
use minijinja::value::{Enumerator, Object, Value};
use serde_json::Value as Json;

use crate::clean;
use crate::facts::{Branding, Facts};
use crate::flaw::Flaw;
use crate::moment;
use crate::words::Words;

/// The longest title, name, reason or label in a message, in characters.
const LINE_CHARS_MAX: usize = 300;
/// The longest message or footer, in characters.
const LINES_CHARS_MAX: usize = 4_000;
/// The longest link, in characters. A longer one is left out, since half a link leads nowhere.
const LINK_CHARS_MAX: usize = 2_048;

/// Gives each name what it stands for, in one language.
pub(crate) fn names(
    occasion: Occasion,
    facts: &Facts,
    branding: &Branding,
    locale: &str,
    words: &Words,
) -> Result<Value, Flaw> {
    let brand = line(&branding.name);
    let sender = [&facts.sender.name, &facts.sender.email, &branding.name, &words.somebody];
    let sender = sender.into_iter().map(|name| line(name)).find(|name| !name.is_empty());
    let actor = facts.actor.as_deref().map(line).filter(|name| !name.is_empty());
    let expires = facts
        .expires_at
        .map(|moment| moment::write(moment, facts.time_zone.as_deref(), words))
        .transpose()?;
    let recipient = &facts.recipient;
    Ok(context! {
        title => line(&facts.title),
        message => facts.message.as_deref().map(lines).filter(|message| !message.is_empty()),
        sender => context! { name => sender, email => line(&facts.sender.email) },
        recipient => context! {
            name => line(&recipient.name),
            email => recipient.email.as_deref().map(line),
            company => recipient.company.as_deref().map(line),
            label => recipient.label.as_deref().map(line),
            role => match recipient.role {
                Role::Signer => "signer",
                Role::Cc => "cc",
            },
        },
        actor => context! { name => actor.unwrap_or_else(|| words.somebody.clone()) },
        reason => facts.reason.as_deref().map(line).filter(|reason| !reason.is_empty()),
        remaining => facts.remaining,
        total => facts.total,
        signed => facts.signed,
        still_needed => words.still_needed(facts.remaining)?,
        link => facts.link.as_deref().and_then(link),
        expires => expires,
        request_id => line(&facts.request_id),
        metadata => Value::from_object(Loose(facts.metadata.clone())),
        test => facts.test,
        occasion => occasion.as_str(),
        locale => locale,
        branding => context! {
            name => brand,
            color => branding.color.to_string(),
            ink => branding.color.ink().to_string(),
            logo_url => branding.logo_url.as_deref().and_then(link),
            footer => branding.footer.as_deref().map(lines).filter(|footer| !footer.is_empty()),
        },
    })
}

fn line(text: &str) -> String {
    clean::line(text, LINE_CHARS_MAX)
}

fn lines(text: &str) -> String {
    clean::lines(text, LINES_CHARS_MAX)
}

/// A link with blanks in it is none: mail programs would cut it there.
fn link(text: &str) -> Option<String> {
    let link = clean::line(text, LINK_CHARS_MAX + 1);
    let whole = link.chars().count() <= LINK_CHARS_MAX && !link.contains(char::is_whitespace);
    (whole && !link.is_empty()).then_some(link)
}

/// An account's own values. What one request does not have is nothing, and no mistake of the template.
#[derive(Debug)]
pub(crate) struct Loose(BTreeMap<String, Json>);

impl Loose {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Object for Loose {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(key.as_str().and_then(|key| self.0.get(key)).map_or_else(nothing, known))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

fn nothing() -> Value {
    Value::from_object(Loose(BTreeMap::new()))
}

fn known(value: &Json) -> Value {
    match value {
        Json::Null => nothing(),
        Json::Bool(yes) => Value::from(*yes),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(number)) => Value::from(number),
            (None, None) => nothing(),
        },
        Json::String(text) => Value::from(lines(text)),
        Json::Array(list) => list.iter().map(known).collect(),
        Json::Object(group) => Value::from_object(Loose(group.clone().into_iter().collect())),
    }
}
