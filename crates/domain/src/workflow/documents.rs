//! Documents: added, removed, changed and renamed in batches, and worked on one by one. Only in review.
//!
//! Left to others: the texts themselves, and their bounds (`engine`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, DOCUMENTS_MAX, Document, Done, Refused, Renamed, Workflow};
use crate::chain::Hash;
use crate::id::DocumentId;
use crate::time::Timestamp;

/// The text of a document, as others keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The name of the file, 1 to 200 characters.
    pub name: String,
    /// What kind of file it is, such as `application/pdf`.
    pub media_type: String,
    /// How long it is, in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

impl Written {
    /// Gives the first version of a document.
    pub(super) fn first(
        self,
        id: DocumentId,
        place: String,
        (by, now): (&str, Timestamp),
    ) -> Document {
        let Self { name, media_type, size_bytes, sha256 } = self;
        let by = by.to_owned();
        Document {
            id,
            place,
            name,
            media_type,
            size_bytes,
            sha256,
            version: 1,
            by,
            updated_at: now,
        }
    }
}

impl Workflow {
    /// Adds documents, each to a place of the template.
    pub fn add_documents(
        self,
        new: Vec<(DocumentId, String, Written)>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Documents)?;
        if self.documents.len() + new.len() > DOCUMENTS_MAX {
            return Err(Refused::Full { what: "documents", max: DOCUMENTS_MAX });
        }
        let mut documents = Vec::with_capacity(new.len());
        for (id, place, written) in new {
            if !self.template.documents.iter().any(|known| known.id == place) {
                return Err(Refused::NoSuch { what: "place for documents", id: place });
            }
            documents.push(written.first(id, place, (by, now)));
        }
        Ok(self.take_some(documents, |documents| Change::DocumentsAdded { documents }, (by, now)))
    }

    /// Removes documents.
    pub fn remove_documents(
        self,
        ids: &BTreeSet<DocumentId>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Documents)?;
        for id in ids {
            self.document(*id)?;
        }
        let ids: Vec<DocumentId> = ids.iter().copied().collect();
        let change = |document_ids| Change::DocumentsRemoved { document_ids };
        Ok(self.take_some(ids, change, (by, now)))
    }

    /// Writes new versions of documents.
    pub fn update_documents(
        self,
        new: BTreeMap<DocumentId, Written>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Documents)?;
        let documents: Result<Vec<_>, _> =
            new.into_iter().map(|(id, written)| self.rewritten(id, written, (by, now))).collect();
        let change = |documents| Change::DocumentsUpdated { documents };
        Ok(self.take_some(documents?, change, (by, now)))
    }

    /// Works on one document. The same text again changes nothing.
    pub fn edit_document(
        self,
        id: DocumentId,
        written: Written,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Documents)?;
        let old = self.document(id)?;
        if old.sha256 == written.sha256 && old.name == written.name {
            return Ok(self.unchanged());
        }
        let document = self.rewritten(id, written, (by, now))?;
        Ok(self.take(vec![Change::DocumentEdited { document }], (by, now)))
    }

    /// Renames documents. Those that are called so already are passed over.
    pub fn rename_documents(
        self,
        names: BTreeMap<DocumentId, String>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Documents)?;
        let mut renamed = Vec::with_capacity(names.len());
        for (id, name) in names {
            if self.document(id)?.name != name {
                renamed.push(Renamed { id, name });
            }
        }
        let change = |documents| Change::DocumentsRenamed { documents };
        Ok(self.take_some(renamed, change, (by, now)))
    }

    /// Says which documents are signed, in which order.
    pub fn order_packet(
        self,
        ids: Vec<DocumentId>,
        (by, now): (&str, Timestamp),
    ) -> Result<Done, Refused> {
        self.must(Action::Documents)?;
        let mut seen = BTreeSet::new();
        for id in &ids {
            self.document(*id)?;
            if !seen.insert(*id) {
                return Err(Refused::Taken { what: "document", id: id.to_string() });
            }
        }
        if self.packet_documents().map(|document| document.id).eq(ids.iter().copied()) {
            return Ok(self.unchanged());
        }
        let packet_documents = Some(ids);
        let change =
            Change::Updated { title: None, metadata: None, packet_documents, schedule: None };
        Ok(self.take(vec![change], (by, now)))
    }

    /// Lists the documents that are signed, in their order.
    pub fn packet_documents(&self) -> impl Iterator<Item = &Document> {
        let chosen = self.packet_documents.as_deref();
        let by_choice = chosen.into_iter().flatten().filter_map(|id| self.document(*id).ok());
        let by_place = self.documents.iter().filter(move |document| {
            let places = self.template.documents.iter();
            let mut signed = places.filter(|place| place.in_packet);
            chosen.is_none() && signed.any(|place| place.id == document.place)
        });
        by_choice.chain(by_place)
    }

    /// Finds a document.
    pub fn document(&self, id: DocumentId) -> Result<&Document, Refused> {
        let found = self.documents.iter().find(|document| document.id == id);
        found.ok_or_else(|| Refused::NoSuch { what: "document", id: id.to_string() })
    }

    fn rewritten(
        &self,
        id: DocumentId,
        written: Written,
        (by, now): (&str, Timestamp),
    ) -> Result<Document, Refused> {
        let old = self.document(id)?;
        let new = written.first(id, old.place.clone(), (by, now));
        Ok(Document { version: old.version.saturating_add(1), ..new })
    }

    /// Makes one change of a batch, unless the batch is empty.
    fn take_some<T>(
        self,
        batch: Vec<T>,
        change: impl FnOnce(Vec<T>) -> Change,
        with: (&str, Timestamp),
    ) -> Done {
        if batch.is_empty() { self.unchanged() } else { self.take(vec![change(batch)], with) }
    }
}
