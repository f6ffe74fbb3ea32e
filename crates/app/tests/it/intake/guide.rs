//! The guide: a request at Ironclad Clickwrap from "sent" to "complete", its interface asked for what thin webhooks leave
//! out; the right people are told over the right channels, and an endpoint of one's own hears of each step once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::{API_TOKEN, Api, signer};
use super::caught::{PROOF, TOKEN, clickwrap, inbox, mirror, post, source, timeline};
use crate::http::Receiver;
use crate::process::until;
use crate::service::Service;

const ANA: &str = "ana@guide.example";
const BERND: &str = "bernd@guide.example";
/// A number of the range that is kept for stories.
const NUMBER: &str = "+447700900177";
const PATH: &str = "/v1.1/requests/r-1";

/// What the interface says of a request to two people.
fn request(status: &str, ana: &str, bernd: &str, wrapped: bool) -> Value {
    let bare = json!({
        "name": "NDA for Acme", "from_name": "John Doe", "status": status,
        "signers": [
            signer(ANA, ("Ana", "Pop"), Some(NUMBER), ana),
            signer(BERND, ("Bernd", "Maier"), None, bernd),
        ],
    });
    if wrapped { json!({"data": bare}) } else { bare }
}

/// A letter: to whom, and the subject or the text without its link.
type Letter = (String, String, Option<String>);

/// Waits until this test's people have so many letters, and gives them sorted.
fn letters(service: &Service, count: usize) -> Vec<Letter> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |letter: &Value| {
        let is_mail = letter["channel"] == "email";
        let said = text(&letter[if is_mail { "subject" } else { "text" }]);
        let words = text(&letter["text"]);
        let link = words.split_whitespace().find(|word| word.contains("/l/")).map(str::to_owned);
        let said = link.iter().fold(said, |said, link| said.replace(link, "{link}"));
        (text(&letter["to"]), said, link)
    };
    let mut told = until("the letters", || {
        let answer = service.api("GET", "/mailbox?limit=100", None).expect(200).json();
        let mut told: Vec<Letter> = answer["data"].as_array().unwrap().iter().map(read).collect();
        told.retain(|(to, ..)| to.ends_with("@guide.example") || to == NUMBER);
        (told.len() >= count).then_some(told)
    });
    assert_eq!(told.len(), count, "{told:#?}");
    told.sort();
    told
}

