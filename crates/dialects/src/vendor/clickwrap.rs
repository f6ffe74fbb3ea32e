//! Ironclad Clickwrap (formerly PactSafe), caught: thin envelopes of ids, by `POST` as JSON or by `GET` in the query.
//!
//! The token in `pactsafe-webhook-token` is shared and sent in clear: it proves who calls, and nothing of what is said.
//! Title, sender and signer stand in the sentence of `description` alone, and are read out of it where it has the form of the
//! samples. `activity_…` is told per contract, names no request in the samples, and stays foreign, `activity_disagreed`
//! with it: no page calls a request declined.
//!
//! Sources: <https://clickwrap-developer.ironcladapp.com/docs/webhook-events> (members, sentences, the token header),
//! <https://clickwrap-developer.ironcladapp.com/docs/working-with-ironclad-webhooks> (`GET`: parameters in the query string),
//! <https://clickwrap-developer.ironcladapp.com/docs/creating-signature-requests> (a signer's members); the states of a
//! request are those of the help pages, in whatever spelling, since no page shows how the interface spells them.

use domain::call::{Answer, Method};
use domain::mirror::SIGNERS_MAX;
use domain::request::Sender;
use domain::signer::SendTo;
use domain::source::Source;
use domain::told::{About, Picture, Pictured, SignerStage, Stage, Step, Told, Who};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::clickwrap::TOKEN_HEADER;
use crate::proof::is_secret;
use crate::vendor::lookup::{self, Door};
use crate::vendor::{
    Ask, Catch, Field, Form, Received, Unaskable, Unreadable, Untrusted, bounds, json,
};

/// The vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clickwrap;

const FIELDS: &[Field] = &[
    Field::secret(
        "token",
        "The secret code of the webhook; without it, the secret URL alone proves who calls.",
    ),
    Field::secret(
        "api_token",
        "A bearer token of the REST interface; without it, the vendor is never asked.",
    ),
    Field::setting(
        "base_url",
        Form::Url,
        "Where the REST interface is, if not at https://api.pactsafe.com/v1.1.",
    ),
];

const BASE_URL: &str = "https://api.pactsafe.com/v1.1";

impl Catch for Clickwrap {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, _source: &Source) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post, Method::Get]
    }

    fn prove(&self, source: &Source, received: &Received<'_>) -> Result<(), Untrusted> {
        let Some(token) = source.secret("token") else { return Ok(()) };
        let said = received.header(TOKEN_HEADER);
        let said = said.ok_or(Untrusted::Forged("the header pactsafe-webhook-token is missing"))?;
        if is_secret(token, said) {
            Ok(())
        } else {
            Err(Untrusted::Forged("the header pactsafe-webhook-token is wrong"))
        }
    }

    /// Samples show one id on several events, so the name of the event belongs to the key.
    fn key(&self, _source: &Source, received: &Received<'_>) -> Option<String> {
        const NAMES: [&str; 2] = ["event_type", "id"];
        let [word, id] = match received.method {
            Method::Post => json::members(received.body, NAMES).ok()?,
            Method::Get => {
                let mut envelope = envelope(received).ok()?;
                NAMES.map(|name| envelope.get_mut(name).map(Value::take))
            }
        };
        let (word, id) =
            (word.as_ref().and_then(json::as_text)?, id.as_ref().and_then(json::as_id)?);
        Some(bounds::key(&format!("{word}:{id}")))
    }

    fn read(&self, _source: &Source, received: &Received<'_>) -> Result<Told, Unreadable> {
        let envelope = envelope(received)?;
        let word = json::text(&envelope, "event_type").unwrap_or_default();
        let word = bounds::word(word, "event_type")?;
        let at = json::moment(&envelope, "created_time");
        let sentence = json::text(&envelope, "description").unwrap_or_default();
        let (step, picture) = match word.as_str() {
            "request_sent" => {
                let (name, title) = split(sentence, " sent ");
                let sender = name.map(|name| Sender { name, email: String::new() });
                (Step::Sent, Picture { title, sender, ..Picture::default() })
            }
            "request_signed" => {
                let (name, title) = split(sentence, " signed ");
                let id = json::id(&envelope, "signer").or_else(|| json::id(&envelope, "signer_id"));
                let email = id.as_deref().and_then(bounds::email);
                let who = Who { foreign_id: id, name, email, ..Who::default() };
                (Step::Signed(vec![who]), Picture { title, ..Picture::default() })
            }
            "request_complete" => (Step::Completed, titled(sentence, " has been completed")),
            "request_expired" => (Step::Expired, titled(sentence, " has expired")),
            "test_event" => return Ok(Told { word, at, about: About::Test }),
            _ => {
                let about = About::Foreign { request: json::id(&envelope, "request") };
                return Ok(Told { word, at, about });
            }
        };
        let foreign_id = bounds::must(json::id(&envelope, "request").as_deref(), "request")?;
        let picture = Box::new(picture);
        Ok(Told { word, at, about: About::Request { foreign_id, step: Some(step), picture } })
    }

    fn ask(&self, source: &Source, foreign_id: &str, answers: &[Answer]) -> Result<Ask, Unaskable> {
        let Some(answer) = answers.first() else {
            let door = Door::new(source, Some(BASE_URL), ("authorization", "Bearer "))?;
            return door.call(&["requests", foreign_id]);
        };
        Ok(match lookup::object(answer, is_own) {
            Ok(value) => picture(&value).map_or_else(
                || lookup::nonsense(answer, "no request"),
                |picture| Ask::Known(Box::new(picture)),
            ),
            Err(ask) => ask,
        })
    }
}

