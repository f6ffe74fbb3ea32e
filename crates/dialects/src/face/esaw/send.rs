//! An envelope that is sent: from what a client of eSignAnyWhere writes to a request, and nothing passed over that it
//! counts on.
//!
//! A signature element stands for a person's signature, wherever on a page it was to be drawn: one signs the envelope here,
//! not fields of it. What would change who may sign, how they are told from others, or what they must do first, and is not
//! there, is refused.

use std::collections::BTreeSet;

use domain::document::OF_REQUEST_MAX;
use domain::id::DocumentId;
use domain::request::{Callbacks, Reminders, Sender, SigningOrder};
use domain::signer::{Person, Role, SendTo};
use domain::time::{SECOND_MS, Timestamp};
use serde_json::{Map, Value};

use super::{NOTES, file_id};
use crate::face::form::{self, Form};
use crate::face::{Flaws, Wanted, WantedSigner};

/// The most reminders that are made of an interval.
const REMINDERS_MAX: usize = 10;
/// The last day on which somebody is reminded.
const DAY_MAX: u32 = 365;

/// Reads the body that sends an envelope at a moment.
pub fn wanted(body: &[u8], now: Timestamp) -> Result<Wanted, Flaws> {
    form::read(body, |form| {
        never(form, "AddDocumentTimestamp", "documents are not changed here");
        let (documents, numbers) = documents(form);
        let activities = form.list("Activities");
        let parts: Vec<Part> = activities.iter().filter_map(|form| part(form, &numbers)).collect();
        let expiry =
            form.inner("ExpirationConfiguration").number("ExpirationInSecondsAfterSending");
        let expires_at = expiry.map(|seconds| now.plus_millis(i64::from(seconds) * SECOND_MS));
        let mail = form.inner("EmailConfiguration");
        let name = form.text("Name").unwrap_or_default();
        let notes = form.text("MetaData").map(|text| {
            (
                NOTES.to_owned(),
                Value::Object(Map::from_iter([("MetaData".to_owned(), text.into())])),
            )
        });
        Wanted {
            title: name.to_owned(),
            message: message(&mail, (name, expires_at), &parts),
            documents,
            sender: Sender {
                name: mail.text("SenderDisplayName").unwrap_or_default().to_owned(),
                email: String::new(),
            },
            signing_order: order(&parts),
            reminders: reminders(&form.inner("ReminderConfiguration"), expiry),
            expires_at,
            callbacks: callbacks(&form.inner("CallbackConfiguration")),
            redirect_url: redirect(form, &parts),
            metadata: notes.into_iter().collect(),
            signers: parts.into_iter().map(|part| part.signer).collect(),
        }
    })
}

/// An activity, and what it says of the envelope as a whole.
struct Part {
    signer: WantedSigner,
    is_in_sequence: bool,
    redirect: Option<String>,
}

/// Refuses something that is asked for and not there.
fn never(form: &Form<'_>, name: &str, why: &str) {
    if form.flag(name) == Some(true) {
        form.flaw_at(name, &format!("expected false: {why}"));
    }
}

/// Reads the documents in the order of their numbers, and gives those numbers.
fn documents(form: &Form<'_>) -> (Vec<DocumentId>, BTreeSet<u32>) {
    let list = form.list("Documents");
    if list.is_empty() || list.len() > OF_REQUEST_MAX {
        form.flaw_at("Documents", &format!("expected 1 to {OF_REQUEST_MAX} documents"));
    }
    let mut numbered = Vec::with_capacity(list.len());
    let mut numbers = BTreeSet::new();
    for (form, place) in list.iter().take(OF_REQUEST_MAX).zip(1..) {
        let number = form.number("DocumentNumber").unwrap_or(place);
        if !numbers.insert(number) {
            form.flaw_at("DocumentNumber", "expected a number of its own for each document");
        }
        match form.text("FileId").and_then(file_id) {
            Some(id) => numbered.push((number, id)),
            None => form.flaw_at("FileId", "expected the FileId of a file that was uploaded"),
        }
    }
    numbered.sort_unstable();
    (numbered.into_iter().map(|(_, id)| id).collect(), numbers)
}

fn part(form: &Form<'_>, numbers: &BTreeSet<u32>) -> Option<Part> {
    for option in form.list("VisibilityOptions") {
        never(&option, "IsHidden", "everybody sees every document");
    }
    let action = form.inner("Action");
    let names: Vec<&str> = action.names().collect();
    match names.as_slice() {
        ["Sign"] => Some(sign(&action.inner("Sign"), numbers)),
        ["SendCopy"] => {
            let copy = action.inner("SendCopy").inner("RecipientConfiguration");
            let signer = recipient(&copy, Role::Cc, None);
            Some(Part { signer, is_in_sequence: false, redirect: None })
        }
        _ => {
            form.flaw_at("Action", "expected Sign or SendCopy; there are no other activities");
            None
        }
    }
}

