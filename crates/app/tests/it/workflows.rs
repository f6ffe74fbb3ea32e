//! Contract workflows, from outside: a whole life by the API, told in Ironclad's words.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::time::{DAY_MS, Timestamp};
use serde_json::{Value, json};

use crate::http::{Message, Receiver};
use crate::process::until;
use crate::service::{LOCAL, Service, id};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.org";

/// What is wanted of the chosen events alone.
const CHOSEN: [&str; 3] = ["workflow_launched", "workflow_completed", "workflow_cancelled"];

fn template() -> Value {
    json!({
        "name": "Non-disclosure agreement",
        "attributes": [
            {"id": "counterpartyName", "name": "Counterparty", "type": "text", "required": true},
            {"id": "term", "name": "Term in months", "type": "number", "default": 24},
        ],
        "roles": [{"id": "owner", "name": "Owner"}, {"id": "legal", "name": "Legal"}],
        "approval_groups": [{"roles": ["legal"]}, {"roles": ["owner"]}],
        "documents": [{"id": "draft", "name": "Draft", "in_packet": true}],
        "signing_order": "sequential",
        "signers": [
            {"role_name": "Counterparty Signer", "party": "counterparty", "order": 1},
            {"role_name": "Acme Signer", "party": "internal", "order": 2},
        ],
    })
}

/// A workflow of a service.
struct Life<'a> {
    service: &'a Service,
    id: String,
}

impl<'a> Life<'a> {
    fn launch(service: &'a Service) -> Self {
        let made = service.api("POST", "/workflow-templates", Some(&template())).expect(201);
        let launch = json!({
            "template_id": id(&made), "title": "NDA with Zoë Ltd", "by": ADA,
            "attributes": {"counterpartyName": "Zoë Ltd"},
            "roles": {"owner": {"email": ADA, "name": "Ada Lovelace"}},
            "signers": {
                "Counterparty Signer": {"name": "Bob Šimeček", "email": BOB},
                "Acme Signer": {"name": "Ada Lovelace", "email": ADA},
            },
        });
        let made = service.api("POST", "/workflows", Some(&launch)).expect(201);
        Self { service, id: id(&made) }
    }

    fn try_act(&self, act: &Value) -> Message {
        self.service.api("POST", &format!("/workflows/{}/actions", self.id), Some(act))
    }

    fn act(&self, act: &Value) -> Value {
        self.try_act(act).expect(200).json()
    }

    fn read(&self) -> Value {
        self.service.api("GET", &format!("/workflows/{}", self.id), None).expect(200).json()
    }

    fn review(&self) {
        self.act(&json!({"action": "update", "title": "NDA with Zoë Limited"}));
        self.act(&json!({"action": "set_attributes", "set": {"term": 12.5}}));
        let text = "Shorter, <@eve@example.com>?";
        let comment = json!({"action": "comment", "text": text, "add_participants": true});
        let said = self.act(&comment);
        assert!(said["participants"].as_array().unwrap().contains(&json!("eve@example.com")));
        let comment = said["comments"][0]["id"].clone();
        let reply = json!({
            "action": "comment", "by": BOB, "text": "Fine.", "is_external": true, "replied_to": comment,
        });
        self.act(&reply);
        let of =
            |action: &str| json!({"action": action, "comment_id": comment, "emoji_id": "grinning"});
        self.act(&of("react"));
        self.act(&of("unreact"));
        let edit = json!({"action": "edit_comment", "comment_id": comment, "text": "A year?"});
        self.act(&edit);
        self.act(&json!({"action": "remove_comment", "comment_id": comment}));
        self.act(&json!({"action": "invite", "email": BOB, "name": "Bob Šimeček"}));
        self.act(&json!({"action": "change_turn", "to": "counterparty"}));
        self.act(&json!({"action": "revoke_invite", "email": BOB}));
        self.act(&json!({"action": "pause", "comment": {"text": "Back on Monday."}}));
        self.act(&json!({"action": "resume"}));
        self.act(
            &json!({"action": "assign_roles", "roles": {"legal": {"email": "eve@example.com"}}}),
        );
    }

