//! Every setting, its default, its origin.
//!
//! Invariants: settings are read once, here; a setting that makes no sense stops the command and says who set it;
//! a secret is shown by its last characters alone.
//! Left to others: building parts out of settings (`wire`).

pub(crate) mod gather;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::key;
use domain::retention::{Kept, Retention};
use domain::secret::Secret;
use engine::requests::OPEN_LOOKED_AT_MAX;
use ipnet::IpNet;
use url::Url;

use crate::config::gather::{Gathered, Mode, Said};
use crate::config::table::{Name, Shape, TABLE, setting};
use crate::failure::Advise as _;
use crate::folder;

/// Names the file of settings.
pub(crate) const CONFIG_VARIABLE: &str = "COUNTERSIGN_CONFIG";
/// The folder of `dev` in the data folder.
const DEV_FOLDER: &str = "dev";
/// What `dev` lets webhooks reach.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// The settings, each in a form that cannot be wrong.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the service is started for.
    pub(crate) mode: Mode,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The folder of the embedded store.
    pub(crate) data: PathBuf,
    /// The database of several nodes, if it is used instead.
    pub(crate) database_url: Option<Secret>,
    /// How operators call this node, if somebody said so.
    pub(crate) node_name: Option<String>,
    /// Where others find it, if somebody said so; no slash at the end.
    pub(crate) public_url: Option<String>,
    /// Where it takes mails that come back, if anywhere.
    pub(crate) feedback_mail_listen: Option<SocketAddr>,
    /// The key to begin with.
    pub(crate) api_key: Option<Secret>,
    /// Ranges that webhooks may reach beside public addresses.
    pub(crate) allow_targets: Vec<IpNet>,
    /// Whether webhooks may go to http.
    pub(crate) allow_http_targets: bool,
    /// What seals secrets, if a setting says so.
    pub(crate) master_key: Option<[u8; 32]>,
    /// Certificates of further authorities, as DER.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Whether `X-Forwarded-For` counts.
    pub(crate) trust_forwarded_for: bool,
    /// How long what has happened is kept.
    pub(crate) retention: Retention,
    /// How many requests of an account may be with their signers at once, if that is limited.
    pub(crate) open_requests_max: Option<u32>,
}

/// Gathers every setting: what flags said, the variables, the file.
pub(crate) fn gather(
    flags: BTreeMap<Name, String>,
    file: Option<&Path>,
    mode: Mode,
) -> anyhow::Result<Gathered> {
    let named = match file {
        Some(file) => Some(file.to_owned()),
        None => variable(CONFIG_VARIABLE)?.map(PathBuf::from),
    };
    let file = gather::read(named.as_deref())?;
    let mut variables = BTreeMap::new();
    for setting in &TABLE {
        if let Some(text) = variable(&setting.variable())? {
            variables.insert(setting.key, text);
        }
    }
    Ok(Gathered::of(Said { flags, variables }, file, mode))
}

/// Reads a variable; empty is absent.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    let Some(text) = env::var_os(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let text = text.into_string();
    Ok(Some(text.map_err(|_bytes| anyhow!("the variable {name} is no UTF-8"))?))
}

impl Settings {
    /// Reads every setting.
    pub(crate) fn of(gathered: &Gathered) -> anyhow::Result<Self> {
        let mode = gathered.mode;
        let database_url = read(gathered, Name::DatabaseUrl, database_url)?;
        if mode == Mode::Development && database_url.is_some() {
            let origin = gathered.origin(Name::DatabaseUrl).named(setting(Name::DatabaseUrl));
            return Err(anyhow!("database_url ({origin}): `dev` keeps to a folder of its own"))
                .advise("leave the setting out for `dev`; its clock can be moved, which no shared database should see");
        }
        let data = data(gathered)?;
        let mut allow_targets = read(gathered, Name::AllowTargets, ranges)?.unwrap_or_default();
        if mode == Mode::Development {
            allow_targets.extend(LOOPBACK.iter().filter_map(|range| range.parse::<IpNet>().ok()));
        }
        Ok(Self {
            mode,
            listen: read(gathered, Name::Listen, address)?
                .context("there is no address to listen at")?,
            data,
            database_url,
            node_name: gathered.text(Name::Node).map(str::to_owned),
            public_url: read(gathered, Name::PublicUrl, web_url)?,
            feedback_mail_listen: read(gathered, Name::FeedbackMailListen, address)?,
            api_key: read(gathered, Name::ApiKey, api_key)?,
            allow_targets,
            allow_http_targets: read(gathered, Name::AllowHttpTargets, switch)?.unwrap_or_default(),
            master_key: read(gathered, Name::MasterKey, folder::parse_key)?,
            authorities: read(gathered, Name::TlsCaFile, authorities)?.unwrap_or_default(),
            trust_forwarded_for: read(gathered, Name::TrustForwardedFor, switch)?
                .unwrap_or_default(),
            retention: Retention {
                payloads: read(gathered, Name::KeepPayloads, kept)?.unwrap_or(Kept::Forever),
                deliveries: read(gathered, Name::KeepDeliveries, kept)?.unwrap_or(Kept::Forever),
            },
            open_requests_max: read(gathered, Name::OpenRequestsMax, open_requests_max)?,
        })
    }

