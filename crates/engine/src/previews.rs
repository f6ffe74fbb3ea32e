//! How a message would look, without sending one.
//!
//! Invariants: nothing is written, and nothing is sent; a preview holds no link that works.
//! Left to others: the words (`templates`).

use domain::id::{AccountId, RequestId, SignerId};
use domain::message::Channel;
use domain::notice::Occasion;
use domain::request::Request;
use domain::signer::{Role, Signer};
use serde::{Deserialize, Serialize};
use templates::{Branding, Encoding, Facts, Recipient, Template, segments};

use crate::Engine;
use crate::check::{self, Checked, Flaws};
use crate::command::{Flaw, Refusal};
use crate::own_templates::{examined, laid_out};

/// What is to be shown.
#[derive(Debug, Clone, Deserialize)]
pub struct NewPreview {
    /// On which occasion.
    pub occasion: Occasion,
    /// In which language; the signer's, or English, if absent.
    #[serde(default)]
    pub locale: Option<String>,
    /// Over which channel; both if absent.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// With which of the account's own templates; the default words if neither this nor `source` is there.
    #[serde(default)]
    pub template: Option<String>,
    /// With a template that is kept nowhere.
    #[serde(default)]
    pub source: Option<Template>,
    /// About which request; sample facts if absent.
    #[serde(default)]
    pub request_id: Option<RequestId>,
    /// For which of its signers; the first one if absent.
    #[serde(default)]
    pub signer_id: Option<SignerId>,
}

/// How a message would look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The subject of the mail.
    pub subject: Option<String>,
    /// The mail as plain text.
    pub text: Option<String>,
    /// The mail as HTML.
    pub html: Option<String>,
    /// The short message.
    pub sms: Option<String>,
    /// Into how many parts networks cut the short message.
    pub segments: Option<Segments>,
    /// Why the default words were used instead of the template; `None` when they were not.
    pub fell_back: Option<String>,
}

/// Into how many parts networks cut a short message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segments {
    /// `gsm7` or `ucs2`.
    pub encoding: &'static str,
    /// How many septets, or 16-bit units.
    pub units: usize,
    /// How many parts.
    pub count: usize,
}

/// What a preview is made from.
struct Sheet {
    occasion: Occasion,
    channel: Option<Channel>,
    own: Option<Template>,
    locale: Option<String>,
    facts: Facts,
    branding: Branding,
}

impl Engine {
    /// Shows how a message would look.
    pub async fn preview(&self, account: AccountId, input: NewPreview) -> Result<Preview, Refusal> {
        if input.template.is_some() && input.source.is_some() {
            return Err(flaw("source", "expected `template` or `source`, not both"));
        }
        let (facts, usual) = self.facts(account, input.request_id, input.signer_id).await?;
        let own = match (input.template, input.source) {
            (Some(name), _) => match self.template(account, &name).await {
                Ok(named) => Some(named.template),
                Err(Refusal::NotFound { what }) => {
                    return Err(flaw("template", &format!("there is no such {what}")));
                }
                Err(other) => return Err(other),
            },
            (None, Some(source)) => Some(examined(source, "source.").await?),
            (None, None) => None,
        };
        let mut flaws = Flaws::default();
        let asked = check::filled(input.locale.as_deref());
        let asked = asked.map(|text| known(text, own.as_ref())).transpose();
        let locale = flaws.take("locale", asked).or(usual);
        flaws.none()?;
        let branding = self.branding(account).await?.unwrap_or_default();
        let (occasion, channel) = (input.occasion, input.channel);
        let sheet = Sheet { occasion, channel, own, locale, facts, branding };
        laid_out(move || sheet.preview()).await
    }

    /// Gives what a message is about, and the language of who is told.
    async fn facts(
        &self,
        account: AccountId,
        request: Option<RequestId>,
        signer: Option<SignerId>,
    ) -> Result<(Facts, Option<String>), Refusal> {
        let Some(id) = request else {
            return match signer {
                Some(_) => Err(flaw("signer_id", "expected `request_id` together with it")),
                None => Ok((templates::sample(), None)),
            };
        };
        let found = self.views().request(account, id).await?;
        let (request, _version) =
            found.ok_or_else(|| flaw("request_id", "there is no such request"))?;
        let signer = match signer {
            Some(id) => {
                let found = request.signer(id);
                Some(found.ok_or_else(|| flaw("signer_id", "there is no such signer"))?)
            }
            None => request.signers.first(),
        };
        let locale = signer.and_then(|signer| signer.person.locale.clone());
        Ok((about(&request, signer), locale))
    }
}

