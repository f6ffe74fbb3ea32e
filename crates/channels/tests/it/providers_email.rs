//! Providers of mails against what their vendors document: what is sent, what answers and reports mean, what is forged.

use std::collections::BTreeMap;

use channels::provider::{Feedback, Protocol, Received, Sending, Untrusted, protocol};
use domain::call::{Answer, Call};
use domain::id::{AccountId, ProviderId};
use domain::message::{Fact, Mail, Mailbox, Message, Progress, Reception};
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde_json::{Value, json};

const NOW: &str = "2026-07-02T10:00:10Z";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/providers/", $name))
    };
}

fn provider(kind: ProviderKind, settings: &[(&str, &str)], secrets: &[(&str, &str)]) -> Provider {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    Provider {
        id: ProviderId::new(1),
        account: AccountId::new(1),
        name: "mails".to_owned(),
        kind,
        priority: 0,
        rate_limit: None,
        on_unknown: OnUnknown::default(),
        enabled: true,
        settings: settings.collect(),
        created_at: now(),
        updated_at: now(),
        secrets: Secrets { values: secrets.collect::<BTreeMap<_, _>>(), feedback_token: None },
    }
}

fn ses() -> Provider {
    let settings = [
        ("region", "eu-west-1"),
        ("access_key_id", "AKIDEXAMPLE"),
        ("configuration_set", "signing-events"),
        ("topic_arn", "arn:aws:sns:eu-west-1:123456789012:ses-events"),
    ];
    provider(ProviderKind::Ses, &settings, &[("secret_access_key", "se-cret")])
}

fn sendgrid() -> Provider {
    let key = fixed("sendgrid/signature.json", "public_key_base64_der");
    let settings = [("verification_key", key.as_str().unwrap())];
    provider(ProviderKind::Sendgrid, &settings, &[("api_key", "se-cret")])
}

fn mailgun() -> Provider {
    let key = fixed("mailgun/signature.json", "webhook_signing_key");
    let secrets = [("api_key", "se-cret"), ("webhook_signing_key", key.as_str().unwrap())];
    provider(ProviderKind::Mailgun, &[("domain", "mg.example.com")], &secrets)
}

fn postmark() -> Provider {
    let secrets = [("server_token", "se-cret"), ("feedback_password", "se-cret")];
    provider(ProviderKind::Postmark, &[("feedback_user", "reports")], &secrets)
}

fn resend() -> Provider {
    let key = fixed("resend/signature.json", "secret");
    let secrets = [("api_key", "se-cret"), ("signing_secret", key.as_str().unwrap())];
    provider(ProviderKind::Resend, &[], &secrets)
}

fn all() -> [Provider; 5] {
    [ses(), sendgrid(), mailgun(), postmark(), resend()]
}

fn of(provider: &Provider) -> &'static dyn Protocol {
    protocol(provider.kind).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A member of a vector that stands in a file.
