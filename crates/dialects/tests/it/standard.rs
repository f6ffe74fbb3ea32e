//! The standard dialect against the reference implementation of its specification.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialects::Unsayable;
use dialects::proof::encode_secret;
use domain::call::Call;
use domain::chain::{Hash, Link};
use domain::endpoint::{Dialect, Endpoint, Secrets, Signing, SigningSecret};
use domain::event::{Event, Kind};
use domain::secret::Secret;
use domain::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::json;
use standardwebhooks::Webhook;

use super::world::{
    ACCOUNT, EVENT, body, call, endpoint, event, header, noon, say, say_at, signer_key,
};

fn paid() -> Event {
    Event {
        name: "custom.bill.paid".into(),
        ..event(Kind::Custom, noon(), &json!({"amount": 12.5, "to": "Zoë"}))
    }
}

fn secret(byte: u8, until: Option<Timestamp>) -> SigningSecret {
    SigningSecret { secret: encode_secret(&[byte; 32]), until }
}

fn with(signing: Vec<SigningSecret>) -> Endpoint {
    let secrets = Secrets { signing, ..Secrets::default() };
    Endpoint { secrets, ..endpoint(Dialect::Standard) }
}

fn headers(call: &Call) -> HeaderMap {
    call.headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        })
        .collect()
}

