//! Namirial eSignAnyWhere's interface (v6), answered: files uploaded and fetched; envelopes sent, shown, with the links of
//! those whose turn it is, and withdrawn.
//!
//! An envelope is a request of ours, under the same GUID that callbacks name, an activity is a signer, and a file a document.
//!
//! Sources: the members that public clients of version 6 read and send (samples beside the fixtures of FintechOS); states of
//! envelopes and activities as those clients know them.

mod send;

use domain::document::{Brief, Document};
use domain::id::{DocumentId, RequestId};
use domain::request::{Request, SigningOrder, State};
use domain::signer::{self, Role, Signer};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::derive::guid_of;
use crate::face::{Flaws, form};

pub use self::send::{place, wanted};

/// What the client said that has no place of its own: a member of the request's `metadata`.
const NOTES: &str = "esaw";

/// Gives the id that an envelope has at this interface and in callbacks.
pub fn envelope_id(request: &Request) -> String {
    guid_of(request.id.bits())
}

/// Finds which request an envelope's id stands for: a GUID, in any case, or the id that the request has elsewhere.
pub fn request_id(guid: &str) -> Option<RequestId> {
    guid.parse().ok().or_else(|| bits_of(guid).map(RequestId::new))
}

/// Finds which document a file's id stands for: a GUID, in any case, or the id that the document has elsewhere.
pub fn file_id(guid: &str) -> Option<DocumentId> {
    guid.parse().ok().or_else(|| bits_of(guid).map(DocumentId::new))
}

fn bits_of(guid: &str) -> Option<u128> {
    let digits: String = guid.chars().filter(|c| *c != '-').collect();
    let bits = u128::from_str_radix(&digits, 16).ok()?;
    guid_of(bits).eq_ignore_ascii_case(guid).then_some(bits)
}

/// Answers an upload.
pub fn uploaded(document: &Document) -> Value {
    json!({"FileId": guid_of(document.brief.id.bits())})
}

/// Answers the sending of an envelope.
pub fn sent(request: &Request) -> Value {
    json!({"EnvelopeId": envelope_id(request)})
}

/// Shows an envelope's files. Pages are not counted, and the audit trail is no file here, so their members say nothing.
pub fn files(request: &Request) -> Value {
    let file = |(brief, number): (&Brief, u32)| {
        json!({
            "FileId": guid_of(brief.id.bits()),
            "FileName": brief.name,
            "AuditTrailFileId": null,
            "Attachments": [],
            "DocumentNumber": number,
        })
    };
    json!({
        "Documents": request.documents.iter().zip(1..).map(file).collect::<Vec<_>>(),
        "AuditTrail": {"FileId": null, "XmlFileId": null},
        "LegalDocuments": [],
    })
}

/// Reads the body that withdraws an envelope: which one, and why.
pub fn cancelled(body: &[u8]) -> Result<(RequestId, Option<String>), Flaws> {
    let read = form::read(body, |form| {
        let id = form.text("EnvelopeId").and_then(request_id);
        if id.is_none() {
            form.flaw_at("EnvelopeId", "expected the GUID of an envelope");
        }
        (id, form.text("Remarks").map(str::to_owned))
    });
    let (id, why) = read?;
    id.map(|id| (id, why)).ok_or_else(Flaws::new)
}

/// Names where an envelope stands.
pub(crate) const fn status(request: &Request) -> &'static str {
    match request.state {
        State::Draft => "Draft",
        State::Sent { .. } => "Active",
        State::Completed { .. } => "Completed",
        State::Declined { .. } => "Rejected",
        State::Expired { .. } => "Expired",
        State::Cancelled { .. } => "Canceled",
    }
}

/// Shows an envelope.
pub fn envelope(request: &Request) -> Value {
    json!({
        "Id": envelope_id(request),
        "EnvelopeStatus": status(request),
        "Name": request.title,
        "MetaData": request.metadata.get(NOTES).and_then(|notes| notes.get("MetaData")),
        "SentDate": request.sent_at(),
        "Activities": request.signers.iter().map(|signer| activity(request, signer)).collect::<Vec<_>>(),
    })
}

fn activity(request: &Request, signer: &Signer) -> Value {
    let (first, last) = signer.person.name.rsplit_once(' ').unwrap_or((&signer.person.name, ""));
    let recipient = json!({
        "ContactInformation": {
            "Email": signer.person.email,
            "GivenName": first,
            "Surname": last,
            "PhoneNumber": signer.person.mobile,
            "LanguageCode": signer.person.locale,
        },
    });
    let sequence = match request.signing_order {
        SigningOrder::Parallel => "NoSequenceEnforced",
        SigningOrder::Sequential => "SequenceEnforced",
    };
    let action = match signer.role {
        Role::Signer => {
            json!({"Sign": {"RecipientConfiguration": recipient, "SequenceMode": sequence}})
        }
        Role::Cc => json!({"SendCopy": {"RecipientConfiguration": recipient}}),
    };
    let (status, opened, finished) = progress(request, signer);
    json!({
        "Id": guid_of(signer.id.bits()),
        "Status": status,
        "OpenedDate": opened,
        "FinishedDate": finished,
        "Action": action,
    })
}

/// Says how far an activity is: its state, when it was opened, and when it ended.
const fn progress(
    request: &Request,
    signer: &Signer,
) -> (&'static str, Option<Timestamp>, Option<Timestamp>) {
    match signer.state {
        signer::State::Waiting | signer::State::Notified { .. } => match request.state {
            // Who gets a copy has got it when all have signed.
            State::Completed { completed_at, .. } if matches!(signer.role, Role::Cc) => {
                ("Completed", None, Some(completed_at))
            }
            State::Draft
            | State::Sent { .. }
            | State::Completed { .. }
            | State::Declined { .. }
            | State::Expired { .. }
            | State::Cancelled { .. } => ("Pending", None, None),
        },
        signer::State::Viewed { viewed_at, .. } => ("Pending", Some(viewed_at), None),
        signer::State::Signed { signed_at, .. } => ("Completed", None, Some(signed_at)),
        signer::State::Declined { declined_at, .. } => ("Rejected", None, Some(declined_at)),
        signer::State::Reassigned { reassigned_at, .. } => ("Delegated", None, Some(reassigned_at)),
    }
}

/// Shows the links of those whose turn it is; nobody else has one.
pub fn viewer_links(request: &Request, url: impl Fn(&Signer) -> String) -> Value {
    let link = |signer: &Signer| {
        json!({
            "ActivityId": guid_of(signer.id.bits()),
            "Email": signer.person.email,
            "ViewerLink": url(signer),
        })
    };
    json!({ "ViewerLinks": in_turn(request).map(link).collect::<Vec<_>>() })
}

/// Lists those whose turn it is.
pub(crate) fn in_turn(request: &Request) -> impl Iterator<Item = &Signer> {
    let is_open = matches!(request.state, State::Sent { .. });
    request.signers.iter().filter(move |signer| is_open && signer.has_turn())
}

/// Says that something is wrong: `id` names what, and is ours, since the vendor publishes no list of its own; there is no
/// trace to name.
pub fn error(id: &str, message: &str, flaws: &[(String, String)]) -> Value {
    let said = |(place, what): &(String, String)| {
        if place.is_empty() { what.clone() } else { format!("{place}: {what}") }
    };
    let places: Vec<String> = flaws.iter().map(said).collect();
    let message = if places.is_empty() { message.to_owned() } else { places.join("; ") };
    json!({"ErrorId": id, "Message": message, "TraceId": guid_of(0)})
}