fn fixed(name: &str, member: &str) -> Value {
    let text = match name {
        "sendgrid/signature.json" => fixture!("sendgrid/signature.json"),
        "mailgun/signature.json" => fixture!("mailgun/signature.json"),
        _ => fixture!("resend/signature.json"),
    };
    parsed(text)[member].clone()
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

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

#[test]
fn answers_are_read_as_documented() {
    let later = |provider| Reception::Later { after_s: None, provider };
    let refused = |suppressed| Reception::Refused { suppressed };
    let taken = Reception::Accepted;
    for (provider, status, body, reception, id) in [
        (
            ses(),
            200,
            parsed(fixture!("ses/send-email.response.json")),
            taken,
            Some("010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000"),
        ),
        (
            ses(),
            429,
            parsed(fixture!("ses/error.throttled.json"))["body"].clone(),
            later(true),
            None,
        ),
        (ses(), 400, json!({ "__type": "MessageRejected", "message": "no" }), refused(false), None),
        (ses(), 400, json!({ "__type": "aws#LimitExceededException" }), later(true), None),
        (ses(), 200, json!("?"), Reception::Unknown, None),
        (ses(), 500, json!({}), Reception::Unknown, None),
        (sendgrid(), 202, Value::Null, taken, None),
        (sendgrid(), 400, parsed(fixture!("sendgrid/error.json")), refused(false), None),
        (sendgrid(), 429, json!({}), later(true), None),
        (sendgrid(), 503, json!({}), later(true), None),
        (
            mailgun(),
            200,
            parsed(fixture!("mailgun/messages.response.json")),
            taken,
            Some("20260702100000.1.ABCDEF0123456789@mg.example.com"),
        ),
        (
            mailgun(),
            400,
            parsed(fixture!("mailgun/error.json"))["body"].clone(),
            refused(false),
            None,
        ),
        (mailgun(), 404, json!({}), later(true), None),
        (mailgun(), 200, json!("<html>"), Reception::Unknown, None),
        (
            postmark(),
            200,
            parsed(fixture!("postmark/email.response.json")),
            taken,
            Some("0a129aee-e1cd-480d-b08d-4f48548ff48d"),
        ),
        (
            postmark(),
            422,
            parsed(fixture!("postmark/error.inactive-recipient.json"))["body"].clone(),
            refused(true),
            None,
        ),
        (postmark(), 422, json!({ "ErrorCode": 300 }), refused(false), None),
        (postmark(), 422, json!({ "ErrorCode": 405 }), later(true), None),
        (postmark(), 200, json!({ "ErrorCode": 300 }), refused(false), None),
        (postmark(), 200, json!("OK"), Reception::Unknown, None),
        (postmark(), 401, json!({ "ErrorCode": 10 }), later(true), None),
        (
            resend(),
            200,
            parsed(fixture!("resend/emails.response.json")),
            taken,
            Some("49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"),
        ),
        (
            resend(),
            422,
            parsed(fixture!("resend/error.json"))["body"].clone(),
            refused(false),
            None,
        ),
        (resend(), 409, json!({ "name": "invalid_idempotent_request" }), taken, None),
        (resend(), 409, json!({ "name": "concurrent_idempotent_requests" }), later(false), None),
        (resend(), 500, json!({}), later(true), None),
        (resend(), 200, json!([]), Reception::Unknown, None),
    ] {
        let receipt = of(&provider).read(&answer(status, &body));
        assert_eq!(receipt.reception, reception, "{:?} {status} {body}", provider.kind);
        assert_eq!(receipt.message_id.as_deref(), id, "{:?} {status}", provider.kind);
    }
}

#[test]
fn headers_of_answers_are_heard() {
    let named = |name, value: &str| vec![(name, value.to_owned())];
    let taken = Answer {
        headers: named("x-message-id", "14c5d75ce93dfd64b469"),
        ..answer(202, &Value::Null)
    };
    assert_eq!(of(&sendgrid()).read(&taken).message_id.as_deref(), Some("14c5d75ce93dfd64b469"));
    let error = "LimitExceededException:http://internal.amazon.com/";
    let full = Answer {
        headers: named("x-amzn-errortype", error),
        retry_after_s: Some(7),
        ..answer(400, &json!({}))
    };
    let receipt = of(&ses()).read(&full);
    assert_eq!(receipt.reception, Reception::Later { after_s: Some(7), provider: true });
    assert_eq!(receipt.detail, "status 400: LimitExceededException");
}

/// What came in, of the test's own.
#[derive(Clone)]
struct Came {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    now: Timestamp,
    certificate: Option<&'static str>,
}

impl Came {
    fn with(body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), (*value).to_owned()))
            .collect();
        Self { headers, body: body.into(), now: now(), certificate: None }
    }

    fn received(&self) -> Received<'_> {
        Received {
            method: "POST",
            url: "https://sign.example.com/feedback/token",
            headers: &self.headers,
            body: &self.body,
            now: self.now,
            certificate: self.certificate.map(str::as_bytes),
        }
    }

    fn prove(&self, provider: &Provider) -> Result<(), Untrusted> {
        of(provider).prove(provider, &self.received())
    }

    fn read(&self, provider: &Provider) -> Feedback {
        of(provider).reports(&self.received()).unwrap()
    }
}

fn signed_by_sendgrid() -> Came {
    let headers = fixed("sendgrid/signature.json", "headers");
    let headers: Vec<_> = headers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    Came::with(fixed("sendgrid/signature.json", "body").as_str().unwrap(), &headers)
}

