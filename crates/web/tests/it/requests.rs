//! Requests, signers, contacts and the timeline, through the API.

use domain::call::{Answer, Outcome};
use domain::chain::{Entry, Hash, Link, What};
use domain::delivery::Attempt;
use domain::id::{self, RequestId};
use domain::time::Timestamp;
use engine::Shutdown;
use serde_json::{Value, json};
use tokio::task::{JoinSet, yield_now};

use super::world::{OPEN_REQUESTS_MAX, PUBLIC_URL, World};

pub(crate) fn lease() -> Value {
    json!({
        "title": "Lease",
        "sender": {"name": "Grace Hopper", "email": "grace@example.com"},
        "message": "Please sign by Friday.",
        "signers": [
            {"name": "Ada Lovelace", "email": "ada@example.com", "label": "Tenant"},
            {"name": "Alan Turing", "email": "alan@example.com"},
        ],
        "send": true,
    })
}

#[tokio::test]
async fn a_request_goes_from_draft_to_completed() {
    let world = World::new().await;
    let mut draft = lease();
    draft["send"] = json!(false);
    let made = world.api("POST", "/requests", Some(draft)).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["status"], "draft");
    assert!(made["signers"][0].get("signing_url").is_none(), "a draft has no links");
    let path = format!("/requests/{id}");
    let patch = json!({"title": "New lease", "message": null});
    let patched = world.api("PATCH", &path, Some(patch));
    assert_eq!(patched.await.expect(200).json()["title"], "New lease");
    let sent = world.api("POST", &format!("/requests/{id}/send"), None).await.expect(200).json();
    assert!(
        sent["signers"][1]["signing_url"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{PUBLIC_URL}/s/"))
    );
    let again = world.api("POST", &format!("/requests/{id}/send"), None).await;
    let again = again.expect_problem(409, "P0013", "impossible").json();
    assert!(again["possible"].as_array().unwrap().contains(&json!("cancel")), "{again:#}");
    for signer in sent["signers"].as_array().unwrap() {
        let path = format!("/requests/{id}/signers/{}", signer["id"].as_str().unwrap());
        world.api("POST", &format!("{path}/view"), None).await.expect(200);
        let sign = json!({"name": "A", "consent": "I agree.", "ip": "203.0.113.9"});
        world.api("POST", &format!("{path}/sign"), Some(sign)).await.expect(200);
    }
    let done = world.api("GET", &format!("/requests/{id}"), None).await.expect(200).json();
    assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
    assert!(done["signers"][0].get("signing_url").is_none(), "a used link is not shown");
    let listed = world.api("GET", "/requests?status=completed", None).await.expect(200).json();
    assert_eq!(listed["data"], json!([done]));
    world.api("DELETE", &format!("/requests/{id}"), None).await.expect(204);
    world.api("GET", &format!("/requests/{id}"), None).await.expect_problem(
        404,
        "P0009",
        "not_found",
    );
    world.api("GET", &format!("/requests/{id}/timeline"), None).await.expect(200);
}

#[tokio::test]
async fn the_other_ways_a_request_can_go() {
    let world = World::new().await;
    let made = world.api("POST", "/requests", Some(lease())).await.expect(201).json();
    let path = format!("/requests/{}", made["id"].as_str().unwrap());
    world.api("POST", &format!("{path}/remind"), None).await.expect(200);
    let signer = format!("{path}/signers/{}", made["signers"][0]["id"].as_str().unwrap());
    let to = json!({"name": "Barbara Liskov", "email": "barbara@example.com"});
    let moved = world.api("POST", &format!("{signer}/reassign"), Some(to)).await.expect(200).json();
    assert_eq!(moved["signers"][0]["status"], "reassigned");
    let other = format!("{path}/signers/{}", moved["signers"][1]["id"].as_str().unwrap());
    let path_to_decline = format!("{other}/decline");
    let declined = world.api("POST", &path_to_decline, Some(json!({"reason": "Too dear"})));
    assert_eq!(declined.await.expect(200).json()["status"], "declined");
    world.api("POST", &format!("{path}/archive"), None).await.expect(200);
    world.api("POST", &format!("{path}/unarchive"), Some(json!({}))).await.expect(200);
    let late = world.api("POST", &format!("{path}/cancel"), Some(json!({"reason": "x"}))).await;
    late.expect_problem(409, "P0013", "impossible");
}

