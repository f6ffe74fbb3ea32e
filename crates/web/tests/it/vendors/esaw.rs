//! eSignAnyWhere's interface.

use domain::id::RequestId;
use domain::key::Scope;
use serde_json::{Value, json};

use super::{HOSTILE, call};
use crate::documents::pdf;
use crate::world::{Answer, World};

async fn ask(world: &World, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let headers = [("apiToken", world.key.as_str()), ("content-type", "application/json")];
    call(world, (method, &format!("/Api/v6.0/envelope/{path}")), &headers, body.as_bytes()).await
}

/// Insists on an error in the vendor's shape, and gives what it says.
#[track_caller]
pub(super) fn error(answer: Answer, status: u16) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    let error = answer.json();
    let members: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(members, ["ErrorId", "Message", "TraceId"]);
    assert!(error["ErrorId"].as_str().unwrap().starts_with('P'), "{error:#}");
    error["Message"].as_str().unwrap().to_owned()
}

/// Sends a request to two people one after the other; gives the GUID that callbacks name.
async fn sent(world: &World) -> String {
    let body = json!({
        "title": "Contract", "send": true, "signing_order": "sequential", "signers": [
            {"name": "Ana Pop", "email": "ana@example.com"},
            {"name": "Dan Pop", "email": "dan@example.com"},
        ],
    });
    let request = world.api("POST", "/requests", Some(body)).await.expect(201).id();
    let id: RequestId = request.parse().unwrap();
    let digits = format!("{:032x}", id.bits());
    let cuts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    cuts.map(|(from, to)| digits.get(from..to).unwrap()).join("-")
}

