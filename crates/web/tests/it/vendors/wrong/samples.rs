//! Every route below a vendor's path, what stands in its holes, and a body that it takes.

use serde_json::{Value, json};

use crate::documents::{pdf, upload};
use crate::world::World;

/// The page that every route is on.
const PAGE: &str = include_str!("../../../../src/lib.rs");
const PLACES: [&str; 5] = ["/v1.1/", "/Api/v6", "/fintechos/", "/public/api/v1/", "/oauth/"];

/// A route below a vendor's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
}

/// Reads the routes where they stand, so that none is forgotten.
pub(super) fn routes() -> Vec<Route> {
    let mut pieces = PAGE.split('"');
    let mut before = pieces.next().unwrap();
    let mut all = Vec::new();
    while let (Some(path), Some(after)) = (pieces.next(), pieces.next()) {
        let call = before.trim_end().trim_end_matches('(');
        let call = call.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let method = match call {
            "get" => "GET",
            "post" => "POST",
            "patch" => "PATCH",
            "delete" => "DELETE",
            _ => "",
        };
        if !method.is_empty() && PLACES.iter().any(|place| path.starts_with(place)) {
            all.push(Route { method, path });
        }
        before = after;
    }
    assert!(all.len() > 60, "{all:?}");
    all
}

/// What is there in a world.
#[derive(Debug)]
pub(super) struct Known {
    request: String,
    file: String,
    webhook: String,
    pub(super) template: String,
    /// At the step Review.
    pub(super) workflow: String,
    /// At the step Sign.
    pub(super) signing: String,
    job: String,
    comment: String,
    document: String,
}

impl Known {
    pub(super) async fn of(world: &World) -> Self {
        let request = json!({
            "title": "Contract", "send": true,
            "signers": [{"name": "Ana Pop", "email": "ana@example.com"}],
        });
        let request = world.api("POST", "/requests", Some(request)).await.expect(201).id();
        let file = upload(world, "contract.pdf", &pdf(900)).await;
        let hook = json!({"events": ["*"], "targetURL": "https://hooks.example.com/first"});
        let webhook = ask(world, "POST", "/webhooks", &hook).await;
        let made = world.api("POST", "/workflow-templates", Some(template())).await.expect(201);
        let template = made.id();
        let launch = |title: &str| {
            json!({
                "template_id": template, "title": title, "by": ADA, "attributes": {"name": "A"},
                "signers": {"Theirs": {"name": "Bob", "email": "bob@example.org"}},
            })
        };
        let mut own = Vec::new();
        for title in ["In review", "To be signed"] {
            let made = world.api("POST", "/workflows", Some(launch(title))).await.expect(201);
            own.push(made.id());
        }
        let act = async |id: &str, act: Value| {
            let path = format!("/workflows/{id}/actions");
            world.api("POST", &path, Some(act)).await.expect(200);
        };
        let file_of = json!({
            "place": "draft", "name": "a.pdf", "media_type": "application/pdf", "content_base64": "JVBERg==",
        });
        act(&own[0], json!({"action": "add_documents", "documents": [file_of]})).await;
        act(&own[1], json!({"action": "approve", "role": "legal"})).await;
        act(&own[1], json!({"action": "advance"})).await;
        act(&own[1], json!({"action": "send_packet"})).await;
        let list = ask(world, "GET", "/workflows", &Value::Null).await;
        let id = |at: usize| text(&list["list"][at]["id"]);
        let of = format!("/workflows/{}", id(0));
        let comment =
            ask(world, "POST", &format!("{of}/comments"), &json!({"comment": "hello"})).await;
        let documents = ask(world, "GET", &format!("{of}/documents"), &Value::Null).await;
        let job = json!({
            "template": template, "attributes": {"name": "B"}, "creator": {"type": "email", "email": ADA},
        });
        let job = ask(world, "POST", "/workflows/async", &job).await;
        Self {
            request,
            file,
            webhook: text(&webhook["id"]),
            workflow: id(0),
            signing: id(1),
            comment: text(&comment["id"]),
            document: text(&documents["signaturePacketDocuments"][0]["key"]),
            job: text(&job["asyncJobId"]),
            template,
        }
    }

