//! Vendors' languages: an event goes in, the call that the vendor would have made comes out; and the other way round,
//! a vendor's call goes in, and what it tells comes out ([`mod@vendor`]); in a vendor's place, what its clients ask for and
//! are shown ([`mod@face`]); and a vendor played by us, for tests ([`mod@stand_in`]).
//!
//! | Dialect | Where | Says an event as |
//! | --- | --- | --- |
//! | standard | `standard` | our own words, as Standard Webhooks, signed |
//! | clickwrap | `clickwrap` | Ironclad Clickwrap's thin envelope |
//! | ironclad | `ironclad` | Ironclad's thin envelope about a workflow, signed |
//! | insertsign | `insertsign` | InsertSign's envelope with the request inside |
//! | fintechos | `fintechos` | a filled URL, and FintechOS's context object as the body |
//! | esaw | `esaw` | a filled URL and nothing else |
//!
//! Invariants: no IO, no clock, no chance; the same event and target give the same call; nothing here panics, whatever
//! the bytes; an event that a dialect has no word for is not said.
//! Left to others: who wants which event ([`domain::subscription`]), whether a URL may be called and what frames a
//! message (`channels`), when to say it again ([`domain::retry`]).

#![warn(missing_docs)]

mod callback;
mod clickwrap;
mod curl;
mod data;
mod derive;
mod error;
mod esaw;
pub mod face;
mod fintechos;
mod headers;
mod insertsign;
mod ironclad;
mod names;
pub mod proof;
mod sample;
mod schema;
pub mod stand_in;
mod standard;
mod template;
pub mod vendor;

use std::fmt::Debug;
use std::sync::Arc;

use domain::call::{Call, Method};
use domain::endpoint::{self, Endpoint};
use domain::event::{Event, Kind};
use domain::time::Timestamp;
use url::Url;

use crate::proof::{RsaKey, SigningKey};

pub use crate::curl::curl;
pub use crate::error::{BadSecret, BadUrl, UnknownName, UnknownNames, Unsayable};
pub use crate::headers::{header_allowed, header_value_allowed};
pub use crate::names::{speaks, subscribe};
pub use crate::sample::{sample, sample_named};
pub use crate::schema::schema;
pub use crate::template::check_url;

/// One vendor's language.
pub trait Dialect: Send + Sync + Debug {
    /// Lists every event name of the dialect and the kind it says, in the catalogue's order.
    ///
    /// One name may say several kinds, and then stands here once for each. Custom events have names of their own and
    /// are not listed.
    fn words(&self) -> &'static [Word];

    /// Writes the call the vendor would have made, or `None` when the dialect has no word for the event.
    fn render(&self, event: &Event, target: &Target<'_>) -> Result<Option<Call>, Unsayable>;

    /// Lists the verbs an endpoint may ask for, the usual one first; [`Dialect::render`] uses the usual one for any other.
    fn methods(&self) -> &'static [Method] {
        &[Method::Post]
    }

    /// Tells whether the dialect says the account's own events, by their own names.
    fn says_custom(&self) -> bool {
        false
    }

    /// Tells whether URLs are templates with `##Placeholders##`.
    fn has_placeholders(&self) -> bool {
        false
    }
}

/// An event name of a dialect, and the kind it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The vendor's name.
    pub name: &'static str,
    /// Ours.
    pub kind: Kind,
}

/// To whom an event is said, and when.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// `endpoint.url`, parsed once; dialects with placeholders read only its origin, and only for callbacks.
    pub url: &'a Arc<Url>,
    /// The moment of the attempt, for signatures.
    pub now: Timestamp,
    /// The account's Ed25519 key, where the endpoint asks for it.
    pub signer: Option<&'a SigningKey>,
    /// The service's RSA key, where the dialect signs with one.
    pub rsa: Option<&'a RsaKey>,
}

/// Finds a dialect in the table of all of them; adding a vendor is one line here.
pub const fn dialect(which: endpoint::Dialect) -> &'static dyn Dialect {
    match which {
        endpoint::Dialect::Standard => &standard::Standard,
        endpoint::Dialect::Clickwrap => &clickwrap::Clickwrap,
        endpoint::Dialect::Ironclad => &ironclad::Ironclad,
        endpoint::Dialect::Insertsign => &insertsign::Insertsign,
        endpoint::Dialect::Fintechos => &fintechos::Fintechos,
        endpoint::Dialect::Esaw => &esaw::Esaw,
    }
}
