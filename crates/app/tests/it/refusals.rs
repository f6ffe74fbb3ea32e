//! What the binary refuses, and how it says so: on the command line, in the API, on the signing page.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::http::{Message, Receiver, call};
use crate::process::{Scratch, text, until};
use crate::service::{KEY, Service, draft, id};

fn refused(scratch: &Scratch, args: &[&str]) -> String {
    let output = scratch.run(args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_database_url_that_is_none_is_refused_without_being_quoted() {
    let url = "mysql://user:hunter2@host/db";
    let said = refused(&Scratch::new(), &["serve", "--database-url", url]);
    assert!(!said.contains("hunter2"));
    assert_snapshot!(said);
}

#[test]
fn time_does_not_run_backwards_in_a_folder_of_dev() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("dev")).unwrap();
    fs::write(scratch.path().join("dev/clock-offset"), "86400000").unwrap();
    let said =
        refused(&scratch, &["serve", "--listen", "127.0.0.1:0", "--data", "dev", "--log", "off"]);
    assert_snapshot!(said);
}

#[test]
fn a_database_without_its_master_key_is_left_alone() {
    let scratch = Scratch::new();
    let made = scratch.run(&["keys", "create", "--data", "data", "--log", "off"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    fs::remove_file(scratch.path().join("data/master.key")).unwrap();
    let said = refused(&scratch, &["keys", "create", "--data", "data", "--log", "off"]);
    assert_snapshot!(said);
    assert!(!scratch.path().join("data/master.key").exists());
}

#[test]
fn another_master_key_is_noticed_at_the_start() {
    let scratch = Scratch::new();
    let made = scratch.run(&["keys", "create", "--data", "data", "--log", "off"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let other = "Y291bnRlcnNpZ24tYmVuY2gtbWFzdGVyLWtleS0zMiE=";
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data", "--master-key", other];
    assert!(refused(&scratch, &args).contains("the master key is not the one"));
}

#[test]
fn a_problem_is_explained_by_number_and_by_code() {
    let explained = |name| text(&Scratch::new().run(&["explain", name]).stdout);
    assert_eq!(explained("p0201"), explained("target_refused"));
    assert!(explained("P0201").starts_with("# P0201: The target may not be called\n"));
    assert!(refused(&Scratch::new(), &["explain", "P9999"]).contains("list them all"));
}

/// Gives the places of an invalid input.
#[track_caller]
fn paths(answer: Message) -> Vec<String> {
    let problem = answer.expect_problem(422, "invalid");
    let path = |flaw: &Value| flaw["path"].as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap().iter().map(path).collect()
}

/// Insists that one place is wrong, and gives what is said of it.
#[track_caller]
fn flaw(answer: Message, path: &str) -> String {
    let problem = answer.expect_problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["path"]), (1, &json!(path)), "{problem:#}");
    errors[0]["message"].as_str().unwrap().to_owned()
}

/// Posts to the API whatever bytes.
fn post(service: &Service, path: &str, body: &[u8]) -> Message {
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    service.send("POST", &format!("/api/v1{path}"), &headers, body)
}

#[test]
fn a_second_registration_of_a_url_names_the_first() {
    let service = Service::start(&[]);
    let endpoint = |url: &str| service.api("POST", "/endpoints", Some(&json!({"url": url})));
    let first = id(&endpoint("https://example.com/hooks").expect(201));
    let second = id(&endpoint("https://example.com/hooks/").expect(201));
    for same in [
        "https://example.com/hooks",
        "HTTPS://Example.COM:443/hooks",
        "https://example.com/a/../hooks",
    ] {
        let problem = endpoint(same).expect_problem(409, "url_taken");
        assert_eq!(problem["existing"], first, "{same}");
    }
    let moved = json!({"url": "https://example.com/hooks"});
    let moved = service.api("PATCH", &format!("/endpoints/{second}"), Some(&moved));
    assert_eq!(moved.expect_problem(409, "url_taken")["existing"], first);
    service.api("DELETE", &format!("/endpoints/{first}"), None).expect(204);
    endpoint("https://example.com/hooks").expect(201);
}

#[test]
fn an_unknown_event_name_is_answered_with_the_acceptable_ones() {
    let service = Service::start(&[]);
    for (dialect, good, acceptable) in [
        ("standard", "request.*", ["request.completed", "signer.signed"]),
        ("clickwrap", "request_sent", ["request_signed", "request_complete"]),
        ("insertsign", "request.sent", ["request.archived", "email.spammed"]),
        ("fintechos", "workstepOpened", ["workstepFinished", "envelopeFinished"]),
        ("esaw", "workstepOpened", ["workstepFinished", "envelopeFinished"]),
    ] {
        let body = json!({"url": "https://example.com/", "dialect": dialect, "events": [good, "request_lost"]});
        let message = flaw(service.api("POST", "/endpoints", Some(&body)), "events[1]");
        assert!(acceptable.iter().all(|name| message.contains(name)), "{dialect}: {message}");
    }
}

#[test]
fn malformed_json_is_answered_with_line_and_column() {
    let service = Service::start(&[]);
    for path in ["/requests", "/endpoints", "/contacts", "/events", "/events/batch", "/keys"] {
        let problem =
            post(&service, path, b"{\"title\": \"a\",\n  oops}").expect_problem(400, "malformed");
        assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(3)), "{problem:#}");
        post(&service, path, b"").expect_problem(400, "malformed");
        post(&service, path, b"{\"a\": \"\xff\"}").expect_problem(400, "malformed");
        post(&service, path, "[".repeat(100_000).as_bytes()).expect_problem(400, "malformed");
    }
}

