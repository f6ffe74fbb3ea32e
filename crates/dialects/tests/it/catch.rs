//! Every sample of a vendor is read into what it tells, and what cannot be read is refused with its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dialects::vendor::{Received, Unreadable, vendor};
use domain::call::Method;
use domain::event::Kind;
use domain::id::SourceId;
use domain::request::Sender;
use domain::secret::Secret;
use domain::signer::Device;
use domain::source::{Source, Vendor};
use domain::told::{About, Picture, Pictured, SignerStage, Stage, Step, Told, Who};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::world::{ACCOUNT, at, noon};

/// Makes a source with some settings, and secrets by the same names as the vendor's fields.
pub(crate) fn source(which: Vendor, fields: &[(&str, &str)]) -> Source {
    let is_secret =
        |name: &str| vendor(which).fields().iter().any(|field| field.name == name && field.secret);
    let (secrets, settings): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(name, _)| is_secret(name));
    Source {
        id: SourceId::new(1),
        account: ACCOUNT,
        name: which.as_str().to_owned(),
        vendor: which,
        enabled: true,
        settings: settings.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect(),
        created_at: noon(),
        updated_at: noon(),
        secrets: secrets
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Secret::new(*text)))
            .collect(),
    }
}

pub(crate) fn post<'a>(headers: &'a [(String, String)], body: &'a [u8]) -> Received<'a> {
    Received { method: Method::Post, query: "", headers, body, key: None }
}

pub(crate) fn get(query: &str) -> Received<'_> {
    Received { method: Method::Get, query, headers: &[], body: b"", key: None }
}

/// Reads all samples in a folder, by name.
pub(crate) fn samples(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| !name.starts_with('_'))
        .collect()
}

pub(crate) fn read(which: Vendor, body: &str) -> Result<Told, Unreadable> {
    let source = source(which, &[]);
    vendor(which).read(&source, &post(&[], body.as_bytes()))
}

fn who(id: &str, name: &str, email: Option<&str>) -> Who {
    let owned = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Who { foreign_id: owned(id), name: owned(name), email: email.and_then(owned), ..Who::default() }
}

fn about(foreign_id: &str, step: Step, picture: Picture) -> About {
    About::Request {
        foreign_id: foreign_id.to_owned(),
        step: Some(step),
        picture: Box::new(picture),
    }
}

fn foreign(request: &str) -> About {
    About::Foreign { request: (!request.is_empty()).then(|| request.to_owned()) }
}

fn titled(title: &str) -> Picture {
    Picture { title: Some(title.to_owned()), ..Picture::default() }
}

const TITLE: &str = "This is my request name";

#[test]
fn clickwrap_is_read() {
    let sent = Picture {
        sender: Some(Sender { name: "John Doe".to_owned(), email: String::new() }),
        ..titled(TITLE)
    };
    let signed = Step::Signed(vec![who("a-signer-id", "John Doe", None)]);
    let expected = [
        ("activity_agreed", "2020-10-21T13:55:59.070Z", foreign("")),
        ("activity_displayed", "2020-10-21T13:51:09.370Z", foreign("")),
        ("group_published", "2020-10-21T13:51:09.370Z", foreign("")),
        (
            "request_complete",
            "2020-10-21T14:01:17.395Z",
            about("123456abcdef", Step::Completed, titled(TITLE)),
        ),
        (
            "request_expired",
            "2020-10-21T14:05:23.821Z",
            about("abcd1234", Step::Expired, titled(TITLE)),
        ),
        ("request_sent", "2020-10-21T13:58:54.578Z", about("123456abcdef", Step::Sent, sent)),
        (
            "request_signed",
            "2020-10-21T14:01:17.360Z",
            about("123456abcdef", signed, titled(TITLE)),
        ),
        ("test_event", "2020-10-21T13:45:51.087Z", About::Test),
        ("version_published", "2020-10-21T14:07:01.230Z", foreign("")),
    ];
    let samples = samples("clickwrap");
    assert_eq!(samples.len(), expected.len());
    for ((name, sample), (word, moment, about)) in samples.iter().zip(expected) {
        let told = Told { word: word.to_owned(), at: Some(at(moment)), about };
        assert_eq!(read(Vendor::Clickwrap, sample), Ok(told), "{name}");
    }
    for activity in ["activity_disagreed", "activity_visited", "request_paused"] {
        let body = json!({ "event_type": activity, "request": "r1" }).to_string();
        assert_eq!(read(Vendor::Clickwrap, &body).unwrap().about, foreign("r1"));
    }
}

