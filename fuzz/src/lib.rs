//! Whatever comes in as a vendor's webhook, or back as its answer, is proven, keyed and read without a panic, and what is
//! told is within its bounds. Each vendor has a target of its own, which starts from the vendor's samples.

pub mod service;

use std::collections::BTreeMap;

use dialects::vendor::{Ask, KEY_BYTES_MAX, Received, vendor};
use domain::call::{Answer, Method};
use domain::id::{AccountId, SourceId};
use domain::mirror::SIGNERS_MAX;
use domain::secret::Secret;
use domain::source::{Source, Vendor};
use domain::time::Timestamp;
use domain::told::{About, FOREIGN_ID_BYTES_MAX, WORD_CHARS_MAX};

/// A public key of the right form, so that a body comes to be written again.
const PEM: &str = "-----BEGIN RSA PUBLIC KEY-----\nMAYCAQMCAQM=\n-----END RSA PUBLIC KEY-----\n";
const PROOF: &str =
    r#"{"nonce":"n","signAlgorithm":"sha256","signature":"AAAA","encoding":"base64"}"#;

fn source(vendor: Vendor) -> Source {
    let secrets = ["token", "password", "api_token"]
        .map(|name| (name.to_owned(), Secret::new("secret")))
        .into();
    let settings = [("base_url".to_owned(), "https://vendor.example.com/v6".into())].into();
    let now = Timestamp::from_millis(1_767_225_600_000);
    Source {
        id: SourceId::new(1),
        account: AccountId::new(2),
        name: "fuzz".to_owned(),
        vendor,
        enabled: true,
        settings,
        created_at: now,
        updated_at: now,
        secrets,
    }
}

fn headers(text: &str, proof: &str) -> Vec<(String, String)> {
    BTreeMap::from([
        ("authorization", format!("Basic {text}")),
        ("pactsafe-webhook-token", text.to_owned()),
        ("x-ironclad-webhook-event-id", text.to_owned()),
        ("x-ironclad-webhook-verification", proof.to_owned()),
    ])
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn take(which: Vendor, received: &Received<'_>) {
    let source = source(which);
    let _: Result<(), _> = vendor(which).prove(&source, received);
    if let Some(key) = vendor(which).key(&source, received) {
        assert!(key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let Ok(told) = vendor(which).read(&source, received) else { return };
    assert!((1..=WORD_CHARS_MAX).contains(&told.word.chars().count()));
    if let About::Request { foreign_id, picture, .. } = told.about {
        assert!((1..=FOREIGN_ID_BYTES_MAX).contains(&foreign_id.len()));
        assert!(picture.signers.len() <= SIGNERS_MAX);
    }
}

/// Has hostile bytes come in as a vendor's.
pub fn catch(which: Vendor, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (as_proof, proven) = (headers(&text, &text), headers("e1", PROOF));
    let answer = |body: &str| Answer { status: 200, body: body.to_owned(), ..Answer::default() };
    for method in [Method::Post, Method::Get] {
        let (query, body) = (text.as_ref(), data);
        let received =
            Received { method, query, headers: &as_proof, body, key: Some(text.as_ref()) };
        take(which, &received);
        take(which, &Received { headers: &proven, key: Some(PEM), query: "", ..received });
    }
    let half = text.split_once('\n').unwrap_or((text.as_ref(), text.as_ref()));
    for answers in [vec![answer(&text)], vec![answer(half.0), answer(half.1)]] {
        if let Ok(Ask::Known(picture)) = vendor(which).ask(&source(which), &text, &answers) {
            assert!(picture.signers.len() <= SIGNERS_MAX);
        }
    }
}
