//! What FintechOS and eSignAnyWhere share: the parameters of a callback, and what they say.
//!
//! The operator wrote the URL, so the names of its parameters are settings; names count in any case. What was not filled in
//! is absent: an empty text, or a placeholder that still stands. Nothing tells a repetition from a second signer's step,
//! so callbacks have no key.
//!
//! Sources: <https://confluence.namirial.com/display/eSign/Organization+Settings> (actions, placeholders; one page of the
//! vendor's spells `evnelopeExipired`), the webhook page of FintechOS eSign.

use domain::source::Source;
use domain::told::{About, Picture, Step, Told, Who};
use url::form_urlencoded;

use crate::callback::ENVELOPE_FINISHED;
use crate::vendor::{Field, Form, Unreadable, bounds};

/// The parameters of a callback, those that count most first.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query.
    pub(crate) fn of_query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).take(PARAMETERS_MAX);
        let mut all = Self::default();
        pairs.for_each(|(name, value)| all.add(&name, &value));
        all
    }

    /// Adds one behind those that are there, if it was filled in.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let value = value.trim();
        let stands = value.starts_with("##") && value.ends_with("##");
        if !value.is_empty() && !stands {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Adds others behind those that are there.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Finds the first of a name, in any case.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Finds what a setting names, or what one of these names.
    fn named(&self, source: &Source, setting: &str, names: &[&str]) -> Option<&str> {
        match source.text(setting) {
            Some(name) => self.find(name),
            None => names.iter().find_map(|name| self.find(name)),
        }
    }

    /// Reads what the callback says; `is_finish` if something else than its action tells that it is the finish callback.
    pub(crate) fn read(&self, source: &Source, is_finish: bool) -> Result<Told, Unreadable> {
        let envelope = self.named(source, "param_envelope", &["envelopeId", "envelope"]);
        let foreign_id = bounds::must(envelope, "param_envelope")?;
        let action = self.named(source, "param_action", &["action"]);
        let action = action.or(is_finish.then_some(ENVELOPE_FINISHED)).ok_or_else(|| {
            let what = "expected what happened; let the URL at the vendor hold `action=##Action##`";
            Unreadable::new("param_action", what)
        })?;
        let order = self.named(source, "param_order", &["recipientOrder", "order"]);
        let email = self.named(source, "param_email", &["recipientEmail", "email"]);
        let who = Who {
            email: email.and_then(bounds::email),
            order: order.and_then(|order| order.parse().ok()).filter(|order| *order > 0),
            ..Who::default()
        };
        let word = bounds::word(action, "param_action")?;
        let about = match step(action, who) {
            Some(step) => {
                let picture = Box::new(Picture::default());
                About::Request { foreign_id, step: Some(step), picture }
            }
            None => About::Foreign { request: Some(foreign_id) },
        };
        Ok(Told { word, at: None, about })
    }
}

/// More parameters than any URL of a person's has.
const PARAMETERS_MAX: usize = 100;

/// Whether an envelope was signed or refused, `envelopeFinished` does not say; a delegation that waits for the sender has
/// not happened.
fn step(action: &str, who: Who) -> Option<Step> {
    match action.to_ascii_lowercase().as_str() {
        "sendsignnotification" => Some(Step::Notified(who)),
        "workstepopened" => Some(Step::Viewed(who)),
        "workstepfinished" => Some(Step::Signed(vec![who])),
        "worksteprejected" => Some(Step::Declined(who)),
        "workstepdelegated" => Some(Step::Reassigned(who)),
        "envelopeexpired" | "evnelopeexipired" => Some(Step::Expired),
        "envelopefinished" => Some(Step::Finished),
        _ => None,
    }
}

pub(crate) const ENVELOPE: Field = Field::setting(
    "param_envelope",
    Form::Text,
    "The parameter filled with ##EnvelopeId##, if it is neither `envelopeId` nor `envelope`.",
);
pub(crate) const ACTION: Field = Field::setting(
    "param_action",
    Form::Text,
    "The parameter filled with ##Action##, if it is not `action`.",
);
pub(crate) const EMAIL: Field = Field::setting(
    "param_email",
    Form::Text,
    "The parameter filled with ##RecipientEmail##, if it is neither `recipientEmail` nor `email`.",
);
pub(crate) const ORDER: Field = Field::setting(
    "param_order",
    Form::Text,
    "The parameter filled with ##RecipientOrder##, if it is neither `recipientOrder` nor `order`.",
);