#[test]
fn wrong_types_and_unknown_members_and_long_texts_are_each_named_by_their_place() {
    let service = Service::start(&[]);
    let body = json!({
        "title": 5, "signers": [{"name": "A", "emial": "a@example.com"}, 7], "sender": {"name": []},
        "send": "yes", "sned": true,
    });
    let mut found = paths(service.api("POST", "/requests", Some(&body)));
    found.sort_unstable();
    assert_eq!(
        found,
        ["send", "sender.email", "sender.name", "signers[0].emial", "signers[1]", "sned", "title"]
    );

    let long = "x".repeat(201);
    let mut body = draft("parallel");
    body["title"] = json!(long);
    body["message"] = json!("x".repeat(4_001));
    body["signers"][1]["name"] = json!(long);
    body["signers"][0]["email"] = json!("nobody");
    let mut found = paths(service.api("POST", "/requests", Some(&body)));
    found.sort_unstable();
    assert_eq!(found, ["message", "signers[0].email", "signers[1].name", "title"]);

    let body = json!({"url": "https://example.com/", "timeout_s": 31, "max_in_flight": 0, "rate_limit": 0});
    let mut found = paths(service.api("POST", "/endpoints", Some(&body)));
    found.sort_unstable();
    assert_eq!(found, ["max_in_flight", "rate_limit", "timeout_s"]);
    let body = json!({"url": format!("https://example.com/{}", "x".repeat(5_000))});
    flaw(service.api("POST", "/endpoints", Some(&body)), "url");
    let body =
        json!({"events": [{"type": "custom.a", "data": {}}, {"type": "custom.b", "daat": {}}]});
    let found = paths(service.api("POST", "/events/batch", Some(&body)));
    assert_eq!(found, ["events[1].daat", "events[1].data"]);
    let listed = service.api("GET", "/events", None).expect(200).json();
    assert_eq!(listed["data"], json!([]), "a batch is taken whole or not at all");
}

#[test]
fn a_body_over_its_bound_is_refused_and_one_at_its_bound_is_not() {
    let service = Service::start(&[]);
    let padded = |bytes: usize| {
        let json = br#"{"title":"a"}"#;
        [json.as_slice(), " ".repeat(bytes - json.len()).as_bytes()].concat()
    };
    post(&service, "/requests", &padded(1 << 20)).expect(201);
    let problem =
        post(&service, "/requests", &padded((1 << 20) + 1)).expect_problem(413, "too_large");
    assert_eq!(problem["bytes_max"], 1 << 20);
    let data = json!({"a": "x".repeat(256 * 1024)});
    let event = json!({"type": "custom.a", "data": data});
    let problem = service.api("POST", "/events", Some(&event)).expect_problem(413, "too_large");
    assert_eq!(problem["bytes_max"], 256 * 1024);
    // A length that is announced is enough; nothing of the body needs to come.
    let announced = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 99999999999\r\n\r\n"
    );
    call(&service.address, announced.as_bytes()).expect_problem(413, "too_large");
}

#[test]
fn a_call_without_the_right_key_is_refused() {
    let service = Service::start(&[]);
    let path = "/api/v1/requests";
    let missing = service.send("GET", path, &[], b"");
    assert!(missing.header("www-authenticate").unwrap().starts_with("Bearer"));
    missing.expect_problem(401, "key_missing");
    for wrong in
        [format!("{KEY}x"), KEY.replace("cs_", "cs"), KEY.to_uppercase(), "x".repeat(9_000)]
    {
        service.api_as(&wrong, "GET", "/requests", None).expect_problem(401, "key_invalid");
    }
    service.send("GET", path, &[("authorization", "Basic YTpi")], b"").expect(401);
    // Who has no key learns nothing of what is there, and has no body read.
    let unknown = "/api/v1/requests/req_00000000000000000000000000";
    service.send("GET", unknown, &[], b"").expect(401);
    service.send("POST", path, &[], b"{").expect(401);
    service.api("GET", "/requests", None).expect(200);
}

