//! What is sent, and what the answer means.

use std::collections::BTreeMap;

use channels::provider::Sending;
use domain::call::{Answer, Call};
use domain::message::{Mail, Mailbox, Message, Reception};
use domain::provider::{Provider, Secrets};
use serde_json::{Value, json};

use super::{all, fixture, mailgun, now, of, parsed, postmark, resend, sendgrid, ses};

fn message(from: &str, to_name: Option<&str>) -> Message {
    Message::Email(Mail {
        key: "ntf_01J8Z3".to_owned(),
        from: Mailbox { name: Some("Example".to_owned()), address: from.to_owned() },
        reply_to: Some("support@example.com".to_owned()),
        to: Mailbox {
            name: to_name.map(ToOwned::to_owned),
            address: "ana.pop@example.net".to_owned(),
        },
        subject: "NDA for Acme - Signature requested by John Doe".to_owned(),
        text: "Please review and sign: https://sign.example.com/s/8f2c".to_owned(),
        html: Some(
            "<p>Please review and sign: <a href=\"https://sign.example.com/s/8f2c\">open</a></p>"
                .to_owned(),
        ),
        tag: Some("signature-request".to_owned()),
    })
}

fn built(provider: &Provider, message: &Message) -> Call {
    let sending = Sending { now: now(), nonce: [7; 16], feedback_url: None };
    of(provider).build(provider, message, &sending).unwrap()
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap()
}

#[test]
fn a_mail_becomes_the_documented_request() {
    for (provider, url, fixture) in [
        (
            ses(),
            "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails",
            fixture!("ses/send-email.request.json"),
        ),
        (
            sendgrid(),
            "https://api.sendgrid.com/v3/mail/send",
            fixture!("sendgrid/mail-send.request.json"),
        ),
        (postmark(), "https://api.postmarkapp.com/email", fixture!("postmark/email.request.json")),
        (resend(), "https://api.resend.com/emails", fixture!("resend/emails.request.json")),
    ] {
        let call = built(&provider, &message("sign@example.com", Some("Ana Pop")));
        assert_eq!(call.url.as_str(), url);
        assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), parsed(fixture), "{url}");
        assert_eq!(header(&call, "content-type"), "application/json");
    }
}

#[test]
fn mailgun_takes_a_form_of_several_parts() {
    let call = built(&mailgun(), &message("sign@mg.example.com", Some("Ana Pop")));
    assert_eq!(call.url.as_str(), "https://api.mailgun.net/v3/mg.example.com/messages");
    let boundary = header(&call, "content-type").rsplit_once("boundary=").unwrap().1;
    let body = String::from_utf8(call.body.clone()).unwrap();
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for part in body
        .strip_suffix(&format!("--{boundary}--\r\n"))
        .unwrap()
        .split(&format!("--{boundary}\r\n"))
        .skip(1)
    {
        let (head, value) = part.split_once("\r\n\r\n").unwrap();
        let name = head.strip_prefix("content-disposition: form-data; name=\"").unwrap();
        fields.insert(
            name.trim_end_matches('"').to_owned(),
            value.strip_suffix("\r\n").unwrap().into(),
        );
    }
    let expected = parsed(fixture!("mailgun/messages.request.json"))["fields"].clone();
    assert_eq!(serde_json::to_value(fields).unwrap(), expected);
}

#[test]
fn each_proves_itself_with_its_own_header() {
    let message = message("sign@example.com", None);
    for (provider, name, value) in [
        (sendgrid(), "authorization", "Bearer se-cret"),
        (mailgun(), "authorization", "Basic YXBpOnNlLWNyZXQ="),
        (postmark(), "x-postmark-server-token", "se-cret"),
        (resend(), "authorization", "Bearer se-cret"),
        (resend(), "idempotency-key", "ntf_01J8Z3/1"),
    ] {
        assert_eq!(header(&built(&provider, &message), name), value);
    }
    let signed = built(&ses(), &message);
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260702/eu-west-1/ses/aws4_request, ";
    assert!(header(&signed, "authorization").starts_with(scope));
    let idempotent: Vec<_> = all().map(|provider| of(&provider).has_idempotency()).to_vec();
    assert_eq!(idempotent, [false, false, false, false, true]);
}

#[test]
fn a_stand_in_takes_the_place_of_the_vendor() {
    for mut provider in all() {
        provider.settings.insert("base_url".to_owned(), "http://127.0.0.1:8080/".into());
        let call = built(&provider, &message("sign@example.com", None));
        assert_eq!(call.url.host_str(), Some("127.0.0.1"));
        assert!(!call.url.path().starts_with("//"), "{}", call.url);
    }
}

#[test]
fn what_cannot_be_said_is_not_built() {
    let sending = Sending { now: now(), nonce: [7; 16], feedback_url: None };
    for provider in all() {
        let broken = message("sign@example.com>\r\nBcc: x@example.com", None);
        assert!(of(&provider).build(&provider, &broken, &sending).is_err());
        let unset = Provider { secrets: Secrets::default(), ..provider };
        let whole = message("sign@example.com", None);
        let why = of(&unset).build(&unset, &whole, &sending).unwrap_err().to_string();
        assert!(why.contains("set it"), "{why}");
    }
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for provider in all() {
        assert_eq!(of(&provider).check(&provider), []);
        for field in of(&provider).fields() {
            assert!(field.about.ends_with('.'), "{}", field.name);
        }
    }
    for (mut provider, name, value) in [
        (ses(), "region", "Ireland"),
        (ses(), "topic_arn", "ses-events"),
        (sendgrid(), "verification_key", "MFkw"),
        (mailgun(), "domain", "mg.example.com/x"),
        (resend(), "from", "sign"),
        (postmark(), "feedback_header", "x-secret"),
    ] {
        provider.settings.insert(name.to_owned(), value.into());
        let flaws = of(&provider).check(&provider);
        assert_eq!(flaws.len(), 1, "{name}: {flaws:?}");
    }
}

