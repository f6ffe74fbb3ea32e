//! Ironclad's interface (`/public/api/v1`), answered: one file for each family of calls, and what they share.
//!
//! Invariant: ids are those of the dialect's webhooks; people are known by their mail addresses.
//!
//! Sources: the vendor's description of its interface, as its reference shows it
//! (<https://developer.ironcladapp.com/reference/>, mid 2026), named in each file; what only recorded calls show is said to be
//! observed.

pub mod comments;
pub mod course;
pub mod documents;
mod errors;
mod ids;
pub mod launch;
mod people;
pub mod review;
pub mod signing;
pub mod webhooks;
pub mod workflow;

pub use self::errors::{Error, code, placed};
pub use self::ids::{
    Named, comment_id, document_version, named, readable_id, record_id, request_id, template_id,
    workflow_id,
};
pub use self::people::People;
pub use crate::ironclad::{document_key, user_id};
