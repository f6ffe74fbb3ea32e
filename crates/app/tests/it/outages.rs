//! Providers that are away, over their limit, or talk nonsense; and a service that dies in the middle of a message.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Message, Receiver, reply};
use crate::process::{TIME_MAX, until};
use crate::service::{LOCAL, Service};
use crate::vendors::{Vendor, vendor};

/// An address that nobody listens at, until the test does.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.77.0.1:0").unwrap().local_addr().unwrap()
}

/// A service whose clock can be moved, and that has no provider.
fn develop() -> Service {
    let service = Service::develop(&[]);
    // Development begins with a request of its own.
    until("its signer to be told", || {
        let letters = service.api("GET", "/mailbox", None).expect(200).json();
        (letters["data"].as_array().unwrap().len() == 1).then_some(())
    });
    let providers = service.api("GET", "/providers", None).expect(200).json();
    for provider in providers["data"].as_array().unwrap() {
        let path = format!("/providers/{}", provider["id"].as_str().unwrap());
        service.api("DELETE", &path, None).expect(204);
    }
    service
}

/// Gives the registration of a stand-in, with changes.
fn at(vendor: &Vendor, address: SocketAddr, changes: Value) -> Value {
    let mut registration = vendor.registration(&format!("http://{address}"));
    let (Value::Object(into), Value::Object(more)) = (&mut registration, changes) else {
        panic!("no objects")
    };
    into.extend(more);
    registration
}

