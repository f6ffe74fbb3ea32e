//! Ironclad's sign step, from outside: a workflow goes from review to the archive over the vendor's calls, each answer is
//! held against the vendor's description member for member, and so is each error.
//!
//! What the vendor was seen to answer and does not describe is taken from recorded calls: `routing`, `routingOrder`.

use domain::time::{DAY_MS, Timestamp};
use serde_json::{Value, json};

use crate::http::Message;
use crate::process::until;
use crate::service::{KEY, LOCAL, Service, id};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.org";
const THEIRS: &str = "Counterparty Signer";

/// A workflow, seen as a client of the vendor sees it.
struct Seen<'a> {
    service: &'a Service,
    /// Our id.
    own: String,
    /// The vendor's readable id.
    id: String,
}

impl<'a> Seen<'a> {
    /// Launches the first workflow of a service, to be signed by the other side first.
    fn launch(service: &'a Service, number: u32) -> Self {
        let template = json!({
            "name": "NDA", "signing_order": "sequential",
            "signers": [
                {"role_name": THEIRS, "party": "counterparty", "order": 1},
                {"role_name": "Acme Signer", "party": "internal", "order": 2},
            ],
        });
        let template = service.api("POST", "/workflow-templates", Some(&template)).expect(201);
        let launch = json!({
            "template_id": id(&template), "title": "NDA with Zoë Ltd", "by": ADA,
            "signers": {
                "Counterparty Signer": {"name": "Bob Šimeček", "email": BOB},
                "Acme Signer": {"name": "Ada Lovelace", "email": ADA},
            },
        });
        let own = id(&service.api("POST", "/workflows", Some(&launch)).expect(201));
        Self { service, own, id: format!("IC-{number}") }
    }

