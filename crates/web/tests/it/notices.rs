//! What an account sets around messages to people, through the API.

use std::collections::BTreeMap;

use axum::body::Body;
use domain::id::{EventId, NoticeId, RequestId};
use domain::message::{Channel, Progress};
use domain::notice::{Notice, Occasion, Party};
use domain::secret::Secret;
use http::Request;
use serde_json::{Value, json};
use store::{Commit, Guarded, Write};

use super::world::{Answer, World};

fn subject(text: &str) -> Value {
    json!({"locales": {"en": {"subject": text}, "de": {"sms": "{{ title }}: {{ link }}"}}})
}

#[tokio::test]
async fn a_rule_stands_over_the_default_until_it_is_taken_back() {
    let world = World::new().await;
    let rules = async || {
        let listed = world.api("GET", "/notice-rules", None).await.expect(200).json();
        let rules = listed["data"].as_array().unwrap().clone();
        let by = |rule: Value| (rule["occasion"].as_str().unwrap().to_owned(), rule);
        rules.into_iter().map(by).collect::<BTreeMap<String, Value>>()
    };
    assert!(rules().await.values().all(|rule| rule["default"] == true));
    assert_eq!(rules().await.len(), Occasion::ALL.len());
    world.api("PUT", "/templates/ours", Some(subject("{{ title }}"))).await.expect(200);
    let rule = json!({"channels": ["sms", "email"], "template": "ours"});
    world.api("PUT", "/notice-rules/turn", Some(rule)).await.expect(200);
    let turn = rules().await["turn"].clone();
    let expected = json!({
        "occasion": "turn", "default": false, "off": false, "channels": ["sms", "email"],
        "template": "ours",
    });
    assert_eq!(turn, expected);
    world.api("DELETE", "/templates/ours", None).await.expect_problem(409, "P0013", "impossible");
    world.api("DELETE", "/notice-rules/turn", None).await.expect(204);
    assert_eq!(rules().await["turn"]["default"], true);
    world.api("DELETE", "/notice-rules/turn", None).await.expect_problem(404, "P0009", "not_found");
    world.api("DELETE", "/templates/ours", None).await.expect(204);
}

#[tokio::test]
async fn a_rule_that_cannot_hold_is_refused_with_its_place() {
    let world = World::new().await;
    for (rule, path) in [
        (json!({"template": "nowhere"}), "template"),
        (json!({"channels": []}), "channels"),
        (json!({"channels": ["sms", "sms"]}), "channels"),
        (json!({"channels": ["fax"]}), "channels[0]"),
        (json!({"of": true}), "of"),
    ] {
        let refused = world.api("PUT", "/notice-rules/turn", Some(rule.clone())).await;
        let refused = refused.expect_problem(422, "P0012", "invalid").json();
        assert_eq!(refused["errors"][0]["path"], path, "{rule}");
    }
    world.api("PUT", "/notice-rules/never", Some(json!({}))).await.expect(404);
}

