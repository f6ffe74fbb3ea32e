//! What is wrong with an input is said, and where.

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::world::{Answer, World};

async fn post(world: &World, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {}", world.key))
        .header("content-type", kind);
    world.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn malformed_json_says_where() {
    let world = World::new().await;
    for path in ["/requests", "/events"] {
        let answer = post(&world, path, "application/json", "{\"title\": \"a\",\n  oops}").await;
        let body = answer.expect_problem(400, "P0001", "malformed").json();
        assert_eq!((&body["line"], &body["column"]), (&json!(2), &json!(3)), "{body:#}");
        assert!(body["detail"].as_str().unwrap().contains("line 2 column 3"));
        post(&world, path, "application/json", "").await.expect_problem(400, "P0001", "malformed");
        let deep = "[".repeat(100_000);
        post(&world, path, "application/json", deep).await.expect_problem(
            400,
            "P0001",
            "malformed",
        );
        let garbled = vec![b'{', b'"', 0xff, 0xfe, b'"', b'}'];
        post(&world, path, "application/json", garbled).await.expect_problem(
            400,
            "P0001",
            "malformed",
        );
    }
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let world = World::new().await;
    let body = "{\"title\":\"a\"}";
    let kind = "application/x-www-form-urlencoded";
    post(&world, "/requests", kind, body).await.expect_problem(
        415,
        "P0002",
        "unsupported_media_type",
    );
    post(&world, "/requests", "application/json; charset=utf-8", body).await.expect(201);
}

#[tokio::test]
async fn a_body_over_its_bound_is_refused() {
    let world = World::new().await;
    let body = format!("{{\"title\":\"{}\"}}", "x".repeat(1 << 20));
    let answer = post(&world, "/requests", "application/json", body).await;
    answer.expect_problem(413, "P0003", "too_large");
    let data = format!("{{\"a\":\"{}\"}}", "x".repeat(256 * 1024));
    let body = format!("{{\"type\":\"custom.a\",\"data\":{data}}}");
    let answer = post(&world, "/events", "application/json", body).await;
    answer.expect_problem(413, "P0003", "too_large");
}

#[tokio::test]
async fn unknown_members_and_wrong_types_are_named_together() {
    let world = World::new().await;
    let body =
        json!({"title": 5, "signers": [{"name": "A", "emial": "a@example.com"}], "sned": true});
    let body = world
        .api("POST", "/requests", Some(body))
        .await
        .expect_problem(422, "P0012", "invalid")
        .json();
    let paths: Vec<&str> =
        body["errors"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["title", "signers[0].emial", "sned"]);
}

#[tokio::test]
async fn an_unknown_parameter_is_refused() {
    let world = World::new().await;
    world.api("GET", "/requests?stauts=sent", None).await.expect_problem(422, "P0012", "invalid");
    world.api("GET", "/requests?status=open", None).await.expect_problem(422, "P0012", "invalid");
    world.api("GET", "/requests?limit=0", None).await.expect_problem(422, "P0012", "invalid");
}

#[tokio::test]
async fn a_path_or_method_that_is_not_there_is_a_problem() {
    let world = World::new().await;
    world.get("/api/v1/nothing").await.expect_problem(404, "P0010", "no_such_route");
    let slash = world.get("/api/v1/requests/").await.expect_problem(404, "P0010", "no_such_route");
    assert!(slash.text.contains("without the slash"));
    let answer = world.api("PUT", "/requests", Some(json!({}))).await;
    let answer = answer.expect_problem(405, "P0011", "method_not_allowed");
    assert!(answer.header("allow").contains("POST"), "{:?}", answer.headers);
    world.api("GET", "/requests/req_nonsense", None).await.expect_problem(
        404,
        "P0009",
        "not_found",
    );
    world.api("GET", "/requests/%ff", None).await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn a_nul_in_an_address_is_refused_before_anything_is_looked_for() {
    let world = World::new().await;
    let calls = [
        ("DELETE", "/suppressions/email/a%00b"),
        ("GET", "/templates/a%00b"),
        ("GET", "/requests/a%00"),
    ];
    for (method, path) in calls {
        let answer = world.api(method, path, None).await;
        let answer = answer.expect_problem(404, "P0009", "not_found");
        assert!(answer.text.contains("NUL"), "{}", answer.text);
    }
    let answer = world.api("GET", "/events?type=custom.%00", None).await;
    assert_eq!(answer.expect_problem(422, "P0012", "invalid").json()["errors"][0]["path"], "query");
}

#[tokio::test]
async fn a_problem_page_explains_itself() {
    let world = World::new().await;
    let page = world.get("/problems/P0012").await.expect(200);
    assert!(page.text.starts_with("# P0012: The input is invalid"));
    world.get("/problems/P9999").await.expect_problem(404, "P0009", "not_found");
}
