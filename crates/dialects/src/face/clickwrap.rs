//! Ironclad Clickwrap's interface (v1.1), answered: signature requests drafted, shown, and listed.
//!
//! The vendor publishes what a request is created with, and of what it answers a fragment: `signers` with `send_to`, `signer`
//! and `request_url`. Other members are ours, in the vendor's spelling. An account of ours is one site, and what a client
//! says of contracts is kept with the request and given back, since there are no contracts here.
//!
//! Sources: <https://clickwrap-developer.ironcladapp.com/docs/sending-contracts-rest-api> and
//! <https://clickwrap-developer.ironcladapp.com/docs/creating-signature-requests> (creating), the guide to one's own e-mail
//! and SMS provider (the fragment, paths), <https://clickwrap-developer.ironcladapp.com/reference/list-all-signers-2> (a
//! signer's members, paging), the help page on the status of requests (the words for it, whose spelling no page shows).

use domain::document::Brief;
use domain::id::AccountId;
use domain::request::{Request, Sender, SigningOrder, State};
use domain::signer::{self, Person, Role, SendTo, Signer};
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::derive;
use crate::face::form::{self, Form};
use crate::face::{Flaws, Wanted, WantedSigner};

/// What the client said that has no place of its own: a member of the request's `metadata`.
const NOTES: &str = "clickwrap";

/// Members of a body that are kept and given back as they came.
const KEPT: [&str; 4] = ["description", "contracts", "fields", "render_data"];

/// Reads the body that creates a request in a site; `sender` is who asks, where the body does not say.
pub fn wanted(site: u32, sender: &str, body: &[u8]) -> Result<Wanted, Flaws> {
    form::read(body, |form| {
        let mut notes = Map::from_iter([("site".to_owned(), site.into())]);
        for name in KEPT {
            if let Some(value) = form.any(name) {
                notes.insert(name.to_owned(), value.clone());
            }
        }
        let signers: Vec<WantedSigner> = form.list("signers").iter().map(signer).collect();
        // The flag's own name is in no page; the numbers that it asks for are.
        let in_order = signers.iter().any(|signer| signer.order.is_some());
        Wanted {
            title: form.text("name").map_or_else(|| titled(form), str::to_owned),
            sender: Sender {
                name: form.text("from_name").unwrap_or(sender).to_owned(),
                email: String::new(),
            },
            signing_order: if in_order { SigningOrder::Sequential } else { SigningOrder::Parallel },
            signers,
            redirect_url: form.text("redirect_url").map(str::to_owned),
            metadata: [(NOTES.to_owned(), Value::Object(notes))].into(),
            ..Wanted::default()
        }
    })
}

/// Names a request without a name after its contracts, as one of the vendor's samples has none.
fn titled(form: &Form<'_>) -> String {
    let contracts = form.any("contracts").and_then(Value::as_array).into_iter().flatten();
    let contracts: Vec<String> = contracts
        .take(CONTRACTS_NAMED_MAX)
        .filter_map(Value::as_u64)
        .map(|id| id.to_string())
        .collect();
    match contracts.as_slice() {
        [] => String::new(),
        [only] => format!("Contract {only}"),
        several => format!("Contracts {}", several.join(", ")),
    }
}

const CONTRACTS_NAMED_MAX: usize = 8;

fn signer(form: &Form<'_>) -> WantedSigner {
    let (person, send_to) = (form.inner("signer"), form.inner("send_to"));
    let foreign_id = form.id("signer_id");
    let attributes = person.inner("additional_attributes");
    let parts = ["first_name", "last_name"].map(|name| attributes.text(name).unwrap_or_default());
    let email = person.text("email").unwrap_or_default();
    let mobile = person.text("mobile_number").map(of_america);
    let number = mobile.as_deref().unwrap_or_default();
    let full = parts.join(" ");
    let names = [person.text("name").unwrap_or_default(), full.trim(), email, number];
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned();
    let channels = (send_to.flag("email"), send_to.flag("mobile_number"));
    WantedSigner {
        person: Person {
            name,
            email: email.to_owned(),
            mobile,
            label: person.text("title").map(str::to_owned),
            company: person.text("company_name").map(str::to_owned),
            ..Person::default()
        },
        order: form.number("order"),
        role: Role::Signer,
        send_to: match channels {
            (None, None) => SendTo { email: !email.is_empty(), sms: email.is_empty() },
            (by_email, by_sms) => {
                SendTo { email: by_email.unwrap_or(false), sms: by_sms.unwrap_or(false) }
            }
        },
        foreign_id,
    }
}

