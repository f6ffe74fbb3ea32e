//! The operations about documents that are signed.

use domain::key::Scope;

use crate::openapi::operations::Operation;

/// Every one, in the order of the document.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: "/api/v1/documents",
        id: "createDocuments",
        summary: "Upload a PDF of at most 20 MiB; one that no request has goes after a day",
        scopes: &[Scope::Requests],
        query: &["name"],
        body: Some("Pdf"),
        status: "201",
        answer: Some("Document"),
    },
    Operation {
        method: "get",
        path: "/api/v1/documents",
        id: "listDocuments",
        summary: "List documents, oldest first",
        scopes: &[Scope::Requests],
        query: &["limit", "cursor"],
        body: None,
        status: "200",
        answer: Some("DocumentList"),
    },
    Operation {
        method: "get",
        path: "/api/v1/documents/{id}",
        id: "readDocuments",
        summary: "Read what a document is, and which requests have it",
        scopes: &[Scope::Requests],
        query: &[],
        body: None,
        status: "200",
        answer: Some("Document"),
    },
    Operation {
        method: "get",
        path: "/api/v1/documents/{id}/content",
        id: "downloadDocuments",
        summary: "Download a document, byte for byte as it was uploaded",
        scopes: &[Scope::Requests],
        query: &[],
        body: None,
        status: "200",
        answer: Some("Pdf"),
    },
    Operation {
        method: "delete",
        path: "/api/v1/documents/{id}",
        id: "deleteDocuments",
        summary: "Delete a document; refused while a request that is not over has it",
        scopes: &[Scope::Requests],
        query: &[],
        body: None,
        status: "204",
        answer: None,
    },
];
