//! URLs with `##Placeholders##`.
//!
//! Invariants: what stands outside placeholders is handed back as it is, byte for byte (but for what no URL can hold
//! raw, such as a space); values are percent-encoded, so that none can end its parameter; no value can change whom a call
//! reaches.
//! Source: <https://confluence.namirial.com/display/eSign/Organization+Settings>; the encoding is ours, the vendor
//! does not tell its own. An old page of theirs spells `##EnvelopeID##`: hence names in either case.
//! Left to others: whether the URL may be called (`channels::guard`).

use domain::endpoint;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

use crate::dialect;
use crate::error::BadUrl;

/// Checks the URL of an endpoint or a callback; gives it with harmless text for its placeholders, for a guard to look at.
pub fn check_url(which: endpoint::Dialect, url: &str) -> Result<Url, BadUrl> {
    let template = if dialect(which).has_placeholders() {
        Template::parse(url)?
    } else {
        Template { pieces: vec![Piece::Text(url)] }
    };
    if template.hashes() > 1 {
        return Err(BadUrl::Fragments);
    }
    let [filled, other] = ["0", "1"].map(|text| template.fill(|_| text));
    let (filled, other) = (filled?, other?);
    if filled[..Position::BeforePath] == other[..Position::BeforePath] {
        Ok(filled)
    } else {
        Err(BadUrl::PlaceholderBeforePath)
    }
}

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    EnvelopeId,
    RecipientEmail,
    RecipientOrder,
    Action,
}

impl Placeholder {
    const ALL: [Self; 4] =
        [Self::EnvelopeId, Self::RecipientEmail, Self::RecipientOrder, Self::Action];

    const fn as_str(self) -> &'static str {
        match self {
            Self::EnvelopeId => "EnvelopeId",
            Self::RecipientEmail => "RecipientEmail",
            Self::RecipientOrder => "RecipientOrder",
            Self::Action => "Action",
        }
    }
}

/// Lists the placeholders as they are written.
pub(crate) fn known_placeholders() -> String {
    Placeholder::ALL.map(|placeholder| format!("##{}##", placeholder.as_str())).join(", ")
}

/// A URL, cut at its placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template<'a> {
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Slot(Placeholder),
}

impl<'a> Template<'a> {
    /// Cuts a text at its placeholders.
    pub(crate) fn parse(text: &'a str) -> Result<Self, BadUrl> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("##") {
            // A third hash belongs to the placeholder, and the first one is a fragment's.
            if behind.starts_with('#') {
                let (text, tail) = rest.split_at(before.len() + 1);
                pieces.push(Piece::Text(text));
                rest = tail;
                continue;
            }
            let (name, tail) = behind.split_once("##").ok_or(BadUrl::Unclosed)?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(BadUrl::Unclosed);
            }
            let known =
                Placeholder::ALL.into_iter().find(|p| p.as_str().eq_ignore_ascii_case(name));
            let Some(placeholder) = known else {
                return Err(BadUrl::UnknownPlaceholder { name: name.to_owned() });
            };
            pieces.extend([Piece::Text(before), Piece::Slot(placeholder)]);
            rest = tail;
        }
        pieces.push(Piece::Text(rest));
        Ok(Self { pieces })
    }

    /// Counts the hashes outside placeholders: each begins a fragment.
    fn hashes(&self) -> usize {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.matches('#').count()),
            Piece::Slot(_) => None,
        });
        texts.sum()
    }

    /// Puts values, percent-encoded, in the places of placeholders.
    pub(crate) fn fill<'v>(&self, value: impl Fn(Placeholder) -> &'v str) -> Result<Url, BadUrl> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Slot(slot) => filled.extend(utf8_percent_encode(value(*slot), ENCODED)),
            }
        }
        Url::parse(&filled).map_err(|source| BadUrl::Unreadable { source })
    }
}

/// Adds name and value to a query, percent-encoded.
pub(crate) fn push_pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.extend(utf8_percent_encode(name, ENCODED));
    query.push('=');
    query.extend(utf8_percent_encode(value, ENCODED));
}

/// All but the unreserved characters of RFC 3986; `+` among the encoded, since many read it as a space.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use domain::endpoint::Dialect::{Esaw, Fintechos, Standard};

    use super::*;

    #[test]
    fn a_template_is_checked_with_harmless_text() {
        let url =
            "https://hooks.example.com/in/##envelopeid##?own=a%20b&to=##RecipientEmail##&x=+#top";
        assert_eq!(
            check_url(Esaw, url).map(|url| url.to_string()),
            Ok("https://hooks.example.com/in/0?own=a%20b&to=0&x=+#top".to_owned())
        );
    }

    #[test]
    fn a_template_that_cannot_be_filled_is_refused() {
        let unknown = |name: &str| BadUrl::UnknownPlaceholder { name: name.to_owned() };
        for (url, error) in [
            ("https://example.com/?a=##WorkstepId##", unknown("WorkstepId")),
            ("https://example.com/?a=##Action", BadUrl::Unclosed),
            ("https://example.com/?a=##&b=##Action##", BadUrl::Unclosed),
            ("https://example.com/?a=####", BadUrl::Unclosed),
            ("https://example.com/?a=##Action###a#b", BadUrl::Fragments),
            ("https://##Action##.example.com/", BadUrl::PlaceholderBeforePath),
            ("https://example.com:##RecipientOrder##/", BadUrl::PlaceholderBeforePath),
            ("https://##Action##@example.com/", BadUrl::PlaceholderBeforePath),
        ] {
            assert_eq!(check_url(Fintechos, url), Err(error), "{url}");
        }
    }

    #[test]
    fn a_fragment_may_stand_beside_placeholders() {
        for url in [
            "https://example.com/###Action##",
            "https://example.com/##Action###top",
            "https://example.com/##Action####EnvelopeId##",
        ] {
            assert!(check_url(Esaw, url).is_ok(), "{url}");
        }
    }

    #[test]
    fn other_dialects_have_no_placeholders() {
        assert_eq!(check_url(Standard, "https://a.example/?b=##Action##"), Err(BadUrl::Fragments));
        assert!(check_url(Standard, "https://a.example/?b=##Action").is_err());
        assert!(check_url(Standard, "https://a.example/b#c").is_ok());
        assert!(matches!(check_url(Standard, "/b"), Err(BadUrl::Unreadable { .. })));
    }
}