    fn documents(&self) {
        let file = |name: &str, text: &str| json!({"place": "draft", "name": name, "media_type": "text/plain", "content_base64": BASE64_STANDARD.encode(text)});
        let new = json!([file("nda.txt", "one"), file("annex.txt", "two")]);
        let made = self.act(&json!({"action": "add_documents", "documents": new}));
        let ids = [0, 1].map(|at: usize| made["documents"][at]["id"].clone());
        let again: Vec<Value> = ids
            .iter()
            .map(|id| json!({"document_id": id, "name": "x.txt", "content_base64": BASE64_STANDARD.encode("three")}))
            .collect();
        self.act(&json!({"action": "update_documents", "documents": again}));
        let names: Vec<Value> =
            ids.iter().map(|id| json!({"document_id": id, "name": "NDA é.txt"})).collect();
        self.act(&json!({"action": "rename_documents", "documents": names}));
        let edit = json!({
            "action": "edit_document", "document_id": ids[0], "name": "NDA.txt",
            "media_type": "text/plain", "content_base64": BASE64_STANDARD.encode("four"),
        });
        assert_eq!(self.act(&edit)["documents"][0]["version"], 3);
        self.act(&json!({"action": "remove_documents", "document_ids": [ids[1]]}));
        let path = |id: &Value| {
            format!("/workflows/{}/documents/{}/content", self.id, id.as_str().unwrap())
        };
        let text = self.service.api("GET", &path(&ids[0]), None).expect(200);
        assert_eq!(
            (text.text().as_str(), text.header("content-type")),
            ("four", Some("text/plain"))
        );
        assert_eq!(text.header("content-disposition"), Some("attachment"));
        self.service.api("GET", &path(&ids[1]), None).expect(404);
    }

    fn approve(&self) {
        let refused = self.try_act(&json!({"action": "approve", "role": "owner"}));
        refused.expect_problem(409, "impossible");
        self.act(&json!({"action": "approve", "role": "legal", "by": "eve@example.com"}));
        self.act(&json!({"action": "reset_approval", "role": "legal"}));
        for role in ["legal", "owner"] {
            self.act(&json!({"action": "approve", "role": role}));
        }
        self.act(&json!({"action": "advance"}));
    }

    /// Sends the packet; gives the request that it is.
    fn send(&self) -> Value {
        let sent = self.act(&json!({"action": "send_packet"}));
        let request = sent["packet"]["request_id"].as_str().unwrap();
        let request =
            self.service.api("GET", &format!("/requests/{request}"), None).expect(200).json();
        assert_eq!(request["workflow_id"], self.id.as_str());
        request
    }

    fn signers(&self) {
        let part = json!({
            "action": "add_signer", "role_name": "Witness", "party": "internal", "order": 3,
            "person": {"name": "Eve", "email": "eve@example.com"},
        });
        self.act(&part);
        let request = self.send();
        let heir = json!({
            "action": "reassign_signer", "role_name": "Witness",
            "person": {"name": "Mallory", "email": "mallory@example.com"},
        });
        self.act(&heir);
        let path = format!("/requests/{}", request["id"].as_str().unwrap());
        let now = self.service.api("GET", &path, None).expect(200).json();
        assert_eq!(now["signers"][2]["status"], "reassigned");
        assert_eq!(now["signers"][3]["email"], "mallory@example.com");
        // Without one of its signers a packet that is out is none.
        self.act(&json!({"action": "remove_signer", "role_name": "Witness"}));
        let now = self.service.api("GET", &path, None).expect(200).json();
        assert_eq!(now["status"], "cancelled");
    }

    /// One signs on the page, the other on paper.
    fn sign(&self) {
        self.act(&json!({"action": "revert"}));
        self.act(&json!({"action": "advance"}));
        let paper = json!({
            "action": "upload_signed", "name": "signed.pdf", "media_type": "application/pdf",
            "content_base64": BASE64_STANDARD.encode("%PDF"), "role_names": ["Acme Signer"],
        });
        self.act(&paper);
        let request = self.send();
        let page = self.service.page(&request, 0);
        self.service.submit(&page, "view", "").expect(303);
        self.service.submit(&page, "sign", "name=Bob&consent=yes").expect(303);
        let signed = self.read();
        assert_eq!(
            (&signed["step"], &signed["packet"]["status"]),
            (&json!("archive"), &json!("signed"))
        );
        let filed = self.act(&json!({"action": "complete"}));
        assert_eq!(filed["status"], "completed");
        assert_eq!(filed["record_ids"].as_array().unwrap().len(), 1);
    }
}

