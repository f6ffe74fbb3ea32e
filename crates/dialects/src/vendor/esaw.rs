//! Namirial eSignAnyWhere, caught: everything in the query, and the envelope asked for.
//!
//! The vendor signs nothing and says: take a callback for forged, and ask for the true state. Basic is an option of the
//! organisation's settings. A link exists for those whose turn it is, and a callback of a step may come before the state is
//! stored. States are read in whatever spelling: those of the interface (version 6) and those of the vendor's questions and
//! answers.
//!
//! Sources: <https://confluence.namirial.com/display/eSign/Serverside+Postprocessing+using+Callback+Handlers>,
//! <https://confluence.namirial.com/display/eSign/Tutorial%3A+Hello+World>; the members of answers are those that public
//! clients of version 6 read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::call::{Answer, Method};
use domain::mirror::SIGNERS_MAX;
use domain::secret::Secret;
use domain::signer::Role;
use domain::source::Source;
use domain::told::{Picture, Pictured, SignerStage, Stage, Told};
use serde_json::{Map, Value};

use crate::proof::is_secret;
use crate::vendor::hook::{self, Parameters};
use crate::vendor::lookup::{self, Door};
use crate::vendor::{
    Ask, Catch, Field, Form, Received, Unaskable, Unreadable, Untrusted, bounds, json,
};

/// The vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Esaw;

pub(crate) const API_TOKEN: Field = Field::secret(
    "api_token",
    "The API token of an eSignAnyWhere user; without it, envelopes are never asked for.",
);
pub(crate) const BASE_URL: Field = Field::setting(
    "base_url",
    Form::Url,
    "Where the REST interface is, such as https://demo.esignanywhere.net/Api/v6.0; needed with `api_token`.",
);

const FIELDS: &[Field] = &[
    Field::setting(
        "user",
        Form::Text,
        "The user name that callbacks come with, by Basic; with `password`.",
    ),
    Field::secret(
        "password",
        "The password that callbacks come with; without both, the secret URL alone proves who calls.",
    ),
    hook::ENVELOPE,
    hook::ACTION,
    hook::EMAIL,
    hook::ORDER,
    API_TOKEN,
    BASE_URL,
];

