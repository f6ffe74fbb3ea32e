//! From a notice and what its event says to the message that is handed over.
//!
//! Invariant: what is told is the request as it was when it happened.

use domain::facts::AboutRequest;
use domain::message::{Channel, Mail, Mailbox, Message, Sms};
use domain::notice::{Notice, Occasion, Party};
use domain::provider::Provider;
use domain::request::State;
use domain::signer::{self, Role, Signer};
use serde_json::Value;
use templates::{Facts, Recipient};

use super::desk::Desk;

/// Writes the message; the note says why the account's own template was not used.
pub(super) fn message(
    desk: &Desk,
    provider: &Provider,
    of: (&Notice, &AboutRequest),
    link: Option<String>,
) -> (Message, Option<String>) {
    let (notice, about) = of;
    let request = &about.request;
    let own = notice.template.as_deref().map(|name| (name, desk.templates.get(name)));
    let missing = match own {
        Some((name, None)) => Some(format!("there is no template {name}; the default was sent")),
        Some((_, Some(_))) | None => None,
    };
    let own = own.and_then(|(_, template)| template);
    let signer = match notice.party {
        Party::Signer(id) => request.signer(id),
        Party::Sender => None,
    };
    let facts = facts(about, notice, signer, link);
    let locale = signer.and_then(|signer| signer.person.locale.as_deref());
    let fell_back = |why: String| format!("the account's own template was not used: {why}");
    let key = notice.id.to_string();
    match notice.channel {
        Channel::Email => {
            let rendered = templates::mail(notice.occasion, own, locale, &facts, &desk.branding);
            let words = rendered.words;
            let sender = Some(request.sender.name.clone()).filter(|name| !name.is_empty());
            let answers = Some(request.sender.email.clone()).filter(|email| !email.is_empty());
            let mail = Mail {
                key,
                from: Mailbox {
                    name: text(provider, "from_name").or(sender),
                    address: text(provider, "from").unwrap_or_default(),
                },
                reply_to: text(provider, "reply_to").or(answers),
                to: Mailbox {
                    name: Some(facts.recipient.name.clone()).filter(|name| !name.is_empty()),
                    address: notice.to.clone(),
                },
                subject: words.subject,
                text: words.text,
                html: Some(words.html).filter(|html| !html.is_empty()),
                tag: Some(tag(notice.occasion).to_owned()),
            };
            (Message::Email(mail), missing.or(rendered.fell_back.map(fell_back)))
        }
        Channel::Sms => {
            let rendered = templates::sms(notice.occasion, own, locale, &facts, &desk.branding);
            let sms = Sms {
                key,
                from: text(provider, "from").unwrap_or_default(),
                to: notice.to.clone(),
                text: rendered.words,
            };
            (Message::Sms(sms), missing.or(rendered.fell_back.map(fell_back)))
        }
    }
}

fn text(provider: &Provider, name: &str) -> Option<String> {
    let text = provider.settings.get(name).and_then(Value::as_str)?;
    (!text.is_empty()).then(|| text.to_owned())
}

const fn tag(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::Turn => "signature-request",
        Occasion::Signed => "signature-progress",
        Occasion::Completed => "signature-completed",
        Occasion::Reminder => "signature-reminder",
        Occasion::Declined | Occasion::Expired | Occasion::Cancelled => "signature-ended",
    }
}

fn facts(
    about: &AboutRequest,
    notice: &Notice,
    signer: Option<&Signer>,
    link: Option<String>,
) -> Facts {
    let request = &about.request;
    let count = |which: &dyn Fn(&&Signer) -> bool| {
        u32::try_from(request.signers.iter().filter(which).count()).unwrap_or(u32::MAX)
    };
    let (signed, open) = (count(&|s| s.has_signed()), count(&|s| s.is_open()));
    let recipient = match signer {
        Some(signer) => Recipient {
            name: signer.person.name.clone(),
            email: Some(signer.person.email.clone()).filter(|email| !email.is_empty()),
            company: signer.person.company.clone(),
            label: signer.person.label.clone(),
            role: signer.role,
        },
        None => Recipient {
            name: request.sender.name.clone(),
            email: Some(request.sender.email.clone()).filter(|email| !email.is_empty()),
            company: None,
            label: None,
            role: Role::Cc,
        },
    };
    let (actor, reason) = actor(about, notice.occasion);
    Facts {
        title: request.title.clone(),
        message: request.message.clone(),
        sender: request.sender.clone(),
        recipient,
        actor,
        reason,
        remaining: open,
        total: signed + open,
        signed,
        link,
        expires_at: request.expires_at,
        time_zone: signer.and_then(|signer| signer.person.time_zone.clone()),
        request_id: request.id.to_string(),
        metadata: request.metadata.clone(),
        test: false,
    }
}

/// Finds who did what the notice tells, and why.
fn actor(about: &AboutRequest, occasion: Occasion) -> (Option<String>, Option<String>) {
    let request = &about.request;
    let name = |signer: &Signer| signer.person.name.clone();
    match occasion {
        Occasion::Signed => (about.signer.as_ref().map(name), None),
        Occasion::Declined => {
            let declined = request.signers.iter().find_map(|signer| match &signer.state {
                signer::State::Declined { reason, .. } => Some((name(signer), reason.clone())),
                signer::State::Waiting
                | signer::State::Notified { .. }
                | signer::State::Viewed { .. }
                | signer::State::Signed { .. }
                | signer::State::Reassigned { .. } => None,
            });
            declined.map_or((None, None), |(name, reason)| (Some(name), reason))
        }
        Occasion::Cancelled => match &request.state {
            State::Cancelled { cancel_reason, .. } => (None, cancel_reason.clone()),
            State::Draft
            | State::Sent { .. }
            | State::Completed { .. }
            | State::Declined { .. }
            | State::Expired { .. } => (None, None),
        },
        Occasion::Turn | Occasion::Completed | Occasion::Reminder | Occasion::Expired => {
            (None, None)
        }
    }
}