fn signed_by_resend() -> Came {
    let headers = fixed("resend/signature.json", "headers");
    let headers: Vec<_> = headers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let came = Came::with(fixed("resend/signature.json", "body").as_str().unwrap(), &headers);
    Came { now: Timestamp::from_millis(1_614_265_330_000), ..came }
}

fn signed_by_mailgun(event: &str) -> Came {
    let mut body = parsed(event);
    body["signature"] = fixed("mailgun/signature.json", "body_signature_block");
    Came::with(body.to_string(), &[])
}

fn from_postmark(event: &str) -> Came {
    Came::with(event, &[("authorization", "Basic cmVwb3J0czpzZS1jcmV0")])
}

fn signed_by_sns(envelope: &str) -> Came {
    let certificate = Some(fixture!("sns/sns.pem"));
    Came { certificate, ..Came::with(envelope, &[]) }
}

fn forged(came: &Came, provider: &Provider) -> bool {
    matches!(came.prove(provider), Err(Untrusted::Forged(_)))
}

#[test]
fn what_is_proven_is_believed() {
    for (provider, came) in [
        (sendgrid(), signed_by_sendgrid()),
        (resend(), signed_by_resend()),
        (mailgun(), signed_by_mailgun(fixture!("mailgun/webhook.delivered.json"))),
        (postmark(), from_postmark(fixture!("postmark/webhook.bounce.json"))),
        (ses(), signed_by_sns(fixture!("sns/notification.v2.json"))),
    ] {
        assert_eq!(came.prove(&provider), Ok(()), "{:?}", provider.kind);
        let unset = Provider { settings: BTreeMap::new(), secrets: Secrets::default(), ..provider };
        assert!(forged(&came, &unset), "{:?}", unset.kind);
    }
}

#[test]
fn a_changed_byte_anywhere_is_forged() {
    for (provider, came) in [
        (sendgrid(), signed_by_sendgrid()),
        (resend(), signed_by_resend()),
        (postmark(), from_postmark("{}")),
    ] {
        for number in 0..came.headers.len() {
            let mut changed = came.clone();
            let value = &mut changed.headers[number].1;
            let last = value.len() - 3;
            let flipped = if &value[last..=last] == "1" { "2" } else { "1" };
            value.replace_range(last..=last, flipped);
            assert!(
                forged(&changed, &provider),
                "{:?} {:?}",
                provider.kind,
                changed.headers[number]
            );
            changed.headers.remove(number);
            assert!(forged(&changed, &provider), "{:?} without {number}", provider.kind);
        }
    }
    for (provider, came) in [(sendgrid(), signed_by_sendgrid()), (resend(), signed_by_resend())] {
        for place in 0..came.body.len() {
            let mut changed = came.clone();
            changed.body[place] ^= 1;
            assert!(forged(&changed, &provider), "{:?} at {place}", provider.kind);
        }
    }
}

#[test]
fn a_proof_runs_out() {
    for (provider, came, lasts_s) in [
        (sendgrid(), signed_by_sendgrid(), 86_392),
        (resend(), signed_by_resend(), 300),
        (mailgun(), signed_by_mailgun(fixture!("mailgun/webhook.delivered.json")), 32_392),
        (ses(), signed_by_sns(fixture!("sns/notification.v2.json")), 3_893),
    ] {
        let at = |later_s| Came { now: came.now.plus_seconds(later_s), ..came.clone() };
        assert_eq!(at(lasts_s).prove(&provider), Ok(()), "{:?}", provider.kind);
        assert!(forged(&at(lasts_s + 1), &provider), "{:?}", provider.kind);
        assert!(forged(&at(-400), &provider), "{:?}", provider.kind);
    }
}

