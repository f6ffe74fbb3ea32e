//! Notices from outside: signers are told by the mailbox of development, in their order and their languages, and
//! reminded on their days.

use serde_json::{Value, json};

use crate::process::until;
use crate::service::Service;

/// Who of this test's people was told what: address, and subject or text. Sorted, since what one commit makes goes out at
/// once, in any order.
fn letters(service: &Service, count: usize) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |letter: &Value| {
        let said = if letter["channel"] == "email" { "subject" } else { "text" };
        (text(&letter["to"]), text(&letter[said]))
    };
    let listed = || {
        let answer = service.api("GET", "/mailbox?limit=100", None).expect(200).json();
        let mut told: Vec<_> = answer["data"].as_array().unwrap().iter().map(told).collect();
        // The story that development tells at its start has people of its own.
        told.retain(|(to, _)| to.ends_with("@notices.example") || to == NUMBER);
        (told.len() >= count).then_some(told)
    };
    let mut told = until("the letters", listed);
    assert_eq!(told.len(), count, "{told:#?}");
    told.sort();
    told
}

/// A number of the range that is kept for stories.
const NUMBER: &str = "+447700900123";

fn request(service: &Service) -> (String, Vec<String>) {
    let body = json!({
        "title": "NDA for Acme", "send": true, "signing_order": "sequential",
        "sender": {"name": "John Doe", "email": "john@notices.example"},
        "signers": [
            {"name": "Ana Pop", "email": "ana@notices.example"},
            {"name": "Bernd Maier", "email": "bernd@notices.example", "locale": "de-AT"},
            {"name": "Cleo", "mobile": "+44 7700 900123", "send_to": {"email": false, "sms": true}},
        ],
    });
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    let signers = made["signers"].as_array().unwrap().iter();
    let signers = signers.map(|signer| signer["id"].as_str().unwrap().to_owned()).collect();
    (made["id"].as_str().unwrap().to_owned(), signers)
}

fn sign(service: &Service, request: &str, signer: &str) {
    let path = format!("/requests/{request}/signers/{signer}/sign");
    let body = json!({"name": "A", "consent": "I agree"});
    assert_eq!(service.api("POST", &path, Some(&body)).status(), 200);
}

#[test]
fn each_signer_is_told_at_their_turn_in_their_language_and_all_at_the_end() {
    let service = Service::develop(&[]);
    let (id, signers) = request(&service);
    let first = letters(&service, 1);
    assert_eq!(first[0].0, "ana@notices.example");
    assert!(first[0].1.contains("NDA for Acme"), "{first:?}");
    sign(&service, &id, &signers[0]);
    let second = letters(&service, 3);
    let told: Vec<&str> = second.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(told, ["ana@notices.example", "bernd@notices.example", "john@notices.example"]);
    sign(&service, &id, &signers[1]);
    let third = letters(&service, 6);
    let sms = third.iter().find(|(to, _)| to == NUMBER).unwrap();
    let expected = "You've been sent \"NDA for Acme\" by John Doe. Please review & sign: ";
    assert!(sms.1.starts_with(expected), "{sms:?}");
    sign(&service, &id, &signers[2]);
    let all = letters(&service, 9);
    let done = |(_, text): &&(String, String)| {
        text.contains("accepted by all parties. Download your document here: http")
    };
    assert_eq!(all.iter().filter(done).count(), 1, "{all:?}");
    let path = format!("/requests/{id}/timeline");
    let attempts = until("the attempts", || {
        let timeline = service.api("GET", &path, None).expect(200).json();
        let entries = timeline["data"].as_array().unwrap().iter();
        let ending = |entry: &Value| entry["attempt"]["ending"].as_str().map(str::to_owned);
        let endings: Vec<String> = entries.filter_map(ending).collect();
        (endings.len() == 9).then_some(endings)
    });
    assert!(attempts.iter().all(|ending| ending.starts_with("accepted prv_")), "{attempts:?}");
    service.stop();
}

