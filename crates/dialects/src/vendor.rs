//! Vendors' webhooks the other way round: proven, read into our words, completed by asking the vendor.
//!
//! | Vendor | Where | Proven by | Asked at |
//! | --- | --- | --- | --- |
//! | Ironclad Clickwrap | `clickwrap` | a token in a header | `GET /requests/{id}` |
//! | Ironclad | `ironclad` | a signature over id, body and nonce | `GET /workflows/{id}/signatures`, `GET /workflows/{id}` |
//! | InsertSign | `insertsign` | the secret path alone | nowhere |
//! | FintechOS | `fintechos` | the secret path alone | as esaw |
//! | eSignAnyWhere | `esaw` | Basic, if wanted | `GET /envelope/{id}`, `GET /envelope/{id}/viewerlinks` |
//!
//! Invariants: no IO, no clock, no chance; nothing here panics, whatever the bytes; what is compared with a secret is compared
//! in constant time; what is told is within the bounds of [`domain::told`] and of people's input; what a vendor leaves out is
//! unknown, never "no". What must be there is refused with its place; what stands beside it and makes no sense is passed over.
//! Left to others: keeping the bytes, fetching keys, carrying out calls (`engine`, `channels`), what a thing told changes
//! ([`domain::mirror`]).

pub(crate) mod bounds;
mod clickwrap;
mod esaw;
mod fintechos;
mod hook;
mod insertsign;
mod ironclad;
pub(crate) mod json;
mod lookup;

use std::fmt::{self, Debug, Formatter};

use domain::call::{Answer, Call, Method};
use domain::source::{Source, Vendor};
use domain::told::{Picture, Told};

pub use crate::vendor::bounds::{KEY_BYTES_MAX, LINE_CHARS_MAX, URL_CHARS_MAX};
pub use crate::vendor::json::VALUES_MAX;

/// How one vendor's webhooks are taken, and how the vendor is asked.
pub trait Catch: Send + Sync + Debug {
    /// Lists what a source of this vendor may be told, in the order in which people would fill it in.
    fn fields(&self) -> &'static [Field];

    /// Looks at a source's settings as a whole, after each field was checked by its [`Field`]; gives what is wrong as the
    /// field's name and a sentence that says what is expected.
    fn check(&self, source: &Source) -> Vec<(&'static str, String)>;

    /// Lists the verbs that are taken, the usual one first.
    fn methods(&self) -> &'static [Method];

    /// Proves that what came in is the vendor's.
    fn prove(&self, source: &Source, received: &Received<'_>) -> Result<(), Untrusted>;

    /// Gives what is the same when the vendor says the same thing again, at most [`KEY_BYTES_MAX`] of printable ASCII;
    /// `None` when nothing tells a repetition from a second thing of the kind, so that nothing is dropped.
    fn key(&self, source: &Source, received: &Received<'_>) -> Option<String>;

    /// Reads what is told, after it was proven.
    fn read(&self, source: &Source, received: &Received<'_>) -> Result<Told, Unreadable>;

    /// Asks the vendor for what is known of a request. The calls come in turn: each is built from the answers to those
    /// before it, all of which are handed in again. Ends with anything but [`Ask::Call`].
    fn ask(&self, source: &Source, foreign_id: &str, answers: &[Answer]) -> Result<Ask, Unaskable>;
}

/// Finds how a vendor's webhooks are taken; adding a vendor is one line here.
pub const fn vendor(which: Vendor) -> &'static dyn Catch {
    match which {
        Vendor::Clickwrap => &clickwrap::Clickwrap,
        Vendor::Ironclad => &ironclad::Ironclad,
        Vendor::Insertsign => &insertsign::Insertsign,
        Vendor::Fintechos => &fintechos::Fintechos,
        Vendor::Esaw => &esaw::Esaw,
    }
}

/// What a source of a vendor may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in the API.
    pub name: &'static str,
    /// One sentence for people: what it is, and what it is without it.
    pub about: &'static str,
    /// What it may be.
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it must not be seen. Secret fields are texts.
    pub secret: bool,
}

/// What a field may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text of 1 to 4,096 characters, line breaks included.
    Text,
    /// An absolute URL, `https` outside of development.
    Url,
}

impl Field {
    /// Makes a field that may be left out and seen.
    const fn setting(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, about, form, required: false, secret: false }
    }

    /// Makes a field that may be left out and must not be seen.
    const fn secret(name: &'static str, about: &'static str) -> Self {
        Self { name, about, form: Form::Text, required: false, secret: true }
    }
}

/// What came in at a source.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// By which verb.
    pub method: Method,
    /// The query as it came, without its question mark; empty if there is none.
    pub query: &'a str,
    /// Header names in lower case, and their values.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The key (PEM) that [`Untrusted::KeyNeeded`] asked for.
    pub key: Option<&'a str>,
}

impl Received<'_> {
    /// Finds a header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Any of it may hold a secret.
impl Debug for Received<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why what came in is not taken for the vendor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The proof is missing or wrong. Answered with 401.
    #[error("{0}")]
    Forged(&'static str),
    /// The proof hangs on a public key of the vendor's, which has to be fetched first.
    #[error("the key that proves it has to be fetched")]
    KeyNeeded {
        /// Where it lies; a setting of the source or the vendor's own place.
        url: String,
    },
}

/// What cannot be read, though it is the vendor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unreadable {
    /// Where: `body`, `query`, or a member such as `payload.event`.
    pub place: &'static str,
    /// What is wrong there, and what is expected; nothing of what stands there.
    pub what: String,
}

impl Unreadable {
    pub(crate) fn new(place: &'static str, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }
}

/// What is to be done next to learn what a vendor knows of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Make this call, and ask again with its answer behind those before.
    Call(Call),
    /// This is known.
    Known(Box<Picture>),
    /// Ask again later: why, and after how many seconds at the earliest, if the vendor says so.
    Later(&'static str, Option<u32>),
    /// The vendor does not know the request, and says so itself.
    Gone,
    /// The vendor does not let us: the credentials or their rights. One sentence for people.
    Refused(String),
    /// What came back makes no sense. One sentence for people.
    Nonsense(String),
}

/// Why a vendor cannot be asked at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unaskable {
    /// It has no such interface that is known.
    #[error("the vendor has no interface to be asked at")]
    NoInterface,
    /// The source lacks this field.
    #[error("the source has no `{0}` to ask the vendor with")]
    Missing(&'static str),
    /// This field of the source cannot be used.
    #[error("the `{0}` of the source cannot be used to ask the vendor")]
    Unusable(&'static str),
    /// The id can be no part of a URL's path.
    #[error("the vendor cannot be asked for a request of that id")]
    Id,
}
