//! Endpoints, requests and events for tests, and the one way to say an event.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use dialects::proof::{RsaKey, SigningKey, encode_secret};
use dialects::{Target, Unsayable, dialect};
use domain::call::{Call, Method};
use domain::endpoint::{
    self, Dialect, Endpoint, Ordering, Scope, Secrets, Signing, SigningSecret, Status,
};
use domain::event::{Event, Kind};
use domain::id::{AccountId, EndpointId, EventId, RequestId, SignerId};
use domain::request::{Callbacks, Reminders, Request, Sender, SigningOrder, State};
use domain::retry::Profile;
use domain::secret::Secret;
use domain::signer::{self, Person, Role, SendTo, Signer};
use domain::subscription::Subscription;
use domain::time::Timestamp;
use serde::Serialize;
use url::Url;

/// The bits of every id that nobody cares for: minted on 2026-01-31 at noon.
pub(crate) const BITS: u128 = 0x019c_13ec_9e00_7000_8000_0000_0000_0000;
pub(crate) const ACCOUNT: AccountId = AccountId::new(BITS + 1);
pub(crate) const ENDPOINT: EndpointId = EndpointId::new(BITS + 2);
pub(crate) const EVENT: EventId = EventId::new(BITS + 3);
pub(crate) const REQUEST: RequestId = RequestId::new(0x7bfa_100a_f52c_4915_b25d_210e_6bb8_2f48);

/// The template of FintechOS's sign request, its relay given a URL.
pub(crate) const TEMPLATE: &str = "https://hook.example.com/hookId_receivedFromFTOS?test=12345&asdf=abc&envelopeId=##EnvelopeId##&recipientEmail=##RecipientEmail##&recipientOrder=##RecipientOrder##&action=##Action##";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn noon() -> Timestamp {
    at("2026-01-31T12:00:00.000Z")
}

pub(crate) fn endpoint(dialect: Dialect) -> Endpoint {
    let has_placeholders = matches!(dialect, Dialect::Esaw | Dialect::Fintechos);
    Endpoint {
        id: ENDPOINT,
        account: ACCOUNT,
        url: if has_placeholders { TEMPLATE } else { "https://example.com" }.to_owned(),
        description: None,
        dialect,
        profile: Profile::named("standard").unwrap(),
        wants: Subscription::default(),
        method: Method::Post,
        signing: Signing::Hmac,
        ordering: Ordering::None,
        rate_limit: None,
        max_in_flight: endpoint::MAX_IN_FLIGHT_DEFAULT,
        timeout_s: endpoint::TIMEOUT_S_DEFAULT,
        status: Status::Enabled,
        scope: Scope::Registered,
        created_at: noon(),
        updated_at: noon(),
        secrets: Secrets {
            signing: vec![SigningSecret { secret: encode_secret(&[7; 32]), until: None }],
            ..Secrets::default()
        },
    }
}

pub(crate) fn signer_key() -> SigningKey {
    SigningKey::from_seed(&[9; 32]).unwrap()
}

/// A key that was made for tests.
pub(crate) fn rsa_key() -> RsaKey {
    let key = include_str!("../../fixtures/ironclad/_test_key.txt").trim();
    RsaKey::read(&Secret::new(key)).unwrap()
}

/// Says an event at noon.
pub(crate) fn say(event: &Event, endpoint: &Endpoint) -> Result<Option<Call>, Unsayable> {
    say_at(event, endpoint, noon())
}

pub(crate) fn say_at(
    event: &Event,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Result<Option<Call>, Unsayable> {
    let url = Arc::new(Url::parse(&endpoint.url).unwrap());
    let signer = signer_key();
    let rsa = (endpoint.dialect == Dialect::Ironclad).then(rsa_key);
    let target = Target { endpoint, url: &url, now, signer: Some(&signer), rsa: rsa.as_ref() };
    dialect(endpoint.dialect).render(event, &target)
}

/// Says an event for which there must be a word.
pub(crate) fn call(event: &Event, endpoint: &Endpoint) -> Call {
    say(event, endpoint).unwrap().unwrap()
}

pub(crate) fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

pub(crate) fn body(call: &Call) -> &str {
    str::from_utf8(&call.body).unwrap()
}

pub(crate) fn event(kind: Kind, at: Timestamp, data: &impl Serialize) -> Event {
    Event {
        id: EVENT,
        account: ACCOUNT,
        kind,
        name: Cow::Borrowed(kind.as_str()),
        at,
        request: Some(REQUEST),
        order_key: Some(REQUEST.to_string()),
        key: None,
        data: serde_json::to_string(data).unwrap(),
        test: false,
        callbacks: Vec::new(),
        link: None,
    }
}

pub(crate) fn signer(id: u128, name: &str, email: &str) -> Signer {
    Signer {
        id: SignerId::new(id),
        person: Person { name: name.to_owned(), email: email.to_owned(), ..Person::default() },
        order: 1,
        role: Role::Signer,
        send_to: SendTo::default(),
        state: signer::State::Waiting,
        reminders: 0,
        reminded_at: None,
        foreign_id: None,
        foreign_url: None,
    }
}

pub(crate) fn request(title: &str, state: State, signers: Vec<Signer>) -> Request {
    Request {
        id: REQUEST,
        account: ACCOUNT,
        title: title.to_owned(),
        message: None,
        documents: Vec::new(),
        sender: Sender { name: "John Doe".to_owned(), email: "john.doe@acme.com".to_owned() },
        signing_order: SigningOrder::Parallel,
        signers,
        progress: 0,
        expires_at: None,
        reminders: Reminders::default(),
        notices: BTreeMap::new(),
        callbacks: Callbacks::default(),
        redirect_url: None,
        metadata: BTreeMap::new(),
        origin: "native".to_owned(),
        workflow: None,
        foreign: None,
        created_at: noon(),
        state,
        archived_at: None,
    }
}
