//! Contract workflows by Ironclad's calls, against a real service: every answer has the members that the vendor's has.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::http::{Message, Receiver};
use crate::service::{LOCAL, Service};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A client of the vendor's interface, with a token of client credentials.
struct Client<'a> {
    service: &'a Service,
    token: String,
}

impl<'a> Client<'a> {
    fn new(service: &'a Service) -> Self {
        let new = json!({"name": "contracts", "scopes": ["requests", "endpoints"]});
        let key = service.api("POST", "/keys", Some(&new)).expect(201).json();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            key["id"].as_str().unwrap(),
            key["key"].as_str().unwrap()
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let token = service.send("POST", "/oauth/token", &headers, form.as_bytes()).expect(200);
        Self { service, token: token.json()["access_token"].as_str().unwrap().to_owned() }
    }

    fn send(&self, method: &str, path: &str, kind: (&str, &str), body: &[u8]) -> Message {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("x-as-user-email", ADA), kind];
        let answer = self.service.send(method, &format!("/public/api/v1{path}"), &headers, body);
        assert!(answer.header("x-ironclad-requestid").is_some_and(|id| id.len() == 36));
        answer
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Message {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, JSON, body.as_bytes())
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).expect(200).json()
    }
}

/// Insists on the members of an object.
#[track_caller]
fn members(of: &Value, expected: &str) {
    let names: BTreeSet<&str> = of.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, expected.split(' ').collect::<BTreeSet<_>>(), "{of:#}");
}

const WORKFLOW: &str = "id ironcladId title template step status isCancelled isComplete created lastUpdated creator roles approvals signatures attributes schema isRevertibleToReview";
const PAGE: &str = "page pageSize count list";
const DOCUMENT: &str = "version versionNumber filename key download lastModified";
const COMMENT: &str = "id author timestamp commentMessage isExternal mentionedUserDetails addedParticipants reactions";
const AUTHOR: &str = "type companyName displayName email userId";

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
        "signers": [{"role_name": "Counterparty Signer", "party": "counterparty", "order": 1}],
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
    let body = parts(&[("data", None, &data.to_string()), ("nda", Some("NDA é.pdf"), "%PDF one")]);
    let path = "/workflows?useDefaultValues=true";
    let made = client.send("POST", path, ("content-type", BOUNDARY), &body).expect(200).json();
    members(&made, WORKFLOW);
    assert_eq!(made["title"], "Non-disclosure agreement with Zoë Ltd");
    assert_eq!((&made["ironcladId"], &made["step"]), (&json!("IC-2"), &json!("Review")));
    assert_eq!(made["attributes"]["term"], 24);
    members(&made["creator"], "id displayName email title username metadata");
    members(&made["roles"][0], "id displayName assignees");
    members(&made["roles"][0]["assignees"][0], "userName userId email");
    members(&made["attributes"]["draft"][0], DOCUMENT);
    members(&made["schema"]["fee"], "type displayName propertyKey readOnly");
    assert_eq!(made["schema"]["fee"]["type"], "monetaryAmount");
    members(&made["approvals"], "state url");
    assert_eq!(made["signatures"], json!({"state": "not_started"}));
    made
}

