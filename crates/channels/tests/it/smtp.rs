//! Mails over SMTP, against servers that follow a script, over real sockets on loopback.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use channels::conversation::{self, Said, Side};
use channels::smtp::{self, Handover, Mailer, Smtp};
use channels::{Guard, Options, ReturnPaths, Schemes};
use domain::id::{AccountId, ProviderId};
use domain::message::{Mail, Mailbox, Reception};
use domain::provider::{OnUnknown, Provider, ProviderKind, Secrets};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use crate::receiver::{Notes, Receiver, options};
use crate::secure::{Loopback, acceptor, authority};

/// Replies to commands by their beginning. An empty one closes the connection, `HANG` never comes.
type Script = &'static [(&'static str, &'static str)];

const USUAL: Script = &[
    ("GREETING", "220 mx.test ready\r\n"),
    ("EHLO", "250-mx.test\r\n250-AUTH PLAIN LOGIN XOAUTH2\r\n250-DSN\r\n250 STARTTLS\r\n"),
    ("STARTTLS", "220 go on\r\n"),
    ("AUTH PLAIN", "235 welcome\r\n"),
    ("AUTH XOAUTH2", "235 welcome\r\n"),
    ("MAIL", "250 OK\r\n"),
    ("RCPT", "250 OK\r\n"),
    ("DATA", "354 go on\r\n"),
    (".", "250 2.0.0 queued as 42\r\n"),
    ("RSET", "250 OK\r\n"),
];

const HANG: &str = "HANG";

fn reply(script: Script, command: &str) -> &'static str {
    let known = script.iter().chain(USUAL).find(|(start, _)| command.starts_with(start));
    known.map_or("500 what?\r\n", |(_, reply)| reply)
}

/// Follows the script until the connection ends, or TLS begins.
async fn follow<S>(stream: &mut BufReader<S>, notes: &Notes, script: Script, mut at: String) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if !at.is_empty() {
            match reply(script, &at) {
                "" => return false,
                HANG => future::pending().await,
                reply => stream.write_all(reply.as_bytes()).await.unwrap(),
            }
            stream.flush().await.unwrap();
            if at.starts_with("STARTTLS") && reply(script, &at).starts_with("220") {
                return true;
            }
            if at.starts_with("DATA") && reply(script, &at).starts_with("354") {
                if reply(script, "TEXT") == HANG {
                    future::pending::<()>().await;
                }
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut text).await.unwrap() == 0 {
                        return false;
                    }
                }
                notes.add(text);
                at = ".".to_owned();
                continue;
            }
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        at = line.trim_end().to_owned();
        notes.add(at.clone());
    }
}

async fn server(script: Script, implicit: bool) -> Receiver {
    let acceptor = acceptor(&[]);
    Receiver::start(move |stream, notes| {
        let acceptor = acceptor.clone();
        async move {
            let greeting = || "GREETING".to_owned();
            let mut stream = BufReader::new(stream);
            let begins_tls = implicit || follow(&mut stream, &notes, script, greeting()).await;
            if begins_tls && let Ok(stream) = acceptor.accept(stream.into_inner()).await {
                notes.add("TLS".to_owned());
                let at = if implicit { greeting() } else { String::new() };
                follow(&mut BufReader::new(stream), &notes, script, at).await;
            }
        }
    })
    .await
}

fn return_paths() -> ReturnPaths {
    ReturnPaths::new(&[1; 32])
}

fn mailer() -> Smtp {
    let authorities = vec![authority()];
    let options = Options { resolver: Arc::new(Loopback), authorities, ..options() };
    Smtp::new(options, return_paths()).unwrap()
}

