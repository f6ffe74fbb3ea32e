//! Three people sign one after the other, and are told by the operator's own services: by each of them in turn, over
//! real sockets, the mail server a real one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::http::Receiver;
use crate::process::{Running, python, until};
use crate::service::{LOCAL, Service};
use crate::vendors::{AWS_SECRET, Handed, SECRET, Vendor, vendor, vendors};

/// Numbers of the range that is kept for stories.
const NUMBERS: [&str; 3] = ["+447700900121", "+447700900122", "+447700900123"];

/// What carries mails in a round, or what carries short messages.
enum Carrier {
    Vendor { vendor: Vendor, receiver: Receiver },
    MailServer(MailServer),
}

/// `aiosmtpd` as a child of the test.
struct MailServer {
    running: Running,
    port: u16,
    taken: RefCell<Vec<Handed>>,
}

impl MailServer {
    fn start() -> Self {
        let mut command = python("mail_server.py");
        command.stdin(Stdio::piped());
        let running = Running::start(command);
        let line = running.until("port ").pop().unwrap();
        let port = line.strip_prefix("port ").unwrap().parse().unwrap();
        Self { running, port, taken: RefCell::default() }
    }

    fn registration(&self) -> Value {
        json!({"kind": "smtp", "name": "smtp", "settings": {
            "host": "127.0.0.1", "port": self.port, "tls": "none_insecure", "username": "ada",
            "password": "correct horse", "from": "sign@example.com", "from_name": "Example",
            "reply_to": "support@example.com", "return_path": "bounces.example.com",
        }})
    }

    /// Waits until so many mails were taken.
    fn until(&self, count: usize) -> Vec<Handed> {
        let mut taken = self.taken.borrow_mut();
        while taken.len() < count {
            let line = self.running.until("{").pop().unwrap();
            let mail: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(mail["ascii"], true, "{mail:#}");
            assert!(mail["longest_line"].as_u64().unwrap() <= 78, "{mail:#}");
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let header = |name: &str| text(&mail["headers"][name]);
            assert_eq!(header("from"), "Example <sign@example.com>");
            assert_eq!(header("reply-to"), "support@example.com");
            assert_eq!(header("auto-submitted"), "auto-generated");
            let (key, to) = (header("x-notice-id"), text(&mail["to"][0]));
            assert_eq!(header("message-id"), format!("<{key}@example.com>"));
            assert!(header("to").contains(&format!("<{to}>")), "{mail:#}");
            assert!(text(&mail["return_path"]).starts_with(&format!("b+{key}")), "{mail:#}");
            taken.push(Handed {
                id: format!("{key}@example.com"),
                key,
                to,
                subject: header("subject"),
                text: text(&mail["text"]),
                html: text(&mail["html"]),
            });
        }
        taken.clone()
    }
}

/// One provider at work.
struct Line {
    carrier: Carrier,
    id: String,
    feedback_url: String,
}

impl Line {
    fn open(service: &Service, carrier: Carrier) -> Self {
        let registration = match &carrier {
            Carrier::Vendor { vendor, receiver } => vendor.registration(&receiver.url("")),
            Carrier::MailServer(server) => server.registration(),
        };
        let made = service.provider(&registration);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { carrier, id: text("id"), feedback_url: text("feedback_url") }
    }

    fn close(&self, service: &Service) {
        service.api("DELETE", &format!("/providers/{}", self.id), None).expect(204);
    }

    /// Waits until exactly so many messages were handed over, and gives them as people read them.
    fn handed(&self, count: usize) -> Vec<Handed> {
        match &self.carrier {
            Carrier::MailServer(server) => server.until(count),
            Carrier::Vendor { vendor, receiver } => {
                let calls = receiver.until(|heard| heard.len() >= count);
                let read = |(at, call)| vendor.read(call, at, &self.feedback_url);
                calls.iter().enumerate().map(read).collect()
            }
        }
    }
}

/// Ana reads English and wants both, Bernd reads German and wants both, Cleo wants short messages alone.
fn request(service: &Service) -> (String, Vec<String>) {
    let both = json!({"email": true, "sms": true});
    let body = json!({
        "title": "NDA for Acme", "send": true, "signing_order": "sequential",
        "sender": {"name": "John Doe", "email": "john@example.net"},
        "signers": [
            {"name": "Ana Pop", "email": "ana@example.net", "mobile": NUMBERS[0], "send_to": both},
            {"name": "Bernd Maier", "email": "bernd@example.net", "mobile": NUMBERS[1], "send_to": both,
             "locale": "de-AT"},
            {"name": "Cleo", "mobile": NUMBERS[2], "send_to": {"email": false, "sms": true}},
        ],
    });
    let made = service.api("POST", "/requests", Some(&body)).expect(201).json();
    let signers = made["signers"].as_array().unwrap().iter();
    let signers = signers.map(|signer| signer["id"].as_str().unwrap().to_owned()).collect();
    (made["id"].as_str().unwrap().to_owned(), signers)
}

