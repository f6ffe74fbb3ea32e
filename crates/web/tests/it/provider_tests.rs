//! Tests of providers through the API: a real message over a socket, and what was said.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::world::{Answer, World};

const SECRET: &str = "Zq/9+hunter2 of the gateway";

/// Listens for one call, answers it with the body given, and gives what came.
async fn gateway(status: &'static str, body: &'static str) -> (String, JoinSet<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    let mut came = JoinSet::new();
    came.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut came = Vec::new();
        while !came.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut came).await.unwrap(), 0);
        }
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nx-request-id: 7\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(came).unwrap()
    });
    (url, came)
}

/// Takes a gateway for short messages on, which is off.
async fn taken_on(world: &World, url: &str) -> String {
    let settings = json!({
        "url": url, "headers": {"x-gateway-key": "{secret}"},
        "body": {"to": "{to}", "text": "{text}", "key": "{secret}"}, "secret": SECRET,
        "answer_id": "/id",
    });
    let provider =
        json!({"kind": "http_sms", "name": "gateway", "enabled": false, "settings": settings});
    world.api("POST", "/providers", Some(provider)).await.expect(201).id()
}

async fn test(world: &World, id: &str, to: &str) -> Answer {
    world.api("POST", &format!("/providers/{id}/test"), Some(json!({"to": to}))).await
}

fn mailbox(name: &str) -> Value {
    json!({"kind": "mailbox_email", "name": name, "settings": {"from": "sign@example.com"}})
}

#[tokio::test]
async fn a_test_sends_a_message_and_shows_what_was_said_but_no_secret() {
    let world = World::over_sockets().await;
    let (url, mut came) =
        gateway("200 OK", r#"{"id":"m-1","you":"Zq\/9+hunter2 of the gateway"}"#).await;
    let id = taken_on(&world, &url).await;
    let told = test(&world, &id, "+44 7700 900123").await.expect(200);
    let came = came.join_next().await.unwrap().unwrap();
    assert!(came.contains(SECRET) && came.contains("\"to\":\"+447700900123\""), "{came}");
    assert!(!told.text.contains("hunter2"), "{}", told.text);
    let told = told.json();
    assert_eq!((&told["provider_id"], &told["provider"]), (&json!(id), &json!("gateway")));
    assert_eq!((&told["reception"], &told["message_id"]), (&json!("accepted"), &json!("m-1")));
    let said: Vec<(&str, &str)> = told["conversation"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| (said["from"].as_str().unwrap(), said["text"].as_str().unwrap()))
        .collect();
    let [("us", head), ("us", body), ("provider", status), ("provider", answer)] = said.as_slice()
    else {
        panic!("{said:?}")
    };
    assert!(head.starts_with("POST /send HTTP/1.1\nhost: 127.0.0.1:"), "{head}");
    assert!(head.ends_with("\nx-gateway-key: …"), "{head}");
    let text = "[Test] This shows that messages over gateway arrive. There is nothing to do.";
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({"to": "+447700900123", "text": text, "key": "…eway"}));
    assert!(status.starts_with("HTTP/1.1 200 OK\nx-request-id: 7\n"), "{status}");
    assert_eq!(*answer, r#"{"id":"m-1","you":"…eway"}"#);
    let notices = world.api("GET", "/notices", None).await.expect(200).json();
    let events = world.api("GET", "/events", None).await.expect(200).json();
    assert_eq!((&notices["data"], &events["data"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_test_that_the_provider_refuses_was_done_all_the_same() {
    let world = World::over_sockets().await;
    let (url, _came) = gateway("401 Unauthorized", "no such key").await;
    let id = taken_on(&world, &url).await;
    let told = test(&world, &id, "+447700900123").await.expect(200).json();
    assert_eq!(told["reception"], "later");
    assert!(told["detail"].as_str().unwrap().starts_with("status 401"), "{told:#}");
    // The gateway heard one call; now nobody listens.
    let told = test(&world, &id, "+447700900123").await.expect(200).json();
    assert_eq!((&told["reception"], &told["message_id"]), (&json!("later"), &Value::Null));
    assert!(told["detail"].as_str().unwrap().starts_with("connect_failed: "), "{told:#}");
    assert_eq!(told["conversation"].as_array().unwrap().len(), 2, "what was to be said");
}

#[tokio::test]
async fn an_address_that_a_provider_does_not_carry_to_is_refused() {
    let world = World::new().await;
    let mails = world.api("POST", "/providers", Some(mailbox("mails"))).await.expect(201).id();
    let texts = json!({"kind": "mailbox_sms", "name": "texts"});
    let texts = world.api("POST", "/providers", Some(texts)).await.expect(201).id();
    for (id, to) in
        [(&mails, "+447700900123"), (&texts, "ana@example.net"), (&texts, "7700 900123")]
    {
        let refused = test(&world, id, to).await.expect_problem(422, "P0012", "invalid").json();
        assert_eq!(refused["errors"][0]["path"], "to", "{to}");
    }
    let nobody = "prv_01hzzzzzzzzzzzzzzzzzzzzzzz";
    test(&world, nobody, "ana@example.net").await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_suppressed() {
    let world = World::new().await;
    let id = world.api("POST", "/providers", Some(mailbox("mails"))).await.expect(201).id();
    let address = json!({"channel": "email", "address": "ana@example.net"});
    world.api("POST", "/suppressions", Some(address)).await.expect(201);
    let refused = test(&world, &id, "Ana@Example.net").await;
    let refused = refused.expect_problem(409, "P0013", "impossible").json();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.ends_with("DELETE /api/v1/suppressions/email/ana%40example.net"), "{detail}");
    world.api("DELETE", "/suppressions/email/ana%40example.net", None).await.expect(204);
    test(&world, &id, "Ana@Example.net").await.expect(200);
    let letters = world.api("GET", "/mailbox", None).await.expect(200).json();
    let letters = letters["data"].as_array().unwrap();
    assert_eq!((letters.len(), &letters[0]["to"]), (1, &json!("Ana@Example.net")));
}

#[tokio::test]
async fn an_account_sends_five_tests_a_minute_and_a_repetition_none() {
    let world = World::new().await;
    let id = world.api("POST", "/providers", Some(mailbox("mails"))).await.expect(201).id();
    let path = format!("/providers/{id}/test");
    let body = || Some(json!({"to": "ana@example.net"}));
    let again = [("idempotency-key", "once")];
    let first = world.api_with("POST", &path, body(), &again).await.expect(200);
    for _ in 0..4 {
        test(&world, &id, "ana@example.net").await.expect(200);
    }
    world.pass(20_500);
    let refused = test(&world, &id, "ana@example.net").await;
    let refused = refused.expect_problem(429, "P0022", "too_soon");
    assert_eq!(refused.header("retry-after"), "40");
    let repeated = world.api_with("POST", &path, body(), &again).await.expect(200);
    assert_eq!((&repeated.text, repeated.header("idempotency-replayed")), (&first.text, "true"));
    let letters = world.api("GET", "/mailbox", None).await.expect(200).json();
    assert_eq!(letters["data"].as_array().unwrap().len(), 5);
    world.pass(39_500);
    test(&world, &id, "ana@example.net").await.expect(200);
}