#[test]
fn another_key_proves_nothing() {
    let mut resend = resend();
    resend.secrets.values.insert("signing_secret".to_owned(), Secret::new("whsec_AAAA"));
    assert!(forged(&signed_by_resend(), &resend));
    let mut mailgun = mailgun();
    mailgun.secrets.values.insert("webhook_signing_key".to_owned(), Secret::new("key-other"));
    assert!(forged(&signed_by_mailgun(fixture!("mailgun/webhook.delivered.json")), &mailgun));
    let mut sendgrid = sendgrid();
    let key = sendgrid.settings["verification_key"].as_str().unwrap().replace("XRPC", "XRPD");
    sendgrid.settings.insert("verification_key".to_owned(), key.into());
    assert!(forged(&signed_by_sendgrid(), &sendgrid));
}

#[test]
fn sendgrids_last_line_end_counts() {
    let mut came = signed_by_sendgrid();
    came.body.truncate(came.body.len() - 2);
    assert!(forged(&came, &sendgrid()));
}

#[test]
fn one_of_several_signatures_of_resend_is_enough() {
    let mut came = signed_by_resend();
    let (_, value) = came.headers.iter_mut().find(|(name, _)| name == "svix-signature").unwrap();
    *value = format!("v1,AAAA v2,x {value}");
    assert_eq!(came.prove(&resend()), Ok(()));
}

#[test]
fn mailgun_covers_no_event_so_its_token_is_for_one_use() {
    let whole = signed_by_mailgun(fixture!("mailgun/webhook.delivered.json"));
    let changed = signed_by_mailgun(fixture!("mailgun/webhook.failed-permanent.json"));
    assert_eq!(changed.prove(&mailgun()), Ok(()));
    let (first, second) = (whole.read(&mailgun()), changed.read(&mailgun()));
    assert_ne!(first.reports, second.reports);
    assert!(first.once.is_some());
    assert_eq!(first.once, second.once);
    let body = String::from_utf8(whole.body.clone()).unwrap();
    let other = Came::with(body.replace("a8ce0edb", "a8ce0edc"), &[]);
    assert!(forged(&other, &mailgun()));
}

#[test]
fn postmark_may_come_with_a_header_instead() {
    let settings = [("feedback_header", "X-Reports")];
    let provider =
        provider(ProviderKind::Postmark, &settings, &[("feedback_header_value", "se-cret")]);
    assert_eq!(Came::with("{}", &[("x-reports", "se-cret")]).prove(&provider), Ok(()));
    assert!(forged(&Came::with("{}", &[("x-reports", "se-cret2")]), &provider));
    assert!(forged(&Came::with("{}", &[]), &provider));
}

