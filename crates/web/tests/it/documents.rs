//! Documents, through the API and the signing page.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use domain::chain::{Hash, sha256};
use domain::document::{BYTES_MAX, PIECE_BYTES};
use domain::id::DocumentId;
use domain::time::{DAY_MS, HOUR_MS};
use http::Request;
use hyper::body::{Body as HttpBody, Frame};
use serde_json::{Value, json};
use store::{Commit, Guarded, Setting, SettingKind, Write};
use tokio::time;

use super::requests::lease;
use super::world::{Answer, PUBLIC_URL, World};

/// Makes something that begins as a PDF, all of it text.
pub(crate) fn pdf(bytes: usize) -> String {
    let lines = (0..=bytes / 8).map(|number| format!("{number:07}\n"));
    let mut text: String = ["%PDF-1.7\n".to_owned()].into_iter().chain(lines).collect();
    text.truncate(bytes);
    text
}

/// A body that does not come.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

async fn post(world: &World, query: &str, kind: &str, body: Body) -> Answer {
    post_with(world, query, kind, body, &[]).await
}

async fn post_with(
    world: &World,
    query: &str,
    kind: &str,
    body: Body,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::post(format!("/api/v1/documents{query}"))
        .header("authorization", format!("Bearer {}", world.key))
        .header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(body).unwrap()).await
}

/// Uploads a document, and gives its id.
pub(crate) async fn upload(world: &World, name: &str, content: &str) -> String {
    let body = Body::from(content.to_owned());
    post(world, &format!("?name={name}"), "application/pdf", body).await.expect(201).id()
}

fn form(file: &str, content: &str) -> Body {
    Body::from(format!(
        "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nnothing\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file}\"\r\n\
         Content-Type: application/pdf\r\n\r\n{content}\r\n--x--\r\n"
    ))
}

const FORM: &str = "multipart/form-data; boundary=x";

async fn content(world: &World, id: &str) -> Answer {
    world.api("GET", &format!("/documents/{id}/content"), None).await
}

/// Counts everything that is kept of documents.
async fn kept(world: &World) -> usize {
    let kinds = [SettingKind::Document, SettingKind::DocumentUpload, SettingKind::DocumentPiece];
    let mut kept = 0;
    for kind in kinds {
        let views = world.engine.views();
        kept += views.settings(world.account, kind, String::new(), 1_000).await.unwrap().len();
    }
    kept
}

async fn gone(world: &World, path: String) -> Answer {
    world.api("DELETE", &path, None).await
}

/// Lets everything happen that is due.
async fn act(world: &World) {
    while world.engine.step_timers().await.unwrap() > 0 {}
}

