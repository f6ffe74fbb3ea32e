//! Every sample of a vendor comes out of a built event: the same members in the same order, of the same types, with the
//! same values where values can be chosen.

use domain::call::Method;
use domain::contact::Contact;
use domain::endpoint::{Dialect, Endpoint, Scope};
use domain::event::{Event, Kind};
use domain::facts::{AboutContact, AboutMail, AboutRequest};
use domain::id::{ContactId, SignerId};
use domain::request::{Callbacks, Request, State};
use domain::secret::Secret;
use domain::signer::{self, Device, Evidence, Person, Signer, Via};
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::world::{
    ACCOUNT, BITS, ENDPOINT, EVENT, REQUEST, TEMPLATE, at, body, call, endpoint, event, header,
    request, signer,
};

/// Says the event and compares the body with the fixture, once our ids are replaced by the vendor's
/// and what stands at `pointers` (which must be of the same type) by the fixture's.
pub(crate) fn check(
    fixture: &str,
    endpoint: &Endpoint,
    event: &Event,
    ids: &[(String, &str)],
    pointers: &[&str],
) {
    let expected: Value = serde_json::from_str(fixture).unwrap();
    let mut text = body(&call(event, endpoint)).to_owned();
    for (ours, theirs) in ids {
        assert!(text.contains(ours), "{ours} is not in {text}");
        text = text.replace(ours, theirs);
    }
    let mut said: Value = serde_json::from_str(&text).unwrap();
    for pointer in pointers {
        let (ours, theirs) =
            (said.pointer_mut(pointer).unwrap(), expected.pointer(pointer).unwrap());
        assert_eq!(
            (ours.is_i64(), ours.is_string()),
            (theirs.is_i64(), theirs.is_string()),
            "{pointer}"
        );
        *ours = theirs.clone();
    }
    // As text, since maps compare without regard to order.
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    assert_eq!(pretty(&said), pretty(&expected));
}

fn about(request: Request, signer: Option<Signer>) -> AboutRequest {
    AboutRequest { request, signer, from_signer_id: None, heard: None }
}

pub(crate) fn clickwrap_ids(
    request: &'static str,
    id: &'static str,
) -> Vec<(String, &'static str)> {
    vec![(ENDPOINT.to_string(), "123"), (REQUEST.to_string(), request), (EVENT.to_string(), id)]
}

fn sent(sent_at: Timestamp) -> State {
    State::Sent { sent_at }
}

const TITLE: &str = "This is my request name";

#[test]
fn clickwrap_says_that_a_request_was_sent() {
    let at = at("2020-10-21T13:58:54.578Z");
    let event = event(Kind::RequestSent, at, &about(request(TITLE, sent(at), vec![]), None));
    check(
        include_str!("../../fixtures/clickwrap/request_sent.json"),
        &endpoint(Dialect::Clickwrap),
        &event,
        &clickwrap_ids("123456abcdef", "abcdef12345"),
        &["/site", "/user"],
    );
}

#[test]
fn clickwrap_says_that_a_signer_signed() {
    let at = at("2020-10-21T14:01:17.360Z");
    let john = signer(BITS, "John Doe", "john@example.com");
    let data = about(request(TITLE, sent(at), vec![john.clone()]), Some(john.clone()));
    let mut ids = clickwrap_ids("123456abcdef", "abcdef12345");
    ids.push((john.id.to_string(), "a-signer-id"));
    check(
        include_str!("../../fixtures/clickwrap/request_signed.json"),
        &endpoint(Dialect::Clickwrap),
        &event(Kind::SignerSigned, at, &data),
        &ids,
        &["/site", "/updated_time"],
    );
}

#[test]
fn clickwrap_says_that_a_request_is_complete() {
    let at = at("2020-10-21T14:01:17.395Z");
    let data = about(request(TITLE, sent(at), vec![]), None);
    check(
        include_str!("../../fixtures/clickwrap/request_complete.json"),
        &endpoint(Dialect::Clickwrap),
        &event(Kind::RequestCompleted, at, &data),
        &clickwrap_ids("123456abcdef", "abcdef12345"),
        &["/site"],
    );
}

#[test]
fn clickwrap_says_that_a_request_has_expired() {
    let at = at("2020-10-21T14:05:23.821Z");
    let data = about(request(TITLE, sent(at), vec![]), None);
    check(
        include_str!("../../fixtures/clickwrap/request_expired.json"),
        &endpoint(Dialect::Clickwrap),
        &event(Kind::RequestExpired, at, &data),
        &clickwrap_ids("abcd1234", "1234abcd"),
        &["/site"],
    );
}

#[test]
fn clickwrap_presses_the_test_button() {
    let at = at("2020-10-21T13:45:51.087Z");
    let event =
        dialects::sample_named(Dialect::Clickwrap, "test_event", ACCOUNT, EVENT, at).unwrap();
    let url = "https://123.m.pipedream.net".to_owned();
    check(
        include_str!("../../fixtures/clickwrap/test_event.json"),
        &Endpoint { url, ..endpoint(Dialect::Clickwrap) },
        &event,
        &[(ENDPOINT.to_string(), "123"), (EVENT.to_string(), "1234abcd")],
        &["/site", "/user", "/updated_time"],
    );
}