/// Sends a request to one person, who is told by mail, or by mail and short message; gives its id.
fn request(service: &Service, number: usize, sms: bool) -> String {
    let body = json!({
        "title": "NDA for Acme", "send": true, "reminders": {"days": []},
        "sender": {"name": "John Doe", "email": "john@example.net"},
        "signers": [{
            "name": "Ana Pop", "email": format!("ana{number}@example.net"),
            "mobile": "+447700900121", "send_to": {"email": true, "sms": sms},
        }],
    });
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// Gives the attempts of a request's notices: when, and how each ended.
fn attempts(service: &Service, request: &str) -> Vec<(String, String)> {
    let path = format!("/requests/{request}/timeline");
    let timeline = service.api("GET", &path, None).expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = timeline["data"].as_array().unwrap().iter();
    let attempts = entries.filter(|entry| entry["attempt"]["notice_id"].is_string());
    attempts.map(|entry| (text(&entry["at"]), text(&entry["attempt"]["ending"]))).collect()
}

/// Waits until a request has so many attempts, and gives how they ended.
fn endings(service: &Service, request: &str, count: usize) -> Vec<String> {
    until("the attempts", || {
        let attempts = attempts(service, request);
        (attempts.len() >= count).then(|| attempts.into_iter().map(|(_, ending)| ending).collect())
    })
}

/// Counts how often each message was heard, by our key; by its text where a vendor has no key.
fn counted(heard: &[Message]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in heard {
        let text = call.text();
        let place = text.find("ntc_").unwrap_or_else(|| panic!("no key in {text}"));
        let key = text.split_at(place).1.chars().take(30).collect();
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Waits until nothing is due: a clock that jumps would cut off what is under way.
fn idle(service: &Service) {
    until("all that was due", || {
        let list = service.api("GET", "/deliveries?state=pending&limit=100", None);
        let now = service.api("GET", "/clock", None).expect(200).json();
        let now = now["now"].as_str().unwrap();
        // Times are written so that they sort as texts.
        let is_due = |delivery: &Value| delivery["due_at"].as_str().unwrap() <= now;
        let due = list.expect(200).json()["data"].as_array().unwrap().iter().any(is_due);
        (!due).then_some(())
    });
}

#[test]
fn a_service_that_is_away_for_two_hours_loses_nothing_and_doubles_nothing() {
    let service = develop();
    let (mails, texts) = (nobody(), nobody());
    service.provider(&at(&vendor("sendgrid"), mails, json!({})));
    service.provider(&at(&vendor("twilio"), texts, json!({})));
    let requests: Vec<String> = (0..20).map(|number| request(&service, number, true)).collect();
    for request in &requests {
        let endings = endings(&service, request, 2);
        assert!(endings.iter().all(|ending| ending.starts_with("later ")), "{endings:?}");
    }
    for _ in 0..24 {
        service.advance("PT5M");
        idle(&service);
    }
    // The last of them were queued while all was away, and tried as seldom as the first.
    let late = request(&service, 20, true);
    let tried = attempts(&service, &requests[0]).len();
    assert!((6..=30).contains(&tried), "{tried}");
    let [mails, texts] = [(mails, "sendgrid"), (texts, "twilio")].map(|(address, kind)| {
        let vendor = vendor(kind);
        Receiver::answering(address, move |_, count| vendor.yes(count))
    });
    let all = requests.len() + 1;
    until("everybody to be told", || {
        service.advance("PT5M");
        idle(&service);
        (mails.heard().len() + texts.heard().len() >= 2 * all).then_some(())
    });
    for request in requests.iter().chain([&late]) {
        until("two that were accepted", || {
            let attempts = attempts(&service, request);
            let accepted = attempts.iter().filter(|(_, ending)| ending.starts_with("accepted "));
            (accepted.count() == 2).then_some(())
        });
    }
    service.advance("P1D");
    let counts = |receiver: &Receiver| counted(&receiver.heard());
    for receiver in [&mails, &texts] {
        assert!(counts(receiver).values().all(|count| *count == 1), "{:?}", counts(receiver));
    }
    service.stop();
}

#[test]
fn the_second_service_takes_over_within_seconds_and_the_first_gets_its_work_back() {
    for trouble in [None, Some((429, "")), Some((503, "")), Some((401, ""))] {
        let service = develop();
        let first = nobody();
        let second = vendor("postmark").start();
        let taken = service.provider(&at(&vendor("sendgrid"), first, json!({"priority": 1})));
        service.provider(&at(&vendor("postmark"), second.address(), json!({"priority": 2})));
        let is_up = Arc::new(AtomicBool::new(false));
        let up = Arc::clone(&is_up);
        let answer = move |count| match trouble {
            Some((status, body)) if !up.load(Ordering::SeqCst) => reply(status, &[], body),
            Some(_) | None => vendor("sendgrid").yes(count),
        };
        let mut listening = trouble.map(|_| {
            Receiver::answering(first, {
                let answer = answer.clone();
                move |_, count| answer(count)
            })
        });
        let one = request(&service, 1, false);
        second.until(|heard| heard.len() == 1);
        endings(&service, &one, 2);
        let tried = attempts(&service, &one);
        let [(began, later), (taken_over, accepted)] = tried.as_slice() else {
            panic!("{tried:?}")
        };
        assert!(later.starts_with("later ") && accepted.starts_with("accepted "), "{tried:?}");
        let seconds = |at: &str| {
            let time = at.split(['T', 'Z']).nth(1).unwrap().split(':');
            time.fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
        };
        let waited = (seconds(taken_over) - seconds(began)).rem_euclid(86_400.0);
        assert!(waited < 5.0, "{trouble:?}: {waited} s");
        // The next one does not even ask the first.
        let two = request(&service, 2, false);
        assert!(endings(&service, &two, 1)[0].starts_with("accepted "));
        is_up.store(true, Ordering::SeqCst);
        if listening.is_none() {
            listening = Some(Receiver::answering(first, move |_, count| answer(count)));
        }
        let before = listening.as_ref().unwrap().heard().len();
        service.advance("PT10M");
        let three = request(&service, 3, false);
        let back = endings(&service, &three, 1);
        assert!(
            back[0].starts_with(&format!("accepted {}", taken["id"].as_str().unwrap())),
            "{back:?}"
        );
        assert_eq!(listening.unwrap().heard().len(), before + 1);
        assert_eq!(second.heard().len(), 2);
        service.stop();
    }
}

/// Starts a stand-in that leaves its first caller without an answer, and says yes to all others.
fn silent_at_first(kind: &'static str) -> Receiver {
    Receiver::answering(([127, 0, 0, 1], 0).into(), move |_, count| {
        if count == 0 {
            // Longer than any test takes.
            thread::park_timeout(TIME_MAX * 4);
        }
        vendor(kind).yes(count)
    })
}

/// Has a message on its way when the service is killed; gives the service after its next start, the provider, its
/// stand-in, and the request.
fn killed_in_the_middle(
    kind: &'static str,
    on_unknown: &str,
) -> (Service, Value, Receiver, String) {
    let service = develop();
    let receiver = silent_at_first(kind);
    let registration = at(&vendor(kind), receiver.address(), json!({"on_unknown": on_unknown}));
    let provider = service.provider(&registration);
    let request = request(&service, 1, false);
    receiver.until(|heard| heard.len() == 1);
    let service = Service::develop_in(service.kill(), &[]);
    let endings = endings(&service, &request, 1);
    assert!(endings[0].starts_with("unknown "), "{endings:?}");
    (service, provider, receiver, request)
}

#[test]
fn a_message_that_a_crash_cut_off_is_said_again_where_the_provider_knows_it_by_its_key() {
    let (service, _, receiver, request) = killed_in_the_middle("resend", "wait");
    service.advance("PT1M");
    let heard = receiver.until(|heard| heard.len() == 2);
    let keys: BTreeSet<_> = heard.iter().map(|call| call.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    // The same message, but for where this service can be reached, which a start on any port changes.
    let same = |call: &Message| {
        let parts = call.text();
        let parts = parts.split("http://127.0.0.1:");
        parts.map(|part| part.trim_start_matches(char::is_numeric).to_owned()).collect::<String>()
    };
    assert_eq!(same(&heard[0]), same(&heard[1]));
    assert!(endings(&service, &request, 2)[1].starts_with("accepted "));
    service.stop();
}

#[test]
fn a_message_that_a_crash_cut_off_is_not_said_again_where_nobody_may_get_it_twice() {
    let (service, _, receiver, request) = killed_in_the_middle("postmark", "never");
    service.advance("P2D");
    assert_eq!(endings(&service, &request, 1).len(), 1);
    assert_eq!(receiver.heard().len(), 1);
    let lost = service.api("GET", "/deliveries?state=exhausted", None).expect(200).json();
    assert_eq!(lost["data"].as_array().unwrap().len(), 1, "and somebody can see it: {lost:#}");
    service.stop();
}

#[test]
fn a_message_that_a_crash_cut_off_is_said_again_at_once_where_twice_is_better_than_never() {
    let (service, _, receiver, request) = killed_in_the_middle("postmark", "again");
    service.advance("PT1M");
    receiver.until(|heard| heard.len() == 2);
    assert!(endings(&service, &request, 2)[1].starts_with("accepted "));
    service.stop();
}

#[test]
fn a_message_that_a_crash_cut_off_waits_for_its_report_and_is_said_again_without_one() {
    for reported in [true, false] {
        let (service, provider, receiver, request) = killed_in_the_middle("postmark", "wait");
        service.advance("PT14M");
        assert_eq!(receiver.heard().len(), 1);
        if reported {
            let key = counted(&receiver.heard()).into_keys().next().unwrap();
            let report = json!({
                "RecordType": "Delivery", "MessageID": "0a129aee-e1cd-480d-b08d-4f48548ff48d",
                "Metadata": {"notice_id": key}, "Recipient": "ana1@example.net",
                "DeliveredAt": "2026-07-02T10:00:02Z", "Details": "250 2.0.0 OK",
            });
            let url = provider["feedback_url"].as_str().unwrap();
            let (_, path) = url.split_once("/feedback/").unwrap();
            // `reports:of the reports`
            let basic = [
                ("authorization", "Basic cmVwb3J0czpvZiB0aGUgcmVwb3J0cw=="),
                ("content-type", "application/json"),
            ];
            service
                .send("POST", &format!("/feedback/{path}"), &basic, report.to_string().as_bytes())
                .expect(200);
        }
        service.advance("PT2M");
        let endings = endings(&service, &request, 2);
        assert!(endings[1].starts_with("accepted "), "{endings:?}");
        assert_eq!(receiver.heard().len(), if reported { 1 } else { 2 });
        service.stop();
    }
}

#[test]
fn whatever_moment_the_service_is_killed_at_each_message_reaches_its_provider() {
    // Slow enough that some are always on their way.
    let receiver = Receiver::answering(([127, 0, 0, 1], 0).into(), |_, count| {
        thread::park_timeout(Duration::from_millis(40));
        vendor("resend").yes(count)
    });
    let mut service = Service::start(&LOCAL);
    service.provider(&at(&vendor("resend"), receiver.address(), json!({})));
    let mut sent = 0;
    for round in 0..4 {
        for number in 0..20 + round {
            request(&service, number, false);
            sent += 1;
        }
        service = Service::start_in(service.kill(), &LOCAL);
    }
    let heard = receiver.until(|heard| counted(heard).len() == sent);
    // Resend knows a mail by its key, so that a person gets one of two with the same key.
    for call in &heard {
        let key = call.header("idempotency-key").unwrap();
        assert!(call.text().contains(key.strip_suffix("/1").unwrap()));
    }
    until("no message that is under way", || {
        let waiting =
            service.api("GET", "/deliveries?state=pending&limit=1", None).expect(200).json();
        waiting["data"].as_array().unwrap().is_empty().then_some(())
    });
    assert_eq!(counted(&receiver.heard()).len(), sent, "and no other");
    service.stop();
}

#[test]
fn whatever_a_provider_answers_stands_on_the_timeline() {
    let answers: [(&[u8], &str); 9] = [
        (b"HTTP/1.1 400 Bad\r\ncontent-length: 35\r\n\r\n{\"errors\":[{\"message\":\"no subject\"}]}", "refused "),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "later "),
        (b"HTTP/1.1 429 Slow\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n", "later "),
        (b"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n", "later "),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 3\r\n\r\nTrb", "unknown "),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\nconnection: close\r\n\r\n{\"half", "unknown "),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "unknown "),
        (b"\x00\xff\xfe garbage", "unknown "),
        (b"", "unknown "),
    ];
    let service = develop();
    for (answer, expected) in answers {
        let receiver = Receiver::answering(([127, 0, 0, 1], 0).into(), move |_, _| answer.to_vec());
        let made = service.provider(&at(
            &vendor("sendgrid"),
            receiver.address(),
            json!({"on_unknown": "never"}),
        ));
        let request = request(&service, 1, false);
        let ending = endings(&service, &request, 1).remove(0);
        assert!(ending.starts_with(expected), "{}: {ending}", String::from_utf8_lossy(answer));
        service.api("POST", &format!("/requests/{request}/cancel"), None).expect(200);
        service
            .api("DELETE", &format!("/providers/{}", made["id"].as_str().unwrap()), None)
            .expect(204);
    }
    service.stop();
}
