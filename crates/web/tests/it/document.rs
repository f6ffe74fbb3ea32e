//! The API's document, and what an operator looks at.

use domain::event::Kind;
use serde_json::Value;

use super::world::World;

#[tokio::test]
async fn the_document_is_as_it_was_reviewed() {
    let world = World::new().await;
    insta::assert_json_snapshot!("openapi", world.document().await);
}

#[tokio::test]
async fn every_event_is_a_webhook_with_a_schema() {
    let world = World::new().await;
    let document = world.document().await;
    let webhooks = document["webhooks"].as_object().unwrap();
    assert_eq!(webhooks.len(), Kind::ALL.len());
    for (name, hook) in webhooks {
        let schema = &hook["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema["properties"]["data"].is_object(), "{name}: {schema:#}");
    }
}

#[tokio::test]
async fn an_operator_sees_how_it_fares() {
    let world = World::new().await;
    world.get("/healthz").await.expect(200);
    let ready = world.get("/readyz").await.expect(200).json();
    assert_eq!(ready["ready"], Value::Bool(true));
    let metrics = world.get("/metrics").await.expect(200);
    assert!(metrics.text.contains("# TYPE"), "{}", metrics.text);
    let jwks = world.get("/.well-known/jwks.json").await.expect(200).json();
    assert!(jwks["keys"].is_array());
    world.api("GET", "/stats", None).await.expect(200);
    let start = world.get("/").await.expect(200);
    assert!(start.text.contains("Countersign is running"));
}
