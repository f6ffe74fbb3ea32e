//! The sign step as Ironclad's interface shows it, and what clients send there.
//!
//! Invariants: a status says of a signer what the request that is out knows of them; who signed on paper stands at no place in
//! the order; a frame's origin is `https`, a host and perhaps a port, and nothing that could mean more where it is written.
//!
//! Sources: <https://developer.ironcladapp.com/reference/get-sign-status> and its neighbours (members, values, errors);
//! `routing` and `routingOrder` of the signers, from 0, are taken from what the vendor was seen to answer.

use std::collections::BTreeSet;

use domain::request::{Request, SigningOrder};
use domain::signer;
use domain::time::Timestamp;
use domain::workflow::{Packet, Party, Schedule, Signatory, Step, Workflow};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::{Error, People, documents, user_id, workflow_id};
use crate::face::form::{self, Form};

/// Where the signature packet stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignStatus {
    /// Everybody who is to sign, in the order of the workflow.
    pub signers: Vec<Asked>,
    /// `sequential` or `parallel`.
    pub routing: &'static str,
    /// `not_sent`, `sent` or `complete`; `action_required` is never said, since no tags are needed here.
    pub status: &'static str,
    /// Always false: signatures are taken here.
    pub require_signed_document_upload: bool,
    /// The one of the vendor's names under which its links for recipients exist.
    pub provider: &'static str,
    /// When it is sent by itself; only where it is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_send: Option<ScheduledSend>,
}

/// A signer in a [`SignStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The name; empty where nobody is named.
    pub name: String,
    /// The mail address; empty where nobody is named.
    pub email: String,
    /// The name of the part.
    pub role_name: String,
    /// The place in the order, from 0; −1 for who signed on paper.
    pub routing_order: i64,
    /// `pending`, `sent`, `viewed`, `signed` or `declined`.
    pub status: &'static str,
    /// Whether the signature came on paper.
    pub is_wet_signed: bool,
    /// `internal` or `external`.
    #[serde(rename = "type")]
    pub side: &'static str,
    /// The user's id; only of our own side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// When a packet is sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledSend {
    /// At which moment.
    pub notify_at: Timestamp,
    /// The reminder before that, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Reminder>,
}

/// A reminder before a packet is sent by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reminder {
    /// How many days before, 1 to 7.
    pub days_before: u8,
    /// At which moment.
    pub reminder_date: Timestamp,
}

/// Everybody who is to sign, and how far they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signatures {
    /// The workflow.
    pub workflow_id: String,
    /// Its title.
    pub title: String,
    /// Who is to sign.
    pub signers: Vec<SignatureOf>,
    /// `sequential` or `parallel`.
    pub routing: &'static str,
}

/// One signer among [`Signatures`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureOf {
    /// The name of the part.
    pub role_name: String,
    /// The name; empty where nobody is named.
    pub name: String,
    /// The mail address; empty where nobody is named.
    pub email: String,
    /// How far the signer is.
    pub signature_status: SignatureStatus,
    /// The place in the order, from 0; −1 for who signed on paper.
    pub routing_order: i64,
}

/// How far a signer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureStatus {
    /// `pending`, `sent`, `viewed`, `signed` or `declined`.
    pub status: &'static str,
}

/// Whom a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Who has a part.
    Signer {
        /// The part.
        role_name: String,
    },
    /// Somebody who only looks.
    Viewer {
        /// The mail address, unchecked.
        email: String,
    },
}

/// A link to a signer's page in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// The part.
    pub role_name: String,
    /// The origin whose pages may frame it, as browsers write it.
    pub frame: String,
    /// Whether it may be used more than once.
    pub is_reusable: bool,
}

/// Who takes a part over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// Why.
    pub reason: String,
    /// Who.
    pub to: Assigned,
}

/// Who takes a part over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assigned {
    /// One of our users.
    Internal {
        /// The vendor's form of the user's id.
        user_id: String,
    },
    /// Anybody else; unchecked.
    External {
        /// The mail address.
        email: String,
        /// The name.
        name: String,
    },
}

