//! Whatever comes in or is answered, nothing panics, and what is told stays within its bounds.

use dialects::vendor::{
    Ask, KEY_BYTES_MAX, LINE_CHARS_MAX, Received, URL_CHARS_MAX, VALUES_MAX, vendor,
};
use domain::call::{Answer, Method};
use domain::mirror::SIGNERS_MAX;
use domain::source::Vendor;
use domain::told::{About, FOREIGN_ID_BYTES_MAX, Picture, Step, Told, WORD_CHARS_MAX, Who};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::catch::{get, post, samples, source};

fn assert_text(text: &str, chars_max: usize) {
    assert!(text.chars().count() <= chars_max && !text.chars().any(char::is_control), "{text:?}");
}

fn assert_line(text: Option<&String>) {
    assert_text(text.map_or("", String::as_str), LINE_CHARS_MAX);
}

fn assert_email(text: Option<&String>) {
    assert_text(text.map_or("", String::as_str), 254);
}

fn assert_id(text: Option<&String>) {
    assert!(text.is_none_or(|id| (1..=FOREIGN_ID_BYTES_MAX).contains(&id.len())));
    assert_text(text.map_or("", String::as_str), FOREIGN_ID_BYTES_MAX);
}

fn assert_who(who: &Who) {
    assert_id(who.foreign_id.as_ref());
    assert_email(who.email.as_ref());
    assert_line(who.name.as_ref());
    assert!(who.ip.as_ref().is_none_or(|ip| ip.len() <= 45));
}

fn assert_picture(picture: &Picture) {
    assert_line(picture.title.as_ref());
    assert_eq!(picture.message, None);
    assert!(picture.signers.len() <= SIGNERS_MAX);
    if let Some(sender) = &picture.sender {
        assert_line(Some(&sender.name));
        assert_email(Some(&sender.email));
    }
    for signer in &picture.signers {
        assert_id(signer.foreign_id.as_ref());
        assert_email(signer.email.as_ref());
        for line in [&signer.name, &signer.label, &signer.company, &signer.mobile] {
            assert_line(line.as_ref());
        }
        assert_text(signer.url.as_deref().unwrap_or_default(), URL_CHARS_MAX);
    }
}

fn assert_within_bounds(told: &Told) {
    assert_text(&told.word, WORD_CHARS_MAX);
    assert!(!told.word.is_empty());
    match &told.about {
        About::Request { foreign_id, step, picture } => {
            assert_id(Some(foreign_id));
            assert_picture(picture);
            match step {
                Some(
                    Step::Notified(who)
                    | Step::Viewed(who)
                    | Step::Declined(who)
                    | Step::Reassigned(who),
                ) => assert_who(who),
                Some(Step::Signed(all)) => {
                    assert!((1..=SIGNERS_MAX).contains(&all.len()));
                    all.iter().for_each(assert_who);
                }
                Some(_) | None => {}
            }
        }
        About::Contact { foreign_id, name, email, label, company } => {
            assert_id(Some(foreign_id));
            assert_email(Some(email));
            [Some(name), label.as_ref(), company.as_ref()].into_iter().for_each(assert_line);
        }
        About::Mail { to, subject, request, .. } => {
            assert_email(Some(to));
            assert_line(Some(subject));
            assert_id(request.as_ref());
        }
        About::Foreign { request } => assert_id(request.as_ref()),
        About::Test => {}
    }
}

/// Proves, keys and reads what came in, as every vendor's.
fn take(received: &Received<'_>) {
    for which in Vendor::ALL {
        let fields = [("token", "t"), ("user", "u"), ("password", "p"), ("param_order", "site")];
        for source in [source(which, &[]), source(which, &fields)] {
            drop(vendor(which).prove(&source, received));
            if let Some(key) = vendor(which).key(&source, received) {
                assert!((1..=KEY_BYTES_MAX).contains(&key.len()));
                assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
            }
            match vendor(which).read(&source, received) {
                Ok(told) => assert_within_bounds(&told),
                Err(error) => assert!(error.what.len() < 200, "{error}"),
            }
        }
    }
}