fn endpoint(service: &Service, receiver: &Receiver, path: &str, events: &Value) {
    let body = json!({
        "dialect": "ironclad", "url": receiver.url(path), "events": events, "ordering": "request",
    });
    service.api("POST", "/endpoints", Some(&body)).expect(201);
}

fn word(call: &Message) -> String {
    call.json()["payload"]["event"].as_str().unwrap().to_owned()
}

/// Gives the names of members in their order.
fn members(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, value)| format!("{name}{}", self::members(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.first().map(members).unwrap_or_default()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => String::new(),
    }
}

const RECIPE: &str = r"
const crypto = require('crypto');
const [key, ...calls] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
let verified = 0;
for (const {id, proof, raw} of calls) {
  const {nonce, signAlgorithm, signature, encoding} = JSON.parse(proof);
  const body = JSON.parse(raw);
  if (crypto.createVerify(signAlgorithm).update(id).update(JSON.stringify(body)).update(nonce)
    .verify(key, signature, encoding)) verified += 1;
}
console.log(verified);
";

fn verified(key: &str, calls: &[&Message]) -> usize {
    let mut input = vec![json!(key)];
    for call in calls {
        let header = |name| call.header(name).unwrap();
        let (id, proof) =
            (header("x-ironclad-webhook-event-id"), header("x-ironclad-webhook-verification"));
        input.push(json!({"id": id, "proof": proof, "raw": call.text()}));
    }
    let mut node = Command::new("node");
    node.args(["-e", RECIPE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.spawn().expect("this test needs Node.js");
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&input).unwrap().as_bytes()).unwrap();
    drop(stdin);
    String::from_utf8(node.wait_with_output().unwrap().stdout).unwrap().trim().parse().unwrap()
}

fn key(service: &Service) -> String {
    let path = "/public/api/v1/webhooks/verification-key";
    service.send("GET", path, &[], b"").expect(200).text()
}

#[test]
fn a_workflows_whole_life_tells_every_event_of_the_catalogue() {
    let service = Service::start(&LOCAL);
    let receiver = Receiver::start();
    endpoint(&service, &receiver, "/all", &json!(["*"]));
    endpoint(&service, &receiver, "/chosen", &json!(CHOSEN));
    let life = Life::launch(&service);
    life.review();
    life.documents();
    life.approve();
    life.signers();
    life.sign();
    let other = Life::launch(&service);
    other.approve();
    other.send();
    let cancelled = other.act(&json!({"action": "cancel", "reason": "No deal."}));
    assert_eq!(
        (&cancelled["status"], &cancelled["packet"]["status"]),
        (&json!("cancelled"), &json!("not_sent"))
    );

    let log = || {
        let path = "/events?order=asc&limit=100&type=".to_owned();
        let names = ["launched", "completed", "cancelled"].map(|name| format!("workflow.{name}"));
        service.api("GET", &format!("{path}{}", names.join(",")), None).expect(200).json()
    };
    assert_eq!(log()["data"].as_array().unwrap().len(), 4, "two launched, one filed, one given up");
    // Events of one workflow come in order, and these are the last of each.
    let heard = receiver.until(|heard| {
        let hears = |path: &str, last: &str| {
            heard.iter().any(|call| call.word(1) == path && word(call) == last)
        };
        ["/all", "/chosen"]
            .iter()
            .all(|path| hears(path, "workflow_completed") && hears(path, "workflow_cancelled"))
    });
    let (all, chosen): (Vec<&Message>, Vec<&Message>) =
        heard.iter().partition(|call| call.word(1) == "/all");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/fixtures/ironclad");
    let mut words = BTreeSet::new();
    for call in &all {
        let word = word(call);
        let sample = fs::read_to_string(folder.join(format!("{word}.json"))).unwrap();
        let sample: Value = serde_json::from_str(&sample).unwrap();
        let (ours, theirs) = (members(&call.json()), members(&sample));
        // A turn that nobody had before does not say whose it was.
        let is_first_turn = word == "workflow_changed_turn" && !ours.contains("fromParty");
        let theirs = if is_first_turn { theirs.replace("fromParty,", "") } else { theirs };
        assert_eq!(ours, theirs, "{word}");
        words.insert(word);
    }
    assert_eq!(words.len(), 31, "{words:?}");
    let mut wanted: Vec<String> = chosen.iter().map(|call| word(call)).collect();
    wanted.sort_unstable();
    let expected =
        ["workflow_cancelled", "workflow_completed", "workflow_launched", "workflow_launched"];
    assert_eq!(wanted, expected);
    assert_eq!(verified(&key(&service), &all), all.len());
    service.stop();
}

