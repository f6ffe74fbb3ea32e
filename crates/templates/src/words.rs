//! The default words, one file per language, and which languages there are.
//!
//! Invariant: every language has every word, or the program does not get through its tests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::notice::Occasion;
use minijinja::context;
use serde::Deserialize;

use crate::fill::{Form, fill};
use crate::flaw::Flaw;

/// All default words of one language. Most are templates themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) somebody: String,
    pub(crate) hello: String,
    pub(crate) message_from: String,
    pub(crate) reason: String,
    pub(crate) sign_by: String,
    pub(crate) if_the_button_fails: String,
    pub(crate) for_you_alone: String,
    pub(crate) sent_by: String,
    pub(crate) test_mark: String,
    pub(crate) test_note: String,
    pub(crate) date: String,
    /// From January.
    pub(crate) months: [String; 12],
    signatures_needed: Needed,
    pub(crate) occasions: BTreeMap<Occasion, Script>,
}

/// How many signatures are needed, in each form that languages have for numbers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Needed {
    /// Of 1 alone, and of 0 where `none_is_one`.
    one: String,
    /// Of 2 to 4 and what ends so but for 12 to 14, where a language has a form for that.
    few: Option<String>,
    many: String,
    /// Whether 0 is said as 1 is.
    #[serde(default)]
    none_is_one: bool,
}

/// What is said on one occasion.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    pub(crate) subject: String,
    /// What a mail program shows beside the subject.
    pub(crate) preview: String,
    pub(crate) heading: String,
    /// One paragraph each.
    pub(crate) body: Vec<String>,
    pub(crate) button: String,
    pub(crate) sms: String,
}

impl Words {
    /// Says that so many signatures are needed, without a full stop.
    pub(crate) fn still_needed(&self, count: u32) -> Result<String, Flaw> {
        let needed = &self.signatures_needed;
        let form = match (count, count % 10, count % 100, &needed.few) {
            (1, ..) => &needed.one,
            (0, ..) if needed.none_is_one => &needed.one,
            (_, 2..=4, hundreds, Some(few)) if !(12..=14).contains(&hundreds) => few,
            _ => &needed.many,
        };
        fill(form, Form::Plain, &context! { remaining => count })
    }
}

/// Gives the languages that have default words.
pub fn locales() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(locale, _)| *locale)
}

/// Gives the languages in which to look for words, best first: of `de-AT` that, `de`, and `en`. What is no language
/// is English.
pub fn resolve(locale: Option<&str>) -> Vec<String> {
    let mut chain = Vec::new();
    let mut left = locale.and_then(spell);
    while let Some(locale) = left {
        left = locale.rsplit_once('-').map(|(shorter, _)| shorter.to_owned());
        chain.push(locale);
    }
    if !chain.iter().any(|locale| locale == ENGLISH) {
        chain.push(ENGLISH.to_owned());
    }
    chain
}

/// Spells a language as it is usually spelt: `de`, `de-AT`, `zh-Hant-TW`; `None` when it is none.
pub(crate) fn spell(locale: &str) -> Option<String> {
    const BYTES_MAX: usize = 35;
    if locale.len() > BYTES_MAX {
        return None;
    }
    let mut spelt: Vec<String> = Vec::new();
    for part in locale.split(['-', '_']) {
        let part = part.to_ascii_lowercase();
        let letters = part.bytes().all(|byte| byte.is_ascii_lowercase());
        let first = spelt.is_empty();
        match part.len() {
            2..=3 if first && letters => spelt.push(part),
            2 if !first && letters => spelt.push(part.to_ascii_uppercase()),
            4 if !first && letters => {
                let (initial, rest) = part.split_at(1);
                spelt.push(format!("{}{rest}", initial.to_ascii_uppercase()));
            }
            1..=8 if !first && part.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                spelt.push(part);
            }
            _ => return None,
        }
    }
    Some(spelt.join("-"))
}

/// Finds the default words for the first language that has some.
pub(crate) fn words(chain: &[String]) -> Option<(&'static str, &'static Words)> {
    chain.iter().find_map(|locale| {
        WORDS.iter().find(|(known, _)| known == locale).map(|(known, words)| (*known, words))
    })
}

pub(crate) const ENGLISH: &str = "en";

const FILES: [(&str, &str); 6] = [
    ("de", include_str!("../words/de.toml")),
    (ENGLISH, include_str!("../words/en.toml")),
    ("es", include_str!("../words/es.toml")),
    ("fr", include_str!("../words/fr.toml")),
    ("pl", include_str!("../words/pl.toml")),
    ("pt", include_str!("../words/pt.toml")),
];

#[expect(clippy::expect_used, reason = "the files are part of the program, and tests read each")]
static WORDS: LazyLock<Vec<(&'static str, Words)>> = LazyLock::new(|| {
    let read = |(locale, text)| (locale, toml::from_str(text).expect("words are well written"));
    FILES.map(read).into()
});
