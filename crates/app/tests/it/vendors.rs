//! Stand-ins of the services that carry mails and short messages: what comes in is held against what each vendor
//! documents, and answered in its words.
//!
//! The samples are those of `channels` (see the README beside them). A sample's own values (who, what, our key) are
//! holes that anything may stand in, the same at each place; all the rest must be as it is there.
//! Left to others: answers other than yes (`channels` reads each of them).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use ring::{digest, hmac};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::http::{Message, Receiver, reply};

/// A service as the test sets it up.
#[derive(Debug, Clone)]
pub(crate) struct Vendor {
    pub(crate) kind: &'static str,
    /// Everything but where it is.
    pub(crate) settings: Value,
    target: &'static str,
    /// The sample of a call, of those that carry mails.
    sample: &'static str,
    /// The message's id in the sample of an answer.
    id: &'static str,
}

/// What was handed over, as the person will read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handed {
    /// Our key: the notice.
    pub(crate) key: String,
    /// The address or the number, as the vendor wants it.
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// The id that the vendor gave it.
    pub(crate) id: String,
}

/// What stands for anything in the samples, by name. The longer ones come first where one is part of another.
const HOLES: [(&str, &str); 11] = [
    ("html", "<p>Please review and sign: <a href=\"https://sign.example.com/s/8f2c\">open</a></p>"),
    ("text", "Please review and sign: https://sign.example.com/s/8f2c"),
    ("text", "You've been sent \"NDA for Acme\". Please review & sign: https://s.example.com/8f2c"),
    ("text", "Please review & sign: https://s.example.com/8f2c"),
    ("subject", "NDA for Acme - Signature requested by John Doe"),
    ("feedback", "https://hooks.example.com/feedback/t0k3n"),
    ("to", "ana.pop@example.net"),
    ("to", "447700900123"),
    ("name", "Ana Pop"),
    ("tag", "signature-request"),
    ("key", "ntf_01J8Z3"),
];

type Found = BTreeMap<&'static str, String>;

pub(crate) fn vendors() -> Vec<Vendor> {
    [mails(), texts(), texts_of_amazon()].concat()
}

/// Those that carry mails.
fn mails() -> Vec<Vendor> {
    let addressed = |settings: Value| {
        let whom = json!({"from_name": "Example", "reply_to": "support@example.com"});
        merged(whom, settings)
    };
    let from = "sign@example.com";
    let ses = json!({
        "from": from, "region": "eu-west-1", "access_key_id": AWS_KEY_ID,
        "secret_access_key": AWS_SECRET, "configuration_set": "signing-events",
    });
    let mailgun =
        json!({"from": "sign@mg.example.com", "domain": "mg.example.com", "api_key": SECRET});
    let postmark = json!({
        "from": from, "server_token": SECRET, "feedback_user": "reports",
        "feedback_password": "of the reports",
    });
    [
        (
            "ses",
            "ses/send-email",
            "/v2/email/outbound-emails",
            "010001923a4b5c6d-11111111-2222-3333-4444-555555555555-000000",
            ses,
        ),
        (
            "sendgrid",
            "sendgrid/mail-send",
            "/v3/mail/send",
            "14c5d75ce93dfd64b469",
            json!({"from": from, "api_key": SECRET}),
        ),
        (
            "mailgun",
            "mailgun/messages",
            "/v3/mg.example.com/messages",
            "20260702100000.1.ABCDEF0123456789@mg.example.com",
            mailgun,
        ),
        ("postmark", "postmark/email", "/email", "0a129aee-e1cd-480d-b08d-4f48548ff48d", postmark),
        (
            "resend",
            "resend/emails",
            "/emails",
            "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
            json!({"from": from, "api_key": SECRET}),
        ),
    ]
    .map(|(kind, sample, target, id, settings)| Vendor {
        kind,
        sample,
        target,
        id,
        settings: addressed(settings),
    })
    .into()
}

