//! Which reports are believed.

use std::str::FromStr as _;

use channels::provider::Untrusted;
use domain::provider::{Provider, ProviderKind};
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{Arrival, FEEDBACK_URL, fixture, provider, speaks, usual};

struct Vector {
    name: String,
    provider: Provider,
    secrets: Value,
    arrival: Arrival,
    covers: Vec<String>,
    stale_after_s: Option<i64>,
}

fn vectors() -> Vec<Vector> {
    let all = fixture("signatures.json");
    let read = |vector: &Value| {
        let kind = serde_json::from_value(vector["kind"].clone()).unwrap();
        let mut arrival = Arrival::of(vector);
        arrival.now = Timestamp::from_str(vector["now"].as_str().unwrap()).unwrap();
        Vector {
            name: vector["name"].as_str().unwrap().to_owned(),
            provider: provider(kind, &vector["settings"], &vector["secrets"]),
            secrets: vector["secrets"].clone(),
            arrival,
            covers: serde_json::from_value(vector["covers"].clone()).unwrap(),
            stale_after_s: vector["stale_after_s"].as_i64(),
        }
    };
    all.as_array().unwrap().iter().map(read).collect()
}

fn proven(provider: &Provider, arrival: &Arrival) -> Result<(), Untrusted> {
    speaks(provider.kind).prove(provider, &arrival.received())
}

fn assert_forged(vector: &Vector, arrival: &Arrival, what: &str) {
    let proven = proven(&vector.provider, arrival);
    assert!(matches!(proven, Err(Untrusted::Forged(_))), "{}, {what}: {proven:?}", vector.name);
}

