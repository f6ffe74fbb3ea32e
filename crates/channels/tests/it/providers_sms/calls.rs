//! What is sent for a message.

use channels::provider::Form;
use domain::call::{Call, Method};
use domain::message::{Mail, Mailbox, Message};
use domain::provider::ProviderKind;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{TEXT, fixture, kinds, message, provider, read, sending, speaks, usual};

fn built(kind: ProviderKind) -> Call {
    let (provider, from) = usual(kind);
    assert_eq!(speaks(kind).check(&provider), [], "{}", kind.as_str());
    speaks(kind).build(&provider, &message(from, TEXT), &sending()).unwrap()
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    let mut values = call.headers.iter().filter(|(known, _)| known == name);
    let value = values.next().map_or("", |(_, value)| value);
    assert_eq!(values.next(), None, "{name} is there twice");
    value
}

/// Gives a body as JSON; a form as its fields.
fn said(call: &Call) -> Value {
    if header(call, "content-type") != "application/x-www-form-urlencoded" {
        return serde_json::from_slice(&call.body).unwrap();
    }
    let fields = form_urlencoded::parse(&call.body);
    Value::Object(
        fields.map(|(name, value)| (name.into_owned(), json!(value))).collect::<Map<_, _>>(),
    )
}

#[test]
fn every_kind_says_what_its_vendor_documents() {
    for (kind, url) in [
        (
            ProviderKind::Twilio,
            "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json",
        ),
        (ProviderKind::Vonage, "https://api.nexmo.com/v1/messages"),
        (ProviderKind::VonageSms, "https://rest.nexmo.com/sms/json"),
        (ProviderKind::Messagebird, "https://rest.messagebird.com/messages"),
        (ProviderKind::Plivo, "https://api.plivo.com/v1/Account/MAEXAMPLE/Message/"),
        (ProviderKind::Sinch, "https://eu.sms.api.sinch.com/xms/v1/plan1/batches"),
        (ProviderKind::AwsSms, "https://sms-voice.eu-west-1.amazonaws.com/"),
        (ProviderKind::SnsSms, "https://sns.eu-west-1.amazonaws.com/"),
    ] {
        let call = built(kind);
        assert_eq!((call.method, call.url.as_str()), (Method::Post, url));
        let mut expected = fixture(&format!("{}/request.json", kind.as_str()));
        if kind == ProviderKind::Twilio {
            expected["Body"] = json!(TEXT);
        }
        // Numbers go without their plus where the vendor wants that; the rest is as documented.
        assert_eq!(said(&call), expected, "{}", kind.as_str());
    }
}

#[test]
fn every_kind_says_who_asks() {
    let token = format!("Bearer {}", read("vonage/token.txt").trim());
    let sns = read("sns_sms/authorization.txt");
    for (kind, expected) in [
        (
            ProviderKind::Twilio,
            "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDp0d2lsaW8tdG9rZW4=",
        ),
        (ProviderKind::Vonage, token.as_str()),
        (ProviderKind::VonageSms, ""),
        (ProviderKind::Messagebird, "AccessKey live-key-of-bird"),
        (ProviderKind::Plivo, "Basic TUFFWEFNUExFOnBsaXZvLXRva2Vu"),
        (ProviderKind::Sinch, "Bearer sinch-token"),
        (ProviderKind::SnsSms, sns.trim()),
        (ProviderKind::HttpSms, "Bearer gateway-secret"),
    ] {
        assert_eq!(header(&built(kind), "authorization"), expected, "{}", kind.as_str());
    }
    let aws = built(ProviderKind::AwsSms);
    let expected = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260702/eu-west-1/sms-voice/aws4_request, \
        SignedHeaders=accept;content-type;host;x-amz-date;x-amz-target, Signature=";
    assert!(header(&aws, "authorization").starts_with(expected), "{aws:?}");
    assert_eq!(header(&aws, "x-amz-target"), "PinpointSMSVoiceV2.SendTextMessage");
}

#[test]
fn other_ways_to_ask_are_taken() {
    let twilio = provider(
        ProviderKind::Twilio,
        &json!({ "account_sid": "AC00000000000000000000000000000000", "api_key_sid": "SK1" }),
        &json!({ "auth_token": "t", "api_key_secret": "s" }),
    );
    let service = message("MG00000000000000000000000000000000", TEXT);
    let call = speaks(ProviderKind::Twilio).build(&twilio, &service, &sending()).unwrap();
    assert_eq!(header(&call, "authorization"), "Basic U0sxOnM=");
    assert_eq!(said(&call)["MessagingServiceSid"], "MG00000000000000000000000000000000");
    assert_eq!(said(&call).get("From"), None);

    let vonage = provider(
        ProviderKind::Vonage,
        &json!({ "api_key": "k", "base_url": "http://127.0.0.1:9/stand-in" }),
        &json!({ "api_secret": "s", "signature_secret": "x" }),
    );
    let call =
        speaks(ProviderKind::Vonage).build(&vonage, &message("A", TEXT), &sending()).unwrap();
    assert_eq!(header(&call, "authorization"), "Basic azpz");
    assert_eq!(call.url.as_str(), "http://127.0.0.1:9/stand-in/v1/messages");

    let (plivo, _) = usual(ProviderKind::Plivo);
    let pack = message("5b40a428-bfc7-4daf-9d06-000000000001", TEXT);
    let call = speaks(ProviderKind::Plivo).build(&plivo, &pack, &sending()).unwrap();
    assert_eq!(said(&call)["powerpack_uuid"], "5b40a428-bfc7-4daf-9d06-000000000001");
}

