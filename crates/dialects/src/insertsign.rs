//! InsertSign: an envelope with the request, the contact, the signer or the mail inside.
//!
//! Invariants: members stand in the order of the vendor's samples, and each event shows of a signer what its sample shows;
//! moments are ISO 8601 text at the top and integers of milliseconds inside `data`; nothing is signed, no event has an id.
//! Source: <https://insertsign.com/docs/integrations/webhooks>, one sample per event.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::call::{Call, Method};
use domain::event::{Event, Kind};
use domain::facts::{AboutContact, AboutMail, AboutRequest};
use domain::id::{AccountId, ContactId, RequestId, SignerId};
use domain::request::{self, Request};
use domain::signer::{self, Role, Signer};
use domain::time::Timestamp;
use serde::{Serialize, Serializer};

use crate::data::{self, json, json_headers};
use crate::error::Unsayable;
use crate::headers::add_own;
use crate::{Dialect, Target, Word, derive};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Insertsign;

/// The vendor has no event for declining, viewing, reminding, cancelling or expiring.
const WORDS: &[Word] = &[
    Word { name: "request.sent", kind: Kind::RequestSent },
    Word { name: "signer.signed", kind: Kind::SignerSigned },
    Word { name: "request.completed", kind: Kind::RequestCompleted },
    Word { name: "request.archived", kind: Kind::RequestArchived },
    Word { name: "request.deleted", kind: Kind::RequestDeleted },
    Word { name: "contact.created", kind: Kind::ContactCreated },
    Word { name: "email.delivered", kind: Kind::EmailDelivered },
    Word { name: "email.bounced", kind: Kind::EmailBounced },
    Word { name: "email.spammed", kind: Kind::EmailComplained },
];

impl Dialect for Insertsign {
    fn words(&self) -> &'static [Word] {
        WORDS
    }

    fn render(&self, event: &Event, target: &Target<'_>) -> Result<Option<Call>, Unsayable> {
        let Some(word) = WORDS.iter().find(|word| word.kind == event.kind) else {
            return Ok(None);
        };
        let body = if event.kind == Kind::SignerSigned {
            let about: AboutRequest = data::read(event)?;
            body(event, word.name, SignedData::new(event, &about)?)?
        } else if event.kind == Kind::ContactCreated {
            let about: AboutContact = data::read(event)?;
            body(event, word.name, ContactData::new(event.account, &about))?
        } else if word.name.starts_with("email.") {
            let AboutMail { subject, to, reason: _ } = data::read(event)?;
            let (request_id, account_id) = (event.request, event.account);
            body(event, word.name, MailData { subject, to, request_id, account_id })?
        } else {
            let about: AboutRequest = data::read(event)?;
            body(event, word.name, RequestData::new(event, &about.request))?
        };
        let mut headers = json_headers();
        add_own(&mut headers, &target.endpoint.secrets)?;
        Ok(Some(Call { method: Method::Post, url: Arc::clone(target.url), headers, body }))
    }
}

fn body(event: &Event, name: &'static str, data: impl Serialize) -> Result<Vec<u8>, Unsayable> {
    json(&Envelope { created_at: event.at, data, r#type: name })
}

#[derive(Debug, Serialize)]
struct Envelope<D> {
    created_at: Timestamp,
    data: D,
    r#type: &'static str,
}

#[derive(Debug, Serialize)]
struct RequestData<'a> {
    request_id: RequestId,
    account_id: AccountId,
    request: RequestForm<'a>,
}

#[derive(Debug, Serialize)]
struct RequestForm<'a> {
    signers: Signers<'a>,
    /// "May only be present in this event", says the page of `request.sent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer_order: Option<Vec<SignerId>>,
    progress: u8,
    /// Left out of a draft's deletion, for which there is no sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_date: Option<i64>,
    status: &'static str,
    title: &'a str,
    sender: SenderForm<'a>,
}

impl<'a> RequestData<'a> {
    fn new(event: &Event, request: &'a Request) -> Self {
        let asked: Vec<&Signer> =
            request.signers.iter().filter(|signer| is_asked(signer)).collect();
        let signer_order = (event.kind == Kind::RequestSent).then(|| {
            let mut order = asked.clone();
            order.sort_by_key(|signer| signer.order);
            order.into_iter().map(|signer| signer.id).collect()
        });
        let sender = &request.sender;
        Self {
            request_id: request.id,
            account_id: request.account,
            request: RequestForm {
                signers: Signers(
                    asked.iter().map(|s| (s.id, SignerForm::new(event.kind, s))).collect(),
                ),
                signer_order,
                progress: request.progress,
                sent_date: request.sent_at().map(Timestamp::as_millis),
                status: status(request),
                title: &request.title,
                sender: SenderForm {
                    id: sender_id(request.account, &sender.email),
                    name: &sender.name,
                    email: &sender.email,
                },
            },
        }
    }
}

/// Those who sign: no copies, and of a part that was handed on only who has it now.
fn is_asked(signer: &Signer) -> bool {
    signer.role == Role::Signer && !matches!(signer.state, signer::State::Reassigned { .. })
}

