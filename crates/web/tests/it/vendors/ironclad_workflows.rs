//! Ironclad's interface: what is wrong with a call about a workflow is said in the vendor's shape, whichever call it is.

use serde_json::{Value, json};

use super::call;
use crate::world::{Answer, World};

const ADA: &str = "ada@example.com";

async fn ask(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let authorization = format!("Bearer {}", world.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    call(world, (method, &format!("/public/api/v1{path}")), &headers, body.as_bytes()).await
}

/// A template, and a workflow launched from it; both by the vendor's ids.
async fn launched(world: &World) -> (String, String) {
    let template = json!({
        "name": "NDA",
        "attributes": [{"id": "counterpartyName", "name": "Counterparty", "type": "text", "required": true}],
        "roles": [{"id": "owner", "name": "Workflow Owner"}, {"id": "legal", "name": "Legal"}],
        "approval_groups": [{"roles": ["legal"]}, {"roles": ["owner"]}],
        "documents": [{"id": "draft", "name": "Draft", "in_packet": true}],
        "signers": [{"role_name": "Theirs", "party": "counterparty", "order": 1}],
    });
    let made = world.api("POST", "/workflow-templates", Some(template)).await.expect(201).json();
    let launch = json!({
        "template_id": made["id"], "title": "NDA", "by": ADA, "attributes": {"counterpartyName": "Acme"},
    });
    world.api("POST", "/workflows", Some(launch)).await.expect(201);
    let list = ask(world, "GET", "/workflows", &Value::Null).await.expect(200).json();
    let of = |member: &str| list["list"][0][member].as_str().unwrap().to_owned();
    (of("template"), of("id"))
}

/// A call that is wrong, and what is said to it: status, code, and which member is wrong.
type Wrong = (&'static str, String, Value, u16, &'static str, Option<&'static str>);

async fn check(world: &World, wrong: Vec<Wrong>) {
    for (method, path, body, status, code, param) in wrong {
        let answer = ask(world, method, &path, &body).await;
        let said = answer.json();
        assert_eq!(answer.status, status, "{method} {path} {body}: {said}");
        assert_eq!(
            (&said["code"], said["param"].as_str()),
            (&json!(code), param),
            "{method} {path} {body}: {said}"
        );
        assert!(said["message"].as_str().is_some_and(|message| !message.is_empty()));
        let known = ["code", "message", "param"];
        assert!(
            said.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())),
            "{said}"
        );
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-ironclad-requestid").len(), 36);
    }
}

/// Each call about one workflow, with a body that it takes.
fn calls() -> Vec<(&'static str, &'static str, Value)> {
    let word = json!({"comment": {"message": "wait"}});
    vec![
        ("GET", "", Value::Null),
        (
            "PATCH",
            "/attributes",
            json!({"updates": [{"action": "set", "path": "counterpartyName", "value": "B"}]}),
        ),
        ("GET", "/approvals", Value::Null),
        ("GET", "/approval-requests", Value::Null),
        ("PATCH", "/approvals/legal", json!({"status": "approved"})),
        ("GET", "/turn-history", Value::Null),
        ("POST", "/comment", json!({"comment": "hello"})),
        ("POST", "/comments", json!({"comment": "hello"})),
        ("GET", "/comments", Value::Null),
        ("GET", "/comments/0190b2bf-2403-7be7-95ee-712fd4947965", Value::Null),
        ("GET", "/documents", Value::Null),
        ("PATCH", "/signature-packet", json!({"signaturePacketDocumentKeys": []})),
        ("GET", "/document/F7IYVm59VHK/download", Value::Null),
        ("GET", "/participants", Value::Null),
        ("PATCH", "/roles/Legal", json!({"userId": "5f0375c4cdc1927a3c5edcd3"})),
        ("GET", "/roles/Legal/eligible-assignees", Value::Null),
        ("POST", "/cancel", word.clone()),
        ("POST", "/pause", word.clone()),
        ("POST", "/resume", word),
        ("PATCH", "/revert-to-review", Value::Null),
    ]
}