/// Opens a short link, and gives the page that it leads to.
fn leads_to(service: &Service, link: &str) -> String {
    let path = link.strip_prefix(&format!("http://{}", service.address)).unwrap();
    let answer = service.send("GET", path, &[], b"");
    assert!((301..=308).contains(&answer.status()), "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// A service with a source that can ask the stand-in.
fn start(api: &Api) -> (Service, (String, String)) {
    let service = Service::develop(&[]);
    let base = api.url("/v1.1");
    let settings = json!({"token": TOKEN, "api_token": API_TOKEN, "base_url": base});
    let source = source(&service, "clickwrap", &settings);
    (service, source)
}

/// Has the vendor say something of the request, now.
fn said(service: &Service, path: &str, word: &str, signer: Option<&str>) {
    let event = format!("{word}-{}", signer.unwrap_or_default());
    let mut body: Value = serde_json::from_str(&clickwrap(word, &event, "r-1", signer)).unwrap();
    let clock = service.api("GET", "/clock", None).expect(200).json();
    body["created_time"] = clock["now"].clone();
    if let Some(signer) = signer {
        let name = if signer == ANA { "Ana Pop" } else { "Bernd Maier" };
        body["description"] = json!(format!("{name} signed NDA for Acme"));
    }
    post(service, path, &PROOF, &body.to_string()).expect(200);
}

fn the_guide(wrapped: bool, complete_first: bool) {
    let api = Api::start();
    let (service, (source, path)) = start(&api);
    let receiver = Receiver::start();
    let endpoint = json!({"url": receiver.url("/hook"), "events": ["*"]});
    service.api("POST", "/endpoints", Some(&endpoint)).expect(201);

    api.says(PATH, &request("sent", "sent", "sent", wrapped));
    said(&service, &path, "request_sent", None);
    is_told(&service, &SENT);
    let asked = api.until_asked(1);
    let authorization = format!("Bearer {API_TOKEN}");
    assert_eq!(asked[0].header("authorization"), Some(authorization.as_str()));

    api.says(PATH, &request("sent", "signed", "opened", wrapped));
    said(&service, &path, "request_signed", Some(ANA));
    inbox(&service, &source);
    assert_eq!(mirror(&service, &source)["progress"], 50);

    api.says(PATH, &request("completed", "signed", "signed", wrapped));
    let mut last = [("request_signed", Some(BERND)), ("request_complete", None)];
    if complete_first {
        last.reverse();
    }
    for (word, signer) in last {
        said(&service, &path, word, signer);
        inbox(&service, &source);
    }
    let mirror = mirror(&service, &source);
    assert_eq!((&mirror["status"], &mirror["progress"]), (&json!("completed"), &json!(100)));
    is_told(&service, &[&SENT[..], &COMPLETE].concat());

    let told = timeline(&service, mirror["id"].as_str().unwrap());
    let heard = receiver.until(|heard| {
        let id = json!(mirror["id"]);
        heard.iter().filter(|call| call.json()["data"]["request"]["id"] == id).count() >= told.len()
    });
    let mut once = BTreeMap::new();
    for call in &heard {
        let type_ = call.json()["type"].as_str().unwrap().to_owned();
        *once.entry(type_).or_insert(0) += 1;
    }
    let expected = [
        ("request.completed", 1),
        ("request.sent", 1),
        ("signer.notified", 2),
        ("signer.signed", 2),
        ("signer.viewed", 1),
    ];
    assert_eq!(once, expected.map(|(name, count)| (name.to_owned(), count)).into());
    service.stop();
}

/// Who is told when it was sent, how, and where the link leads.
const SENT: [(&str, &str, &str); 3] = [
    (
        NUMBER,
        "You've been sent \"NDA for Acme\" by John Doe. Please review & sign: {link}",
        "https://vendor.example/sign/ana@guide.example",
    ),
    (
        ANA,
        "John Doe has sent you \"NDA for Acme\" to sign",
        "https://vendor.example/sign/ana@guide.example",
    ),
    (
        BERND,
        "John Doe has sent you \"NDA for Acme\" to sign",
        "https://vendor.example/sign/bernd@guide.example",
    ),
];

/// Who is told when all have signed.
const COMPLETE: [(&str, &str, &str); 3] = [
    (
        NUMBER,
        "\"NDA for Acme\" has been accepted by all parties. Download your document here: {link}",
        "https://vendor.example/sign/ana@guide.example",
    ),
    (
        ANA,
        "\"NDA for Acme\" has been accepted by all parties",
        "https://vendor.example/sign/ana@guide.example",
    ),
    (
        BERND,
        "\"NDA for Acme\" has been accepted by all parties",
        "https://vendor.example/sign/bernd@guide.example",
    ),
];

/// Waits for exactly these letters, and follows their links.
fn is_told(service: &Service, expected: &[(&str, &str, &str)]) {
    let told = letters(service, expected.len());
    let mut told: Vec<(String, String, String)> = told
        .into_iter()
        .map(|(to, said, link)| (to, said, leads_to(service, &link.unwrap())))
        .collect();
    let own = |(to, said, page): &(&str, &str, &str)| {
        ((*to).to_owned(), (*said).to_owned(), (*page).to_owned())
    };
    let mut expected: Vec<_> = expected.iter().map(own).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn a_request_at_clickwrap_is_told_from_sent_to_complete() {
    the_guide(false, false);
}

#[test]
fn a_request_at_clickwrap_is_told_from_sent_to_complete_though_complete_comes_first() {
    the_guide(true, true);
}

#[test]
fn who_has_not_signed_at_the_vendor_is_reminded_on_day_3() {
    let api = Api::start();
    let (service, (source, path)) = start(&api);
    api.says(PATH, &request("sent", "sent", "sent", false));
    said(&service, &path, "request_sent", None);
    is_told(&service, &SENT);
    api.says(PATH, &request("sent", "signed", "sent", false));
    said(&service, &path, "request_signed", Some(ANA));
    inbox(&service, &source);
    service.advance("P3D");
    let reminded = (
        BERND,
        "Reminder: \"NDA for Acme\" is waiting for your signature",
        "https://vendor.example/sign/bernd@guide.example",
    );
    is_told(&service, &[&SENT[..], &[reminded]].concat());
    service.stop();
}