/// Seen in the samples are `sent`, `complete` and `archived`, in the text `draft`; the others are ours.
const fn status(request: &Request) -> &'static str {
    if request.archived_at.is_some() {
        return "archived";
    }
    match request.state {
        request::State::Completed { .. } => "complete",
        request::State::Draft
        | request::State::Sent { .. }
        | request::State::Declined { .. }
        | request::State::Expired { .. }
        | request::State::Cancelled { .. } => request.state.as_str(),
    }
}

/// Derives an opaque text of 20 characters, as in the samples.
fn sender_id(account: AccountId, email: &str) -> String {
    let bytes = derive::bytes("insertsign sender", account, email);
    URL_SAFE_NO_PAD.encode(bytes.first_chunk::<15>().map_or(bytes.as_slice(), |head| head))
}

#[derive(Debug, Serialize)]
struct SenderForm<'a> {
    id: String,
    name: &'a str,
    email: &'a str,
}

/// An object with the signers' ids as its keys, in the order given.
#[derive(Debug)]
struct Signers<'a>(Vec<(SignerId, SignerForm<'a>)>);

impl Serialize for Signers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, form)| (id, form)))
    }
}

/// A signer inside a request, as the samples show one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SignerForm<'a> {
    /// In `request.deleted`; in `request.sent` and `request.archived` with a label, if there is one.
    Plain {
        id: SignerId,
        email: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
    },
    /// The second signer of the `request.sent` sample: a contact of the account, by the look of its members.
    /// `timestamp` is no time but a sort key below zero.
    WithCompany {
        company: &'a str,
        created_at: i64,
        id: SignerId,
        email: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        timestamp: i64,
    },
    /// In `request.completed`.
    Signed {
        id: SignerId,
        email: &'a str,
        name: &'a str,
        status: &'static str,
        r#type: &'static str,
    },
}

impl<'a> SignerForm<'a> {
    fn new(kind: Kind, signer: &'a Signer) -> Self {
        let Signer { id, person, .. } = signer;
        let (id, email, name) = (*id, person.email.as_str(), person.name.as_str());
        let label = person.label.as_deref();
        if kind == Kind::RequestCompleted {
            return Self::Signed {
                id,
                email,
                name,
                status: signer.status(),
                r#type: "type_signer",
            };
        }
        match &person.company {
            Some(company) if kind == Kind::RequestSent => {
                let created_at = id.minted_at().as_millis();
                Self::WithCompany {
                    company,
                    created_at,
                    id,
                    email,
                    name,
                    label,
                    timestamp: -created_at,
                }
            }
            Some(_) | None => {
                let label = if kind == Kind::RequestDeleted { None } else { label };
                Self::Plain { id, email, name, label }
            }
        }
    }
}

/// What `signer.signed` says: flat, without the request.
#[derive(Debug, Serialize)]
struct SignedData<'a> {
    email: &'a str,
    name: &'a str,
    /// `signer`, or `sender` if the sender signed.
    r#type: &'static str,
    device: &'static str,
    /// Empty if we do not know it, which the vendor always does.
    ip: &'a str,
    signed_at: i64,
    request_id: RequestId,
    id: SignerId,
    account_id: AccountId,
}

impl<'a> SignedData<'a> {
    fn new(event: &Event, about: &'a AboutRequest) -> Result<Self, Unsayable> {
        let who = data::signer(event, about)?;
        let signer::State::Signed { signed_at, evidence } = &who.state else {
            return Err(Unsayable::Missing { kind: event.kind, part: "signature" });
        };
        let is_sender = who.person.email.eq_ignore_ascii_case(&about.request.sender.email);
        Ok(Self {
            email: &who.person.email,
            name: &who.person.name,
            r#type: if is_sender { "sender" } else { "signer" },
            device: evidence.device.as_str(),
            ip: evidence.ip.as_deref().unwrap_or(""),
            signed_at: signed_at.as_millis(),
            request_id: about.request.id,
            id: who.id,
            account_id: event.account,
        })
    }
}

/// What `contact.created` says. An unset label or company is an empty text, as the page says of `company`.
#[derive(Debug, Serialize)]
struct ContactData<'a> {
    email: &'a str,
    name: &'a str,
    label: &'a str,
    company: &'a str,
    id: ContactId,
    account_id: AccountId,
    created_at: i64,
}

impl<'a> ContactData<'a> {
    fn new(account: AccountId, about: &'a AboutContact) -> Self {
        let contact = &about.contact;
        Self {
            email: &contact.person.email,
            name: &contact.person.name,
            label: contact.person.label.as_deref().unwrap_or(""),
            company: contact.person.company.as_deref().unwrap_or(""),
            id: contact.id,
            account_id: account,
            created_at: contact.created_at.as_millis(),
        }
    }
}

/// What `email.*` says: no reason, no id of the message.
#[derive(Debug, Serialize)]
struct MailData {
    subject: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    account_id: AccountId,
}