fn provider(server: &Receiver, settings: &[(&str, &str)], secrets: &[(&str, &str)]) -> Provider {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    all.insert("host".to_owned(), "receiver.test".into());
    all.insert("port".to_owned(), server.address.port().into());
    all.insert("from".to_owned(), "sign@example.com".into());
    all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
    let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    Provider {
        id: ProviderId::new(1),
        account: AccountId::new(1),
        name: "mails".to_owned(),
        kind: ProviderKind::Smtp,
        priority: 0,
        rate_limit: None,
        on_unknown: OnUnknown::default(),
        enabled: true,
        settings: all,
        created_at: now(),
        updated_at: now(),
        secrets: Secrets { values: secrets.collect(), feedback_token: None },
    }
}

fn now() -> Timestamp {
    "2026-07-02T10:00:00Z".parse().unwrap()
}

fn mail() -> Mail {
    Mail {
        key: "ntc_1".to_owned(),
        from: Mailbox { name: Some("Example".to_owned()), address: "sign@example.com".to_owned() },
        reply_to: None,
        to: Mailbox { name: None, address: "ana+x@example.net".to_owned() },
        subject: "Please sign".to_owned(),
        text: ".\r\n.Please sign".to_owned(),
        html: None,
        tag: None,
    }
}

async fn send(mailer: &Smtp, provider: &Provider) -> Handover {
    mailer.send(provider, &mail(), now(), Duration::from_secs(2)).await
}

/// Sends one mail in the open to a server that follows the script.
async fn sent(script: Script) -> Handover {
    let server = server(script, false).await;
    send(&mailer(), &provider(&server, &[("tls", "none_insecure")], &[])).await
}

const fn later(provider: bool) -> Reception {
    Reception::Later { after_s: None, provider }
}

#[tokio::test]
async fn a_mail_goes_over_starttls_with_all_that_reports_need() {
    let server = server(&[], false).await;
    let settings = [("username", "ana"), ("return_path", "bounces.example.com")];
    let provider = provider(&server, &settings, &[("password", "se-cret")]);
    let ended = send(&mailer(), &provider).await;
    assert_eq!(ended.receipt.reception, Reception::Accepted);
    assert_eq!(ended.receipt.message_id.as_deref(), Some("ntc_1@example.com"));
    assert_eq!(ended.receipt.detail, "250 2.0.0 queued as 42");
    assert_eq!(ended.remote, Some(server.address));
    let heard = server.requests();
    let (text, commands) = heard.split_last().unwrap();
    let return_path = return_paths().write("ntc_1", "bounces.example.com");
    let sender = format!("MAIL FROM:<{return_path}> RET=HDRS ENVID=ntc_1");
    assert_eq!(
        commands,
        [
            "EHLO example.com",
            "STARTTLS",
            "TLS",
            "EHLO example.com",
            "AUTH PLAIN AGFuYQBzZS1jcmV0",
            sender.as_str(),
            "RCPT TO:<ana+x@example.net> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;ana+2Bx@example.net",
            "DATA",
        ]
    );
    for line in ["Message-ID: <ntc_1@example.com>", "X-Notice-Id: ntc_1", "Subject: Please sign"] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{text}");
    }
}

/// Hands one mail over, and gives what was said: `>` before our side, `<` before the server's.
async fn heard(mailer: &Smtp, provider: &Provider) -> (Handover, Vec<String>) {
    let notes = conversation::Notes::taken();
    let when = (now(), Duration::from_secs(2));
    let ended = mailer.send_noted(provider, &mail(), when, &notes).await;
    let line = |said: Said| {
        let mark = if said.by == Side::Us { '>' } else { '<' };
        format!("{mark} {}", said.text)
    };
    (ended, notes.said(&notes.masks(provider)).into_iter().map(line).collect())
}

