//! Ids of the interface: ours in the vendor's form, and the vendor's taken apart.
//!
//! Invariant: the form of an id is that of the webhooks. One of 24 hexadecimal digits begins with the second in which ours was
//! minted, and nothing else of it can be read: it is found by trying what was minted in that second.
//!
//! Sources: <https://developer.ironcladapp.com/reference/retrieve-a-workflow> (`id`, `ironcladId`); forms as observed.

use domain::id::{CommentId, DocumentId, RecordId, WorkflowId, WorkflowTemplateId};
use domain::time::Timestamp;
use domain::workflow::{Document, Workflow};

use crate::derive;
use crate::ironclad::{document_key, id_of};

/// What a text names a workflow by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// By its 24 hexadecimal digits.
    Internal {
        /// The second in which it was minted.
        second: Timestamp,
    },
    /// By its number: `IC-1`.
    Readable {
        /// The how manieth of the account it is.
        number: u32,
    },
}

/// Reads what names a workflow; `None` if nothing does.
pub fn named(text: &str) -> Option<Named> {
    if let Some(digits) = text.strip_prefix("IC-") {
        let number: u32 = digits.parse().ok()?;
        return (number > 0 && number.to_string() == digits).then_some(Named::Readable { number });
    }
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != ID_CHARS || !text.bytes().all(is_hex) {
        return None;
    }
    let second = i64::from_str_radix(text.get(..SECOND_CHARS)?, 16).ok()?;
    Some(Named::Internal { second: Timestamp::from_millis(second.saturating_mul(1_000)) })
}

const ID_CHARS: usize = 24;
const SECOND_CHARS: usize = 8;

/// Gives the 24 hexadecimal digits of a workflow.
pub fn workflow_id(id: WorkflowId) -> String {
    id_of(id.bits(), id.minted_at(), "wfl")
}

/// Gives the 24 hexadecimal digits of a template.
pub fn template_id(id: WorkflowTemplateId) -> String {
    id_of(id.bits(), id.minted_at(), "wft")
}

/// Gives a workflow's readable id, such as `IC-1`; of one without a number, the other id.
pub fn readable_id(workflow: &Workflow) -> String {
    if workflow.number == 0 { workflow_id(workflow.id) } else { format!("IC-{}", workflow.number) }
}

/// Gives a comment's id: a `UUIDv7`, as observed.
pub fn comment_id(id: CommentId) -> String {
    derive::guid_of(id.bits())
}

/// Gives a record's id: a UUID.
pub fn record_id(id: RecordId) -> String {
    derive::guid_of(id.bits())
}

/// Writes 128 bits of chance as the id of a call.
pub fn request_id(bits: u128) -> String {
    derive::guid_of((bits & !VERSION_MASK) | VERSION_4)
}

const VERSION_MASK: u128 = (0xf << 76) | (0b11 << 62);
const VERSION_4: u128 = (4 << 76) | (0b10 << 62);

/// Gives the id of the present version of a document.
pub fn document_version(document: &Document) -> String {
    let version = u128::from(document.version) << 64;
    document_key(DocumentId::new(document.id.bits() ^ version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_named_by_either_id() {
        let id = WorkflowId::new((1_700_000_000_123_u128 << 80) | 7);
        let second = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(named(&workflow_id(id)), Some(Named::Internal { second }));
        assert_eq!(named("IC-12"), Some(Named::Readable { number: 12 }));
        for text in [
            "",
            "IC-",
            "IC-0",
            "IC-01",
            "IC-+1",
            "ic-1",
            "IC-99999999999",
            "5928719B30182D3700364A74",
            "5928719b30182d3700364a7",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
