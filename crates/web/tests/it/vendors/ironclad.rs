//! Ironclad's interface: webhooks.

use serde_json::{Value, json};

use super::{HOSTILE, call};
use crate::world::{Answer, World};

async fn ask(world: &World, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    bytes(world, method, path, body.as_bytes()).await
}

async fn bytes(world: &World, method: &str, path: &str, body: &[u8]) -> Answer {
    let authorization = format!("Bearer {}", world.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    call(world, (method, &format!("/public/api/v1{path}")), &headers, body).await
}

fn body(url: &str) -> Value {
    json!({"events": ["workflow_launched", "workflow_completed"], "targetURL": url})
}

/// Insists on an error in the vendor's shape.
#[track_caller]
fn error(answer: Answer, status: u16, code: &str, param: Option<&str>) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    let said = answer.json();
    assert_eq!((&said["code"], said["param"].as_str()), (&json!(code), param), "{said:#}");
    said["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_webhook_is_registered_listed_changed_and_deleted() {
    let world = World::new().await;
    let url = "https://hooks.example.com/x";
    let mut wanted = body(url);
    wanted["headers"] = json!({"Authorization": "Bearer s3cret"});
    let made = ask(&world, "POST", "/webhooks", Some(&wanted)).await.expect(201).json();
    let names: Vec<&String> = made.as_object().unwrap().keys().collect();
    let expected = [
        "companyId",
        "consecutiveFailureCount",
        "events",
        "id",
        "status",
        "statusLastUpdatedAt",
        "statusLastUpdatedBy",
        "targetURL",
    ];
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let id = made["id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!((&made["status"], &made["consecutiveFailureCount"]), (&json!("enabled"), &json!(0)));
    let read = ask(&world, "GET", &format!("/webhooks/{id}"), None).await.expect(200).json();
    assert_eq!(read, made);
    let list = ask(&world, "GET", "/webhooks?page=0&pageSize=5", None).await.expect(200).json();
    assert_eq!(list, json!({"page": 0, "pageSize": 5, "list": [made]}));
    let next = ask(&world, "GET", "/webhooks?page=1&pageSize=5", None).await.expect(200).json();
    assert_eq!(next["list"], json!([]));

    let change = json!({"status": "disabled", "events": ["*"]});
    let path = format!("/webhooks/{id}");
    let changed = ask(&world, "PATCH", &path, Some(&change)).await.expect(200).json();
    assert_eq!((&changed["status"], &changed["events"]), (&json!("disabled"), &json!(["*"])));
    let ours = world.api("GET", "/endpoints", None).await.expect(200).json();
    assert_eq!(
        (&ours["data"][0]["dialect"], &ours["data"][0]["url"]),
        (&json!("ironclad"), &json!(url))
    );
    assert!(
        ours["data"][0]["authorization"].as_str().is_some_and(|masked| !masked.contains("s3cret"))
    );

    assert_eq!(ask(&world, "DELETE", &path, None).await.expect(204).text, "");
    error(ask(&world, "GET", &path, None).await, 404, "NOT_FOUND", None);
}

#[tokio::test]
async fn a_url_has_one_webhook() {
    let world = World::new().await;
    ask(&world, "POST", "/webhooks", Some(&body("https://a.example/x"))).await.expect(201);
    let other = ask(&world, "POST", "/webhooks", Some(&body("https://b.example/x"))).await;
    let other = format!("/webhooks/{}", other.expect(201).json()["id"].as_str().unwrap());
    let again = ask(&world, "POST", "/webhooks", Some(&body("https://a.example/x"))).await;
    let said = error(again, 400, "INVALID_PARAM", Some("tagetURL"));
    assert_eq!(
        said,
        "webhook already exists for event workflow_launched and target https://a.example/x"
    );
    let change = json!({"targetURL": "https://a.example/x"});
    let changed = ask(&world, "PATCH", &other, Some(&change)).await;
    error(changed, 400, "INVALID_PARAM", Some("tagetURL"));
    let same = json!({"targetURL": "https://b.example/x"});
    ask(&world, "PATCH", &other, Some(&same)).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_vendors_shape() {
    let world = World::new().await;
    let unknown = json!({"events": ["workflow_forgotten"], "targetURL": "https://a.example"});
    let unknown = ask(&world, "POST", "/webhooks", Some(&unknown)).await;
    assert!(
        error(unknown, 400, "INVALID_PARAM", Some("events")).starts_with("invalid event type; *")
    );
    for url in ["ftp://a.example", "no url"] {
        let refused = ask(&world, "POST", "/webhooks", Some(&body(url))).await;
        error(refused, 400, "INVALID_PARAM", Some("targetURL"));
    }
    error(
        ask(&world, "GET", "/webhooks?pageSize=101", None).await,
        400,
        "INVALID_PARAM",
        Some("pageSize"),
    );
    error(
        ask(&world, "GET", "/webhooks/5928719b30182d3700364a74", None).await,
        404,
        "NOT_FOUND",
        None,
    );
    error(ask(&world, "GET", "/nothing", None).await, 404, "NOT_FOUND", None);
    for hostile in HOSTILE {
        let answer = bytes(&world, "POST", "/webhooks", hostile).await.expect(400);
        assert!(answer.json()["code"].as_str().is_some_and(|code| code.ends_with("_PARAM")));
    }
    let wrong = [("authorization", "Bearer nobody")];
    let stranger = call(&world, ("GET", "/public/api/v1/webhooks"), &wrong, b"").await;
    assert_eq!(error(stranger, 401, "UNAUTHORIZED", None), "invalid authentication token");
}