#[tokio::test]
async fn an_envelope_is_shown_with_the_link_of_whose_turn_it_is_and_withdrawn() {
    let world = World::new().await;
    let id = sent(&world).await;
    let envelope = ask(&world, "GET", &id, None).await.expect(200).json();
    assert_eq!((&envelope["Id"], &envelope["EnvelopeStatus"]), (&json!(id), &json!("Active")));
    let links = ask(&world, "GET", &format!("{id}/viewerlinks"), None).await.expect(200).json();
    let [link] = &links["ViewerLinks"].as_array().unwrap()[..] else { panic!("{links:#}") };
    assert_eq!(link["Email"], "ana@example.com");
    assert_eq!(link["ActivityId"], envelope["Activities"][0]["Id"]);
    let bearer = format!("Bearer {}", world.key);
    let path = format!("/Api/v6/envelope/{id}");
    call(&world, ("GET", &path), &[("authorization", &bearer)], b"").await.expect(200);
    let body = json!({"EnvelopeId": id, "Remarks": "no longer needed"});
    ask(&world, "POST", "cancel", Some(&body)).await.expect(204);
    let envelope = ask(&world, "GET", &id, None).await.expect(200).json();
    assert_eq!(envelope["EnvelopeStatus"], "Canceled");
    let links = ask(&world, "GET", &format!("{id}/viewerlinks"), None).await.expect(200).json();
    assert_eq!(links, json!({"ViewerLinks": []}));
    let again = error(ask(&world, "POST", "cancel", Some(&body)).await, 400);
    assert_eq!(again, "a request that is cancelled cannot cancel");
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_the_vendors_shape() {
    let world = World::new().await;
    let id = sent(&world).await;
    let path = format!("/Api/v6.0/envelope/{id}");
    error(call(&world, ("GET", &path), &[], b"").await, 401);
    error(call(&world, ("GET", &path), &[("apiToken", "cs_wrong")], b"").await, 401);
    let other = world.key_with(&[Scope::Events], None).await;
    error(call(&world, ("GET", &path), &[("apiToken", &other)], b"").await, 403);
    error(ask(&world, "GET", "7bfa100a-f52c-4915-b25d-210e6bb82f48", None).await, 404);
    error(ask(&world, "GET", "../x", None).await, 404);
    error(ask(&world, "POST", "send", Some(&json!({}))).await, 400);
    error(ask(&world, "GET", "7bfa100a-f52c-4915-b25d-210e6bb82f48/files", None).await, 404);
    error(ask(&world, "GET", "../file/7bfa100a-f52c-4915-b25d-210e6bb82f48", None).await, 404);
    for body in HOSTILE {
        for path in ["cancel", "send"] {
            let at = ("POST", &*format!("/Api/v6.0/envelope/{path}"));
            error(call(&world, at, &[("apiToken", &world.key)], body).await, 400);
        }
    }
}

async fn upload(world: &World, kind: &str, body: &str) -> Answer {
    let headers = [("apiToken", world.key.as_str()), ("content-type", kind)];
    call(world, ("POST", "/Api/v6/file/upload"), &headers, body.as_bytes()).await
}

fn form(content: &str) -> String {
    format!(
        "--x\r\nContent-Disposition: form-data; name=\"File\"; filename=\"contract.pdf\"\r\n\r\n{content}\r\n--x--\r\n"
    )
}

const FORM: &str = "multipart/form-data; boundary=x";

#[tokio::test]
async fn an_envelope_is_sent_with_its_file_and_gives_it_back() {
    let world = World::new().await;
    let text = pdf(300_000);
    let file = upload(&world, FORM, &form(&text)).await.expect(200).json();
    let file = file["FileId"].as_str().unwrap();
    let envelope = json!({
        "Documents": [{"FileId": file, "DocumentNumber": 1}],
        "Name": "Example contract", "MetaData": "ref-4711",
        "Activities": [{"Action": {"Sign": {"RecipientConfiguration": {
            "ContactInformation": {"Email": "ana@example.com", "GivenName": "Ana", "Surname": "Pop"},
        }}}}],
    });
    let sent = ask(&world, "POST", "send", Some(&envelope)).await.expect(200).json();
    let id = sent["EnvelopeId"].as_str().unwrap();
    let shown = ask(&world, "GET", id, None).await.expect(200).json();
    assert_eq!(
        (&shown["EnvelopeStatus"], &shown["MetaData"]),
        (&json!("Active"), &json!("ref-4711"))
    );
    let files = ask(&world, "GET", &format!("{id}/files"), None).await.expect(200).json();
    let [document] = &files["Documents"].as_array().unwrap()[..] else { panic!("{files:#}") };
    assert_eq!(
        (&document["FileId"], &document["FileName"]),
        (&json!(file), &json!("contract.pdf"))
    );
    let fetched = ask(&world, "GET", &format!("../file/{file}"), None).await;
    fetched.expect(404);
    let headers = [("apiToken", world.key.as_str())];
    let path = format!("/Api/v6.0/file/{file}");
    let fetched = call(&world, ("GET", &path), &headers, b"").await.expect(200);
    assert!(fetched.text == text);
    let mut bad = envelope.clone();
    bad["Documents"][0]["FileId"] = json!("2f0a4f0e-7f0f-4c6e-9a55-2d0c5f6f9a01");
    bad["Activities"][0]["Action"]["Sign"]["RecipientConfiguration"]["ContactInformation"]["Email"] =
        json!("ana");
    let told = error(ask(&world, "POST", "send", Some(&bad)).await, 400);
    assert!(told.starts_with("Documents[0].FileId: there is no such document"), "{told}");
}

#[tokio::test]
async fn a_file_that_is_not_taken_is_refused_in_the_vendors_shape() {
    let world = World::new().await;
    error(upload(&world, FORM, &form("PK")).await, 415);
    error(upload(&world, FORM, "--x\r\n").await, 400);
    error(upload(&world, "application/json", "{}").await, 415);
    error(upload(&world, FORM, &form(&pdf(21 << 20))).await, 413);
    let anybody = call(&world, ("POST", "/Api/v6.0/file/upload"), &[], b"").await;
    error(anybody, 401);
}
