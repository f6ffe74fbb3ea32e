//! The hash chain of a request's timeline.
//!
//! Invariants: every entry carries the hash of the one before it; a hash follows from the entry alone;
//! entries hold digests, so that erasing texts later leaves the chain whole.
//! Left to others: writing entries in the commit that makes them (`store`), checking an exported timeline (`app`).

use std::borrow::Cow;
use std::fmt;

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::delivery::Attempt;
use crate::event::Event;
use crate::id::{self, RequestId};
use crate::time::Timestamp;

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub [u8; 32]);

/// An entry's place in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// From 1, without gaps.
    pub seq: u64,
    /// The hash of the entry, which covers the one before it.
    pub hash: Hash,
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Something happened.
    Event,
    /// Somebody was told, or could not be.
    Attempt,
}

impl What {
    /// Names the kind of entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Attempt => "attempt",
        }
    }
}

/// One entry, before it is linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Event or attempt.
    pub what: What,
    /// The 128 bits of its id.
    pub id: u128,
    /// When it happened, or began.
    pub at: Timestamp,
    /// The digest of what it says.
    pub digest: Hash,
}

impl Entry {
    /// Records an event.
    pub fn of_event(event: &Event) -> Self {
        let digest = hash(&[event.name.as_bytes(), event.data.as_bytes()]);
        Self { what: What::Event, id: event.id.bits(), at: event.at, digest }
    }

    /// Records an attempt: to which address, the digest of the bytes, the ending (of a notice with the provider and its
    /// own id for the message), the resolved address.
    pub fn of_attempt(attempt: &Attempt) -> Self {
        let ending = attempt.outcome.ending();
        let digest = hash(&[
            attempt.delivery.to_string().as_bytes(),
            attempt.number.to_string().as_bytes(),
            attempt.url.as_bytes(),
            &attempt.body_digest,
            ending.as_bytes(),
            attempt.remote.as_deref().unwrap_or("").as_bytes(),
        ]);
        Self { what: What::Attempt, id: attempt.id.bits(), at: attempt.at, digest }
    }

    /// Links the entry behind another one; `None` for the first.
    pub fn link(&self, request: RequestId, before: Option<Link>) -> Link {
        let before = before.unwrap_or_default();
        let seq = before.seq + 1;
        let hash = hash(&[
            b"countersign timeline 1",
            request.to_string().as_bytes(),
            seq.to_string().as_bytes(),
            self.what.as_str().as_bytes(),
            id::encode(self.id).as_bytes(),
            self.at.as_millis().to_string().as_bytes(),
            &self.digest.0,
            &before.hash.0,
        ]);
        Link { seq, hash }
    }
}

/// Hashes parts so that no two lists of parts give the same bytes: each is led by its length.
fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Hash(bytes)
}

/// Gives the SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Hash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .filter_map(|pair| Some(pair.first()? << 4 | pair.last()?))
            .collect();
        (digits.len() == 64).then(|| bytes.try_into().ok().map(Self))?
    }

    /// Writes the digits into a text.
    pub fn push_to(&self, text: &mut String) {
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
        }
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(digest: u8) -> Entry {
        Entry {
            what: What::Event,
            id: 7,
            at: Timestamp::from_millis(5),
            digest: Hash([digest; 32]),
        }
    }

    #[test]
    fn changing_any_entry_changes_every_later_hash() {
        let request = RequestId::new(1);
        let chain = |digests: [u8; 3]| {
            let mut link = None;
            digests.map(|digest| {
                let next = entry(digest).link(request, link);
                link = Some(next);
                next
            })
        };
        let (a, b) = (chain([1, 2, 3]), chain([9, 2, 3]));
        assert_eq!(a.map(|link| link.seq), [1, 2, 3]);
        assert!(a.iter().zip(&b).all(|(a, b)| a.hash != b.hash));
    }

    #[test]
    fn a_hash_comes_back_from_its_text() {
        let hash = Hash(sha256(b"abc"));
        assert_eq!(
            hash.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        assert_eq!(Hash::parse("ba78"), None);
    }
}
