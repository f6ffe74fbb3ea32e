//! Short links, as a browser follows them.

use axum::body::Body;
use domain::id::{RequestId, SignerId};
use http::Request;
use serde_json::json;

use super::requests::lease;
use super::world::{PUBLIC_URL, World};

/// Sends a request with a signer and somebody who gets a copy; gives its id and their short links.
async fn sent(world: &World) -> (String, Vec<String>) {
    let mut body = lease();
    body["signers"][1]["role"] = json!("cc");
    let made = world.api("POST", "/requests", Some(body)).await.expect(201).json();
    let request: RequestId = made["id"].as_str().unwrap().parse().unwrap();
    let place = |signer: &serde_json::Value| {
        let signer: SignerId = signer["id"].as_str().unwrap().parse().unwrap();
        let link = world.engine.short_link(request, signer);
        link.strip_prefix(PUBLIC_URL).unwrap().to_owned()
    };
    let places = made["signers"].as_array().unwrap().iter().map(place).collect();
    (request.to_string(), places)
}

#[tokio::test]
async fn a_short_link_leads_to_the_page_and_is_no_view() {
    let world = World::new().await;
    let (id, places) = sent(&world).await;
    let answer = world.get(&places[0]).await.expect(302);
    assert!(answer.header("location").starts_with("/s/"));
    assert_eq!(answer.header("cache-control"), "no-store");
    world.get(answer.header("location")).await.expect(200);
    world.send(Request::head(&places[0]).body(Body::empty()).unwrap()).await.expect(302);
    let request = world.api("GET", &format!("/requests/{id}"), None).await.expect(200).json();
    assert_eq!(request["signers"][0]["status"], "notified");
    let copy = world.get(&places[1]).await.expect(302);
    let page = world.get(copy.header("location")).await.expect(200).text;
    assert!(page.contains("For your information") && !page.contains("<form"));
    let figures = world.get("/metrics").await.text;
    assert!(figures.contains("countersign_short_links_total{outcome=\"opened\"} 3"), "{figures}");
}

#[tokio::test]
async fn everybody_reads_how_it_ended_after_completion() {
    let world = World::new().await;
    let (id, places) = sent(&world).await;
    let request = world.api("GET", &format!("/requests/{id}"), None).await.json();
    let signer = request["signers"][0]["id"].as_str().unwrap();
    let body = json!({"name": "Ada", "consent": "Yes."});
    let path = format!("/requests/{id}/signers/{signer}/sign");
    world.api("POST", &path, Some(body)).await.expect(200);
    for place in &places {
        let page = world.get(place).await.expect(302);
        let page = world.get(page.header("location")).await.expect(200).text;
        assert!(page.contains("Completed") && page.contains("1 of 1"), "{page}");
    }
}

#[tokio::test]
async fn a_link_of_what_is_over_says_whom_to_ask() {
    let world = World::new().await;
    let (cancelled, places) = sent(&world).await;
    world.api("POST", &format!("/requests/{cancelled}/cancel"), None).await.expect(200);
    let page = world.get(&places[0]).await.expect(410).text;
    assert!(page.contains("Withdrawn") && page.contains("href=\"mailto:"), "{page}");
    let (deleted, places) = sent(&world).await;
    world.api("DELETE", &format!("/requests/{deleted}"), None).await.expect(204);
    assert!(world.get(&places[0]).await.expect(410).text.contains("has been deleted"));
}

#[tokio::test]
async fn a_code_that_nobody_gave_out_leads_nowhere() {
    let world = World::new().await;
    let (_id, places) = sent(&world).await;
    for path in ["/l/00000000000000000000", "/l/x", &places[0].replace("/l/", "/s/")] {
        assert!(world.get(path).await.expect(404).text.contains("This link leads nowhere"));
    }
    let token = world.get(&places[0]).await.expect(302).header("location").to_owned();
    world.get(&token.replace("/s/", "/l/")).await.expect(404);
}