fn sign(form: &Form<'_>, numbers: &BTreeSet<u32>) -> Part {
    let group = form.id("SigningGroup").map(|group| group.parse());
    if let Some(Err(_)) = group {
        form.flaw_at("SigningGroup", "expected a whole number");
    }
    let mode = form.text("SequenceMode").unwrap_or("NoSequenceEnforced");
    if !matches!(mode, "NoSequenceEnforced" | "SequenceEnforced") {
        form.flaw_at("SequenceMode", "expected NoSequenceEnforced or SequenceEnforced");
    }
    let elements = form.inner("Elements");
    for name in elements.names().filter(|name| *name != "Signatures") {
        let is_empty = elements.any(name).is_none_or(|value| {
            value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty)
        });
        if !is_empty {
            elements.flaw_at(name, "expected none: a person signs here, and fills nothing in");
        }
    }
    for signature in elements.list("Signatures") {
        let kinds: Vec<&str> = signature.inner("AllowedSignatureTypes").names().collect();
        if !kinds.is_empty() && !kinds.contains(&"ClickToSign") {
            let expected = "expected ClickToSign among them; there is no other way to sign";
            signature.flaw_at("AllowedSignatureTypes", expected);
        }
        if signature.number("DocumentNumber").is_some_and(|number| !numbers.contains(&number)) {
            signature.flaw_at("DocumentNumber", "expected the number of one of the documents");
        }
    }
    let recipient_form = form.inner("RecipientConfiguration");
    let finish = form.inner("FinishActionConfiguration").inner("SignAnyWhereViewer");
    Part {
        signer: recipient(&recipient_form, Role::Signer, group.and_then(Result::ok)),
        is_in_sequence: mode == "SequenceEnforced",
        redirect: finish.text("RedirectUri").map(str::to_owned),
    }
}

fn recipient(form: &Form<'_>, role: Role, order: Option<u32>) -> WantedSigner {
    never(
        form,
        "AllowDelegation",
        "a recipient hands nothing on here; the sender reassigns a part",
    );
    let first = "whether somebody has read is not asked for";
    never(form, "RequireViewContentBeforeFormFilling", first);
    if form.any("AuthenticationConfiguration").is_some_and(is_something) {
        let expected = "expected none: the link is what lets a recipient in";
        form.flaw_at("AuthenticationConfiguration", expected);
    }
    if form.text("NotificationChannel").is_some_and(|channel| channel != "Email") {
        form.flaw_at("NotificationChannel", "expected Email");
    }
    let contact = form.inner("ContactInformation");
    let [email, first, last] =
        ["Email", "GivenName", "Surname"].map(|name| contact.text(name).unwrap_or_default());
    let name = format!("{first} {last}");
    WantedSigner {
        person: Person {
            name: if name.trim().is_empty() { email } else { name.trim() }.to_owned(),
            email: email.to_owned(),
            mobile: contact.text("PhoneNumber").map(str::to_owned),
            locale: contact.text("LanguageCode").map(str::to_lowercase),
            ..Person::default()
        },
        order,
        role,
        send_to: SendTo { email: true, sms: false },
        foreign_id: None,
    }
}

/// Tells whether there is something in a value, at whatever depth.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_something),
        Value::Object(members) => members.values().any(is_something),
    }
}

/// One group after the other, where there are several, or where a part asks for a sequence.
fn order(parts: &[Part]) -> SigningOrder {
    let signing = || parts.iter().filter(|part| part.signer.role == Role::Signer);
    let groups: BTreeSet<Option<u32>> = signing().map(|part| part.signer.order).collect();
    if groups.len() > 1 || signing().any(|part| part.is_in_sequence) {
        SigningOrder::Sequential
    } else {
        SigningOrder::Parallel
    }
}

/// Takes where people go afterwards, which is one place for all.
fn redirect(form: &Form<'_>, parts: &[Part]) -> Option<String> {
    let places: BTreeSet<&String> =
        parts.iter().filter_map(|part| part.redirect.as_ref()).collect();
    if places.len() > 1 {
        form.flaw_at("Activities", "expected the same RedirectUri for everybody");
    }
    places.first().map(|place| (*place).clone())
}

