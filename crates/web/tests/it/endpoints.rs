//! Endpoints, replays and deliveries, through the API.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_signing_secret_is_shown_whole_only_when_it_is_drawn() {
    let world = World::new().await;
    let body = json!({
        "url": "https://example.com/hooks", "authorization": "Bearer abcdefghijklmnop",
        "headers": {"x-tenant": "0123456789abcdef"},
    });
    let made = world.api("POST", "/endpoints", Some(body)).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(made["authorization"], "…mnop");
    assert_eq!(made["headers"]["x-tenant"], "…cdef");
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let read = world.api("GET", &path, None).await.expect(200).json();
    let masked = read["secret"].as_str().unwrap();
    assert!(masked.starts_with('…') && secret.ends_with(masked.trim_start_matches('…')));
    let rotated =
        world.api("POST", &format!("{path}/rotate-secret"), None).await.expect(200).json();
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_ne!(rotated["secret"], secret);
    assert_eq!(rotated["rotating_secrets"][0]["secret"], masked);
    let listed = world.api("GET", "/endpoints", None).await.expect(200).text;
    assert!(!listed.contains("whsec_") && !listed.contains("abcdefgh"));
    let changed =
        world.api("PATCH", &path, Some(json!({"description": "ours", "status": "disabled"}))).await;
    assert!(!changed.expect(200).text.contains("whsec_"));
}

#[tokio::test]
async fn a_url_is_registered_once() {
    let world = World::new().await;
    let body = json!({"url": "https://example.com/hooks"});
    let first = world.api("POST", "/endpoints", Some(body.clone())).await.expect(201).id();
    let second = world.api("POST", "/endpoints", Some(body)).await;
    assert_eq!(second.expect_problem(409, "P0014", "url_taken").json()["existing"], first);
}

#[tokio::test]
async fn a_deleted_endpoint_is_not_there() {
    let world = World::new().await;
    let made = world
        .api("POST", "/endpoints", Some(json!({"url": "https://example.com/a"})))
        .await
        .expect(201);
    let path = format!("/endpoints/{}", made.id());
    world.api("DELETE", &path, None).await.expect(204);
    world.api("GET", &path, None).await.expect_problem(404, "P0009", "not_found");
    world.api("GET", &format!("{path}/replays"), None).await.expect_problem(
        404,
        "P0009",
        "not_found",
    );
}

#[tokio::test]
async fn a_test_and_a_replay_are_accepted_and_can_be_followed() {
    let world = World::new().await;
    let made = world
        .api("POST", "/endpoints", Some(json!({"url": "https://example.com/a"})))
        .await
        .expect(201);
    let path = format!("/endpoints/{}", made.id());
    let test = world
        .api("POST", &format!("{path}/test"), Some(json!({"event": "request.sent"})))
        .await
        .expect(202);
    let id = test.json()["delivery_id"].as_str().unwrap().to_owned();
    let delivery = world.api("GET", &format!("/deliveries/{id}"), None).await.expect(200).json();
    assert_eq!(
        (&delivery["event_type"], &delivery["cause"]["kind"]),
        (&json!("request.sent"), &json!("test"))
    );
    assert_eq!(delivery["attempts"], json!([]));
    let body = json!({"since": "2020-01-01T00:00:00Z", "dry_run": true});
    let replay = world.api("POST", &format!("{path}/replay"), Some(body)).await.expect(202);
    world.api("GET", &format!("/replays/{}", replay.id()), None).await.expect(200);
    let listed = world.api("GET", &format!("{path}/replays"), None).await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pending_delivery_is_listed_and_can_be_told_apart() {
    let world = World::new().await;
    let made = world
        .api("POST", "/endpoints", Some(json!({"url": "https://example.com/a"})))
        .await
        .expect(201);
    let event = json!({"type": "custom.a", "data": {}});
    let event = world.api("POST", "/events", Some(event)).await.expect(202).id();
    let path = format!("/deliveries?endpoint_id={}&event_id={event}&state=pending", made.id());
    let listed = world.api("GET", &path, None).await.expect(200).json();
    assert_eq!(listed["data"][0]["event_type"], "custom.a");
    let none = world.api("GET", "/deliveries?state=delivered", None).await.expect(200).json();
    assert_eq!(none["data"], json!([]));
}
