//! What a mail server needs to be used.
//!
//! Invariant: settings that were read can be said to a server without breaking a line.

use domain::message::{Mail, Mailbox};
use domain::provider::Provider;
use serde_json::Value;
use url::Host;

use crate::address;
use crate::email::{self, FROM, FROM_NAME, REPLY_TO};
use crate::provider::{Field, Form, secret, setting};

/// How to reach a server, and as whom.
pub(super) struct Settings<'a> {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<Login<'a>>,
    /// The domain that reports come to.
    pub(super) return_path: Option<&'a str>,
    /// Who we say we are.
    pub(super) name: &'a str,
}

/// When a connection becomes one that nobody else reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// From its beginning.
    Implicit,
    /// Before anything is said; a server that does not offer it gets nothing.
    Upgraded,
    /// Never.
    None,
}

/// As whom to log in.
pub(super) enum Login<'a> {
    Password { user: &'a str, password: &'a str },
    Token { user: &'a str, token: &'a str },
}

impl<'a> Settings<'a> {
    pub(super) fn of(provider: &'a Provider) -> Result<Self, String> {
        let host = setting(provider, HOST).ok_or("the provider has no host; set it")?;
        let tls = match setting(provider, TLS) {
            Some("implicit") => Tls::Implicit,
            Some("none_insecure") => Tls::None,
            Some(_) | None => Tls::Upgraded,
        };
        let port = match provider.settings.get(PORT).and_then(Value::as_u64) {
            Some(port) => u16::try_from(port).ok().ok_or("the provider's port is none; set it")?,
            None if tls == Tls::Implicit => 465,
            None => 587,
        };
        let user = setting(provider, USERNAME);
        let login = match (user, secret(provider, PASSWORD), secret(provider, ACCESS_TOKEN)) {
            (None, ..) | (Some(_), None, None) => None,
            (Some(user), _, Some(token)) => Some(Login::Token { user, token }),
            (Some(user), Some(password), None) => Some(Login::Password { user, password }),
        };
        let from = setting(provider, FROM.name).and_then(|from| from.rsplit_once('@'));
        Ok(Self {
            host: Host::parse(host)
                .map_err(|error| format!("the provider's host is none: {error}"))?,
            port,
            tls,
            login,
            return_path: setting(provider, RETURN_PATH).filter(|domain| is_domain(domain)),
            name: from
                .map(|(_, domain)| domain)
                .filter(|name| is_domain(name))
                .unwrap_or("localhost"),
        })
    }

    pub(super) fn host(&self) -> Host<&str> {
        match &self.host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        }
    }
}

pub(super) fn check(provider: &Provider) -> Vec<(&'static str, String)> {
    let mut flaws = email::check_addresses(provider);
    let mut expect = |name, fits: bool, expected: &str| {
        if !fits {
            flaws.push((name, expected.to_owned()));
        }
    };
    let host = setting(provider, HOST);
    let fits = host.is_none_or(|host| Host::parse(host).is_ok());
    expect(HOST, fits, "a host, such as smtp.example.com; the port has a field of its own");
    let fits = setting(provider, RETURN_PATH).is_none_or(is_domain);
    expect(RETURN_PATH, fits, "a domain, such as bounces.example.com");
    let user = setting(provider, USERNAME).is_some();
    let secrets = [PASSWORD, ACCESS_TOKEN].map(|name| secret(provider, name).is_some());
    expect(
        USERNAME,
        user || secrets == [false, false],
        "a text, since there is a secret to log in with",
    );
    expect(
        PASSWORD,
        !user || secrets != [false, false],
        "a text, since username is set; or set access_token",
    );
    expect(
        ACCESS_TOKEN,
        secrets != [true, true],
        "nothing, since password is set; leave one of both out",
    );
    flaws
}

/// Gives a mail whose addresses any server can take; `None` where there is no such form.
pub(super) fn in_ascii(mail: &Mail) -> Option<Mail> {
    let ascii = |address: &str| {
        let (local, domain) =
            address.rsplit_once('@').filter(|_| address::is_plausible(address))?;
        let Host::Domain(domain) = Host::parse(domain).ok()? else { return None };
        local.is_ascii().then(|| format!("{local}@{domain}"))
    };
    let mailbox = |mailbox: &Mailbox| {
        Some(Mailbox { name: mailbox.name.clone(), address: ascii(&mailbox.address)? })
    };
    let reply_to = match &mail.reply_to {
        Some(reply_to) => Some(ascii(reply_to)?),
        None => None,
    };
    let known = address::is_key(&mail.key);
    known.then_some(Mail {
        from: mailbox(&mail.from)?,
        to: mailbox(&mail.to)?,
        reply_to,
        ..mail.clone()
    })
}

fn is_domain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fits)
}

const HOST: &str = "host";
const PORT: &str = "port";
const TLS: &str = "tls";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const ACCESS_TOKEN: &str = "access_token";
const RETURN_PATH: &str = "return_path";

const fn field(name: &'static str, form: Form, about: &'static str) -> Field {
    Field { name, about, form, required: false, secret: false }
}

pub(super) const FIELDS: [Field; 10] = [
    FROM,
    FROM_NAME,
    REPLY_TO,
    Field {
        required: true,
        ..field(
            HOST,
            Form::Text,
            "The mail server that takes mails for others, such as smtp.example.com.",
        )
    },
    field(
        PORT,
        Form::Number(1, 65_535),
        "Its port; 465 for implicit TLS and 587 otherwise if left out.",
    ),
    field(
        TLS,
        Form::OneOf(&["starttls", "implicit", "none_insecure"]),
        "How the connection is secured: starttls (the default) asks for it first and sends nothing without it, implicit has it from the beginning, none_insecure lets everybody on the way read mails and password.",
    ),
    field(USERNAME, Form::Text, "The user to log in as; nobody logs in if left out."),
    Field {
        secret: true,
        ..field(PASSWORD, Form::Text, "The password of that user, or one for applications.")
    },
    Field {
        secret: true,
        ..field(
            ACCESS_TOKEN,
            Form::Text,
            "An OAuth 2 access token instead of a password (XOAUTH2); it is not renewed here.",
        )
    },
    field(
        RETURN_PATH,
        Form::Text,
        "A domain whose mails come to this service, such as bounces.example.com: servers report there what became of a mail. Without it they report to the address that mails are from, and only what is said while a mail is handed over is known.",
    ),
];
