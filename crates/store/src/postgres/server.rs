//! One server of the database, as a URL says, and the way there.
//!
//! Invariants: what the URL asks for is done or refused, never left out in silence; its password is never said.
//! Left to others: how the way is encrypted (`tls`), what is said over it (`link`).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use domain::secret::Secret;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, Connection, Socket};

use super::open::unusable;
use super::tls::{self, Connector, Encrypted, Protection, Roots};
use crate::error::Error;

/// What this service calls itself, so that an operator sees whose connections are there.
const APPLICATION: &str = "countersign";
/// What was sent and not confirmed by the other machine for so long ends the connection.
const CONFIRM_WAIT: Duration = Duration::from_secs(15);
/// A connection on which nothing is said is tried after so long.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// And again after so long.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// So often, before it is given up.
const KEEPALIVE_RETRIES: u32 = 3;

/// Where the database is.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    connector: Connector,
    protection: Protection,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("protection", &self.protection).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads a URL.
    pub(super) fn read(url: &Secret) -> Result<Self, Error> {
        let (rest, words) = apart(url.expose());
        // The driver's error may quote what it could not read, and a password is in there.
        let mut config: Config = rest.parse().map_err(|_quotes_the_url: tokio_postgres::Error| {
            unusable(
                "the database's URL cannot be read; write it as postgres://user:password@host:5432/name, several hosts with \
                 commas between, with %XX for what a URL may not hold, and if need be sslmode=verify-full and sslrootcert=FILE behind a ?",
            )
        })?;
        let roots = words.roots.as_deref().map(|path| match path {
            "system" => Roots::Public,
            path => Roots::File(PathBuf::from(path)),
        });
        let protection = Protection::read(words.mode.as_deref(), roots.as_ref())?;
        let connector = tls::connector(protection, &roots.unwrap_or(Roots::Public))?;
        config.ssl_mode(protection.mode());
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unusable("the database's URL names no host"));
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION);
        }
        config
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .tcp_user_timeout(CONFIRM_WAIT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
        Ok(Self { config, connector, protection })
    }

    /// Tells how the way there is protected.
    pub(super) const fn protection(&self) -> Protection {
        self.protection
    }

    /// Goes there.
    pub(super) async fn connect(
        &self,
    ) -> Result<(Client, Connection<Socket, Encrypted<Socket>>), tokio_postgres::Error> {
        self.config.connect(self.connector.clone()).await
    }
}

/// What a URL says of encryption.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    mode: Option<String>,
    roots: Option<String>,
}

/// Takes a URL apart: into what the driver reads, and what it does not know well enough.
fn apart(url: &str) -> (String, Words) {
    let mut words = Words::default();
    // Before the @ may stand anything.
    let from = url.find('@').unwrap_or(0);
    let Some((before, query)) = url.split_at_checked(from).and_then(|(user, rest)| {
        let (host, query) = rest.split_once('?')?;
        Some((format!("{user}{host}"), query))
    }) else {
        return (url.to_owned(), words);
    };
    let mut left = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => words.mode = Some(decoded(mode)),
            Some(("sslrootcert", path)) => words.roots = Some(decoded(path)),
            _ => left.push(pair),
        }
    }
    let url = if left.is_empty() { before } else { format!("{before}?{}", left.join("&")) };
    (url, words)
}

/// Puts characters in the place of their %XX; what is none stays.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        let coded = part
            .split_at_checked(2)
            .and_then(|(digits, rest)| Some((u8::from_str_radix(digits, 16).ok()?, rest)));
        if let Some((byte, rest)) = coded {
            bytes.push(byte);
            bytes.extend(rest.as_bytes());
        } else {
            bytes.push(b'%');
            bytes.extend(part.as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Protection, String> {
        let server = Server::read(&Secret::new(url));
        server.map(|server| server.protection()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_url_is_refused_without_quoting_it() {
        for url in ["postgres://u:hidden@h/db?sslcert=a", "mysql://u:hidden@h/db", "hidden"] {
            let text = read(url).unwrap_err();
            assert!(text.starts_with("the database's URL cannot be read"), "{text}");
            assert!(!text.contains("hidden"), "{text}");
        }
    }

    #[test]
    fn encryption_is_what_libpq_means_by_the_same_words() {
        let root = format!("{}/fixtures/authority.pem", env!("CARGO_MANIFEST_DIR"));
        let file = format!("&sslrootcert={}", root.replace('/', "%2F"));
        for (words, root, expected) in [
            ("", "", Protection::Offered),
            ("?sslmode=disable", "", Protection::None),
            ("?sslmode=prefer", "", Protection::Offered),
            ("?sslmode=require", "", Protection::Unverified),
            ("?sslmode=require", &file, Protection::Authority),
            ("?sslmode=verify-ca", &file, Protection::Authority),
            ("?connect_timeout=3&sslmode=verify-full", &file, Protection::Host),
            ("?sslmode=verify-full&sslrootcert=system", "", Protection::Host),
        ] {
            assert_eq!(
                read(&format!("postgres://u:p?@h/db{words}{root}")),
                Ok(expected),
                "{words}"
            );
        }
    }

    #[test]
    fn encryption_that_is_not_there_is_not_left_out_in_silence() {
        let text = read("postgres://u:hidden@h/db?sslmode=allow").unwrap_err();
        assert!(text.contains("sslmode") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_file_of_authorities_must_be_one() {
        let text = read("postgres://h/db?sslmode=verify-full&sslrootcert=/nowhere").unwrap_err();
        assert!(text.starts_with("cannot read /nowhere"), "{text}");
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let url = format!("postgres://h/db?sslmode=verify-full&sslrootcert={file}");
        assert!(read(&url).unwrap_err().contains("holds no certificate"));
    }

    #[test]
    fn a_url_names_a_host() {
        assert_eq!(read("postgres:///db").unwrap_err(), "the database's URL names no host");
    }

    #[test]
    fn characters_stand_for_their_codes() {
        assert_eq!(decoded("a%2Fb%20%c3%a9%"), "a/b é%");
        assert_eq!(decoded("%zz%"), "%zz%");
    }
}