#[test]
fn clickwrap_says_the_same_in_the_query_of_a_get() {
    let source = source(Vendor::Clickwrap, &[]);
    for (name, sample) in samples("clickwrap") {
        let members: Value = serde_json::from_str(&sample).unwrap();
        let mut query = "id=own&key=a%20b".to_owned();
        for (member, value) in members.as_object().unwrap() {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let pair: String = byte_serialize(text.as_bytes()).collect();
            query = format!("{query}&{member}={pair}");
        }
        let (get, post) = (get(&query), post(&[], sample.as_bytes()));
        let vendor = vendor(Vendor::Clickwrap);
        assert_eq!(vendor.read(&source, &get), vendor.read(&source, &post), "{name}");
        assert_eq!(vendor.key(&source, &get), vendor.key(&source, &post), "{name}");
    }
}

#[test]
fn ironclad_is_read() {
    let collected = Step::Signed(vec![
        who("Counterparty Signer", "Alex Fleming", Some("signer.one@example.com")),
        who("Acme Inc. Signer", "Calvin Hobbes", Some("signer.two@example.com")),
    ]);
    let mut steps = BTreeMap::from([
        ("workflow_cancelled", Step::Cancelled),
        ("workflow_signature_packet_cancelled", Step::Cancelled),
        ("workflow_signature_packet_fully_signed", Step::Completed),
        ("workflow_signature_packet_sent", Step::Sent),
        ("workflow_signature_packet_signatures_collected", collected),
    ]);
    let samples = samples("ironclad");
    assert_eq!(samples.len(), 31);
    for (name, sample) in &samples {
        let envelope: Value = serde_json::from_str(sample).unwrap();
        let workflow = envelope["payload"]["workflowID"].as_str().unwrap();
        let about = steps
            .remove(name.as_str())
            .map_or_else(|| foreign(workflow), |step| about(workflow, step, Picture::default()));
        let told = Told { word: name.clone(), at: Some(at("2022-04-07T21:36:52.776Z")), about };
        assert_eq!(read(Vendor::Ironclad, sample), Ok(told));
    }
    assert_eq!(steps.len(), 0);
}

#[test]
fn what_ironclad_shows_no_sample_of_is_read_as_far_as_it_goes() {
    let tell = |event: &str, more: Value| {
        let mut payload = json!({ "event": event, "workflowID": "w1" });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(Vendor::Ironclad, &json!({ "payload": payload }).to_string()).unwrap()
    };
    let ann = json!({ "name": "Ann", "email": "ann@example.com", "roleName": "Buyer" });
    let viewed =
        about("w1", Step::Viewed(who("Buyer", "Ann", Some("ann@example.com"))), Picture::default());
    for event in ["signer_viewed", "signer_first_viewed"] {
        let event = format!("workflow_signature_packet_{event}");
        assert_eq!(tell(&event, ann.clone()).about, viewed);
        assert_eq!(tell(&event, json!({ "signer": ann })).about, viewed);
    }
    for event in ["workflow_deleted", "workflow_signature_packet_document_moved", "*", "new_word"] {
        assert_eq!(
            tell(event, json!({})),
            Told { word: event.to_owned(), at: None, about: foreign("w1") }
        );
    }
    let obligation = json!({ "payload": { "event": "obligation_created" } }).to_string();
    assert_eq!(read(Vendor::Ironclad, &obligation).unwrap().about, foreign(""));
}

const JOHN: &str = "-NeD5nNcbr-nViVjjp";
const REQUEST: &str = "-N1hyGTaCNaIjJrkReq";

fn john() -> Pictured {
    Pictured {
        foreign_id: Some(JOHN.to_owned()),
        name: Some("John Doe".to_owned()),
        email: Some("example@gmail.com".to_owned()),
        ..Pictured::default()
    }
}

fn nda(signers: Vec<Pictured>, stage: Option<Stage>) -> Picture {
    let sender = Sender { name: "John Doe".to_owned(), email: "john.doe@acme.com".to_owned() };
    Picture {
        title: Some("NDA for Acme".to_owned()),
        sender: Some(sender),
        sent_at: Some(at("2023-10-30T04:29:12.432Z")),
        signers,
        stage,
        ..Picture::default()
    }
}

