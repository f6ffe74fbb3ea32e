//! FintechOS eSign's interface.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::id::DocumentId;
use domain::key::Scope;
use serde_json::{Value, json};

use super::esaw::error;
use super::{HOSTILE, call};
use crate::documents::{pdf, upload};
use crate::world::{Answer, World};

async fn ask(world: &World, what: &str, body: &Value) -> Answer {
    let path = format!("/fintechos/esign/{what}");
    call(world, ("POST", &path), &[], body.to_string().as_bytes()).await
}

fn body(key: &str) -> Value {
    let url = "http://127.0.0.1:9/hook?test=12345&envelopeId=##EnvelopeId##&action=##Action##";
    json!({
        "Authentication": {"Username": "john.doe@example.com", "Key": key},
        "SignedDocumentName": "signedContract",
        "WebhookUrl": url,
        "WebhookStatusUrl": url,
        "WorkstepConfigs": [
            {"Email": "ana@example.com", "FirstName": "Ana", "LastName": "Pop"},
            {"Email": "dan@example.com", "FirstName": "Dan", "LastName": "Pop"},
        ],
    })
}

#[tokio::test]
async fn the_second_worksteps_link_is_there_when_the_first_is_finished() {
    let world = World::new().await;
    let text = pdf(300_000);
    let file = upload(&world, "contract.pdf", &text).await;
    let mut wanted = body(&world.key);
    wanted["FileId"] = json!("nothing");
    let told = error(ask(&world, "sign", &wanted).await, 400);
    assert_eq!(told, "FileId: expected the FileId of a file that was uploaded");
    wanted["FileId"] = json!(DocumentId::new(7).to_string());
    let told = error(ask(&world, "sign", &wanted).await, 400);
    assert!(told.starts_with("FileId: there is no such document"), "{told}");
    wanted["FileId"] = json!(file);
    let made = ask(&world, "sign", &wanted).await.expect(200).json();
    let download = async || {
        let body = json!({
            "Authentication": {"Username": "", "Key": world.key}, "EnvelopeId": made["EnvelopeId"],
        });
        ask(&world, "downloadSignedDocument", &body).await.expect(200).json()
    };
    assert_eq!(download().await["WorkstepUrl"], made["WorkstepUrl"]);
    let request = world.api("GET", "/requests", None).await.json()["data"][0].clone();
    for index in 0..2 {
        let signer = request["signers"][index]["id"].as_str().unwrap();
        let path = format!("/requests/{}/signers/{signer}/sign", request["id"].as_str().unwrap());
        let consent = json!({"name": "A", "consent": "I agree"});
        world.api("POST", &path, Some(consent)).await.expect(200);
        let now = download().await;
        if index == 0 {
            assert_eq!(
                (&now["EnvelopeStatus"], &now["SignedDocument"]),
                (&json!("Active"), &Value::Null)
            );
            let next = now["WorkstepUrl"].as_str().unwrap();
            assert!(next.starts_with("https://sign.example.com/s/") && next != made["WorkstepUrl"]);
        } else {
            assert_eq!(
                (&now["EnvelopeStatus"], &now["WorkstepUrl"]),
                (&json!("Completed"), &Value::Null)
            );
            let signed = BASE64_STANDARD.decode(now["SignedDocument"].as_str().unwrap()).unwrap();
            assert!(signed == text.as_bytes());
        }
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_the_vendors_shape() {
    let world = World::new().await;
    error(ask(&world, "sign", &json!({})).await, 401);
    error(ask(&world, "sign", &body("72b2f349-b5c7-4df7-478d-efd8a7f4a6c9")).await, 401);
    let other = world.key_with(&[Scope::Events], None).await;
    error(ask(&world, "sign", &body(&other)).await, 403);
    error(ask(&world, "upload", &body(&world.key)).await, 404);
    let mut flawed = body(&world.key);
    flawed["WebhookUrl"] = json!("{FTOSHook}/hookId?action=##Action##");
    flawed["WorkstepConfigs"][1]["Email"] = json!("dan");
    flawed["SignedDocumentName"] = json!("");
    let said = error(ask(&world, "sign", &flawed).await, 400);
    for place in ["SignedDocumentName: ", "WorkstepConfigs[1].Email: ", "WebhookUrl: "] {
        assert!(said.contains(place), "{said}");
    }
    flawed = body(&world.key);
    flawed["WorkstepConfigs"] = json!([]);
    assert!(error(ask(&world, "sign", &flawed).await, 400).starts_with("WorkstepConfigs: "));
    flawed["WorkstepConfigs"] = json!([{"FirstName": "Ana"}]);
    let said = error(ask(&world, "sign", &flawed).await, 400);
    assert!(said.starts_with("WorkstepConfigs[0].Email: expected a mail address, or"), "{said}");
    let answer = call(&world, ("POST", "/fintechos/esign/sign"), &[], b"{").await;
    assert!(error(answer, 400).starts_with("expected JSON: "));
    let nothing = json!({"Authentication": {"Key": world.key}, "EnvelopeId": "7"});
    error(ask(&world, "downloadSignedDocument", &nothing).await, 400);
    for what in ["sign", "downloadSignedDocument"] {
        for body in HOSTILE {
            let path = format!("/fintechos/esign/{what}");
            let answer = call(&world, ("POST", &path), &[], body).await;
            let status = answer.status;
            assert!(matches!(status, 400 | 401), "{status}");
            error(answer, status);
        }
    }
}