#[test]
fn a_text_beyond_gsm_is_sent_as_unicode() {
    let (provider, from) = usual(ProviderKind::VonageSms);
    for (text, kind) in [("Ünsäg @ €5 [ok]", "text"), ("Semnați aici", "unicode"), ("✓", "unicode")]
    {
        let call =
            speaks(ProviderKind::VonageSms).build(&provider, &message(from, text), &sending());
        assert_eq!(said(&call.unwrap())["type"], kind, "{text}");
    }
}

#[test]
fn without_a_feedback_url_nothing_asks_for_reports() {
    for kind in kinds().filter(|kind| *kind != ProviderKind::HttpSms) {
        let (provider, from) = usual(kind);
        let mut sending = sending();
        sending.feedback_url = None;
        let call = speaks(kind).build(&provider, &message(from, TEXT), &sending).unwrap();
        let body = said(&call);
        let names =
            ["StatusCallback", "callback", "webhook_url", "reportUrl", "url", "callback_url"];
        assert!(names.iter().all(|name| body.get(name).is_none()), "{body}");
    }
}

#[test]
fn what_cannot_be_carried_is_not_built_and_the_reason_has_no_secret() {
    let mail = Message::Email(Mail {
        key: "k".into(),
        from: Mailbox::default(),
        reply_to: None,
        to: Mailbox::default(),
        subject: String::new(),
        text: String::new(),
        html: None,
        tag: None,
    });
    for kind in kinds() {
        let (mut provider, from) = usual(kind);
        let long = message(from, &"x".repeat(4_000));
        for message in [&mail, &long] {
            assert!(
                speaks(kind).build(&provider, message, &sending()).is_err(),
                "{}",
                kind.as_str()
            );
        }
        provider.settings.insert("base_url".to_owned(), json!("mailto:nobody"));
        provider.settings.insert("url".to_owned(), json!("nonsense"));
        let error = speaks(kind).build(&provider, &message(from, TEXT), &sending()).unwrap_err();
        let shown = format!("{error:?} {error} {provider:?}");
        for secret in provider.secrets.values.values() {
            assert!(!shown.contains(secret.expose()), "{shown}");
        }
    }
}

#[test]
fn a_call_does_not_show_its_secrets() {
    let mut asked: Vec<_> = kinds().map(usual).collect();
    let (mut get, from) = usual(ProviderKind::HttpSms);
    get.settings.insert("method".to_owned(), json!("GET"));
    get.settings.insert("body".to_owned(), json!({ "key": "{secret}", "text": "{text}" }));
    asked.push((get, from));
    for (provider, from) in asked {
        let call =
            speaks(provider.kind).build(&provider, &message(from, TEXT), &sending()).unwrap();
        let shown = format!("{call:?}");
        assert!(!shown.contains("8f2c"), "{shown}");
        for secret in provider.secrets.values.values() {
            assert!(!shown.contains(secret.expose()), "{shown}");
        }
    }
}

#[test]
fn settings_that_do_not_fit_are_named() {
    let long = "x".repeat(40);
    for (kind, settings, secrets, wrong) in [
        (ProviderKind::Twilio, json!({ "account_sid": "AC1" }), json!({}), "account_sid"),
        (ProviderKind::Twilio, json!({ "api_key_sid": "SK1" }), json!({}), "api_key_sid"),
        (ProviderKind::Vonage, json!({ "application_id": "a" }), json!({}), "application_id"),
        (ProviderKind::Vonage, json!({}), json!({}), "api_secret"),
        (
            ProviderKind::Vonage,
            json!({ "application_id": "a" }),
            json!({ "private_key": long }),
            "private_key",
        ),
        (ProviderKind::AwsSms, json!({ "region": "eu.west/1" }), json!({}), "region"),
        (ProviderKind::AwsSms, json!({ "topic_arn": "reports" }), json!({}), "topic_arn"),
        (ProviderKind::SnsSms, json!({ "region": "evil.example#" }), json!({}), "region"),
    ] {
        let wrongs = speaks(kind).check(&provider(kind, &settings, &secrets));
        assert_eq!(wrongs.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [wrong], "{settings}");
    }
}

#[test]
fn every_field_is_described_for_people_and_named_once() {
    for kind in kinds() {
        let fields = speaks(kind).fields();
        for field in fields {
            assert_eq!(
                fields.iter().filter(|other| other.name == field.name).count(),
                1,
                "{}",
                field.name
            );
            assert!(field.about.ends_with('.') && field.about.len() >= 20, "{}", field.name);
            assert!(!field.secret || field.form == Form::Text, "{}", field.name);
        }
        let (provider, _) = usual(kind);
        let known = |name: &String| fields.iter().any(|field| field.name == name);
        assert!(provider.secrets.values.keys().all(known), "{}", kind.as_str());
        let from = fields.iter().find(|field| field.name == "from");
        assert!(from.is_some(), "{}", kind.as_str());
    }
}
