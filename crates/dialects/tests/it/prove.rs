//! What came in is the vendor's or a forgery; and what is said twice is known by its key.

use std::collections::BTreeMap;

use dialects::vendor::{Received, Untrusted, vendor};
use domain::source::Vendor;
use serde_json::Value;

use super::catch::{post, samples, source};

#[test]
fn clickwrap_is_proven_by_its_token() {
    let sample: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../fixtures/clickwrap/_request_headers.json"))
            .unwrap();
    let headers: Vec<(String, String)> = sample.into_iter().collect();
    let prove = |token: &str, headers| {
        let source = source(Vendor::Clickwrap, &[("token", token)]);
        vendor(Vendor::Clickwrap).prove(&source, &post(headers, b"{}"))
    };
    assert_eq!(prove("my-secret-code", &headers), Ok(()));
    for (token, headers) in [("my-secret-codf", &headers[..]), ("my-secret", &headers), ("a", &[])]
    {
        assert!(matches!(prove(token, headers), Err(Untrusted::Forged(_))), "{token}");
    }
    let open = source(Vendor::Clickwrap, &[]);
    assert_eq!(vendor(Vendor::Clickwrap).prove(&open, &post(&[], b"{}")), Ok(()));
}

/// The vector of the documented recipe.
struct Signed {
    pem: String,
    headers: Vec<(String, String)>,
    body: String,
    tampered: String,
}

fn signed() -> Signed {
    let vector: Value =
        serde_json::from_str(include_str!("../../fixtures/ironclad/_signature_check.json"))
            .unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Signed {
        pem: text(&vector["publicKeyPem"]),
        headers: vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.to_lowercase(), text(value)))
            .collect(),
        body: text(&vector["body"]),
        tampered: text(&vector["tampered"]["body"]),
    }
}

fn prove(pem: Option<&str>, headers: &[(String, String)], body: &str) -> Result<(), Untrusted> {
    let source = source(Vendor::Ironclad, &[]);
    let received = Received { key: pem, ..post(headers, body.as_bytes()) };
    vendor(Vendor::Ironclad).prove(&source, &received)
}

#[test]
fn ironclad_is_proven_by_its_signature_in_any_spelling_of_the_body() {
    let Signed { pem, headers, body, tampered } = signed();
    let value: Value = serde_json::from_str(&body).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let escaped = body.replace("workflow_launched", "workflow\\u005flaunched");
    for body in [&body, &pretty, &escaped] {
        assert_eq!(prove(Some(&pem), &headers, body), Ok(()), "{body}");
    }
    let source = source(Vendor::Ironclad, &[("verification_key", &pem)]);
    assert_eq!(vendor(Vendor::Ironclad).check(&source), []);
    let received = post(&headers, body.as_bytes());
    assert_eq!(vendor(Vendor::Ironclad).prove(&source, &received), Ok(()));
    for forged in
        [&tampered, "", "{}", &format!("{body}{body}"), &body.replace("launched", "launchee")]
    {
        assert!(
            matches!(prove(Some(&pem), &headers, forged), Err(Untrusted::Forged(_))),
            "{forged}"
        );
    }
}

#[test]
fn each_changed_byte_under_ironclads_signature_is_a_forgery() {
    let Signed { pem, headers, body, .. } = signed();
    for at in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        let source = source(Vendor::Ironclad, &[]);
        let received = Received { key: Some(&pem), ..post(&headers, &changed) };
        let proven = vendor(Vendor::Ironclad).prove(&source, &received);
        assert!(matches!(proven, Err(Untrusted::Forged(_))), "{at}");
    }
}