/// When a packet is to be sent by itself; what the client leaves out is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scheduled {
    /// At which moment.
    pub notify_at: Option<Timestamp>,
    /// How many days before that the reminder comes.
    pub days_before: Option<u8>,
    /// Whether there is to be no reminder any more.
    pub is_reminder_gone: bool,
}

/// Shows where the packet of a workflow stands; `request` is the one that is out, or absent where it has just gone out.
pub fn sign_status(workflow: &Workflow, request: Option<&Request>) -> SignStatus {
    let (status, scheduled_send) = match workflow.packet {
        Packet::NotSent => ("not_sent", workflow.schedule.as_ref().map(scheduled)),
        Packet::Sent { .. } => ("sent", None),
        Packet::Signed { .. } => ("complete", None),
    };
    SignStatus {
        signers: workflow.signers.iter().map(|part| asked(workflow, part, request)).collect(),
        routing: routing(workflow),
        status,
        require_signed_document_upload: false,
        provider: "Ironclad Signature",
        scheduled_send,
    }
}

/// Shows one signer of a packet.
pub fn asked(workflow: &Workflow, part: &Signatory, request: Option<&Request>) -> Asked {
    let person = part.person.clone().unwrap_or_default();
    let is_internal = part.part.party == Party::Internal;
    let user = (is_internal && !person.email.is_empty()).then_some(&person.email);
    Asked {
        user_id: user.map(|email| user_id(workflow.account, &email.to_lowercase())),
        name: person.name,
        email: person.email,
        role_name: part.part.role_name.clone(),
        routing_order: place(workflow, part),
        status: status(workflow, part, request),
        is_wet_signed: is_on_paper(part),
        side: if is_internal { "internal" } else { "external" },
    }
}

/// Lists everybody who is to sign, and how far they are.
pub fn signatures(workflow: &Workflow, request: Option<&Request>) -> Signatures {
    let one = |part: &Signatory| {
        let person = part.person.clone().unwrap_or_default();
        SignatureOf {
            role_name: part.part.role_name.clone(),
            name: person.name,
            email: person.email,
            signature_status: SignatureStatus { status: status(workflow, part, request) },
            routing_order: place(workflow, part),
        }
    };
    Signatures {
        workflow_id: workflow_id(workflow.id),
        title: workflow.title.clone(),
        signers: workflow.signers.iter().map(one).collect(),
        routing: routing(workflow),
    }
}

/// Shows what came of a signed paper: the paper, and where others are still to sign, everybody.
pub fn uploaded(people: People<'_>) -> Value {
    let workflow = people.workflow;
    let (id, title) = (workflow_id(workflow.id), &workflow.title);
    let paper = workflow.uploads.last().map(|document| documents::shown(people, document));
    if workflow.step != Step::Sign {
        return json!({"workflowId": id, "title": title, "signed": paper});
    }
    let one = |part: &Signatory| {
        let person = part.person.clone().unwrap_or_default();
        json!({
            "name": person.name, "email": person.email, "roleName": part.part.role_name,
            "signatureStatus": {"status": status(workflow, part, None)},
        })
    };
    let signers: Vec<Value> = workflow.signers.iter().map(one).collect();
    json!({"workflowId": id, "title": title, "signers": signers, "partiallySigned": paper})
}

fn routing(workflow: &Workflow) -> &'static str {
    match workflow.template.signing_order {
        SigningOrder::Parallel => "parallel",
        SigningOrder::Sequential => "sequential",
    }
}

/// Gives a signer's place: how many steps of the order come before.
fn place(workflow: &Workflow, part: &Signatory) -> i64 {
    if is_on_paper(part) {
        return -1;
    }
    let others = workflow.signers.iter().map(|other| other.part.order);
    let mut before: Vec<u32> = others.filter(|order| *order < part.part.order).collect();
    before.sort_unstable();
    before.dedup();
    i64::try_from(before.len()).unwrap_or(i64::MAX)
}