    /// Fills the holes of a path: with what is given, or with what is there.
    pub(super) fn path(&self, route: &Route, names: &[Option<&str>]) -> String {
        let mut given = names.iter().copied();
        let mut pieces = route.path.split('{');
        let mut path = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (hole, rest) = piece.split_once('}').unwrap();
            path.push_str(given.next().flatten().unwrap_or_else(|| self.name(route, hole)));
            path.push_str(rest);
        }
        path
    }

    fn name(&self, route: &Route, hole: &str) -> &str {
        let is_signing = ["sign-status", "signatures", "upload-signed", "revert-to-review"]
            .iter()
            .any(|word| route.path.contains(word));
        match hole {
            "site" => "7",
            "job" => &self.job,
            "comment" => &self.comment,
            "key" => &self.document,
            "attribute" => "draft",
            "role" if is_signing => "Theirs",
            "role" => "legal",
            "id" if route.path.contains("/webhooks/") => &self.webhook,
            "id" if route.path.contains("/workflows/") && is_signing => &self.signing,
            "id" if route.path.contains("/workflows/") => &self.workflow,
            "id" if route.path.contains("/file/") => &self.file,
            "id" | "activity" | "session" => &self.request,
            other => panic!("what stands for {other}?"),
        }
    }

    /// Gives a body that a call takes; what takes none gets one all the same.
    pub(super) fn body(&self, route: &Route, key: &str) -> Value {
        let word = json!({"comment": {"message": "wait", "addUsersToWorkflow": false}});
        let path = route.path.rsplit("v1/").next().unwrap_or_default();
        let ending = route.path.rsplit('/').next().unwrap_or_default();
        match (route.method, ending) {
            ("POST" | "PATCH", _) if path.starts_with("webhooks") => json!({
                "events": ["workflow_launched"],
                "targetURL": format!("https://hooks.example.com/{}", route.method),
                "status": "enabled", "headers": {"Authorization": "Bearer s3cret"},
            }),
            ("POST", "workflows" | "async") => json!({
                "template": self.template, "attributes": {"name": "A", "fee": {"amount": 1, "currency": "EUR"}},
                "creator": {"type": "email", "email": ADA},
            }),
            ("PATCH", "attributes") => {
                json!({"updates": [{"action": "set", "path": "name", "value": "B"}], "comment": "as agreed"})
            }
            ("PATCH", "{role}") if path.contains("/approvals/") => {
                json!({"status": "approved", "user": {"type": "email", "email": ADA}})
            }
            ("PATCH", "{role}") if path.contains("/signers/") => json!({
                "reason": "away", "assigned": {"type": "external", "email": "eve@example.com", "name": "Eve"},
            }),
            ("PATCH", "{role}") => json!({"userId": "5928719b30182d3700364a74"}),
            ("POST", "comment" | "comments") => json!({
                "comment": "Fine, <@eve@example.com>?", "addUsersToWorkflow": true,
                "repliedToActivityFeedMessageId": self.comment, "creator": {"type": "email", "email": ADA},
            }),
            ("PATCH", "signature-packet") => {
                json!({"signaturePacketDocumentKeys": [self.document]})
            }
            ("POST", "cancel" | "pause" | "resume") if path.starts_with("workflows") => word,
            ("PATCH", "revert-to-review") => json!({"user": {"type": "email", "email": ADA}}),
            ("POST" | "PATCH", "scheduled-send") => {
                json!({"notifyAt": "2030-01-01T00:00:00Z", "reminder": {"daysBefore": 3}})
            }
            ("POST", "cancel-signature-request") => json!({"reason": "changes"}),
            ("POST", "recipient-urls") => json!({"type": "signer", "roleName": "Theirs"}),
            ("POST", "embedded") => json!({
                "type": "signer", "roleName": "Theirs", "frameAncestor": "https://app.example.com",
                "allowMultipleUsages": true,
            }),
            ("POST", "token") => {
                json!({"grant_type": "client_credentials", "client_id": "key_0", "client_secret": key})
            }
            ("POST", "requests") => clickwrap(),
            ("POST", "cancel") => json!({"EnvelopeId": self.request, "Remarks": "no more"}),
            ("POST", "send") if route.path.contains("/envelope/") => self.envelope(),
            ("POST", "sign") => self.sign_request(key),
            ("POST", "downloadSignedDocument") => json!({
                "Authentication": {"Username": "a", "Key": key}, "EnvelopeId": self.request,
            }),
            (_, _) => word,
        }
    }

    fn envelope(&self) -> Value {
        json!({
            "Documents": [{"FileId": self.file, "DocumentNumber": 1}],
            "Name": "Contract", "MetaData": "{\"a\":1}",
            "StatusUpdateCallbackUrl": "https://hooks.example.com/e",
            "Activities": [{"Action": {"Sign": {
                "RecipientConfiguration": {"ContactInformation": {
                    "Email": "ana@example.com", "GivenName": "Ana", "Surname": "Pop",
                }},
                "SequenceMode": "SequenceEnforced",
            }}}],
        })
    }

    fn sign_request(&self, key: &str) -> Value {
        let hook = "https://hooks.example.com/f?e=##EnvelopeId##&a=##Action##";
        json!({
            "Authentication": {"Username": "john.doe@example.com", "Key": key},
            "SignedDocumentName": "signedContract", "FileId": self.file,
            "WebhookUrl": hook, "WebhookStatusUrl": hook,
            "WorkstepConfigs": [{"Email": "ana@example.com", "FirstName": "Ana", "LastName": "Pop"}],
        })
    }
}

const ADA: &str = "ada@example.com";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

async fn ask(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let authorization = format!("Bearer {}", world.key);
    let headers = [("authorization", authorization.as_str())];
    let path = format!("/public/api/v1{path}");
    let answer = super::super::call(world, (method, &path), &headers, body.as_bytes()).await;
    assert!(answer.status < 300, "{method} {path}: {}", answer.text);
    answer.json()
}

fn template() -> Value {
    json!({
        "name": "NDA",
        "attributes": [
            {"id": "name", "name": "Name", "type": "text", "required": true},
            {"id": "fee", "name": "Fee", "type": "money"},
        ],
        "roles": [{"id": "owner", "name": "Owner"}, {"id": "legal", "name": "Legal"}],
        "approval_groups": [{"roles": ["legal"]}],
        "documents": [{"id": "draft", "name": "Draft", "in_packet": true}],
        "signers": [{"role_name": "Theirs", "party": "counterparty", "order": 1}],
    })
}

fn clickwrap() -> Value {
    json!({
        "name": "NDA", "contracts": [1], "render_data": {"a": "1"}, "redirect_url": "https://example.com",
        "signers": [{
            "signer_id": "s1", "send_to": {"email": true, "mobile_number": true}, "order": 1,
            "signer": {
                "email": "a@example.com", "mobile_number": "317-555-1234",
                "additional_attributes": {"first_name": "Ada", "last_name": "L"},
            },
        }],
        "fields": [{"name": "f", "default_value": true, "assigned_to": "s1"}],
    })
}