#[test]
fn ironclads_key_is_asked_for_only_when_a_signature_came() {
    let Signed { headers, body, .. } = signed();
    let url = |fields: &[(&str, &str)]| {
        let source = source(Vendor::Ironclad, fields);
        match vendor(Vendor::Ironclad).prove(&source, &post(&headers, body.as_bytes())) {
            Err(Untrusted::KeyNeeded { url }) => url,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(url(&[]), "https://ironcladapp.com/public/api/v1/webhooks/verification-key");
    let base = "https://eu1.ironcladapp.com/public/api/v1";
    assert_eq!(url(&[("base_url", base)]), format!("{base}/webhooks/verification-key"));
    assert_eq!(url(&[("key_url", "https://keys.example.com/pem")]), "https://keys.example.com/pem");
    for broken in [
        vec![],
        headers[..1].to_vec(),
        vec![headers[0].clone(), (headers[1].0.clone(), "not json".to_owned())],
        vec![headers[0].clone(), (headers[1].0.clone(), headers[1].1.replace("sha256", "md5"))],
        vec![headers[0].clone(), (headers[1].0.clone(), headers[1].1.replace("base64", "utf8"))],
    ] {
        assert!(matches!(prove(None, &broken, &body), Err(Untrusted::Forged(_))), "{broken:?}");
    }
    assert!(matches!(prove(Some("no key"), &headers, &body), Err(Untrusted::KeyNeeded { .. })));
    let odd = source(Vendor::Ironclad, &[("verification_key", "no key")]);
    assert_eq!(vendor(Vendor::Ironclad).check(&odd)[0].0, "verification_key");
}

#[test]
fn esaw_is_proven_by_basic_where_it_was_set() {
    let prove = |fields: &[(&str, &str)], authorization: &str| {
        let headers = [("authorization".to_owned(), authorization.to_owned())];
        let source = source(Vendor::Esaw, fields);
        vendor(Vendor::Esaw).prove(&source, &post(&headers, b""))
    };
    let both = [("user", "ann"), ("password", "p:w")];
    for said in ["Basic YW5uOnA6dw==", "basic YW5uOnA6dw=="] {
        assert_eq!(prove(&both, said), Ok(()), "{said}");
        assert!(prove(&both[..1], said).is_err());
    }
    for said in ["Basic YW5uOnA6dg==", "Bearer YW5uOnA6dw==", "YW5uOnA6dw==", "Basic ?", ""] {
        assert!(prove(&both, said).is_err(), "{said}");
    }
    assert!(prove(&both[..1], "Basic YW5uOg==").is_err(), "half a proof is none");
    assert_eq!(prove(&[], ""), Ok(()));
    let flaws = |fields| {
        let flaws = vendor(Vendor::Esaw).check(&source(Vendor::Esaw, fields));
        flaws.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(flaws(&both[..1]), ["password"]);
    assert_eq!(flaws(&[("password", "x"), ("api_token", "t")]), ["base_url", "user"]);
    assert_eq!(flaws(&[("user", "a:b"), ("password", "x")]), ["user"]);
}

#[test]
fn each_sample_has_a_key_of_its_own_and_keeps_it() {
    for which in [Vendor::Clickwrap, Vendor::Insertsign] {
        let source = source(which, &[]);
        let samples = samples(which.as_str());
        let key = |body: &str| vendor(which).key(&source, &post(&[], body.as_bytes())).unwrap();
        let keys: BTreeMap<String, &str> =
            samples.iter().map(|(name, body)| (key(body), name.as_str())).collect();
        assert_eq!(keys.len(), samples.len(), "{keys:?}");
        for body in samples.values() {
            assert_eq!(key(body), key(&body.replace('\n', "")));
        }
        assert_eq!(vendor(which).key(&source, &post(&[], b"[]")), None);
    }
    let Signed { headers, body, .. } = signed();
    let ironclad = vendor(Vendor::Ironclad);
    let source = source(Vendor::Ironclad, &[]);
    let key = ironclad.key(&source, &post(&headers, body.as_bytes()));
    assert_eq!(key.as_deref(), Some("webhookEvent0123456789abcdef0123456789abcdef"));
    assert_eq!(ironclad.key(&source, &post(&[], b"{}")), None);
}

#[test]
fn a_second_archiving_and_a_second_signer_are_news() {
    let source = source(Vendor::Insertsign, &[]);
    let key = |body: &str| vendor(Vendor::Insertsign).key(&source, &post(&[], body.as_bytes()));
    let archived = include_str!("../../fixtures/insertsign/request.archived.json");
    let signed = include_str!("../../fixtures/insertsign/signer.signed.json");
    assert_ne!(key(archived), key(&archived.replace("33:06.277", "33:06.278")));
    assert_ne!(key(signed), key(&signed.replace(JOHN, "-other")));
    assert_eq!(key(&signed.replace("created_at", "created")), None, "nothing tells them apart");
}

const JOHN: &str = "-NeD5nNcbr-nViVjjp";