#[test]
fn sns_is_believed_for_one_topic_and_its_own_certificate() {
    let envelope = fixture!("sns/notification.v2.json");
    let whole = signed_by_sns(envelope);
    let asked = Came { certificate: None, ..whole.clone() }.prove(&ses());
    let url = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0000000000000000000000000000000f.pem";
    assert_eq!(asked, Err(Untrusted::NeedsCertificate(url.to_owned())));
    assert!(forged(&signed_by_sns(fixture!("sns/notification.other-topic.json")), &ses()));
    for certificate in [
        fixture!("sns/sns.expired.pem"),
        fixture!("sns/sns.elsewhere.pem"),
        include_str!("../../fixtures/receiver.test.pem"),
        "nonsense",
    ] {
        assert!(forged(&Came { certificate: Some(certificate), ..whole.clone() }, &ses()));
    }
    // Others beside the certificate must lead to a public authority, which these do not.
    let bundle = concat!(
        include_str!("../../fixtures/providers/sns/sns.pem"),
        include_str!("../../fixtures/authority.pem")
    );
    assert!(forged(&Came { certificate: Some(bundle), ..whole.clone() }, &ses()));
    for (from, to) in [
        ("5.1.1", "5.1.2"),
        ("2026-07-02T10:00:03.400Z", "2026-07-02T10:00:03.401Z"),
        (
            "https://sns.eu-west-1.amazonaws.com/S",
            "https://sns.eu-west-1.amazonaws.com.example.com/S",
        ),
        ("https://sns.eu-west-1.amazonaws.com/S", "http://sns.eu-west-1.amazonaws.com/S"),
        ("\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"1\""),
        ("\"Signature\": \"", "\"Signature\": \"AA"),
    ] {
        assert!(envelope.contains(from), "{from}");
        assert!(forged(&signed_by_sns(&envelope.replace(from, to)), &ses()), "{from}");
    }
    assert!(forged(&signed_by_sns(r#"{"eventType":"Delivery"}"#), &ses()));
}

#[test]
fn a_subscription_is_confirmed_where_sns_lies() {
    let envelope = fixture!("sns/subscription-confirmation.json");
    let came = signed_by_sns(envelope);
    assert_eq!(
        Came { now: "2026-07-02T09:00:01Z".parse().unwrap(), ..came.clone() }.prove(&ses()),
        Ok(())
    );
    let feedback = came.read(&ses());
    let url = parsed(envelope)["SubscribeURL"].as_str().unwrap().to_owned();
    assert_eq!(feedback, Feedback { confirm: Some(url), ..Feedback::default() });
    let elsewhere = signed_by_sns(
        &envelope.replace("https://sns.eu-west-1.amazonaws.com/?", "https://example.com/?"),
    );
    assert!(of(&ses()).reports(&elsewhere.received()).is_err());
    let notice = signed_by_sns(fixture!("sns/validation-notice.json"));
    assert_eq!(notice.prove(&ses()), Ok(()));
    assert_eq!(notice.read(&ses()), Feedback::default());
}

/// Puts an event of SES's into an envelope.
fn through_sns(event: &str, id: &str) -> Came {
    let envelope =
        json!({ "Type": "Notification", "MessageId": id, "Message": event, "SigningCertURL": "-" });
    Came::with(envelope.to_string(), &[])
}

fn by_svix(event: &str, id: &str) -> Came {
    Came::with(event, &[("svix-id", id)])
}

#[test]
fn reports_say_what_happened_to_which_message() {
    let permanent = fixture!("resend/webhook.email.bounced.json");
    for (provider, came, facts, message_id) in [
        (
            ses(),
            through_sns(fixture!("ses/event.bounce.json"), "1"),
            vec![Fact::Bounced],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            ses(),
            through_sns(fixture!("ses/event.delivery.json"), "1"),
            vec![Fact::Delivered],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            ses(),
            through_sns(fixture!("ses/event.reject.json"), "1"),
            vec![Fact::Rejected],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            ses(),
            signed_by_sns(fixture!("sns/notification.v2.json")),
            vec![Fact::Bounced],
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
        ),
        (
            sendgrid(),
            Came::with(fixture!("sendgrid/event-webhook.json"), &[]),
            vec![
                Fact::Accepted,
                Fact::Delivered,
                Fact::Delayed,
                Fact::Bounced,
                Fact::BouncedBlocked,
                Fact::Suppressed,
                Fact::Complained,
            ],
            "14c5d75ce93dfd64b469",
        ),
        (
            mailgun(),
            Came::with(fixture!("mailgun/webhook.delivered.json"), &[]),
            vec![Fact::Delivered],
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
        ),
        (
            mailgun(),
            Came::with(fixture!("mailgun/webhook.failed-permanent.json"), &[]),
            vec![Fact::Bounced],
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
        ),
        (
            mailgun(),
            Came::with(fixture!("mailgun/webhook.failed-temporary.json"), &[]),
            vec![Fact::Delayed],
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
        ),
        (
            postmark(),
            Came::with(fixture!("postmark/webhook.bounce.json"), &[]),
            vec![Fact::Bounced],
            "0a129aee-e1cd-480d-b08d-4f48548ff48d",
        ),
        (
            postmark(),
            Came::with(fixture!("postmark/webhook.delivery.json"), &[]),
            vec![Fact::Delivered],
            "0a129aee-e1cd-480d-b08d-4f48548ff48d",
        ),
        (
            resend(),
            by_svix(permanent, "m1"),
            vec![Fact::Bounced],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(&permanent.replace("Permanent", "Transient"), "m1"),
            vec![Fact::BouncedTransient],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(fixture!("resend/webhook.email.delivered.json"), "m2"),
            vec![Fact::Delivered],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(fixture!("resend/webhook.email.delivery_delayed.json"), "m3"),
            vec![Fact::Delayed],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
        (
            resend(),
            by_svix(fixture!("resend/webhook.email.sent.json"), "m4"),
            vec![Fact::Accepted],
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        ),
    ] {
        let reports = came.read(&provider).reports;
        assert_eq!(reports.iter().map(|report| report.fact).collect::<Vec<_>>(), facts);
        for report in &reports {
            assert_eq!(report.key.as_deref(), Some("ntf_01J8Z3"), "{report:?}");
            assert_eq!(report.message_id.as_deref(), Some(message_id), "{report:?}");
            assert_eq!(report.recipient.as_deref(), Some("ana.pop@example.net"), "{report:?}");
            assert!(report.at.is_some(), "{report:?}");
        }
        assert_eq!(came.read(&provider).reports, reports, "the same report has the same event id");
    }
}

#[test]
fn one_text_of_ses_may_speak_of_several_recipients() {
    let mut event = parsed(fixture!("ses/event.bounce.json"));
    let recipients =
        json!([{ "emailAddress": "a@example.net" }, { "emailAddress": "b@example.net" }]);
    event["bounce"]["bouncedRecipients"] = recipients;
    let reports = through_sns(&event.to_string(), "m").read(&ses()).reports;
    let ids: Vec<_> = reports.iter().map(|report| report.event_id.as_str()).collect();
    assert_eq!(ids, ["m/0", "m/1"]);
}

#[test]
fn in_whatever_order_reports_come_the_end_is_the_same() {
    let resend_of = |event, id: &str| by_svix(event, id).read(&resend()).reports;
    let ses_of = |event, id: &str| through_sns(event, id).read(&ses()).reports;
    let postmark_of = |event: &str| Came::with(event, &[]).read(&postmark()).reports;
    let mailgun_of = |event: &str| Came::with(event, &[]).read(&mailgun()).reports;
    for (facts, stage) in [
        (
            [
                resend_of(fixture!("resend/webhook.email.sent.json"), "1"),
                resend_of(fixture!("resend/webhook.email.delivered.json"), "2"),
                resend_of(fixture!("resend/webhook.email.bounced.json"), "3"),
            ]
            .concat(),
            Fact::Bounced,
        ),
        (
            [
                ses_of(fixture!("ses/event.delivery.json"), "1"),
                ses_of(fixture!("ses/event.bounce.json"), "2"),
            ]
            .concat(),
            Fact::Bounced,
        ),
        (
            Came::with(fixture!("sendgrid/event-webhook.json"), &[]).read(&sendgrid()).reports,
            Fact::Bounced,
        ),
        (
            [
                postmark_of(fixture!("postmark/webhook.delivery.json")),
                postmark_of(fixture!("postmark/webhook.bounce.json")),
            ]
            .concat(),
            Fact::Bounced,
        ),
        (
            [
                mailgun_of(fixture!("mailgun/webhook.failed-temporary.json")),
                mailgun_of(fixture!("mailgun/webhook.delivered.json")),
            ]
            .concat(),
            Fact::Delivered,
        ),
    ] {
        let all = || facts.iter().map(|report| report.fact);
        let forwards = all().fold(Progress::default(), Progress::with);
        let backwards = all().rev().fold(Progress::default(), Progress::with);
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.stage, Some(stage));
    }
}

#[test]
fn nonsense_is_an_error_or_nothing_and_never_a_panic() {
    for provider in all() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "[null, 1]",
            "\u{0}",
            r#"{"signature":{"timestamp":"x","token":1,"signature":"zz"}}"#,
            r#"{"Type":"Notification","SigningCertURL":"x"}"#,
        ] {
            let came = Came::with(
                body,
                &[
                    ("svix-id", "1"),
                    ("svix-timestamp", "-9223372036854775808"),
                    ("svix-signature", "v1,"),
                ],
            );
            assert!(came.prove(&provider).is_err(), "{:?} {body}", provider.kind);
            if let Ok(feedback) = of(&provider).reports(&came.received()) {
                assert_eq!(feedback.reports, []);
            }
        }
    }
}

#[test]
fn no_secret_shows() {
    for provider in all() {
        assert!(!format!("{provider:?}").contains("se-cret"));
        let echo = answer(502, &json!("<html> authorization: Bearer se-cret </html>"));
        assert!(!format!("{:?}", of(&provider).read(&echo)).contains("se-cret"));
    }
}