/// Those that carry short messages.
fn texts() -> Vec<Vendor> {
    let account = "AC00000000000000000000000000000000";
    let vonage = json!({
        "from": "Example", "api_key": "abcd1234", "application_id": VONAGE_APPLICATION,
        "signature_secret": SECRET, "private_key": sample("sms/vonage/application.test.key"),
    });
    let http = json!({
        "from": "Example", "secret": SECRET, "headers": {"Authorization": "Bearer {secret}"},
        "body": {"to": "{to}", "text": "{text}", "ref": "{key}", "callback": "{feedback_url}"},
        "answer_status": "/result", "answer_accepted": ["OK"], "answer_id": "/id",
    });
    [
        (
            "twilio",
            "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json",
            "SM00000000000000000000000000000001",
            json!({"from": "+15005550006", "account_sid": account, "auth_token": SECRET}),
        ),
        ("vonage", "/v1/messages", "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", vonage),
        (
            "vonage_sms",
            "/sms/json",
            "0A0000000123ABCD1",
            json!({"from": "Example", "api_key": "abcd1234", "api_secret": "api-secret-of-16"}),
        ),
        (
            "messagebird",
            "/messages",
            "e8077d803532c0b5937c639b60216938",
            json!({"from": "Example", "access_key": SECRET, "signing_key": "of the reports"}),
        ),
        (
            "plivo",
            "/v1/Account/MAEXAMPLE/Message/",
            "5b40a428-bfc7-4daf-9d06-000000000001",
            json!({"from": "+14155550100", "auth_id": "MAEXAMPLE", "auth_token": SECRET}),
        ),
        (
            "sinch",
            "/xms/v1/plan1/batches",
            "01J1S8Z3EXAMPLE0000000000",
            json!({
                "from": "+447700900999", "service_plan_id": "plan1", "region": "eu",
                "api_token": SECRET,
            }),
        ),
        ("http_sms", "/send", "message-0001", http),
    ]
    .map(of_texts)
    .into()
}

fn texts_of_amazon() -> Vec<Vendor> {
    let aws = json!({
        "access_key_id": AWS_KEY_ID, "region": "eu-west-1", "secret_access_key": AWS_SECRET,
    });
    let own = json!({
        "from": "pool-0123456789abcdef0123456789abcdef", "configuration_set": "signing-sms",
        "topic_arn": "arn:aws:sns:eu-west-1:123456789012:sms-events",
    });
    [
        ("aws_sms", "/", "34d9b400-c6dd-5444-820d-000000000003", merged(own, aws.clone())),
        ("sns_sms", "/", "34d9b400-c6dd-5444-820d-000000000001", aws),
    ]
    .map(of_texts)
    .into()
}

