//! The part of the story at the step Sign, to the archive and the files.

use domain::time::{DAY_MS, Timestamp};
use serde_json::{Value, json};

use super::{Client, EVE};
use crate::http::Message;
use crate::service::id as id_of;

const THEIRS: &str = "Counterparty Signer";

/// The step of one workflow.
struct Step<'a> {
    client: &'a Client<'a>,
    id: &'a str,
}

impl Step<'_> {
    fn call(&self, method: &str, path: &str, body: &Value) -> Message {
        self.client.call(method, &format!("/workflows/{}{path}", self.id), body)
    }

    fn refused(&self, call: (&str, &str), body: &Value, expected: (u16, &str, Option<&str>)) {
        let path = format!("/workflows/{}{}", self.id, call.1);
        self.client.refused((call.0, &path), body, expected);
    }

    /// Gives how far the packet is, and each signer, as both calls that read tell it.
    fn standing(&self) -> Vec<String> {
        let read = |path: &str| self.call("GET", path, &Value::Null).expect(200).json();
        let (status, signatures) = (read("/sign-status"), read("/signatures"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let signers = status["signers"].as_array().unwrap().iter();
        let signers: Vec<String> = signers.map(|signer| text(&signer["status"])).collect();
        let others = signatures["signers"].as_array().unwrap().iter();
        let others = others.map(|signer| text(&signer["signatureStatus"]["status"]));
        assert_eq!(signers, others.collect::<Vec<_>>());
        [vec![text(&status["status"])], signers].concat()
    }

    /// Asks for a link; gives its path.
    fn link(&self, path: &str, body: &Value) -> String {
        let made = self.call("POST", &format!("/signatures/recipient-urls{path}"), body);
        let base = format!("http://{}", self.client.service.address);
        made.expect(201).json()["url"].as_str().unwrap().strip_prefix(&base).unwrap().to_owned()
    }

    fn upload(&self, pieces: &[(&str, Option<&str>, &str)]) -> Message {
        self.client.upload(&format!("/workflows/{}/upload-signed", self.id), pieces)
    }

    fn schedule(&self) {
        let path = "/sign-status/scheduled-send";
        let made = self.call("GET", "", &Value::Null).json();
        let now: Timestamp = made["created"].as_str().unwrap().parse().unwrap();
        let in_days = |days: i64| now.plus_millis(days * DAY_MS).to_string();
        let at = json!({"notifyAt": in_days(9), "reminder": {"daysBefore": 3}});
        let made = self.call("POST", path, &at).expect(200).json();
        assert_eq!(made["scheduledSend"]["reminder"]["reminderDate"], in_days(6));
        let gone = json!({"reminder": null});
        let changed = self.call("PATCH", path, &gone).expect(200).json();
        assert_eq!(changed["scheduledSend"], json!({"notifyAt": in_days(9)}));
        let none = self.call("DELETE", path, &Value::Null).expect(200).json();
        assert_eq!(none["scheduledSend"], Value::Null);
        self.refused(("DELETE", path), &Value::Null, (400, "INVALID_STATE", None));
    }

    fn send(&self) {
        let path = "/sign-status/send-signature-request";
        self.call("POST", path, &Value::Null).expect(200);
        self.refused(("POST", path), &Value::Null, (400, "INVALID_STATE", None));
    }

    /// Sends the packet, reminds, looks, and withdraws it for another signer.
    fn withdrawn(&self) {
        self.send();
        assert_eq!(self.standing(), ["sent", "sent", "pending", "pending"]);
        let remind = "/sign-status/signers/Counterparty%20Signer/remind";
        self.call("POST", remind, &Value::Null).expect(204);
        self.refused(("POST", remind), &Value::Null, (429, "TOO_MANY_REQUESTS", None));
        let page = self.link("", &json!({"type": "signer", "roleName": THEIRS}));
        self.client.service.submit(&page, "view", "").expect(303);
        assert_eq!(self.standing(), ["sent", "viewed", "pending", "pending"]);
        let look = self.link("", &json!({"type": "viewer", "email": EVE}));
        self.client.service.send("GET", &look, &[], b"").expect(200);
        let heir = json!({
            "reason": "away", "assigned": {"type": "external", "email": EVE, "name": "Eve Adams"},
        });
        let path = "/sign-status/signers/Acme%20Signer";
        let signer = self.call("PATCH", path, &heir).expect(200).json();
        assert_eq!(signer["email"], EVE);
        let reason = json!({"reason": "Need to make changes."});
        let cancel = "/sign-status/cancel-signature-request";
        self.call("POST", cancel, &reason).expect(200);
        self.refused(("POST", cancel), &reason, (400, "INVALID_STATE", None));
        self.call("DELETE", "/sign-status/signers/Witness", &Value::Null).expect(204);
        assert_eq!(self.standing(), ["not_sent", "pending", "pending"]);
    }
}

/// Has a workflow signed by the one on paper and by the other in a frame, and files it.
pub(super) fn signed(client: &Client<'_>, (id, own): (&str, &str)) {
    let step = Step { client, id };
    named(&step);
    step.schedule();
    step.withdrawn();
    let roles = json!({"signerRoleNames": ["Acme Signer"]}).to_string();
    let paper = [("attachment", Some("signed.pdf"), "%PDF paper"), ("metadata", None, &roles)];
    let part = step.upload(&paper).expect(200).json();
    assert_eq!(part["signers"][1]["signatureStatus"]["status"], "signed");
    step.send();
    assert_eq!(step.standing(), ["sent", "sent", "signed"]);
    let frame = "https://app.example.com";
    let body = json!({
        "type": "signer", "roleName": THEIRS, "frameAncestor": frame, "allowMultipleUsages": true,
    });
    let page = step.link("/embedded", &body);
    let page = client.service.submit(&page, "view", "").expect(303);
    let page = page.header("location").unwrap();
    client.service.submit(page, "sign", "name=Bob&consent=yes").expect(303);
    let shown = || client.get(&format!("/workflows/{id}"));
    let archived = shown();
    assert_eq!(
        (&archived["step"], &archived["signatures"]),
        (&json!("Archive"), &json!({"state": "completed"}))
    );
    step.refused(("GET", "/sign-status"), &Value::Null, (400, "INVALID_STATE", None));
    // The vendor has no call that files a workflow.
    client.act(own, &json!({"action": "complete"}));
    let filed = shown();
    assert_eq!((&filed["status"], &filed["isComplete"]), (&json!("completed"), &json!(true)));
    assert_eq!(filed["recordIds"].as_array().unwrap().len(), 1);
    assert_eq!(client.get("/workflows?status=completed")["list"][0], filed);
}

/// Names our own signers, whom the launch does not.
fn named(step: &Step<'_>) {
    for (role, name) in [("Acme%20Signer", "Ada"), ("Witness", "Wim")] {
        let email = format!("{}@example.com", name.to_lowercase());
        let assigned = json!({"type": "external", "email": email, "name": name});
        let body = json!({"reason": "as agreed", "assigned": assigned});
        step.call("PATCH", &format!("/sign-status/signers/{role}"), &body).expect(200);
    }
}

/// Has a workflow signed on paper alone, where nobody approves; and one where nobody even signs.
pub(super) fn on_paper(client: &Client<'_>) {
    let launched = |template: &Value| {
        let template = client.service.api("POST", "/workflow-templates", Some(template));
        let launch = json!({"template": id_of(&template.expect(201)), "attributes": {}});
        let made = client.call("POST", "/workflows", &launch).expect(200).json();
        made["id"].as_str().unwrap().to_owned()
    };
    let bare = launched(&json!({"name": "Note"}));
    let shown = client.get(&format!("/workflows/{bare}"));
    for what in ["approvals", "signatures"] {
        assert_eq!(shown[what]["state"], "not_applicable");
    }
    let part = |role: &str, party: &str| json!({"role_name": role, "party": party, "order": 1});
    let signers = [part(THEIRS, "counterparty"), part("Acme Signer", "internal")];
    let id = launched(&json!({"name": "Letter", "signing_order": "parallel", "signers": signers}));
    let all = client.service.api("GET", "/workflows", None).expect(200).json();
    let own = all["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    client.act(&own, &json!({"action": "advance"}));
    let step = Step { client, id: &id };
    assert_eq!(step.call("GET", "/signatures", &Value::Null).json()["routing"], "parallel");
    assert_eq!(step.standing(), ["not_sent", "pending", "pending"]);
    step.refused(
        ("POST", "/sign-status/send-signature-request"),
        &Value::Null,
        (400, "INVALID_STATE", None),
    );
    let whole = step.upload(&[("attachment", Some("signed.pdf"), "%PDF all")]).expect(200).json();
    assert_eq!(whole["signed"]["filename"], "signed.pdf");
    assert_eq!(client.get(&format!("/workflows/{id}"))["step"], "Archive");
}