#[test]
fn who_has_not_signed_is_reminded_on_day_3_7_and_14_and_no_more() {
    let service = Service::develop(&[]);
    let (id, signers) = request(&service);
    assert_eq!(letters(&service, 1).len(), 1);
    for (days, count) in [("P3D", 2), ("P4D", 3), ("P7D", 4)] {
        service.advance(days);
        let told = letters(&service, count);
        assert!(told.iter().all(|(to, _)| to == "ana@notices.example"), "{told:?}");
    }
    service.advance("P30D");
    let path = format!("/requests/{id}/remind");
    assert_eq!(service.api("POST", &path, None).status(), 200);
    let again = service.api("POST", &path, None);
    assert_eq!(again.status(), 429);
    assert_eq!(again.header("retry-after").map(|s| s.parse::<u32>().unwrap() <= 3_601), Some(true));
    assert_eq!(letters(&service, 5).len(), 5, "one by hand, none by the days");
    sign(&service, &id, &signers[0]);
    assert_eq!(letters(&service, 7).len(), 7);
    service.stop();
}

/// Three people who are told by short message alone, and sign in any order.
fn parallel(service: &Service) -> (String, Vec<String>) {
    let signer = |number: u32| {
        let send_to = json!({"email": false, "sms": true});
        let mobile = format!("+44770090012{number}");
        json!({"name": format!("Signer {number}"), "mobile": mobile, "send_to": send_to})
    };
    let body = json!({
        "title": "NDA for Acme", "send": true, "signing_order": "parallel",
        "sender": {"name": "John Doe", "email": "john@notices.example"},
        "signers": [signer(3), signer(4), signer(5), signer(6)],
    });
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    let signers = made["signers"].as_array().unwrap().iter();
    let signers = signers.map(|signer| signer["id"].as_str().unwrap().to_owned()).collect();
    (made["id"].as_str().unwrap().to_owned(), signers)
}

/// Waits until a number of texts came to the number of this test, and gives them.
fn texts_to(service: &Service, count: usize) -> Vec<String> {
    until("the short messages", || {
        let answer = service.api("GET", "/mailbox?limit=100", None).expect(200).json();
        let letters = answer["data"].as_array().unwrap().iter();
        let mine = letters.filter(|letter| letter["to"] == NUMBER);
        let texts: Vec<String> =
            mine.map(|letter| letter["text"].as_str().unwrap().to_owned()).collect();
        (texts.len() == count).then_some(texts)
    })
}

#[test]
fn the_short_messages_are_those_of_the_vendors_with_a_plural_of_their_own() {
    let service = Service::develop(&[]);
    let (id, signers) = parallel(&service);
    // What is past is told to nobody, so each is waited for.
    let mut texts = texts_to(&service, 1);
    for (signer, count) in signers.iter().zip([1, 2, 3, 4]) {
        sign(&service, &id, signer);
        texts = texts_to(&service, count);
    }
    let link = texts.iter().find_map(|text| {
        text.strip_prefix("You've been sent \"NDA for Acme\" by John Doe. Please review & sign: ")
    });
    let path = link.unwrap().strip_prefix(&format!("http://{}", service.address)).unwrap();
    assert!(path.starts_with("/l/"), "{path}");
    let expected = [
        format!(
            "You've been sent \"NDA for Acme\" by John Doe. Please review & sign: {}",
            link.unwrap()
        ),
        "Signer 4 has signed \"NDA for Acme\". 2 more signatures needed to complete the document."
            .to_owned(),
        "Signer 5 has signed \"NDA for Acme\". 1 more signature needed to complete the document."
            .to_owned(),
        format!(
            "\"NDA for Acme\" has been accepted by all parties. Download your document here: {}",
            link.unwrap()
        ),
    ];
    for text in &expected {
        assert!(texts.contains(text), "{text} is not among {texts:#?}");
    }
    service.stop();
}
