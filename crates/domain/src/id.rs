//! Typed ids: a prefix, `_`, and the 26 base32 characters of a `UUIDv7`.
//!
//! Invariants: ids minted by one [`Mint`] only rise, even when the clock stands still or steps back;
//! text and number forms sort alike; parsing never panics and accepts only what `Display` writes.
//! Left to others: where time and chance come from (`app`, `sim`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Timestamp;

/// A source of chance; only `app` owns a real one.
pub trait Chance: Send {
    /// Fills the slice with bytes nobody can foretell (or, in a test, with those of a seed).
    fn fill(&mut self, bytes: &mut [u8]);

    /// Draws 64 bits.
    fn draw(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// Makes ids that only rise.
#[derive(Debug, Default)]
pub struct Mint {
    last_ms: u64,
    counter: u16,
}

impl Mint {
    /// Makes ids that rise above one that was minted before; 0 when there is none.
    pub fn after(id: u128) -> Self {
        let last_ms = u64::try_from(id >> 80).unwrap_or(0);
        let counter = u16::try_from((id >> 64) & 0xfff).unwrap_or(0);
        Self { last_ms, counter }
    }

    /// Gives the 128 bits of the next `UUIDv7`: 48 bits of time, 12 of counter, 62 of chance.
    pub fn next(&mut self, now: Timestamp, chance: &mut dyn Chance) -> u128 {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        if now_ms > self.last_ms {
            self.last_ms = now_ms;
            self.counter = 0;
        } else if self.counter == 0xfff {
            self.last_ms += 1;
            self.counter = 0;
        } else {
            self.counter += 1;
        }
        let random = u128::from(chance.draw() >> 2);
        (u128::from(self.last_ms) << 80)
            | (0x7_u128 << 76)
            | (u128::from(self.counter) << 64)
            | (0b10_u128 << 62)
            | random
    }
}

/// Gives the lowest 128 bits that an id of that moment or later can have.
pub fn lowest(at: Timestamp) -> u128 {
    u128::from(at.as_millis().unsigned_abs()) << 80
}

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}_` and 26 characters of base32")]
pub struct NotAnId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The value of each byte that is a letter of the alphabet, and [`NO_DIGIT`] of any other.
const DIGITS: [u8; 256] = digits_of_letters();
const NO_DIGIT: u8 = 32;

#[expect(
    clippy::indexing_slicing,
    reason = "counted in a constant, where a mistake does not compile"
)]
#[expect(clippy::cast_possible_truncation, reason = "the alphabet has 32 letters")]
const fn digits_of_letters() -> [u8; 256] {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
}

/// Writes 128 bits as 26 characters, most significant first.
pub fn encode(value: u128) -> String {
    // The alphabet is ASCII.
    str::from_utf8(&digits(value)).unwrap_or_default().to_owned()
}

#[expect(clippy::indexing_slicing, reason = "five bits are below 32, the length of the alphabet")]
fn digits(value: u128) -> [u8; 26] {
    let mut digits = [0; 26];
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    digits
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 {
        return None;
    }
    let mut value: u128 = 0;
    for (index, byte) in text.bytes().enumerate() {
        let digit = *DIGITS.get(usize::from(byte))?;
        if digit == NO_DIGIT || index == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | u128::from(digit);
    }
    Some(value)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Takes the 128 bits of a UUID.
            pub const fn new(bits: u128) -> Self {
                Self(bits)
            }

            /// Gives the 128 bits of the UUID.
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// Gives the moment the id was minted, to the millisecond.
            pub fn minted_at(self) -> Timestamp {
                Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                // The alphabet is ASCII.
                f.write_str(str::from_utf8(&digits(self.0)).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(NotAnId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    AccountId = "acc";
    /// A signature request.
    RequestId = "req";
    /// One person's part in a request.
    SignerId = "sgn";
    /// A person the account knows.
    ContactId = "cnt";
    /// Something that happened.
    EventId = "evt";
    /// A URL that wants events.
    EndpointId = "ep";
    /// One event on its way to one endpoint.
    DeliveryId = "dlv";
    /// One try of a delivery.
    AttemptId = "att";
    /// A job that sends events again.
    ReplayId = "rpl";
    /// An API key.
    KeyId = "key";
    /// A provider.
    ProviderId = "prv";
    /// A place that a vendor's webhooks come in at.
    SourceId = "src";
    /// A contract workflow.
    WorkflowId = "wfl";
    /// What workflows are launched from.
    WorkflowTemplateId = "wft";
    /// Something that was said about a workflow.
    CommentId = "cmt";
    /// A document, in all its versions.
    DocumentId = "doc";
    /// What a workflow was filed as.
    RecordId = "rec";
    /// A notice; the bits are those of its delivery.
    NoticeId = "ntc";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Zeros;

    impl Chance for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn ids_rise_even_when_the_clock_steps_back() {
        let mut mint = Mint::default();
        let times = [5, 5, 4, 4, 9, 1];
        let ids: Vec<u128> =
            times.iter().map(|ms| mint.next(Timestamp::from_millis(*ms), &mut Zeros)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:x?}");
    }

    #[test]
    fn more_ids_than_the_counter_holds_still_rise() {
        let mut mint = Mint::default();
        let ids: Vec<u128> =
            (0..10_000).map(|_| mint.next(Timestamp::from_millis(7), &mut Zeros)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = RequestId::new(42).to_string();
        assert_eq!(id.parse::<EventId>(), Err(NotAnId { prefix: "evt" }));
    }

    proptest! {
        #[test]
        fn text_and_number_forms_agree_and_sort_alike(a: u128, b: u128) {
            prop_assert_eq!(decode(&encode(a)), Some(a));
            prop_assert_eq!(encode(a).cmp(&encode(b)), a.cmp(&b));
        }

        #[test]
        fn no_text_panics(text: String) {
            drop(text.parse::<RequestId>());
        }
    }
}
