//! What an answer is read as.

use domain::message::{Receipt, Reception};
use domain::provider::ProviderKind;

use super::{answer, fixture, kinds, read, speaks, usual};

const ACCEPTED: Reception = Reception::Accepted;
const LATER: Reception = Reception::Later { after_s: None, provider: true };
const REFUSED: Reception = Reception::Refused { suppressed: false };
const SUPPRESSED: Reception = Reception::Refused { suppressed: true };

fn receipt(kind: ProviderKind, status: u16, body: &str) -> Receipt {
    speaks(kind).read(&usual(kind).0, &answer(status, body))
}

#[test]
fn every_documented_answer_is_read_as_what_it_means() {
    for (kind, name, reception, id) in [
        (ProviderKind::Twilio, "accepted", ACCEPTED, Some("SM00000000000000000000000000000001")),
        (ProviderKind::Twilio, "wrong-number", REFUSED, None),
        (ProviderKind::Twilio, "rate-limited", LATER, None),
        (ProviderKind::Twilio, "opted-out", SUPPRESSED, None),
        (ProviderKind::Vonage, "accepted", ACCEPTED, Some("aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab")),
        (ProviderKind::Vonage, "wrong-number", REFUSED, None),
        (ProviderKind::VonageSms, "accepted", ACCEPTED, Some("0A0000000123ABCD1")),
        // HTTP says 200 here.
        (ProviderKind::VonageSms, "throttled", LATER, None),
        (ProviderKind::Messagebird, "accepted", ACCEPTED, Some("e8077d803532c0b5937c639b60216938")),
        (ProviderKind::Messagebird, "wrong-key", LATER, None),
        (ProviderKind::Plivo, "accepted", ACCEPTED, Some("5b40a428-bfc7-4daf-9d06-000000000001")),
        (ProviderKind::Plivo, "wrong-number", REFUSED, None),
        (ProviderKind::Sinch, "accepted", ACCEPTED, Some("01J1S8Z3EXAMPLE0000000000")),
        (ProviderKind::Sinch, "wrong-number", REFUSED, None),
        (ProviderKind::AwsSms, "accepted", ACCEPTED, Some("34d9b400-c6dd-5444-820d-000000000003")),
        (ProviderKind::AwsSms, "throttled", LATER, None),
        (ProviderKind::AwsSms, "opted-out", SUPPRESSED, None),
    ] {
        let fixture = fixture(&format!("{}/answer.{name}.json", kind.as_str()));
        let status = u16::try_from(fixture["status"].as_u64().unwrap()).unwrap();
        let receipt = receipt(kind, status, &fixture["body"].to_string());
        assert_eq!(
            (receipt.reception, receipt.message_id.as_deref()),
            (reception, id),
            "{name} {receipt:?}"
        );
        assert!(!receipt.detail.contains("://"), "{receipt:?}");
        assert_eq!(receipt.detail.is_empty(), reception == ACCEPTED, "{receipt:?}");
    }
    let taken = receipt(ProviderKind::SnsSms, 200, &read("sns_sms/answer.accepted.xml"));
    assert_eq!(taken.message_id.as_deref(), Some("34d9b400-c6dd-5444-820d-000000000001"));
    let throttled = receipt(ProviderKind::SnsSms, 400, &read("sns_sms/answer.throttled.xml"));
    assert_eq!((throttled.reception, throttled.message_id), (LATER, None));
}

#[test]
fn a_status_without_a_word_says_whether_the_message_may_have_been_taken() {
    for kind in kinds() {
        for (status, reception) in [
            (200, Reception::Unknown),
            (202, Reception::Unknown),
            (301, LATER),
            (400, REFUSED),
            (401, LATER),
            (403, LATER),
            (404, LATER),
            (422, REFUSED),
            (429, LATER),
            (500, Reception::Unknown),
            (502, Reception::Unknown),
            (503, LATER),
            (504, Reception::Unknown),
        ] {
            for body in ["", "<html>nonsense</html>", "[]", "{}", "null", "{\"id\":{}}"] {
                let receipt = receipt(kind, status, body);
                assert_eq!(receipt.reception, reception, "{} {status} {body}", kind.as_str());
                assert_eq!(receipt.message_id, None);
                assert!(!receipt.detail.contains("nonsense"), "{receipt:?}");
            }
        }
    }
}

