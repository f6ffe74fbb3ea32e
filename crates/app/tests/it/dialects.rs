//! One request to two people, told in every dialect to a receiver: what comes over the wire has the shape of the vendors'
//! own samples, member for member.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Map, Value, json};
use url::Url;

use crate::http::{Message, Receiver};
use crate::process::{python, text};
use crate::service::{LOCAL, Service, draft, id};

/// What was heard of the request's whole way, by the path of the endpoint.
struct Told {
    receiver: Receiver,
    calls: BTreeMap<String, Vec<Message>>,
    /// The signing secrets, by path.
    secrets: BTreeMap<&'static str, String>,
    jwks: Value,
    /// The example of every event of the standard dialect, by name.
    examples: BTreeMap<&'static str, Value>,
}

/// The parameters of the FintechOS sample, with two of the caller's own.
const PARAMETERS: &str = "test=12345&asdf=abc&envelopeId=##EnvelopeId##&recipientEmail=##RecipientEmail##&recipientOrder=##RecipientOrder##&action=##Action##";
const TOKEN: &str = "my-secret-code";

/// Endpoints, and what each hears, in order.
const ENDPOINTS: [(&str, &str, &[&str]); 7] = [
    ("/standard", "standard", STANDARD),
    ("/ed25519", "standard", STANDARD),
    ("/clickwrap", "clickwrap", CLICKWRAP),
    ("/clickwrap-get", "clickwrap", CLICKWRAP),
    ("/insertsign", "insertsign", INSERTSIGN),
    ("/fintechos", "fintechos", ACTIONS),
    ("/esaw", "esaw", ACTIONS),
];
const STANDARD: &[&str] = &[
    "request.created",
    "request.sent",
    "signer.notified",
    "signer.viewed",
    "signer.signed",
    "signer.notified",
    "signer.viewed",
    "signer.signed",
    "request.completed",
    "request.archived",
    "request.deleted",
];
const CLICKWRAP: &[&str] =
    &["request_sent", "request_signed", "request_signed", "request_complete"];
const INSERTSIGN: &[&str] = &[
    "request.sent",
    "signer.signed",
    "signer.signed",
    "request.completed",
    "request.archived",
    "request.deleted",
];
const ACTIONS: &[&str] = &[
    "sendSignNotification",
    "workstepOpened",
    "workstepFinished",
    "sendSignNotification",
    "workstepOpened",
    "workstepFinished",
    "envelopeFinished",
];

fn endpoint(path: &str, dialect: &str, receiver: &Receiver) -> Value {
    let mut endpoint =
        json!({"dialect": dialect, "url": receiver.url(path), "ordering": "request"});
    match path {
        "/ed25519" => endpoint["signing"] = json!("ed25519"),
        "/clickwrap" => endpoint["token"] = json!(TOKEN),
        "/clickwrap-get" => {
            endpoint["method"] = json!("GET");
            endpoint["token"] = json!(TOKEN);
            endpoint["url"] = json!(receiver.url("/clickwrap-get?own=a%20b"));
        }
        "/fintechos" | "/esaw" => {
            endpoint["url"] = json!(receiver.url(&format!("{path}?{PARAMETERS}")));
        }
        _ => {}
    }
    endpoint
}

/// Takes a request all the way: made, sent, seen and signed by one on the page and by the other through the API,
/// archived, deleted.
fn take_all_the_way(service: &Service) {
    let made = id(&service.api("POST", "/requests", Some(&draft("sequential"))).expect(201));
    let path = format!("/requests/{made}");
    let sent = service.api("POST", &format!("{path}/send"), None).expect(200).json();
    let page = service.page(&sent, 0);
    service.submit(&page, "view", "").expect(303);
    service.submit(&page, "sign", "name=Ada+Lovelace&consent=yes").expect(303);
    let signer = format!("{path}/signers/{}", sent["signers"][1]["id"].as_str().unwrap());
    service.api("POST", &format!("{signer}/view"), None).expect(200);
    let sign = json!({"name": "Alan Turing", "consent": "I agree.", "device": "mobile", "ip": "203.0.113.9"});
    service.api("POST", &format!("{signer}/sign"), Some(&sign)).expect(200);
    service.api("POST", &format!("{path}/archive"), None).expect(200);
    service.api("DELETE", &path, None).expect(204);
}