/// Any JSON, with texts and numbers that are hard on readers.
fn any_json() -> impl Strategy<Value = Value> {
    let texts = select(vec![
        "",
        "\u{0}",
        "a\r\nb",
        "##EnvelopeId##",
        "..",
        "a@b.cd",
        "https://a.example/",
        "signed",
        "2026-01-31T12:00:00Z",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        texts.prop_map(Value::from),
        (0..300_usize).prop_map(|count| Value::from("é".repeat(count))),
    ];
    let tree = leaf.clone().prop_recursive(3, 40, 6, |inner| {
        let names =
            select(vec!["id", "email", "signer", "status", "Data", "name", "roleName", "7", ""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    });
    let many = (leaf, SIGNERS_MAX..SIGNERS_MAX + 9);
    let many = many.prop_map(|(value, count)| Value::from(vec![json!({ "id": value }); count]));
    prop_oneof![9 => tree, 1 => many]
}

/// Puts a value somewhere into another.
fn put(into: &mut Value, place: Index, value: Value) {
    let mut pointers = vec![String::new()];
    let mut at = 0;
    while let Some(pointer) = pointers.get(at).cloned() {
        let names: Vec<String> = match into.pointer(&pointer) {
            Some(Value::Object(members)) => members.keys().cloned().collect(),
            Some(Value::Array(items)) => (0..items.len()).map(|at| at.to_string()).collect(),
            Some(_) | None => vec![],
        };
        pointers.extend(names.into_iter().map(|name| format!("{pointer}/{name}")));
        at += 1;
    }
    if let Some(found) = into.pointer_mut(place.get(&pointers).as_str()) {
        *found = value;
    }
}

fn any_sample() -> impl Strategy<Value = Value> {
    let all = ["clickwrap", "ironclad", "insertsign", "fintechos"].into_iter().flat_map(samples);
    let all: Vec<Value> = all.map(|(_, text)| serde_json::from_str(&text).unwrap()).collect();
    select(all)
}

fn headers(id: &str, proof: &str) -> Vec<(String, String)> {
    [
        ("x-ironclad-webhook-event-id", id),
        ("x-ironclad-webhook-verification", proof),
        ("authorization", proof),
        ("pactsafe-webhook-token", id),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

proptest! {
    #[test]
    fn any_bytes_come_in(body: Vec<u8>, query: String, id: String, proof: String, key: String) {
        let headers = headers(&id, &proof);
        for method in [Method::Get, Method::Post] {
            take(&Received { method, query: &query, headers: &headers, body: &body, key: Some(&key) });
        }
    }

    #[test]
    fn any_json_comes_in(body in any_json(), proof in any_json()) {
        let (body, headers) = (body.to_string(), headers("e1", &proof.to_string()));
        take(&post(&headers, body.as_bytes()));
    }

    #[test]
    fn samples_come_in_with_something_else_in_them(
        mut body in any_sample(), place: Index, other in any_json(), second: Index, cut: Index,
    ) {
        put(&mut body, place, other.clone());
        put(&mut body, second, other);
        let text = body.to_string();
        take(&post(&[], text.as_bytes()));
        take(&post(&[], &text.as_bytes()[..cut.index(text.len())]));
        let members = body.as_object().into_iter().flatten();
        let query = members.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        take(&get(&query.join("&")));
    }
}

proptest! {
    // Each case asks five vendors sixty times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn vendors_answer_anything(
        mut first in any_sample(), place: Index, other in any_json(), status in select(vec![200, 204, 400, 404, 429, 999]),
        id: String,
    ) {
        put(&mut first, place, other.clone());
        let shapes = [
            json!({ "signers": [other], "data": other, "status": other, "name": other, "routing": other }),
            json!({ "EnvelopeStatus": "Active", "Activities": [other, { "Id": "1", "Status": other, "Action": other }],
                    "ViewerLinks": [other, { "ActivityId": "1", "Email": other, "ViewerLink": other }] }),
            first,
            other,
        ];
        let fields = [("api_token", "t"), ("base_url", "https://a.example/b?c#d")];
        for which in Vendor::ALL {
            for shape in &shapes {
                let body = shape.to_string();
                let good = Answer { status: 200, body: body.clone(), ..Answer::default() };
                for answers in [vec![], vec![Answer { status, ..good.clone() }], vec![good.clone(), good]] {
                    match vendor(which).ask(&source(which, &fields), &id, &answers) {
                        Ok(Ask::Known(picture)) => assert_picture(&picture),
                        Ok(Ask::Call(call)) => {
                            prop_assert!(answers.len() < 2);
                            prop_assert!(call.url.as_str().starts_with("https://a.example/b/"));
                        }
                        Ok(Ask::Refused(what) | Ask::Nonsense(what)) => prop_assert!(what.len() < 300),
                        Ok(Ask::Later(..) | Ask::Gone) | Err(_) => {}
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let deep = "{\"a\":".repeat(200_000);
    let wide = format!("[{}0]", "[],".repeat(300_000));
    let long = format!(
        r#"{{"event_type":"request_sent","id":"{0}","description":"{0} sent {0}"}}"#,
        "x".repeat(500_000)
    );
    let twice = format!("{{{}}}", "\"type\":\"a\",".repeat(90_000));
    let bomb = vec![("x-bomb".to_owned(), "y".repeat(1_000_000)); 10];
    let clean = "a=b&".repeat(250_000);
    for body in [&deep, &wide, &long, &twice] {
        take(&post(&bomb, body.as_bytes()));
        for which in [Vendor::Ironclad, Vendor::Insertsign] {
            let read = vendor(which).read(&source(which, &[]), &post(&[], body.as_bytes()));
            assert!(read.is_err(), "{which:?}");
        }
    }
    take(&get(&clean));
    assert!(u32::try_from(wide.matches(',').count()).unwrap() > VALUES_MAX);
}
