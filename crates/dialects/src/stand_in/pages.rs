//! What a vendor's interface shows of a request, in the form in which it is read when the vendor is asked.
//!
//! Sources: those of `vendor::clickwrap`, `vendor::ironclad` and `vendor::esaw`.

use domain::request::{Request, SigningOrder, State};
use domain::signer::{self, Signer};
use domain::source::Vendor;
use serde_json::{Value, json};

use crate::derive::guid_of;

/// One page of a vendor's interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where, below the base of the interface; begins with a slash.
    pub path: String,
    /// What it is.
    pub media_type: &'static str,
    /// What it says.
    pub body: String,
}

/// Gives the path below which a vendor's interface lies; `None` for one that has none.
pub const fn base_path(vendor: Vendor) -> Option<&'static str> {
    match vendor {
        Vendor::Clickwrap => Some("/v1.1"),
        Vendor::Ironclad => Some("/public/api/v1"),
        Vendor::Insertsign => None,
        Vendor::Fintechos | Vendor::Esaw => Some("/Api/v6.0"),
    }
}

/// Writes what a vendor says, with 404, of what it does not know.
pub fn page_missing(vendor: Vendor) -> String {
    let what = "there is nothing of that id";
    let body = match vendor {
        Vendor::Clickwrap | Vendor::Insertsign => json!({ "message": what }),
        Vendor::Ironclad => json!({"code": "NOT_FOUND", "message": what}),
        Vendor::Fintechos | Vendor::Esaw => json!({"ErrorId": "ERR0014", "Message": what}),
    };
    body.to_string()
}

/// Gives the vendor's id for a request.
pub(super) fn foreign_id(vendor: Vendor, request: &Request) -> String {
    match vendor {
        Vendor::Clickwrap | Vendor::Insertsign => request.id.to_string(),
        Vendor::Ironclad => hex_id(request.id.bits()),
        Vendor::Fintechos | Vendor::Esaw => guid_of(request.id.bits()),
    }
}

/// Writes an id as Ironclad does: 24 digits, of moment and chance.
pub(super) fn hex_id(bits: u128) -> String {
    format!("{:08x}{:016x}", (bits >> 80) & 0xffff_ffff, bits & 0xffff_ffff_ffff_ffff)
}

/// Names the part that a signer has at Ironclad.
pub(super) fn role(signer: &Signer) -> String {
    format!("Signer {}", signer.order)
}

/// Lists the pages about a request.
pub(super) fn of(vendor: Vendor, request: &Request, is_wrapped: bool) -> Vec<Page> {
    let id = foreign_id(vendor, request);
    let page = |path: String, body: Value| Page {
        path,
        media_type: "application/json",
        body: body.to_string(),
    };
    match vendor {
        Vendor::Clickwrap => {
            let shown = clickwrap(request);
            let shown = if is_wrapped { json!({ "data": shown }) } else { shown };
            vec![page(format!("/requests/{id}"), shown)]
        }
        Vendor::Ironclad => vec![
            page(format!("/workflows/{id}/signatures"), signatures(&id, request)),
            page(format!("/workflows/{id}"), workflow(&id, request)),
        ],
        Vendor::Insertsign => Vec::new(),
        Vendor::Fintechos | Vendor::Esaw => vec![
            page(format!("/envelope/{id}"), envelope(&id, request)),
            page(format!("/envelope/{id}/viewerlinks"), links(request)),
        ],
    }
}

fn signing_url(signer: &Signer) -> String {
    format!("https://vendor.example/sign/{}", signer.id)
}