#[test]
fn clickwrap_sends_the_headers_of_the_sample() {
    let sample: Value =
        serde_json::from_str(include_str!("../../fixtures/clickwrap/_request_headers.json"))
            .unwrap();
    let mut endpoint = endpoint(Dialect::Clickwrap);
    endpoint.secrets.token = Some(Secret::new("my-secret-code"));
    let at = at("2020-10-21T14:05:23.821Z");
    let data = about(request(TITLE, sent(at), vec![]), None);
    let call = call(&event(Kind::RequestExpired, at, &data), &endpoint);
    for name in ["pactsafe-webhook-token", "accept", "content-type"] {
        assert_eq!(header(&call, name).map(Value::from).as_ref(), sample.get(name), "{name}");
    }
}

#[test]
fn clickwrap_says_everything_in_the_query_of_a_get() {
    let at = at("2020-10-21T14:05:23.821Z");
    let data = about(request("A & B +1", sent(at), vec![]), None);
    let event = event(Kind::RequestExpired, at, &data);
    let url = "https://example.com/in?key=a%20b&flag#top".to_owned();
    let endpoint = Endpoint { url, method: Method::Get, ..endpoint(Dialect::Clickwrap) };
    let get = call(&event, &endpoint);
    let post = call(&event, &Endpoint { method: Method::Post, ..endpoint });
    assert_eq!((get.method, get.body.len(), header(&get, "content-type")), (Method::Get, 0, None));
    assert!(get.url.query().unwrap().starts_with("key=a%20b&flag&deliverable=true&type=webhook&"));
    let members: Value = serde_json::from_slice(&post.body).unwrap();
    let expected: Vec<(String, String)> = members
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            (name.clone(), text)
        })
        .collect();
    let said: Vec<(String, String)> = get.url.query_pairs().into_owned().skip(2).collect();
    assert_eq!(said, expected);
}

pub(crate) fn insertsign_ids() -> Vec<(String, &'static str)> {
    vec![(REQUEST.to_string(), "-N1hyGTaCNaIjJrkReq"), (ACCOUNT.to_string(), "-Ne_JQph4vWOYBw03Co")]
}

fn created_at() -> Timestamp {
    at("2024-04-28T04:33:06.277Z")
}

fn sent_at() -> Timestamp {
    Timestamp::from_millis(1_698_640_152_432)
}

fn signed_at() -> Timestamp {
    Timestamp::from_millis(1_712_595_976_304)
}

fn john() -> Signer {
    let john = signer(BITS, "John Doe", "example@gmail.com");
    let person = Person { label: Some("CEO".to_owned()), ..john.person };
    let evidence = Evidence {
        name: "John Doe".to_owned(),
        consent: "I agree.".to_owned(),
        ip: Some("127.0.0.1".to_owned()),
        user_agent: None,
        device: Device::Desktop,
        via: Via::Page,
    };
    let state = signer::State::Signed { signed_at: signed_at(), evidence };
    Signer { person, state, order: 2, ..john }
}