    /// Gives the URL that others call: the one that was set, or the address it listens at.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| {
            if address.ip().is_unspecified() {
                format!("http://localhost:{}", address.port())
            } else {
                format!("http://{address}")
            }
        })
    }
}

/// Gives the data folder; `dev` has one of its own in it, so that it never moves the clock of a production store.
pub(crate) fn data(gathered: &Gathered) -> anyhow::Result<PathBuf> {
    let data = gathered.text(Name::Data).context("there is no data folder")?;
    Ok(match gathered.mode {
        Mode::Production => PathBuf::from(data),
        Mode::Development => dev_folder(Path::new(data)),
    })
}

/// Gives the folder of `dev` in a data folder.
pub(crate) fn dev_folder(data: &Path) -> PathBuf {
    data.join(DEV_FOLDER)
}

/// Reads one setting, if it is there.
pub(crate) fn read<T>(
    gathered: &Gathered,
    key: Name,
    parse: impl FnOnce(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let Some(text) = gathered.text(key) else { return Ok(None) };
    let row = setting(key);
    let parsed = parse(text.trim());
    let origin = gathered.origin(key).named(row);
    parsed
        .with_context(|| format!("{} ({origin}) cannot be used", row.name))
        .advise(format!(
            "change it where it is set; `countersign config` shows every setting. {}",
            row.doc
        ))
        .map(Some)
}

/// Shows every setting as name, value and origin.
pub(crate) fn shown(gathered: &Gathered) -> Vec<[String; 3]> {
    let show = |row: &table::Setting| {
        let value = match (gathered.text(row.key), row.shape) {
            (None, _) => "-".to_owned(),
            (Some(text), Shape::Secret) => Secret::new(text).masked(),
            (Some(text), Shape::Address) => without_password(text),
            (Some(text), Shape::Text | Shape::List | Shape::Switch) => text.to_owned(),
        };
        [row.name.to_owned(), value, gathered.origin(row.key).named(row)]
    };
    TABLE.iter().map(show).collect()
}

fn database_url(text: &str) -> anyhow::Result<Secret> {
    let is_one = text.starts_with("postgres://") || text.starts_with("postgresql://");
    ensure!(is_one, "expected postgres://user:password@host:5432/name");
    Ok(Secret::new(text))
}

/// Shows a URL but for its password, and for what else may hold one.
fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return Secret::new(text).masked() };
    let mut shown = Ok(());
    if url.password().is_some() {
        shown = url.set_password(Some("***"));
    }
    if url.query().is_some_and(|query| query.contains("password")) {
        url.set_query(Some("***"));
    }
    shown.map_or_else(|()| Secret::new(text).masked(), |()| url.to_string())
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().ok().context("expected an address and a port, such as 127.0.0.1:8080 or [::]:8080")
}

fn switch(text: &str) -> anyhow::Result<bool> {
    text.parse().ok().context("expected true or false")
}

fn kept(text: &str) -> anyhow::Result<Kept> {
    Ok(Kept::parse(text)?)
}

fn open_requests_max(text: &str) -> anyhow::Result<u32> {
    let most = text.parse().ok().filter(|most| (1..=OPEN_LOOKED_AT_MAX).contains(most));
    most.with_context(|| format!("expected a number from 1 to {OPEN_LOOKED_AT_MAX}"))
}

fn ranges(text: &str) -> anyhow::Result<Vec<IpNet>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(range).collect()
}

fn range(text: &str) -> anyhow::Result<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.with_context(|| format!("expected a range such as 10.1.0.0/16, not `{text}`"))
}