fn told() -> Told {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    let mut secrets = BTreeMap::new();
    for (path, dialect, _) in ENDPOINTS {
        let body = endpoint(path, dialect, &receiver);
        let made = service.api("POST", "/endpoints", Some(&body)).expect(201).json();
        if let Some(secret) = made["secret"].as_str() {
            secrets.insert(path, secret.to_owned());
        }
    }
    take_all_the_way(&service);
    let expected: usize = ENDPOINTS.iter().map(|(_, _, names)| names.len()).sum();
    receiver.until(|heard| heard.len() >= expected);
    let jwks = service.send("GET", "/.well-known/jwks.json", &[], b"").expect(200).json();
    let example = |name: &&'static str| {
        let path = format!("/event-types/{name}/example?dialect=standard&as=json");
        let call = service.api("GET", &path, None).expect(200).json();
        (*name, call["body"].clone())
    };
    let examples = STANDARD.iter().map(example).collect();
    service.stop();
    let mut calls: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for call in receiver.heard() {
        let path = call.word(1).split('?').next().unwrap().to_owned();
        calls.entry(path).or_default().push(call);
    }
    Told { receiver, calls, secrets, jwks, examples }
}

impl Told {
    fn at(&self, path: &str) -> &[Message] {
        &self.calls[path]
    }

    fn query(&self, call: &Message) -> Vec<(String, String)> {
        let url = Url::parse(&self.receiver.url(call.word(1))).unwrap();
        url.query_pairs().into_owned().collect()
    }
}

/// Reads a recorded sample of a vendor.
fn sample(vendor: &str, name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../dialects/fixtures/{vendor}/{name}.json"));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// Writes members and types without values, in order. Signers, which stand under their ids, are gathered apart, each by
/// its own shape.
fn shape(value: &Value, signers: &mut BTreeSet<String>) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("true or false"),
        Value::Number(number) if number.is_f64() => json!("number"),
        Value::Number(_) => json!("integer"),
        Value::String(_) => json!("text"),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = items.iter().map(|item| shape(item, signers)).collect();
            shapes.dedup();
            Value::Array(shapes)
        }
        Value::Object(members) => {
            let mut shapes = Map::new();
            for (name, value) in members {
                let people = value.as_object().filter(|_| name == "signers");
                for person in people.into_iter().flat_map(Map::values) {
                    signers.insert(shape(person, &mut BTreeSet::new()).to_string());
                }
                let shape = if people.is_some() { json!("signers") } else { shape(value, signers) };
                shapes.insert(name.clone(), shape);
            }
            Value::Object(shapes)
        }
    }
}

/// Compares the shapes as text, since objects compare without regard to order; gives both shapes of signers.
#[track_caller]
fn same_shape(said: &Value, sample: &Value) -> [BTreeSet<String>; 2] {
    let [mut ours, mut theirs] = [BTreeSet::new(), BTreeSet::new()];
    let written = |shape: &Value| serde_json::to_string_pretty(shape).unwrap();
    assert_eq!(written(&shape(said, &mut ours)), written(&shape(sample, &mut theirs)));
    [ours, theirs]
}