/// Gives a text with the byte at that place changed into another one of the same class.
fn changed(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = match bytes[at] {
        b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => bytes[at] + 1,
        b'9' => b'0',
        b'z' => b'a',
        b'Z' => b'A',
        _ => b'~',
    };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_vector_is_believed() {
    for vector in vectors() {
        assert_eq!(proven(&vector.provider, &vector.arrival), Ok(()), "{}", vector.name);
    }
}

#[test]
fn one_changed_byte_of_what_is_covered_is_a_forgery() {
    for vector in vectors() {
        let whole = &vector.arrival;
        let (url, body) = (whole.url.clone(), whole.body.clone());
        for covered in &vector.covers {
            let places = match covered.as_str() {
                "body" if body.is_empty() => {
                    let arrival = Arrival { body: "x".to_owned(), ..whole.clone() };
                    assert_forged(&vector, &arrival, "a body that was not there");
                    continue;
                }
                "body" => vec![0, body.len() / 2, body.len() - 1],
                "url" => vec![url.find("://").unwrap() + 4, url.len() - 1],
                "path" => vec![url.find('?').unwrap() - 1],
                "query" => vec![url.find('?').unwrap() + 1, url.len() - 1],
                other => panic!("{other}"),
            };
            for at in places {
                let arrival = if covered == "body" {
                    Arrival { body: changed(&body, at), ..whole.clone() }
                } else {
                    Arrival { url: changed(&url, at), ..whole.clone() }
                };
                assert_forged(&vector, &arrival, &format!("{covered} at {at}"));
            }
        }
    }
}

#[test]
fn one_changed_byte_of_a_header_is_a_forgery() {
    for vector in vectors() {
        for index in 0..vector.arrival.headers.len() {
            let mut arrival = vector.arrival.clone();
            let (name, value) = &mut arrival.headers[index];
            let name = name.clone();
            // The last character of Base64 may hold bits that say nothing.
            *value = changed(value, value.len() / 2);
            assert_forged(&vector, &arrival, &name);
        }
    }
}

#[test]
fn another_key_or_none_at_all_is_a_forgery() {
    for vector in vectors() {
        let (name, secret) = vector.secrets.as_object().unwrap().iter().next().unwrap();
        let other = json!({ name.as_str(): changed(secret.as_str().unwrap(), 0) });
        let settings = json!(vector.provider.settings);
        let another = provider(vector.provider.kind, &settings, &other);
        let read = proven(&another, &vector.arrival);
        assert!(matches!(read, Err(Untrusted::Forged(_))), "{}: {read:?}", vector.name);
        let mut bare = vector.arrival.clone();
        bare.headers.clear();
        bare.body = bare.body.replace("sig=", "gis=");
        bare.url = bare.url.replace("sig=", "gis=");
        let read = proven(&vector.provider, &bare);
        assert!(read.is_err(), "{}", vector.name);
    }
}

#[test]
fn a_proof_with_a_time_ages() {
    for vector in vectors() {
        let at = |seconds: i64| Arrival {
            now: vector.arrival.now.plus_seconds(seconds),
            ..vector.arrival.clone()
        };
        let Some(stale_after_s) = vector.stale_after_s else {
            assert_eq!(proven(&vector.provider, &at(10 * 24 * 3_600)), Ok(()), "{}", vector.name);
            continue;
        };
        assert_eq!(proven(&vector.provider, &at(stale_after_s - 1)), Ok(()), "{}", vector.name);
        assert_eq!(proven(&vector.provider, &at(-299)), Ok(()), "{}", vector.name);
        assert_forged(&vector, &at(stale_after_s + 1), "too late");
        assert_forged(&vector, &at(-301), "too early");
    }
}

#[test]
fn vonage_unsigned_is_asked_for_again_and_signed_wrongly_is_not() {
    let vector = vectors().into_iter().find(|vector| vector.name == "vonage").unwrap();
    let mut arrival = vector.arrival.clone();
    arrival.headers.clear();
    assert!(matches!(proven(&vector.provider, &arrival), Err(Untrusted::Unsigned(_))));
    for value in [
        "",
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        "Basic abc",
        "Bearer ..",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ] {
        arrival.headers = vec![("authorization".to_owned(), value.to_owned())];
        assert_forged(&vector, &arrival, value);
    }
    let another = json!({ "api_key": "other" });
    let another = provider(ProviderKind::Vonage, &another, &vector.secrets);
    assert!(proven(&another, &vector.arrival).is_err());
}

#[test]
fn twilio_signs_with_or_without_the_port() {
    let vector = vectors().into_iter().find(|vector| vector.name == "twilio").unwrap();
    let arrival =
        Arrival { url: vector.arrival.url.replace(".com/", ".com:443/"), ..vector.arrival.clone() };
    assert_eq!(proven(&vector.provider, &arrival), Ok(()));
}

#[test]
fn without_a_secret_to_prove_with_the_secret_url_is_the_proof() {
    let arrival = Arrival {
        method: "POST".to_owned(),
        url: FEEDBACK_URL.to_owned(),
        headers: Vec::new(),
        body: "{}".to_owned(),
        now: super::now(),
    };
    for kind in [ProviderKind::VonageSms, ProviderKind::Sinch, ProviderKind::HttpSms] {
        assert_eq!(proven(&usual(kind).0, &arrival), Ok(()), "{}", kind.as_str());
    }
    for kind in [
        ProviderKind::Twilio,
        ProviderKind::Messagebird,
        ProviderKind::Plivo,
        ProviderKind::AwsSms,
        ProviderKind::SnsSms,
    ] {
        assert!(matches!(proven(&usual(kind).0, &arrival), Err(Untrusted::Forged(_))));
    }
}

#[test]
fn what_amazon_reports_is_of_the_topic_in_the_settings() {
    let arrival = Arrival::of(&fixture("aws_sms/report.delivered.json"));
    let (mut own, _) = usual(ProviderKind::AwsSms);
    // The topic fits, so the certificate is asked for next.
    assert!(matches!(proven(&own, &arrival), Err(Untrusted::NeedsCertificate(_))));
    own.settings.insert("topic_arn".to_owned(), json!("arn:aws:sns:eu-west-1:123456789012:other"));
    assert!(matches!(proven(&own, &arrival), Err(Untrusted::Forged(_))));
}
