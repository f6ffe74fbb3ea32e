//! The words in which people are told: templates, languages, looks.
//!
//! | Word | Where |
//! | --- | --- |
//! | facts, branding | [`Facts`], [`Branding`]: what a message is about, and in whose looks it comes |
//! | template | [`Template`]: an operator's own words; [`check`] says what is wrong with it |
//! | words | `words/`: the default ones, one file per language, and the layout of every default mail |
//! | segments | [`segments()`]: into how many parts networks cut a short message |
//!
//! Invariant: this room does no IO, reads no clock and draws no chance: the same facts give the same words. A message
//! always comes to be: an own template that fails gives way to the default words, and says why.
//! Left to others: whom to tell, and over which channel.

#![warn(missing_docs)]

mod clean;
mod default;
mod facts;
mod fill;
mod flaw;
mod grammar;
mod mjml;
mod moment;
mod names;
mod own;
mod sample;
mod segments;
mod words;

use domain::notice::Occasion;

use crate::default::Voice;
use crate::flaw::Flaw;
use crate::names::names;
use crate::words::words;

pub use crate::facts::{Branding, Color, Facts, NotAColor, Recipient};
pub use crate::own::{LOCALES_MAX, SOURCE_BYTES_MAX, Source, Template, check};
pub use crate::sample::whole as sample;
pub use crate::segments::{Encoding, Segments, segments};
pub use crate::words::{locales, resolve};

/// The words of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailWords {
    /// One line.
    pub subject: String,
    /// As plain text, each link on a line of its own.
    pub text: String,
    /// The same as HTML; everything from outside is escaped.
    pub html: String,
}

/// What came of rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered<T> {
    /// The words.
    pub words: T,
    /// Why the own template was not used, with its path, line and column; `None` when it was, or there is none.
    pub fell_back: Option<String>,
}

/// Writes a mail, in the first language of [`resolve`] that the own template has, or else that has default words.
///
/// What an own template leaves out, the default words say. One with `text` and without HTML is laid out as the default
/// mails are.
pub fn mail(
    occasion: Occasion,
    own: Option<&Template>,
    locale: Option<&str>,
    facts: &Facts,
    branding: &Branding,
) -> Rendered<MailWords> {
    let telling = Telling { occasion, facts, branding, chain: resolve(locale) };
    telling.render(own, Voice::own_mail, Voice::mail).unwrap_or_else(|flaw| {
        let subject = clean::line(&facts.title, own::LINE_CHARS_MAX);
        let words = MailWords { text: plainly(facts), html: String::new(), subject };
        Rendered { words, fell_back: Some(flaw.to_string()) }
    })
}

/// Writes a short message: one line without control characters, in the same language as [`mail`].
pub fn sms(
    occasion: Occasion,
    own: Option<&Template>,
    locale: Option<&str>,
    facts: &Facts,
    branding: &Branding,
) -> Rendered<String> {
    let telling = Telling { occasion, facts, branding, chain: resolve(locale) };
    telling.render(own, Voice::own_sms, Voice::sms).unwrap_or_else(|flaw| Rendered {
        words: plainly(facts),
        fell_back: Some(flaw.to_string()),
    })
}

/// Says the least there is to say, should even the default words fail.
fn plainly(facts: &Facts) -> String {
    clean::line(
        &format!("{} {}", facts.title, facts.link.as_deref().unwrap_or("")),
        own::LINE_CHARS_MAX,
    )
}

/// One message to be written.
struct Telling<'a> {
    occasion: Occasion,
    facts: &'a Facts,
    branding: &'a Branding,
    chain: Vec<String>,
}

impl<'a> Telling<'a> {
    fn render<T>(
        &self,
        own: Option<&Template>,
        by_own: fn(&Voice<'a>, &Source) -> Result<Option<T>, String>,
        by_default: fn(&Voice<'a>) -> Result<T, Flaw>,
    ) -> Result<Rendered<T>, Flaw> {
        let mut fell_back = None;
        if let Some((locale, source)) = own.and_then(|template| template.source(&self.chain)) {
            let made = self
                .voice(Some(locale))
                .map_err(|flaw| flaw.to_string())
                .and_then(|voice| by_own(&voice, source));
            match made {
                Ok(Some(words)) => return Ok(Rendered { words, fell_back: None }),
                Ok(None) => {}
                Err(why) => fell_back = Some(format!("locales.{locale}.{why}")),
            }
        }
        let words = by_default(&self.voice(None)?)?;
        Ok(Rendered { words, fell_back })
    }

    /// Speaks the default words, to readers of another language where an own template has that.
    fn voice(&self, locale: Option<&str>) -> Result<Voice<'a>, Flaw> {
        let chain = locale.map_or_else(|| self.chain.clone(), |locale| resolve(Some(locale)));
        let (known, words) = words(&chain).ok_or_else(|| Flaw::whole("there are no words"))?;
        let locale = locale.unwrap_or(known);
        let names = names(self.occasion, self.facts, self.branding, locale, words)?;
        Ok(Voice { occasion: self.occasion, facts: self.facts, words, names })
    }
}
