//! Ironclad Clickwrap (formerly PactSafe): a thin envelope of ids, and one sentence.
//!
//! Invariants: members stand in the order of the vendor's samples; `site` and `user` are integers, all other ids texts; what
//! we have no integer for gets one that follows from the account for ever.
//!
//! A test of an event has that event's own shape, so that a receiver tests its real handler: the dialect has no mark for a
//! test. The vendor's test button sends `test_event`; [`is_test_event`] tells when we do.
//!
//! Sources: <https://clickwrap-developer.ironcladapp.com/docs/webhook-events> (members, sentences, the token header),
//! <https://clickwrap-developer.ironcladapp.com/docs/working-with-ironclad-webhooks> (`GET`: parameters in the query string).

use std::borrow::Cow;
use std::sync::Arc;

use domain::call::{Call, Method};
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::request::Sender;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::data::{self, JSON, json, json_headers};
use crate::error::Unsayable;
use crate::face::clickwrap as face;
use crate::headers::{Headers, add_own, checked};
use crate::template::push_pair;
use crate::{Dialect, Target, Word, derive};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clickwrap;

/// The vendor's names of events we have kinds for. Of `activity_…`, `version_published` and `group_published` we know nothing.
const WORDS: &[Word] = &[
    Word { name: "request_sent", kind: Kind::RequestSent },
    Word { name: "request_signed", kind: Kind::SignerSigned },
    Word { name: "request_complete", kind: Kind::RequestCompleted },
    Word { name: "request_expired", kind: Kind::RequestExpired },
];

/// What the vendor's test button sends; nobody subscribes to it.
pub(crate) const TEST_EVENT: &str = "test_event";

/// The custom name under which [`TEST_EVENT`] is kept in the log.
pub(crate) const TEST_EVENT_NAME: &str = "custom.test_event";

/// Tells whether the event is a press of the test button: a test, told to one endpoint alone.
fn is_test_event(event: &Event) -> bool {
    event.test && event.kind == Kind::Custom && event.name == TEST_EVENT_NAME
}

impl Dialect for Clickwrap {
    fn words(&self) -> &'static [Word] {
        WORDS
    }

    fn render(&self, event: &Event, target: &Target<'_>) -> Result<Option<Call>, Unsayable> {
        let Some(facts) = facts(event)? else { return Ok(None) };
        let envelope = Envelope::new(event, target, facts);
        let (method, mut headers) = (target.endpoint.method, Headers::new());
        let mut url = Arc::clone(target.url);
        let mut body = Vec::new();
        match method {
            Method::Post => {
                headers = json_headers();
                body = json(&envelope)?;
            }
            Method::Get => {
                let query = envelope.query(url.query().unwrap_or_default())?;
                Arc::make_mut(&mut url).set_query(Some(&query));
            }
        }
        headers.push((Cow::Borrowed("accept"), JSON.to_owned()));
        if let Some(token) = &target.endpoint.secrets.token {
            let value = checked(TOKEN_HEADER, token.expose())?;
            headers.push((Cow::Borrowed(TOKEN_HEADER), value));
        }
        add_own(&mut headers, &target.endpoint.secrets)?;
        Ok(Some(Call { method, url, headers, body }))
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post, Method::Get]
    }
}

/// Carries the secret code, in clear.
pub(crate) const TOKEN_HEADER: &str = "pactsafe-webhook-token";

/// What an event says beside what all say.
struct Facts {
    event_type: &'static str,
    description: String,
    site: u32,
    request: Option<String>,
    signer: Option<String>,
    user: Option<u32>,
}

/// Gathers what the event says; `None` if the dialect has no word for it.
fn facts(event: &Event) -> Result<Option<Facts>, Unsayable> {
    if is_test_event(event) {
        let user = Some(derive::integer("clickwrap user", event.account, ""));
        let description = "Test sent a test event!".to_owned();
        let site = face::site_of(event.account);
        let (request, signer) = (None, None);
        return Ok(Some(Facts {
            event_type: TEST_EVENT,
            description,
            site,
            request,
            signer,
            user,
        }));
    }
    let Some(word) = WORDS.iter().find(|word| word.kind == event.kind) else { return Ok(None) };
    let about: AboutRequest = data::read(event)?;
    let title = &about.request.title;
    let (mut signer, mut user) = (None, None);
    let description = if event.kind == Kind::RequestSent {
        let sender = &about.request.sender;
        user = Some(derive::integer("clickwrap user", event.account, &sender.email));
        format!("{} sent {title}", name_of(sender))
    } else if event.kind == Kind::SignerSigned {
        let who = data::signer(event, &about)?;
        // A mirror's ids are its vendor's, and are not said as if they were ours.
        let is_ours = about.request.foreign.is_none();
        signer = Some(if is_ours { face::id_of(who) } else { who.id.to_string() });
        format!("{} signed {title}", who.person.name)
    } else if event.kind == Kind::RequestCompleted {
        format!("{title} has been completed")
    } else {
        format!("{title} has expired")
    };
    let site = face::site(&about.request);
    let request = Some(about.request.id.to_string());
    Ok(Some(Facts { event_type: word.name, description, site, request, signer, user }))
}

fn name_of(sender: &Sender) -> &str {
    if sender.name.is_empty() { &sender.email } else { &sender.name }
}

/// The body, or the query.
#[derive(Debug, Serialize)]
struct Envelope<'a> {
    deliverable: bool,
    r#type: &'static str,
    integration: String,
    sent_to: &'a str,
    event_type: &'static str,
    description: String,
    site: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<u32>,
    created_time: Timestamp,
    /// In the samples 0 to 80 ms after `created_time`; an event of ours never changes.
    updated_time: Timestamp,
    id: String,
}

impl<'a> Envelope<'a> {
    fn new(event: &Event, target: &Target<'a>, facts: Facts) -> Self {
        let Facts { event_type, description, site, request, signer, user } = facts;
        Self {
            deliverable: true,
            r#type: "webhook",
            integration: target.endpoint.id.to_string(),
            sent_to: &target.endpoint.url,
            event_type,
            description,
            site,
            request,
            signer,
            user,
            created_time: event.at,
            updated_time: event.at,
            id: event.id.to_string(),
        }
    }

    /// Writes the members behind the endpoint's own query.
    fn query(&self, own: &str) -> Result<String, Unsayable> {
        let members = serde_json::to_value(self).map_err(|source| Unsayable::Body { source })?;
        let mut query = own.to_owned();
        for (name, value) in members.as_object().into_iter().flatten() {
            match value {
                Value::String(text) => push_pair(&mut query, name, text),
                Value::Bool(_) | Value::Number(_) => {
                    push_pair(&mut query, name, &value.to_string());
                }
                // The vendor does not tell how it writes nested values; we have none.
                Value::Null | Value::Array(_) | Value::Object(_) => {}
            }
        }
        Ok(query)
    }
}
