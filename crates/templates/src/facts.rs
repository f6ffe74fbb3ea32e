//! What a message is about, and in whose looks it comes.
//!
//! Invariant: a colour is six hexadecimal digits, so it can stand in a style.
//! Left to others: making texts from outside harmless (`clean`), the names templates know (`names`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use domain::request::Sender;
use domain::signer::Role;
use domain::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// What a message is about. Texts may be anything; what is overlong is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// What the request is called.
    pub title: String,
    /// What the sender wants the signers to know; may have several lines.
    pub message: Option<String>,
    /// Who asks.
    pub sender: Sender,
    /// Who is told.
    pub recipient: Recipient,
    /// The name of the person who signed or declined.
    pub actor: Option<String>,
    /// Why they declined, or why the request was withdrawn.
    pub reason: Option<String>,
    /// How many signatures are still needed.
    pub remaining: u32,
    /// How many signatures there will be.
    pub total: u32,
    /// How many signatures there are.
    pub signed: u32,
    /// Where the recipient goes next: an absolute URL without spaces.
    pub link: Option<String>,
    /// When the time to sign runs out.
    pub expires_at: Option<Timestamp>,
    /// The IANA name of the zone in which moments are written; absent or unknown is UTC.
    pub time_zone: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// The account's own values on the request.
    pub metadata: BTreeMap<String, Value>,
    /// Whether this is a trial, and the message must say so.
    pub test: bool,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipient {
    /// Their name.
    pub name: String,
    /// Their mail address.
    pub email: Option<String>,
    /// For whom they sign.
    pub company: Option<String>,
    /// What the sender calls their part, such as `Landlord`.
    pub label: Option<String>,
    /// Their part.
    pub role: Role,
}

/// An account's looks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Branding {
    /// The account's name as people know it; empty for none.
    #[serde(default)]
    pub name: String,
    /// The colour of the button and of links.
    #[serde(default)]
    pub color: Color,
    /// A picture to stand for the name: an absolute URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// What stands below every mail, such as an address; may have several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
}

/// A colour, written `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// Gives black or white, whichever can be read better on this colour.
    pub(crate) fn ink(self) -> Self {
        // The relative luminance at which black and white stand out alike.
        const MIDDLE: f64 = 0.179;
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        if luminance > MIDDLE { Self([0x11; 3]) } else { Self([0xff; 3]) }
    }
}

impl Default for Color {
    fn default() -> Self {
        Self([0x1d, 0x4e, 0xd8])
    }
}

/// Why a text is no colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a colour such as #1d4ed8")]
pub struct NotAColor;

impl FromStr for Color {
    type Err = NotAColor;

    fn from_str(text: &str) -> Result<Self, NotAColor> {
        let digits = text.strip_prefix('#').ok_or(NotAColor)?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAColor);
        }
        let [_, red, green, blue] =
            u32::from_str_radix(digits, 16).ok().ok_or(NotAColor)?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Serialize for Color {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Color {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_hexadecimal_digits() {
        assert_eq!("#1D4ED8".parse::<Color>().unwrap().to_string(), "#1d4ed8");
        for wrong in ["1d4ed8", "#1d4ed", "#1d4ed8a", "red", "#+d4ed8", "#ü4ed8", ""] {
            assert_eq!(wrong.parse::<Color>(), Err(NotAColor), "{wrong}");
        }
    }

    #[test]
    fn ink_can_be_read_on_its_colour() {
        let ink = |text: &str| text.parse::<Color>().unwrap().ink().to_string();
        assert_eq!([ink("#1d4ed8"), ink("#000000"), ink("#b91c1c")], ["#ffffff"; 3]);
        assert_eq!([ink("#ffffff"), ink("#facc15"), ink("#7dd3fc")], ["#111111"; 3]);
    }
}