/// Writes a number with its country, where it can be one of the United States: the vendor takes those alone, and its samples
/// write one in three ways.
fn of_america(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-. ()".contains(c));
    match (digits.len(), text.starts_with('+')) {
        (10, false) if plain => format!("+1{digits}"),
        (11, _) if plain && digits.starts_with('1') => format!("+{digits}"),
        _ => text.to_owned(),
    }
}

/// Finds the document that is the record of a request or of one of its signers: the first one, when all have signed.
pub fn record<'a>(request: &'a Request, signer: Option<&str>) -> Option<&'a Brief> {
    let is_known = |id: &str| {
        let is = |signer: &Signer| {
            signer.foreign_id.as_deref() == Some(id) || signer.id.to_string() == id
        };
        request.signers.iter().any(is)
    };
    let is_complete = matches!(request.state, State::Completed { .. });
    request.documents.first().filter(|_| is_complete && signer.is_none_or(is_known))
}

/// Says where a place of ours stands in the vendor's body, so that a client finds what is wrong; one of the vendor's stays.
pub fn place(path: &str) -> String {
    let (before, last) = path.rsplit_once('.').map_or(("", path), |(before, last)| (before, last));
    let in_signer = before.starts_with("signers[") && before.ends_with(']');
    match (before, last) {
        ("", "title") => "name".to_owned(),
        ("", "metadata") => "render_data".to_owned(),
        ("sender", "name") => "from_name".to_owned(),
        (_, "mobile") if in_signer => format!("{before}.signer.mobile_number"),
        (_, "name") if in_signer => format!("{before}.signer.additional_attributes"),
        (_, "label") if in_signer => format!("{before}.signer.title"),
        (_, "company") if in_signer => format!("{before}.signer.company_name"),
        (_, "email") if in_signer => format!("{before}.signer.email"),
        _ => path.to_owned(),
    }
}

/// Names where a request stands, as the vendor's help pages do, in small letters. `declined` and `cancelled` are ours: the
/// vendor has no words for them.
pub fn status(request: &Request) -> &'static str {
    let is_open = |signer: &Signer| {
        signer.has_signed() || matches!(signer.state, signer::State::Viewed { .. })
    };
    match request.state {
        State::Draft => "draft",
        State::Sent { .. } if request.signers.iter().any(is_open) => "open",
        State::Sent { .. } => "sent",
        State::Completed { .. } => "complete",
        State::Declined { .. } => "declined",
        State::Expired { .. } => "expired",
        State::Cancelled { .. } => "cancelled",
    }
}

/// Which requests a list is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    status: &'static str,
}

/// The words of [`status`], and what each is among our own.
const STATUSES: [(&str, &str); 7] = [
    ("draft", "draft"),
    ("sent", "sent"),
    ("open", "sent"),
    ("complete", "completed"),
    ("declined", "declined"),
    ("expired", "expired"),
    ("cancelled", "cancelled"),
];

impl Filter {
    /// Reads `status==…`, the one filter that we know; anything else would show too much.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = text.trim().strip_prefix("status").map(str::trim_start);
        let word = word.and_then(|rest| rest.strip_prefix("==")).map(str::trim);
        let words = || STATUSES.iter().map(|(theirs, _)| *theirs);
        let known = word.and_then(|word| words().find(|known| known.eq_ignore_ascii_case(word)));
        known.map(|status| Self { status }).ok_or_else(|| {
            format!("expected status==, and one of {}", words().collect::<Vec<_>>().join(", "))
        })
    }

    /// Gives the word among our own that every request has which it lets through.
    pub fn our_status(self) -> &'static str {
        let row = STATUSES.iter().find(|(theirs, _)| *theirs == self.status);
        row.map_or(self.status, |(_, ours)| ours)
    }

    /// Tells whether it lets a request through.
    pub fn lets_through(self, request: &Request) -> bool {
        status(request) == self.status
    }
}