/// Fills the vendor's words in a message in; there is one message for all who sign.
fn message(
    mail: &Form<'_>,
    (name, expires_at): (&str, Option<Timestamp>),
    parts: &[Part],
) -> Option<String> {
    let text = mail.text("Message")?;
    let mut signing = parts.iter().filter(|part| part.signer.role == Role::Signer);
    let (one, others) = (signing.next(), signing.next().is_some());
    if others && text.contains("#Recipient") {
        let expected =
            "expected no #RecipientFirstName# and #RecipientLastName# where several people sign";
        mail.flaw_at("Message", expected);
    }
    let full = one.map(|part| part.signer.person.name.as_str()).unwrap_or_default();
    let (first, last) = full.rsplit_once(' ').unwrap_or((full, ""));
    let day = expires_at.map(|at| at.to_string().chars().take(10).collect::<String>());
    let filled = text
        .replace("#RecipientFirstName#", first)
        .replace("#RecipientLastName#", last)
        .replace("#PersonalMessage#", "")
        .replace("#ExpirationDate#", day.as_deref().unwrap_or_default())
        .replace("#EnvelopeName#", name);
    Some(filled.replace("\n\n\n\n", "\n\n"))
}

/// Makes days of an interval: the first, each one after it, and one before the end.
fn reminders(form: &Form<'_>, expiry: Option<u32>) -> Option<Reminders> {
    if !form.flag("Enabled")? {
        return Some(Reminders { days: Vec::new() });
    }
    let last = expiry.map_or(DAY_MAX, |seconds| (seconds / DAY_S).min(DAY_MAX));
    let every = form.number("ReminderResendIntervalInDays").filter(|days| *days > 0);
    let first = form.number("FirstReminderInDays").or(every);
    let before = form.number("BeforeExpirationInDays").filter(|_| expiry.is_some());
    let mut days = BTreeSet::new();
    days.extend(before.and_then(|days| last.checked_sub(days)));
    let mut next = first;
    while let Some(day) = next.filter(|day| *day < last && days.len() < REMINDERS_MAX) {
        days.insert(day);
        next = every.map(|every| day.saturating_add(every));
    }
    let days = days.into_iter().filter(|day| *day > 0);
    Some(Reminders { days: days.filter_map(|day| u16::try_from(day).ok()).collect() })
}

const DAY_S: u32 = 24 * 60 * 60;

fn callbacks(form: &Form<'_>) -> Callbacks {
    let events = form.inner("ActivityActionCallbackConfiguration");
    if events.text("Url").is_some() {
        events.flaw_at(
            "Url",
            "expected none: events inside of a workstep are not called back; StatusUpdateCallbackUrl hears of each step",
        );
    }
    Callbacks {
        finish_url: form.text("CallbackUrl").map(str::to_owned),
        status_url: form.text("StatusUpdateCallbackUrl").map(str::to_owned),
        ..Callbacks::default()
    }
}

/// Says where a place of ours stands in the body that sends an envelope; one of the vendor's stays.
pub fn place(path: &str) -> String {
    let (before, last) = path.rsplit_once('.').unwrap_or(("", path));
    let of_recipient = |name: &str| {
        let activity = before.replacen("signers", "Activities", 1);
        format!("{activity}.Action.*.RecipientConfiguration.ContactInformation.{name}")
    };
    match (before, last) {
        ("", "title") => "Name".to_owned(),
        ("", "message") => "EmailConfiguration.Message".to_owned(),
        ("", "signers") => "Activities".to_owned(),
        ("", "metadata") => "MetaData".to_owned(),
        ("", "expires_at") => "ExpirationConfiguration.ExpirationInSecondsAfterSending".to_owned(),
        ("", "redirect_url") => {
            "Activities.Action.Sign.FinishActionConfiguration.SignAnyWhereViewer.RedirectUri"
                .to_owned()
        }
        ("", "documents") => "Documents".to_owned(),
        ("reminders", _) => "ReminderConfiguration".to_owned(),
        ("sender", _) => "EmailConfiguration.SenderDisplayName".to_owned(),
        ("callbacks", "finish_url") => "CallbackConfiguration.CallbackUrl".to_owned(),
        ("callbacks", "status_url") => "CallbackConfiguration.StatusUpdateCallbackUrl".to_owned(),
        ("", index) if index.starts_with("documents[") => {
            format!("{}.FileId", index.replacen("documents", "Documents", 1))
        }
        (_, "order") if before.starts_with("signers[") => {
            format!("{}.Action.Sign.SigningGroup", before.replacen("signers", "Activities", 1))
        }
        (_, "email") => of_recipient("Email"),
        (_, "name") => of_recipient("GivenName"),
        (_, "mobile") => of_recipient("PhoneNumber"),
        (_, "locale") => of_recipient("LanguageCode"),
        _ => path.to_owned(),
    }
}
