//! The account's own e-mail and SMS services, through the API.

use domain::secret::Secret;
use serde_json::{Value, json};

use super::world::{PUBLIC_URL, World};

const PASSWORD: &str = "hunter2-and-three";

fn smtp(name: &str) -> Value {
    json!({
        "kind": "smtp", "name": name, "priority": 7,
        "settings": {
            "from": "sign@example.com", "host": "smtp.example.com",
            "username": "ada", "password": PASSWORD,
        },
    })
}

#[tokio::test]
async fn a_secret_comes_in_and_never_out() {
    let world = World::new().await;
    let made = world.api("POST", "/providers", Some(smtp("relay"))).await.expect(201);
    let path = format!("/providers/{}", made.id());
    let read = world.api("GET", &path, None).await.expect(200);
    let listed = world.api("GET", "/providers", None).await.expect(200);
    let patch = json!({"settings": {"host": "mx.example.com"}, "rate_limit": 5});
    let changed = world.api("PATCH", &path, Some(patch)).await.expect(200);
    for answer in [&made, &read, &listed, &changed] {
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    let changed = changed.json();
    assert_eq!(changed["settings"]["password"], "…hree");
    assert_eq!(changed["settings"]["host"], "mx.example.com");
    assert_eq!((&changed["rate_limit"], &changed["priority"]), (&json!(5), &json!(7)));
    let kept = world.engine.providers(world.account).await.unwrap();
    assert_eq!(kept[0].secrets.values["password"], Secret::new(PASSWORD));
    let url = changed["feedback_url"].as_str().unwrap();
    let token = url.strip_prefix(&format!("{PUBLIC_URL}/feedback/")).unwrap();
    assert_eq!(token, world.engine.feedback_token(world.account, kept[0].id));
    assert_eq!(token.len(), 78);
    world.api("DELETE", &path, None).await.expect(204);
    world.api("GET", &path, None).await.expect_problem(404, "P0009", "not_found");
    world.api("DELETE", &path, None).await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn what_a_kind_does_not_know_is_refused_with_what_it_does() {
    let world = World::new().await;
    let body = json!({"kind": "smtp", "name": "relay", "settings": {"hots": "x", "port": "25"}});
    let refused = world.api("POST", "/providers", Some(body)).await;
    let refused = refused.expect_problem(422, "P0012", "invalid").json();
    let flaws = refused["errors"].as_array().unwrap();
    let paths: Vec<&str> = flaws.iter().map(|flaw| flaw["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["settings.hots", "settings.port", "settings.from", "settings.host"]);
    assert!(flaws[0]["message"].as_str().unwrap().contains("expected from, from_name, reply_to"));
    let body = json!({"kind": "pigeon", "name": "relay"});
    let refused = world.api("POST", "/providers", Some(body)).await;
    assert_eq!(refused.expect(422).json()["errors"][0]["path"], "kind");
}

#[tokio::test]
async fn an_account_has_each_name_once_and_twenty_at_most() {
    let world = World::new().await;
    let first = world.api("POST", "/providers", Some(smtp("relay"))).await.expect(201);
    world.api("POST", "/providers", Some(smtp("relay"))).await.expect_problem(
        409,
        "P0013",
        "impossible",
    );
    for number in 1..20 {
        world.api("POST", "/providers", Some(smtp(&format!("relay-{number}")))).await.expect(201);
    }
    world.api("POST", "/providers", Some(smtp("one-more"))).await.expect_problem(
        409,
        "P0013",
        "impossible",
    );
    let path = format!("/providers/{}", first.id());
    let patch = |name: &str| Some(json!({"name": name}));
    world.api("PATCH", &path, patch("relay-1")).await.expect(409);
    world.api("PATCH", &path, patch("relay")).await.expect(200);
}

#[tokio::test]
async fn a_repetition_with_the_same_key_makes_one_provider() {
    let world = World::new().await;
    let again = [("idempotency-key", "once")];
    let first = world.api_with("POST", "/providers", Some(smtp("relay")), &again).await.expect(201);
    let second =
        world.api_with("POST", "/providers", Some(smtp("relay")), &again).await.expect(201);
    assert_eq!((first.text, second.header("idempotency-replayed")), (second.text.clone(), "true"));
    let listed = world.api("GET", "/providers", None).await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_kind_says_what_it_needs() {
    let world = World::new().await;
    let kinds = world.api("GET", "/provider-kinds", None).await.expect(200).json();
    let kinds = kinds["data"].as_array().unwrap();
    let find = |name: &str| kinds.iter().find(|kind| kind["kind"] == name).unwrap();
    assert_eq!(find("mailbox_sms")["development_only"], true);
    for kind in kinds.iter().filter(|kind| kind["development_only"] == false) {
        let fields = kind["fields"].as_array().unwrap();
        assert!(fields.iter().any(|field| field["required"] == true), "{kind}");
    }
}