/// Shows a request. `url` gives the page of a signer, once the request was sent.
pub fn shown(request: &Request, url: impl Fn(&Signer) -> String) -> Value {
    let notes = request.metadata.get(NOTES);
    let note = |name: &str| notes.and_then(|notes| notes.get(name)).cloned();
    let is_asked = |signer: &&Signer| {
        signer.role == Role::Signer && !matches!(signer.state, signer::State::Reassigned { .. })
    };
    let is_sent = request.sent_at().is_some();
    let signers = request.signers.iter().filter(is_asked);
    let signers = signers.map(|signer| shown_signer(signer, is_sent.then(|| url(signer))));
    let shown = Shown {
        id: request.id.to_string(),
        site: site(request),
        name: &request.title,
        description: note("description"),
        status: status(request),
        from_name: &request.sender.name,
        contracts: note("contracts").unwrap_or_else(|| json!([])),
        signers: signers.collect(),
        fields: note("fields").unwrap_or_else(|| json!([])),
        render_data: note("render_data").unwrap_or_else(|| json!({})),
        redirect_url: request.redirect_url.as_deref(),
        created_time: request.created_at,
        sent_time: request.sent_at(),
        expires_time: request.expires_at,
    };
    serde_json::to_value(shown).unwrap_or_default()
}

/// Gives the site that a request was created in.
pub(crate) fn site(request: &Request) -> u32 {
    let said = request.metadata.get(NOTES).and_then(|notes| notes.get("site")?.as_u64());
    let said = said.and_then(|site| u32::try_from(site).ok());
    said.unwrap_or_else(|| site_of(request.account))
}

/// Gives the integer that stands for an account for ever, where a client named no site.
pub(crate) fn site_of(account: AccountId) -> u32 {
    derive::integer("clickwrap site", account, "")
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: String,
    site: u32,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Value>,
    status: &'static str,
    from_name: &'a str,
    contracts: Value,
    signers: Vec<Value>,
    fields: Value,
    render_data: Value,
    redirect_url: Option<&'a str>,
    created_time: Timestamp,
    sent_time: Option<Timestamp>,
    expires_time: Option<Timestamp>,
}

fn shown_signer(signer: &Signer, url: Option<String>) -> Value {
    let Person { name, email, mobile, label, company, .. } = &signer.person;
    let (first, last) = name.rsplit_once(' ').unwrap_or((name, ""));
    let mut shown = json!({
        "signer_id": id_of(signer),
        "order": signer.order,
        "status": signer_status(signer),
        "send_to": {"email": signer.send_to.email, "mobile_number": signer.send_to.sms},
        "signer": {
            "signer_id": id_of(signer),
            "name": name,
            "email": email,
            "mobile_number": mobile,
            "title": label,
            "company_name": company,
            "additional_attributes": {"first_name": first, "last_name": last},
        },
    });
    if let (Some(url), Some(shown)) = (url, shown.as_object_mut()) {
        shown.insert("request_url".to_owned(), Value::String(url));
    }
    shown
}

/// Gives the id by which the client knows a signer: its own, or else ours.
pub(crate) fn id_of(signer: &Signer) -> String {
    signer.foreign_id.clone().unwrap_or_else(|| signer.id.to_string())
}

const fn signer_status(signer: &Signer) -> &'static str {
    match signer.state {
        signer::State::Waiting => "waiting",
        signer::State::Notified { .. } => "sent",
        signer::State::Viewed { .. } => "opened",
        signer::State::Signed { .. } => "signed",
        signer::State::Declined { .. } => "declined",
        signer::State::Reassigned { .. } => "reassigned",
    }
}

/// One page of a list, as the vendor pages.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// How many are on this page.
    pub count: usize,
    /// Whether there are more behind it.
    pub has_more: bool,
    /// Which page it is, from 1.
    pub page: u32,
    /// How many fit on one.
    pub per_page: u32,
    /// How many there are on all pages; absent where nobody counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count: Option<usize>,
    /// The requests.
    pub data: Vec<Value>,
}

/// Says that something is wrong. No page of the vendor's shows an error: this shape is ours.
pub fn error(status: u16, message: &str, flaws: &[(String, String)]) -> Value {
    let message = match flaws {
        [(path, what)] if !path.is_empty() => format!("{path}: {what}"),
        _ => message.to_owned(),
    };
    let errors: Vec<Value> =
        flaws.iter().map(|(path, message)| json!({"field": path, "message": message})).collect();
    json!({"error": {"status": status, "message": message, "errors": errors}})
}
