//! Ironclad Clickwrap's interface.

use domain::key::Scope;
use serde_json::{Value, json};

use super::{HOSTILE, call};
use crate::documents::{pdf, upload};
use crate::world::{Answer, World};

async fn ask(world: &World, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let authorization = format!("Bearer {}", world.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = body.map(Value::to_string).unwrap_or_default();
    call(world, (method, &format!("/v1.1{path}")), &headers, body.as_bytes()).await
}

fn body(name: &str, signers: usize) -> Value {
    let signer = |n: usize| {
        json!({
            "signer_id": format!("s{n}"),
            "signer": {
                "email": format!("s{n}@example.com"), "mobile_number": "317-555-1234",
                "additional_attributes": {"first_name": "Ada", "last_name": format!("The {n}")},
            },
            "send_to": {"email": true, "mobile_number": true},
        })
    };
    let signers: Vec<Value> = (1..=signers).map(signer).collect();
    json!({"name": name, "contracts": [1, 2], "signers": signers, "render_data": {"a": "1"}})
}

async fn created(world: &World, name: &str) -> Value {
    ask(world, "POST", "/sites/7/requests", Some(&body(name, 2))).await.expect(201).json()
}

async fn sent(world: &World, name: &str) -> Value {
    let id = created(world, name).await["id"].as_str().unwrap().to_owned();
    ask(world, "POST", &format!("/requests/{id}/send"), None).await.expect(200).json()
}

/// Insists on an error in the vendor's shape, and gives it.
#[track_caller]
fn error(answer: Answer, status: u16) -> Value {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    let error = &answer.json()["error"];
    assert_eq!(error["status"], status, "{error:#}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error:#}");
    error.clone()
}

#[tokio::test]
async fn a_request_is_created_sent_and_read_with_the_clients_own_ids() {
    let world = World::new().await;
    let created = created(&world, "NDA").await;
    assert_eq!((&created["status"], &created["site"]), (&json!("draft"), &json!(7)));
    assert_eq!(created["signers"][0].get("request_url"), None);
    let id = created["id"].as_str().unwrap();
    ask(&world, "POST", &format!("/requests/{id}/send"), None).await.expect(200);
    let read = ask(&world, "GET", &format!("/requests/{id}"), None).await.expect(200).json();
    assert_eq!(read["status"], "sent");
    assert_eq!((&read["contracts"], &read["render_data"]), (&json!([1, 2]), &json!({"a": "1"})));
    let signer = &read["signers"][1];
    assert_eq!((&signer["signer_id"], &signer["status"]), (&json!("s2"), &json!("sent")));
    assert_eq!(signer["signer"]["mobile_number"], "+13175551234");
    assert!(signer["request_url"].as_str().unwrap().starts_with("https://sign.example.com/s/"));
    let wrapped = ask(&world, "GET", &format!("/requests/{id}?envelope=data"), None).await;
    assert_eq!(wrapped.expect(200).json(), json!({ "data": read }));
}

#[tokio::test]
async fn a_list_is_paged_from_one_and_filtered_by_the_vendors_words() {
    let world = World::new().await;
    for n in 0..3 {
        created(&world, &format!("Draft {n}")).await;
    }
    let opened = sent(&world, "Opened").await;
    sent(&world, "Sent").await;
    let ours =
        world.api("GET", &format!("/requests/{}", opened["id"].as_str().unwrap()), None).await;
    let signer = ours.json()["signers"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/requests/{}/signers/{signer}/view", opened["id"].as_str().unwrap());
    world.api("POST", &path, None).await.expect(200);
    let list = async |query: &str| {
        let list = ask(&world, "GET", &format!("/sites/7/requests?{query}"), None).await;
        let list = list.expect(200).json();
        let names = list["data"].as_array().unwrap().iter().map(|row| row["name"].clone());
        let names: Vec<Value> = names.collect();
        (names, list["count"].clone(), list["has_more"].clone(), list["total_count"].clone())
    };
    let page = |names: &[&str], more: bool, total: u32| {
        let names: Vec<Value> = names.iter().map(|name| json!(name)).collect();
        (names.clone(), json!(names.len()), json!(more), json!(total))
    };
    assert_eq!(list("per_page=2").await, page(&["Sent", "Opened"], true, 5));
    assert_eq!(list("per_page=2&page=3").await, page(&["Draft 0"], false, 5));
    assert_eq!(list("per_page=2&page=4").await, page(&[], false, 5));
    assert_eq!(list("filter=status%3D%3Dopen").await, page(&["Opened"], false, 1));
    assert_eq!(list("filter=status==sent&expand=signers").await, page(&["Sent"], false, 1));
    let uncounted = list("filter=status==draft&per_page=1&no_count=true").await;
    assert_eq!(uncounted, (vec![json!("Draft 2")], json!(1), json!(true), Value::Null));
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_the_vendors_shape() {
    let world = World::new().await;
    let id = created(&world, "NDA").await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1.1/requests/{id}");
    error(call(&world, ("GET", &path), &[], b"").await, 401);
    let wrong = [("authorization", "Bearer cs_nobody_knows_this_key_0123456789")];
    error(call(&world, ("GET", &path), &wrong, b"").await, 401);
    let other = format!("Bearer {}", world.key_with(&[Scope::Events], None).await);
    error(call(&world, ("GET", &path), &[("authorization", &other)], b"").await, 403);
    error(ask(&world, "GET", "/requests/123456abcdef", None).await, 404);
    error(ask(&world, "POST", "/sites/mine/requests", Some(&body("a", 1))).await, 404);
    error(ask(&world, "GET", "/signers", None).await, 404);
    error(ask(&world, "GET", &format!("/activity/{id}/record"), None).await, 404);
    error(ask(&world, "GET", "/activity/record/session:7?signer_id=s1", None).await, 404);
    error(ask(&world, "DELETE", &format!("/requests/{id}"), None).await, 400);
    error(ask(&world, "GET", "/sites/7/requests?filter=name==a&page=0", None).await, 400);
    ask(&world, "POST", &format!("/requests/{id}/send"), None).await.expect(200);
    let twice = error(ask(&world, "POST", &format!("/requests/{id}/send"), None).await, 400);
    assert_eq!(twice["message"], "a request that is sent cannot send");
    let mut flawed = body("", 1);
    flawed["contracts"] = json!([]);
    flawed["signers"][0]["signer"]["email"] = json!("nobody");
    flawed["signers"][0]["signer"]["mobile_number"] = json!("12");
    let flaws = error(ask(&world, "POST", "/sites/7/requests", Some(&flawed)).await, 400);
    let fields: Vec<&str> =
        flaws["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["name", "signers[0].signer.email", "signers[0].signer.mobile_number"]);
}

#[tokio::test]
async fn hostile_bodies_are_refused_in_the_vendors_shape() {
    let world = World::new().await;
    let authorization = format!("Bearer {}", world.key);
    let headers = [("authorization", authorization.as_str())];
    for body in HOSTILE {
        error(call(&world, ("POST", "/v1.1/sites/7/requests"), &headers, body).await, 400);
    }
    let long = vec![b' '; (1 << 20) + 1];
    error(call(&world, ("POST", "/v1.1/sites/7/requests"), &headers, &long).await, 413);
}

#[tokio::test]
async fn the_record_of_a_complete_request_is_its_document() {
    let world = World::new().await;
    let file = upload(&world, "contract.pdf", &pdf(900)).await;
    let id = ask(&world, "POST", "/sites/7/requests", Some(&body("a", 1))).await.expect(201).id();
    let path = format!("/requests/{id}");
    let patch = json!({"documents": [file]});
    world.api("PATCH", &path, Some(patch)).await.expect(200);
    let sent = ask(&world, "POST", &format!("{path}/send"), None).await.expect(200).json();
    let record = format!("/activity/record/session:{id}");
    error(ask(&world, "GET", &record, None).await, 404);
    let shown = world.api("GET", &path, None).await.json();
    for signer in shown["signers"].as_array().unwrap() {
        let path = format!("{path}/signers/{}/sign", signer["id"].as_str().unwrap());
        let consent = json!({"name": "A", "consent": "I agree"});
        world.api("POST", &path, Some(consent)).await.expect(200);
    }
    let signer = sent["signers"][0]["signer_id"].as_str().unwrap();
    for path in
        [record.clone(), format!("{record}?signer_id={signer}"), format!("/activity/{id}/record")]
    {
        let pdf_of = ask(&world, "GET", &path, None).await.expect(200);
        assert_eq!(
            (pdf_of.header("content-type"), pdf_of.text == pdf(900)),
            ("application/pdf", true)
        );
    }
    error(ask(&world, "GET", &format!("{record}?signer_id=nobody"), None).await, 404);
}