/// What people are told at each step: to whom, and how the subject or the text begins. `{link}` is a short link.
const MAILS: [&[(&str, &str)]; 4] = [
    &[("ana", "John Doe has sent you \"NDA for Acme\" to sign")],
    &[
        ("bernd", "John Doe bittet um Ihre Unterschrift: „NDA for Acme“"),
        ("john", "Ana Pop has signed \"NDA for Acme\""),
    ],
    &[
        ("ana", "Bernd Maier has signed \"NDA for Acme\""),
        ("john", "Bernd Maier has signed \"NDA for Acme\""),
    ],
    &[
        ("ana", "\"NDA for Acme\" has been accepted by all parties"),
        ("bernd", "„NDA for Acme“ wurde von allen Parteien angenommen"),
    ],
];

const TEXTS: [&[(usize, &str)]; 4] = [
    &[(0, "You've been sent \"NDA for Acme\" by John Doe. Please review & sign: {link}")],
    &[(1, "John Doe hat Ihnen \"NDA for Acme\" gesendet. Bitte prüfen und unterschreiben: {link}")],
    &[
        (
            0,
            "Bernd Maier has signed \"NDA for Acme\". 1 more signature needed to complete the document.",
        ),
        (2, "You've been sent \"NDA for Acme\" by John Doe. Please review & sign: {link}"),
    ],
    &[
        (
            0,
            "\"NDA for Acme\" has been accepted by all parties. Download your document here: {link}",
        ),
        (
            1,
            "\"NDA for Acme\" wurde von allen Parteien angenommen. Laden Sie Ihr Dokument hier herunter: {link}",
        ),
        (
            2,
            "\"NDA for Acme\" has been accepted by all parties. Download your document here: {link}",
        ),
    ],
];

/// Opens a short link as a browser does, up to the signing page or the document.
fn follow(service: &Service, link: &str) {
    let path = link.strip_prefix(&format!("http://{}", service.address)).unwrap();
    assert!(path.starts_with("/l/"), "{link}");
    let answer = service.send("GET", path, &[], b"");
    assert!((301..=308).contains(&answer.status()), "{answer:?}");
    let page = answer.header("location").unwrap();
    let page = page.strip_prefix(&format!("http://{}", service.address)).unwrap_or(page);
    let shown = service.send("GET", page, &[], b"").expect(200);
    assert!(shown.text().contains("NDA for Acme"), "{}", shown.text());
}

/// Checks a text against what is expected, and its link by following it.
fn is_the_text(service: &Service, text: &str, expected: &str) {
    match expected.split_once("{link}") {
        None => assert_eq!(text, expected),
        Some((before, "")) => {
            let link =
                text.strip_prefix(before).unwrap_or_else(|| panic!("{text} is no {expected}"));
            follow(service, link);
        }
        Some(_) => panic!("a link stands at the end: {expected}"),
    }
}

/// Checks what is new at a step.
fn told(service: &Service, step: usize, (mails, texts): (&[Handed], &[Handed])) {
    let mut said: Vec<(String, String)> = mails
        .iter()
        .map(|mail| (mail.to.split('@').next().unwrap().to_owned(), mail.subject.clone()))
        .collect();
    said.sort();
    let expected: Vec<(String, String)> =
        MAILS[step].iter().map(|(to, subject)| ((*to).to_owned(), (*subject).to_owned())).collect();
    assert_eq!(said, expected, "step {step}");
    for mail in mails {
        assert!(
            mail.text.contains("NDA for Acme") && mail.html.contains("NDA for Acme"),
            "{mail:?}"
        );
        assert!(mail.html.contains("</html>"), "{mail:?}");
    }
    if step == 1 {
        let john = mails.iter().find(|mail| mail.to.starts_with("john")).unwrap();
        assert!(john.text.contains("2 more signatures needed"), "{john:?}");
    }
    let mut texts: Vec<&Handed> = texts.iter().collect();
    let digits = |number: &str| number.trim_start_matches('+').to_owned();
    texts.sort_by_key(|text| digits(&text.to));
    let to: Vec<String> = texts.iter().map(|text| digits(&text.to)).collect();
    let expected: Vec<String> = TEXTS[step].iter().map(|(at, _)| digits(NUMBERS[*at])).collect();
    assert_eq!(to, expected, "step {step}");
    for (text, (_, expected)) in texts.iter().zip(TEXTS[step]) {
        is_the_text(service, &text.text, expected);
    }
}