#[test]
fn a_body_wraps_the_data_byte_for_byte() {
    let event = Event { data: r#"{"a": 1.0,  "b":"\u00e9"}"#.to_owned(), ..paid() };
    assert_eq!(
        body(&call(&event, &endpoint(Dialect::Standard))),
        r#"{"type":"custom.bill.paid","timestamp":"2026-01-31T12:00:00.000Z","data":{"a": 1.0,  "b":"\u00e9"}}"#
    );
}

#[test]
fn a_test_says_that_it_is_one() {
    let event = Event { test: true, data: "{}".to_owned(), ..paid() };
    assert_eq!(
        body(&call(&event, &endpoint(Dialect::Standard))),
        r#"{"type":"custom.bill.paid","test":true,"timestamp":"2026-01-31T12:00:00.000Z","data":{}}"#
    );
}

#[test]
fn a_link_stands_last_in_the_data() {
    let link = Some(Link { seq: 3, hash: Hash([0xab; 32]) });
    let chain = format!(r#""chain":{{"seq":3,"hash":"{}"}}"#, "ab".repeat(32));
    for (data, expected) in [
        ("{}", format!("{{{chain}}}")),
        ("{ }", format!("{{ {chain}}}")),
        (r#"{"a":{}}"#, format!(r#"{{"a":{{}},{chain}}}"#)),
        (" {\"a\":1}\n", format!(r#"{{"a":1,{chain}}}"#)),
    ] {
        let event = Event { data: data.to_owned(), link, ..paid() };
        let call = call(&event, &endpoint(Dialect::Standard));
        assert!(body(&call).ends_with(&format!(r#","data":{expected}}}"#)), "{}", body(&call));
        assert!(serde_json::from_slice::<serde_json::Value>(&call.body).is_ok());
    }
}

#[test]
fn data_that_are_no_object_are_unsayable() {
    for data in ["", "{", "}", "[]", "null", "\"{}\""] {
        let event = Event { data: data.to_owned(), ..paid() };
        let said = say(&event, &endpoint(Dialect::Standard));
        assert!(matches!(said, Err(Unsayable::NotAnObject { .. })), "{data}");
    }
}

#[test]
fn the_reference_implementation_agrees_on_each_secret_while_rotating() {
    let call = call(&paid(), &with(vec![secret(1, None), secret(2, Some(noon().plus_seconds(1)))]));
    let expected: Vec<String> = [1, 2]
        .map(|byte| {
            let webhook = Webhook::new(encode_secret(&[byte; 32]).expose()).unwrap();
            webhook.sign(&EVENT.to_string(), noon().as_seconds(), &call.body).unwrap()
        })
        .into();
    assert_eq!(header(&call, "webhook-signature"), Some(expected.join(" ").as_str()));
    assert_eq!(header(&call, "webhook-id"), Some(EVENT.to_string().as_str()));
    assert_eq!(header(&call, "webhook-timestamp"), Some("1769860800"));
    assert_eq!(header(&call, "content-type"), Some("application/json"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the reference implementation reads the real clock")]
fn the_reference_implementation_accepts_a_fresh_message() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(now.as_millis().try_into().unwrap());
    let endpoint = with(vec![secret(1, None), secret(2, Some(now.plus_seconds(60)))]);
    let call = say_at(&paid(), &endpoint, now).unwrap().unwrap();
    let verify = |byte: u8| {
        let webhook = Webhook::new(encode_secret(&[byte; 32]).expose()).unwrap();
        webhook.verify(&call.body, &headers(&call)).is_ok()
    };
    assert_eq!([1, 2, 3].map(verify), [true, true, false]);
}

#[test]
fn a_secret_signs_until_its_rotation_ends() {
    let signatures = |seconds: i64| {
        let endpoint = with(vec![secret(1, None), secret(2, Some(noon()))]);
        let call = say_at(&paid(), &endpoint, noon().plus_seconds(seconds)).unwrap().unwrap();
        header(&call, "webhook-signature").unwrap().split(' ').count()
    };
    assert_eq!((signatures(-1), signatures(0)), (2, 1));
}

#[test]
fn the_accounts_key_signs_beside_the_secret() {
    let endpoint = Endpoint { signing: Signing::Ed25519, ..with(vec![secret(1, None)]) };
    let call = call(&paid(), &endpoint);
    let signatures = header(&call, "webhook-signature").unwrap();
    let (v1, v1a) = signatures.split_once(' ').unwrap();
    assert!(v1.starts_with("v1,"));
    let signed = format!("{EVENT}.{}.{}", noon().as_seconds(), body(&call));
    let signature = decode(v1a.strip_prefix("v1a,").unwrap());
    let key = UnparsedPublicKey::new(&ED25519, signer_key().public_key().to_vec());
    assert!(key.verify(signed.as_bytes(), &signature).is_ok());
}

fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

#[test]
fn an_endpoint_that_cannot_prove_itself_says_nothing() {
    let said = |signing| say(&paid(), &with(signing)).unwrap_err().to_string();
    assert_eq!(said(vec![]), "the endpoint has no valid signing secret");
    assert_eq!(said(vec![secret(1, Some(noon()))]), "the endpoint has no valid signing secret");
    let broken = SigningSecret { secret: Secret::new("whsec_!"), until: None };
    assert_eq!(said(vec![broken]), "a signing secret of the endpoint cannot be used");
}

#[test]
fn an_endpoint_adds_its_own_headers_in_every_dialect() {
    for which in Dialect::ALL {
        let mut endpoint = endpoint(which);
        endpoint.secrets.authorization = Some(Secret::new("Basic YTpi"));
        endpoint.secrets.headers = vec![
            ("x-tenant".to_owned(), Secret::new("7")),
            ("webhook-id".to_owned(), Secret::new("forged")),
        ];
        let says_requests = dialects::speaks(which, Kind::RequestCompleted);
        let kind = if says_requests { Kind::RequestCompleted } else { Kind::WorkflowCompleted };
        let event = dialects::sample(kind, ACCOUNT, EVENT, noon());
        let call = call(&event, &endpoint);
        assert_eq!(header(&call, "authorization"), Some("Basic YTpi"));
        assert_eq!(header(&call, "x-tenant"), Some("7"));
        assert_ne!(header(&call, "webhook-id"), Some("forged"));
        let lower =
            call.headers.iter().all(|(name, _)| !name.bytes().any(|b| b.is_ascii_uppercase()));
        assert!(lower, "{:?}", call.headers);
    }
}
