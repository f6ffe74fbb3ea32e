//! Contract workflows by Ironclad's calls, against a real service, on both stores: each of them is called, and every answer is
//! held against the vendor's description, member for member and value for value.

mod crowd;
mod shapes;
mod signing;
mod webhooks;

use std::cell::RefCell;

use serde_json::{Value, json};

use self::shapes::Shapes;
use crate::http::{self, Message, Receiver};
use crate::nodes::Shared;
use crate::service::{LOCAL, Service, id};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.org";
const EVE: &str = "eve@example.com";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A client of the vendor's interface, with a token of client credentials.
struct Client<'a> {
    service: &'a Service,
    token: String,
    shapes: RefCell<Shapes>,
}

impl<'a> Client<'a> {
    fn new(service: &'a Service) -> Self {
        let new = json!({"name": "contracts", "scopes": ["requests", "endpoints", "signing"]});
        let key = service.api("POST", "/keys", Some(&new)).expect(201).json();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            key["id"].as_str().unwrap(),
            key["key"].as_str().unwrap()
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let token = service.send("POST", "/oauth/token", &headers, form.as_bytes()).expect(200);
        let shapes = RefCell::new(Shapes::new());
        shapes.borrow_mut().check("POST", "/oauth/token", &token);
        let token = token.json()["access_token"].as_str().unwrap().to_owned();
        Self { service, token, shapes }
    }

    /// Writes a call as bytes.
    fn bytes(&self, (method, path): (&str, &str), kind: (&str, &str), body: &[u8]) -> Vec<u8> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("x-as-user-email", ADA), kind];
        http::bytes(method, &format!("/public/api/v1{path}"), &headers, body)
    }

    /// Holds an answer against what is described.
    fn check(&self, (method, path): (&str, &str), answer: &Message) {
        assert!(answer.header("x-ironclad-requestid").is_some_and(|id| id.len() == 36));
        self.shapes.borrow_mut().check(method, path, answer);
    }

    fn send(&self, method: &str, path: &str, kind: (&str, &str), body: &[u8]) -> Message {
        let bytes = self.bytes((method, path), kind, body);
        let answer = http::call(&self.service.address, &bytes);
        self.check((method, path), &answer);
        answer
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Message {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, JSON, body.as_bytes())
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).expect(200).json()
    }

    /// Uploads a form.
    fn upload(&self, path: &str, pieces: &[(&str, Option<&str>, &str)]) -> Message {
        self.send("POST", path, ("content-type", BOUNDARY), &parts(pieces))
    }

    /// Insists on an error: its status, its code, and which member it is about.
    #[track_caller]
    fn refused(&self, call: (&str, &str), body: &Value, expected: (u16, &str, Option<&str>)) {
        let (method, path) = call;
        let answer = self.call(method, path, body);
        let error = answer.json();
        let said = (answer.status(), error["code"].as_str().unwrap(), error["param"].as_str());
        assert_eq!(said, expected, "{method} {path}: {error}");
    }

    /// Does by our own API what the vendor's people do on its pages.
    fn act(&self, own: &str, act: &Value) {
        self.service.api("POST", &format!("/workflows/{own}/actions"), Some(act)).expect(200);
    }
}

fn template(service: &Service) {
    let template = json!({
        "name": "Non-disclosure agreement",
        "attributes": [
            {"id": "counterpartyName", "name": "Counterparty", "type": "text", "required": true},
            {"id": "fee", "name": "Fee", "type": "money"},
            {"id": "term", "name": "Term in months", "type": "number", "default": 24},
        ],
        "roles": [{"id": "owner", "name": "Workflow Owner"}, {"id": "legal", "name": "Legal Approver"}],
        "approval_groups": [{"roles": ["legal"]}, {"roles": ["owner"]}],
        "documents": [{"id": "draft", "name": "Draft", "in_packet": true}, {"id": "other", "name": "Other"}],
        "signing_order": "sequential",
        "signers": [
            {"role_name": "Counterparty Signer", "party": "counterparty", "order": 1},
            {"role_name": "Acme Signer", "party": "internal", "order": 2},
            {"role_name": "Witness", "party": "internal", "order": 3},
        ],
    });
    service.api("POST", "/workflow-templates", Some(&template)).expect(201);
    let contact = json!({"name": "Eve Adams", "email": EVE});
    service.api("POST", "/contacts", Some(&contact)).expect(201);
}

