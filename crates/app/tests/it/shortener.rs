//! Shorteners from outside: asked once for a signer, and nobody waits for one that fails.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::http::{Message, Receiver};
use crate::process::until;
use crate::service::{LOCAL, Service};

/// A number of the range that is kept for stories.
const NUMBER: &str = "+447700900123";

/// What a vendor that stands in says: status and body, or nothing at all.
type Says = Option<(u16, String)>;

/// A vendor that says the same to every call.
struct Vendor {
    url: String,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Vendor {
    fn that_says(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<Message>>>::default();
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(call) = Message::read(&mut reader) {
                    kept.lock().unwrap().push(call);
                    let Some((status, body)) = &says else { break };
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}", body.len());
                    write!(stream, "{head}\r\n\r\n{body}").unwrap();
                }
                open.push(stream);
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }
}

/// Starts a service whose messages go to a gateway.
fn service(gateway: &Receiver) -> Service {
    let service = Service::start(&LOCAL);
    let sms = json!({"url": gateway.url("/sms"), "body": {"to": "{to}", "text": "{text}"}});
    let mail = json!({"api_key": "k", "from": "a@example.com", "base_url": gateway.url("")});
    for (kind, settings) in [("http_sms", sms), ("resend", mail)] {
        let body = json!({"name": kind, "kind": kind, "settings": settings});
        service.api("POST", "/providers", Some(&body)).expect(201);
    }
    service
}

/// Has a vendor shorten the links.
fn shorten(service: &Service, vendor: &Vendor) {
    let body = json!({
        "kind": "bitly", "domain": "go.example.com", "group": "B1", "base_url": vendor.url,
        "token": "t0ken",
    });
    service.api("PUT", "/shortener", Some(&body)).expect(200);
}

/// Sends a request to two people, to the first one over both channels; gives its id and those of the people.
fn sent(service: &Service) -> (String, Vec<String>) {
    let body = json!({
        "title": "NDA", "send": true, "signing_order": "sequential",
        "signers": [
            {"name": "Ana", "email": "ana@example.com", "mobile": NUMBER,
             "send_to": {"email": true, "sms": true}},
            {"name": "Bo", "mobile": "+447700900124", "send_to": {"email": false, "sms": true}},
        ],
    });
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let signers = made["signers"].as_array().unwrap().iter();
    (text(&made["id"]), signers.map(|signer| text(&signer["id"])).collect())
}

/// Waits for so many short messages to the first person; gives their texts.
fn texts(gateway: &Receiver, count: usize) -> Vec<String> {
    let to_ana = |call: &&Message| call.word(1) == "/sms" && call.json()["to"] == NUMBER;
    let heard = gateway.until(|calls| calls.iter().filter(to_ana).count() >= count);
    let texts = heard.iter().filter(to_ana).map(Message::json);
    texts.map(|body| body["text"].as_str().unwrap().to_owned()).collect()
}

/// Waits for the first attempt of a request's notices, and gives its note.
fn note(service: &Service, request: &str) -> String {
    let path = format!("/requests/{request}/timeline");
    until("the attempt", || {
        let timeline = service.api("GET", &path, None).expect(200).json();
        let entries = timeline["data"].as_array().unwrap().iter();
        let mut attempts = entries.filter(|entry| entry["attempt"].is_object());
        attempts.next().map(Value::to_string)
    })
}

#[test]
fn a_vendor_is_asked_once_for_all_messages_to_a_signer() {
    let short = "https://go.example.com/4abC";
    let gateway = Receiver::start();
    let vendor = Vendor::that_says(Some((200, json!({"link": short}).to_string())));
    let first = service(&gateway);
    shorten(&first, &vendor);
    let (request, signers) = sent(&first);
    assert!(texts(&gateway, 1)[0].ends_with(short));
    let is_mail = |call: &&Message| call.word(1).starts_with("/emails");
    let heard = gateway.until(|calls| calls.iter().any(|call| is_mail(&call)));
    let mail = heard.iter().find(is_mail).unwrap().json();
    assert!(mail["text"].as_str().unwrap().contains(short), "{mail}");
    assert_eq!(first.api("POST", &format!("/requests/{request}/remind"), None).status(), 200);
    assert!(texts(&gateway, 2)[1].ends_with(short));
    // Another process finds it on the disk.
    let service = Service::start_in(first.end(), &LOCAL);
    for signer in &signers {
        let path = format!("/requests/{request}/signers/{signer}/sign");
        let body = json!({"name": "A", "consent": "I agree"});
        service.api("POST", &path, Some(&body)).expect(200);
    }
    assert!(texts(&gateway, 3).iter().all(|text| text.ends_with(short)));
    let heard = vendor.heard();
    let [for_ana, for_bo] = heard.as_slice() else { panic!("{heard:#?}") };
    assert_eq!(for_ana.header("authorization"), Some("Bearer t0ken"));
    let said = for_ana.json();
    let long = said["long_url"].as_str().unwrap();
    let expected = json!({"long_url": long, "domain": "go.example.com", "group_guid": "B1"});
    assert_eq!(said, expected, "nothing but the link");
    assert_ne!(for_bo.json()["long_url"], long);
    service.stop();
}

#[test]
fn what_a_vendor_knows_dies_with_the_request() {
    let gateway = Receiver::start();
    let vendor = Vendor::that_says(Some((200, r#"{"link":"https://go.example.com/4"}"#.into())));
    let service = service(&gateway);
    shorten(&service, &vendor);
    let (request, _signers) = sent(&service);
    texts(&gateway, 1);
    let long = vendor.heard()[0].json()["long_url"].as_str().unwrap().to_owned();
    let path = format!("/l/{}", long.split("/l/").nth(1).unwrap());
    assert_eq!(service.send("GET", &path, &[], b"").status(), 302);
    service.api("POST", &format!("/requests/{request}/cancel"), None).expect(200);
    assert_eq!(service.send("GET", &path, &[], b"").status(), 410);
    service.stop();
}

#[test]
fn a_message_goes_out_with_the_long_link_when_a_vendor_fails() {
    let link = |link: &str| Some((200, json!({"link": link}).to_string()));
    let cases: [(Says, &str); 6] = [
        (Some((500, "<html>".to_owned())), "500"),
        (Some((429, r#"{"message":"MONTHLY_LIMIT"}"#.to_owned())), "MONTHLY_LIMIT"),
        (Some((200, "\u{0}{".to_owned())), "the answer makes no sense"),
        (link("https://evil.example/x"), "the short URL is not on go.example.com"),
        (link("javascript:alert(1)"), "the answer makes no sense"),
        (None, "headers_timeout"),
    ];
    let gateway = Receiver::start();
    let service = service(&gateway);
    let long = format!("http://{}/l/", service.address);
    for (number, (says, why)) in cases.into_iter().enumerate() {
        let vendor = Vendor::that_says(says);
        shorten(&service, &vendor);
        let (request, _signers) = sent(&service);
        texts(&gateway, 2 * number + 1);
        let note = note(&service, &request);
        assert!(note.contains("the link was not shortened by bitly"), "{why}: {note}");
        assert!(note.contains(why) && !note.contains("/l/"), "{why}: {note}");
        // It is left alone now, so the next message does not wait for it.
        assert_eq!(service.api("POST", &format!("/requests/{request}/remind"), None).status(), 200);
        texts(&gateway, 2 * number + 2);
        assert_eq!(vendor.heard().len(), 1, "{why}");
    }
    let texts = texts(&gateway, 12);
    assert!(texts.iter().all(|text| text.contains(&long)), "{texts:#?}");
    service.stop();
}