#[test]
fn every_endpoint_hears_every_word_of_its_dialect_in_order() {
    let told = told();
    for (path, dialect, names) in ENDPOINTS {
        let name = |call: &Message| -> String {
            let member = |name: &str| call.json()[name].as_str().unwrap().to_owned();
            let parameter = |name: &str| {
                let pairs = told.query(call);
                pairs.into_iter().find(|(known, _)| known == name).unwrap().1
            };
            match (path, dialect) {
                ("/clickwrap-get", _) => parameter("event_type"),
                (_, "clickwrap") => member("event_type"),
                (_, "fintechos" | "esaw") => parameter("action"),
                _ => member("type"),
            }
        };
        let heard: Vec<String> = told.at(path).iter().map(name).collect();
        assert_eq!(heard, names, "{path}");
        let method = if path == "/clickwrap-get" { "GET" } else { "POST" };
        assert!(told.at(path).iter().all(|call| call.word(0) == method), "{path}");
    }
}

#[test]
fn clickwrap_posts_the_envelope_and_the_headers_of_its_samples() {
    let told = told();
    let recorded = sample("clickwrap", "_request_headers");
    for call in told.at("/clickwrap") {
        let body = call.json();
        same_shape(&body, &sample("clickwrap", body["event_type"].as_str().unwrap()));
        assert_eq!(body["sent_to"], told.receiver.url("/clickwrap"));
        for (name, value) in recorded.as_object().unwrap() {
            match name.as_str() {
                "host" => {
                    assert_eq!(call.header(name).unwrap(), told.receiver.address().to_string());
                }
                "content-length" => {
                    assert_eq!(call.header(name).unwrap(), call.body.len().to_string());
                }
                // The proxy of whoever recorded the sample.
                name if name.starts_with("x-forwarded-") => assert_eq!(call.header(name), None),
                name => assert_eq!(call.header(name), value.as_str(), "{name}"),
            }
        }
    }
}

#[test]
fn clickwrap_says_by_get_what_it_would_post_in_the_query() {
    let told = told();
    for (call, post) in told.at("/clickwrap-get").iter().zip(told.at("/clickwrap")) {
        assert_eq!((call.body.len(), call.header("content-type")), (0, None));
        assert_eq!(call.header("pactsafe-webhook-token"), Some(TOKEN));
        assert!(call.word(1).starts_with("/clickwrap-get?own=a%20b&deliverable=true&"), "{call:?}");
        let pairs = told.query(call);
        let post = post.json();
        let names: Vec<&String> = pairs.iter().skip(1).map(|(name, _)| name).collect();
        assert_eq!(names, post.as_object().unwrap().keys().collect::<Vec<_>>());
        for (name, said) in pairs.iter().skip(1) {
            let posted = &post[name];
            let posted = posted.as_str().map_or_else(|| posted.to_string(), str::to_owned);
            // What belongs to the endpoint differs; what belongs to the event does not.
            if !matches!(name.as_str(), "integration" | "sent_to") {
                assert_eq!(said, &posted, "{name}");
            }
        }
    }
}

/// Gathers every shape in which a sample shows a signer.
fn signers_of_insertsign() -> BTreeSet<String> {
    let mut shapes = BTreeSet::new();
    for name in ["request.sent", "request.completed", "request.archived", "request.deleted"] {
        shape(&sample("insertsign", name), &mut shapes);
    }
    shapes
}

#[test]
fn insertsign_says_what_its_samples_say() {
    let told = told();
    let known = signers_of_insertsign();
    for call in told.at("/insertsign") {
        let body = call.json();
        let [ours, theirs] =
            same_shape(&body, &sample("insertsign", body["type"].as_str().unwrap()));
        // Ada has the label of the samples, Alan the company; of the others there is a sample elsewhere.
        assert!(ours.is_superset(&theirs), "{ours:#?}\n{theirs:#?}");
        assert!(ours.is_subset(&known), "{ours:#?}\n{known:#?}");
        assert_eq!(call.header("content-type"), Some("application/json"));
        let people = body["data"]["request"]["signers"].as_object();
        for (id, person) in people.into_iter().flatten() {
            assert_eq!(person["id"], *id);
        }
    }
    let signed: Vec<Value> = told.at("/insertsign")[1..3].iter().map(Message::json).collect();
    let evidence = |body: &Value| json!([body["data"]["device"], body["data"]["ip"]]);
    assert_eq!(evidence(&signed[0]), json!(["desktop", "127.0.0.1"]));
    assert_eq!(evidence(&signed[1]), json!(["mobile", "203.0.113.9"]));
    assert_eq!(told.at("/insertsign")[3].json()["data"]["request"]["progress"], 100);
}