fn clickwrap(request: &Request) -> Value {
    let signers = request.signers.iter().map(|signer| {
        let (first, last) = signer.person.name.split_once(' ').unwrap_or_default();
        let status = match &signer.state {
            signer::State::Waiting => "pending",
            signer::State::Notified { .. } => "sent",
            signer::State::Viewed { .. } => "opened",
            signer::State::Signed { .. } => "signed",
            signer::State::Declined { .. } | signer::State::Reassigned { .. } => "other",
        };
        json!({
            "send_to": {"email": true, "mobile_number": false},
            "signer_id": signer.id,
            "signer": {
                "email": signer.person.email, "mobile_number": null,
                "title": signer.person.label, "company_name": signer.person.company,
                "additional_attributes": {"first_name": first, "last_name": last},
            },
            "order": signer.order, "request_url": signing_url(signer), "status": status,
        })
    });
    let status = match &request.state {
        State::Draft => "draft",
        State::Sent { .. } | State::Declined { .. } => "sent",
        State::Completed { .. } => "completed",
        State::Expired { .. } => "expired",
        State::Cancelled { .. } => "cancelled",
    };
    let signers: Vec<Value> = signers.collect();
    json!({
        "request_id": request.id, "name": request.title, "from_name": request.sender.name,
        "status": status, "signers": signers,
    })
}

fn signatures(id: &str, request: &Request) -> Value {
    let signers = request.signers.iter().map(|signer| {
        let status = match &signer.state {
            signer::State::Waiting => "pending",
            signer::State::Notified { .. } => "sent",
            signer::State::Viewed { .. } => "viewed",
            signer::State::Signed { .. } => "signed",
            signer::State::Declined { .. } => "declined",
            signer::State::Reassigned { .. } => "reassigned",
        };
        json!({
            "name": signer.person.name, "email": signer.person.email, "roleName": role(signer),
            "routingOrder": signer.order.saturating_sub(1), "signatureStatus": {"status": status},
        })
    });
    let routing = match request.signing_order {
        SigningOrder::Sequential => "sequential",
        SigningOrder::Parallel => "parallel",
    };
    let signers: Vec<Value> = signers.collect();
    json!({"workflowId": id, "title": request.title, "routing": routing, "signers": signers})
}

fn workflow(id: &str, request: &Request) -> Value {
    let (status, state) = match &request.state {
        State::Completed { .. } => ("completed", "completed"),
        State::Cancelled { .. } => ("cancelled", "in_progress"),
        State::Draft | State::Sent { .. } | State::Declined { .. } | State::Expired { .. } => {
            ("active", "in_progress")
        }
    };
    json!({
        "id": id, "title": request.title, "status": status,
        "isCancelled": status == "cancelled", "signatures": {"state": state},
    })
}

fn envelope(id: &str, request: &Request) -> Value {
    let activities = request.signers.iter().map(|signer| {
        let (given, surname) = signer.person.name.split_once(' ').unwrap_or_default();
        let (status, opened, finished) = match &signer.state {
            signer::State::Waiting | signer::State::Notified { .. } => ("Pending", None, None),
            signer::State::Viewed { viewed_at, .. } => ("Pending", Some(viewed_at), None),
            signer::State::Signed { signed_at, .. } => ("Completed", None, Some(signed_at)),
            signer::State::Declined { declined_at, .. } => ("Rejected", None, Some(declined_at)),
            signer::State::Reassigned { reassigned_at, .. } => {
                ("Delegated", None, Some(reassigned_at))
            }
        };
        let contact = json!({"Email": signer.person.email, "GivenName": given, "Surname": surname});
        json!({
            "Id": guid_of(signer.id.bits()), "Status": status,
            "OpenedDate": opened, "FinishedDate": finished,
            "Action": {"Sign": {"RecipientConfiguration": {"ContactInformation": contact}}},
        })
    });
    let status = match &request.state {
        State::Draft => "Draft",
        State::Sent { .. } => "Active",
        State::Completed { .. } => "Completed",
        State::Declined { .. } => "Rejected",
        State::Expired { .. } => "Expired",
        State::Cancelled { .. } => "Canceled",
    };
    let activities: Vec<Value> = activities.collect();
    json!({
        "Id": id, "EnvelopeStatus": status, "Name": request.title,
        "SentDate": request.sent_at(), "Activities": activities,
    })
}

/// A link exists for those whose turn it is.
fn links(request: &Request) -> Value {
    let turns = request.signers.iter().filter(|signer| signer.has_turn());
    let links = turns.map(|signer| {
        json!({
            "ActivityId": guid_of(signer.id.bits()), "Email": signer.person.email,
            "ViewerLink": signing_url(signer),
        })
    });
    json!({"ViewerLinks": links.collect::<Vec<Value>>()})
}