/// A part that is signed has an id in the request it was signed in, if there was one.
const fn is_on_paper(part: &Signatory) -> bool {
    part.has_signed() && part.signer_id.is_none()
}

fn status(workflow: &Workflow, part: &Signatory, request: Option<&Request>) -> &'static str {
    if part.has_signed() {
        return "signed";
    }
    let Some(id) = part.signer_id else { return "pending" };
    match request.map(|request| request.signer(id).map(|signer| &signer.state)) {
        // Of a packet that has just gone out, the order says who was asked.
        None if has_turn(workflow, part) => "sent",
        None | Some(None | Some(signer::State::Waiting | signer::State::Reassigned { .. })) => {
            "pending"
        }
        Some(Some(signer::State::Notified { .. })) => "sent",
        Some(Some(signer::State::Viewed { .. })) => "viewed",
        Some(Some(signer::State::Signed { .. })) => "signed",
        Some(Some(signer::State::Declined { .. })) => "declined",
    }
}

fn has_turn(workflow: &Workflow, part: &Signatory) -> bool {
    let open = workflow.signers.iter().filter(|other| !other.has_signed());
    match workflow.template.signing_order {
        SigningOrder::Parallel => true,
        SigningOrder::Sequential => {
            open.map(|other| other.part.order).min() == Some(part.part.order)
        }
    }
}

fn scheduled(schedule: &Schedule) -> ScheduledSend {
    let reminder = |reminder_date| Reminder {
        days_before: schedule.remind_days_before.unwrap_or_default(),
        reminder_date,
    };
    ScheduledSend { notify_at: schedule.send_at, reminder: schedule.remind_at().map(reminder) }
}

/// Says that a workflow is not where it is signed; calls that read have another sentence than those that act.
pub fn not_at_sign(step: Step, is_read: bool) -> Error {
    let step = match step {
        Step::Create => "Create",
        Step::Review => "Review",
        Step::Sign => "Sign",
        Step::Archive => "Archive",
    };
    let message = if is_read {
        format!("This workflow is not at the Sign step, and is currently at the {step} step")
    } else {
        "Workflow must be on Sign Step.".to_owned()
    };
    Error::state(message)
}

/// Says that parts of a paper are not there, or signed already.
pub fn no_such_signers() -> Error {
    Error {
        code: "INVALID_PARAM",
        message: "The signer field contains invalid signers, please check.".to_owned(),
        param: None,
    }
}

/// Says that no file came along.
pub fn no_attachment() -> Error {
    Error {
        message: "missing required form-data part 'attachment'".to_owned(),
        ..Error::missing("attachments")
    }
}

/// Reads what comes along with a paper: the parts that it is signed for, one at least; `None` for all of them, where nothing
/// is said of parts. Who names nobody does not say that everybody has signed.
pub fn signed_by(metadata: &[u8]) -> Result<Option<BTreeSet<String>>, Error> {
    let names = form::read(metadata, |form| {
        let items = form.any("signerRoleNames").map(|names| names.as_array());
        let names = items.map(|items| {
            let name = |item: &Value| item.as_str().map(str::to_owned);
            items.and_then(|items| items.iter().map(name).collect::<Option<BTreeSet<String>>>())
        });
        if names.as_ref().is_some_and(|names| names.as_ref().is_none_or(BTreeSet::is_empty)) {
            let expected = "expected a list of names of parts, one at least; leave it out for all";
            form.flaw_at("signerRoleNames", expected);
        }
        names.flatten()
    });
    names.map_err(Error::flawed)
}

/// Says that a signer was reminded within the last hour.
pub fn reminded_already() -> Error {
    Error {
        code: "TOO_MANY_REQUESTS",
        message: "You cannot remind the signer at this time (you can only send one reminder per hour). Please try again later."
            .to_owned(),
        param: None,
    }
}

