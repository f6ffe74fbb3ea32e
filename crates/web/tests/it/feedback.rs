//! What providers report, from their call to the events that tell of it.

use std::collections::BTreeMap;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::id::{EventId, NoticeId, ProviderId, RequestId};
use domain::message::{Channel, Fact, Progress};
use domain::notice::{Begun, Notice, Occasion, Party};
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use http::Request;
use serde_json::{Value, json};
use store::{Commit, Guarded, Setting, SettingKind, Write};

use super::requests::lease;
use super::world::{Answer, PUBLIC_URL, World};

const PROVIDER: ProviderId = ProviderId::new(11);
pub(crate) const NOTICE: NoticeId = NoticeId::new(22);

/// Sends a request, and notes one mail to Ada by a provider of that kind; gives the request, and the feedback's path.
pub(crate) async fn mailed(world: &World, kind: ProviderKind) -> (String, String) {
    let made = world.api("POST", "/requests", Some(lease())).await.expect(201).json();
    let request: RequestId = made["id"].as_str().unwrap().parse().unwrap();
    let now = world.engine.now();
    let values = BTreeMap::from([("feedback_password".to_owned(), Secret::new("open"))]);
    let provider = Provider {
        id: PROVIDER,
        account: world.account,
        name: "main".to_owned(),
        kind,
        priority: 1,
        rate_limit: None,
        on_unknown: OnUnknown::Wait,
        enabled: true,
        settings: BTreeMap::from([("feedback_user".to_owned(), json!("sesame"))]),
        created_at: now,
        updated_at: now,
        secrets: Secrets { values, feedback_token: None },
    };
    let setting = Setting {
        kind: SettingKind::Provider,
        name: PROVIDER.to_string(),
        body: serde_json::to_string(&provider).unwrap(),
        secrets: Some(Secret::new(provider.secrets.expose().to_string())),
    };
    let notice = Notice {
        id: NOTICE,
        account: world.account,
        request,
        event: EventId::new(33),
        occasion: Occasion::Turn,
        channel: Channel::Email,
        party: Party::Sender,
        to: "Ada@Example.com".to_owned(),
        template: None,
        begun: Some(Begun { number: 1, provider: PROVIDER, at: now, receipt: None }),
        progress: Progress::default(),
        created_at: now,
    };
    let mut commit = Commit::new(world.account, now);
    commit.writes.push(Write::Setting(Guarded { version: 0, value: setting }));
    commit.writes.push(Write::Notice(Guarded { version: 0, value: notice }));
    world.store.commit(commit).await.unwrap();
    let url = world.engine.feedback_url(world.account, PROVIDER);
    (request.to_string(), url.strip_prefix(PUBLIC_URL).unwrap().to_owned())
}

async fn report(world: &World, path: &str, password: &str, body: &Value) -> Answer {
    let proof = format!("Basic {}", BASE64_STANDARD.encode(format!("sesame:{password}")));
    let request = Request::post(path).header("authorization", proof);
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn delivered() -> Value {
    json!({
        "RecordType": "Delivery", "MessageID": "m-1", "Recipient": "ada@example.com",
        "DeliveredAt": "2027-01-15T08:00:00Z", "Metadata": {"notice_id": NOTICE.to_string()},
    })
}

fn bounced(kind: &str) -> Value {
    json!({
        "RecordType": "Bounce", "Type": kind, "MessageID": "m-1", "Email": "ada@example.com",
        "BouncedAt": "2027-01-15T08:00:01Z", "Details": "no such user", "Metadata": {"notice_id": NOTICE.to_string()},
    })
}

/// Lists the events about mails of a request, oldest first.
pub(crate) async fn told(world: &World, request: &str) -> Vec<Value> {
    let types = "email.delivered,email.bounced,email.complained";
    let path = format!("/events?order=asc&request_id={request}&type={types}");
    world.api("GET", &path, None).await.expect(200).json()["data"].as_array().unwrap().clone()
}

async fn progress(world: &World) -> Progress {
    let found = world.engine.views().notice(world.account, NOTICE).await.unwrap();
    found.unwrap().0.progress
}

pub(crate) async fn suppression(world: &World) -> Option<Value> {
    let name = "email:ada@example.com".to_owned();
    let views = world.engine.views();
    let row = views.setting(world.account, SettingKind::Suppression, name).await.unwrap();
    row.map(|row| serde_json::from_str(&row.setting.body).unwrap())
}

#[tokio::test]
async fn a_report_without_its_proof_changes_nothing() {
    let world = World::new().await;
    let (request, path) = mailed(&world, ProviderKind::Postmark).await;
    report(&world, &path, "guess", &delivered()).await.expect_problem(401, "P0023", "unproven");
    assert!(told(&world, &request).await.is_empty());
    let mut other = path.clone();
    other.pop();
    other.push(if path.ends_with('0') { '1' } else { '0' });
    for path in [other.as_str(), "/feedback/x", "/feedback/%C3%A4"] {
        report(&world, path, "open", &delivered()).await.expect(404);
    }
    assert_eq!(progress(&world).await, Progress::default());
}

#[tokio::test]
async fn a_delivery_is_told_once_however_often_it_is_reported() {
    let world = World::new().await;
    let (request, path) = mailed(&world, ProviderKind::Postmark).await;
    for path in [path.clone(), path.clone(), format!("{path}/hooks?x=1")] {
        assert_eq!(report(&world, &path, "open", &delivered()).await.expect(200).text, "");
    }
    let told = told(&world, &request).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["type"], "email.delivered");
    assert_eq!(told[0]["data"], json!({"to": "Ada@Example.com", "subject": "Lease"}));
    assert_eq!(progress(&world).await.stage, Some(Fact::Delivered));
    assert_eq!(suppression(&world).await, None);
}