fn check_insertsign(fixture: &str, event: &Event, signers: &[(SignerId, &'static str)]) {
    let mut ids = insertsign_ids();
    ids.extend(signers.iter().map(|(ours, theirs)| (ours.to_string(), *theirs)));
    let mut pointers = vec![];
    if fixture.contains("\"sender\"") {
        pointers.push("/data/request/sender/id");
    }
    if event.kind == Kind::RequestSent {
        pointers.push("/data/request/signers/-exampleJCDqrO1ZzuAPJCDW/timestamp");
    }
    check(fixture, &endpoint(Dialect::Insertsign), event, &ids, &pointers);
}

const JOHN: &str = "-NeD5nNcbr-nViVjjp";

#[test]
fn insertsign_says_that_a_request_was_sent() {
    let minted_ms = 1_689_893_924_614_u128;
    let jane = signer((minted_ms << 80) | 7, "Jane Smith", "jane.smith@gmail.com");
    let company = Some("Acme LLC".to_owned());
    let jane = Signer { person: Person { company, ..jane.person }, ..jane };
    let request = request("NDA for Acme", sent(sent_at()), vec![john(), jane.clone()]);
    check_insertsign(
        include_str!("../../fixtures/insertsign/request.sent.json"),
        &event(Kind::RequestSent, created_at(), &about(request, None)),
        &[(john().id, JOHN), (jane.id, "-exampleJCDqrO1ZzuAPJCDW")],
    );
}

fn completed() -> Request {
    let state = State::Completed { sent_at: sent_at(), completed_at: signed_at() };
    Request { progress: 100, ..request("NDA for Acme", state, vec![john()]) }
}

#[test]
fn insertsign_says_that_a_request_is_complete() {
    check_insertsign(
        include_str!("../../fixtures/insertsign/request.completed.json"),
        &event(Kind::RequestCompleted, created_at(), &about(completed(), None)),
        &[(john().id, JOHN)],
    );
}

#[test]
fn insertsign_says_that_a_request_was_archived_or_deleted() {
    let archived = Request { archived_at: Some(signed_at()), ..completed() };
    let data = about(archived, None);
    check_insertsign(
        include_str!("../../fixtures/insertsign/request.archived.json"),
        &event(Kind::RequestArchived, created_at(), &data),
        &[(john().id, JOHN)],
    );
    check_insertsign(
        include_str!("../../fixtures/insertsign/request.deleted.json"),
        &event(Kind::RequestDeleted, created_at(), &data),
        &[(john().id, JOHN)],
    );
}

#[test]
fn insertsign_says_that_a_signer_signed() {
    let request = request("NDA for Acme", sent(sent_at()), vec![john()]);
    check_insertsign(
        include_str!("../../fixtures/insertsign/signer.signed.json"),
        &event(Kind::SignerSigned, created_at(), &about(request, Some(john()))),
        &[(john().id, JOHN)],
    );
}

#[test]
fn insertsign_says_that_a_contact_was_made() {
    let person = Person { company: Some("Acme".to_owned()), ..john().person };
    let contact = Contact {
        id: ContactId::new(BITS),
        account: ACCOUNT,
        person,
        metadata: [].into(),
        created_at: signed_at(),
        updated_at: signed_at(),
    };
    let (ours, fixture) =
        (contact.id.to_string(), include_str!("../../fixtures/insertsign/contact.created.json"));
    let event = event(Kind::ContactCreated, created_at(), &AboutContact { contact });
    let ids = [(ours, JOHN), (ACCOUNT.to_string(), "-Ne_JQph4vWOYBw03Co")];
    check(fixture, &endpoint(Dialect::Insertsign), &event, &ids, &[]);
}

#[test]
fn insertsign_says_what_became_of_a_mail() {
    let requested = "NDA for Acme - Signature requested by John Doe";
    let overdue = "Overdue: information request for Approval Questionnaire";
    for (kind, subject, fixture) in [
        (
            Kind::EmailDelivered,
            requested,
            include_str!("../../fixtures/insertsign/email.delivered.json"),
        ),
        (Kind::EmailBounced, overdue, include_str!("../../fixtures/insertsign/email.bounced.json")),
        (
            Kind::EmailComplained,
            requested,
            include_str!("../../fixtures/insertsign/email.spammed.json"),
        ),
    ] {
        let data = AboutMail {
            to: "example@gmail.com".to_owned(),
            subject: subject.to_owned(),
            reason: Some("550".to_owned()),
        };
        check_insertsign(fixture, &event(kind, created_at(), &data), &[]);
    }
}

#[test]
fn fintechos_says_what_a_script_sees() {
    for (kind, fixture) in [
        (
            Kind::SignerViewed,
            include_str!("../../fixtures/fintechos/automation-context.workstepOpened.json"),
        ),
        (
            Kind::RequestCompleted,
            include_str!("../../fixtures/fintechos/automation-context.envelopeFinished.json"),
        ),
        (
            Kind::RequestDeclined,
            include_str!("../../fixtures/fintechos/automation-context.envelopeFinished.json"),
        ),
    ] {
        let event = event(kind, created_at(), &about(completed(), Some(john())));
        let endpoint = endpoint(Dialect::Fintechos);
        check(fixture, &endpoint, &event, &[], &["/UserId"]);
        assert_eq!(header(&call(&event, &endpoint), "content-type"), Some("application/json"));
    }
}

#[test]
fn callbacks_are_expanded_as_the_vendor_does() {
    let fixture = include_str!("../../fixtures/fintechos/esaw.callback-expansions.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let template = fixture["template"].as_str().unwrap().replace("{FTOSHook}", HOOK);
    assert_eq!(template, TEMPLATE);
    let callbacks = Callbacks {
        finish_url: Some(template.clone()),
        status_url: Some(template),
        ..Callbacks::default()
    };
    let request = Request { callbacks, ..completed() };
    let words = dialects::dialect(Dialect::Fintechos).words();
    let mut said = 0;
    for expansion in fixture["expansions"].as_array().unwrap() {
        let expected = expansion["url"].as_str().unwrap().replace("{FTOSHook}", HOOK);
        for word in words.iter().filter(|word| expansion["action"] == json!(word.name)) {
            let event = event(word.kind, created_at(), &about(request.clone(), Some(john())));
            let registered = endpoint(Dialect::Fintechos);
            let callback =
                Endpoint { url: HOOK.to_owned(), scope: Scope::Callback, ..registered.clone() };
            for endpoint in [registered, callback] {
                assert_eq!(call(&event, &endpoint).url.as_str(), expected);
            }
            said += 1;
        }
    }
    assert_eq!(said, words.len());
}

const HOOK: &str = "https://hook.example.com";