    fn advance(&self) {
        let path = format!("/workflows/{}/actions", self.own);
        self.service.api("POST", &path, Some(&json!({"action": "advance"}))).expect(200);
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Message {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(&self.id, (method, path), "application/json", body.as_bytes())
    }

    fn send(&self, id: &str, to: (&str, &str), kind: &str, body: &[u8]) -> Message {
        let (method, path) = to;
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
        let path = format!("/public/api/v1/workflows/{id}{path}");
        self.service.send(method, &path, &headers, body)
    }

    fn status(&self) -> Value {
        self.call("GET", "/sign-status", &Value::Null).expect(200).json()
    }

    /// Gives how far the packet is, and its signers.
    fn standing(&self) -> (String, Vec<String>) {
        let status = self.status();
        let text = |value: &Value| value["status"].as_str().unwrap().to_owned();
        (text(&status), status["signers"].as_array().unwrap().iter().map(text).collect())
    }

    fn expect(&self, packet: &str, signers: [&str; 2]) {
        let expected = (packet.to_owned(), signers.map(str::to_owned).to_vec());
        assert_eq!(self.standing(), expected);
    }

    /// Uploads a paper, which needs the vendor's internal id.
    fn upload(&self, pieces: &[(&str, &str)]) -> Message {
        let list = self.service.api("GET", &format!("/workflows/{}", self.own), None).expect(200);
        assert!(list.json()["id"].is_string());
        self.send(&self.internal(), ("POST", "/upload-signed"), FORM, form(pieces).as_bytes())
    }

    /// Gives the 24 hexadecimal digits, which only the sign step's own calls are asked for here.
    fn internal(&self) -> String {
        let signatures = self.call("GET", "/signatures", &Value::Null).expect(200).json();
        let id = signatures["workflowId"].as_str().unwrap().to_owned();
        assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        id
    }

    fn in_days(&self, days: i64) -> String {
        let now = self.service.api("GET", "/clock", None).expect(200).json();
        let now: Timestamp = now["now"].as_str().unwrap().parse().unwrap();
        now.plus_millis(days * DAY_MS).to_string()
    }

    /// Asks for a link, and gives its path here.
    fn link(&self, path: &str, body: &Value) -> String {
        let path = format!("/signatures/recipient-urls{path}");
        let made = self.call("POST", &path, body).expect(201).json();
        assert_eq!(members(&made), ["url"]);
        let base = format!("http://{}", self.service.address);
        made["url"].as_str().unwrap().strip_prefix(&base).unwrap().to_owned()
    }

    fn open(&self, page: &str) -> Message {
        self.service.send("GET", page, &[], b"").expect(200)
    }
}

const FORM: &str = "multipart/form-data; boundary=cut";

/// Writes a form of files and texts.
fn form(pieces: &[(&str, &str)]) -> String {
    let piece = |(name, text): &(&str, &str)| {
        let file = if *name == "attachment" { "; filename=\"signed.pdf\"" } else { "" };
        format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n")
    };
    pieces.iter().map(piece).collect::<String>() + "--cut--\r\n"
}

/// Gives the names of members, in order.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Which origin may frame a page.
fn frame(page: &Message) -> String {
    let policy = page.header("content-security-policy").unwrap();
    policy.rsplit_once("frame-ancestors ").unwrap().1.to_owned()
}

/// Counts the letters to Bob that remind.
fn reminders(service: &Service) -> usize {
    let letters = service.api("GET", "/mailbox?limit=100", None).expect(200).json();
    let letters = letters["data"].as_array().unwrap().clone();
    let reminds = |letter: &&Value| {
        let subject = letter["subject"].as_str().unwrap_or_default().to_lowercase();
        letter["to"] == BOB && subject.contains("remind")
    };
    letters.iter().filter(reminds).count()
}

#[test]
fn a_workflow_goes_from_review_through_the_sign_step_to_the_archive() {
    let service = Service::develop(&[]);
    let seen = Seen::launch(&service, 1);
    seen.advance();
    shapes(&seen);
    let (own, id) = scheduled(&seen);
    let service = Service::develop_in(service.kill(), &[]);
    let seen = Seen { service: &service, own, id };
    sent_at_its_moment(&seen);
    reminded(&seen);
    looked_at(&seen);
    cancelled(&seen);
    embedded(&seen);
    handed_over(&seen);
    let page = seen.link("", &json!({"type": "signer", "roleName": "Acme Signer"}));
    service.submit(&page, "view", "").expect(303);
    service.submit(&page, "sign", "name=Eve&consent=yes").expect(303);
    let left = seen.call("GET", "/sign-status", &Value::Null).expect(400).json();
    let message = "This workflow is not at the Sign step, and is currently at the Archive step";
    assert_eq!(left, json!({"code": "INVALID_STATE", "message": message}));
    service.stop();
}

/// Before anything is sent: every member, in the vendor's order where it was seen.
fn shapes(seen: &Seen<'_>) {
    let status = seen.status();
    let user = status["signers"][1]["userId"].as_str().unwrap();
    assert!(user.len() == 24 && user.bytes().all(|byte| byte.is_ascii_hexdigit()), "{user}");
    let expected = json!({
        "signers": [
            {
                "name": "Bob Šimeček", "email": BOB, "roleName": THEIRS, "routingOrder": 0,
                "status": "pending", "isWetSigned": false, "type": "external",
            },
            {
                "name": "Ada Lovelace", "email": ADA, "roleName": "Acme Signer", "routingOrder": 1,
                "status": "pending", "isWetSigned": false, "type": "internal", "userId": user,
            },
        ],
        "routing": "sequential", "status": "not_sent", "requireSignedDocumentUpload": false,
        "provider": "Ironclad Signature",
    });
    assert_eq!(status, expected);
    let signatures = seen.call("GET", "/signatures", &Value::Null).expect(200).json();
    let one = |role: &str, name: &str, email: &str, order: u32| {
        json!({
            "roleName": role, "name": name, "email": email,
            "signatureStatus": {"status": "pending"}, "routingOrder": order,
        })
    };
    let expected = json!({
        "workflowId": seen.internal(), "title": "NDA with Zoë Ltd",
        "signers": [one(THEIRS, "Bob Šimeček", BOB, 0), one("Acme Signer", "Ada Lovelace", ADA, 1)],
        "routing": "sequential",
    });
    assert_eq!(signatures, expected);
}

fn scheduled(seen: &Seen<'_>) -> (String, String) {
    let path = "/sign-status/scheduled-send";
    let at = seen.in_days(9);
    let body = json!({"notifyAt": at, "reminder": {"daysBefore": 2}});
    let made = seen.call("POST", path, &body).expect(200).json();
    let date: Timestamp = at.parse().unwrap();
    let expected = json!({
        "notifyAt": at,
        "reminder": {"daysBefore": 2, "reminderDate": date.plus_millis(-2 * DAY_MS)},
    });
    assert_eq!((&made["scheduledSend"], &made["status"]), (&expected, &json!("not_sent")));
    let changed = seen.call("PATCH", path, &json!({"reminder": null})).expect(200).json();
    assert_eq!(changed["scheduledSend"], json!({"notifyAt": at}));
    let gone = seen.call("DELETE", path, &Value::Null).expect(200).json();
    assert!(!members(&gone).contains(&"scheduledSend"));
    for method in ["PATCH", "DELETE"] {
        let body = if method == "PATCH" { json!({"reminder": null}) } else { Value::Null };
        let error = seen.call(method, path, &body).expect(400).json();
        assert_eq!(error["code"], "INVALID_STATE");
    }
    let body = json!({"notifyAt": seen.in_days(2)});
    seen.call("POST", path, &body).expect(200);
    (seen.own.clone(), seen.id.clone())
}

/// The service was started anew meanwhile.
fn sent_at_its_moment(seen: &Seen<'_>) {
    assert_eq!(seen.status()["status"], "not_sent");
    seen.service.advance("3d");
    until("the packet", || Some(()).filter(|()| seen.standing().0 == "sent"));
    seen.expect("sent", ["sent", "pending"]);
    assert!(!members(&seen.status()).contains(&"scheduledSend"));
    let requests = seen.service.api("GET", "/requests", None).expect(200).json();
    let requests = requests["data"].as_array().unwrap().clone();
    let packets = requests.iter().filter(|request| request["workflow_id"] == seen.own.as_str());
    assert_eq!(packets.count(), 1, "sent once");
}

fn reminded(seen: &Seen<'_>) {
    let path = "/sign-status/signers/Counterparty%20Signer/remind";
    assert_eq!(seen.call("POST", path, &Value::Null).expect(204).text(), "");
    until("a reminder", || Some(()).filter(|()| reminders(seen.service) == 1));
    let error = seen.call("POST", path, &Value::Null).expect(429).json();
    let message = "You cannot remind the signer at this time (you can only send one reminder per hour). Please try again later.";
    assert_eq!(error, json!({"code": "TOO_MANY_REQUESTS", "message": message}));
    seen.service.advance("61m");
    seen.call("POST", path, &Value::Null).expect(204);
    until("a second reminder", || Some(()).filter(|()| reminders(seen.service) == 2));
    let waits = "/sign-status/signers/Acme%20Signer/remind";
    let error = seen.call("POST", waits, &Value::Null).expect(400).json();
    assert_eq!(error["code"], "INVALID_STATE", "it is not their turn");
}

fn looked_at(seen: &Seen<'_>) {
    let look = seen.link("", &json!({"type": "viewer", "email": "eve@example.com"}));
    let page = seen.open(&look);
    assert!(page.text().contains("nothing to sign for you") && !page.text().contains("<form"));
    for (what, form) in [("view", ""), ("sign", "name=Eve&consent=yes"), ("decline", "")] {
        let answer = seen.service.submit(&look, what, form).expect(303);
        assert_eq!(answer.header("location"), Some(look.as_str()));
    }
    seen.expect("sent", ["sent", "pending"]);
    let page = seen.link("", &json!({"type": "signer", "roleName": THEIRS}));
    assert_eq!(frame(&seen.open(&page)), "'none'");
    seen.service.submit(&page, "view", "").expect(303);
    seen.expect("sent", ["viewed", "pending"]);
}

fn cancelled(seen: &Seen<'_>) {
    let page = seen.link("", &json!({"type": "signer", "roleName": THEIRS}));
    let look = seen.link("", &json!({"type": "viewer", "email": "eve@example.com"}));
    let body = json!({"reason": "Need to make changes."});
    let status = seen.call("POST", "/sign-status/cancel-signature-request", &body).expect(200);
    assert_eq!(status.json()["status"], "not_sent");
    seen.expect("not_sent", ["pending", "pending"]);
    for page in [page, look] {
        assert!(seen.open(&page).text().contains("Withdrawn"));
    }
}

/// Signs in a frame of another site, by a link that may be used once.
fn embedded(seen: &Seen<'_>) {
    let sent = seen.call("POST", "/sign-status/send-signature-request", &Value::Null).expect(200);
    assert_eq!(sent.json(), seen.status(), "as it is seen afterwards");
    let body = |reusable: bool| {
        json!({
            "type": "signer", "roleName": THEIRS, "frameAncestor": "https://app.example.com",
            "allowMultipleUsages": reusable,
        })
    };
    let [once, many] = [false, true].map(|reusable| seen.link("/embedded", &body(reusable)));
    for page in [&once, &many] {
        for _ in 0..2 {
            assert_eq!(frame(&seen.open(page)), "https://app.example.com", "looking uses nothing");
        }
    }
    let forged = once.replacen("/s/o", "/s/m", 1);
    seen.service.send("GET", &forged, &[], b"").expect(404);
    let signed = "name=Bob&consent=yes";
    seen.service.submit(&once, "sign", signed).expect(303);
    seen.expect("sent", ["sent", "pending"]);
    let answer = seen.service.submit(&once, "view", "").expect(303);
    let page = answer.header("location").unwrap().to_owned();
    assert_ne!(page, once);
    seen.expect("sent", ["viewed", "pending"]);
    let used = seen.open(&once);
    assert!(used.text().contains("This link has been used"));
    assert_eq!(seen.service.submit(&once, "view", "").header("location"), Some(once.as_str()));
    assert_eq!(frame(&seen.open(&page)), "https://app.example.com");
    seen.service.submit(&page, "sign", signed).expect(303);
    seen.expect("sent", ["signed", "sent"]);
    seen.service.advance("25h");
    assert!(seen.open(&many).text().contains("This link has run out"));
}

fn handed_over(seen: &Seen<'_>) {
    let path = "/sign-status/signers/Acme%20Signer";
    let external = json!({
        "reason": "Somebody else signs.",
        "assigned": {"type": "external", "email": "eve@example.com", "name": "Eve"},
    });
    let signer = seen.call("PATCH", path, &external).expect(200).json();
    assert_eq!((&signer["name"], &signer["email"]), (&json!("Eve"), &json!("eve@example.com")));
    assert_eq!(signer, seen.status()["signers"][1]);
    let told = seen.service.api("GET", "/events?type=workflow.signer_reassigned", None).expect(200);
    assert_eq!(told.json()["data"][0]["data"]["change"]["reason"], "Somebody else signs.");
    let other = json!({"reason": "x", "assigned": {"type": "internal", "userId": "0".repeat(24)}});
    let error = seen.call("PATCH", path, &other).expect(400).json();
    assert_eq!(
        (&error["code"], &error["param"]),
        (&json!("INVALID_PARAM"), &json!("assigned.userId"))
    );
    let signed = "/sign-status/signers/Counterparty%20Signer";
    let error = seen.call("PATCH", signed, &external).expect(400).json();
    assert_eq!(error["code"], "INVALID_STATE", "who has signed stays");
}

#[test]
fn papers_that_were_signed_elsewhere_are_uploaded() {
    let service = Service::start(&LOCAL);
    let seen = Seen::launch(&service, 1);
    seen.advance();
    let internal = seen.internal();
    let metadata = json!({"signerRoleNames": [THEIRS]}).to_string();
    let part = seen.upload(&[("attachment", "%PDF one"), ("metadata", &metadata)]);
    let part = part.expect(200).json();
    assert_eq!(members(&part), ["partiallySigned", "signers", "title", "workflowId"]);
    let paper = ["download", "filename", "key", "lastModified", "version", "versionNumber"];
    assert_eq!(members(&part["partiallySigned"]), paper);
    assert_eq!(part["partiallySigned"]["filename"], "signed.pdf");
    let signer = &part["signers"][0];
    assert_eq!(members(signer), ["email", "name", "roleName", "signatureStatus"]);
    assert_eq!(signer["signatureStatus"], json!({"status": "signed"}));
    let wet = &seen.status()["signers"][0];
    assert_eq!((&wet["isWetSigned"], &wet["routingOrder"]), (&json!(true), &json!(-1)));
    let whole = seen.upload(&[("attachment", "%PDF two")]).expect(200).json();
    assert_eq!(members(&whole), ["signed", "title", "workflowId"]);
    assert_eq!(whole["workflowId"], internal.as_str());
    let now = service.api("GET", &format!("/workflows/{}", seen.own), None).expect(200).json();
    assert_eq!(now["step"], "archive");
    service.stop();
}

#[test]
fn a_signer_is_removed_and_the_packet_withdrawn_for_that() {
    let service = Service::start(&LOCAL);
    let seen = Seen::launch(&service, 1);
    seen.advance();
    seen.call("POST", "/sign-status/send-signature-request", &Value::Null).expect(200);
    let path = "/sign-status/signers/Acme%20Signer";
    assert_eq!(seen.call("DELETE", path, &Value::Null).expect(204).text(), "");
    let status = seen.status();
    assert_eq!(status["status"], "not_sent");
    assert_eq!(status["signers"].as_array().unwrap().len(), 1);
    let error = seen.call("DELETE", path, &Value::Null).expect(404).json();
    assert_eq!(error["code"], "NOT_FOUND");
    service.stop();
}

/// Every call of the step, with a body that it takes.
fn calls() -> Vec<(&'static str, &'static str, Value)> {
    let signer = json!({"type": "signer", "roleName": THEIRS});
    let mut framed = signer.clone();
    framed["frameAncestor"] = json!("https://app.example.com");
    let heir = json!({
        "reason": "x", "assigned": {"type": "external", "email": "eve@example.com", "name": "Eve"},
    });
    let soon = json!({"notifyAt": "2030-01-01T00:00:00Z"});
    vec![
        ("GET", "/signatures", Value::Null),
        ("GET", "/sign-status", Value::Null),
        ("POST", "/sign-status/send-signature-request", Value::Null),
        ("POST", "/sign-status/scheduled-send", soon.clone()),
        ("PATCH", "/sign-status/scheduled-send", soon),
        ("DELETE", "/sign-status/scheduled-send", Value::Null),
        ("POST", "/sign-status/cancel-signature-request", json!({"reason": "x"})),
        ("PATCH", "/sign-status/signers/Counterparty%20Signer", heir),
        ("DELETE", "/sign-status/signers/Counterparty%20Signer", Value::Null),
        ("POST", "/sign-status/signers/Counterparty%20Signer/remind", Value::Null),
        ("POST", "/signatures/recipient-urls", signer),
        ("POST", "/signatures/recipient-urls/embedded", framed),
    ]
}

#[test]
fn each_call_says_what_is_wrong_in_the_vendors_shape() {
    let service = Service::start(&LOCAL);
    let seen = Seen::launch(&service, 1);
    for (method, path, body) in calls() {
        let error = seen.call(method, path, &body).expect(400).json();
        let message = if method == "GET" {
            "This workflow is not at the Sign step, and is currently at the Review step"
        } else {
            "Workflow must be on Sign Step."
        };
        assert_eq!(error, json!({"code": "INVALID_STATE", "message": message}), "{method} {path}");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = seen.send("IC-99", (method, path), "application/json", text.as_bytes());
        assert!(answer.header("x-ironclad-requestid").is_some(), "{method} {path}");
        let error = answer.expect(404).json();
        let expected = json!({
            "code": "NOT_FOUND", "message": "workflow does not exist", "param": "workflowId",
        });
        assert_eq!(error, expected, "{method} {path}");
        let path = format!("/public/api/v1/workflows/IC-1{path}");
        let error = service.send(method, &path, &[], text.as_bytes()).expect(401).json();
        let expected = json!({"code": "UNAUTHORIZED", "message": "invalid authentication token"});
        assert_eq!(error, expected, "{method} {path}");
    }
    let made = json!({"name": "watcher", "scopes": ["endpoints"]});
    let watcher = service.api("POST", "/keys", Some(&made)).expect(201).json();
    let authorization = format!("Bearer {}", watcher["key"].as_str().unwrap());
    for (method, path, body) in calls() {
        let path = format!("/public/api/v1/workflows/IC-1{path}");
        let headers = [("authorization", authorization.as_str())];
        let error = service.send(method, &path, &headers, body.to_string().as_bytes()).expect(403);
        assert_eq!(error.json()["code"], "FORBIDDEN", "{method} {path}");
    }
    service.stop();
}

#[test]
fn each_body_says_which_member_is_missing_or_wrong() {
    let service = Service::start(&LOCAL);
    let seen = Seen::launch(&service, 1);
    seen.advance();
    let check = |method: &str, path: &str, body: Value, code: &str, param: &str| {
        let error = seen.call(method, path, &body).expect(400).json();
        let said = (error["code"].as_str(), error["param"].as_str().unwrap_or_default());
        assert_eq!(said, (Some(code), param), "{method} {path} {body}: {error}");
    };
    let (gone, wrong, state) = ("MISSING_PARAM", "INVALID_PARAM", "INVALID_STATE");
    let scheduled = "/sign-status/scheduled-send";
    check("POST", scheduled, json!({}), gone, "notifyAt");
    check("POST", scheduled, json!({"notifyAt": "2001-01-01T00:00:00Z"}), wrong, "notifyAt");
    let days = json!({"notifyAt": "2030-01-01T00:00:00Z", "reminder": {"daysBefore": 0}});
    check("POST", scheduled, days, wrong, "reminder.daysBefore");
    check("PATCH", scheduled, json!({"reminder": {}}), gone, "reminder.daysBefore");
    let cancel = "/sign-status/cancel-signature-request";
    check("POST", cancel, json!({}), gone, "reason");
    check("POST", cancel, json!({"reason": "x"}), state, "");
    let theirs = "/sign-status/signers/Counterparty%20Signer";
    check("PATCH", theirs, json!({"reason": "x"}), gone, "assigned");
    let nobody =
        json!({"reason": "x", "assigned": {"type": "external", "email": "no", "name": "N"}});
    check("PATCH", theirs, nobody, wrong, "assigned.email");
    check("POST", &format!("{theirs}/remind"), Value::Null, state, "");
    let link = "/signatures/recipient-urls";
    check("POST", link, json!({}), gone, "type");
    check("POST", link, json!({"type": "cc"}), wrong, "recipient.type");
    check("POST", link, json!({"type": "viewer", "email": "no"}), wrong, "email");
    check("POST", link, json!({"type": "signer", "roleName": "Nobody"}), wrong, "roleName");
    check("POST", link, json!({"type": "signer", "roleName": THEIRS}), state, "");
    let framed = "/signatures/recipient-urls/embedded";
    check("POST", framed, json!({"type": "signer", "roleName": THEIRS}), gone, "frameAncestor");
    for frame in ["*", "http://app.example.com", "https://app.example.com/x", "a.example;b"] {
        let body = json!({"type": "signer", "roleName": THEIRS, "frameAncestor": frame});
        check("POST", framed, body, wrong, "frameAncestor");
    }
    let error = seen.upload(&[("metadata", "{}")]).expect(400).json();
    let message = "missing required form-data part 'attachment'";
    let expected = json!({"code": gone, "message": message, "param": "attachments"});
    assert_eq!(error, expected);
    let nobody = json!({"signerRoleNames": ["Nobody"]}).to_string();
    let error = seen.upload(&[("attachment", "%PDF"), ("metadata", &nobody)]).expect(400).json();
    let message = "The signer field contains invalid signers, please check.";
    assert_eq!(error, json!({"code": wrong, "message": message}));
    // Who names nobody has not said that everybody signed.
    for (metadata, param) in [
        (r#"{"signerRoleNames":[]}"#, "signerRoleNames"),
        (r#"{"signerRoleNames":7}"#, "signerRoleNames"),
        ("[", "metadata"),
    ] {
        let error = seen.upload(&[("attachment", "%PDF"), ("metadata", metadata)]).expect(400);
        let error = error.json();
        assert_eq!((&error["code"], &error["param"]), (&json!(wrong), &json!(param)), "{error}");
    }
    check("GET", "/sign-status?signers=all", Value::Null, wrong, "signers");
    seen.expect("not_sent", ["pending", "pending"]);
    service.stop();
}

#[test]
fn a_paper_is_not_taken_from_just_anybody_nor_at_any_step() {
    let service = Service::start(&LOCAL);
    let seen = Seen::launch(&service, 1);
    let shown = seen.call("GET", "", &Value::Null).expect(200).json();
    let internal = shown["id"].as_str().unwrap();
    let paper = form(&[("attachment", "%PDF paper")]);
    let upload = |id: &str, key: &str| {
        let headers = [("authorization", key), ("content-type", FORM)];
        let path = format!("/public/api/v1/workflows/{id}/upload-signed");
        let answer = service.send("POST", &path, &headers, paper.as_bytes());
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
        assert_eq!(answer.header("x-ironclad-requestid").map(str::len), Some(36), "{answer:?}");
        answer
    };
    let key_of = |scopes: Value| {
        let new = json!({"name": "papers", "scopes": scopes});
        let made = service.api("POST", "/keys", Some(&new)).expect(201).json();
        format!("Bearer {}", made["key"].as_str().unwrap())
    };
    let (all, able) = (format!("Bearer {KEY}"), key_of(json!(["requests", "signing"])));
    let elsewhere = json!({"code": "INVALID_STATE", "message": "Workflow must be on Sign Step."});
    assert_eq!(upload(internal, &able).expect(400).json(), elsewhere, "in review");
    seen.advance();
    for wrong in ["", "Bearer nobody", "Basic bm9ib2R5"] {
        let expected = json!({"code": "UNAUTHORIZED", "message": "invalid authentication token"});
        assert_eq!(upload(internal, wrong).expect(401).json(), expected, "{wrong}");
    }
    for scopes in [json!(["requests"]), json!(["signing"]), json!(["endpoints"])] {
        let error = upload(internal, &key_of(scopes.clone())).expect(403).json();
        assert_eq!(members(&error), ["code", "message"], "{error}");
        assert_eq!(error["code"], "FORBIDDEN", "{scopes}");
    }
    // It takes the internal id alone.
    for id in ["IC-1", "IC-99", &"0".repeat(24), "nothing"] {
        let message = "workflow does not exist";
        let expected = json!({"code": "NOT_FOUND", "message": message, "param": "workflowId"});
        assert_eq!(upload(id, &all).expect(404).json(), expected, "{id}");
    }
    seen.expect("not_sent", ["pending", "pending"]);
    upload(internal, &able).expect(200);
    assert_eq!(upload(internal, &able).expect(400).json(), elsewhere, "in the archive");
    service.stop();
}