#[tokio::test]
async fn a_workflow_that_is_not_there_is_not_there_for_any_call() {
    let world = World::new().await;
    let (_, there) = launched(&world).await;
    for id in ["5928719b30182d3700364a74", "IC-2", "IC-0", "nothing", "IC-1x"] {
        let wrong = calls().into_iter().map(|(method, path, body)| {
            (method, format!("/workflows/{id}{path}"), body, 404, "NOT_FOUND", Some("workflowId"))
        });
        check(&world, wrong.collect()).await;
    }
    // These take the internal id alone.
    for path in ["cancel", "pause", "resume"] {
        let body = json!({"comment": {"message": "wait"}});
        let wrong =
            ("POST", format!("/workflows/IC-1/{path}"), body, 404, "NOT_FOUND", Some("workflowId"));
        check(&world, vec![wrong]).await;
    }
    for (method, path, body) in calls() {
        let headers = [("authorization", "Bearer nobody")];
        let path = format!("/public/api/v1/workflows/{there}{path}");
        let answer = call(&world, (method, &path), &headers, body.to_string().as_bytes()).await;
        let expected = json!({"code": "UNAUTHORIZED", "message": "invalid authentication token"});
        assert_eq!((answer.status, answer.json()), (401, expected), "{method} {path}");
    }
}

#[tokio::test]
async fn a_launch_that_cannot_be_is_told_why() {
    let world = World::new().await;
    let (template, _) = launched(&world).await;
    let by = json!({"type": "email", "email": ADA});
    let launch =
        |attributes: Value| json!({"template": template, "attributes": attributes, "creator": by});
    let other = "5928719b30182d3700364a74";
    let launches = [
        (json!({}), "MISSING_PARAM", "template"),
        (json!({"template": template}), "MISSING_PARAM", "attributes"),
        (json!({"template": template, "attributes": 7}), "INVALID_PARAM", "attributes"),
        (json!({"template": other, "attributes": {}}), "INVALID_PARAM", "template"),
        (json!({"template": template, "attributes": {}}), "MISSING_PARAM", "creator"),
        (launch(json!({})), "MISSING_PARAM", "counterpartyName"),
        (launch(json!({"counterpartyName": "A", "some": 1})), "INVALID_PARAM", "attributes"),
        (launch(json!({"counterpartyName": 7})), "INVALID_PARAM", "attributes"),
        (launch(json!({"counterpartyName": "A", SIGNER: 7})), "INVALID_PARAM", SIGNER),
        (launch(json!({"counterpartyName": "A", SIGNER: "no"})), "INVALID_PARAM", SIGNER),
        (
            json!({"template": template, "attributes": {}, "creator": {"email": "a b@c.de"}}),
            "INVALID_PARAM",
            "creator",
        ),
        (
            launch(json!({"counterpartyName": "A", "draft": [{"url": "x"}]})),
            "INVALID_PARAM",
            "draft",
        ),
    ];
    let wrong = launches
        .into_iter()
        .map(|(body, code, param)| ("POST", "/workflows".to_owned(), body, 400, code, Some(param)));
    check(&world, wrong.collect()).await;
    let missing =
        ("POST", "/workflows/async".to_owned(), json!({}), 400, "MISSING_PARAM", Some("template"));
    let job =
        ("GET", "/workflows/async/x".to_owned(), Value::Null, 404, "NOT_FOUND", Some("asyncJobId"));
    check(&world, vec![missing, job]).await;
}

