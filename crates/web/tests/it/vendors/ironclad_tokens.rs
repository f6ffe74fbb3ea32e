//! Ironclad's interface: tokens for who has a key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::call;
use crate::world::{Answer, World};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn token(world: &World, headers: &[(&str, &str)], body: &str) -> Answer {
    call(world, ("POST", "/oauth/token"), headers, body.as_bytes()).await
}

/// Makes a key; gives its id and its text.
async fn key(world: &World, scopes: Value) -> (String, String) {
    let new = json!({"name": "client", "scopes": scopes});
    let made = world.api("POST", "/keys", Some(new)).await.expect(201).json();
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// Calls with a token, in somebody's name or in nobody's.
async fn list(world: &World, token: &str, user: Option<&str>) -> Answer {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(user.map(|user| ("x-as-user-email", user)));
    call(world, ("GET", "/public/api/v1/workflows"), &headers, b"").await
}

#[tokio::test]
async fn a_client_gets_a_token_by_form_by_json_and_by_basic() {
    let world = World::new().await;
    let (id, secret) = key(&world, json!(["requests"])).await;
    let grant = "grant_type=client_credentials";
    let form = format!("{grant}&client_id={id}&client_secret={secret}");
    let made = token(&world, &[FORM], &form).await.expect(200);
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    assert_eq!((&made["token_type"], &made["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(made.as_object().unwrap().len(), 3);
    let text = made["access_token"].as_str().unwrap();
    list(&world, text, Some("ada@example.com")).await.expect(200);
    let body =
        json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
    token(&world, &[("content-type", "application/json")], &body.to_string()).await.expect(200);
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
    token(&world, &[FORM, ("authorization", &basic)], grant).await.expect(200);
}

#[tokio::test]
async fn a_token_is_for_somebody_and_ends_with_its_time_or_its_key() {
    let world = World::new().await;
    let (id, secret) = key(&world, json!(["requests", "keys"])).await;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let issue = || async {
        token(&world, &[FORM], &form).await.expect(200).json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = issue().await;
    let nobody = list(&world, &first, None).await.expect(400).json();
    assert_eq!(
        (&nobody["code"], &nobody["param"]),
        (&json!("MISSING_PARAM"), &json!("x-as-user-email"))
    );
    list(&world, &secret, None).await.expect(200);
    let authorization = format!("Bearer {first}");
    let keys =
        call(&world, ("GET", "/api/v1/keys"), &[("authorization", &authorization)], b"").await;
    keys.expect(403);
    for at in 4..first.len() {
        let mut forged = first.clone().into_bytes();
        forged[at] = if forged[at] == b'1' { b'2' } else { b'1' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(list(&world, &forged, Some("a@b.example")).await.status, 401, "{forged}");
    }
    world.pass(3_600_000);
    let late = list(&world, &first, Some("a@b.example")).await.expect(401).json();
    assert_eq!(late, json!({"code": "UNAUTHORIZED", "message": "token has expired"}));
    let second = issue().await;
    list(&world, &second, Some("a@b.example")).await.expect(200);
    world.api("DELETE", &format!("/keys/{id}"), None).await;
    let revoked = json!({"code": "UNAUTHORIZED", "message": "token has been revoked"});
    for text in [&second, &secret] {
        let said = list(&world, text, Some("a@b.example")).await.expect(401).json();
        assert_eq!(said, revoked);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_as_oauth_wants_it() {
    let world = World::new().await;
    let (id, secret) = key(&world, json!(["requests"])).await;
    let client = format!("client_id={id}&client_secret={secret}");
    let cases = [
        (String::new(), 400, "invalid_request"),
        (client.clone(), 400, "invalid_request"),
        (format!("grant_type=password&{client}"), 400, "unsupported_grant_type"),
        ("grant_type=client_credentials".to_owned(), 401, "invalid_client"),
        (
            format!("grant_type=client_credentials&client_id={id}&client_secret=no"),
            401,
            "invalid_client",
        ),
        (
            format!("grant_type=client_credentials&client_id=key_0&client_secret={secret}"),
            401,
            "invalid_client",
        ),
        ("a".repeat(9_000), 413, "invalid_request"),
    ];
    for (body, status, error) in cases {
        let answer = token(&world, &[FORM], &body).await.expect(status);
        assert_eq!(answer.json()["error"], error, "{body}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("www-authenticate").starts_with("Basic "), status == 401);
    }
    let json = token(&world, &[("content-type", "application/json")], "[]").await.expect(400);
    assert_eq!(json.json()["error"], "invalid_request");
}
