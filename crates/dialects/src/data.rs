//! From an event's data to typed facts, and from a vendor's form to a body.
//!
//! Invariant: what cannot be read or written is an error, never a panic.

use std::borrow::Cow;

use domain::event::Event;
use domain::facts::AboutRequest;
use domain::signer::Signer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Unsayable;
use crate::headers::Headers;

/// Reads an event's data.
pub(crate) fn read<T: DeserializeOwned>(event: &Event) -> Result<T, Unsayable> {
    serde_json::from_str(&event.data).map_err(|source| Unsayable::Data { kind: event.kind, source })
}

/// Finds the signer that an event must be about.
pub(crate) fn signer<'a>(event: &Event, about: &'a AboutRequest) -> Result<&'a Signer, Unsayable> {
    about.signer.as_ref().ok_or(Unsayable::Missing { kind: event.kind, part: "signer" })
}

/// Writes a body as compact JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>, Unsayable> {
    serde_json::to_vec(value).map_err(|source| Unsayable::Body { source })
}

/// Begins the headers of a call with a JSON body.
pub(crate) fn json_headers() -> Headers {
    vec![(Cow::Borrowed("content-type"), JSON.to_owned())]
}

/// The media type of JSON.
pub(crate) const JSON: &str = "application/json";