fn web_url(text: &str) -> anyhow::Result<String> {
    let expected =
        "expected an http or https url without a query, such as https://sign.example.com";
    let url = Url::parse(text).context(expected)?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    ensure!(is_web && url.query().is_none() && url.fragment().is_none(), expected);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn api_key(text: &str) -> anyhow::Result<Secret> {
    let (chars, least) = (text.chars().count(), key::CHARS_MIN);
    ensure!(chars >= least, "expected {least} characters or more, not {chars}");
    ensure!(text.bytes().all(|byte| byte.is_ascii_graphic()), "expected visible ASCII characters");
    Ok(Secret::new(text))
}

fn authorities(file: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let pem = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let found = certificates(&pem).with_context(|| format!("reading {file}"))?;
    ensure!(!found.is_empty(), "{file} holds no certificate");
    Ok(found)
}

/// Reads the certificates of a PEM file, as DER.
fn certificates(pem: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some((_, after)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let (body, after) =
            after.split_once("-----END CERTIFICATE-----").context("a certificate has no end")?;
        let body: String = body.split_whitespace().collect();
        found.push(BASE64_STANDARD.decode(body).context("a certificate is no base64")?);
        rest = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(Name, &str)], mode: Mode) -> anyhow::Result<Settings> {
        let flags = pairs.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        let said = Said { flags, ..Said::default() };
        Settings::of(&Gathered::of(said, BTreeMap::new(), mode))
    }

    fn refused(key: Name, text: &str) -> String {
        format!("{:#}", settings(&[(key, text)], Mode::Production).unwrap_err())
    }

    #[test]
    fn the_defaults_are_safe() {
        let settings = settings(&[], Mode::Production).unwrap();
        assert!(settings.listen.ip().is_loopback());
        assert!(settings.allow_targets.is_empty() && !settings.allow_http_targets);
        assert!(settings.api_key.is_none() && !settings.trust_forwarded_for);
        assert!(settings.feedback_mail_listen.is_none());
        assert_eq!(settings.data, Path::new("./countersign-data"));
    }

    #[test]
    fn development_reaches_loopback_and_keeps_to_its_own_folder() {
        let settings = settings(&[(Name::Data, "/x")], Mode::Development).unwrap();
        assert!(settings.allow_http_targets);
        assert!(
            settings
                .allow_targets
                .iter()
                .any(|range| range.contains(&"127.0.0.1".parse::<IpAddr>().unwrap()))
        );
        assert_eq!(settings.data, Path::new("/x/dev"));
    }

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            ("postgres://u:hidden@h:5/db", "postgres://u:***@h:5/db"),
            ("postgres://u@h/db?sslmode=disable", "postgres://u@h/db?sslmode=disable"),
            ("postgres://u@h/db?password=hidden", "postgres://u@h/db?***"),
            ("hidden", "…"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_name_and_origin() {
        for (key, text, expected) in [
            (Name::DatabaseUrl, "mysql://u:hidden@h/db", "cannot be used: expected postgres://"),
            (Name::Listen, "8080", "listen (--listen) cannot be used: expected an address"),
            (
                Name::FeedbackMailListen,
                "mail",
                "feedback_mail_listen (--feedback-mail-listen) cannot",
            ),
            (Name::AllowTargets, "10.0.0.0/8,x", "not `x`"),
            (Name::AllowHttpTargets, "yes", "expected true or false"),
            (Name::PublicUrl, "sign.example.com", "expected an http or https url"),
            (Name::KeepPayloads, "P3D", "expected P7D or a longer ISO 8601 duration"),
            (Name::KeepDeliveries, "never", "or `forever`"),
            (Name::OpenRequestsMax, "0", "expected a number from 1 to 10000"),
            (Name::ApiKey, "short", "expected 32 characters or more, not 5"),
            (Name::MasterKey, "c2hvcnQ=", "expected the base64 of 32 bytes"),
        ] {
            let error = refused(key, text);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated_in_its_refusal() {
        assert!(!refused(Name::ApiKey, "hunter2").contains("hunter2"));
        assert!(!refused(Name::DatabaseUrl, "mysql://u:hunter2@h/db").contains("hunter2"));
    }

    #[test]
    fn secrets_are_masked_when_shown() {
        let key = "cs_0123456789012345678901234567wxyz";
        let said = Said { flags: [(Name::ApiKey, key.to_owned())].into(), ..Said::default() };
        let rows = shown(&Gathered::of(said, BTreeMap::new(), Mode::Production));
        let row = rows.iter().find(|row| row[0] == "api_key").unwrap();
        assert_eq!(row, &["api_key", "…wxyz", "--api-key"]);
    }

    #[test]
    fn the_url_follows_the_address_unless_it_is_set() {
        let plain = settings(&[], Mode::Production).unwrap();
        assert_eq!(plain.url_at("127.0.0.1:9".parse().unwrap()), "http://127.0.0.1:9");
        assert_eq!(plain.url_at("0.0.0.0:9".parse().unwrap()), "http://localhost:9");
        let set = settings(&[(Name::PublicUrl, "https://a.example/")], Mode::Production).unwrap();
        assert_eq!(set.url_at("0.0.0.0:9".parse().unwrap()), "https://a.example");
    }

    #[test]
    fn certificates_are_found_between_their_marks() {
        let one = "-----BEGIN CERTIFICATE-----\nAQID\nBA==\n-----END CERTIFICATE-----\n";
        let found = certificates(&format!("# a\n{one}{one}")).unwrap();
        assert_eq!(found, [[1, 2, 3, 4], [1, 2, 3, 4]]);
        assert!(certificates("-----BEGIN CERTIFICATE-----\nAQID").is_err());
        assert!(certificates("nothing").unwrap().is_empty());
    }
}