/// Reads the body that asks for a link.
pub fn recipient(body: &[u8]) -> Result<Recipient, Error> {
    let read = form::read(body, |form| match form.text("type") {
        Some("signer") => Ok(Recipient::Signer { role_name: needed(form, "roleName")? }),
        Some("viewer") => Ok(Recipient::Viewer { email: needed(form, "email")? }),
        Some(_) => Err(Error::invalid(
            "recipient.type",
            "invalid recipient type; *, signer, viewer are acceptable recipient types",
        )),
        None => Err(Error::missing("type")),
    });
    read.map_err(Error::flawed)?
}

/// Reads the body that asks for a link into a frame.
pub fn embedded(body: &[u8]) -> Result<Embedded, Error> {
    let read = form::read(body, |form| {
        match form.text("type") {
            Some("signer") => {}
            Some(_) => {
                let message =
                    "invalid recipient type; signer is the only acceptable recipient type";
                return Err(Error::invalid("recipient.type", message));
            }
            None => return Err(Error::missing("type")),
        }
        let frame = needed(form, "frameAncestor")?;
        Ok(Embedded {
            role_name: needed(form, "roleName")?,
            frame: origin(&frame).ok_or_else(|| Error::invalid("frameAncestor", FRAME))?,
            is_reusable: form.flag("allowMultipleUsages").unwrap_or(false),
        })
    });
    read.map_err(Error::flawed)?
}

const FRAME: &str = "expected the host of the parent frame, such as https://example.com: https, no path, no wildcard";

/// Reads the origin of a frame: a host, and perhaps `https` before it and a port behind.
fn origin(text: &str) -> Option<String> {
    let has_scheme = text.contains("://");
    let url = if has_scheme { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&url).ok()?;
    let host = url.host_str()?;
    // What a host may hold by the standard of URLs, such as `;`, means something in the header that it is written into.
    let is_plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-[]:".contains(&b));
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let fits = is_plain && is_bare && url.scheme() == "https" && host.len() <= HOST_BYTES_MAX;
    fits.then(|| url.origin().ascii_serialization())
}

/// The longest name of a host.
const HOST_BYTES_MAX: usize = 253;

/// Reads the body that gives a part to somebody else.
pub fn reassignment(body: &[u8]) -> Result<Reassignment, Error> {
    let read = form::read(body, |form| {
        let reason = needed(form, "reason")?;
        if form.any("assigned").is_none() {
            return Err(Error::missing("assigned"));
        }
        let assigned = form.inner("assigned");
        let inside = |name: &str| {
            let value = assigned.text(name).map(str::to_owned);
            value.ok_or_else(|| Error::missing(&format!("assigned.{name}")))
        };
        let to = match assigned.text("type") {
            Some("internal") => Assigned::Internal { user_id: inside("userId")? },
            Some("external") => {
                Assigned::External { email: inside("email")?, name: inside("name")? }
            }
            Some(_) => {
                return Err(Error::invalid("assigned.type", "expected internal or external"));
            }
            None => return Err(Error::missing("assigned.type")),
        };
        Ok(Reassignment { reason, to })
    });
    read.map_err(Error::flawed)?
}

/// Reads the body that says when the packet is sent by itself; `notifyAt` has to be there where it `is_new`.
pub fn schedule(body: &[u8], is_new: bool) -> Result<Scheduled, Error> {
    let read = form::read(body, |form| {
        let notify_at = match form.text("notifyAt") {
            Some(text) => {
                let expected = "expected a moment such as 2026-03-01T12:00:00Z";
                Some(text.parse().map_err(|_error| Error::invalid("notifyAt", expected))?)
            }
            None if is_new => return Err(Error::missing("notifyAt")),
            None => None,
        };
        let days_before = if form.any("reminder").is_some() {
            let days = form.inner("reminder").number("daysBefore");
            let days = days.ok_or_else(|| Error::missing("reminder.daysBefore"))?;
            let days = u8::try_from(days).ok().filter(|days| (1..=7).contains(days));
            let expected = || Error::invalid("reminder.daysBefore", "expected 1 to 7 days");
            Some(days.ok_or_else(expected)?)
        } else {
            None
        };
        let is_reminder_gone = form.is_null("reminder");
        Ok(Scheduled { notify_at, days_before, is_reminder_gone })
    });
    read.map_err(Error::flawed)?
}

