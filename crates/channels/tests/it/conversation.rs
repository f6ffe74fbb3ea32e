//! What is shown of a handover: everything but secrets, whoever repeats them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use channels::Channel as _;
use channels::conversation::{Notes, Said, Side};
use channels::provider::protocol;
use domain::call::Call;
use domain::message::{Mail, Mailbox, Message};
use domain::provider::{Provider, ProviderKind};
use domain::secret::Secret;
use tokio::io::AsyncWriteExt as _;
use url::form_urlencoded::byte_serialize;

use crate::receiver::{Receiver, client, lane, read_request};
use crate::{providers_email, providers_sms};

/// A provider that says again whatever it hears.
async fn parrot() -> Receiver {
    Receiver::start(|mut stream, _notes| async move {
        while let Some(request) = read_request(&mut stream).await {
            let head =
                "HTTP/1.1 401 Unauthorized\r\nset-cookie: session=1\r\nwww-authenticate: Basic";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{request}", request.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

/// Every provider that is spoken to over HTTP, and a message for it.
fn all() -> Vec<(Provider, Message)> {
    let mail = Message::Email(Mail {
        key: "ntc_1".to_owned(),
        from: Mailbox { name: None, address: "sign@example.com".to_owned() },
        reply_to: None,
        to: Mailbox { name: None, address: "ana@example.net".to_owned() },
        subject: "A test".to_owned(),
        text: "A test".to_owned(),
        html: Some("<p>A test</p>".to_owned()),
        tag: None,
    });
    let mails = providers_email::all().map(|provider| (provider, mail.clone()));
    let texts = providers_sms::kinds().map(|kind| {
        let (provider, from) = providers_sms::usual(kind);
        (provider, providers_sms::message(from, "A test"))
    });
    mails.into_iter().chain(texts).collect()
}

/// Gives each secret but a private key one that can be recognised, whatever is made of it.
fn with_secrets(mut provider: Provider, at: &str) -> Provider {
    for (name, secret) in &mut provider.secrets.values {
        if name != "private_key" {
            *secret = Secret::new(format!("{name}+Zq/9 %\"se=cret&"));
        }
    }
    for name in ["base_url", "url"] {
        provider.settings.insert(name.to_owned(), at.into());
    }
    provider
}

fn built(provider: &Provider, message: &Message) -> Call {
    let protocol = protocol(provider.kind).unwrap();
    protocol.build(provider, message, &providers_sms::sending()).unwrap()
}

async fn said(provider: &Provider, call: Call) -> Vec<Said> {
    let notes = Notes::taken();
    client().attempt_noted(call, lane(5_000), &notes).await;
    notes.said(&notes.masks(provider))
}

/// Writes bytes in Base64 so that they begin at each of the three places of a group; gives what is of them alone.
fn encoded(secret: &str) -> Vec<String> {
    let at = |place: usize| {
        let text = BASE64_STANDARD.encode([&vec![0; place], secret.as_bytes()].concat());
        let (start, end) = ((place * 4).div_ceil(3), (place + secret.len()) * 4 / 3);
        text.get(start..end).unwrap().to_owned()
    };
    (0..3).map(at).collect()
}

#[tokio::test]
async fn no_provider_shows_a_secret_though_it_repeats_all_it_heard() {
    let parrot = parrot().await;
    let all = all();
    assert_eq!(all.len(), ProviderKind::ALL.len() - 3, "all but SMTP and both mailboxes");
    for (provider, message) in all {
        let kind = provider.kind.as_str();
        let provider = with_secrets(provider, &format!("http://{}", parrot.address));
        let call = built(&provider, &message);
        let mut never: Vec<String> = Vec::new();
        for secret in provider.secrets.values.values().map(Secret::expose) {
            let form: String = byte_serialize(secret.as_bytes()).collect();
            let json = serde_json::to_string(secret).unwrap();
            never.extend([secret.to_owned(), form, json]);
            never.extend(encoded(secret));
        }
        let proof = call.headers.iter().find(|(name, _)| name == "authorization");
        never.extend(
            proof.and_then(|(_, value)| value.rsplit([' ', '=']).next().map(str::to_owned)),
        );
        let said = said(&provider, call).await;
        let whole: Vec<&str> = said.iter().map(|said| said.text.as_str()).collect();
        let [asked, _, told, repeated] = whole.as_slice() else { panic!("{kind}: {whole:?}") };
        assert!(asked.starts_with("POST /") && repeated.starts_with("POST /"), "{kind}: {whole:?}");
        assert!(
            told.starts_with("HTTP/1.1 401 Unauthorized\nset-cookie: …\nwww-authenticate: Basic")
        );
        let whole = whole.join("\n");
        assert!(whole.contains('…'), "{kind}: {whole}");
        for secret in never.iter().filter(|secret| !secret.is_empty()) {
            assert!(!whole.contains(secret), "{kind} shows {secret} in {whole}");
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_query_or_a_form_is_not_shown() {
    let parrot = parrot().await;
    let (mut provider, from) = providers_sms::usual(ProviderKind::HttpSms);
    let url = format!("http://{}/send?v=1", parrot.address);
    for (name, value) in [("url", url.as_str()), ("method", "GET")] {
        provider.settings.insert(name.to_owned(), value.into());
    }
    let body = serde_json::json!({"pass": "{secret}", "to": "{to}", "id": "x-{secret}-y"});
    provider.settings.insert("body".to_owned(), body);
    provider.secrets.values.insert("secret".to_owned(), Secret::new("Zq/9 über secret"));
    let call = built(&provider, &providers_sms::message(from, "A test"));
    let said = said(&provider, call).await;
    let asked = said[0].text.lines().next().unwrap();
    assert_eq!(asked, "GET /send?v=1&pass=…&to=%2B447700900123&id=x-…cret-y HTTP/1.1");
    assert_eq!(said[1].by, Side::Provider);
    let repeated = said[2].text.lines().next().unwrap();
    assert_eq!(repeated, "GET /send?v=1&pass=…cret&to=%2B447700900123&id=x-…cret-y HTTP/1.1");
}
