//! Two services: one tells its requests as a vendor would, the other catches them as that vendor's.

use serde_json::{Value, json};

use crate::process::until;
use crate::service::{KEY, LOCAL, Service};

/// Connects the one to the other in a vendor's words, `more` among the settings; gives the source.
fn connected(emits: &Service, catches: &Service, vendor: &str, more: &Value) -> String {
    let token = "the-token-of-the-hook";
    let mut settings = more.clone();
    if vendor == "clickwrap" {
        settings["token"] = json!(token);
    }
    let source = json!({"vendor": vendor, "name": vendor, "settings": settings});
    let source = catches.api("POST", "/sources", Some(&source)).expect(201).json();
    let mut url = source["intake_url"].as_str().unwrap().to_owned();
    if vendor == "fintechos" || vendor == "esaw" {
        url.push_str(
            "?envelopeId=##EnvelopeId##&recipientEmail=##RecipientEmail##&recipientOrder=##RecipientOrder##&action=##Action##",
        );
    }
    let mut endpoint = json!({"url": url, "events": ["*"], "dialect": vendor});
    if vendor == "clickwrap" {
        endpoint["token"] = json!(token);
    }
    emits.api("POST", "/endpoints", Some(&endpoint)).expect(201);
    source["id"].as_str().unwrap().to_owned()
}

fn request(service: &Service) -> (String, Vec<String>) {
    let body = json!({
        "title": "NDA for Acme", "send": true, "signing_order": "sequential",
        "sender": {"name": "Grace Hopper", "email": "grace@example.com"},
        "signers": [
            {"name": "Ada Lovelace", "email": "ada@example.com"},
            {"name": "Alan Turing", "email": "alan@example.com"},
        ],
    });
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    let signers = made["signers"].as_array().unwrap().iter();
    let signers = signers.map(|signer| signer["id"].as_str().unwrap().to_owned()).collect();
    (made["id"].as_str().unwrap().to_owned(), signers)
}

/// Counts the events of a kind in the log.
fn count(service: &Service, name: &str) -> usize {
    let list = service.api("GET", &format!("/events?type={name}&limit=100"), None);
    list.expect(200).json()["data"].as_array().unwrap().len()
}

/// Waits until the only mirror has a status, and gives it.
fn mirror(service: &Service, status: &str) -> Value {
    until("the mirror", || {
        let list = service.api("GET", "/requests", None).expect(200).json();
        let mirrors = list["data"].as_array().unwrap();
        assert!(mirrors.len() <= 1, "{list:#}");
        mirrors.first().filter(|mirror| mirror["status"] == status).cloned()
    })
}

/// Gives the names of what happened on a request's timeline, in order.
fn happened(service: &Service, request: &str) -> Vec<String> {
    let timeline = service.api("GET", &format!("/requests/{request}/timeline"), None);
    let timeline = timeline.expect(200).json();
    let entries = timeline["data"].as_array().unwrap().iter();
    let kinds = entries.filter_map(|entry| entry["event"]["type"].as_str());
    kinds.map(str::to_owned).collect()
}

fn check(vendor: &str, decline: bool) {
    let (emits, catches) = (Service::start(&LOCAL), Service::start(&LOCAL));
    let source = connected(&emits, &catches, vendor, &json!({}));
    let (request, signers) = request(&emits);
    let consent = json!({"name": "A", "consent": "I agree"});
    let act = |signer: &str, what: &str| {
        let path = format!("/requests/{request}/signers/{signer}/{what}");
        let body = if what == "sign" { Some(&consent) } else { None };
        emits.api("POST", &path, body).expect(200);
    };
    act(&signers[0], "sign");
    act(&signers[1], if decline { "decline" } else { "sign" });
    // A vendor that has no word for a refusal leaves the mirror as it was.
    let end = if decline { "declined" } else { "completed" };
    let mirror = mirror(&catches, end);
    assert_eq!(mirror["origin"], source);
    let signed = if decline { 1 } else { 2 };
    // FintechOS names nobody, so that one signature cannot be told from another that comes again, nor from a refusal.
    let names_signers = vendor != "fintechos";
    until("each signature once", || {
        (!names_signers || count(&catches, "signer.signed") == signed).then_some(())
    });
    let (theirs, ours) =
        (happened(&emits, &request), happened(&catches, mirror["id"].as_str().unwrap()));
    for kind in ["signer.signed", "request.completed", "request.declined"] {
        if kind == "signer.signed" && !names_signers {
            continue;
        }
        let of = |all: &[String]| all.iter().filter(|name| *name == kind).count();
        assert_eq!(of(&ours), of(&theirs), "{vendor}, {kind}: {ours:?} of {theirs:?}");
    }
    emits.stop();
    catches.stop();
}

#[test]
fn what_one_tells_as_a_vendor_the_other_catches_as_it_happened() {
    for vendor in ["clickwrap", "insertsign", "fintechos", "esaw"] {
        check(vendor, false);
    }
}

#[test]
fn a_refusal_is_caught_where_the_vendor_has_a_word_for_it() {
    for vendor in ["fintechos", "esaw"] {
        check(vendor, true);
    }
}

/// Where each vendor's interface stands in for the vendor's, as a source is told.
fn interface(vendor: &str) -> &'static str {
    match vendor {
        "clickwrap" => "/v1.1",
        "esaw" => "/Api/v6.0",
        "fintechos" => "/Api/v6",
        other => panic!("{other} has no interface"),
    }
}

fn check_asking(vendor: &str) {
    let (emits, catches) = (Service::start(&LOCAL), Service::start(&LOCAL));
    let base = format!("http://{}{}", emits.address, interface(vendor));
    let source = connected(&emits, &catches, vendor, &json!({"api_token": KEY, "base_url": base}));
    let (request, signers) = request(&emits);
    let sent = mirror(&catches, "sent");
    assert_eq!((&sent["origin"], &sent["title"]), (&json!(source), &json!("NDA for Acme")));
    let people = sent["signers"].as_array().unwrap().iter();
    let people: Vec<&str> = people.map(|signer| signer["email"].as_str().unwrap()).collect();
    assert_eq!(people, ["ada@example.com", "alan@example.com"], "thin webhooks name nobody");
    for (index, signer) in signers.iter().enumerate() {
        let path = format!("/requests/{request}/signers/{signer}/sign");
        let consent = json!({"name": "A", "consent": "I agree"});
        emits.api("POST", &path, Some(&consent)).expect(200);
        until("the signature", || (count(&catches, "signer.signed") > index).then_some(()));
    }
    let mirror = mirror(&catches, "completed");
    let page = mirror["signers"][0]["foreign_url"].as_str().unwrap();
    assert!(page.starts_with(&format!("http://{}/s/", emits.address)), "{page}");
    assert_eq!(count(&catches, "signer.signed"), 2);
    assert_eq!(count(&catches, "request.completed"), 1);
    emits.stop();
    catches.stop();
}

#[test]
fn what_a_webhook_leaves_out_is_asked_for_at_the_others_interface() {
    for vendor in ["clickwrap", "esaw", "fintechos"] {
        check_asking(vendor);
    }
}
