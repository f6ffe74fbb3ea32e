//! What the dialects esaw and fintechos share: their words, and a template filled for an event.
//!
//! Invariant: a callback endpoint is told only what the request's own URLs of its origin ask for.
//! Sources: the actions are those of eSignAnyWhere's status callback and envelope callback,
//! <https://confluence.namirial.com/display/eSign/Organization+Settings>; which of the two URLs is called when is from the
//! webhook page of FintechOS eSign: `WebhookUrl` only when the envelope is finished, `WebhookStatusUrl` at every status change.
//! Left to others: whose callbacks an endpoint carries (`engine`).

use domain::endpoint::Scope;
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::request::Callbacks;
use domain::signer::Signer;
use url::Url;

use crate::data;
use crate::derive::guid_of;
use crate::error::Unsayable;
use crate::template::{Placeholder, Template};
use crate::{Target, Word};

/// The actions. A refused envelope is a finished one: the callback's receiver asks the API which it is.
///
/// `workstepDelegatedSenderActionRequired` has no kind of ours. Cancelling has no action of the vendor's.
pub(crate) const WORDS: &[Word] = &[
    Word { name: "sendSignNotification", kind: Kind::SignerNotified },
    Word { name: "workstepOpened", kind: Kind::SignerViewed },
    Word { name: "workstepFinished", kind: Kind::SignerSigned },
    Word { name: "workstepRejected", kind: Kind::SignerDeclined },
    Word { name: "workstepDelegated", kind: Kind::SignerReassigned },
    Word { name: ENVELOPE_FINISHED, kind: Kind::RequestCompleted },
    Word { name: ENVELOPE_FINISHED, kind: Kind::RequestDeclined },
    Word { name: "envelopeExpired", kind: Kind::RequestExpired },
];

/// The one action of the finish URL.
pub(crate) const ENVELOPE_FINISHED: &str = "envelopeFinished";

/// Whether `##RecipientEmail##` and `##RecipientOrder##` are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// For events about one signer; empty for others.
    Told,
    /// Always empty.
    Empty,
}

/// A filled URL, and the action in it.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) url: Url,
    pub(crate) action: &'static str,
}

/// Fills the template that the event is to be told through; `None` if there is no word or no template for it.
pub(crate) fn fill(
    event: &Event,
    target: &Target<'_>,
    recipient: Recipient,
) -> Result<Option<Filled>, Unsayable> {
    let Some(word) = WORDS.iter().find(|word| word.kind == event.kind) else { return Ok(None) };
    let action = word.name;
    let about: AboutRequest = data::read(event)?;
    let text = match target.endpoint.scope {
        // People are told by messages, never by calls.
        Scope::Notices | Scope::Intake => None,
        Scope::Registered => Some(target.endpoint.url.as_str()),
        Scope::Callback => url_for(&about.request.callbacks, action),
    };
    let Some(text) = text else { return Ok(None) };
    let template = Template::parse(text).map_err(|source| Unsayable::Url { source })?;
    let envelope = guid_of(about.request.id.bits());
    let who = if recipient == Recipient::Told { concerned(&about) } else { None };
    let order = who.map(|signer| signer.order.to_string());
    let url = template
        .fill(|placeholder| match placeholder {
            Placeholder::EnvelopeId => &envelope,
            Placeholder::RecipientEmail => who.map_or("", |signer| &signer.person.email),
            Placeholder::RecipientOrder => order.as_deref().unwrap_or(""),
            Placeholder::Action => action,
        })
        .map_err(|source| Unsayable::Url { source })?;
    // The finish and the status URL may live on two servers, each with an endpoint of its own.
    if target.endpoint.scope == Scope::Callback && url.origin() != target.url.origin() {
        return Ok(None);
    }
    Ok(Some(Filled { url, action }))
}

fn url_for<'a>(callbacks: &'a Callbacks, action: &str) -> Option<&'a str> {
    if action == ENVELOPE_FINISHED {
        callbacks.finish_url.as_deref()
    } else {
        callbacks.status_url.as_deref()
    }
}

/// Finds the recipient whom the action is about: of a delegation, the one who delegated.
fn concerned(about: &AboutRequest) -> Option<&Signer> {
    about.from_signer_id.and_then(|id| about.request.signer(id)).or(about.signer.as_ref())
}