#[test]
fn the_key_is_the_same_after_a_crash() {
    let service = Service::start(&LOCAL);
    let before = key(&service);
    assert!(before.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let service = Service::start_in(service.kill(), &LOCAL);
    assert_eq!(key(&service), before);
    service.stop();
}

#[test]
fn another_service_catches_what_we_tell_as_ironclad() {
    let (emits, catches) = (Service::start(&LOCAL), Service::start(&LOCAL));
    let settings = json!({"verification_key": key(&emits)});
    let source = json!({"vendor": "ironclad", "name": "contracts", "settings": settings});
    let source = catches.api("POST", "/sources", Some(&source)).expect(201).json();
    let body = json!({"dialect": "ironclad", "url": source["intake_url"], "events": ["*"]});
    emits.api("POST", "/endpoints", Some(&body)).expect(201);
    let life = Life::launch(&emits);
    life.approve();
    life.sign();
    let mirror = until("the mirror", || {
        let list = catches.api("GET", "/requests", None).expect(200).json();
        let mirror = list["data"].get(0).cloned();
        mirror.filter(|mirror| mirror["status"] == "completed")
    });
    assert_eq!(mirror["progress"], 100);
    emits.stop();
    catches.stop();
}

#[test]
fn what_cannot_be_done_is_named_and_changes_nothing() {
    let service = Service::start(&LOCAL);
    let life = Life::launch(&service);
    let before = life.read();
    let problem = life.try_act(&json!({"action": "complete"})).expect_problem(409, "impossible");
    assert!(problem["possible"].as_array().unwrap().contains(&json!("approve")), "{problem}");
    let no_role = json!({"action": "approve", "role": "nobody"});
    life.try_act(&no_role).expect_problem(404, "not_found");
    for wrong in [
        json!({"action": "fly"}),
        json!({"action": "approve"}),
        json!({"action": "comment", "text": ""}),
        json!({"action": "comment", "text": "a", "by": "nobody"}),
        json!({"action": "set_attributes", "set": {"term": "long"}}),
        json!({"action": "add_documents", "documents": []}),
        json!({"action": "add_documents", "documents": [{"place": "draft", "name": "a", "content_base64": "no!"}]}),
        json!({"action": "advance", "unknown": 1}),
    ] {
        life.try_act(&wrong).expect_problem(422, "invalid");
    }
    assert_eq!(life.read(), before);
    let mut bad = template();
    bad["approval_groups"] = json!([{"roles": ["nobody"]}]);
    let problem =
        service.api("POST", "/workflow-templates", Some(&bad)).expect_problem(422, "invalid");
    assert_eq!(problem["errors"][0]["path"], "approval_groups[0].roles[0]");
    service.stop();
}

#[test]
fn a_packet_counts_as_an_open_request() {
    let service = Service::start(&[&LOCAL[..], &["--open-requests-max", "1"]].concat());
    let [first, second] = [0, 1].map(|_| Life::launch(&service));
    first.approve();
    second.approve();
    first.send();
    let refused = second.try_act(&json!({"action": "send_packet"}));
    refused.expect_problem(403, "limit_reached");
    first.act(&json!({"action": "cancel_packet"}));
    second.send();
    service.stop();
}

#[test]
fn who_may_not_sign_for_others_uploads_no_signed_packet() {
    let service = Service::start(&LOCAL);
    let made = json!({"name": "clerk", "scopes": ["requests"]});
    let clerk = service.api("POST", "/keys", Some(&made)).expect(201).json();
    let life = Life::launch(&service);
    life.approve();
    let paper = json!({"action": "upload_signed", "name": "a.pdf", "content_base64": "AAAA"});
    let path = format!("/workflows/{}/actions", life.id);
    let clerk = clerk["key"].as_str().unwrap();
    service.api_as(clerk, "POST", &path, Some(&paper)).expect_problem(403, "scope_missing");
    life.act(&paper);
    assert_eq!(life.read()["step"], "archive");
    service.stop();
}

/// Gives the moment of the service's clock, moved on by days and as text.
fn in_days(service: &Service, days: i64) -> String {
    let now = service.api("GET", "/clock", None).expect(200).json();
    let now: Timestamp = now["now"].as_str().unwrap().parse().unwrap();
    now.plus_millis(days * DAY_MS).to_string()
}

/// Lists what became of the schedule, oldest first, as the log tells it.
fn schedulings(service: &Service) -> Vec<Value> {
    let path = "/events?order=asc&limit=100&type=workflow.updated";
    let log = service.api("GET", path, None).expect(200).json();
    let changes = log["data"].as_array().unwrap().iter();
    let changes = changes.map(|event| event["data"]["change"]["schedule"].clone());
    changes.filter(|change| !change.is_null()).collect()
}

#[test]
fn a_scheduled_packet_goes_out_once_though_the_service_was_away() {
    let service = Service::develop(&[]);
    let life = Life::launch(&service);
    life.approve();
    let schedule = json!({"action": "schedule_packet", "send_at": in_days(&service, 9), "remind_days_before": 3});
    let scheduled = life.act(&schedule);
    assert_eq!(scheduled["schedule"]["remind_days_before"], 3);
    assert_eq!(scheduled["schedule"]["by"], ADA);
    let again = life.act(&json!({"action": "schedule_packet", "send_at": in_days(&service, 10)}));
    assert_eq!(again["schedule"]["remind_days_before"], 3, "what is absent stays");
    service.advance("8d");
    until("the reminder", || schedulings(&service).into_iter().find(|is| is["is"] == "reminded"));
    let id = life.id.clone();
    let service = Service::develop_in(service.kill(), &[]);
    // It starts behind the moment of the sending.
    service.advance("30d");
    let life = Life { service: &service, id };
    let sent = until("the packet", || {
        Some(life.read()).filter(|workflow| workflow["packet"]["status"] == "sent")
    });
    assert_eq!(sent["schedule"], Value::Null);
    let requests = service.api("GET", "/requests", None).expect(200).json();
    let requests = requests["data"].as_array().unwrap().clone();
    let packets = requests.iter().filter(|request| request["workflow_id"] == life.id.as_str());
    assert_eq!(packets.count(), 1, "sent once");
    let happened = schedulings(&service);
    let words: Vec<&str> = happened.iter().map(|change| change["is"].as_str().unwrap()).collect();
    assert_eq!(words, ["set", "set", "reminded"]);
    service.stop();
}

#[test]
fn a_packet_that_cannot_be_sent_at_its_moment_says_why() {
    let service = Service::develop(&[]);
    let life = Life::launch(&service);
    life.approve();
    life.act(&json!({"action": "schedule_packet", "send_at": in_days(&service, 2)}));
    let part = json!({
        "action": "add_signer", "role_name": "Witness", "party": "internal", "order": 3,
    });
    life.act(&part);
    service.advance("3d");
    let off = until("the end of it", || {
        schedulings(&service).into_iter().find(|change| change["is"] == "off")
    });
    assert_eq!(off["reason"], "nobody is to sign as Witness");
    let now = life.read();
    assert_eq!((&now["schedule"], &now["packet"]["status"]), (&Value::Null, &json!("not_sent")));
    let late = json!({"action": "schedule_packet", "send_at": in_days(&service, -1)});
    life.try_act(&late).expect_problem(422, "invalid");
    let nothing = json!({"action": "schedule_packet", "remind_days_before": null});
    life.try_act(&nothing).expect_problem(409, "impossible");
    life.try_act(&json!({"action": "unschedule_packet"})).expect_problem(409, "impossible");
    service.stop();
}