impl Sheet {
    fn preview(&self) -> Preview {
        let Self { occasion, own, facts, branding, .. } = self;
        let (own, locale) = (own.as_ref(), self.locale.as_deref());
        let wanted = |channel| self.channel.is_none_or(|only| only == channel);
        let mail = wanted(Channel::Email)
            .then(|| templates::mail(*occasion, own, locale, facts, branding));
        let sms =
            wanted(Channel::Sms).then(|| templates::sms(*occasion, own, locale, facts, branding));
        let mut why: Vec<String> = Vec::new();
        why.extend(mail.as_ref().and_then(|mail| mail.fell_back.clone()));
        why.extend(sms.as_ref().and_then(|sms| sms.fell_back.clone()));
        why.dedup();
        let mail = mail.map(|mail| mail.words);
        let sms = sms.map(|sms| sms.words);
        Preview {
            subject: mail.as_ref().map(|mail| mail.subject.clone()),
            text: mail.as_ref().map(|mail| mail.text.clone()),
            html: mail.map(|mail| mail.html),
            segments: sms.as_deref().map(parts),
            sms,
            fell_back: (!why.is_empty()).then(|| why.join("; ")),
        }
    }
}

fn parts(text: &str) -> Segments {
    let templates::Segments { encoding, units, count, .. } = segments(text);
    let encoding = match encoding {
        Encoding::Gsm7 => "gsm7",
        Encoding::Ucs2 => "ucs2",
    };
    Segments { encoding, units, count }
}

/// Gives the facts of a request. Who acted, why, and the link are those of the sample.
fn about(request: &Request, signer: Option<&Signer>) -> Facts {
    let person = signer.map(|signer| signer.person.clone()).unwrap_or_default();
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let signers = || request.signers.iter().filter(|signer| signer.role == Role::Signer);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (total, signed) =
        (count(signers().count()), count(signers().filter(|signer| signer.has_signed()).count()));
    Facts {
        title: request.title.clone(),
        message: request.message.clone(),
        sender: request.sender.clone(),
        recipient: Recipient {
            name: person.name,
            email: filled(person.email),
            company: person.company,
            label: person.label,
            role: signer.map(|signer| signer.role).unwrap_or_default(),
        },
        remaining: total.saturating_sub(signed),
        total,
        signed,
        expires_at: request.expires_at,
        time_zone: person.time_zone,
        request_id: request.id.to_string(),
        metadata: request.metadata.clone(),
        ..templates::sample()
    }
}

/// Checks that there are words in a language: default ones, or the template's.
fn known(text: &str, own: Option<&Template>) -> Checked<String> {
    let locale = check::locale(text)?;
    let lower = locale.to_ascii_lowercase();
    let covers = |known: &str| {
        let known = known.to_ascii_lowercase();
        lower == known || lower.strip_prefix(&known).is_some_and(|rest| rest.starts_with('-'))
    };
    let own = own.into_iter().flat_map(|own| own.locales.keys().cloned());
    let mut all: Vec<String> = templates::locales().map(str::to_owned).chain(own).collect();
    if all.iter().any(|known| covers(known)) {
        return Ok(locale);
    }
    all.sort_unstable();
    all.dedup();
    Err(format!("there are no words in this language; expected one of {}", all.join(", ")))
}

fn flaw(path: &str, message: &str) -> Refusal {
    Refusal::Invalid(vec![Flaw::new(path, message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_default_words_or_by_the_template() {
        let template: Template =
            serde_json::from_str(r#"{"locales": {"it": {"subject": "Firma"}}}"#).unwrap();
        assert_eq!(known("de-AT", None).unwrap(), "de-AT");
        assert_eq!(known("it-CH", Some(&template)).unwrap(), "it-CH");
        let refused = known("it", None).unwrap_err();
        assert!(refused.ends_with("expected one of de, en, es, fr, pl, pt"), "{refused}");
        assert!(known("english", None).is_err());
    }
}