#[tokio::test]
async fn a_document_comes_back_byte_for_byte() {
    let world = World::new().await;
    for size in [5, 1_000, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 7] {
        let text = pdf(size);
        let id = upload(&world, "lease.pdf", &text).await;
        let shown = world.api("GET", &format!("/documents/{id}"), None).await.expect(200).json();
        assert_eq!(shown["size_bytes"], size);
        assert_eq!(shown["sha256"], Hash(sha256(text.as_bytes())).to_string());
        let whole = content(&world, &id).await.expect(200);
        assert!(whole.text == text, "{size} bytes came back otherwise");
        assert_eq!(whole.header("content-length"), size.to_string());
        assert_eq!(whole.header("content-type"), "application/pdf");
        assert!(
            whole.header("content-disposition").starts_with("attachment; filename=\"lease.pdf\"")
        );
    }
    let list = world.api("GET", "/documents?limit=4", None).await.expect(200).json();
    let more = format!("/documents?cursor={}", list["next_cursor"].as_str().unwrap());
    let more = world.api("GET", &more, None).await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len() + more["data"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_file_of_a_form_is_the_same_document() {
    let world = World::new().await;
    let text = pdf(PIECE_BYTES + 9);
    let made =
        post(&world, "", FORM, form("C:\\docs\\Lease 1.pdf", &text)).await.expect(201).json();
    assert_eq!(made["name"], "Lease 1.pdf");
    assert_eq!(made["sha256"], Hash(sha256(text.as_bytes())).to_string());
    let named = post(&world, "?name=Other", FORM, form("x.pdf", &text)).await.expect(201).json();
    assert_eq!(named["name"], "Other");
    let quoted = form("\\\"Närrisch\\\" %22ß%22.pdf", &text);
    let quoted = post(&world, "", FORM, quoted).await.expect(201).json();
    assert_eq!(quoted["name"], "\"Närrisch\" \"ß\".pdf");
    assert!(content(&world, made["id"].as_str().unwrap()).await.text == text);
}

#[tokio::test]
async fn what_is_no_document_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let long = pdf(usize::try_from(BYTES_MAX).unwrap() + 1);
    let too_large = post(&world, "", "application/pdf", Body::from(long.clone())).await;
    let too_large = too_large.expect_problem(413, "P0003", "too_large").json();
    assert_eq!(too_large["bytes_max"], BYTES_MAX);
    post(&world, "", FORM, form("a.pdf", &long)).await.expect_problem(413, "P0003", "too_large");
    let announced = [("content-length", "999999999")];
    let refused = post_with(&world, "", "application/pdf", Body::empty(), &announced).await;
    refused.expect_problem(413, "P0003", "too_large");
    for (kind, body) in [
        ("application/pdf", Body::from("<html>")),
        ("application/pdf", Body::empty()),
        ("application/pdf", Body::from("%PD")),
        (FORM, form("a.pdf", "PK\u{3}\u{4}")),
        (FORM, form("a.pdf", "")),
        ("text/html", Body::from(pdf(100))),
        ("", Body::from(pdf(100))),
    ] {
        let refused = post(&world, "", kind, body).await;
        refused.expect_problem(415, "P0002", "unsupported_media_type");
    }
    let half = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{}",
        pdf(2 * PIECE_BYTES)
    );
    let none = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--";
    let two = |text: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{text}\r\n"
        )
        .repeat(2)
    };
    for (kind, body) in [
        (FORM, Body::from(half)),
        (FORM, Body::from(none)),
        (FORM, Body::from(two(&pdf(50)))),
        (FORM, Body::from(pdf(50))),
        (FORM, Body::empty()),
        (FORM, Body::from(format!("--x\r\nX: {}\r\n\r\n", "y".repeat(9_000)))),
        (
            FORM,
            Body::from(
                "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(2_000),
            ),
        ),
        ("multipart/form-data; boundary=other", form("a.pdf", &pdf(50))),
        ("multipart/form-data", Body::from(none)),
    ] {
        post(&world, "", kind, body).await.expect_problem(400, "P0001", "malformed");
    }
    let named = post(&world, "?name=%00", "application/pdf", Body::from(pdf(50))).await;
    named.expect_problem(422, "P0012", "invalid");
    act(&world).await;
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::new().await;
    time::pause();
    let refused = post(&world, "", "application/pdf", Body::new(Never)).await;
    refused.expect_problem(408, "P0017", "too_slow");
}