fn answer(status: u16, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Answer { status, body, ..Answer::default() }
}

/// An answer, what becomes of the message by it, and the provider's id for that.
type Case = (u16, Value, Reception, Option<&'static str>);

const TAKEN: Reception = Reception::Accepted;
const REFUSED: Reception = Reception::Refused { suppressed: false };
const SUPPRESSED: Reception = Reception::Refused { suppressed: true };
const LATER: Reception = Reception::Later { after_s: None, provider: true };
const UNKNOWN: Reception = Reception::Unknown;

fn check(provider: &Provider, cases: &[Case]) {
    for (status, body, reception, id) in cases {
        let receipt = of(provider).read(provider, &answer(*status, body));
        assert_eq!(receipt.reception, *reception, "{status} {body}");
        assert_eq!(receipt.message_id.as_deref(), *id, "{status} {body}");
    }
}

#[test]
fn answers_of_ses_are_read_as_documented() {
    let id = "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000";
    let error = |kind: &str| json!({ "__type": kind, "message": "no" });
    check(
        &ses(),
        &[
            (200, parsed(fixture!("ses/send-email.response.json")), TAKEN, Some(id)),
            (429, parsed(fixture!("ses/error.throttled.json"))["body"].clone(), LATER, None),
            (400, error("MessageRejected"), REFUSED, None),
            (400, error("aws#LimitExceededException"), LATER, None),
            (200, json!("?"), UNKNOWN, None),
            (500, json!({}), UNKNOWN, None),
        ],
    );
}

#[test]
fn answers_of_sendgrid_are_read_as_documented() {
    check(
        &sendgrid(),
        &[
            (202, Value::Null, TAKEN, None),
            (400, parsed(fixture!("sendgrid/error.json")), REFUSED, None),
            (429, json!({}), LATER, None),
            (503, json!({}), LATER, None),
            (502, json!({}), UNKNOWN, None),
        ],
    );
}

#[test]
fn answers_of_mailgun_are_read_as_documented() {
    let id = "20260702100000.1.ABCDEF0123456789@mg.example.com";
    check(
        &mailgun(),
        &[
            (200, parsed(fixture!("mailgun/messages.response.json")), TAKEN, Some(id)),
            (400, parsed(fixture!("mailgun/error.json"))["body"].clone(), REFUSED, None),
            (404, json!({}), LATER, None),
            (200, json!("<html>"), UNKNOWN, None),
        ],
    );
}

#[test]
fn answers_of_postmark_are_read_as_documented() {
    let inactive = parsed(fixture!("postmark/error.inactive-recipient.json"))["body"].clone();
    let id = "0a129aee-e1cd-480d-b08d-4f48548ff48d";
    check(
        &postmark(),
        &[
            (200, parsed(fixture!("postmark/email.response.json")), TAKEN, Some(id)),
            (422, inactive, SUPPRESSED, None),
            (422, json!({ "ErrorCode": 300 }), REFUSED, None),
            (422, json!({ "ErrorCode": 405 }), LATER, None),
            (200, json!({ "ErrorCode": 300 }), REFUSED, None),
            (200, json!("OK"), UNKNOWN, None),
            (401, json!({ "ErrorCode": 10 }), LATER, None),
        ],
    );
}

#[test]
fn answers_of_resend_are_read_as_documented() {
    let id = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794";
    let under_way = Reception::Later { after_s: None, provider: false };
    check(
        &resend(),
        &[
            (200, parsed(fixture!("resend/emails.response.json")), TAKEN, Some(id)),
            (422, parsed(fixture!("resend/error.json"))["body"].clone(), REFUSED, None),
            (409, json!({ "name": "invalid_idempotent_request" }), TAKEN, None),
            (409, json!({ "name": "concurrent_idempotent_requests" }), under_way, None),
            (500, json!({}), LATER, None),
            (200, json!([]), UNKNOWN, None),
        ],
    );
}

#[test]
fn headers_of_answers_are_heard() {
    let named = |name, value: &str| vec![(name, value.to_owned())];
    let taken = Answer {
        headers: named("x-message-id", "14c5d75ce93dfd64b469"),
        ..answer(202, &Value::Null)
    };
    assert_eq!(
        of(&sendgrid()).read(&sendgrid(), &taken).message_id.as_deref(),
        Some("14c5d75ce93dfd64b469")
    );
    let error = "LimitExceededException:http://internal.amazon.com/";
    let full = Answer {
        headers: named("x-amzn-errortype", error),
        retry_after_s: Some(7),
        ..answer(400, &json!({}))
    };
    let receipt = of(&ses()).read(&ses(), &full);
    assert_eq!(receipt.reception, Reception::Later { after_s: Some(7), provider: true });
    assert_eq!(receipt.detail, "status 400: LimitExceededException");
}

#[test]
fn no_secret_shows() {
    for provider in all() {
        assert!(!format!("{provider:?}").contains("se-cret"));
        let call = format!("{:?}", built(&provider, &message("sign@example.com", None)));
        assert!(!call.contains("se-cret") && !call.contains("YXBpOn"), "{call}");
        let echo = answer(502, &json!("<html> authorization: Bearer se-cret </html>"));
        assert!(!format!("{:?}", of(&provider).read(&provider, &echo)).contains("se-cret"));
    }
}