#[test]
fn insertsign_is_read() {
    let ceo = || Some("CEO".to_owned());
    let jane = Pictured {
        foreign_id: Some("-exampleJCDqrO1ZzuAPJCDW".to_owned()),
        name: Some("Jane Smith".to_owned()),
        email: Some("jane.smith@gmail.com".to_owned()),
        company: Some("Acme LLC".to_owned()),
        order: Some(1),
        ..Pictured::default()
    };
    let sent = nda(vec![Pictured { label: ceo(), order: Some(2), ..john() }, jane], None);
    let completed = nda(vec![Pictured { stage: Some(SignerStage::Signed), ..john() }], None);
    let archived = nda(vec![Pictured { label: ceo(), ..john() }], Some(Stage::Completed));
    let deleted = nda(vec![john()], Some(Stage::Completed));
    let signed = Who {
        at: Some(at("2024-04-08T17:06:16.304Z")),
        ip: Some("127.0.0.1".to_owned()),
        device: Some(Device::Desktop),
        ..who(JOHN, "John Doe", Some("example@gmail.com"))
    };
    let contact = About::Contact {
        foreign_id: JOHN.to_owned(),
        name: "John Doe".to_owned(),
        email: "example@gmail.com".to_owned(),
        label: ceo(),
        company: Some("Acme".to_owned()),
    };
    let mail = |kind, subject: &str| About::Mail {
        kind,
        to: "example@gmail.com".to_owned(),
        subject: subject.to_owned(),
        request: Some(REQUEST.to_owned()),
    };
    let requested = "NDA for Acme - Signature requested by John Doe";
    let overdue = "Overdue: information request for Approval Questionnaire";
    let expected = [
        ("contact.created", contact),
        ("email.bounced", mail(Kind::EmailBounced, overdue)),
        ("email.delivered", mail(Kind::EmailDelivered, requested)),
        ("email.spammed", mail(Kind::EmailComplained, requested)),
        ("request.archived", about(REQUEST, Step::Archived, archived)),
        ("request.completed", about(REQUEST, Step::Completed, completed)),
        ("request.deleted", about(REQUEST, Step::Deleted, deleted)),
        ("request.sent", about(REQUEST, Step::Sent, sent)),
        ("signer.signed", about(REQUEST, Step::Signed(vec![signed]), Picture::default())),
    ];
    let samples = samples("insertsign");
    assert_eq!(samples.len(), expected.len());
    for ((name, sample), (word, about)) in samples.iter().zip(expected) {
        let told = Told { word: word.to_owned(), at: Some(at("2024-04-28T04:33:06.277Z")), about };
        assert_eq!(read(Vendor::Insertsign, sample), Ok(told), "{name}");
    }
    let viewed = r#"{"type":"request.viewed","data":{"request_id":"r1"}}"#;
    assert_eq!(read(Vendor::Insertsign, viewed).unwrap().about, foreign("r1"));
}

#[test]
fn insertsign_is_read_leniently() {
    let sample = include_str!("../../fixtures/insertsign/request.completed.json");
    let mut envelope: Value = serde_json::from_str(sample).unwrap();
    let request = &mut envelope["data"]["request"];
    request["signers"] = request["signers"].as_object().unwrap().values().cloned().collect();
    request["sent_date"] = json!("1698640152432");
    envelope["created_at"] = json!(1_714_278_786_277_i64);
    envelope["new"] = json!([{ "a": null }]);
    let same = read(Vendor::Insertsign, &envelope.to_string());
    assert_eq!(same, read(Vendor::Insertsign, sample));
}

const ENVELOPE: &str = "7bfa100a-f52c-4915-b25d-210e6bb82f48";

/// What each action tells of a signer.
fn steps(who: &Who) -> BTreeMap<&'static str, Step> {
    BTreeMap::from([
        ("sendSignNotification", Step::Notified(who.clone())),
        ("workstepOpened", Step::Viewed(who.clone())),
        ("workstepFinished", Step::Signed(vec![who.clone()])),
        ("workstepRejected", Step::Declined(who.clone())),
        ("workstepDelegated", Step::Reassigned(who.clone())),
        ("envelopeExpired", Step::Expired),
        ("envelopeFinished", Step::Finished),
    ])
}

