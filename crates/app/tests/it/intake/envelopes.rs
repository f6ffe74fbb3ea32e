//! Envelopes of eSignAnyWhere: callbacks that say little, links that exist only for those whose turn it is, an end that only
//! asking tells, and an envelope that comes back to life.

use serde_json::{Value, json};

use super::api::{API_TOKEN, Api};
use super::caught::{inbox, mirror, rows, source, timeline, until_mirror};
use crate::process::until;
use crate::service::Service;

const PLACE: &str = "/Api/v6.0/envelope/e-1";
const ANA: (&str, &str) = ("a-1", "ana@example.com");
const BERND: (&str, &str) = ("a-2", "bernd@example.com");

/// What the interface shows of a person's part.
fn activity((id, email): (&str, &str), status: &str) -> Value {
    let finished = (status != "Pending").then_some("2026-07-02T11:00:00Z");
    let person = json!({"ContactInformation": {"Email": email, "GivenName": id}});
    json!({"Id": id, "Status": status, "OpenedDate": null, "FinishedDate": finished,
        "Action": {"Sign": {"RecipientConfiguration": person}}})
}

/// Has the interface show an envelope, and the links of those whose turn it is.
fn shows(api: &Api, status: &str, parts: [&str; 2], turn: Option<(&str, &str)>) {
    let activities = [activity(ANA, parts[0]), activity(BERND, parts[1])];
    let envelope = json!({"Id": "e-1", "EnvelopeStatus": status, "Name": "Example contract",
        "SentDate": "2026-07-02T10:00:00Z", "Activities": activities});
    let links = turn.iter().map(|(id, email)| {
        json!({"ActivityId": id, "Email": email, "ViewerLink": format!("https://vendor.example/{id}")})
    });
    let links = json!({"ViewerLinks": links.collect::<Vec<_>>()});
    api.says(PLACE, &envelope);
    api.says(&format!("{PLACE}/viewerlinks"), &links);
}

fn start(api: &Api) -> (Service, String, String) {
    let service = Service::develop(&[]);
    let settings = json!({"api_token": API_TOKEN, "base_url": api.url("/Api/v6.0")});
    let (source, path) = source(&service, "esaw", &settings);
    (service, source, path)
}

fn call(service: &Service, path: &str, action: &str) {
    service.send("GET", &format!("{path}?envelopeId=e-1&action={action}"), &[], b"").expect(200);
}

/// Has the vendor call, and waits until that is read.
fn said(service: &Service, (source, path): (&str, &str), action: &str) {
    call(service, path, action);
    assert_eq!(inbox(service, source)[0]["state"], "done");
}

fn told(service: &Service, source: &str) -> Vec<String> {
    let id = mirror(service, source)["id"].as_str().unwrap().to_owned();
    timeline(service, &id).into_iter().map(|(name, _)| name).collect()
}

/// Gives the addresses that letters went to, sorted.
fn letters(service: &Service, count: usize) -> Vec<String> {
    let mut to = until("the letters", || {
        let list = service.api("GET", "/mailbox?limit=100", None).expect(200).json();
        let list = list["data"].as_array().unwrap().iter();
        let mine = list.filter(|letter| letter["subject"].to_string().contains("Example contract"));
        let to: Vec<String> =
            mine.map(|letter| letter["to"].as_str().unwrap().to_owned()).collect();
        (to.len() >= count).then_some(to)
    });
    to.sort();
    to
}

#[test]
fn the_next_one_is_told_when_the_one_before_has_signed_and_their_link_is_there() {
    let api = Api::start();
    let (service, source, path) = start(&api);
    let of = (source.as_str(), path.as_str());
    shows(&api, "Active", ["Pending", "Pending"], Some(ANA));
    said(&service, of, "sendSignNotification");
    assert_eq!(letters(&service, 1), [ANA.1]);
    let shown = mirror(&service, &source);
    let status = |shown: &Value, at: usize| shown["signers"][at]["status"].clone();
    assert_eq!((status(&shown, 0), status(&shown, 1)), (json!("notified"), json!("waiting")));

    shows(&api, "Active", ["Completed", "Pending"], Some(BERND));
    said(&service, of, "workstepFinished");
    assert_eq!(letters(&service, 2), [ANA.1, BERND.1]);
    let shown = mirror(&service, &source);
    assert_eq!((status(&shown, 0), status(&shown, 1)), (json!("signed"), json!("notified")));

    shows(&api, "Completed", ["Completed", "Completed"], None);
    said(&service, of, "envelopeFinished");
    let expected = [
        "request.sent",
        "signer.notified",
        "signer.signed",
        "signer.notified",
        "signer.signed",
        "request.completed",
    ];
    assert_eq!(told(&service, &source), expected);
    assert_eq!(mirror(&service, &source)["progress"], 100);
    service.stop();
}

#[test]
fn an_envelope_that_finished_by_a_refusal_is_declined() {
    let api = Api::start();
    let (service, source, path) = start(&api);
    let of = (source.as_str(), path.as_str());
    shows(&api, "Active", ["Pending", "Pending"], Some(ANA));
    said(&service, of, "sendSignNotification");
    // The vendor calls before it has written down the end.
    call(&service, &path, "envelopeFinished");
    until("the first asking", || {
        let note = rows(&service, &source)[0]["note"].clone();
        note.as_str().is_some_and(|note| note.contains("not written down the end")).then_some(())
    });
    assert_eq!(mirror(&service, &source)["status"], "sent");
    shows(&api, "Rejected", ["Rejected", "Pending"], None);
    service.advance("PT1M");
    until_mirror(&service, &source, "declined");
    let expected = ["request.sent", "signer.notified", "signer.declined", "request.declined"];
    assert_eq!(told(&service, &source), expected);
    service.stop();
}

#[test]
fn an_envelope_that_expired_comes_back_to_life_and_is_signed() {
    let api = Api::start();
    let (service, source, path) = start(&api);
    let of = (source.as_str(), path.as_str());
    shows(&api, "Active", ["Pending", "Pending"], Some(ANA));
    said(&service, of, "workstepOpened");
    shows(&api, "Expired", ["Pending", "Pending"], None);
    said(&service, of, "envelopeExpired");
    assert_eq!(mirror(&service, &source)["status"], "expired");
    shows(&api, "Active", ["Completed", "Pending"], Some(BERND));
    said(&service, of, "workstepFinished");
    let shown = mirror(&service, &source);
    assert_eq!((&shown["status"], &shown["progress"]), (&json!("sent"), &json!(50)));
    shows(&api, "Completed", ["Completed", "Completed"], None);
    said(&service, of, "envelopeFinished");
    assert_eq!(mirror(&service, &source)["status"], "completed");
    let told = told(&service, &source);
    let once = |name: &str| told.iter().filter(|told| *told == name).count();
    let counts = ["request.expired", "signer.signed", "request.completed"].map(once);
    assert_eq!(counts, [1, 2, 1], "{told:?}");
    service.stop();
}