impl Catch for Esaw {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, source: &Source) -> Vec<(&'static str, String)> {
        let mut flaws = check_asking(source);
        match (source.text("user"), source.secret("password")) {
            (Some(_), None) => flaws.push(("password", "expected one for `user`".to_owned())),
            (None, Some(_)) => flaws.push(("user", "expected one for `password`".to_owned())),
            (Some(user), Some(_)) if user.contains(':') => {
                flaws.push(("user", "expected no colon, which ends the user name".to_owned()));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        flaws
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Post, Method::Get]
    }

    fn prove(&self, source: &Source, received: &Received<'_>) -> Result<(), Untrusted> {
        let (user, password) = match (source.text("user"), source.secret("password")) {
            (None, None) => return Ok(()),
            (Some(user), Some(password)) => (user, password.expose()),
            (Some(_), None) | (None, Some(_)) => {
                return Err(Untrusted::Forged("the source has half of a user name and a password"));
            }
        };
        let said = received.header("authorization");
        let said = said.ok_or(Untrusted::Forged("the header authorization is missing"))?;
        let (scheme, code) = said.split_once(' ').unwrap_or_default();
        let said =
            STANDARD.decode(code.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        let said = said.and_then(|said| String::from_utf8(said).ok());
        let expected = Secret::new(format!("{user}:{password}"));
        if said.is_some_and(|said| is_secret(&expected, &said)) {
            Ok(())
        } else {
            Err(Untrusted::Forged("user name or password is wrong"))
        }
    }

    fn key(&self, _source: &Source, _received: &Received<'_>) -> Option<String> {
        None
    }

    fn read(&self, source: &Source, received: &Received<'_>) -> Result<Told, Unreadable> {
        Parameters::of_query(received.query).read(source, false)
    }

    fn ask(&self, source: &Source, foreign_id: &str, answers: &[Answer]) -> Result<Ask, Unaskable> {
        let door = || Door::new(source, None, ("apitoken", ""));
        let Some(first) = answers.first() else { return door()?.call(&["envelope", foreign_id]) };
        let envelope = match lookup::object(first, is_own) {
            Ok(envelope) => envelope,
            Err(ask) => return Ok(ask),
        };
        let Some(stage) = stage(&json::state(&envelope, "EnvelopeStatus")) else {
            return Ok(lookup::nonsense(first, "no `EnvelopeStatus` that is known"));
        };
        if stage != Stage::Sent {
            return Ok(Ask::Known(Box::new(picture(&envelope, stage, None))));
        }
        let Some(second) = answers.get(1) else {
            return door()?.call(&["envelope", foreign_id, "viewerlinks"]);
        };
        let links = match lookup::object(second, is_own) {
            Ok(links) => Some(links),
            Err(later @ Ask::Later(..)) => return Ok(later),
            // The links are an extra: the envelope is known without them.
            Err(_) => None,
        };
        let picture = picture(&envelope, stage, links.as_ref());
        let is_over = |signer: &Pictured| {
            signer.role == Some(Role::Cc)
                || matches!(signer.stage, Some(SignerStage::Signed | SignerStage::Reassigned))
        };
        if !picture.signers.is_empty() && picture.signers.iter().all(is_over) {
            return Ok(Ask::Later(
                "everybody has signed, and the envelope is not finished yet",
                None,
            ));
        }
        Ok(Ask::Known(Box::new(picture)))
    }
}

/// Looks at what asking needs.
pub(crate) fn check_asking(source: &Source) -> Vec<(&'static str, String)> {
    if source.secret("api_token").is_some() && source.text("base_url").is_none() {
        let example = "expected where to ask, such as https://demo.esignanywhere.net/Api/v6.0";
        return vec![("base_url", example.to_owned())];
    }
    Vec::new()
}

/// Errors of this vendor have an `ErrorId`.
fn is_own(error: &Value) -> bool {
    error.get("ErrorId").is_some()
}

/// `Expired` is no end: an envelope can be started again.
fn stage(state: &str) -> Option<Stage> {
    match state {
        "draft" | "template" => Some(Stage::Draft),
        "active" | "started" | "inprogress" | "actionrequired" | "waitingforothers"
        | "expiringsoon" => Some(Stage::Sent),
        "completed" | "completedwithwarnings" | "bulkcompleted" => Some(Stage::Completed),
        "rejected" => Some(Stage::Declined),
        "canceled" | "cancelled" => Some(Stage::Cancelled),
        "expired" => Some(Stage::Expired),
        _ => None,
    }
}

fn picture(envelope: &Value, stage: Stage, links: Option<&Value>) -> Picture {
    let are_known = links.is_some();
    let links = links.map(|links| json::items(links, "ViewerLinks")).unwrap_or_default();
    let links: Vec<&Value> = links.into_iter().take(SIGNERS_MAX).collect();
    let activities = json::items(envelope, "Activities").into_iter().take(SIGNERS_MAX);
    let signers = activities.map(|activity| {
        let id = json::id(activity, "Id");
        let link =
            id.is_some().then(|| links.iter().find(|link| json::id(link, "ActivityId") == id));
        let pictured = pictured(activity, link.flatten().copied());
        // Whose turn has not come has no link.
        let waits = (are_known && pictured.stage.is_none()).then_some(SignerStage::Waiting);
        Pictured { stage: pictured.stage.or(waits), ..pictured }
    });
    Picture {
        title: json::line(envelope, "Name"),
        signers: signers.collect(),
        stage: Some(stage),
        sent_at: json::moment(envelope, "SentDate"),
        ..Picture::default()
    }
}

fn pictured(activity: &Value, link: Option<&Value>) -> Pictured {
    let (opened, finished) =
        (json::moment(activity, "OpenedDate"), json::moment(activity, "FinishedDate"));
    let (stage, at) = match json::state(activity, "Status").as_str() {
        "completed" | "finished" | "signed" => (Some(SignerStage::Signed), finished),
        "rejected" => (Some(SignerStage::Declined), finished),
        "delegated" => (Some(SignerStage::Reassigned), finished),
        "pending" | "active" if opened.is_some() => (Some(SignerStage::Viewed), opened),
        "pending" | "active" if link.is_some() => (Some(SignerStage::Notified), None),
        _ => (None, None),
    };
    let action = activity.get("Action").and_then(Value::as_object);
    let is_copy = action.is_some_and(|action| action.contains_key("SendCopy"));
    let person = action.and_then(contact).unwrap_or(&Value::Null);
    let names: Vec<&str> =
        ["GivenName", "Surname"].iter().filter_map(|name| json::text(person, name)).collect();
    let linked = link.unwrap_or(&Value::Null);
    Pictured {
        foreign_id: json::id(activity, "Id"),
        name: bounds::line(&names.join(" ")),
        email: json::email(linked, "Email").or_else(|| json::email(person, "Email")),
        mobile: json::text(person, "PhoneNumber").and_then(bounds::mobile),
        role: is_copy.then_some(Role::Cc),
        url: json::text(linked, "ViewerLink").and_then(bounds::url),
        stage,
        at,
        ..Pictured::default()
    }
}

/// Finds whom an activity asks, whatever for.
fn contact(action: &Map<String, Value>) -> Option<&Value> {
    action.values().find_map(|kind| kind.get("RecipientConfiguration")?.get("ContactInformation"))
}
