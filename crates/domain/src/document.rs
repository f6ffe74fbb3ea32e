//! Documents that are signed: PDFs as they were uploaded, and which requests have them.
//!
//! Invariants: a document's bytes never change; one that no request has says when it goes; transitions are pure.
//! Left to others: keeping the bytes (`engine::documents`), texts of contract workflows ([`mod@crate::workflow`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::chain::Hash;
use crate::id::{AccountId, DocumentId, RequestId};
use crate::time::{DAY_MS, Timestamp};

/// The most bytes of a document: 20 MiB.
pub const BYTES_MAX: u64 = 20 * 1024 * 1024;
/// The most documents of a request.
pub const OF_REQUEST_MAX: usize = 20;
/// The most requests that have the same document.
pub const REQUESTS_MAX: usize = 1_000;
/// How long a document is kept that no request has.
pub const UNUSED_MS: i64 = DAY_MS;
/// The bytes of a piece, all but the last. What is kept lies in pieces of this size, so it never changes.
pub const PIECE_BYTES: usize = 256 * 1024;

/// What a document is in short: what a request and its events say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Its id.
    pub id: DocumentId,
    /// Its file's name, 1 to 200 characters.
    pub name: String,
    /// How many bytes it has, 1 to [`BYTES_MAX`].
    pub size_bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Hash,
}

/// A document. Its serialised form is what the API shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it is.
    #[serde(flatten)]
    pub brief: Brief,
    /// Whose it is.
    #[serde(rename = "account_id")]
    pub account: AccountId,
    /// What its bytes are.
    pub media_type: MediaType,
    /// When it was uploaded.
    pub uploaded_at: Timestamp,
    /// When it goes, as long as no request has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Which requests have it.
    #[serde(rename = "request_ids")]
    pub requests: BTreeSet<RequestId>,
}

/// What a document's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaType {
    /// Portable Document Format.
    #[serde(rename = "application/pdf")]
    Pdf,
}

impl MediaType {
    /// How many of the first bytes tell what a document is.
    pub const HEAD_BYTES: usize = PDF_HEAD.len();

    /// Recognises a document by its first bytes (PDF: ISO 32000-1, 7.5.2); `None` when it is nothing that is taken.
    pub fn of(head: &[u8]) -> Option<Self> {
        head.starts_with(PDF_HEAD).then_some(Self::Pdf)
    }

    /// Names it as HTTP does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
        }
    }
}

const PDF_HEAD: &[u8] = b"%PDF-";

/// As many requests have the document as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{REQUESTS_MAX} requests have the document, and no more may; upload it once more")]
pub struct Full;

impl Document {
    /// Makes a document that was just uploaded, and that no request has.
    pub const fn new(brief: Brief, account: AccountId, kind: MediaType, now: Timestamp) -> Self {
        Self {
            brief,
            account,
            media_type: kind,
            uploaded_at: now,
            expires_at: Some(now.plus_millis(UNUSED_MS)),
            requests: BTreeSet::new(),
        }
    }

    /// Gives it to a request, with which it stays. Doing it again changes nothing.
    pub fn attach(mut self, request: RequestId) -> Result<Self, Full> {
        self.requests.insert(request);
        self.expires_at = None;
        if self.requests.len() > REQUESTS_MAX { Err(Full) } else { Ok(self) }
    }

    /// Takes it from a request; when no other one has it, it says when it goes. Doing it again changes nothing.
    #[must_use]
    pub fn detach(mut self, request: RequestId, now: Timestamp) -> Self {
        if self.requests.remove(&request) && self.requests.is_empty() {
            self.expires_at = Some(now.plus_millis(UNUSED_MS));
        }
        self
    }

    /// Tells whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Counts its pieces.
    pub const fn pieces(&self) -> u64 {
        self.brief.size_bytes.div_ceil(PIECE_BYTES as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn document() -> Document {
        let (id, name) = (DocumentId::new(1), "lease.pdf".to_owned());
        let brief = Brief { id, name, size_bytes: 300_000, sha256: Hash([7; 32]) };
        Document::new(brief, AccountId::new(2), MediaType::Pdf, NOW)
    }

    proptest! {
        #[test]
        fn a_document_says_when_it_goes_exactly_while_nobody_has_it(
            steps in prop::collection::vec((any::<bool>(), 0_u128..4), 0..20),
        ) {
            let mut document = document();
            for (attaches, request) in steps {
                let request = RequestId::new(request);
                document = if attaches {
                    document.attach(request).unwrap()
                } else {
                    document.detach(request, NOW)
                };
                prop_assert_eq!(document.requests.contains(&request), attaches);
                prop_assert_eq!(document.expires_at.is_some(), document.requests.is_empty());
            }
            let text = serde_json::to_string(&document).unwrap();
            prop_assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
        }
    }

    #[test]
    fn a_document_is_for_a_bounded_number_of_requests() {
        let requests = (0..REQUESTS_MAX as u128).map(RequestId::new).collect();
        let full = Document { requests, ..document() };
        assert!(full.clone().attach(RequestId::new(5)).is_ok());
        assert_eq!(full.attach(RequestId::new(u128::MAX)), Err(Full));
    }

    #[test]
    fn a_pdf_is_recognised_by_how_it_begins() {
        assert_eq!(MediaType::of(b"%PDF-1.7\n"), Some(MediaType::Pdf));
        for other in [&b""[..], b"%PDF", b" %PDF-1.7", b"<html>%PDF-", b"PK\x03\x04"] {
            assert_eq!(MediaType::of(other), None);
        }
    }

    #[test]
    fn pieces_are_counted_with_the_last_one() {
        let of =
            |size_bytes| Document { brief: Brief { size_bytes, ..document().brief }, ..document() };
        let piece = PIECE_BYTES as u64;
        assert_eq!([1, piece, piece + 1, BYTES_MAX].map(|size| of(size).pieces()), [1, 1, 2, 80]);
    }
}
