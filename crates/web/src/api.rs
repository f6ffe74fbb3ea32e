//! The API under `/api/v1`, by noun.
//!
//! Each operation asks for a scope, takes what it needs, calls one command or view, and shows what came of it.

pub(crate) mod branding;
pub(crate) mod clock;
pub(crate) mod contacts;
pub(crate) mod deliveries;
pub(crate) mod documents;
pub(crate) mod endpoints;
pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod mailbox;
pub(crate) mod notice_rules;
pub(crate) mod notices;
pub(crate) mod providers;
pub(crate) mod replays;
pub(crate) mod requests;
pub(crate) mod shortener;
pub(crate) mod signers;
pub(crate) mod sources;
pub(crate) mod stats;
pub(crate) mod suppressions;
pub(crate) mod templates;
pub(crate) mod timeline;
pub(crate) mod workflows;

use serde::Deserialize;

/// The body of an operation that needs none.
#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// The body of an operation that takes a reason.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Because {
    /// Why, in words.
    pub(crate) reason: Option<String>,
}
