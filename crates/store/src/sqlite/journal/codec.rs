//! What a record says, as bytes: events with their deliveries, and attempts that reached their receiver.
//!
//! Invariants: what is written is read back the same; bytes that are cut or strange give `None`, never a panic.

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::{Answer, Outcome};
use domain::delivery::Attempt;
use domain::event::{Event, Kind};
use domain::id::{AccountId, AttemptId, DeliveryId, EndpointId, EventId, RequestId};
use domain::time::Timestamp;

use crate::sqlite::unwritten::{Ended, Told};

const TOLD: u8 = 1;
const ENDED: u8 = 2;

/// One thing that a record says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum Item {
    /// An event, and the deliveries it made.
    Told(Told),
    /// An attempt that ended its delivery.
    Ended(Ended),
}

/// Adds an event and its deliveries.
pub(in crate::sqlite) fn encode_told(out: &mut Vec<u8>, told: &Told) {
    let Told { event, at, deliveries, number: _ } = told;
    out.push(TOLD);
    out.extend(event.id.bits().to_le_bytes());
    out.extend(event.account.bits().to_le_bytes());
    push_text(out, &event.name);
    out.extend(event.at.as_millis().to_le_bytes());
    push_optional(out, event.order_key.as_deref());
    push_optional(out, event.key.as_deref());
    out.push(u8::from(event.test));
    push_text(out, &event.data);
    out.extend(at.as_millis().to_le_bytes());
    push_length(out, deliveries.len());
    for (delivery, endpoint) in deliveries {
        out.extend(delivery.bits().to_le_bytes());
        out.extend(endpoint.bits().to_le_bytes());
    }
}

/// Adds an attempt; the outcome is JSON already.
pub(in crate::sqlite) fn encode_ended(out: &mut Vec<u8>, ended: &Ended, outcome: &str) {
    let Ended { account, request, attempt, at, number: _ } = ended;
    out.push(ENDED);
    out.extend(account.bits().to_le_bytes());
    out.extend(request.map_or(0, RequestId::bits).to_le_bytes());
    out.extend(at.as_millis().to_le_bytes());
    out.extend(attempt.id.bits().to_le_bytes());
    out.extend(attempt.delivery.bits().to_le_bytes());
    out.extend(attempt.number.to_le_bytes());
    out.extend(attempt.at.as_millis().to_le_bytes());
    out.extend(attempt.took_ms.to_le_bytes());
    push_text(out, &attempt.url);
    out.extend(attempt.body_digest);
    push_optional(out, attempt.remote.as_deref());
    push_text(out, outcome);
}

/// Reads everything that a record with a number says; `None` when it makes no sense.
pub(in crate::sqlite) fn decode(number: u64, payload: &[u8]) -> Option<Vec<Item>> {
    let mut bytes = Bytes(payload);
    let mut items = Vec::new();
    while !bytes.0.is_empty() {
        items.push(match bytes.array()? {
            [TOLD] => Item::Told(bytes.told(number)?),
            [ENDED] => Item::Ended(bytes.ended(number)?),
            [_] => return None,
        });
    }
    Some(items)
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    // Texts are bounded far below that; a longer one would be read as cut.
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_length(out, text.len());
    out.extend(text.as_bytes());
}

