//! An operator's own template: what it is, and whether it can be used.
//!
//! Invariant: what [`check`] finds nothing wrong with renders for every occasion, whatever of the facts is absent.
//! Left to others: filling in (`fill`), the looks of MJML (`mjml`).

use std::collections::BTreeMap;

use domain::notice::Occasion;
use minijinja::Value;
use serde::{Deserialize, Serialize};

use crate::fill::{Form, OUTPUT_BYTES_MAX, fill};
use crate::flaw::Flaw;
use crate::names::names;
use crate::words::{resolve, spell, words};
use crate::{clean, grammar, mjml, sample};

/// An operator's own words, in some languages. What a language does not say, the default words say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Template {
    /// By language, such as `de` or `de-AT`; 1 to 64.
    pub locales: BTreeMap<String, Source>,
}

/// One language of a template: Jinja texts of at most 64 KiB each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The subject of a mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A mail as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A mail as MJML; instead of `html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mjml: Option<String>,
    /// A mail as HTML; instead of `mjml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// A short message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<String>,
}

/// The most languages of a template.
pub const LOCALES_MAX: usize = 64;
/// The longest text of a template.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;

/// Looks for what is wrong with a template: bounds, languages, grammar, names, MJML, each with its path, such as
/// `locales.de.subject`, and a message with line and column. Nothing found: it can be used.
pub fn check(template: &Template) -> Vec<(String, String)> {
    let count = template.locales.len();
    if count == 0 || count > LOCALES_MAX {
        let what = format!("expected 1 to {LOCALES_MAX} languages, found {count}");
        return vec![("locales".to_owned(), what)];
    }
    let mut found = Vec::new();
    for (locale, source) in &template.locales {
        let path = format!("locales.{locale}");
        if spell(locale).as_ref() != Some(locale) {
            let what = "expected a language such as `de` or `de-AT`".to_owned();
            found.push((path, what));
            continue;
        }
        if source.mjml.is_some() && source.html.is_some() {
            found.push((format!("{path}.html"), "expected `mjml` or `html`, not both".to_owned()));
        }
        if source.parts().next().is_none() {
            let what = "expected one of `subject`, `text`, `mjml`, `html` and `sms`".to_owned();
            found.push((path.clone(), what));
        }
        for (part, text) in source.parts() {
            if let Err(flaw) = examine(locale, part, text) {
                found.push((format!("{path}.{}", part.as_str()), flaw.to_string()));
            }
        }
    }
    found
}

/// Fills a text in for every occasion, once with all facts and once with as few as there can be.
fn examine(locale: &str, part: Part, text: &str) -> Result<(), Flaw> {
    if text.len() > SOURCE_BYTES_MAX {
        return Err(Flaw::whole(format!("longer than {SOURCE_BYTES_MAX} bytes")));
    }
    grammar::check(text)?;
    let chain = resolve(Some(locale));
    let (_, default) = words(&chain).ok_or_else(|| Flaw::whole("no default words"))?;
    for occasion in Occasion::ALL {
        for facts in [sample::whole(), sample::bare()] {
            let names = names(occasion, &facts, &sample::branding(), locale, default)?;
            part.render(text, &names)?;
        }
    }
    Ok(())
}

/// One text of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Subject,
    Text,
    Mjml,
    Html,
    Sms,
}

impl Part {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Mjml => "mjml",
            Self::Html => "html",
            Self::Sms => "sms",
        }
    }

    /// Fills the text in and gives it the form of its part.
    fn render(self, text: &str, names: &Value) -> Result<String, Flaw> {
        let form = match self {
            Self::Subject | Self::Text | Self::Sms => Form::Plain,
            Self::Mjml | Self::Html => Form::Html,
        };
        let filled = fill(text, form, names)?;
        let made = match self {
            Self::Subject | Self::Sms => clean::line(&filled, LINE_CHARS_MAX),
            Self::Text => clean::lines(&filled, OUTPUT_BYTES_MAX),
            Self::Mjml => mjml::to_html(&filled)?,
            Self::Html => filled,
        };
        if made.trim().is_empty() {
            return Err(Flaw::whole("nothing is left to say; write some words outside conditions"));
        }
        Ok(made)
    }
}

/// The longest subject or short message, in characters; of the latter, 20 parts.
pub(crate) const LINE_CHARS_MAX: usize = 3_000;

impl Source {
    /// Gives the texts that are there.
    fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        let parts = [
            (Part::Subject, &self.subject),
            (Part::Text, &self.text),
            (Part::Mjml, &self.mjml),
            (Part::Html, &self.html),
            (Part::Sms, &self.sms),
        ];
        parts.into_iter().filter_map(|(part, text)| Some((part, text.as_deref()?)))
    }

    /// Renders one text, if it is there. `Err` says why it cannot be used.
    pub(crate) fn render(&self, part: Part, names: &Value) -> Result<Option<String>, String> {
        let found = self.parts().find(|(other, _)| *other == part);
        let Some((_, text)) = found else { return Ok(None) };
        let rendered = if text.len() > SOURCE_BYTES_MAX {
            Err(Flaw::whole(format!("longer than {SOURCE_BYTES_MAX} bytes")))
        } else {
            grammar::check(text).and_then(|()| part.render(text, names))
        };
        rendered.map(Some).map_err(|flaw| format!("{}: {flaw}", part.as_str()))
    }
}

impl Template {
    /// Finds the first language of a chain that the template has.
    pub(crate) fn source(&self, chain: &[String]) -> Option<(&str, &Source)> {
        chain
            .iter()
            .find_map(|locale| self.locales.get_key_value(locale))
            .map(|(locale, source)| (locale.as_str(), source))
    }
}
