//! Documents of a workflow: shown, added, and put into the signature packet.
//!
//! Sources: <https://developer.ironcladapp.com/reference/retrieve-workflow-documents>,
//! <https://developer.ironcladapp.com/reference/create-a-workflow-document>,
//! <https://developer.ironcladapp.com/reference/update-workflow-signature-packet>.

use std::collections::BTreeSet;

use domain::id::DocumentId;
use domain::workflow::{Document, Workflow};
use serde_json::{Value, json};

use super::course::{self, Word};
use super::{Error, People, document_key, document_version, workflow_id};
use crate::face::form;

/// Shows a document.
pub fn shown(people: People<'_>, document: &Document) -> Value {
    let key = document_key(document.id);
    let workflow = workflow_id(people.workflow.id);
    json!({
        "version": document_version(document),
        "versionNumber": document.version,
        "filename": document.name,
        "key": key,
        "download": format!("/public/api/v1/workflows/{workflow}/document/{key}/download"),
        "lastModified": {"timestamp": document.updated_at, "author": people.author(&document.by)},
    })
}

/// Shows all documents: those that are signed, in their order, and the others.
pub fn all(people: People<'_>) -> Value {
    let workflow = people.workflow;
    let signed: Vec<&Document> = workflow.packet_documents().collect();
    let others = workflow.documents.iter().filter(|document| !signed.contains(document));
    let others: Vec<Value> = others.map(|document| shown(people, document)).collect();
    let signed: Vec<Value> = signed.iter().map(|document| shown(people, document)).collect();
    json!({"signaturePacketDocuments": signed, "excludedFromSignaturePacketDocuments": others})
}

/// Finds the document of a key, papers that were signed elsewhere too.
pub fn find<'a>(workflow: &'a Workflow, key: &str) -> Option<&'a Document> {
    let mut known = workflow.documents.iter().chain(&workflow.uploads);
    known.find(|document| document_key(document.id) == key)
}

/// Reads the body that says which documents are signed, in which order.
pub fn packet(workflow: &Workflow, body: &[u8]) -> Result<Vec<DocumentId>, Error> {
    let keys = form::read(body, |form| {
        let list = form.any(KEYS).map(|list| list.as_array().cloned());
        if list == Some(None) {
            form.flaw_at(KEYS, "expected a list of document keys");
        }
        list.flatten()
    });
    let keys = keys.map_err(Error::flawed)?.ok_or_else(|| Error::missing(KEYS))?;
    let id = |key: &Value| {
        let document = key.as_str().and_then(|key| find(workflow, key));
        let document = document.filter(|document| workflow.documents.contains(document));
        let unknown = || Error::invalid(KEYS, format!("there is no document with the key {key}"));
        Ok(document.ok_or_else(unknown)?.id)
    };
    let ids: Vec<DocumentId> = keys.iter().map(id).collect::<Result<_, _>>()?;
    let distinct: BTreeSet<&DocumentId> = ids.iter().collect();
    if distinct.len() < ids.len() {
        return Err(Error::invalid(KEYS, "expected each key once"));
    }
    Ok(ids)
}

const KEYS: &str = "signaturePacketDocumentKeys";

/// What is said with a document that is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Why it is added.
    pub comment: Word,
    /// The key of a document that this is the next version of.
    pub key: Option<String>,
}

/// Reads the part `metadata`: `{comment: {message, addUsersToWorkflow?}, key?}`.
pub fn metadata(text: &[u8]) -> Result<Metadata, Error> {
    let read = form::read(text, |form| {
        let comment = course::read(&form.inner("comment"));
        (comment, form.text("key").map(str::to_owned))
    });
    let (comment, key) = read.map_err(Error::flawed)?;
    Ok(Metadata { comment: comment.ok_or_else(|| Error::missing("comment"))?, key })
}
