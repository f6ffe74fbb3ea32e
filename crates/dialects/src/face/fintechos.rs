//! FintechOS eSign's interface, answered: the sign request, and the download that gives the next workstep's link.
//!
//! The vendor shows a sign request whose `WorkstepConfigs` are left out, and no answer. So the members of a workstep are
//! those by which eSignAnyWhere, behind it, names a recipient of a step, and answers are ours. Worksteps are done one after the
//! other: the second one's link is there when the first is finished. The document is a file that was uploaded before, by
//! eSignAnyWhere's interface or ours.
//!
//! Source: the webhook page of FintechOS eSign (the request, and that `downloadSignedDocument` gives the next link).

use domain::document::Brief;
use domain::id::RequestId;
use domain::request::{CallbackDialect, Callbacks, Request, Sender, SigningOrder, State};
use domain::secret::Secret;
use domain::signer::{Person, Role, SendTo, Signer};
use serde_json::{Value, json};

use crate::face::form::{self, Form};
use crate::face::{Flaws, Wanted, WantedSigner, esaw};
use crate::vendor::bounds;

/// Finds the key in a body: `Authentication.Key`.
pub fn key(body: &[u8]) -> Result<Option<Secret>, Flaws> {
    form::read(body, |form| form.inner("Authentication").text("Key").map(Secret::new))
}

/// Reads a sign request, which is sent at once.
pub fn wanted(body: &[u8]) -> Result<Wanted, Flaws> {
    form::read(body, |form| {
        let user = form.inner("Authentication").text("Username").unwrap_or_default();
        let file = form.text("FileId").map(esaw::file_id);
        if let Some(None) = file {
            form.flaw_at("FileId", "expected the FileId of a file that was uploaded");
        }
        Wanted {
            title: form.text("SignedDocumentName").unwrap_or_default().to_owned(),
            documents: file.flatten().into_iter().collect(),
            sender: Sender {
                name: user.to_owned(),
                email: bounds::email(user).unwrap_or_default(),
            },
            signing_order: SigningOrder::Sequential,
            signers: form.list("WorkstepConfigs").iter().map(workstep).collect(),
            callbacks: Callbacks {
                finish_url: form.text("WebhookUrl").map(str::to_owned),
                status_url: form.text("WebhookStatusUrl").map(str::to_owned),
                dialect: CallbackDialect::Fintechos,
            },
            ..Wanted::default()
        }
    })
}

fn workstep(form: &Form<'_>) -> WantedSigner {
    let [email, first, last] =
        ["Email", "FirstName", "LastName"].map(|name| form.text(name).unwrap_or_default());
    let name = format!("{first} {last}");
    let name = if name.trim().is_empty() { email } else { name.trim() };
    let mobile = form.text("PhoneNumber").map(str::to_owned);
    if email.is_empty() && mobile.is_none() {
        form.flaw_at("Email", "expected a mail address, or a PhoneNumber");
    }
    WantedSigner {
        person: Person {
            name: name.to_owned(),
            email: email.to_owned(),
            locale: form.text("LanguageCode").map(str::to_owned),
            mobile,
            ..Person::default()
        },
        order: form.number("OrderIndex"),
        role: Role::Signer,
        send_to: SendTo { email: !email.is_empty(), sms: email.is_empty() },
        foreign_id: None,
    }
}

/// Reads which envelope a download is about.
pub fn downloaded(body: &[u8]) -> Result<RequestId, Flaws> {
    let read = form::read(body, |form| {
        let id = form.text("EnvelopeId").and_then(esaw::request_id);
        if id.is_none() {
            form.flaw_at("EnvelopeId", "expected the GUID of an envelope");
        }
        id
    });
    read?.ok_or_else(Flaws::new)
}

/// Says where a place of ours stands in a sign request.
pub fn place(path: &str) -> String {
    let path = path
        .strip_prefix("signers")
        .map_or_else(|| path.to_owned(), |rest| format!("WorkstepConfigs{rest}"));
    let (before, last) = path.rsplit_once('.').unwrap_or(("", &path));
    match (before, last) {
        ("", "title") => "SignedDocumentName".to_owned(),
        ("", "documents[0]") => "FileId".to_owned(),
        ("sender", _) => "Authentication.Username".to_owned(),
        ("callbacks", "finish_url") => "WebhookUrl".to_owned(),
        ("callbacks", "status_url") => "WebhookStatusUrl".to_owned(),
        (_, "email") => format!("{before}.Email"),
        (_, "name") => format!("{before}.FirstName"),
        (_, "mobile") => format!("{before}.PhoneNumber"),
        (_, "locale") => format!("{before}.LanguageCode"),
        (_, "order") => format!("{before}.OrderIndex"),
        _ => path,
    }
}

/// Answers a sign request: the envelope, and the link of the first workstep.
pub fn signed(request: &Request, url: impl Fn(&Signer) -> String) -> Value {
    json!({"EnvelopeId": esaw::envelope_id(request), "WorkstepUrl": link(request, url)})
}

/// Tells which document a download gives: the first one, when all have signed.
pub fn signed_document(request: &Request) -> Option<&Brief> {
    match request.state {
        State::Completed { .. } => request.documents.first(),
        State::Draft
        | State::Sent { .. }
        | State::Declined { .. }
        | State::Expired { .. }
        | State::Cancelled { .. } => None,
    }
}

/// Answers a download: where the envelope stands, and the link of the next workstep while there is one, or the document in
/// Base64 when all have signed.
pub fn download(
    request: &Request,
    document: Option<&str>,
    url: impl Fn(&Signer) -> String,
) -> Value {
    json!({
        "EnvelopeId": esaw::envelope_id(request),
        "EnvelopeStatus": esaw::status(request),
        "SignedDocumentName": request.title,
        "WorkstepUrl": link(request, url),
        "SignedDocument": document,
    })
}

fn link(request: &Request, url: impl Fn(&Signer) -> String) -> Option<String> {
    esaw::in_turn(request).next().map(url)
}