#[tokio::test]
async fn a_bounce_before_its_delivery_counts_and_the_address_gets_nothing_more() {
    let world = World::new().await;
    let (request, path) = mailed(&world, ProviderKind::Postmark).await;
    report(&world, &path, "open", &bounced("HardBounce")).await.expect(200);
    report(&world, &path, "open", &delivered()).await.expect(200);
    let told = told(&world, &request).await;
    assert_eq!(told[0]["type"], "email.bounced");
    assert_eq!(told[0]["data"]["reason"], "no such user");
    assert_eq!(progress(&world).await.stage, Some(Fact::Bounced));
    let kept = suppression(&world).await.unwrap();
    assert_eq!((&kept["reason"], &kept["address"]), (&json!("bounce"), &json!("ada@example.com")));
    assert_eq!((&kept["event_id"], &kept["notice_id"]), (&told[0]["id"], &json!(NOTICE)));
}

#[tokio::test]
async fn an_address_that_is_allowed_again_stays_so_when_an_old_report_is_repeated() {
    let world = World::new().await;
    let (_request, path) = mailed(&world, ProviderKind::Postmark).await;
    report(&world, &path, "open", &bounced("HardBounce")).await.expect(200);
    let mut commit = Commit::new(world.account, world.engine.now());
    let name = "email:ada@example.com".to_owned();
    commit.writes.push(Write::SettingGone(SettingKind::Suppression, name, 1));
    world.store.commit(commit).await.unwrap();
    report(&world, &path, "open", &bounced("HardBounce")).await.expect(200);
    assert_eq!(suppression(&world).await, None);
}

#[tokio::test]
async fn a_report_about_nothing_of_ours_is_taken_and_passed_over() {
    let world = World::new().await;
    let (request, path) = mailed(&world, ProviderKind::Postmark).await;
    let mut other = delivered();
    other["Metadata"] = json!({"notice_id": NoticeId::new(99).to_string()});
    report(&world, &path, "open", &other).await.expect(200);
    report(&world, &path, "open", &json!({"RecordType": "News"})).await.expect(200);
    assert!(told(&world, &request).await.is_empty());
    report(&world, &path, "open", &json!("x".repeat(1024 * 1024))).await.expect(413);
}

#[tokio::test]
async fn a_mail_that_came_back_is_read_for_a_mail_server_alone() {
    let world = World::new().await;
    let (request, path) = mailed(&world, ProviderKind::Smtp).await;
    let mail = "From: mailer@example.com\r\nTo: bounce@sign.example.com\r\nMessage-ID: <r1@example.com>\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; ada@example.com\r\nAction: failed\r\n\
        Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n\r\n--b--\r\n";
    let place = format!("{path}/mail?to=bounce%2B{NOTICE}%40sign.example.com");
    for _ in 0..2 {
        let request = Request::post(&place).body(Body::from(mail)).unwrap();
        world.send(request).await.expect(200);
    }
    let told = told(&world, &request).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["data"]["reason"], "550 no such user");
    assert_eq!(suppression(&world).await.unwrap()["reason"], "bounce");
    report(&world, &path, "open", &delivered()).await.expect(404);
    let world = World::new().await;
    let (_request, path) = mailed(&world, ProviderKind::Postmark).await;
    report(&world, &format!("{path}/mail"), "open", &delivered()).await.expect(404);
}