#[test]
fn what_the_provider_asks_to_wait_is_passed_on() {
    for kind in kinds() {
        let mut answer = answer(429, "");
        answer.retry_after_s = Some(17);
        let receipt = speaks(kind).read(&usual(kind).0, &answer);
        assert_eq!(receipt.reception, Reception::Later { after_s: Some(17), provider: true });
    }
}

#[test]
fn no_kind_knows_our_key_before_it_answers() {
    assert!(kinds().all(|kind| !speaks(kind).has_idempotency()));
}

#[test]
fn a_text_of_which_one_part_was_taken_is_not_sent_again() {
    let parts =
        r#"{"messages":[{"status":"1","error-text":"Throttled"},{"status":"0","message-id":"B"}]}"#;
    let taken = receipt(ProviderKind::VonageSms, 200, parts);
    assert_eq!((taken.reception, taken.message_id.as_deref()), (ACCEPTED, Some("B")));
    for (status, reception) in [
        ("1", LATER),
        ("4", LATER),
        ("9", LATER),
        ("5", Reception::Unknown),
        ("6", REFUSED),
        ("7", SUPPRESSED),
    ] {
        let body = format!(r#"{{"messages":[{{"status":"{status}","error-text":"why"}}]}}"#);
        let read = receipt(ProviderKind::VonageSms, 200, &body);
        assert_eq!(read.reception, reception, "{status}");
        assert!(read.detail.contains("why"), "{read:?}");
    }
}

#[test]
fn the_wrong_sender_is_the_providers_trouble_and_the_wrong_number_the_messages() {
    let code = |code: u32| {
        receipt(
            ProviderKind::Twilio,
            400,
            &format!(r#"{{"code":{code},"message":"why","status":400}}"#),
        )
    };
    assert_eq!(code(20429).reception, LATER);
    assert_eq!(code(21606).reception, LATER);
    assert_eq!(code(21611).reception, LATER);
    assert_eq!(code(21614).reception, REFUSED);
    assert_eq!(code(99999).reception, REFUSED);
    for (name, reception) in [
        ("AccessDeniedException", LATER),
        ("UnrecognizedClientException:http://internal.amazon.com/", LATER),
        ("ns#ServiceQuotaExceededException", LATER),
        ("ValidationException", REFUSED),
    ] {
        let mut answer = answer(400, "{}");
        answer.headers.push(("x-amzn-errortype", name.to_owned()));
        let receipt = speaks(ProviderKind::AwsSms).read(&usual(ProviderKind::AwsSms).0, &answer);
        assert_eq!(receipt.reception, reception, "{name}");
    }
}

#[test]
fn what_is_echoed_of_a_message_is_not_kept() {
    let link = "https://s.example.com/8f2c";
    for (kind, body) in [
        (
            ProviderKind::Twilio,
            format!(r#"{{"code":21617,"message":"bad body: sign at {link} now"}}"#),
        ),
        (ProviderKind::Vonage, format!(r#"{{"title":"Invalid","detail":"{link} now"}}"#)),
        (
            ProviderKind::Messagebird,
            format!(r#"{{"errors":[{{"code":9,"description":"{link} now"}}]}}"#),
        ),
        (ProviderKind::Plivo, format!(r#"{{"error":"{link} now"}}"#)),
        (ProviderKind::Sinch, format!(r#"{{"code":"syntax","text":"{link} now"}}"#)),
        (
            ProviderKind::AwsSms,
            format!(r#"{{"__type":"ValidationException","Message":"{link} now"}}"#),
        ),
        (
            ProviderKind::SnsSms,
            format!("<Error><Code>InvalidParameter</Code><Message>{link} now</Message></Error>"),
        ),
    ] {
        let receipt = receipt(kind, 400, &body);
        assert!(receipt.detail.ends_with("now"), "{receipt:?}");
        assert!(!receipt.detail.contains("8f2c"), "{receipt:?}");
    }
}