fn of_texts(
    (kind, target, id, settings): (&'static str, &'static str, &'static str, Value),
) -> Vendor {
    Vendor { kind, sample: "", target, id, settings }
}

/// Finds the service of a kind.
pub(crate) fn vendor(kind: &str) -> Vendor {
    vendors().into_iter().find(|vendor| vendor.kind == kind).unwrap()
}

impl Vendor {
    /// Starts a stand-in that takes every message.
    pub(crate) fn start(&self) -> Receiver {
        let vendor = vendor(self.kind);
        Receiver::answering(([127, 0, 0, 1], 0).into(), move |_, count| vendor.yes(count))
    }

    /// Says yes to the message before which there were so many.
    pub(crate) fn yes(&self, count: usize) -> Vec<u8> {
        yes(self.kind, &numbered(self.id, count))
    }

    /// Gives what `POST /providers` takes, with a stand-in in the vendor's place.
    pub(crate) fn registration(&self, base_url: &str) -> Value {
        let place = if self.kind == "http_sms" { "url" } else { "base_url" };
        let url =
            if self.kind == "http_sms" { format!("{base_url}/send") } else { base_url.to_owned() };
        let settings = merged(self.settings.clone(), json!({place: url}));
        json!({"kind": self.kind, "name": self.kind.replace('_', "-"), "settings": settings})
    }

    /// Holds a call against the vendor's sample, and gives what was handed over.
    pub(crate) fn read(&self, call: &Message, count: usize, feedback_url: &str) -> Handed {
        let kind = self.kind;
        assert_eq!(call.first, format!("POST {} HTTP/1.1", self.target), "{kind}");
        let said = body(call);
        let mut found = Found::new();
        fits(&self.documented(), &said, kind, &mut found);
        let hole = |name: &str| found.get(name).cloned().unwrap_or_default();
        // Our key travels beside a text of Amazon's in nothing.
        assert_eq!(found.contains_key("key"), kind != "sns_sms", "{kind}: {found:?}");
        if found.contains_key("feedback") {
            assert_eq!(hole("feedback"), feedback_url, "{kind}");
        }
        self.prove(call, &hole("key"));
        Handed {
            key: hole("key"),
            to: hole("to"),
            subject: hole("subject"),
            text: hole("text"),
            html: hole("html"),
            id: numbered(self.id, count),
        }
    }

    /// Gives the sample of a call.
    fn documented(&self) -> Value {
        match self.kind {
            "http_sms" => json!({
                "to": "+447700900123", "text": "Please review & sign: https://s.example.com/8f2c",
                "ref": "ntf_01J8Z3", "callback": "https://hooks.example.com/feedback/t0k3n?n=ntf_01J8Z3",
            }),
            kind if self.sample.is_empty() => {
                let mut documented = parsed(&sample(&format!("sms/{kind}/request.json")));
                if kind == "vonage_sms" {
                    // Unicode where the text has a letter that GSM has not.
                    documented["type"] = json!("signature-request");
                }
                documented
            }
            kind => {
                let documented = parsed(&sample(&format!("{}.request.json", self.sample)));
                if kind == "mailgun" { documented["fields"].clone() } else { documented }
            }
        }
    }

    /// Checks who asks.
    fn prove(&self, call: &Message, key: &str) {
        let basic = |user: &str, password: &str| {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
        };
        let expected = match self.kind {
            "ses" => return prove_amazon(call, "ses"),
            "aws_sms" => {
                assert_eq!(call.header("x-amz-target"), Some("PinpointSMSVoiceV2.SendTextMessage"));
                return prove_amazon(call, "sms-voice");
            }
            "sns_sms" => return prove_amazon(call, "sns"),
            "vonage" => return prove_vonage(call),
            "vonage_sms" => None,
            "postmark" => {
                assert_eq!(call.header("x-postmark-server-token"), Some(SECRET));
                None
            }
            "resend" => {
                assert_eq!(call.header("idempotency-key"), Some(format!("{key}/1").as_str()));
                Some(format!("Bearer {SECRET}"))
            }
            "mailgun" => Some(basic("api", SECRET)),
            "twilio" => Some(basic("AC00000000000000000000000000000000", SECRET)),
            "plivo" => Some(basic("MAEXAMPLE", SECRET)),
            "messagebird" => Some(format!("AccessKey {SECRET}")),
            _ => Some(format!("Bearer {SECRET}")),
        };
        assert_eq!(call.header("authorization"), expected.as_deref(), "{}", self.kind);
    }
}

/// What is secret in most settings.
pub(crate) const SECRET: &str = "se-cret-of-the-test";
const AWS_KEY_ID: &str = "AKIAEXAMPLE";
pub(crate) const AWS_SECRET: &str = "aws-secret-access-key";
const VONAGE_APPLICATION: &str = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";

/// Reads a file of samples.
fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels/fixtures/providers");
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn merged(mut one: Value, other: Value) -> Value {
    let (Value::Object(into), Value::Object(more)) = (&mut one, other) else {
        panic!("no objects")
    };
    into.extend(more);
    one
}

/// Gives each message an id of its own, of the vendor's form.
fn numbered(id: &str, count: usize) -> String {
    let (head, _) = id.split_at(id.len() - 4);
    // Where an id is an address, it is the name that differs.
    match id.split_once('@') {
        Some((name, domain)) => format!("{name}{count:04}@{domain}"),
        None => format!("{head}{count:04}"),
    }
}

/// Says yes in the vendor's words.
fn yes(kind: &str, id: &str) -> Vec<u8> {
    let sms = || {
        let answer = parsed(&sample(&format!("sms/{kind}/answer.accepted.json")));
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let text = answer["body"].to_string();
        reply(status, &[("content-type", "application/json")], &text.replace(vendor(kind).id, id))
    };
    let mail = |name: &str| {
        let text = sample(name).replace(vendor(kind).id, id);
        reply(200, &[("content-type", "application/json")], &text)
    };
    match kind {
        "sendgrid" => reply(202, &[("x-message-id", id)], ""),
        "ses" => mail("ses/send-email.response.json"),
        "mailgun" => mail("mailgun/messages.response.json"),
        "postmark" => mail("postmark/email.response.json"),
        "resend" => mail("resend/emails.response.json"),
        "http_sms" => reply(200, &[], &json!({"result": "OK", "id": id}).to_string()),
        "sns_sms" => {
            let text = sample("sms/sns_sms/answer.accepted.xml").replace(vendor(kind).id, id);
            reply(200, &[("content-type", "text/xml")], &text)
        }
        _ => sms(),
    }
}

/// Gives a body as JSON; of a form, its fields.
fn body(call: &Message) -> Value {
    let kind = call.header("content-type").unwrap();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let fields = form_urlencoded::parse(&call.body);
        let fields = fields.map(|(name, value)| (name.into_owned(), json!(value)));
        return Value::Object(fields.collect::<Map<_, _>>());
    }
    let Some((_, boundary)) = kind.split_once("boundary=") else { return call.json() };
    let text = call.text();
    let (next, end) = (format!("--{boundary}\r\n"), format!("--{boundary}--\r\n"));
    let parts = text.strip_suffix(&end).unwrap().split(&next).skip(1);
    let field = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n").unwrap();
        let name = head.strip_prefix("content-disposition: form-data; name=\"").unwrap();
        (name.trim_end_matches('"').to_owned(), json!(value.strip_suffix("\r\n").unwrap()))
    };
    Value::Object(parts.map(field).collect())
}

