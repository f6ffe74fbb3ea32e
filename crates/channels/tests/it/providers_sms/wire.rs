//! A message handed over on a real socket, and bytes that nobody expects.

use channels::Channel as _;
use channels::provider::Received;
use domain::message::Reception;
use domain::provider::ProviderKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::{
    FEEDBACK_URL, TEXT, answer as said, fixture, kinds, message, now, read, sending, speaks, usual,
};
use crate::receiver::{Receiver, answer, client, lane};

fn accepted(kind: ProviderKind) -> String {
    if kind == ProviderKind::SnsSms {
        read("sns_sms/answer.accepted.xml")
    } else if kind == ProviderKind::HttpSms {
        r#"{"result":{"code":"OK","id":4711}}"#.to_owned()
    } else {
        fixture(&format!("{}/answer.accepted.json", kind.as_str()))["body"].to_string()
    }
}

#[tokio::test]
async fn a_stand_in_takes_the_place_of_every_service() {
    for kind in kinds() {
        let body = accepted(kind);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let receiver = Receiver::answering(format!("{head}{body}")).await;
        let (mut provider, from) = usual(kind);
        let place = if kind == ProviderKind::HttpSms { "url" } else { "base_url" };
        provider.settings.insert(place.to_owned(), json!(receiver.url()));
        let call = speaks(kind).build(&provider, &message(from, TEXT), &sending()).unwrap();
        let answer = answer(client().attempt(call, lane(1000)).await);
        let receipt = speaks(kind).read(&provider, &answer);
        assert_eq!(receipt.reception, Reception::Accepted, "{}: {receipt:?}", kind.as_str());
        assert!(receipt.message_id.is_some(), "{}", kind.as_str());
        assert_eq!(receiver.connections(), 1, "{}", kind.as_str());
    }
}

/// Headers that proofs are looked for in.
const HEADERS: &[&str] = &[
    "authorization",
    "messagebird-signature-jwt",
    "x-plivo-signature-v2",
    "x-plivo-signature-v2-nonce",
    "x-plivo-signature-v3",
    "x-plivo-signature-v3-nonce",
    "x-sinch-webhook-signature",
    "x-sinch-webhook-signature-nonce",
    "x-sinch-webhook-signature-timestamp",
    "x-twilio-signature",
];

proptest! {
    #[test]
    fn no_bytes_make_a_panic(
        status in 100..1_000_u16,
        text in "\\PC*",
        url in "(https://[a-z:/?#&=%.]{0,30})|\\PC*",
        body in vec(any::<u8>(), 0..64),
        headers in vec((select(HEADERS), "(Bearer )?[ -~]{0,40}"), 0..4),
    ) {
        let headers: Vec<_> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for kind in kinds() {
            let (provider, _) = usual(kind);
            let receipt = speaks(kind).read(&provider, &said(status, &text));
            prop_assert!(receipt.detail.chars().count() < 400);
            for (url, body) in [(url.as_str(), body.as_slice()), (FEEDBACK_URL, text.as_bytes())] {
                let received = Received {
                    method: "POST", url, headers: &headers, body, now: now(), certificate: None,
                };
                let forged = speaks(kind).prove(&provider, &received).is_err();
                let secret_url = [ProviderKind::VonageSms, ProviderKind::Sinch, ProviderKind::HttpSms];
                prop_assert!(forged || secret_url.contains(&kind));
                if let Ok(read) = speaks(kind).reports(&provider, &received) {
                    prop_assert!(read.reports.iter().all(|report| !report.event_id.is_empty()));
                }
            }
        }
    }
}