#[tokio::test]
async fn an_upload_that_nobody_ends_goes_after_an_hour() {
    let world = World::new().await;
    let mut upload = world.engine.begin_upload(world.account);
    upload.add(pdf(3 * PIECE_BYTES).as_bytes()).await.unwrap();
    // The process dies here, as far as the store can tell.
    drop(upload);
    act(&world).await;
    assert_eq!(kept(&world).await, 4);
    let mut late = world.engine.begin_upload(world.account);
    late.add(pdf(PIECE_BYTES).as_bytes()).await.unwrap();
    world.pass(HOUR_MS);
    act(&world).await;
    assert_eq!(kept(&world).await, 0);
    let more = late.add(pdf(PIECE_BYTES).as_bytes()).await;
    assert!(more.is_err(), "a piece of an upload that was given up would stay for ever");
    assert_eq!(kept(&world).await, 0);
    let refused = late.finish("a.pdf".to_owned(), &engine::Once::unkept()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test]
async fn a_document_goes_after_a_day_unless_a_request_has_it() {
    let world = World::new().await;
    let [left, taken] = [pdf(9 * PIECE_BYTES), pdf(100)];
    upload(&world, "left.pdf", &left).await;
    let id = upload(&world, "taken.pdf", &taken).await;
    let mut draft = lease();
    draft["send"] = json!(false);
    draft["documents"] = json!([id]);
    let request = world.api("POST", "/requests", Some(draft)).await.expect(201).id();
    world.pass(DAY_MS - 1);
    act(&world).await;
    assert_eq!(kept(&world).await, 10 + 2);
    world.pass(1);
    act(&world).await;
    assert_eq!(kept(&world).await, 2);
    let shown = world.api("GET", &format!("/documents/{id}"), None).await.expect(200).json();
    assert_eq!((&shown["request_ids"], shown.get("expires_at")), (&json!([request]), None));
    let patch = json!({"documents": []});
    world.api("PATCH", &format!("/requests/{request}"), Some(patch)).await.expect(200);
    let shown = world.api("GET", &format!("/documents/{id}"), None).await.expect(200).json();
    assert!(shown["expires_at"].is_string(), "{shown}");
    world.pass(DAY_MS);
    act(&world).await;
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test]
async fn a_document_that_makes_no_sense_keeps_nothing_else_from_being_done() {
    let world = World::new().await;
    let broken = upload(&world, "broken.pdf", &pdf(10)).await;
    world.pass(1);
    upload(&world, "whole.pdf", &pdf(10)).await;
    let (kind, views) = (SettingKind::Document, world.engine.views());
    let version =
        views.setting(world.account, kind, broken.clone()).await.unwrap().unwrap().version;
    let value = Setting { kind, name: broken, body: "nonsense".to_owned(), secrets: None };
    let mut commit = Commit::new(world.account, world.engine.now());
    commit.writes.push(Write::Setting(Guarded { version, value }));
    world.store.commit(commit).await.unwrap();
    world.pass(DAY_MS);
    act(&world).await;
    assert_eq!(kept(&world).await, 2, "the whole one is gone");
}

#[tokio::test]
async fn a_document_is_erased_with_the_last_request_that_has_it() {
    let world = World::new().await;
    let id = upload(&world, "a.pdf", &pdf(PIECE_BYTES * 2)).await;
    let body = Value::Object(lease().as_object().unwrap().clone());
    let mut requests = Vec::new();
    for _ in 0..2 {
        let mut body = body.clone();
        body["documents"] = json!([id]);
        requests.push(world.api("POST", "/requests", Some(body)).await.expect(201).id());
    }
    gone(&world, format!("/documents/{id}")).await.expect_problem(409, "P0013", "impossible");
    gone(&world, format!("/requests/{}", requests[0])).await.expect(204);
    act(&world).await;
    content(&world, &id).await.expect(200);
    gone(&world, format!("/requests/{}", requests[1])).await.expect(204);
    content(&world, &id).await.expect(404);
    act(&world).await;
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test]
async fn a_request_that_is_over_keeps_the_digest_of_what_was_deleted() {
    let world = World::new().await;
    let id = upload(&world, "a.pdf", &pdf(99)).await;
    let mut body = lease();
    body["documents"] = json!([id]);
    let sent = world.api("POST", "/requests", Some(body)).await.expect(201).json();
    let path = format!("/requests/{}", sent["id"].as_str().unwrap());
    assert_eq!(sent["documents"][0]["sha256"], Hash(sha256(pdf(99).as_bytes())).to_string());
    let events = world.api("GET", "/events?type=request.created,request.sent", None).await.json();
    let events = events["data"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    for event in events {
        let event = format!("/events/{}", event["id"].as_str().unwrap());
        let event = world.api("GET", &event, None).await.expect(200).json();
        assert_eq!(event["data"]["request"]["documents"], sent["documents"]);
    }
    world.api("POST", &format!("{path}/cancel"), None).await.expect(200);
    world.api("DELETE", &format!("/documents/{id}"), None).await.expect(204);
    let shown = world.api("GET", &path, None).await.expect(200).json();
    assert_eq!(shown["documents"], sent["documents"]);
    act(&world).await;
    assert_eq!(kept(&world).await, 0);
    world.api("DELETE", &path, None).await.expect(204);
}

#[tokio::test]
async fn an_upload_repeated_with_its_key_is_the_first_one() {
    let world = World::new().await;
    let key = [("idempotency-key", "once")];
    let again = |text: String| post_with(&world, "", "application/pdf", Body::from(text), &key);
    let first = again(pdf(PIECE_BYTES + 1)).await.expect(201);
    let second = again(pdf(PIECE_BYTES + 1)).await.expect(201);
    assert_eq!(
        (second.text.as_str(), second.header("idempotency-replayed")),
        (first.text.as_str(), "true")
    );
    again(pdf(50)).await.expect_problem(422, "P0015", "idempotency_key_reused");
    act(&world).await;
    assert_eq!(kept(&world).await, 3);
}

#[tokio::test]
async fn a_request_has_only_documents_that_are_there() {
    let world = World::new().await;
    let id = upload(&world, "a.pdf", &pdf(50)).await;
    let nobodys = DocumentId::new(5).to_string();
    for (documents, path) in [
        (json!([id, nobodys]), "documents[1]"),
        (json!([id, id]), "documents[1]"),
        (json!(vec![id.clone(); 21]), "documents"),
        (json!(["req_1"]), "documents[0]"),
    ] {
        let mut body = lease();
        body["documents"] = documents;
        let refused = world.api("POST", "/requests", Some(body)).await;
        let refused = refused.expect_problem(422, "P0012", "invalid").json();
        assert_eq!(refused["errors"][0]["path"], path, "{refused:#}");
    }
}

#[tokio::test]
async fn a_signer_reads_the_documents_and_leaves_no_trace_by_it() {
    let world = World::new().await;
    let names = ["Mietvertrag%20f%C3%BCr%20%C3%96.pdf", "b.pdf"];
    let ids =
        [upload(&world, names[0], &pdf(300_000)).await, upload(&world, names[1], &pdf(40)).await];
    let other = upload(&world, "other.pdf", &pdf(40)).await;
    let mut body = lease();
    body["documents"] = json!(ids);
    let sent = world.api("POST", "/requests", Some(body)).await.expect(201).json();
    let path = format!("/requests/{}", sent["id"].as_str().unwrap());
    let page = sent["signers"][0]["signing_url"].as_str().unwrap();
    let page = page.strip_prefix(PUBLIC_URL).unwrap();
    let file = world.get(&format!("{page}/documents/{}", ids[0])).await.expect(200);
    assert!(file.text == pdf(300_000));
    let whole = "inline; filename=\"Mietvertrag f_r _.pdf\"; filename*=UTF-8''Mietvertrag%20f%C3%BCr%20%C3%96.pdf";
    assert_eq!(file.header("content-disposition"), whole);
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("cache-control"), "private, max-age=300");
    let policy = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
    assert_eq!(file.header("content-security-policy"), policy);
    for wrong in [other.as_str(), "doc_1", "x"] {
        world.get(&format!("{page}/documents/{wrong}")).await.expect(404);
    }
    world.get(&format!("/s/{}/documents/{}", "0".repeat(52), ids[0])).await.expect(404);
    let shown = world.api("GET", &path, None).await.expect(200).json();
    assert_eq!(shown["signers"][0]["status"], "notified", "reading is no view");
    let cover = world.get(page).await.expect(200).text;
    assert!(!cover.contains("b.pdf"), "what is asked for by nobody is shown to nobody");
    for signer in shown["signers"].as_array().unwrap() {
        let signer = format!("{path}/signers/{}", signer["id"].as_str().unwrap());
        let input = json!({"name": "A", "consent": "I agree."});
        world.api("POST", &format!("{signer}/sign"), Some(input)).await.expect(200);
    }
    let done = world.get(page).await.expect(200).text;
    let links: BTreeSet<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| done.contains(&format!("{page}/documents/{id}\"")))
        .collect();
    assert_eq!(links.len(), 2, "{done}");
    assert!(done.contains("Mietvertrag für Ö.pdf") && done.contains("PDF, 300 kB"));
    world.get(&format!("{page}/documents/{}", ids[1])).await.expect(200);
}
