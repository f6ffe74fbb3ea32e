//! The signing page, as a browser sees it.

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::chain::sha256;
use http::Request;
use serde_json::{Value, json};

use super::requests::lease;
use super::world::{Answer, PUBLIC_URL, World};

async fn sent(world: &World, body: Value) -> (String, Vec<String>) {
    let made = world.api("POST", "/requests", Some(body)).await.expect(201).json();
    let place =
        |signer: &Value| Some(signer["signing_url"].as_str()?.strip_prefix(PUBLIC_URL)?.to_owned());
    let places = made["signers"].as_array().unwrap().iter().filter_map(place).collect();
    (made["id"].as_str().unwrap().to_owned(), places)
}

async fn submit(world: &World, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request =
        Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

async fn status(world: &World, id: &str, signer: usize) -> String {
    let request = world.api("GET", &format!("/requests/{id}"), None).await.expect(200).json();
    request["signers"][signer]["status"].as_str().unwrap().to_owned()
}

const OWN: [(&str, &str); 2] =
    [("sec-fetch-site", "same-origin"), ("user-agent", "Mozilla/5.0 (iPhone)")];

#[tokio::test]
async fn a_link_that_is_only_fetched_leaves_no_trace() {
    let world = World::new().await;
    let (id, places) = sent(&world, lease()).await;
    let page = world.get(&places[0]).await.expect(200);
    assert!(
        page.text.contains("Open the document") && !page.text.contains("Please sign by Friday.")
    );
    assert_eq!(status(&world, &id, 0).await, "notified");
    submit(&world, &format!("{}/view", places[0]), "", &OWN).await.expect(303);
    assert_eq!(status(&world, &id, 0).await, "viewed");
    let page = world.get(&places[0]).await.expect(200);
    assert!(page.text.contains("Please sign by Friday.") && page.text.contains("name=\"consent\""));
}

#[tokio::test]
async fn a_signature_keeps_its_evidence() {
    let world = World::new().await;
    let mut body = lease();
    body["redirect_url"] = json!("https://example.com/thanks?a=1&b=2");
    let (id, places) = sent(&world, body).await;
    let answer = submit(&world, &format!("{}/sign", places[0]), "name=Ada+L.&consent=yes", &OWN)
        .await
        .expect(303);
    assert_eq!(answer.header("location"), places[0]);
    let request = world.api("GET", &format!("/requests/{id}"), None).await.expect(200).json();
    let evidence = &request["signers"][0]["evidence"];
    assert_eq!((&evidence["name"], &evidence["via"]), (&json!("Ada L."), &json!("page")));
    assert_eq!(
        (&evidence["device"], &evidence["user_agent"]),
        (&json!("mobile"), &json!("Mozilla/5.0 (iPhone)"))
    );
    assert!(evidence["consent"].as_str().unwrap().starts_with("I have read “Lease” and agree"));
    let page = world.get(&places[0]).await.expect(200).text;
    assert!(page.contains("You have signed") && page.contains("One more signature is needed"));
    assert!(page.contains("Continue to example.com"));
}

#[tokio::test]
async fn a_form_without_name_or_consent_comes_back_with_what_was_filled_in() {
    let world = World::new().await;
    let (id, places) = sent(&world, lease()).await;
    submit(&world, &format!("{}/view", places[0]), "", &OWN).await.expect(303);
    let page =
        submit(&world, &format!("{}/sign", places[0]), "name=Ada", &OWN).await.expect(422).text;
    assert!(page.contains("Please tick the box") && page.contains("value=\"Ada\""));
    let page = submit(&world, &format!("{}/sign", places[0]), "name=++&consent=yes", &OWN)
        .await
        .expect(422)
        .text;
    assert!(page.contains("Please type your full name"));
    assert_eq!(status(&world, &id, 0).await, "viewed");
}

#[tokio::test]
async fn a_form_from_another_site_is_refused() {
    let world = World::new().await;
    let (id, places) = sent(&world, lease()).await;
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")]] {
        let path = format!("{}/sign", places[0]);
        submit(&world, &path, "name=Eve&consent=yes", &headers).await.expect(403);
    }
    assert_eq!(status(&world, &id, 0).await, "notified");
}

#[tokio::test]
async fn declining_ends_it_for_everybody() {
    let world = World::new().await;
    let (id, places) = sent(&world, lease()).await;
    submit(&world, &format!("{}/view", places[1]), "", &OWN).await.expect(303);
    submit(&world, &format!("{}/decline", places[1]), "reason=Too+dear", &OWN).await.expect(303);
    assert!(world.get(&places[1]).await.expect(200).text.contains("You have declined"));
    let other = world.get(&places[0]).await.expect(200).text;
    assert!(other.contains("Alan Turing has declined to sign") && !other.contains("Too dear"));
    submit(&world, &format!("{}/sign", places[0]), "name=Ada&consent=yes", &OWN).await.expect(303);
    assert_eq!(status(&world, &id, 0).await, "notified");
}

#[tokio::test]
async fn the_page_says_how_things_stand() {
    let world = World::new().await;
    let mut body = lease();
    body["signing_order"] = json!("sequential");
    let (id, places) = sent(&world, body).await;
    assert!(world.get(&places[1]).await.expect(200).text.contains("Not your turn yet"));
    let request = world.api("GET", &format!("/requests/{id}"), None).await.expect(200).json();
    let signer = request["signers"][0]["id"].as_str().unwrap();
    let to = json!({"name": "Barbara", "email": "barbara@example.com"});
    let path = format!("/requests/{id}/signers/{signer}/reassign");
    world.api("POST", &path, Some(to)).await.expect(200);
    assert!(world.get(&places[0]).await.expect(200).text.contains("Handed to somebody else"));
    world.api("POST", &format!("/requests/{id}/cancel"), None).await.expect(200);
    assert!(world.get(&places[1]).await.expect(200).text.contains("Withdrawn"));
    let unknown = world.get("/s/abcdefghijklmnopqrstuvwxyz").await.expect(404);
    assert!(unknown.text.contains("This link leads nowhere"));
    world.get("/s/%00%ff").await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn a_hostile_title_stays_a_text() {
    let world = World::new().await;
    let hostile = "</style><script>alert(1)</script>\"'<img src=x onerror=alert(1)>{{7*7}}&lt;";
    let mut body = lease();
    body["title"] = json!(hostile);
    body["sender"]["name"] = json!("<b>Mallory</b>");
    body["message"] = json!("<iframe src=javascript:alert(1)></iframe>");
    body["signers"][0]["name"] = json!("\"><svg onload=alert(1)>");
    let (_id, places) = sent(&world, body).await;
    submit(&world, &format!("{}/view", places[0]), "", &OWN).await.expect(303);
    let form = "name=%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for page in [
        world.get(&places[0]).await.expect(200),
        world.get(&places[1]).await.expect(200),
        submit(&world, &format!("{}/sign", places[0]), form, &OWN).await.expect(422),
    ] {
        for tag in ["<script", "<img", "<iframe", "<b>", "<svg onload"] {
            assert!(!page.text.contains(tag), "{tag} in {}", page.text);
        }
    }
}

#[tokio::test]
async fn a_page_lets_nothing_in_but_its_own_style() {
    let world = World::new().await;
    let (_id, places) = sent(&world, lease()).await;
    for path in [places[0].as_str(), "/s/unknown", "/"] {
        let page = world.get(path).await;
        let style = page.text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = BASE64_STANDARD.encode(sha256(style.as_bytes()));
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains(&format!("style-src 'sha256-{hash}';")), "{policy}");
        assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(!page.text.contains(" style="), "the policy lets no inline style in");
    }
}