#[tokio::test]
async fn a_repeated_call_gets_the_first_answer() {
    let world = World::new().await;
    let key = [("idempotency-key", "lease-1")];
    let first = world.api_with("POST", "/requests", Some(lease()), &key).await.expect(201);
    let second = world.api_with("POST", "/requests", Some(lease()), &key).await.expect(201);
    assert_eq!(first.text, second.text);
    assert_eq!(
        (first.header("idempotency-replayed"), second.header("idempotency-replayed")),
        ("", "true")
    );
    let another = world.api_with("POST", "/requests", Some(json!({"title": "x"})), &key).await;
    another.expect_problem(422, "P0015", "idempotency_key_reused");
    let listed = world.api("GET", "/requests", None).await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    // A repetition succeeds even when the call itself no longer would.
    let path = format!("/requests/{}/cancel", first.id());
    let key = [("idempotency-key", "cancel-1")];
    let first = world.api_with("POST", &path, None, &key).await.expect(200);
    assert_eq!(world.api_with("POST", &path, None, &key).await.expect(200).text, first.text);
    let bad = [("idempotency-key", "with space")];
    world.api_with("POST", &path, None, &bad).await.expect_problem(422, "P0012", "invalid");
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let world = World::new().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let body = json!({"title": format!("Number {number}")});
        made.push(world.api("POST", "/requests", Some(body)).await.expect(201).id());
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut path = "/requests?limit=2".to_owned();
    loop {
        let page = world.api("GET", &path, None).await.expect(200).json();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/requests?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn an_exported_timeline_can_be_checked_without_the_service() {
    let world = World::new().await;
    let made = world.api("POST", "/requests", Some(lease())).await.expect(201).id();
    world.api("POST", &format!("/requests/{made}/cancel"), None).await.expect(200);
    let export =
        world.api("GET", &format!("/requests/{made}/timeline"), None).await.expect(200).json();
    let entries = export["data"].as_array().unwrap();
    assert_eq!(entries.len(), 5, "created, sent, two notified, cancelled");
    let request: RequestId = made.parse().unwrap();
    let mut before: Option<Link> = None;
    for entry in entries {
        let text = |name: &str| entry[name].as_str().unwrap();
        assert_eq!(entry["what"], "event");
        let (_, bits) = text("id").split_once('_').unwrap();
        let entry = Entry {
            what: What::Event,
            id: id::decode(bits).unwrap(),
            at: text("at").parse::<Timestamp>().unwrap(),
            digest: Hash::parse(text("digest")).unwrap(),
        };
        let link = entry.link(request, before);
        assert_eq!(Some(link.hash), Hash::parse(text("hash")));
        before = Some(link);
    }
    let data = entries[0]["event"]["data"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["request"]["title"], "Lease");
}

#[tokio::test]
async fn an_attempt_in_a_timeline_carries_what_its_digest_covers() {
    let world = World::new().await;
    let body = json!({"url": "https://example.com/hooks"});
    world.api("POST", "/endpoints", Some(body)).await.expect(201);
    let made =
        world.api("POST", "/requests", Some(json!({"title": "Lease"}))).await.expect(201).id();
    let shutdown = Shutdown::default();
    let mut running = JoinSet::new();
    let (engine, stop) = (world.engine.clone(), shutdown.clone());
    running.spawn(async move { engine.run(stop).await });
    let path = format!("/requests/{made}/timeline");
    let entry = loop {
        let export = world.api("GET", &path, None).await.expect(200).json();
        if let Some(entry) = export["data"].as_array().unwrap().get(1) {
            break entry.clone();
        }
        yield_now().await;
    };
    shutdown.begin();
    while running.join_next().await.is_some() {}
    let (attempt, id) = (&entry["attempt"], entry["id"].as_str().unwrap());
    let text = |name: &str| attempt[name].as_str().unwrap();
    let again = Attempt {
        id: id.parse().unwrap(),
        delivery: text("delivery_id").parse().unwrap(),
        number: serde_json::from_value(attempt["number"].clone()).unwrap(),
        at: entry["at"].as_str().unwrap().parse().unwrap(),
        took_ms: 0,
        url: text("url").to_owned(),
        body_digest: Hash::parse(text("body_digest")).unwrap().0,
        remote: attempt["remote"].as_str().map(str::to_owned),
        outcome: Outcome::Answered(Answer {
            status: text("ending").parse().unwrap(),
            ..Answer::default()
        }),
    };
    assert_eq!(
        Some(Entry::of_attempt(&again).digest),
        Hash::parse(entry["digest"].as_str().unwrap())
    );
    let delivery =
        world.api("GET", &format!("/deliveries/{}", text("delivery_id")), None).await.expect(200);
    assert_eq!(delivery.json()["attempts"][0]["outcome"]["status"], 200);
}

#[tokio::test]
async fn a_contact_is_made_changed_and_deleted() {
    let world = World::new().await;
    let body = json!({"name": "Ada", "email": "ada@example.com", "metadata": {"vip": true}});
    let id = world.api("POST", "/contacts", Some(body)).await.expect(201).id();
    let path = format!("/contacts/{id}");
    let changed = world
        .api("PATCH", &path, Some(json!({"company": "Engines", "mobile": null})))
        .await
        .expect(200);
    assert_eq!(changed.json()["company"], "Engines");
    assert_eq!(world.api("GET", "/contacts", None).await.expect(200).json()["data"][0]["id"], id);
    world.api("DELETE", &path, None).await.expect(204);
    world.api("GET", &path, None).await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn an_account_with_as_many_open_requests_as_it_may_sends_no_more() {
    let world = World::new().await;
    let body = json!({"title": "NDA", "signers": [{"name": "Ada", "email": "ada@example.com"}]});
    let mut sent = body.clone();
    sent["send"] = json!(true);
    let draft = world.api("POST", "/requests", Some(body)).await.expect(201).id();
    let mut last = String::new();
    for _ in 0..OPEN_REQUESTS_MAX {
        last = world.api("POST", "/requests", Some(sent.clone())).await.expect(201).id();
    }
    let full = world.api("POST", "/requests", Some(sent)).await;
    full.expect_problem(403, "P0024", "limit_reached");
    let path = format!("/requests/{draft}/send");
    let full = world.api("POST", &path, None).await.expect_problem(403, "P0024", "limit_reached");
    let said = format!("limit reached: {OPEN_REQUESTS_MAX} requests");
    assert!(full.json()["detail"].as_str().unwrap().starts_with(&said));
    let again = world.api("POST", &format!("/requests/{last}/send"), None).await;
    again.expect_problem(409, "P0013", "impossible");
    world.api("POST", &format!("/requests/{last}/cancel"), None).await.expect(200);
    world.api("POST", &path, None).await.expect(200);
}