#[test]
fn fintechos_posts_the_context_object_of_its_samples() {
    let told = told();
    for call in told.at("/fintechos") {
        let body = call.json();
        let data = body["Data"].as_object().unwrap();
        let name = if data["action"] == "envelopeFinished" {
            "envelopeFinished"
        } else {
            "workstepOpened"
        };
        let sample = sample("fintechos", &format!("automation-context.{name}"));
        same_shape(&body, &sample);
        for member in ["test", "asdf", "recipientEmail", "recipientOrder"] {
            assert_eq!(data[member], sample["Data"][member], "{member}");
        }
        assert_eq!(data.get("FTOSIsFinishCallback"), sample["Data"].get("FTOSIsFinishCallback"));
        for (name, value) in told.query(call) {
            assert_eq!(data[&name], value, "the query and the body say the same");
        }
        assert_eq!(call.header("content-type"), Some("application/json"));
    }
}

#[test]
fn esaw_says_everything_in_the_url_and_nothing_in_the_body() {
    let told = told();
    let expansions = sample("fintechos", "esaw.callback-expansions");
    assert!(expansions["template"].as_str().unwrap().ends_with(PARAMETERS));
    let mut envelopes = BTreeSet::new();
    for call in told.at("/esaw") {
        assert_eq!((call.body.as_slice(), call.header("content-type")), ([].as_slice(), None));
        assert_eq!(call.header("content-length"), Some("0"));
        let said: BTreeMap<String, String> = told.query(call).into_iter().collect();
        let rows = expansions["expansions"].as_array().unwrap();
        let row = rows.iter().find(|row| row["action"] == said["action"]).unwrap();
        let filled = row["url"].as_str().unwrap().split_once('?').unwrap().1;
        let names = |query: &str| -> Vec<String> {
            query.split('&').map(|pair| pair.split('=').next().unwrap().to_owned()).collect()
        };
        let query = call.word(1).split_once('?').unwrap().1;
        assert_eq!(names(query), names(filled));
        assert!(query.starts_with("test=12345&asdf=abc&envelopeId="), "handed back unchanged");
        envelopes.insert(said["envelopeId"].clone());
    }
    assert_eq!(envelopes.len(), 1, "one request is one envelope: {envelopes:?}");
    let lengths: Vec<usize> = envelopes.first().unwrap().split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "a GUID");
    // Of each action about a signer the address is told, percent-encoded; of the last one there is none.
    let is_told = |call: &&Message, text: &str| call.word(1).contains(text);
    let esaw = told.at("/esaw");
    let about = |text: &str| esaw.iter().filter(|call| is_told(call, text)).count();
    assert_eq!(about("&recipientEmail=ada%2Bsign%40example.com&recipientOrder=1&"), 3);
    assert_eq!(about("&recipientEmail=alan%40example.com&recipientOrder=2&"), 3);
    assert_eq!(about("&recipientEmail=&recipientOrder=&action=envelopeFinished"), 1);
}

#[test]
fn standard_webhooks_say_what_their_examples_show() {
    let told = told();
    for call in told.at("/standard") {
        let mut body = call.json();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["type", "timestamp", "data"]);
        let data: Vec<&String> = body["data"].as_object().unwrap().keys().collect();
        assert_eq!(data.last().unwrap().as_str(), "chain", "{body:#}");
        let chain = body["data"].as_object_mut().unwrap().shift_remove("chain").unwrap();
        assert!(chain["seq"].is_u64() && chain["hash"].as_str().unwrap().len() == 64, "{chain}");
        let example = &told.examples[body["type"].as_str().unwrap()];
        let names = |body: &Value| -> Vec<String> {
            body["data"].as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(names(&body), names(example), "{}", body["type"]);
        is_of_the_shape_of(&body["data"]["request"], &example["data"]["request"], "request");
    }
}

