//! What the tests of intake share: sources, what their vendors say, and what is to be seen of it.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::http::Message;
use crate::process::until;
use crate::service::{Service, id};

/// The token that the sources of these tests are proven by.
pub(super) const TOKEN: &str = "the-token-of-the-hook";
/// How Ironclad Clickwrap proves itself with it.
pub(super) const PROOF: [(&str, &str); 1] = [("pactsafe-webhook-token", TOKEN)];

/// Gives a vendor's sample.
pub(super) fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/fixtures");
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Makes a source of a name; gives its id and the path at which its vendor calls.
pub(super) fn named(service: &Service, vendor: &str, name: &str, settings: &Value) -> Source {
    let body = json!({"vendor": vendor, "name": name, "settings": settings});
    let made = service.api("POST", "/sources", Some(&body)).expect(201);
    let url = made.json()["intake_url"].as_str().unwrap().to_owned();
    let (_, path) = url.split_once("/in/").unwrap();
    (id(&made), format!("/in/{path}"))
}

/// A source's id and the path at which its vendor calls.
pub(super) type Source = (String, String);

/// Makes a source named as its vendor.
pub(super) fn source(service: &Service, vendor: &str, settings: &Value) -> Source {
    named(service, vendor, vendor, settings)
}

/// Calls as a vendor does.
pub(super) fn post(service: &Service, path: &str, headers: &[(&str, &str)], body: &str) -> Message {
    let headers = [&[("content-type", "application/json")], headers].concat();
    service.send("POST", path, &headers, body.as_bytes())
}

/// Says what Ironclad Clickwrap says of a request.
pub(super) fn clickwrap(word: &str, event: &str, request: &str, signer: Option<&str>) -> String {
    let mut body: Value = serde_json::from_str(&sample(&format!("clickwrap/{word}.json"))).unwrap();
    body["id"] = json!(event);
    body["request"] = json!(request);
    if let Some(signer) = signer {
        body["signer"] = json!(signer);
    }
    body.to_string()
}

/// Lists what came in at a source as it stands now, newest first.
pub(super) fn rows(service: &Service, source: &str) -> Vec<Value> {
    let path = format!("/sources/{source}/inbox?limit=100");
    service.api("GET", &path, None).expect(200).json()["data"].as_array().unwrap().clone()
}

/// Waits until nothing waits in an inbox, and gives it.
pub(super) fn inbox(service: &Service, source: &str) -> Vec<Value> {
    until("the inbox to be read", || {
        let rows = rows(service, source);
        rows.iter().all(|row| row["state"] != "waiting").then_some(rows)
    })
}

/// Lists what has happened, oldest first, without what came in itself.
pub(super) fn events(service: &Service) -> Vec<(String, Value)> {
    let list = service.api("GET", "/events?limit=100", None).expect(200).json();
    let rows = list["data"].as_array().unwrap().iter().rev();
    let name = |row: &Value| row["type"].as_str().unwrap().to_owned();
    let rows = rows.filter(|row| row["type"] != "source.received");
    rows.map(|row| (name(row), row["data"].clone())).collect()
}

/// Lists the names of what has happened.
pub(super) fn names(service: &Service) -> Vec<String> {
    events(service).into_iter().map(|(name, _)| name).collect()
}

/// Lists the mirrors of a source, newest first.
pub(super) fn mirrors(service: &Service, source: &str) -> Vec<Value> {
    let list = service.api("GET", "/requests?limit=100", None).expect(200).json();
    let rows = list["data"].as_array().unwrap().iter();
    rows.filter(|row| row["origin"] == source).cloned().collect()
}

/// Gives the only mirror of a source.
pub(super) fn mirror(service: &Service, source: &str) -> Value {
    let mut mirrors = mirrors(service, source);
    assert_eq!(mirrors.len(), 1, "{mirrors:#?}");
    mirrors.remove(0)
}

/// Waits until the only mirror of a source has a status, and gives it.
pub(super) fn until_mirror(service: &Service, source: &str, status: &str) -> Value {
    until(status, || mirrors(service, source).into_iter().find(|mirror| mirror["status"] == status))
}

/// Gives the events of a timeline in order: the name, and what each says.
pub(super) fn timeline(service: &Service, request: &str) -> Vec<(String, Value)> {
    let path = format!("/requests/{request}/timeline");
    let timeline = service.api("GET", &path, None).expect(200).json();
    let entries = timeline["data"].as_array().unwrap().iter();
    let entries = entries.filter(|entry| entry["what"] == "event").map(|entry| &entry["event"]);
    entries
        .map(|event| {
            let data = event["data"].as_str().unwrap();
            (event["type"].as_str().unwrap().to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
}

/// A key that Ironclad signs with.
pub(super) struct Key(&'static str);

pub(super) const FIRST: Key = Key("first");
pub(super) const SECOND: Key = Key("second");

impl Key {
    fn file(&self, ending: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        fs::read_to_string(folder.join(format!("{}.test.{ending}", self.0))).unwrap()
    }

    /// Gives the public half in PEM.
    pub(super) fn public(&self) -> String {
        self.file("pem")
    }

    /// Calls as Ironclad does, with a signature.
    pub(super) fn post(&self, service: &Service, path: &str, event: &str, body: &str) -> Message {
        let text: String = self.file("key").lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
        let mut bytes = vec![0; pair.public().modulus_len()];
        let signed = format!("{event}{body}a1b2c3d4");
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut bytes).unwrap();
        let proof = json!({"nonce": "a1b2c3d4", "signAlgorithm": "sha256", "encoding": "base64",
            "signature": BASE64_STANDARD.encode(bytes)});
        let headers = [
            ("x-ironclad-webhook-event-id", event),
            ("x-ironclad-webhook-verification", &proof.to_string()),
        ];
        post(service, path, &headers, body)
    }
}