#[tokio::test]
async fn a_template_that_cannot_be_used_is_refused_with_line_and_column() {
    let world = World::new().await;
    let refused = world.api("PUT", "/templates/ours", Some(subject("a\n{{ titel }}"))).await;
    let refused = refused.expect_problem(422, "P0012", "invalid").json();
    let flaw = &refused["errors"][0];
    assert_eq!(flaw["path"], "locales.en.subject");
    assert!(flaw["message"].as_str().unwrap().starts_with("line 2, column 4: `titel`"), "{flaw}");
    let refused = world.api("PUT", "/templates/Ours", Some(subject("a"))).await;
    assert_eq!(refused.expect(422).json()["errors"][0]["path"], "name");
    world.api("GET", "/templates/ours", None).await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn templates_are_listed_by_name_page_by_page() {
    let world = World::new().await;
    for name in ["b", "a", "c"] {
        world.api("PUT", &format!("/templates/{name}"), Some(subject("x"))).await.expect(200);
    }
    let page = world.api("GET", "/templates?limit=2", None).await.expect(200).json();
    assert_eq!(page["data"][0], json!({"name": "a", "locales": ["de", "en"]}));
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/templates?limit=2&cursor={cursor}");
    let rest = world.api("GET", &path, None).await.expect(200).json();
    assert_eq!((&rest["data"][0]["name"], &rest["data"][1]), (&json!("c"), &Value::Null));
    assert_eq!(rest["next_cursor"], Value::Null);
    world.api("GET", "/templates?cursor=%21", None).await.expect(422);
}

#[tokio::test]
async fn a_preview_shows_default_words_own_words_and_words_kept_nowhere() {
    let world = World::new().await;
    let show = async |body: Value| {
        world.api("POST", "/templates/preview", Some(body)).await.expect(200).json()
    };
    let default = show(json!({"occasion": "turn", "locale": "de-AT"})).await;
    assert!(default["text"].as_str().unwrap().starts_with("Guten Tag"), "{default:#}");
    assert_eq!(default["segments"]["encoding"], "gsm7");
    assert_eq!(default["fell_back"], Value::Null);
    world.api("PUT", "/templates/ours", Some(subject("Ours: {{ title }}"))).await.expect(200);
    let own = show(json!({"occasion": "turn", "template": "ours", "channel": "email"})).await;
    assert_eq!(own["subject"], "Ours: Lease of 12 Mill Lane");
    assert_eq!((&own["sms"], &own["segments"]), (&Value::Null, &Value::Null));
    let source = subject("Draft: {{ title }}");
    let draft = show(json!({"occasion": "turn", "source": source})).await;
    assert_eq!(draft["subject"], "Draft: Lease of 12 Mill Lane");
}

#[tokio::test]
async fn a_preview_of_a_request_speaks_of_it_and_holds_no_link_that_works() {
    let world = World::new().await;
    let request = json!({
        "title": "Lease of Elm House", "send": true,
        "signers": [{"name": "Ada", "email": "ada@example.com", "locale": "fr"}],
    });
    let made = world.api("POST", "/requests", Some(request)).await.expect(201).json();
    let signer = &made["signers"][0];
    let body = json!({"occasion": "turn", "request_id": made["id"], "signer_id": signer["id"]});
    let shown = world.api("POST", "/templates/preview", Some(body)).await.expect(200);
    assert!(shown.json()["subject"].as_str().unwrap().contains("Lease of Elm House"));
    assert!(shown.json()["text"].as_str().unwrap().starts_with("Bonjour Ada"));
    assert!(!shown.text.contains(signer["signing_url"].as_str().unwrap()));
}

#[tokio::test]
async fn a_preview_that_cannot_be_is_refused_with_its_place() {
    let world = World::new().await;
    let request = world.api("POST", "/requests", Some(json!({"title": "A"}))).await.expect(201);
    let nobody = format!("sgn_{}", "0".repeat(26));
    let nothing = format!("req_{}", "0".repeat(26));
    let source = subject("{{ titel }}");
    for (more, path) in [
        (json!({"locale": "it"}), "locale"),
        (json!({"template": "nowhere"}), "template"),
        (json!({"template": "a", "source": source}), "source"),
        (json!({"source": source}), "source.locales.en.subject"),
        (json!({"signer_id": nobody}), "signer_id"),
        (json!({"request_id": nothing}), "request_id"),
        (json!({"request_id": request.id(), "signer_id": nobody}), "signer_id"),
    ] {
        let mut body = more.clone();
        body["occasion"] = json!("turn");
        let refused = world.api("POST", "/templates/preview", Some(body)).await;
        let refused = refused.expect_problem(422, "P0012", "invalid").json();
        assert_eq!(refused["errors"][0]["path"], path, "{more}");
    }
}

#[tokio::test]
async fn branding_is_the_default_until_it_is_set() {
    let world = World::new().await;
    let default = world.api("GET", "/branding", None).await.expect(200).json();
    assert_eq!((&default["default"], &default["color"]), (&json!(true), &json!("#1d4ed8")));
    let body = json!({"color": "blue", "logo_url": "logo.png", "footer": "a\u{7}"});
    let refused = world.api("PUT", "/branding", Some(body)).await.expect(422).json();
    assert_eq!(refused["errors"].as_array().unwrap().len(), 3, "{refused:#}");
    let body = json!({"name": "Mill Lane", "color": "#B91C1C", "footer": "1 High Street"});
    world.api("PUT", "/branding", Some(body)).await.expect(200);
    let set = world.api("GET", "/branding", None).await.expect(200).json();
    let expected = json!({
        "default": false, "name": "Mill Lane", "color": "#b91c1c", "logo_url": null,
        "footer": "1 High Street",
    });
    assert_eq!(set, expected);
    let preview = json!({"occasion": "turn", "channel": "email"});
    let shown = world.api("POST", "/templates/preview", Some(preview)).await.expect(200).json();
    assert!(shown["html"].as_str().unwrap().contains("1 High Street"));
    world.api("DELETE", "/branding", None).await.expect(204);
    world.api("DELETE", "/branding", None).await.expect(404);
}

#[tokio::test]
async fn links_are_our_own_until_a_vendor_is_set_whose_token_never_comes_out() {
    let world = World::new().await;
    let default = world.api("GET", "/shortener", None).await.expect(200).json();
    let none = json!({
        "default": true, "kind": "built_in", "domain": null, "group": null, "workspace": null,
        "base_url": null, "token": null,
    });
    assert_eq!(default, none);
    let bad = json!({"kind": "rebrandly", "domain": "go.example.com/x", "group": "g"});
    let refused = world.api("PUT", "/shortener", Some(bad)).await;
    let refused = refused.expect_problem(422, "P0012", "invalid").json();
    let errors = refused["errors"].as_array().unwrap().iter();
    let paths: Vec<&Value> = errors.map(|flaw| &flaw["path"]).collect();
    assert_eq!(paths, ["group", "token", "domain"]);
    let token = "t0ken-of-the-account";
    let body = json!({"kind": "bitly", "domain": "Go.example.com", "group": "B1", "token": token});
    let set = world.api("PUT", "/shortener", Some(body)).await.expect(200);
    let read = world.api("GET", "/shortener", None).await.expect(200);
    assert_eq!(read.json(), set.json());
    assert!(!read.text.contains(token), "{}", read.text);
    let read = read.json();
    assert_eq!((&read["domain"], &read["token"]), (&json!("go.example.com"), &json!("…ount")));
    let kept = world.engine.shortener(world.account).await.unwrap().unwrap();
    assert_eq!(kept.token, Some(Secret::new(token)));
    world.api("DELETE", "/shortener", None).await.expect(204);
    world.api("DELETE", "/shortener", None).await.expect(404);
    assert_eq!(world.api("GET", "/shortener", None).await.expect(200).json(), none);
}

#[tokio::test]
async fn an_address_is_suppressed_once_however_it_is_spelt() {
    let world = World::new().await;
    let body = json!({"channel": "email", "address": "Ana+1@Example.NET", "detail": "asked us"});
    let first = world.api("POST", "/suppressions", Some(body)).await.expect(201).json();
    assert_eq!(
        (&first["address"], &first["reason"]),
        (&json!("ana+1@example.net"), &json!("manual"))
    );
    world.pass(1_000);
    let body = json!({"channel": "email", "address": "ana+1@example.net"});
    let second = world.api("POST", "/suppressions", Some(body)).await.expect(201).json();
    assert_eq!(second, first);
    let body = json!({"channel": "sms", "address": "+44 7700 900123"});
    world.api("POST", "/suppressions", Some(body)).await.expect(201);
    let page = world.api("GET", "/suppressions?limit=1", None).await.expect(200).json();
    assert_eq!(page["data"], json!([first]));
    let path = format!("/suppressions?cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = world.api("GET", &path, None).await.expect(200).json();
    assert_eq!(rest["data"][0]["address"], "+447700900123");
    world.api("DELETE", "/suppressions/sms/%2B447700900123", None).await.expect(204);
    world.api("DELETE", "/suppressions/email/ANA%2B1%40example.net", None).await.expect(204);
    world.api("DELETE", "/suppressions/email/ana%2B1%40example.net", None).await.expect(404);
    let body = json!({"channel": "sms", "address": "900123"});
    let refused = world.api("POST", "/suppressions", Some(body)).await.expect(422).json();
    assert_eq!(refused["errors"][0]["path"], "address");
}

#[tokio::test]
async fn what_one_account_sets_another_does_not_see() {
    let world = World::new().await;
    let provider = json!({"kind": "mailbox_email", "name": "box"});
    let provider = world.api("POST", "/providers", Some(provider)).await.expect(201).id();
    world.api("PUT", "/templates/ours", Some(subject("a"))).await.expect(200);
    world.api("PUT", "/branding", Some(json!({"name": "Ours"}))).await.expect(200);
    world.api("PUT", "/notice-rules/signed", Some(json!({"off": true}))).await.expect(200);
    world.api("PUT", "/shortener", Some(json!({"kind": "built_in"}))).await.expect(200);
    let body = json!({"channel": "email", "address": "ana@example.net"});
    world.api("POST", "/suppressions", Some(body)).await.expect(201);

    let other = world.engine.ensure_account("other").await.unwrap();
    let key = "cs_key_of_somebody_else_0123456789abcdef";
    world.engine.install_key(other, &Secret::new(key), "other").await.unwrap();
    let call = async |method: &str, path: &str| {
        let call = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let call = call.header("authorization", format!("Bearer {key}"));
        world.send(call.body(Body::empty()).unwrap()).await
    };
    for path in [
        format!("/providers/{provider}"),
        "/templates/ours".to_owned(),
        "/branding".to_owned(),
        "/shortener".to_owned(),
        "/notice-rules/signed".to_owned(),
        "/suppressions/email/ana%40example.net".to_owned(),
    ] {
        assert_eq!(call("DELETE", &path).await.status, 404, "{path}");
    }
    for path in ["/providers", "/templates", "/suppressions", "/notices"] {
        assert_eq!(call("GET", path).await.expect(200).json()["data"], json!([]), "{path}");
    }
    assert_eq!(call("GET", "/branding").await.expect(200).json()["default"], true);
    assert_eq!(call("GET", &format!("/providers/{provider}")).await.status, 404);
    world.api("GET", &format!("/providers/{provider}"), None).await.expect(200);
}

#[tokio::test]
async fn a_notice_is_found_among_those_of_its_request() {
    let world = World::new().await;
    let (account, now) = (world.account, world.engine.now());
    let notice = |number: u128| Notice {
        id: NoticeId::new(number),
        account,
        request: RequestId::new(number % 2),
        event: EventId::new(9),
        occasion: Occasion::Signed,
        channel: Channel::Email,
        party: Party::Sender,
        to: "grace@example.com".to_owned(),
        template: None,
        begun: None,
        progress: Progress::default(),
        created_at: now,
    };
    let write = |number| Write::Notice(Guarded { version: 0, value: notice(number) });
    let writes = (1..=3).map(write).collect();
    world.store.commit(Commit { writes, ..Commit::new(account, now) }).await.unwrap();
    let path = format!("/notices?request_id={}", RequestId::new(1));
    let listed = world.api("GET", &path, None).await.expect(200).json();
    let ids: Vec<&Value> =
        listed["data"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&json!(NoticeId::new(3)), &json!(NoticeId::new(1))]);
    let read = world.api("GET", &format!("/notices/{}", NoticeId::new(2)), None).await;
    let read = read.expect(200).json();
    assert_eq!((&read["party"], &read["delivery"]), (&json!("sender"), &Value::Null));
    assert_eq!((&read["progress"]["stage"], &read["signer_id"]), (&Value::Null, &Value::Null));
    let nothing = format!("/notices/{}", NoticeId::new(4));
    world.api("GET", &nothing, None).await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn the_first_requests_of_an_account_may_come_at_the_same_moment() {
    let world = World::new().await;
    let provider = json!({
        "kind": "mailbox_email", "name": "box", "settings": {"from": "sign@example.com"},
    });
    world.api("POST", "/providers", Some(provider)).await.expect(201);
    let send = || {
        let signers = json!([{"name": "Ada", "email": "ada@example.com"}]);
        let request = json!({"title": "Lease", "signers": signers, "send": true});
        world.api("POST", "/requests", Some(request))
    };
    let made = tokio::join!(send(), send(), send(), send(), send(), send(), send(), send());
    for answer in <[Answer; 8]>::from(made) {
        answer.expect(201);
    }
    let notices = world.api("GET", "/notices", None).await.expect(200).json();
    assert_eq!(notices["data"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn a_notice_shows_the_delivery_that_brings_it() {
    let world = World::new().await;
    let provider = json!({
        "kind": "mailbox_email", "name": "box", "settings": {"from": "sign@example.com"},
    });
    world.api("POST", "/providers", Some(provider)).await.expect(201);
    let request = json!({
        "title": "Lease", "signers": [{"name": "Ada", "email": "ada@example.com"}], "send": true,
    });
    let request = world.api("POST", "/requests", Some(request)).await.expect(201).id();
    let path = format!("/notices?request_id={request}");
    let listed = world.api("GET", &path, None).await.expect(200).json();
    let notice = &listed["data"][0];
    assert_eq!((&notice["occasion"], &notice["to"]), (&json!("turn"), &json!("ada@example.com")));
    assert_eq!((&notice["party"], listed["data"].as_array().unwrap().len()), (&json!("signer"), 1));
    let path = format!("/notices/{}", notice["id"].as_str().unwrap());
    let delivery = world.api("GET", &path, None).await.expect(200).json()["delivery"].clone();
    let cause = json!({"kind": "notice", "id": notice["id"]});
    assert_eq!((&delivery["cause"], &delivery["attempts"]), (&cause, &json!([])));
    assert_eq!(delivery["event_id"], notice["event_id"]);
    // A rule that was just set holds for the next step.
    world.api("PUT", "/notice-rules/turn", Some(json!({"off": true}))).await.expect(200);
    let request = json!({
        "title": "Quiet", "signers": [{"name": "Ada", "email": "ada@example.com"}], "send": true,
    });
    let request = world.api("POST", "/requests", Some(request)).await.expect(201).id();
    let path = format!("/notices?request_id={request}");
    assert_eq!(world.api("GET", &path, None).await.expect(200).json()["data"], json!([]));
}
