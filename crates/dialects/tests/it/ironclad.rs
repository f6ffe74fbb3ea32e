//! What we say as Ironclad: each event as its sample is, read again as what happened, and verified by the vendor's own recipe
//! in its own runtime.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use dialects::vendor::vendor;
use domain::call::Call;
use domain::endpoint::Dialect;
use domain::event::{Event, Kind};
use domain::facts::AboutWorkflow;
use domain::id::{EndpointId, EventId};
use domain::source::Vendor;
use domain::time::Timestamp;
use domain::told::{About, Step};
use domain::workflow::Change;
use serde_json::{Value, json};

use super::catch::{post, source};
use super::world::{ACCOUNT, BITS, EVENT, body, call, endpoint, header, noon, rsa_key, say};

fn kinds() -> Vec<Kind> {
    let words = dialects::dialect(Dialect::Ironclad).words();
    words.iter().map(|word| word.kind).collect()
}

fn said(kind: Kind) -> Call {
    call(&dialects::sample(kind, ACCOUNT, EVENT, noon()), &endpoint(Dialect::Ironclad))
}

/// Says an event with a change of our own.
fn said_with(kind: Kind, change: impl FnOnce(&mut AboutWorkflow)) -> Call {
    let sample = dialects::sample(kind, ACCOUNT, EVENT, noon());
    let mut about: AboutWorkflow = serde_json::from_str(&sample.data).unwrap();
    change(&mut about);
    let event = Event { data: serde_json::to_string(&about).unwrap(), ..sample };
    call(&event, &endpoint(Dialect::Ironclad))
}

/// Gives the members in their order, and of what form each value is.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", shape(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.first().map(shape).unwrap_or_default()),
        Value::String(text) => form(text).to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

fn form(text: &str) -> &'static str {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if text.len() == 24 && text.chars().all(is_hex) {
        "24 digits"
    } else if text.parse::<Timestamp>().is_ok() {
        "moment"
    } else if text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) {
        "uuid"
    } else {
        "text"
    }
}

#[test]
fn every_event_has_the_members_of_its_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ironclad");
    let mut seen = 0;
    for kind in kinds() {
        let name = kind.as_str().replace('.', "_");
        let sample = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let sample: Value = serde_json::from_str(&sample).unwrap();
        let ours: Value = serde_json::from_slice(&said(kind).body).unwrap();
        assert_eq!(ours["payload"]["event"], name);
        // Comments had ids of nine letters then, and have UUIDs now.
        let plain = |shape: String| shape.replace("commentID: uuid", "commentID: text");
        assert_eq!(plain(shape(&ours)), shape(&sample), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 31);
}

#[test]
fn the_words_of_the_catalogue_are_the_vendors() {
    let of = |kind: Kind, member: &str| -> Value {
        let body: Value = serde_json::from_slice(&said(kind).body).unwrap();
        body["payload"][member].clone()
    };
    assert_eq!(of(Kind::WorkflowApprovalStatusChanged, "status"), "approved");
    assert_eq!(of(Kind::WorkflowStepUpdated, "transition"), "sign_to_archive");
    assert_eq!(of(Kind::WorkflowChangedTurn, "fromParty"), "internal");
    assert_eq!(of(Kind::WorkflowChangedTurn, "toParty"), "counterparty");
    assert_eq!(of(Kind::WorkflowCommentReactionAdded, "emojiID"), "grinning");
    assert_eq!(of(Kind::WorkflowRolesAssigned, "RoleAssignments")[0]["action"], "assigned");
    let signed = of(Kind::WorkflowSignaturePacketSignaturesCollected, "signatures");
    let john = json!({"name": "John Doe", "email": "john.doe@example.com", "roleName": "Counterparty Signer"});
    assert_eq!(signed, json!([john]));
}

#[test]
fn a_first_turn_does_not_say_whose_it_was() {
    let call = said_with(Kind::WorkflowChangedTurn, |about| {
        if let Change::ChangedTurn { from, .. } = &mut about.change {
            *from = None;
        }
    });
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["payload"].get("fromParty"), None);
}

#[test]
fn a_change_of_another_kind_is_unsayable() {
    let sample = dialects::sample(Kind::WorkflowPaused, ACCOUNT, EVENT, noon());
    let event = Event { kind: Kind::WorkflowResumed, ..sample };
    assert!(say(&event, &endpoint(Dialect::Ironclad)).is_err());
}

#[test]
fn ids_are_the_same_in_every_event_and_begin_with_the_second_of_ours() {
    let mut seen = None;
    for kind in kinds() {
        let body: Value = serde_json::from_slice(&said(kind).body).unwrap();
        let ids = [&body["companyID"], &body["webhookID"], &body["payload"]["workflowID"]];
        let ids = ids.map(|id| id.as_str().unwrap().to_owned());
        for id in &ids {
            let second = i64::from_str_radix(id.get(..8).unwrap(), 16).unwrap();
            assert_eq!(second, noon().as_seconds(), "{kind}");
        }
        assert_eq!(*seen.get_or_insert_with(|| ids.clone()), ids, "{kind}");
    }
    let mut other = endpoint(Dialect::Ironclad);
    other.id = EndpointId::new(BITS + 77);
    let sample = dialects::sample(Kind::WorkflowPaused, ACCOUNT, EVENT, noon());
    assert_ne!(body(&call(&sample, &other)), body(&said(Kind::WorkflowPaused)));
}

