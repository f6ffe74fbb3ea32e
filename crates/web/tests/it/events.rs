//! Events of the account's own, the log, and the catalogue.

use axum::body::Body;
use domain::event::Kind;
use http::Request;
use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn data_is_kept_byte_for_byte() {
    let world = World::new().await;
    let data = r#"{ "b" : 1.50, "a":"\u00e9", "n": 12345678901234567890123 }"#;
    let body = format!(r#"{{"type":"custom.bill.paid","data":{data}}}"#);
    let request = Request::post("/api/v1/events")
        .header("authorization", format!("Bearer {}", world.key))
        .header("content-type", "application/json");
    let posted = world.send(request.body(Body::from(body)).unwrap()).await.expect(202);
    let read = world.api("GET", &format!("/events/{}", posted.id()), None).await.expect(200);
    assert!(read.text.contains(data), "{}", read.text);
}

#[tokio::test]
async fn the_account_s_own_id_makes_a_second_event_the_first() {
    let world = World::new().await;
    let body = json!({"type": "custom.a", "data": {}, "id": "bill-7"});
    let first = world.api("POST", "/events", Some(body.clone())).await.expect(202).json();
    let second = world.api("POST", "/events", Some(body)).await.expect(200).json();
    assert_eq!((&first["known"], &second["known"]), (&json!(false), &json!(true)));
    assert_eq!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_batch_is_noted_in_order_and_its_flaws_have_places() {
    let world = World::new().await;
    let events: Vec<Value> =
        (0..3).map(|n| json!({"type": format!("custom.n{n}"), "data": {"n": n}})).collect();
    let noted = world
        .api("POST", "/events/batch", Some(json!({"events": events})))
        .await
        .expect(202)
        .json();
    let listed = world
        .api("GET", "/events?order=asc&type=custom.n0,custom.n1,custom.n2", None)
        .await
        .expect(200)
        .json();
    let ids = |value: &Value| -> Vec<Value> {
        value["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&noted), ids(&listed));
    let bad =
        json!({"events": [{"type": "custom.a", "data": {}}, {"type": "request.sent", "data": {}}]});
    let bad = world
        .api("POST", "/events/batch", Some(bad))
        .await
        .expect_problem(422, "P0012", "invalid")
        .json();
    assert_eq!(bad["errors"][0]["path"], "events[1].type");
}

#[tokio::test]
async fn what_is_wrong_with_an_event_is_named() {
    let world = World::new().await;
    for (body, path) in [
        (json!({"type": "custom.a"}), "data"),
        (json!({"data": {}}), "type"),
        (json!({"type": "custom.a", "data": {}, "oder_key": "x"}), "oder_key"),
        (json!({"type": "custom.a", "data": [1]}), "data"),
        (json!({"type": "custom.a", "data": null}), "data"),
        (json!({"type": 5, "data": {}}), "type"),
        (json!({"type": "invoice.paid", "data": {}}), "type"),
    ] {
        let shown = body.to_string();
        let answer = world
            .api("POST", "/events", Some(body))
            .await
            .expect_problem(422, "P0012", "invalid")
            .json();
        assert_eq!(answer["errors"][0]["path"], path, "{shown}: {answer:#}");
    }
}

#[tokio::test]
async fn the_catalogue_shows_a_call_for_every_word_of_every_dialect() {
    let world = World::new().await;
    let types = world.api("GET", "/event-types", None).await.expect(200).json();
    let types = types["data"].as_array().unwrap();
    assert_eq!(types.len(), Kind::ALL.len());
    for one in types {
        let name = one["type"].as_str().unwrap();
        world.api("GET", &format!("/event-types/{name}"), None).await.expect(200);
        for dialect in one["dialects"].as_object().unwrap().keys() {
            let path = format!("/event-types/{name}/example?dialect={dialect}");
            world.api("GET", &path, None).await.expect(200);
            let curl = world.api("GET", &format!("{path}&as=curl"), None).await.expect(200);
            assert!(curl.text.starts_with("curl "), "{}", curl.text);
        }
    }
    let unsaid = world.api("GET", "/event-types/request.created/example?dialect=esaw", None).await;
    unsaid.expect_problem(422, "P0012", "invalid");
    world.api("GET", "/event-types/nothing.here/example", None).await.expect_problem(
        404,
        "P0009",
        "not_found",
    );
}