#[test]
fn callbacks_are_read_out_of_their_query() {
    let fixture = include_str!("../../fixtures/fintechos/esaw.callback-expansions.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let expansions = fixture["expansions"].as_array().unwrap();
    assert_eq!(expansions.len(), 8);
    for expansion in expansions {
        let (action, url) = (expansion["action"].as_str().unwrap(), &expansion["url"]);
        let (_, query) = url.as_str().unwrap().split_once('?').unwrap();
        let named = query.replace("recipientEmail=", "recipientEmail=a%2Bb%40example.com");
        let named = named.replace("recipientOrder=", "RECIPIENTORDER=2");
        let nobody = Who::default();
        let email = Some("a+b@example.com".to_owned());
        let somebody = Who { email, order: Some(2), ..Who::default() };
        for (query, who) in [(query, nobody), (named.as_str(), somebody)] {
            let step = steps(&who).remove(action);
            let about = step.map_or_else(
                || foreign(ENVELOPE),
                |step| about(ENVELOPE, step, Picture::default()),
            );
            let told = Told { word: action.to_owned(), at: None, about };
            for which in [Vendor::Esaw, Vendor::Fintechos] {
                for received in [get(query), Received { query, ..post(&[], b"") }] {
                    let source = source(which, &[]);
                    assert_eq!(vendor(which).read(&source, &received), Ok(told.clone()), "{query}");
                    assert_eq!(vendor(which).key(&source, &received), None);
                }
            }
        }
    }
}

#[test]
fn the_context_of_a_script_is_read_in_each_form() {
    let finished =
        include_str!("../../fixtures/fintechos/automation-context.envelopeFinished.json");
    let opened = include_str!("../../fixtures/fintechos/automation-context.workstepOpened.json");
    let called = include_str!("../../fixtures/fintechos/fintechos.call-action.request.json");
    let camel = opened.replace("\"Data\"", "\"data\"");
    let bare = format!(r#"{{"envelopeId":"{ENVELOPE}","action":"workstepOpened"}}"#);
    let unnamed =
        finished.replace("\"action\": \"envelopeFinished\"", "\"action\": \"##Action##\"");
    for (body, action) in [
        (opened, "workstepOpened"),
        (called, "workstepOpened"),
        (&camel, "workstepOpened"),
        (&bare, "workstepOpened"),
        (finished, "envelopeFinished"),
        (&unnamed, "envelopeFinished"),
    ] {
        let step = steps(&Who::default()).remove(action).unwrap();
        let about = about(ENVELOPE, step, Picture::default());
        let told = Told { word: action.to_owned(), at: None, about };
        assert_eq!(read(Vendor::Fintechos, body), Ok(told), "{body}");
    }
}

#[test]
fn parameters_have_the_names_that_the_operator_gave_them() {
    let read = |fields: &[(&str, &str)], query: &str| {
        let source = source(Vendor::Esaw, fields);
        vendor(Vendor::Esaw).read(&source, &get(query))
    };
    let own = [("param_envelope", "env"), ("param_action", "what")];
    let about = about("e1", Step::Expired, Picture::default());
    for (fields, query) in [
        (&own[..], "env=e1&what=envelopeExpired&action=workstepOpened"),
        (&[], "ENVELOPE=e1&Action=evnelopeExipired&recipientEmail=##RecipientEmail##"),
        (&[], "envelopeId=&envelope=e1&action=ENVELOPEEXPIRED"),
    ] {
        assert_eq!(read(fields, query).unwrap().about, about, "{query}");
    }
    for (query, place) in [
        ("action=workstepOpened", "param_envelope"),
        ("envelopeId=##EnvelopeId##&action=workstepOpened", "param_envelope"),
        ("envelopeId=e1&action=%23%23Action%23%23", "param_action"),
        ("envelopeId=e1", "param_action"),
    ] {
        assert_eq!(read(&[], query).unwrap_err().place, place, "{query}");
    }
}

#[test]
fn what_must_be_there_is_refused_with_its_place() {
    for (which, body, place) in [
        (Vendor::Clickwrap, "", "body"),
        (Vendor::Clickwrap, "[1]", "body"),
        (Vendor::Clickwrap, r#"{"a":1,"a":2}"#, "body"),
        (Vendor::Clickwrap, "{}", "event_type"),
        (Vendor::Clickwrap, r#"{"event_type":"request_sent"}"#, "request"),
        (Vendor::Ironclad, "{}", "payload.event"),
        (Vendor::Ironclad, r#"{"payload":{"event":" \u0007"}}"#, "payload.event"),
        (Vendor::Ironclad, r#"{"payload":{"event":"workflow_cancelled"}}"#, "payload.workflowID"),
        (
            Vendor::Ironclad,
            r#"{"payload":{"event":"workflow_signature_packet_signatures_collected","workflowID":"w"}}"#,
            "payload.signatures",
        ),
        (Vendor::Insertsign, r#"{"type":"request.sent"}"#, "data.request_id"),
        (Vendor::Insertsign, r#"{"type":"signer.signed","data":{"request_id":"r"}}"#, "data"),
        (Vendor::Insertsign, r#"{"type":"contact.created","data":{"id":"c"}}"#, "data.email"),
        (Vendor::Insertsign, r#"{"type":"email.bounced","data":{"to":"nobody"}}"#, "data.to"),
        (Vendor::Fintechos, r#"{"Data":{}}"#, "param_envelope"),
        (Vendor::Fintechos, "no json", "body"),
    ] {
        let error = read(which, body).unwrap_err();
        assert_eq!(error.place, place, "{body}");
        assert!(error.what.starts_with("expected"), "{error}");
    }
}