/// Insists that what both say is of one type, in one order.
#[track_caller]
fn is_of_the_shape_of(said: &Value, example: &Value, at: &str) {
    match (said, example) {
        (Value::Object(said), Value::Object(example)) => {
            let common = |of: &Map<String, Value>, other: &Map<String, Value>| -> Vec<String> {
                of.keys().filter(|name| other.contains_key(*name)).cloned().collect()
            };
            assert_eq!(common(said, example), common(example, said), "{at}");
            for name in common(said, example) {
                is_of_the_shape_of(&said[&name], &example[&name], &format!("{at}.{name}"));
            }
        }
        (Value::Array(said), Value::Array(example)) => {
            for (said, example) in said.iter().zip(example) {
                is_of_the_shape_of(said, example, &format!("{at}[]"));
            }
        }
        (said, example) => {
            let ours = shape(said, &mut BTreeSet::new());
            assert_eq!(ours, shape(example, &mut BTreeSet::new()), "{at}");
        }
    }
}

/// Asks the reference implementation, in Python, about each case.
fn verdicts(cases: &[Value]) -> Vec<String> {
    let mut child =
        python("verify_webhook.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(json!(cases).to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "run `make test`, which sets Python up: {output:?}");
    serde_json::from_str(&text(&output.stdout)).unwrap()
}

#[test]
fn every_standard_webhook_is_verified_by_another_implementation_and_none_that_was_changed() {
    let told = told();
    let mut whole = Vec::new();
    let mut changed = Vec::new();
    for path in ["/standard", "/ed25519"] {
        let secret = &told.secrets[path];
        for call in told.at(path) {
            let headers: Map<String, Value> =
                call.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let case = json!({"secret": secret, "headers": headers, "body": call.text()});
            let with = |pointer: &str, value: Value| {
                let mut case = case.clone();
                *case.pointer_mut(pointer).unwrap() = value;
                case
            };
            changed.push(with("/body", json!(call.text().replacen("NDA", "NDB", 1))));
            changed.push(with("/body", json!(format!("{} ", call.text()))));
            changed.push(with("/headers/webhook-id", json!("evt_00000000000000000000000000")));
            changed.push(with("/secret", json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")));
            whole.push(case);
        }
    }
    assert_eq!(whole.len(), 2 * STANDARD.len());
    assert!(verdicts(&whole).iter().all(|verdict| verdict == "verified"), "{whole:#?}");
    for verdict in verdicts(&changed) {
        assert_eq!(verdict, "No matching signature found");
    }
}

#[test]
fn an_asymmetric_signature_is_checked_by_the_key_that_the_service_publishes() {
    let told = told();
    let keys = told.jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!((&keys[0]["kty"], &keys[0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let key = BASE64_URL_SAFE_NO_PAD.decode(keys[0]["x"].as_str().unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, key);
    for call in told.at("/ed25519") {
        let header = |name: &str| call.header(name).unwrap();
        let signatures: Vec<&str> = header("webhook-signature").split(' ').collect();
        assert!(signatures[0].starts_with("v1,") && signatures.len() == 2, "{signatures:?}");
        let signature =
            BASE64_STANDARD.decode(signatures[1].strip_prefix("v1a,").unwrap()).unwrap();
        let message =
            format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), call.text());
        key.verify(message.as_bytes(), &signature).unwrap();
        key.verify(format!("{message} ").as_bytes(), &signature).unwrap_err();
    }
    let plain = |call: &Message| !call.header("webhook-signature").unwrap().contains("v1a,");
    assert!(told.at("/standard").iter().all(plain));
}
