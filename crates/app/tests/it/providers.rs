//! `countersign providers` against a server of development.

use std::net::TcpListener;
use std::process::Output;

use serde_json::{Value, json};

use crate::process::text;
use crate::service::{KEY, Service};

fn run(service: &Service, args: &[&str]) -> Output {
    let url = format!("http://{}", service.address);
    let server = ["--public-url", url.as_str(), "--api-key", KEY];
    service.scratch.run(&[&["providers"], args, &server].concat())
}

/// Takes on a mail server that nobody listens at, which is off.
fn dead(service: &Service) {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = json!({
        "host": "127.0.0.1", "port": port, "tls": "none_insecure", "from": "sign@example.com",
        "username": "ada", "password": "hunter2-and-three",
    });
    let relay = json!({
        "kind": "smtp", "name": "relay", "priority": 7, "enabled": false, "settings": settings,
    });
    service.api("POST", "/providers", Some(&relay)).expect(201);
}

#[test]
fn a_test_over_the_mailbox_arrives_and_ends_well() {
    let service = Service::develop(&[]);
    let to = "ana@providers.example";
    let told = run(&service, &["test", "mailbox-email", "--to", to]);
    assert!(told.status.success(), "{told:?}");
    let said = text(&told.stdout);
    assert!(said.starts_with("accepted in ") && said.contains("/mailbox"), "{said}");
    let told = run(&service, &["test", "mailbox-email", "--to", to, "--json"]);
    let answer: Value = serde_json::from_str(&text(&told.stdout)).unwrap();
    assert_eq!(answer["reception"], "accepted");
    let path = format!("/mailbox?to={to}");
    let letters = service.api("GET", &path, None).expect(200).json();
    let subjects: Vec<&Value> =
        letters["data"].as_array().unwrap().iter().map(|letter| &letter["subject"]).collect();
    assert_eq!(subjects, ["[Test] A message over mailbox-email"; 2]);
    service.stop();
}

#[test]
fn a_provider_that_nobody_listens_at_ends_with_what_to_do() {
    let service = Service::develop(&[]);
    dead(&service);
    let listed = text(&run(&service, &["list"]).stdout);
    let lines: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "KIND", "CHANNEL", "PRIORITY"]);
    assert_eq!(lines[1], ["relay", "smtp", "email", "7", "off"]);
    assert!(lines.iter().any(|line| line[..2] == ["mailbox-email", "mailbox_email"]), "{listed}");
    let told = run(&service, &["test", "relay", "--to", "ana@providers.example"]);
    assert_eq!(told.status.code(), Some(1));
    let (said, failed) = (text(&told.stdout), text(&told.stderr));
    assert!(said.starts_with("later in "), "{said}");
    let expected = "countersign: relay did not take the message: later\n  because: ";
    assert!(failed.starts_with(expected) && failed.contains("\n  to do: read above "), "{failed}");
    assert!(!format!("{said}{failed}").contains("hunter2"), "{said}{failed}");
    service.stop();
}

#[test]
fn what_cannot_be_tested_is_told_with_what_to_do() {
    let service = Service::develop(&[]);
    let failed = |args: &[&str]| {
        let told = run(&service, args);
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        text(&told.stderr)
    };
    let unknown = failed(&["test", "pigeon", "--to", "ana@providers.example"]);
    let advice = "  to do: name one of ";
    assert!(unknown.starts_with("countersign: there is no provider `pigeon`\n"), "{unknown}");
    assert!(unknown.contains(advice) && unknown.contains("mailbox-email"), "{unknown}");
    let invalid = failed(&["test", "mailbox-email", "--to", "+447700900123"]);
    assert!(invalid.contains("to: expected a mail address"), "{invalid}");
    for _ in 0..5 {
        let told = run(&service, &["test", "mailbox-email", "--to", "ana@providers.example"]);
        assert!(told.status.success(), "{told:?}");
    }
    let busy = failed(&["test", "mailbox-email", "--to", "ana@providers.example"]);
    assert!(busy.starts_with("countersign: the server asks to wait: "), "{busy}");
    assert!(busy.contains("\n  to do: wait as long as it says"), "{busy}");
    service.stop();
}