fn documents(client: &Client<'_>, id: &str) {
    let all = client.get(&format!("/workflows/{id}/documents"));
    members(&all, "signaturePacketDocuments excludedFromSignaturePacketDocuments");
    let first = &all["signaturePacketDocuments"][0];
    members(first, DOCUMENT);
    members(&first["lastModified"]["author"], AUTHOR);
    let key = first["key"].as_str().unwrap();
    let add = |place: &str, metadata: Value| {
        let body = parts(&[
            ("attachment", Some("annex.pdf"), "%PDF two"),
            ("metadata", None, &metadata.to_string()),
        ]);
        let path = format!("/workflows/{id}/documents/{place}");
        client.send("POST", &path, ("content-type", BOUNDARY), &body).expect(204);
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

fn comments(client: &Client<'_>, id: &str) {
    let path = format!("/workflows/{id}/comments");
    let said = json!({"comment": "Shorter, <@eve@example.com>?", "addUsersToWorkflow": true});
    let first = client.call("POST", &path, &said).expect(200).json();
    members(&first, COMMENT);
    members(&first["author"], AUTHOR);
    members(&first["mentionedUserDetails"][0], "id displayName email");
    let reply = json!({"comment": "Yes.", "repliedToActivityFeedMessageId": first["id"]});
    let reply = client.call("POST", &path, &reply).expect(200).json();
    assert_eq!(reply["repliedTo"]["item"], first["id"]);
    let list = client.get(&format!("{path}?pageSize=1&page=3"));
    members(&list, PAGE);
    assert_eq!((&list["count"], &list["list"][0]["id"]), (&json!(4), &reply["id"]));
    let one = client.get(&format!("{path}/{}", reply["id"].as_str().unwrap()));
    assert_eq!(one, reply);
}

fn review(client: &Client<'_>, id: &str) {
    let path = |rest: &str| format!("/workflows/{id}/{rest}");
    let set = json!({"updates": [
        {"action": "set", "path": "fee", "value": {"amount": 12.5, "currency": "EUR"}},
        {"action": "remove", "path": "term"},
    ], "comment": "as agreed"});
    let changed = client.call("PATCH", &path("attributes"), &set).expect(200).json();
    members(&changed, WORKFLOW);
    assert_eq!(changed["attributes"]["fee"]["amount"], 12.5);
    assert!(changed["attributes"].get("term").is_none());
    let eligible = client.get(&path("roles/Legal%20Approver/eligible-assignees"));
    members(&eligible, PAGE);
    let people = eligible["list"].as_array().unwrap();
    let eve = people.iter().find(|one| one["email"] == EVE).unwrap();
    members(eve, "userId email displayName");
    let user = json!({"userId": eve["userId"]});
    let given = client.call("PATCH", &path("roles/Legal%20Approver"), &user).expect(200).json();
    members(&given, "roleName assignee");
    assert_eq!(given["assignee"]["email"], EVE);
    for (what, now) in [("pause", "paused"), ("resume", "active")] {
        let word = json!({"comment": {"message": what}});
        client.call("POST", &path(what), &word).expect(204);
        assert_eq!(client.get(&format!("/workflows/{id}"))["status"], now);
    }
    let participants = client.get(&path("participants"));
    members(&participants["list"][0], "userId email");
}

fn approve(client: &Client<'_>, id: &str) {
    let path = |rest: &str| format!("/workflows/{id}/{rest}");
    let approvals = client.get(&path("approvals"));
    members(&approvals, "workflowId title approvalGroups roles");
    members(&approvals["approvalGroups"][0], "reviewers status order");
    members(
        &approvals["approvalGroups"][0]["reviewers"][0],
        "role displayName reviewerType status",
    );
    let statuses = approvals["approvalGroups"].as_array().unwrap().iter().map(|one| &one["status"]);
    assert!(statuses.eq(["active", "pending"]));
    for (role, by) in [("legal", EVE), ("owner", ADA)] {
        let body = json!({"status": "approved", "user": {"type": "email", "email": by}});
        let answer = client.call("PATCH", &path(&format!("approvals/{role}")), &body).expect(200);
        assert_eq!(answer.text(), "true");
    }
    let requests = client.get(&path("approval-requests?actorDetails=true"));
    let ended =
        requests["list"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap());
    let ended: Vec<&str> = ended.collect();
    assert_eq!(ended, ["Approver Reassigned", "Workflow Paused", "Approved", "Approved"]);
    members(
        &requests["list"][2],
        "startTime endTime status actorId actorType actorDetails role roleName duration approvalType",
    );
    let turns = client.get(&path("turn-history"));
    assert_eq!(turns["count"], 2, "a pause ends a turn");
    members(
        &turns["list"][0],
        "turnNumber turnParty turnStartTime turnEndTime turnLocation turnUserId turnUserEmail",
    );
    let shown = client.get(&format!("/workflows/{id}"));
    assert_eq!((&shown["step"], &shown["isRevertibleToReview"]), (&json!("Sign"), &json!(true)));
    assert_eq!(shown["approvals"], json!({"state": "completed"}));
    members(&shown["signatures"], "state url");
    client.call("PATCH", &path("revert-to-review"), &Value::Null).expect(204);
    assert_eq!(client.get(&format!("/workflows/{id}"))["step"], "Review");
    let again = json!({"status": "approved"});
    client.call("PATCH", &path("approvals/owner"), &again).expect(200);
    assert_eq!(client.get(&format!("/workflows/{id}"))["step"], "Sign");
}

#[test]
fn a_workflow_lives_by_the_vendors_calls_alone() {
    let service = Service::start(&LOCAL);
    let client = Client::new(&service);
    template(&service);
    let template = template_id(&service, &client);
    let receiver = Receiver::start();
    let endpoint = json!({"url": receiver.url("/hook"), "dialect": "ironclad", "events": ["workflow_launched", "workflow_cancelled"]});
    service.api("POST", "/endpoints", Some(&endpoint)).expect(201);
    let made = launch(&client, &template);
    let id = made["id"].as_str().unwrap();
    assert_eq!(client.get("/workflows/IC-2"), client.get(&format!("/workflows/{id}")));
    documents(&client, id);
    comments(&client, id);
    review(&client, id);
    approve(&client, id);
    let list = client.get(&format!("/workflows?status=active&status=paused&template={template}"));
    members(&list, PAGE);
    assert_eq!(list["count"], 2);
    let word = json!({"comment": {"message": "no more"}});
    client.call("POST", &format!("/workflows/{id}/cancel"), &word).expect(204);
    assert_eq!(client.get("/workflows")["count"], 1);
    let over = client.get("/workflows?status=cancelled&pageSize=1");
    assert_eq!((&over["count"], &over["list"][0]["isCancelled"]), (&json!(1), &json!(true)));
    let heard = receiver.until(|heard| heard.len() >= 2);
    assert!(heard.iter().all(|call| call.json()["payload"]["workflowID"] == id));
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
        members(&job, "asyncJobId asyncJobStatusUrl");
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
    let client = Client { service: &service, token };
    let [made, refused] = jobs.map(|job| client.get(&format!("/workflows/async/{job}")));
    members(&made, "status requestPayload workflowUrls workflow");
    assert_eq!((&made["status"], &made["requestPayload"]), (&json!("success"), &good));
    members(&made["workflow"], WORKFLOW);
    members(&refused, "status requestPayload error");
    assert_eq!(refused["status"], "failed");
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["param"]),
        (&json!("INVALID_PARAM"), &json!("attributes"))
    );
    let counted = client.get("/workflows")["count"].clone();
    assert_eq!(counted, 2, "the refused one is not there");
    service.stop();
}