#[tokio::test]
async fn a_noted_mail_shows_both_sides_and_no_login() {
    // The server repeats the password in whatever form.
    const TELLS: Script = &[
        ("AUTH PLAIN", "235 AGFuYQBzZS1jcmV0LXdvcmQ= se-cret-word\r\n"),
        (".", "250 2.0.0 c2UtY3JldC13b3Jk se%2Dcret%2dword\r\n"),
    ];
    let server = server(TELLS, false).await;
    let provider = provider(&server, &[("username", "ana")], &[("password", "se-cret-word")]);
    let mailer = mailer();
    // A connection that is kept from before would not show its greeting.
    send(&mailer, &provider).await;
    let (ended, heard) = heard(&mailer, &provider).await;
    assert_eq!(ended.receipt.reception, Reception::Accepted);
    let ours =
        ["> EHLO example.com", "< 250-mx.test", "< 250-AUTH PLAIN LOGIN XOAUTH2", "< 250-DSN"];
    let expected = [
        &["< 220 mx.test ready"],
        &ours[..],
        &[
            "< 250 STARTTLS",
            "> STARTTLS",
            "< 220 go on",
            "> (from here on nobody else can read it: TLS)",
        ],
        &ours[..],
        &[
            "< 250 STARTTLS",
            "> AUTH PLAIN …",
            "< 235 … …word",
            "> MAIL FROM:<sign@example.com> RET=HDRS ENVID=ntc_1",
            "< 250 OK",
            "> RCPT TO:<ana+x@example.net> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;ana+2Bx@example.net",
            "< 250 OK",
            "> DATA",
            "< 354 go on",
            "> (the mail, 324 bytes)",
            "> .",
            "< 250 2.0.0 …word …word",
        ],
    ];
    assert_eq!(heard, expected.concat());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn what_was_said_before_the_end_is_shown_whatever_the_end() {
    for (script, last) in [
        (&[("RCPT", HANG)] as Script, "> RCPT TO:"),
        (&[("EHLO", "250 \u{ff}\r\nno reply\r\n"), ("MAIL", "")], "< no reply"),
        (&[("GREETING", "554 5.7.1 go away\r\n")], "< 554 5.7.1 go away"),
    ] {
        let server = server(script, false).await;
        let provider = provider(&server, &[("tls", "none_insecure")], &[]);
        let (ended, heard) = heard(&mailer(), &provider).await;
        assert_eq!(ended.receipt.reception, later(true));
        assert!(heard.last().unwrap().starts_with(last), "{heard:?}");
    }
}

#[tokio::test]
async fn tls_may_be_there_from_the_beginning() {
    let server = server(&[], true).await;
    let settings = [("tls", "implicit"), ("username", "ana")];
    let provider = provider(&server, &settings, &[("access_token", "to-ken")]);
    assert_eq!(send(&mailer(), &provider).await.receipt.reception, Reception::Accepted);
    let heard = server.requests();
    assert_eq!(heard[0], "TLS");
    assert_eq!(heard[2], "AUTH XOAUTH2 dXNlcj1hbmEBYXV0aD1CZWFyZXIgdG8ta2VuAQE=");
}

#[tokio::test]
async fn a_login_may_be_asked_for_in_two_steps() {
    let script: Script = &[
        ("EHLO", "250-mx.test\r\n250 AUTH LOGIN\r\n"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"),
        ("YW5h", "334 UGFzc3dvcmQ6\r\n"),
        ("c2UtY3JldA==", "235 welcome\r\n"),
    ];
    let server = server(script, false).await;
    let settings = [("tls", "none_insecure"), ("username", "ana")];
    let provider = provider(&server, &settings, &[("password", "se-cret")]);
    assert_eq!(send(&mailer(), &provider).await.receipt.reception, Reception::Accepted);
    // Without DSN among the extensions nothing of it is said.
    assert!(server.requests().contains(&"MAIL FROM:<sign@example.com>".to_owned()));
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_offers_no_tls() {
    let server = server(&[("EHLO", "250-mx.test\r\n250 AUTH PLAIN\r\n")], false).await;
    let provider = provider(&server, &[("username", "ana")], &[("password", "se-cret")]);
    let receipt = send(&mailer(), &provider).await.receipt;
    assert_eq!(receipt.reception, later(true));
    assert_eq!(receipt.detail, "the server does not offer STARTTLS, so nothing was sent to it");
    assert_eq!(server.requests(), ["EHLO example.com"]);
}

#[tokio::test]
async fn what_is_slipped_in_before_tls_is_not_believed() {
    let script: Script = &[("STARTTLS", "220 go on\r\n250 slipped in\r\n")];
    let server = server(script, false).await;
    let receipt = send(&mailer(), &provider(&server, &[], &[])).await.receipt;
    assert_eq!(receipt.reception, later(true));
    assert!(!server.requests().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn every_refusal_says_whose_trouble_it_is() {
    let scripts: &[(Script, Reception)] = &[
        (&[("GREETING", "554 go away\r\n")], later(true)),
        (&[("GREETING", "")], later(true)),
        (&[("GREETING", "HTTP/1.1 400 Bad Request\r\n")], later(true)),
        (&[("EHLO", "421 too busy\r\n")], later(true)),
        (&[("MAIL", "550 no such sender\r\n")], later(true)),
        (&[("MAIL", "552 too large\r\n")], Reception::Refused { suppressed: false }),
        (&[("RCPT", "550 5.1.1 no such user\r\n")], Reception::Refused { suppressed: false }),
        (&[("RCPT", "530 log in first\r\n")], later(true)),
        (&[("RCPT", "450 4.2.1 try later\r\n")], later(false)),
        (&[("RCPT", "421 closing\r\n")], later(true)),
        (&[("RCPT", "")], later(true)),
        (&[("DATA", "451 not now\r\n")], later(false)),
        (&[("DATA", "554 no\r\n")], Reception::Refused { suppressed: false }),
        (&[(".", "452 4.2.2 mailbox full\r\n")], later(false)),
        (&[(".", "554 5.7.1 spam\r\n")], Reception::Refused { suppressed: false }),
        (&[(".", "")], Reception::Unknown),
        (&[(".", "what?\r\n")], Reception::Unknown),
        (&[(".", "250-first\r\n251 second\r\n")], Reception::Unknown),
    ];
    for (script, reception) in scripts {
        let receipt = sent(script).await.receipt;
        assert_eq!(receipt.reception, *reception, "{script:?}: {}", receipt.detail);
        assert!(reception == &Reception::Accepted || !receipt.detail.is_empty());
    }
}

#[tokio::test]
async fn the_deadline_says_whether_the_mail_may_have_been_taken() {
    for (script, reception) in
        [(&[("RCPT", HANG)] as Script, later(true)), (&[(".", HANG)], Reception::Unknown)]
    {
        let server = server(script, false).await;
        let provider = provider(&server, &[("tls", "none_insecure")], &[]);
        let ended = mailer().send(&provider, &mail(), now(), Duration::from_millis(200)).await;
        assert_eq!(ended.receipt.reception, reception);
        assert_eq!(ended.remote, Some(server.address));
    }
}

#[tokio::test]
async fn a_text_that_was_not_read_to_its_end_was_not_taken() {
    let server = server(&[("TEXT", HANG)], false).await;
    let provider = provider(&server, &[("tls", "none_insecure")], &[]);
    let long = Mail { text: "x".repeat(20 << 20), ..mail() };
    let ended = mailer().send(&provider, &long, now(), Duration::from_millis(1500)).await;
    assert_eq!(ended.receipt.reception, later(true));
}

#[tokio::test]
async fn an_endless_reply_is_left() {
    const ENDLESS: &str = concat!("250-", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let line = ENDLESS.repeat(100).leak();
    let script: Script = vec![("EHLO", &*line)].leak();
    let receipt = sent(script).await.receipt;
    assert_eq!(
        (receipt.reception, receipt.detail.as_str()),
        (later(true), "what came back is no SMTP reply")
    );
    let lines = "250-a\r\n".repeat(200).leak();
    let script: Script = vec![("EHLO", &*lines)].leak();
    assert_eq!(sent(script).await.receipt.reception, later(true));
}

#[tokio::test]
async fn a_connection_serves_several_mails_and_is_made_anew_when_it_died() {
    let alive = server(&[], false).await;
    let known = provider(&alive, &[], &[]);
    let mailer = mailer();
    for _ in 0..3 {
        assert_eq!(send(&mailer, &known).await.receipt.reception, Reception::Accepted);
    }
    assert_eq!(alive.connections(), 1);
    // A refusal leaves the connection; changed settings do not.
    let changed = Provider { updated_at: now().plus_seconds(1), ..known };
    assert_eq!(send(&mailer, &changed).await.receipt.reception, Reception::Accepted);
    assert_eq!(alive.connections(), 2);
    let dying = server(&[("RSET", "")], false).await;
    let known = provider(&dying, &[], &[]);
    let mailer = self::mailer();
    for _ in 0..2 {
        assert_eq!(send(&mailer, &known).await.receipt.reception, Reception::Accepted);
    }
    assert_eq!(dying.connections(), 2);
}

#[tokio::test]
async fn a_repetition_is_the_same_mail() {
    let server = server(&[(".", "")], false).await;
    let provider = provider(&server, &[("tls", "none_insecure")], &[]);
    for _ in 0..2 {
        assert_eq!(send(&mailer(), &provider).await.receipt.reception, Reception::Unknown);
    }
    let texts: Vec<_> =
        server.requests().into_iter().filter(|line| line.contains("Message-ID")).collect();
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn a_wrong_password_shows_nowhere() {
    let script: Script = &[("AUTH PLAIN", "535 5.7.8 bad: AGFuYQBzZS1jcmV0\r\n")];
    let server = server(script, false).await;
    let provider = provider(&server, &[("username", "ana")], &[("password", "se-cret")]);
    let ended = send(&mailer(), &provider).await;
    assert_eq!(ended.receipt.reception, later(true));
    assert_eq!(ended.receipt.detail, "the server refused the login with 535");
}

#[tokio::test]
async fn the_guard_says_which_servers_are_dialled() {
    let server = server(&[], false).await;
    let guard = Guard::new(Vec::new(), Schemes::HttpsOnly);
    let options = Options { resolver: Arc::new(Loopback), ..Options::new(guard) };
    let mailer = Smtp::new(options, return_paths()).unwrap();
    let ended = send(&mailer, &provider(&server, &[], &[])).await;
    assert_eq!((ended.receipt.reception, ended.remote), (later(true), None));
    assert!(ended.receipt.detail.contains("127.0.0.0/8"), "{}", ended.receipt.detail);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_server_with_another_name_is_told_nothing() {
    let server = server(&[], true).await;
    let mut provider = provider(&server, &[("tls", "implicit")], &[]);
    provider.settings.insert("host".to_owned(), "elsewhere.test".into());
    let receipt = send(&mailer(), &provider).await.receipt;
    assert_eq!(receipt.detail, "the certificate is for another name");
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn an_address_that_would_break_a_line_is_refused() {
    let server = server(&[], false).await;
    let provider = provider(&server, &[], &[]);
    for address in ["ana@example.net>\r\nDATA", "jürgen@example.net", "ana"] {
        let to = Mailbox { name: None, address: address.to_owned() };
        let ended =
            mailer().send(&provider, &Mail { to, ..mail() }, now(), Duration::from_secs(2)).await;
        assert_eq!(ended.receipt.reception, Reception::Refused { suppressed: false });
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() {
    let server = server(&[], false).await;
    let whole = provider(&server, &[("username", "ana")], &[("password", "se-cret")]);
    assert_eq!(smtp::check(&whole), []);
    for (name, value) in [
        ("host", json!("smtp.example.com:25")),
        ("from", json!("sign")),
        ("return_path", json!("a@b")),
    ] {
        let mut wrong = whole.clone();
        wrong.settings.insert(name.to_owned(), value);
        let flaws = smtp::check(&wrong);
        assert_eq!(flaws.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [name]);
    }
    let lonely = provider(&server, &[("username", "ana")], &[]);
    assert_eq!(smtp::check(&lonely).len(), 1);
    assert!(smtp::fields().iter().all(|field| field.about.ends_with('.')));
}