/// Reads why a packet is withdrawn.
pub fn reason(body: &[u8]) -> Result<String, Error> {
    form::read(body, |form| needed(form, "reason")).map_err(Error::flawed)?
}

fn needed(form: &Form<'_>, name: &str) -> Result<String, Error> {
    form.text(name).map(str::to_owned).ok_or_else(|| Error::missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_origin_of_https_and_nothing_more() {
        let taken = [
            ("https://example.com", "https://example.com"),
            ("Example.com", "https://example.com"),
            ("https://app.example.com:8443/", "https://app.example.com:8443"),
            ("https://example.com:443", "https://example.com"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("example.com:8443", "https://example.com:8443"),
        ];
        for (text, expected) in taken {
            assert_eq!(origin(text).as_deref(), Some(expected), "{text}");
        }
        let refused = [
            "http://example.com",
            "*",
            "https://*.example.com",
            "https://example.com/sign",
            "https://example.com?a",
            "https://ada@example.com",
            "https://example.com;script-src",
            "https://example.com 'self'",
            "https://a.example,https://b.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "",
        ];
        for text in refused {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn bodies_say_what_is_missing_and_what_is_wrong() {
        let said = |error: Error| {
            let value = serde_json::to_value(&error).unwrap();
            (error.code, value["param"].as_str().unwrap_or_default().to_owned())
        };
        let check = |error: Error, code: &'static str, param: &str| {
            assert_eq!(said(error), (code, param.to_owned()));
        };
        let (gone, wrong) = ("MISSING_PARAM", "INVALID_PARAM");
        check(recipient(b"{}").unwrap_err(), gone, "type");
        check(recipient(br#"{"type":"signer"}"#).unwrap_err(), gone, "roleName");
        check(recipient(br#"{"type":"viewer"}"#).unwrap_err(), gone, "email");
        check(recipient(br#"{"type":"cc"}"#).unwrap_err(), wrong, "recipient.type");
        check(embedded(br#"{"type":"viewer"}"#).unwrap_err(), wrong, "recipient.type");
        check(embedded(br#"{"type":"signer","roleName":"A"}"#).unwrap_err(), gone, "frameAncestor");
        let wild = br#"{"type":"signer","roleName":"A","frameAncestor":"*"}"#;
        check(embedded(wild).unwrap_err(), wrong, "frameAncestor");
        let flag = br#"{"type":"signer","roleName":"A","frameAncestor":"a.example","allowMultipleUsages":1}"#;
        check(embedded(flag).unwrap_err(), wrong, "allowMultipleUsages");
        check(reassignment(b"{}").unwrap_err(), gone, "reason");
        check(reassignment(br#"{"reason":"x"}"#).unwrap_err(), gone, "assigned");
        let user = br#"{"reason":"x","assigned":{"type":"internal"}}"#;
        check(reassignment(user).unwrap_err(), gone, "assigned.userId");
        check(schedule(b"{}", true).unwrap_err(), gone, "notifyAt");
        assert_eq!(schedule(b"{}", false).unwrap(), Scheduled::default());
        check(schedule(br#"{"notifyAt":"soon"}"#, true).unwrap_err(), wrong, "notifyAt");
        let eight = br#"{"reminder":{"daysBefore":8}}"#;
        check(schedule(eight, false).unwrap_err(), wrong, "reminder.daysBefore");
        assert!(schedule(br#"{"reminder":null}"#, false).unwrap().is_reminder_gone);
        check(reason(br#"{"reason":" "}"#).unwrap_err(), gone, "reason");
    }
}