fn push_optional(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        push_text(out, text);
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn id(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn moment(&mut self) -> Option<Timestamp> {
        self.array().map(i64::from_le_bytes).map(Timestamp::from_millis)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            [_] => None,
        }
    }

    /// Reads a text that may be absent into its place.
    fn optional(&mut self, place: &mut Option<String>) -> Option<()> {
        if self.flag()? {
            *place = Some(self.text()?);
        }
        Some(())
    }

    fn told(&mut self, number: u64) -> Option<Told> {
        let (id, account) = (EventId::new(self.id()?), AccountId::new(self.id()?));
        let name = self.text()?;
        let kind = Kind::of(&name)?;
        let name =
            if kind.has_own_names() { Cow::Owned(name) } else { Cow::Borrowed(kind.as_str()) };
        let mut event = Event {
            id,
            account,
            kind,
            name,
            at: self.moment()?,
            request: None,
            order_key: None,
            key: None,
            test: false,
            data: String::new(),
            callbacks: Vec::new(),
            link: None,
        };
        self.optional(&mut event.order_key)?;
        self.optional(&mut event.key)?;
        event.test = self.flag()?;
        event.data = self.text()?;
        let at = self.moment()?;
        let count = self.number()?;
        let mut deliveries = Vec::new();
        for _ in 0..count {
            deliveries.push((DeliveryId::new(self.id()?), EndpointId::new(self.id()?)));
        }
        Some(Told { event: Arc::new(event), at, deliveries, number })
    }

    fn ended(&mut self, number: u64) -> Option<Ended> {
        let account = AccountId::new(self.id()?);
        let request = Some(self.id()?).filter(|bits| *bits != 0).map(RequestId::new);
        let at = self.moment()?;
        let mut attempt = Attempt {
            id: AttemptId::new(self.id()?),
            delivery: DeliveryId::new(self.id()?),
            number: self.number()?,
            at: self.moment()?,
            took_ms: self.number()?,
            url: self.text()?,
            body_digest: self.array()?,
            remote: None,
            outcome: Outcome::Answered(Answer::default()),
        };
        self.optional(&mut attempt.remote)?;
        attempt.outcome = serde_json::from_str(&self.text()?).ok()?;
        Some(Ended { account, request, attempt: Arc::new(attempt), at, number })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::{collection, option};

    use super::*;

    fn told() -> impl Strategy<Value = Told> {
        let texts = (option::of(".{0,9}"), option::of(".{0,9}"), ".{0,99}");
        let deliveries = collection::vec((any::<u128>(), any::<u128>()), 0..4);
        (any::<(u128, u128, i64, i64, bool)>(), texts, deliveries).prop_map(
            |((id, account, at, made, test), (order_key, key, data), deliveries)| Told {
                event: Arc::new(Event {
                    id: EventId::new(id),
                    account: AccountId::new(account),
                    kind: Kind::Custom,
                    name: Cow::Borrowed("custom.order.paid"),
                    at: Timestamp::from_millis(at),
                    request: None,
                    order_key,
                    key,
                    data,
                    test,
                    callbacks: Vec::new(),
                    link: None,
                }),
                at: Timestamp::from_millis(made),
                deliveries: deliveries
                    .into_iter()
                    .map(|(delivery, endpoint)| {
                        (DeliveryId::new(delivery), EndpointId::new(endpoint))
                    })
                    .collect(),
                number: 7,
            },
        )
    }

    fn ended() -> impl Strategy<Value = Ended> {
        let texts = (".{0,99}", option::of(".{0,9}"), ".{0,99}");
        (any::<(u128, u128, u128, u128, i64)>(), any::<(u32, u32, [u8; 32], u16)>(), texts)
            .prop_map(
                |(
                    (account, request, id, delivery, at),
                    (number, took_ms, body_digest, status),
                    texts,
                )| {
                    let (url, remote, body) = texts;
                    Ended {
                        account: AccountId::new(account),
                        request: Some(request).filter(|bits| *bits != 0).map(RequestId::new),
                        at: Timestamp::from_millis(at),
                        attempt: Arc::new(Attempt {
                            id: AttemptId::new(id),
                            delivery: DeliveryId::new(delivery),
                            number,
                            at: Timestamp::from_millis(at),
                            took_ms,
                            url,
                            body_digest,
                            remote,
                            outcome: Outcome::Answered(Answer {
                                status,
                                body,
                                ..Answer::default()
                            }),
                        }),
                        number: 7,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(told in told(), ended in ended()) {
            let mut out = Vec::new();
            encode_told(&mut out, &told);
            let outcome = serde_json::to_string(&ended.attempt.outcome).unwrap();
            encode_ended(&mut out, &ended, &outcome);
            for cut in 1..out.len() {
                let read = decode(7, &out[..cut]);
                prop_assert!(read.is_none_or(|items| items.len() < 2), "cut at {cut}");
            }
            prop_assert_eq!(decode(7, &out), Some(vec![Item::Told(told), Item::Ended(ended)]));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            drop(decode(1, &bytes));
        }
    }
}
