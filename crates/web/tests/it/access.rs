//! Who may do what.

use axum::body::Body;
use domain::key::Scope;
use domain::secret::Secret;
use http::Request;
use serde_json::{Value, json};

use super::world::World;

async fn with_key(world: &World, key: &str) -> super::world::Answer {
    let request = Request::get("/api/v1/keys").header("authorization", format!("Bearer {key}"));
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_call_without_a_key_is_asked_for_one() {
    let world = World::new().await;
    let answer = world.get("/api/v1/requests").await.expect_problem(401, "P0004", "key_missing");
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test]
async fn a_call_without_a_key_does_not_hear_what_an_id_looks_like() {
    let world = World::new().await;
    for path in ["/requests/nonsense", "/events/nonsense", "/endpoints/nonsense/replays"] {
        let path = format!("/api/v1{path}");
        world.get(&path).await.expect_problem(401, "P0004", "key_missing");
        let post = Request::post(&path).body(Body::from("{}")).unwrap();
        assert_ne!(world.send(post).await.status, 404, "{path}");
    }
    world.api("GET", "/requests/nonsense", None).await.expect(404);
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let world = World::new().await;
    let answer = with_key(&world, "cs_nobody").await.expect_problem(401, "P0005", "key_invalid");
    assert!(answer.header("www-authenticate").contains("invalid_token"));
}

#[tokio::test]
async fn a_key_works_until_it_expires() {
    let world = World::new().await;
    let end = world.engine.now().plus_seconds(60);
    let key = world.key_with(&[Scope::Keys], Some(end)).await;
    with_key(&world, &key).await.expect(200);
    world.pass(60_000);
    with_key(&world, &key).await.expect_problem(401, "P0006", "key_expired");
}

#[tokio::test]
async fn a_key_gives_away_no_scope_that_it_lacks() {
    let world = World::new().await;
    let key = world.key_with(&[Scope::Keys, Scope::Events], None).await;
    let ask = async |scopes: &[&str]| {
        let body = json!({"name": "another", "scopes": scopes}).to_string();
        let request = Request::post("/api/v1/keys")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        world.send(request.body(Body::from(body)).unwrap()).await
    };
    ask(&["events"]).await.expect(201);
    let refused = ask(&["events", "admin"]).await.expect_problem(403, "P0007", "scope_missing");
    assert_eq!(refused.json()["scope"], "admin");
}

#[tokio::test]
async fn a_revoked_key_stops_working_at_once() {
    let world = World::new().await;
    let body = json!({"name": "short", "scopes": ["keys"]});
    let made = world.api("POST", "/keys", Some(body)).await.expect(201).json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    with_key(&world, key).await.expect(200);
    world.api("DELETE", &format!("/keys/{id}"), None).await.expect(204);
    with_key(&world, key).await.expect_problem(401, "P0005", "key_invalid");
    let shown = world.api("GET", &format!("/keys/{id}"), None).await.expect(200).json();
    assert!(shown["revoked_at"].is_string() && shown.get("key").is_none());
}

#[tokio::test]
async fn every_operation_asks_for_its_scope() {
    let world = World::new().await;
    let document = world.document().await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let needed = operation["security"][0]["key"].as_array().unwrap();
            let others: Vec<Scope> =
                Scope::ALL.into_iter().filter(|scope| !needed.contains(&json!(scope))).collect();
            let key = world.key_with(&others, None).await;
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(filled(path))
                .header("authorization", format!("Bearer {key}"));
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            assert_eq!(answer.json()["code"], "scope_missing");
        }
    }
}

/// Puts ids of the right kind into a path.
fn filled(path: &str) -> String {
    let noun = path.split('/').nth(3).unwrap();
    let prefix = match noun {
        "requests" => "req",
        "contacts" => "cnt",
        "documents" => "doc",
        "endpoints" => "ep",
        "events" | "inbox" => "evt",
        "sources" => "src",
        "deliveries" => "dlv",
        "replays" => "rpl",
        "providers" => "prv",
        "notices" => "ntc",
        "workflows" => "wfl",
        "workflow-templates" => "wft",
        _ => "key",
    };
    let id = |prefix: &str| format!("{prefix}_{}", "0".repeat(26));
    path.replace("{id}", &id(prefix))
        .replace("{sid}", &id("sgn"))
        .replace("{did}", &id("doc"))
        .replace("{type}", "request.sent")
}

#[tokio::test]
async fn things_of_another_account_are_not_there() {
    let world = World::new().await;
    let request =
        world.api("POST", "/requests", Some(json!({"title": "Lease"}))).await.expect(201).id();
    let contact = json!({"name": "Ada", "email": "ada@example.com"});
    let contact = world.api("POST", "/contacts", Some(contact)).await.expect(201).id();
    let endpoint = json!({"url": "https://example.com/hooks"});
    let endpoint = world.api("POST", "/endpoints", Some(endpoint)).await.expect(201).id();
    let event = json!({"type": "custom.a", "data": {}});
    let event = world.api("POST", "/events", Some(event)).await.expect(202).id();

    let other = world.engine.ensure_account("other").await.unwrap();
    let key = "cs_key_of_somebody_else_0123456789abcdef";
    world.engine.install_key(other, &Secret::new(key), "other").await.unwrap();
    for path in [
        format!("/requests/{request}"),
        format!("/requests/{request}/timeline"),
        format!("/contacts/{contact}"),
        format!("/endpoints/{endpoint}"),
        format!("/endpoints/{endpoint}/replays"),
        format!("/events/{event}"),
    ] {
        let call =
            Request::get(format!("/api/v1{path}")).header("authorization", format!("Bearer {key}"));
        let answer = world.send(call.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        world.api("GET", &path, None).await.expect(200);
    }
    let call = Request::get("/api/v1/requests").header("authorization", format!("Bearer {key}"));
    let list = world.send(call.body(Body::empty()).unwrap()).await.expect(200).json();
    assert_eq!(list["data"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_test_clock_moves() {
    let world = World::new().await;
    let before = world.engine.now();
    let moved =
        world.api("POST", "/clock", Some(json!({"advance": "P3D"}))).await.expect(200).json();
    assert_eq!(moved["now"], before.plus_seconds(3 * 86_400).to_string());
    world
        .api("POST", "/clock", Some(json!({"advance": "soon"})))
        .await
        .expect_problem(422, "P0012", "invalid");
    assert_eq!(world.api("GET", "/clock", None).await.expect(200).json(), moved);
}