/// Reads the members of the body, or of the query as texts; of two of one name in a query the last, since the vendor's stand
/// behind the operator's own.
fn envelope(received: &Received<'_>) -> Result<Value, Unreadable> {
    match received.method {
        Method::Post => json::object(received.body),
        Method::Get => {
            let mut members = Map::new();
            let pairs = form_urlencoded::parse(received.query.as_bytes());
            for (name, value) in pairs.take(PARAMETERS_MAX) {
                members.insert(name.into_owned(), Value::String(value.into_owned()));
            }
            Ok(Value::Object(members))
        }
    }
}

const PARAMETERS_MAX: usize = 100;

/// Takes a sentence of the form "somebody did something" apart.
fn split(sentence: &str, verb: &str) -> (Option<String>, Option<String>) {
    let (name, title) = sentence.split_once(verb).unwrap_or_default();
    (bounds::line(name), bounds::line(title))
}

/// Takes the title from before the end of a sentence.
fn titled(sentence: &str, end: &str) -> Picture {
    let title = sentence.strip_suffix(end).and_then(bounds::line);
    Picture { title, ..Picture::default() }
}

/// No page shows an error of this vendor; anything in JSON is its own.
fn is_own(_: &Value) -> bool {
    true
}

/// Reads a request, bare or inside `data`.
fn picture(value: &Value) -> Option<Picture> {
    let request = value.get("data").filter(|data| data.is_object()).unwrap_or(value);
    let stage = stage(&json::state(request, "status"));
    let signers = json::items(request, "signers");
    let signers: Vec<Pictured> = signers.into_iter().take(SIGNERS_MAX).map(pictured).collect();
    let title = json::line(request, "name");
    if signers.is_empty() && stage.is_none() && title.is_none() {
        return None;
    }
    let name = json::line(request, "from_name");
    let sender = name.map(|name| Sender { name, email: String::new() });
    Some(Picture { title, sender, signers, stage, ..Picture::default() })
}

fn stage(state: &str) -> Option<Stage> {
    match state {
        "draft" => Some(Stage::Draft),
        "sent" | "open" | "opened" | "inprogress" | "paused" => Some(Stage::Sent),
        "complete" | "completed" => Some(Stage::Completed),
        "expired" => Some(Stage::Expired),
        "cancelled" | "canceled" => Some(Stage::Cancelled),
        _ => None,
    }
}

/// Reads one of the signers: ids and states beside the person, or inside; a person may be an id alone.
fn pictured(entry: &Value) -> Pictured {
    let person = entry.get("signer").unwrap_or(entry);
    let foreign_id = json::id(entry, "signer_id")
        .or_else(|| json::id(person, "signer_id"))
        .or_else(|| person.as_str().and_then(bounds::id));
    let inner = person.get("additional_attributes").unwrap_or(&Value::Null);
    let names: Vec<&str> = ["first_name", "last_name"]
        .into_iter()
        .filter_map(|name| json::text(inner, name).or_else(|| json::text(person, name)))
        .collect();
    let channel = |name| entry.get("send_to").and_then(|to| to.get(name)?.as_bool());
    let send_to = match (channel("email"), channel("mobile_number")) {
        (None, None) => None,
        (email, sms) => Some(SendTo { email: email.unwrap_or(false), sms: sms.unwrap_or(false) }),
    };
    Pictured {
        foreign_id,
        name: json::line(person, "name").or_else(|| bounds::line(&names.join(" "))),
        email: json::email(person, "email"),
        mobile: json::text(person, "mobile_number").and_then(bounds::mobile),
        label: json::line(person, "title"),
        company: json::line(person, "company_name"),
        order: json::number(entry, "order").and_then(|order| u32::try_from(order).ok()),
        send_to,
        url: json::text(entry, "request_url").and_then(bounds::url),
        stage: signer_stage(&json::state(entry, "status")),
        ..Pictured::default()
    }
}

fn signer_stage(state: &str) -> Option<SignerStage> {
    match state {
        "sent" => Some(SignerStage::Notified),
        "open" | "opened" | "viewed" | "displayed" | "visited" => Some(SignerStage::Viewed),
        "signed" | "agreed" | "complete" | "completed" => Some(SignerStage::Signed),
        _ => None,
    }
}