/// The vendor's id of the only template, which its people see in a URL and its clients are given.
fn template_id(service: &Service, client: &Client<'_>) -> String {
    let ours = service.api("GET", "/workflow-templates", None).expect(200).json();
    let launch = json!({
        "template_id": ours["data"][0]["id"], "title": "first", "by": ADA,
        "attributes": {"counterpartyName": "nobody"},
    });
    service.api("POST", "/workflows", Some(&launch)).expect(201);
    client.get("/workflows/IC-1")["template"].as_str().unwrap().to_owned()
}

const BOUNDARY: &str = "multipart/form-data; boundary=cut";

/// Puts a body of several parts together: name, file name, text.
fn parts(parts: &[(&str, Option<&str>, &str)]) -> Vec<u8> {
    let part = |(name, file, text): &(&str, Option<&str>, &str)| {
        let file = file.map_or(String::new(), |file| {
            format!("; filename=\"{file}\"\r\nContent-Type: application/pdf")
        });
        format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--cut--\r\n").into_bytes()
}

fn launch(client: &Client<'_>, template: &str) -> Value {
    let data = json!({
        "template": template,
        "attributes": {
            "counterpartyName": "Zoë Ltd", "draft": [{"file": "nda"}],
            "counterpartySignerName": "Bob Šimeček", "counterpartySignerEmail": "bob@example.org",
        },
    });
    let pieces =
        [("data", None, data.to_string()), ("nda", Some("NDA é.pdf"), "%PDF one".to_owned())];
    let pieces = pieces.each_ref().map(|(name, file, text)| (*name, *file, text.as_str()));
    let made = client.upload("/workflows?useDefaultValues=true", &pieces).expect(200).json();
    assert_eq!(made["title"], "Non-disclosure agreement with Zoë Ltd");
    assert_eq!((&made["ironcladId"], &made["step"]), (&json!("IC-2"), &json!("Review")));
    assert_eq!(made["attributes"]["term"], 24);
    assert_eq!(made["schema"]["fee"]["type"], "monetaryAmount");
    assert_eq!(made["signatures"], json!({"state": "not_started"}));
    made
}

fn documents(client: &Client<'_>, id: &str) {
    let all = client.get(&format!("/workflows/{id}/documents"));
    let key = all["signaturePacketDocuments"][0]["key"].as_str().unwrap();
    let add = |place: &str, metadata: Value| {
        let metadata = metadata.to_string();
        let pieces =
            [("attachment", Some("annex.pdf"), "%PDF two"), ("metadata", None, metadata.as_str())];
        client.upload(&format!("/workflows/{id}/documents/{place}"), &pieces).expect(204);
    };
    add("draft", json!({"comment": {"message": "shorter"}, "key": key}));
    add("other", json!({"comment": {"message": "an annex"}}));
    let all = client.get(&format!("/workflows/{id}/documents"));
    assert_eq!(all["signaturePacketDocuments"][0]["versionNumber"], 2);
    let annex = &all["excludedFromSignaturePacketDocuments"][0]["key"];
    let order = json!({"signaturePacketDocumentKeys": [annex, key]});
    let path = format!("/workflows/{id}/signature-packet");
    let all = client.call("PATCH", &path, &order).expect(200).json();
    let keys = all["signaturePacketDocuments"].as_array().unwrap().iter().map(|one| &one["key"]);
    assert!(keys.eq([annex, &json!(key)]), "{all:#}");
    assert_eq!(all["excludedFromSignaturePacketDocuments"], json!([]));
    let download = all["signaturePacketDocuments"][1]["download"].as_str().unwrap();
    let path = download.strip_prefix("/public/api/v1").unwrap();
    let file = client.call("GET", path, &Value::Null).expect(200);
    assert_eq!(
        (file.text(), file.header("content-type")),
        ("%PDF two".to_owned(), Some("application/pdf"))
    );
}

fn comments(client: &Client<'_>, (id, own): (&str, &str)) {
    client
        .call("POST", &format!("/workflows/{id}/comment"), &json!({"comment": "Hello."}))
        .expect(204);
    let path = format!("/workflows/{id}/comments");
    let said = json!({"comment": "Shorter, <@eve@example.com>?", "addUsersToWorkflow": true});
    let first = client.call("POST", &path, &said).expect(200).json();
    let reply = json!({"comment": "Yes.", "repliedToActivityFeedMessageId": first["id"]});
    let reply = client.call("POST", &path, &reply).expect(200).json();
    assert_eq!(reply["repliedTo"]["item"], first["id"]);
    let list = client.get(&format!("{path}?pageSize=1&page=4"));
    assert_eq!((&list["count"], &list["list"][0]["id"]), (&json!(5), &reply["id"]));
    let one = client.get(&format!("{path}/{}", reply["id"].as_str().unwrap()));
    assert_eq!(one, reply);
    // What the other side says, and what is felt about it, comes by no call of the vendor's.
    client.act(own, &json!({"action": "invite", "email": BOB, "name": "Bob Šimeček"}));
    client.act(own, &json!({"action": "comment", "by": BOB, "text": "No.", "is_external": true}));
    let workflow = client.service.api("GET", &format!("/workflows/{own}"), None).expect(200).json();
    let last = &workflow["comments"].as_array().unwrap().last().unwrap()["id"];
    client.act(own, &json!({"action": "react", "comment_id": last, "emoji_id": "grinning"}));
    client.act(own, &json!({"action": "change_turn", "to": "counterparty"}));
    let last = client.get(&format!("{path}?page=5&pageSize=1"))["list"][0].clone();
    assert_eq!(
        (&last["author"]["type"], &last["isExternal"]),
        (&json!("externalUser"), &json!(true))
    );
    assert_eq!(last["reactions"][0]["reactors"][0]["email"], ADA);
}

fn review(client: &Client<'_>, id: &str) {
    let path = |rest: &str| format!("/workflows/{id}/{rest}");
    let set = json!({"updates": [
        {"action": "set", "path": "fee", "value": {"amount": 12.5, "currency": "EUR"}},
        {"action": "remove", "path": "term"},
    ], "comment": "as agreed"});
    let changed = client.call("PATCH", &path("attributes"), &set).expect(200).json();
    assert_eq!(changed["attributes"]["fee"]["amount"], 12.5);
    assert!(changed["attributes"].get("term").is_none());
    let eligible = client.get(&path("roles/Legal%20Approver/eligible-assignees"));
    let people = eligible["list"].as_array().unwrap();
    let eve = people.iter().find(|one| one["email"] == EVE).unwrap();
    let user = json!({"userId": eve["userId"]});
    let given = client.call("PATCH", &path("roles/Legal%20Approver"), &user).expect(200).json();
    assert_eq!(given["assignee"]["email"], EVE);
    for (what, now) in [("pause", "paused"), ("resume", "active")] {
        let word = json!({"comment": {"message": what}});
        client.call("POST", &path(what), &word).expect(204);
        assert_eq!(client.get(&format!("/workflows/{id}"))["status"], now);
    }
    assert_eq!(client.get(&path("participants"))["list"][0]["email"], ADA);
}

fn approve(client: &Client<'_>, id: &str) {
    let path = |rest: &str| format!("/workflows/{id}/{rest}");
    let groups = || {
        let approvals = client.get(&path("approvals"));
        let groups = approvals["approvalGroups"].as_array().unwrap().iter();
        groups.map(|one| one["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let say = |role: &str, status: &str, by: &str| {
        let body = json!({"status": status, "user": {"type": "email", "email": by}});
        client.call("PATCH", &path(&format!("approvals/{role}")), &body).expect(200);
    };
    assert_eq!(groups(), ["active", "pending"]);
    say("legal", "approved", EVE);
    assert_eq!(groups(), ["approved", "active"]);
    say("legal", "pending", EVE);
    assert_eq!(groups(), ["active", "pending"]);
    let requests = || {
        let requests = client.get(&path("approval-requests?actorDetails=true"));
        let requests = requests["list"].as_array().unwrap().iter();
        requests.map(|one| one["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let until_then = ["Approver Reassigned", "Workflow Paused", "Approved", "Approver Removed"];
    assert_eq!(requests(), [&until_then[..], &["Pending"]].concat());
    say("legal", "approved", EVE);
    say("owner", "approved", ADA);
    assert_eq!(requests(), [&until_then[..], &["Approved", "Approved"]].concat());
    let turns = client.get(&path("turn-history"));
    let parties = turns["list"].as_array().unwrap().iter().map(|turn| turn["turnParty"].clone());
    let parties: Vec<Value> = parties.collect();
    assert_eq!(parties, ["internal", "counterparty", "counterparty"], "a pause ends a turn");
    let shown = client.get(&format!("/workflows/{id}"));
    assert_eq!((&shown["step"], &shown["isRevertibleToReview"]), (&json!("Sign"), &json!(true)));
    assert_eq!(shown["approvals"], json!({"state": "completed"}));
    client.call("PATCH", &path("revert-to-review"), &Value::Null).expect(204);
    assert_eq!(client.get(&format!("/workflows/{id}"))["step"], "Review");
    let again = json!({"status": "approved"});
    client.call("PATCH", &path("approvals/owner"), &again).expect(200);
    assert_eq!(client.get(&format!("/workflows/{id}"))["step"], "Sign");
}

/// Gives a workflow up that waits for an approval.
fn given_up(client: &Client<'_>, template: &str) {
    let launch = json!({"template": template, "attributes": {"counterpartyName": "Acme"}});
    let job = client.call("POST", "/workflows/async", &launch).expect(200).json();
    let job = client.get(&format!("/workflows/async/{}", job["asyncJobId"].as_str().unwrap()));
    let id = job["workflow"]["id"].as_str().unwrap();
    let path = |rest: &str| format!("/workflows/{id}/{rest}");
    let word = json!({"comment": {"message": "no more"}});
    client.call("POST", &path("cancel"), &word).expect(204);
    let requests = client.get(&path("approval-requests"));
    assert_eq!(requests["list"][0]["status"], "Workflow Canceled");
    let over = client.get("/workflows?status=cancelled&pageSize=1");
    assert_eq!((&over["count"], &over["list"][0]["isCancelled"]), (&json!(1), &json!(true)));
    client.refused(("POST", &path("cancel")), &word, (400, "INVALID_STATE", None));
    let user = json!({"userId": "5f0375c4cdc1927a3c5edcd3"});
    client.refused(("PATCH", &path("roles/owner")), &user, (422, "INVALID_STATE", None));
    let wrong = json!({"template": template, "attributes": {"counterpartyName": 7}});
    let job = client.call("POST", "/workflows/async", &wrong).expect(200).json();
    let job = client.get(&format!("/workflows/async/{}", job["asyncJobId"].as_str().unwrap()));
    assert_eq!(job["status"], "failed");
}

/// What is wrong with a call, one for each code that no part of the story meets.
fn refusals(client: &Client<'_>, id: &str) {
    let path = |rest: &str| format!("/workflows/{id}{rest}");
    let none = Value::Null;
    client.refused(("PUT", "/workflows"), &none, (405, "NOT_ALLOWED", None));
    client.refused(("GET", "/nothing"), &none, (404, "NOT_FOUND", None));
    let nobody = json!({"userId": "5f0375c4cdc1927a3c5edcd3"});
    client.refused(("PATCH", &path("/roles/legal")), &nobody, (403, "FORBIDDEN", None));
    client.refused(("POST", &path("/pause")), &json!({}), (400, "MISSING_PARAM", Some("comment")));
    // These take the internal id alone.
    for call in ["cancel", "pause", "resume"] {
        let readable = format!("/workflows/IC-2/{call}");
        let word = json!({"comment": {"message": "no"}});
        client.refused(("POST", &readable), &word, (404, "NOT_FOUND", Some("workflowId")));
    }
    let stranger = [("authorization", "Bearer nobody")];
    let answer = client.service.send("GET", "/public/api/v1/workflows", &stranger, b"").expect(401);
    client.shapes.borrow_mut().check("GET", "/workflows", &answer);
}

/// Tells the whole story: every call of the vendor's, from the token to a workflow that is filed.
fn story(service: &Service) {
    let client = Client::new(service);
    template(service);
    let template = template_id(service, &client);
    let receiver = Receiver::start();
    let events = ["workflow_launched", "workflow_completed"];
    let endpoint = json!({"url": receiver.url("/hook"), "dialect": "ironclad", "events": events});
    let endpoint = id(&service.api("POST", "/endpoints", Some(&endpoint)).expect(201));
    let made = launch(&client, &template);
    let own = service.api("GET", "/workflows", None).expect(200).json();
    let own = own["data"][1]["id"].as_str().unwrap().to_owned();
    let id = made["id"].as_str().unwrap();
    documents(&client, id);
    comments(&client, (id, &own));
    review(&client, id);
    refusals(&client, id);
    approve(&client, id);
    for read in ["", "/approvals", "/comments", "/documents", "/signatures", "/sign-status"] {
        let [by_id, by_number] =
            [id, "IC-2"].map(|id| client.get(&format!("/workflows/{id}{read}")));
        assert_eq!(by_id, by_number, "{read}");
    }
    let list = client.get(&format!("/workflows?status=active&status=paused&template={template}"));
    assert_eq!(list["count"], 2);
    signing::signed(&client, (id, &own));
    let heard = receiver.until(|heard| heard.len() >= 2);
    assert!(heard.iter().all(|call| call.json()["payload"]["workflowID"] == id));
    service.api("DELETE", &format!("/endpoints/{endpoint}"), None);
    given_up(&client, &template);
    signing::on_paper(&client);
    webhooks::kept(&client);
    webhooks::given_up(&client, &template);
    crowd::is_told(&client, &template);
    client.shapes.borrow().done();
}

#[test]
fn every_call_of_the_vendors_answers_as_it_is_described() {
    let service = Service::start(&LOCAL);
    story(&service);
    service.stop();
}

#[test]
fn every_call_answers_the_same_on_a_database_of_several_nodes() {
    let shared = Shared::new();
    let service = shared.node("one");
    story(&service);
    service.stop();
}

#[test]
fn a_launch_that_nobody_waits_for_outlives_a_power_cut() {
    let service = Service::start(&LOCAL);
    let client = Client::new(&service);
    template(&service);
    let template = template_id(&service, &client);
    let launch = |attributes: Value| json!({"template": template, "attributes": attributes});
    let later = |asked: &Value| {
        let job = client.call("POST", "/workflows/async", asked).expect(200).json();
        let url = job["asyncJobStatusUrl"].as_str().unwrap();
        let id = job["asyncJobId"].as_str().unwrap().to_owned();
        assert_eq!(url, format!("http://{}/public/api/v1/workflows/async/{id}", service.address));
        id
    };
    let (good, bad) =
        (launch(json!({"counterpartyName": "Acme"})), launch(json!({"counterpartyName": 7})));
    let jobs = [later(&good), later(&bad)];
    let token = client.token.clone();
    let service = Service::start_in(service.kill(), &LOCAL);
    let client = Client { service: &service, token, shapes: RefCell::new(Shapes::new()) };
    let [made, refused] = jobs.map(|job| client.get(&format!("/workflows/async/{job}")));
    assert_eq!((&made["status"], &made["requestPayload"]), (&json!("success"), &good));
    assert_eq!(refused["status"], "failed");
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["param"]),
        (&json!("INVALID_PARAM"), &json!("attributes"))
    );
    let counted = client.get("/workflows")["count"].clone();
    assert_eq!(counted, 2, "the refused one is not there");
    service.stop();
}
