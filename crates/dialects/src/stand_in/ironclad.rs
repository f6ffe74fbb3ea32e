//! Ironclad as a stand-in: the webhooks about a signature packet in the form of the vendor's samples, and their signature.
//!
//! The bodies are our own, member for member as the samples have them; what opens the packet is not said, since no page
//! shows how.
//!
//! Invariant: the key that comes along is known to everybody, and proves nothing outside of a test.
//! Sources: <https://developer.ironcladapp.com/reference/webhooks>,
//! <https://developer.ironcladapp.com/reference/webhook-verification>.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::call::{Call, Method};
use domain::event::{Event, Kind};
use domain::facts::AboutRequest;
use domain::id::Chance;
use domain::request::Request;
use domain::signer::Signer;
use domain::source::Vendor;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value, json};
use url::Url;

use super::pages::{foreign_id, hex_id, role};
use super::proof::Proof;
use crate::data::{self, json, json_headers};
use crate::{Unsayable, Word, derive};

pub(super) const PROOF_HEADER: &str = "x-ironclad-webhook-verification";
const ID_HEADER: &str = "x-ironclad-webhook-event-id";
/// Where the key is shown, below the base of the interface.
pub(super) const KEY_PATH: &str = "/webhooks/verification-key";

/// The vendor's names of what we know the body of.
const WORDS: &[Word] = &[
    Word { name: "workflow_signature_packet_sent", kind: Kind::RequestSent },
    Word { name: "workflow_signature_packet_signatures_collected", kind: Kind::SignerSigned },
    Word { name: "workflow_signature_packet_fully_signed", kind: Kind::RequestCompleted },
    Word { name: "workflow_signature_packet_cancelled", kind: Kind::RequestCancelled },
];

/// Says what happened, signed; `None` when nothing is known of how the vendor would say it.
pub(super) fn say(
    event: &Event,
    request: &Request,
    (url, proof): (&Arc<Url>, &Proof),
    chance: &mut dyn Chance,
) -> Result<Option<(Call, &'static str)>, Unsayable> {
    let Some(Word { name, kind }) = WORDS.iter().find(|word| word.kind == event.kind) else {
        return Ok(None);
    };
    let of = |what: &str| Value::from(hex_id(derive::bits(what, request.account, "")));
    let mut payload = Map::new();
    let mut say = |name: &str, value: Value| drop(payload.insert(name.to_owned(), value));
    say("event", (*name).into());
    say("templateID", of("ironclad template"));
    if matches!(kind, Kind::RequestSent | Kind::RequestCancelled) {
        say("userID", of("ironclad user"));
    }
    say("workflowID", foreign_id(Vendor::Ironclad, request).into());
    if *kind == Kind::SignerSigned {
        let about: AboutRequest = data::read(event)?;
        let signer: &Signer = data::signer(event, &about)?;
        let (person, role) = (&signer.person, role(signer));
        let signature = json!({"name": person.name, "email": person.email, "roleName": role});
        say("signatures", json!([signature]));
    }
    let envelope: Value = json!({
        "companyID": of("ironclad company"), "payload": payload,
        "timestamp": event.at, "webhookID": of("ironclad webhook"),
    });
    let body = json(&envelope)?;
    let id = format!("webhookEvent{}", hex_id(event.id.bits()));
    let mut headers = json_headers();
    if let Proof::Signature(key) = proof {
        let nonce = format!("{:016x}", chance.draw());
        headers.push((Cow::Borrowed(PROOF_HEADER), key.prove(&id, &body, &nonce)));
    }
    headers.push((Cow::Borrowed(ID_HEADER), id));
    Ok(Some((Call { method: Method::Post, url: Arc::clone(url), headers, body }, name)))
}

/// A key that signs as Ironclad does.
#[derive(Debug)]
pub struct Key(RsaKeyPair);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an RSA key of 2048 bits or more, as PKCS#8 in PEM: `-----BEGIN PRIVATE KEY-----`"
)]
pub struct BadKey;

impl Key {
    /// Gives the key that stand-ins have, which is known to everybody.
    pub fn known() -> Result<Self, BadKey> {
        Self::read(include_str!("ironclad.test.key"))
    }

    /// Reads a key, in PEM.
    pub fn read(pem: &str) -> Result<Self, BadKey> {
        let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----").ok_or(BadKey)?;
        let (text, _) = rest.split_once("-----END").ok_or(BadKey)?;
        let text: String = text.chars().filter(|char| !char.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(text).ok().ok_or(BadKey)?;
        RsaKeyPair::from_pkcs8(&der).ok().map(Self).ok_or(BadKey)
    }

    /// Writes the public half, in PEM.
    pub fn public(&self) -> String {
        let text = STANDARD.encode(self.0.public_key());
        let mut pem = "-----BEGIN RSA PUBLIC KEY-----\n".to_owned();
        for (at, char) in text.chars().enumerate() {
            if at > 0 && at.is_multiple_of(64) {
                pem.push('\n');
            }
            pem.push(char);
        }
        pem.push_str("\n-----END RSA PUBLIC KEY-----\n");
        pem
    }

    /// Writes the header that proves an id with a body.
    fn prove(&self, id: &str, body: &[u8], nonce: &str) -> String {
        let signed = [id.as_bytes(), body, nonce.as_bytes()].concat();
        let mut signature = vec![0; self.0.public().modulus_len()];
        // This form of signature draws nothing, though the library asks for chance: the same text is signed alike.
        let chance = SystemRandom::new();
        if self.0.sign(&RSA_PKCS1_SHA256, &chance, &signed, &mut signature).is_err() {
            signature.clear();
        }
        json!({
            "nonce": nonce, "signAlgorithm": "sha256",
            "signature": STANDARD.encode(signature), "encoding": "base64",
        })
        .to_string()
    }
}
