//! What is believed, and what is forged.

use std::collections::BTreeMap;

use channels::provider::{Feedback, Untrusted};
use domain::provider::{Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use domain::time::Timestamp;

use super::{
    Came, all, fixed, fixture, mailgun, of, parsed, postmark, provider, resend, sendgrid, ses,
    signed_by_sns,
};

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
            let flipped = if value.as_bytes()[last] == b'1' { "2" } else { "1" };
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
        include_str!("../../../fixtures/receiver.test.pem"),
        "nonsense",
    ] {
        assert!(forged(&Came { certificate: Some(certificate), ..whole.clone() }, &ses()));
    }
    // Others beside the certificate must lead to a public authority, which these do not.
    let bundle = concat!(
        include_str!("../../../fixtures/providers/sns/sns.pem"),
        include_str!("../../../fixtures/authority.pem")
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
    assert!(of(&ses()).reports(&ses(), &elsewhere.received()).is_err());
    let notice = signed_by_sns(fixture!("sns/validation-notice.json"));
    assert_eq!(notice.prove(&ses()), Ok(()));
    assert_eq!(notice.read(&ses()), Feedback::default());
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
            if let Ok(feedback) = of(&provider).reports(&provider, &came.received()) {
                assert_eq!(feedback.reports, []);
            }
        }
    }
}