/// Gives the attempts of a request's notices: the notice, and how it ended.
fn attempts(service: &Service, request: &str, count: usize) -> BTreeMap<String, String> {
    let path = format!("/requests/{request}/timeline");
    until("the attempts", || {
        let timeline = service.api("GET", &path, None).expect(200).json();
        let entries = timeline["data"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let of = |entry: &Value| {
            let attempt = &entry["attempt"];
            Some((text(&attempt["notice_id"])?, text(&attempt["ending"])?))
        };
        let attempts: Vec<_> = entries.filter_map(of).collect();
        assert!(attempts.len() <= count, "{attempts:#?}");
        (attempts.len() == count).then(|| attempts.into_iter().collect())
    })
}

fn a_request_is_told_of(service: &Service, mails: &Line, texts: &Line) {
    let (request, signers) = request(service);
    let (mut mails_seen, mut texts_seen) = (Vec::new(), Vec::new());
    for step in 0..4 {
        let (mails_before, texts_before) = (mails_seen.len(), texts_seen.len());
        mails_seen = mails.handed(mails_before + MAILS[step].len());
        texts_seen = texts.handed(texts_before + TEXTS[step].len());
        told(service, step, (&mails_seen[mails_before..], &texts_seen[texts_before..]));
        if let Some(signer) = signers.get(step) {
            let path = format!("/requests/{request}/signers/{signer}/sign");
            let consent = json!({"name": "A", "consent": "I agree"});
            service.api("POST", &path, Some(&consent)).expect(200);
        }
    }
    let attempts = attempts(service, &request, 14);
    let ended = |key: &str| attempts.get(key).map(String::as_str);
    for (line, seen) in [(mails, &mails_seen), (texts, &texts_seen)] {
        let mut ids: Vec<String> =
            seen.iter().map(|handed| format!("accepted {} {}", line.id, handed.id)).collect();
        for handed in seen.iter().filter(|handed| !handed.key.is_empty()) {
            let expected = format!("accepted {} {}", line.id, handed.id);
            assert_eq!(ended(&handed.key), Some(expected.as_str()));
        }
        let mut known: Vec<String> =
            attempts.values().filter(|ending| ending.contains(&line.id)).cloned().collect();
        ids.sort();
        known.sort();
        assert_eq!(known, ids, "each on the timeline, with its provider's id");
    }
}

#[test]
fn three_people_are_told_of_each_step_in_two_languages_by_every_service() {
    let service = Service::start(&[&LOCAL[..], &["--log", "trace"]].concat());
    let carrier = |vendor: Vendor| {
        let receiver = vendor.start();
        Carrier::Vendor { vendor, receiver }
    };
    let is_mail = |vendor: &Vendor| vendor.settings.get("from_name").is_some();
    let (mails, texts): (Vec<_>, Vec<_>) = vendors().into_iter().partition(is_mail);
    assert_eq!((mails.len(), texts.len()), (5, 9));
    let mut mails: Vec<Carrier> = mails.into_iter().map(carrier).collect();
    mails.push(Carrier::MailServer(MailServer::start()));
    let mut mails = mails.into_iter();
    let mut line = Line::open(&service, mails.next().unwrap());
    for texts in texts {
        let texts = Line::open(&service, carrier(texts));
        a_request_is_told_of(&service, &line, &texts);
        texts.close(&service);
        // There are more services for short messages than for mails.
        line.close(&service);
        let next = mails.next().unwrap_or_else(|| carrier(vendor("resend")));
        line = Line::open(&service, next);
    }
    let providers = service.api("GET", "/providers", None).expect(200).text();
    let log = service.last_words().join("\n");
    assert!(log.contains("a notice was handed over"), "{log}");
    for secret in [SECRET, AWS_SECRET, "api-secret-of-16", "correct horse", "of the reports"] {
        assert!(!log.contains(secret) && !providers.contains(secret), "{secret} is there to read");
        let encoded = BASE64_STANDARD.encode(secret);
        assert!(!log.contains(encoded.trim_end_matches('=')), "{secret} is there to read");
    }
}