#[tokio::test]
async fn what_a_list_does_not_know_is_refused() {
    let world = World::new().await;
    let (_, id) = launched(&world).await;
    let invalid =
        |path: String, param| ("GET", path, Value::Null, 400, "INVALID_PARAM", Some(param));
    let of_all = [
        ("status=done", "status"),
        ("filter=x", "filter"),
        ("lastUpdated=soon", "lastUpdated"),
        ("pageSize=101", "pageSize"),
    ];
    let wrong =
        of_all.into_iter().map(|(query, param)| invalid(format!("/workflows?{query}"), param));
    check(&world, wrong.collect()).await;
    let lists = [
        "approval-requests",
        "turn-history",
        "comments",
        "participants",
        "roles/Legal/eligible-assignees",
    ];
    let queries = [
        ("page=-1", "page"),
        ("pageSize=0", "pageSize"),
        ("pageSize=101", "pageSize"),
        ("size=1", "size"),
    ];
    let of = |list: &str, (query, param)| invalid(format!("/workflows/{id}/{list}?{query}"), param);
    let wrong = lists.into_iter().flat_map(|list| queries.map(|query| of(list, query)));
    check(&world, wrong.collect()).await;
    let more = [
        of("approval-requests", ("requestType=role", "requestType")),
        of("", ("hydrateEntities=maybe", "hydrateEntities")),
    ];
    check(
        &world,
        more.map(|(method, path, body, status, code, param)| {
            (method, path.replace("/?", "?"), body, status, code, param)
        })
        .into(),
    )
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said() {
    let world = World::new().await;
    let (_, id) = launched(&world).await;
    let (set, remove) = ("set", "remove");
    let update = |action: &str, path: &str, value: &str| json!({"updates": [{"action": action, "path": path, "value": value}]});
    let cases = [
        ("PATCH", "attributes", json!({}), 400, "MISSING_PARAM", Some("updates")),
        ("PATCH", "attributes", update(set, "some", "a"), 400, "INVALID_PARAM", Some("attributes")),
        (
            "PATCH",
            "attributes",
            update(set, "counterpartyName", "Acme"),
            400,
            "INVALID_PARAM",
            Some("attributes"),
        ),
        (
            "PATCH",
            "attributes",
            update(remove, "counterpartyName", ""),
            400,
            "INVALID_PARAM",
            Some("attributes"),
        ),
        ("PATCH", "approvals/legal", json!({}), 400, "MISSING_PARAM", Some("status")),
        (
            "PATCH",
            "approvals/legal",
            json!({"status": "yes"}),
            400,
            "INVALID_PARAM",
            Some("status"),
        ),
        (
            "PATCH",
            "approvals/nobody",
            json!({"status": "approved"}),
            404,
            "NOT_FOUND",
            Some("roleId"),
        ),
        ("PATCH", "approvals/owner", json!({"status": "approved"}), 400, "INVALID_STATE", None),
        ("POST", "comments", json!({}), 400, "MISSING_PARAM", Some("comment")),
        (
            "POST",
            "comments",
            json!({"comment": "a", "creator": 7}),
            400,
            "INVALID_PARAM",
            Some("creator"),
        ),
        ("GET", "comments/x", Value::Null, 404, "NOT_FOUND", Some("commentId")),
        ("PATCH", "signature-packet", json!({}), 400, "MISSING_PARAM", Some(KEYS)),
        ("PATCH", "signature-packet", json!({KEYS: ["x"]}), 400, "INVALID_PARAM", Some(KEYS)),
        ("GET", "document/x/download", Value::Null, 404, "NOT_FOUND", Some("key")),
        ("POST", "documents/draft", json!({}), 400, "INVALID_PARAM", Some("attachment")),
        ("PATCH", "roles/Legal", json!({}), 400, "INVALID_PARAM", Some("userId")),
        ("PATCH", "roles/Nobody", json!({"userId": "x"}), 404, "NOT_FOUND", Some("roleName")),
        ("PATCH", "roles/Legal", json!({"userId": "x"}), 403, "FORBIDDEN", None),
        ("GET", "roles/Nobody/eligible-assignees", Value::Null, 404, "NOT_FOUND", Some("roleName")),
        ("POST", "pause", json!({}), 400, "MISSING_PARAM", Some("comment")),
        ("POST", "resume", json!({"comment": {"message": "go"}}), 400, "INVALID_STATE", None),
        ("POST", "cancel", json!({}), 400, "MISSING_PARAM", Some("comment")),
        ("PATCH", "revert-to-review", Value::Null, 400, "INVALID_STATE", None),
    ];
    let wrong = cases.into_iter().map(|(method, path, body, status, code, param)| {
        (method, format!("/workflows/{id}/{path}"), body, status, code, param)
    });
    check(&world, wrong.collect()).await;
}

#[tokio::test]
async fn a_refusal_says_what_it_is_about() {
    let world = World::new().await;
    let (template, id) = launched(&world).await;
    let set = json!({"updates": [{"action": "set", "path": "counterpartyName", "value": 7}]});
    let (attributes, invalid) = (format!("/workflows/{id}/attributes"), "INVALID_PARAM");
    let launch = json!({"template": template, "attributes": {"counterpartyName": 7}, "creator": {"email": ADA}});
    let hook = json!({
        "events": ["*"], "targetURL": "https://hooks.example.com/a",
        "headers": {"Authorization": "a\r\nb"},
    });
    let approval = json!({"status": "approved", "user": {"email": "a@b"}});
    let long = json!({"comment": "x".repeat(5_000)});
    let of = |rest: &str| format!("/workflows/{id}/{rest}");
    let text = "counterpartyName: expected a text of at most 4000 characters";
    let cases = [
        ("PATCH", attributes.clone(), &set, invalid, Some("attributes"), text),
        ("POST", "/workflows".to_owned(), &launch, invalid, Some("attributes"), text),
        ("POST", "/webhooks".to_owned(), &hook, invalid, Some("headers.Authorization"), "expected"),
        ("PATCH", of("approvals/legal"), &approval, invalid, Some("user.email"), "expected a mail"),
        ("POST", of("comments"), &long, invalid, Some("comment"), "expected 1 to 4000 characters"),
    ];
    for (method, path, body, code, param, message) in cases {
        let said = ask(&world, method, &path, body).await.expect(400).json();
        assert_eq!((&said["code"], said["param"].as_str()), (&json!(code), param), "{said}");
        assert!(said["message"].as_str().unwrap().starts_with(message), "{said}");
    }
    let authorization = format!("Bearer {}", world.key);
    let headers = [("authorization", authorization.as_str()), ("x-as-user-email", "a@b")];
    let path = format!("/public/api/v1{attributes}");
    let said = json!({"updates": [{"action": "set", "path": "counterpartyName", "value": "B"}]});
    let said = call(&world, ("PATCH", &path), &headers, said.to_string().as_bytes()).await;
    assert_eq!(said.expect(400).json()["param"], "x-as-user-email");
    let (pause, word) = (format!("/workflows/{id}/pause"), json!({"comment": {"message": "wait"}}));
    ask(&world, "POST", &pause, &word).await.expect(204);
    let said = ask(&world, "PATCH", &attributes, &set).await.expect(400).json();
    let message = "a workflow that is paused in the step review cannot have its attributes changed";
    assert_eq!(said, json!({"code": "INVALID_STATE", "message": message}));
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_told_where() {
    let world = World::new().await;
    let (_, id) = launched(&world).await;
    let part = |name: &str| format!("--x\r\nContent-Disposition: form-data; {name}\r\n\r\n\r\n");
    let (file, end) = (part("name=attachment; filename=\"\""), "--x--");
    let long = "y".repeat(9_000);
    let many: String = (0..3_000).map(|n| part(&format!("name=a{n}"))).collect();
    let cases = [
        (String::new(), "INVALID_PARAM", "expected the body to begin with the boundary"),
        (file.replace('x', "z"), "INVALID_PARAM", "expected the body to begin with the boundary"),
        (file.clone(), "INVALID_PARAM", "the body ends in part 1"),
        (file.clone() + &part(&long) + end, "INVALID_PARAM", "expected the headers of part 2"),
        (file.clone() + &part("name") + end, "INVALID_PARAM", "expected part 2 to have a name"),
        (
            file.clone() + &file + end,
            "INVALID_PARAM",
            "expected part 2 to have a name that no part",
        ),
        (many + end, "INVALID_PARAM", "expected at most 64 parts"),
        (end.to_owned(), "MISSING_PARAM", "missing param"),
    ];
    let documents = format!("/workflows/{id}/documents/draft");
    for (path, param) in [("/workflows", "data"), (documents.as_str(), "attachment")] {
        for (body, code, expected) in &cases {
            let authorization = format!("Bearer {}", world.key);
            let kind = ("content-type", "multipart/form-data; boundary=x");
            let path = format!("/public/api/v1{path}");
            let headers = [("authorization", authorization.as_str()), kind];
            let said = call(&world, ("POST", &path), &headers, body.as_bytes()).await;
            let said = said.expect(400).json();
            assert_eq!((&said["code"], &said["param"]), (&json!(code), &json!(param)), "{said}");
            let message = said["message"].as_str().unwrap();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}

const KEYS: &str = "signaturePacketDocumentKeys";
const SIGNER: &str = "counterpartySignerEmail";

#[tokio::test]
async fn what_is_over_changes_no_more() {
    let world = World::new().await;
    let (_, id) = launched(&world).await;
    let path = format!("/workflows/{id}");
    let word = json!({"comment": {"message": "no"}});
    ask(&world, "POST", &format!("{path}/cancel"), &word).await.expect(204);
    let shown = ask(&world, "GET", &path, &Value::Null).await.expect(200).json();
    assert_eq!((&shown["status"], &shown["isCancelled"]), (&json!("cancelled"), &json!(true)));
    let state = |method, path: String, body| (method, path, body, 400, "INVALID_STATE", None);
    let set = json!({"updates": [{"action": "set", "path": "counterpartyName", "value": "B"}]});
    check(
        &world,
        vec![
            state("POST", format!("{path}/cancel"), word.clone()),
            state("POST", format!("{path}/pause"), word),
            state("POST", format!("{path}/comments"), json!({"comment": "a"})),
            state("PATCH", format!("{path}/attributes"), set),
            state("PATCH", format!("{path}/approvals/legal"), json!({"status": "approved"})),
            (
                "PATCH",
                format!("{path}/roles/Legal"),
                json!({"userId": "x"}),
                422,
                "INVALID_STATE",
                None,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn numbers_are_given_once_also_when_a_workflow_is_deleted() {
    let world = World::new().await;
    let (template, _) = launched(&world).await;
    let launch = json!({"template": template, "attributes": {"counterpartyName": "B"}, "creator": {"type": "email", "email": ADA}});
    let make = || async { ask(&world, "POST", "/workflows", &launch).await.expect(200).json() };
    let second = make().await;
    assert_eq!(second["ironcladId"], "IC-2");
    let ours = world.api("GET", "/workflows", None).await.expect(200).json();
    let path = format!("/workflows/{}", ours["data"][1]["id"].as_str().unwrap());
    world.api("DELETE", &path, None).await.expect(204);
    world.api("GET", &path, None).await.expect(404);
    ask(&world, "GET", "/workflows/IC-2", &Value::Null).await.expect(404);
    assert_eq!(make().await["ironcladId"], "IC-3");
    let several = tokio::join!(make(), make(), make(), make(), make(), make(), make());
    let mut numbers: Vec<Value> =
        <[Value; 7]>::from(several).map(|made| made["ironcladId"].clone()).into();
    numbers.sort_by_key(|number| {
        number.as_str().unwrap().len() * 100
            + usize::from(*number.as_str().unwrap().as_bytes().last().unwrap())
    });
    let expected = ["IC-4", "IC-5", "IC-6", "IC-7", "IC-8", "IC-9", "IC-10"].map(|id| json!(id));
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn a_job_can_be_asked_for_during_a_week() {
    const DAY_MS: i64 = 86_400_000;
    let world = World::new().await;
    let (template, _) = launched(&world).await;
    let launch = json!({"template": template, "attributes": {"counterpartyName": "B"}, "creator": {"type": "email", "email": ADA}});
    let later = || async {
        let job = ask(&world, "POST", "/workflows/async", &launch).await.expect(200).json();
        format!("/workflows/async/{}", job["asyncJobId"].as_str().unwrap())
    };
    let first = later().await;
    world.pass(7 * DAY_MS - 1);
    let second = later().await;
    for path in [&first, &second] {
        ask(&world, "GET", path, &Value::Null).await.expect(200);
    }
    world.pass(1);
    later().await;
    ask(&world, "GET", &first, &Value::Null).await.expect(404);
    ask(&world, "GET", &second, &Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_launch_that_is_repeated_with_its_key_is_one() {
    let world = World::new().await;
    let (template, _) = launched(&world).await;
    let launch = json!({"template": template, "attributes": {"counterpartyName": "B"}, "creator": {"type": "email", "email": ADA}});
    let authorization = format!("Bearer {}", world.key);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    for path in ["/workflows", "/workflows/async"] {
        let headers =
            headers.map(
                |(name, value)| {
                    if name == "idempotency-key" { (name, path) } else { (name, value) }
                },
            );
        let path = format!("/public/api/v1{path}");
        let body = launch.to_string();
        let first = call(&world, ("POST", &path), &headers, body.as_bytes()).await.expect(200);
        let again = call(&world, ("POST", &path), &headers, body.as_bytes()).await.expect(200);
        assert_eq!(first.text, again.text);
    }
    let list = ask(&world, "GET", "/workflows", &Value::Null).await.expect(200).json();
    assert_eq!(list["count"], 3);
}

/// What a file is called, and what it says that it is.
type File<'a> = (&'a str, &'a str);

/// A form of parts, which are files or are not: name, file, content.
fn form(parts: &[(&str, Option<File<'_>>, &str)]) -> Vec<u8> {
    let part = |(name, file, content): &(&str, Option<File<'_>>, &str)| {
        let file = file.map_or(String::new(), |(file, kind)| {
            format!("; filename=\"{file}\"\r\nContent-Type: {kind}")
        });
        let head = format!("Content-Disposition: form-data; name=\"{name}\"{file}");
        format!("--x\r\n{head}\r\n\r\n{content}\r\n")
    };
    (parts.iter().map(part).collect::<String>() + "--x--").into_bytes()
}

#[tokio::test]
async fn a_file_that_cannot_be_a_document_is_told_why() {
    const PDF: Option<File<'_>> = Some(("a.pdf", "application/pdf"));
    let world = World::new().await;
    let (template, id) = launched(&world).await;
    let post = async |path: &str, body: Vec<u8>| {
        let authorization = format!("Bearer {}", world.key);
        let kind = ("content-type", "multipart/form-data; boundary=x");
        let headers = [("authorization", authorization.as_str()), kind];
        call(&world, ("POST", &format!("/public/api/v1{path}")), &headers, &body).await
    };
    let launch = |files: Value| {
        let attributes = json!({"counterpartyName": "B", "draft": files});
        let by = json!({"type": "email", "email": ADA});
        json!({"template": template, "attributes": attributes, "creator": by}).to_string()
    };
    let (long, word) = ("y".repeat((1 << 20) + 1), r#"{"comment":{"message":"an annex"}}"#);
    let spaces = format!("{}{word}", " ".repeat(1 << 20));
    let documents = format!("/workflows/{id}/documents/draft");
    let adds = |file, content, metadata: &str| {
        form(&[("attachment", file, content), ("metadata", None, metadata)])
    };
    let (one, many) =
        (launch(json!([{"file": "a"}])), launch(json!(vec![json!({"file": "a"}); 21])));
    let cases = [
        (&*documents, adds(PDF, &long, word), "attachment", "expected a file of at most 1048576"),
        (&documents, adds(Some(("a", "?")), "", word), "attachment", "expected the content-type"),
        (&documents, adds(None, "a.pdf", word), "attachment", "missing param: attachment"),
        (&documents, adds(PDF, "%PDF", &spaces), "metadata", "expected at most 1048576 bytes"),
        (
            "/workflows",
            form(&[("data", None, &many), ("a", PDF, "")]),
            "attributes",
            "expected at most 20",
        ),
        (
            "/workflows",
            form(&[("data", None, &one), ("a", PDF, &long)]),
            "draft",
            "expected a file of",
        ),
        (
            "/workflows",
            form(&[("data", None, &one), ("a", None, "")]),
            "draft",
            "expected a part of",
        ),
        ("/workflows", form(&[("data", PDF, &long)]), "data", "expected at most 1048576 bytes"),
    ];
    for (path, body, param, message) in cases {
        let said = post(path, body).await.expect(400).json();
        assert_eq!(said["param"], param, "{path}: {said}");
        assert!(said["message"].as_str().unwrap().starts_with(message), "{path}: {said}");
    }
    let said = post(&documents, adds(PDF, "%PDF", "nothing")).await.expect(400).json();
    assert_eq!(said["param"], "metadata", "{said}");
    assert!(said["message"].as_str().unwrap().starts_with("expected JSON"), "{said}");
    // What the client calls the file, and what else it says of it, is no reason.
    let file = Some((r"C:\docs\Anlage 1.txt", "text/plain; charset=utf-8"));
    post(&documents, adds(file, "one", word)).await.expect(204);
    let all = ask(&world, "GET", &format!("/workflows/{id}/documents"), &Value::Null).await.json();
    assert_eq!(all["signaturePacketDocuments"][0]["filename"], "Anlage 1.txt");
    let key = &all["signaturePacketDocuments"][0]["key"];
    let (path, twice) = (format!("/workflows/{id}/signature-packet"), json!({KEYS: [key, key]}));
    check(&world, vec![("PATCH", path, twice, 400, "INVALID_PARAM", Some(KEYS))]).await;
}