/// Holds what was said against the sample: the same members in the same order, the same values but for the holes.
fn fits(documented: &Value, said: &Value, at: &str, found: &mut Found) {
    match (documented, said) {
        (Value::Object(documented), Value::Object(said)) => {
            let names = |of: &Map<String, Value>| of.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(said), names(documented), "{at}");
            for (name, value) in documented {
                fits(value, &said[name], &format!("{at}.{name}"), found);
            }
        }
        (Value::Array(documented), Value::Array(said)) => {
            assert_eq!(said.len(), documented.len(), "{at}");
            for (documented, said) in documented.iter().zip(said) {
                fits(documented, said, &format!("{at}[]"), found);
            }
        }
        (Value::String(documented), Value::String(said)) => fill(documented, said, at, found),
        (documented, said) => assert_eq!(said, documented, "{at}"),
    }
}

/// Holds a text against one with holes in it.
fn fill(documented: &str, said: &str, at: &str, found: &mut Found) {
    let first = HOLES.iter().filter_map(|hole| documented.find(hole.1).map(|place| (place, hole)));
    let Some((place, (name, value))) = first.min_by_key(|(place, _)| *place) else {
        assert_eq!(said, documented, "{at}");
        return;
    };
    let (before, after) = documented.split_at(place);
    let after = after.strip_prefix(value).unwrap();
    let rest =
        said.strip_prefix(before).unwrap_or_else(|| panic!("{at}: {said} is no {documented}"));
    // Up to what the sample says next, or to the end.
    let next = HOLES.iter().filter_map(|hole| after.find(hole.1)).min().unwrap_or(after.len());
    let literal = after.split_at(next).0;
    let length = if literal.is_empty() { rest.len() } else { rest.find(literal).unwrap() };
    let (value, rest) = rest.split_at(length);
    let value = value.to_owned();
    let known = found.entry(name).or_insert_with(|| value.clone());
    assert_eq!(&value, known, "{at}: {name} is not the same at each place");
    fill(after, rest, at, found);
}

/// Checks a signature of version 4, by what Amazon's guide "Create a signed AWS API request" says.
fn prove_amazon(call: &Message, service: &str) {
    let authorization = call.header("authorization").unwrap();
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap();
    let (scope, rest) = rest.split_once(", SignedHeaders=").unwrap();
    let (names, signature) = rest.split_once(", Signature=").unwrap();
    let time = call.header("x-amz-date").unwrap();
    let day = time.split('T').next().unwrap();
    assert_eq!(scope, format!("{AWS_KEY_ID}/{day}/eu-west-1/{service}/aws4_request"));
    let headers: Vec<String> =
        names.split(';').map(|name| format!("{name}:{}\n", call.header(name).unwrap())).collect();
    let canonical = format!(
        "POST\n{}\n\n{}\n{names}\n{}",
        call.word(1),
        headers.concat(),
        hex(digest::digest(&digest::SHA256, &call.body).as_ref()),
    );
    let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let (_, scope) = scope.split_once('/').unwrap();
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
    let code = |key: &[u8], text: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let key = code(format!("AWS4{AWS_SECRET}").as_bytes(), day);
    let key = code(&code(&code(&key, "eu-west-1"), service), "aws4_request");
    assert_eq!(signature, hex(&code(&key, &text)), "{service}");
}

/// Checks the token by the public half of the application's key.
fn prove_vonage(call: &Message) {
    let token = call.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let pem = sample("sms/vonage/application.test.key");
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(der).unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
    let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    key.verify(signed.as_bytes(), &decoded(signature)).unwrap();
    let claims: Value =
        serde_json::from_slice(&decoded(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(claims["application_id"], VONAGE_APPLICATION);
}

fn hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from_digit(number.into(), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
