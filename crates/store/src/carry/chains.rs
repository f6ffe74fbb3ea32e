//! Every chain of a store, computed anew from what it says.
//!
//! Invariant: nothing is believed but texts and digests; a hash that is kept, in the timeline or with an event, is compared.
//! Left to others: how an entry is hashed (`domain::chain`), reading the entries in order (each database).

use std::array;

use domain::chain::{Entry, Hash, Link, What};
use domain::delivery::Attempt;
use domain::event::{Event, Kind as EventKind};
use domain::id::{AccountId, AttemptId, DeliveryId, EventId, RequestId};
use domain::time::Timestamp;

use super::{Cell, Column, Findings, Kind, Row};
use crate::error::Error;

/// What `export/chains.sql` gives: an entry, and what its digest covers, as far as it is there.
pub(crate) const CHAINS: [Column; 18] = [
    ("account_id", Kind::Id),
    ("request_id", Kind::Id),
    ("seq", Kind::Number),
    ("what", Kind::Text),
    ("id", Kind::Id),
    ("at", Kind::Number),
    ("digest", Kind::Bytes),
    ("hash", Kind::Bytes),
    ("delivery_id", Kind::Id),
    ("number", Kind::Number),
    ("name", Kind::Text),
    ("data", Kind::Text),
    ("link_seq", Kind::Number),
    ("link_hash", Kind::Bytes),
    ("url", Kind::Text),
    ("body_digest", Kind::Bytes),
    ("remote", Kind::Text),
    ("outcome", Kind::Text),
];

/// Follows the chains, one entry after the other.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    of: Option<(AccountId, RequestId)>,
    last: Option<Link>,
    found: Findings,
    /// Entries that are events.
    events: u64,
}

impl Chains {
    /// Takes the next entry, in the order of accounts, requests and places.
    pub(crate) fn take(&mut self, row: Row) -> Result<(), Error> {
        let [account, request, seq, what, id, at, digest, hash, text @ ..] = cells(row);
        let of = (AccountId::new(bits(&account)), RequestId::new(bits(&request)));
        let seq = whole(&seq);
        let wrong = |what: &str| Error::Corrupt {
            table: "timeline",
            detail: format!("{what}: entry {} of {}", seq.unwrap_or(0), of.1),
        };
        if self.of != Some(of) {
            (self.of, self.last) = (Some(of), None);
            self.found.chains += 1;
        }
        let what = if words(&what) == Some("event") { What::Event } else { What::Attempt };
        let digest = hash_of(&digest).unwrap_or_default();
        let at = Timestamp::from_millis(if let Cell::Number(at) = at { at } else { 0 });
        let entry = Entry { what, id: bits(&id), at, digest };
        let link = entry.link(of.1, self.last);
        if seq != Some(link.seq) {
            return Err(wrong("an entry before it is missing"));
        }
        if hash_of(&hash) != Some(link.hash) {
            return Err(wrong(
                "its hash does not follow from what it says and the entry before it",
            ));
        }
        let told = match what {
            What::Event => {
                self.events += 1;
                event(of, link, &text).map_err(wrong)?
            }
            What::Attempt => attempt(&text),
        };
        match told {
            Some(told) if told.digest != digest => {
                return Err(wrong("what it tells of was changed"));
            }
            Some(_) => {}
            None => self.found.erased += 1,
        }
        self.last = Some(link);
        self.found.entries += 1;
        Ok(())
    }

    /// Notes what was found. Of each event that is in a chain, its entry was seen.
    pub(crate) fn end(self, linked: u64, findings: &mut Findings) -> Result<(), Error> {
        if self.events != linked {
            return Err(Error::Corrupt {
                table: "timeline",
                detail: format!(
                    "{linked} events belong to a chain, and the chains have {}",
                    self.events
                ),
            });
        }
        let Findings { schema, counts, .. } = *findings;
        *findings = Findings { schema, counts, ..self.found };
        Ok(())
    }
}

/// What an entry tells of, if it is there: of an event and of an attempt.
type Text = [Cell; 10];

/// Makes the entry of an event, which must be there and know its place; its text may be gone.
fn event(
    of: (AccountId, RequestId),
    link: Link,
    text: &Text,
) -> Result<Option<Entry>, &'static str> {
    let [_, _, name, data, seq, hash, ..] = text;
    let Some(name) = words(name) else { return Err("its event is not there") };
    if whole(seq).zip(hash_of(hash)) != Some((link.seq, link.hash)) {
        return Err("its event names another place in the chain");
    }
    let Some(data) = words(data) else { return Ok(None) };
    Ok(Some(Entry::of_event(&Event {
        id: EventId::new(0),
        account: of.0,
        // The digest covers the name, whatever it means.
        kind: EventKind::Custom,
        name: name.to_owned().into(),
        at: Timestamp::from_millis(0),
        request: Some(of.1),
        order_key: None,
        key: None,
        data: data.to_owned(),
        test: false,
        callbacks: Vec::new(),
        link: None,
    })))
}

/// Makes the entry of an attempt, if it is there.
fn attempt(text: &Text) -> Option<Entry> {
    let [delivery, number, _, _, _, _, url, body_digest, remote, outcome] = text;
    Some(Entry::of_attempt(&Attempt {
        id: AttemptId::new(0),
        delivery: DeliveryId::new(bits(delivery)),
        number: whole(number).and_then(|number| u32::try_from(number).ok())?,
        at: Timestamp::from_millis(0),
        took_ms: 0,
        url: words(url)?.to_owned(),
        body_digest: hash_of(body_digest)?.0,
        remote: words(remote).map(str::to_owned),
        outcome: serde_json::from_str(words(outcome)?).ok()?,
    }))
}

/// Gives the columns names; one that is missing is empty.
fn cells(row: Row) -> [Cell; CHAINS.len()] {
    let mut row = row.into_iter();
    array::from_fn(|_| row.next().unwrap_or(Cell::Nothing))
}

fn bits(cell: &Cell) -> u128 {
    let Cell::Bytes(bytes) = cell else { return 0 };
    bytes.as_slice().try_into().map_or(0, u128::from_be_bytes)
}

fn hash_of(cell: &Cell) -> Option<Hash> {
    let Cell::Bytes(bytes) = cell else { return None };
    bytes.as_slice().try_into().ok().map(Hash)
}

fn whole(cell: &Cell) -> Option<u64> {
    if let Cell::Number(number) = cell { u64::try_from(*number).ok() } else { None }
}

const fn words(cell: &Cell) -> Option<&str> {
    if let Cell::Text(text) = cell { Some(text.as_str()) } else { None }
}