#[test]
fn what_belongs_to_another_account_is_not_there() {
    let scratch = Scratch::new();
    let made =
        scratch.run(&["keys", "create", "--account", "other", "--data", "data", "--log", "off"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let other = text(&made.stdout).trim().to_owned();
    let service = Service::start_in(scratch, &[]);
    let request = service.sent("parallel");
    let request_path = format!("/requests/{}", request["id"].as_str().unwrap());
    let signer = request["signers"][0]["id"].as_str().unwrap();
    let made = |path: &str, body: Value, status| {
        format!("{path}/{}", id(&service.api("POST", path, Some(&body)).expect(status)))
    };
    let contact = made("/contacts", json!({"name": "Ada", "email": "ada@example.com"}), 201);
    let endpoint = made("/endpoints", json!({"url": "https://example.com/hooks"}), 201);
    let event = made("/events", json!({"type": "custom.a", "data": {}}), 202);
    let listed = service.api("GET", "/deliveries", None).expect(200).json();
    let delivery = format!("/deliveries/{}", listed["data"][0]["id"].as_str().unwrap());

    let sign = json!({"name": "Eve", "consent": "I agree."});
    let since = json!({"since": "2020-01-01T00:00:00Z"});
    for (method, path, body) in [
        ("GET", request_path.clone(), None),
        ("DELETE", request_path.clone(), None),
        ("PATCH", request_path.clone(), Some(json!({"title": "x"}))),
        ("GET", format!("{request_path}/timeline"), None),
        ("POST", format!("{request_path}/cancel"), None),
        ("POST", format!("{request_path}/archive"), None),
        ("POST", format!("{request_path}/signers/{signer}/sign"), Some(sign)),
        ("GET", contact.clone(), None),
        ("DELETE", contact.clone(), None),
        ("GET", endpoint.clone(), None),
        ("DELETE", endpoint.clone(), None),
        ("PATCH", endpoint.clone(), Some(json!({"description": "mine"}))),
        ("POST", format!("{endpoint}/rotate-secret"), None),
        ("POST", format!("{endpoint}/test"), Some(json!({"event": "request.sent"}))),
        ("POST", format!("{endpoint}/replay"), Some(since)),
        ("GET", event.clone(), None),
        ("GET", delivery.clone(), None),
        ("POST", format!("{delivery}/retry"), None),
        ("POST", format!("{delivery}/cancel"), None),
    ] {
        let answer = service.api_as(&other, method, &path, body.as_ref());
        assert_eq!(answer.status(), 404, "{method} {path}: {}", answer.text());
    }
    for noun in ["requests", "contacts", "endpoints", "events", "deliveries"] {
        let listed = service.api_as(&other, "GET", &format!("/{noun}"), None).expect(200).json();
        assert_eq!(listed["data"], json!([]), "{noun}");
    }
    let same = json!({"url": "https://example.com/hooks"});
    service.api_as(&other, "POST", "/endpoints", Some(&same)).expect(201);
    for path in [&request_path, &contact, &endpoint, &event, &delivery] {
        service.api("GET", path, None).expect(200);
    }
}

#[test]
fn an_impossible_step_is_answered_with_the_possible_ones() {
    let service = Service::start(&[]);
    let possible = |answer: Message| {
        let problem = answer.expect_problem(409, "impossible");
        let names = problem["possible"].as_array().unwrap().clone();
        names.into_iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let drafted = id(&service.api("POST", "/requests", Some(&draft("parallel"))).expect(201));
    let path = format!("/requests/{drafted}");
    let named = possible(service.api("POST", &format!("{path}/remind"), None));
    assert!(
        named.contains(&"send".to_owned()) && !named.contains(&"remind".to_owned()),
        "{named:?}"
    );
    service.api("POST", &format!("{path}/send"), None).expect(200);
    let named = possible(service.api("POST", &format!("{path}/send"), None));
    assert!(
        named.contains(&"cancel".to_owned()) && !named.contains(&"send".to_owned()),
        "{named:?}"
    );
    possible(service.api("PATCH", &path, Some(&json!({"title": "Another one"}))));
    service.api("POST", &format!("{path}/cancel"), None).expect(200);
    for step in ["send", "cancel", "remind", "unarchive"] {
        let named = possible(service.api("POST", &format!("{path}/{step}"), None));
        assert!(!named.contains(&step.to_owned()), "{step}: {named:?}");
    }

    let sent = service.sent("sequential");
    let second = sent["signers"][1]["id"].as_str().unwrap();
    let path = format!("/requests/{}/signers/{second}/sign", sent["id"].as_str().unwrap());
    let sign = json!({"name": "Alan", "consent": "I agree."});
    possible(service.api("POST", &path, Some(&sign)));
}

#[test]
fn a_repeated_idempotency_key_gives_the_same_answer_and_none_to_another_body() {
    let service = Service::start(&[]);
    let authorization = format!("Bearer {KEY}");
    let keyed = |path: &str, key: &str, body: &Value| {
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        service.send("POST", &format!("/api/v1{path}"), &headers, body.to_string().as_bytes())
    };
    let calls = [
        ("/requests", draft("parallel"), 201),
        ("/contacts", json!({"name": "Ada", "email": "ada@example.com"}), 201),
        ("/endpoints", json!({"url": "https://example.com/hooks"}), 201),
        ("/events", json!({"type": "custom.a", "data": {"b": 1}}), 202),
    ];
    for (path, body, status) in &calls {
        let first = keyed(path, path, body).expect(*status);
        let second = keyed(path, path, body).expect(*status);
        assert_eq!(first.text(), second.text(), "{path}");
        assert_eq!(
            (first.header("idempotency-replayed"), second.header("idempotency-replayed")),
            (None, Some("true")),
            "{path}"
        );
        let mut other = body.clone();
        other["unknown"] = json!(true);
        keyed(path, path, &other).expect_problem(422, "idempotency_key_reused");
        let listed = service.api("GET", path, None).expect(200).json();
        let made = listed["data"].as_array().unwrap().iter();
        assert_eq!(made.filter(|row| row["id"] == first.json()["id"]).count(), 1, "{path}");
    }
    keyed("/contacts", "/requests", &calls[0].1).expect_problem(422, "idempotency_key_reused");
}

/// Targets that must never be called, and a word of what is said of each.
const FORBIDDEN: [(&str, &str); 18] = [
    ("://127.0.0.1/", "127.0.0.0/8"),
    ("://127.1/", "127.0.0.0/8"),
    ("://2130706433/", "127.0.0.0/8"),
    ("://0177.0.0.1/", "127.0.0.0/8"),
    ("://0x7f.0.0.1/", "127.0.0.0/8"),
    ("://[::1]/", "::1/128"),
    ("://[::ffff:127.0.0.1]/", "127.0.0.0/8"),
    ("://0.0.0.0/", "0.0.0.0/8"),
    ("://169.254.169.254/latest/meta-data/", "169.254.0.0/16"),
    ("://[::ffff:10.0.0.1]/", "10.0.0.0/8"),
    ("://[64:ff9b::a9fe:a9fe]/", "169.254.0.0/16"),
    ("://[64:ff9b:1::1]/", "64:ff9b:1::/48"),
    ("://[2002:7f00:1::]/", "2002::/16"),
    ("://[fe80::1]/", "fe80::/10"),
    ("://[fd00:ec2::254]/", "fc00::/7"),
    ("://192.168.1.1:8443/", "192.168.0.0/16"),
    ("://100.64.0.1/", "100.64.0.0/10"),
    ("://user@example.com/", "user name"),
];

#[test]
fn a_target_that_is_not_public_is_refused_where_it_is_named() {
    let service = Service::start(&["--allow-http-targets"]);
    let plain = Service::start(&[]);
    let create = |service: &Service, url: &str| {
        let endpoint = json!({"url": url});
        flaw(service.api("POST", "/endpoints", Some(&endpoint)), "url")
    };
    for (rest, expected) in FORBIDDEN {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}{rest}");
            let message = create(&service, &url);
            assert!(message.contains(expected), "{url}: {message}");
        }
        let message = create(&plain, &format!("http{rest}"));
        assert!(message.contains("https"), "{rest}: {message}");
        let mut body = draft("parallel");
        body["callbacks"] = json!({"finish_url": format!("https{rest}")});
        let message = flaw(plain.api("POST", "/requests", Some(&body)), "callbacks.finish_url");
        assert!(message.contains(expected), "{rest}: {message}");
    }
    for url in [
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "//example.com/",
        "example.com",
        "",
    ] {
        let message = create(&service, url);
        assert!(message.contains("http"), "{url}: {message}");
    }
    let made = service.api("POST", "/endpoints", Some(&json!({"url": "https://example.com/"})));
    let path = format!("/endpoints/{}", id(&made.expect(201)));
    let moved = service.api("PATCH", &path, Some(&json!({"url": "https://127.0.0.1/"})));
    assert!(flaw(moved, "url").contains("127.0.0.0/8"));
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_when_it_is_called() {
    let service = Service::start(&["--allow-http-targets"]);
    let receiver = Receiver::start();
    let url = format!("http://localhost:{}/", receiver.address().port());
    let made = service.api("POST", "/endpoints", Some(&json!({"url": url}))).expect(201);
    let test = json!({"event": "request.sent"});
    let path = format!("/endpoints/{}/test", id(&made));
    let test = service.api("POST", &path, Some(&test)).expect(202).json();
    let path = format!("/deliveries/{}", test["delivery_id"].as_str().unwrap());
    let attempt = until("the first attempt", || {
        let delivery = service.api("GET", &path, None).expect(200).json();
        delivery["attempts"].get(0).cloned()
    });
    assert!(attempt.to_string().contains("target_refused"), "{attempt:#}");
    assert_eq!(attempt["problem"], "/problems/P0201", "{attempt:#}");
    service.stop();
    assert!(receiver.heard().is_empty());
}

/// Gives the status of the first signer.
fn standing(service: &Service, request: &Value) -> String {
    let path = format!("/requests/{}", request["id"].as_str().unwrap());
    let request = service.api("GET", &path, None).expect(200).json();
    request["signers"][0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_link_that_a_scanner_follows_is_neither_viewed_nor_signed() {
    let service = Service::start(&[]);
    let request = service.sent("parallel");
    let page = service.page(&request, 0);
    let scanner = [("user-agent", "SafeLinks/1.0"), ("purpose", "prefetch")];
    service.send("GET", &page, &scanner, b"").expect(200);
    service.send("GET", &format!("{page}?name=Eve&consent=yes"), &scanner, b"").expect(200);
    for what in ["sign", "view", "decline"] {
        let target = format!("{page}/{what}?name=Eve&consent=yes");
        service.send("GET", &target, &scanner, b"").expect_problem(405, "method_not_allowed");
    }
    let timeline = format!("/requests/{}/timeline", request["id"].as_str().unwrap());
    let entries = service.api("GET", &timeline, None).expect(200).json();
    assert_eq!(entries["data"].as_array().unwrap().len(), 4, "created, sent, two notified");
    assert_eq!(standing(&service, &request), "notified");
    service.submit(&page, "view", "").expect(303);
    assert_eq!(standing(&service, &request), "viewed");
}

#[test]
fn a_signature_without_consent_or_name_or_from_another_site_is_refused() {
    let service = Service::start(&[]);
    let request = service.sent("parallel");
    let page = service.page(&request, 0);
    service.submit(&page, "view", "").expect(303);
    for form in [
        "name=Ada",
        "name=Ada&consent=no",
        "name=Ada&consent=",
        "consent=yes",
        "name=+&consent=yes",
        "",
    ] {
        service.submit(&page, "sign", form).expect(422);
    }
    let foreign =
        [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")];
    let form = b"name=Eve&consent=yes";
    service.send("POST", &format!("{page}/sign"), &foreign, form).expect(403);
    let mut other = page.clone();
    other.replace_range(page.len() - 1.., if page.ends_with('a') { "b" } else { "a" });
    service.submit(&other, "sign", "name=Eve&consent=yes").expect(404);
    let path = format!(
        "/requests/{}/signers/{}/sign",
        request["id"].as_str().unwrap(),
        request["signers"][0]["id"].as_str().unwrap()
    );
    let found = paths(service.api("POST", &path, Some(&json!({"name": "Ada"}))));
    assert_eq!(found, ["consent"]);
    assert_eq!(standing(&service, &request), "viewed");
    service.submit(&page, "sign", "name=Ada&consent=yes").expect(303);
    assert_eq!(standing(&service, &request), "signed");
}

#[test]
fn a_signing_page_runs_nothing_and_is_neither_indexed_nor_told_on() {
    let service = Service::start(&[]);
    let page = service.page(&service.sent("parallel"), 0);
    for answer in [
        service.send("GET", &page, &[], b"").expect(200),
        service.submit(&page, "sign", "").expect(422),
        service.submit(&page, "view", "").expect(303),
        service.send("GET", "/s/nobody", &[], b"").expect(404),
    ] {
        let header = |name: &str| answer.header(name).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-robots-tag"), "noindex, nofollow");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(!answer.text().contains("<script"), "{}", answer.text());
    }
}