#[test]
fn what_we_say_as_ironclad_is_proven_and_read_as_what_happened() {
    let ironclad = vendor(Vendor::Ironclad);
    let source = source(Vendor::Ironclad, &[("verification_key", &rsa_key().public_pem())]);
    for kind in kinds() {
        let call = said(kind);
        let headers: Vec<(String, String)> =
            call.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let received = post(&headers, &call.body);
        assert!(ironclad.prove(&source, &received).is_ok(), "{kind}");
        let id = header(&call, "x-ironclad-webhook-event-id").map(str::to_owned);
        assert_eq!(ironclad.key(&source, &received), id);
        let told = ironclad.read(&source, &received).unwrap();
        assert_eq!((told.word, told.at), (kind.as_str().replace('.', "_"), Some(noon())));
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let workflow = body["payload"]["workflowID"].as_str().unwrap();
        let step = match told.about {
            About::Request { foreign_id, step, .. } => {
                assert_eq!(foreign_id, workflow);
                step
            }
            About::Foreign { request } => {
                assert_eq!(request.as_deref(), Some(workflow));
                None
            }
            About::Contact { .. } | About::Mail { .. } | About::Test => panic!("{kind}"),
        };
        let is_right = if kind == Kind::WorkflowSignaturePacketSent {
            step == Some(Step::Sent)
        } else if kind == Kind::WorkflowSignaturePacketSignaturesCollected {
            matches!(&step, Some(Step::Signed(all)) if all.len() == 1)
        } else if kind == Kind::WorkflowSignaturePacketFullySigned {
            step == Some(Step::Completed)
        } else if matches!(kind, Kind::WorkflowSignaturePacketCancelled | Kind::WorkflowCancelled) {
            step == Some(Step::Cancelled)
        } else {
            step.is_none()
        };
        assert!(is_right, "{kind} {step:?}");
    }
}

/// The vendor's recipe, as its page gives it, for each line of what comes in.
const RECIPE: &str = r"
const crypto = require('crypto');
const [key, ...calls] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
let verified = 0;
for (const {id, proof, raw} of calls) {
  const {nonce, signAlgorithm, signature, encoding} = JSON.parse(proof);
  const body = JSON.parse(raw);
  const isVerified = crypto.createVerify(signAlgorithm).update(id).update(JSON.stringify(body)).update(nonce)
    .verify(key, signature, encoding);
  if (isVerified && JSON.stringify(body) === raw) verified += 1;
}
console.log(`${verified} of ${calls.length}`);
";

fn verified(calls: &[Call]) -> String {
    let mut input = vec![json!(rsa_key().public_pem())];
    for call in calls {
        let id = header(call, "x-ironclad-webhook-event-id").unwrap();
        let proof = header(call, "x-ironclad-webhook-verification").unwrap();
        input.push(json!({"id": id, "proof": proof, "raw": body(call)}));
    }
    let mut node = Command::new("node");
    node.args(["-e", RECIPE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.spawn().expect("this test needs Node.js");
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&input).unwrap().as_bytes()).unwrap();
    drop(stdin);
    String::from_utf8(node.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn the_vendors_recipe_verifies_every_event() {
    let mut calls: Vec<Call> = kinds().into_iter().map(said).collect();
    for text in ["Zoë Šimečková", "\u{2028}\u{7f}\u{1f}\"\\/", "1.0", "1e21", "09007199254740993"]
    {
        calls.push(said_with(Kind::WorkflowSignaturePacketSignaturesCollected, |about| {
            if let Change::SignaturePacketSignaturesCollected { signatures } = &mut about.change {
                signatures[0].name = text.to_owned();
                signatures[0].role_name = format!("{text} 🖋");
            }
        }));
        calls.push(said_with(Kind::WorkflowApprovalStatusChanged, |about| {
            about.by = format!("{text}@example.com");
            if let Change::ApprovalStatusChanged { approval_name, .. } = &mut about.change {
                *approval_name = text.to_owned();
            }
        }));
    }
    assert_eq!(verified(&calls), "41 of 41");
}

#[test]
fn the_vendors_recipe_refuses_what_was_changed() {
    let good = said(Kind::WorkflowLaunched);
    let mut bodies = good.clone();
    bodies.body = body(&good).replace("launched", "paused").into_bytes();
    let mut ids = good.clone();
    let other = Event {
        id: EventId::new(BITS + 5),
        ..dialects::sample(Kind::WorkflowLaunched, ACCOUNT, EVENT, noon())
    };
    let other = call(&other, &endpoint(Dialect::Ironclad));
    for (name, value) in &mut ids.headers {
        if name == "x-ironclad-webhook-event-id" {
            header(&other, name).unwrap().clone_into(value);
        }
    }
    assert_eq!(verified(&[good, bodies, ids]), "1 of 3");
}
