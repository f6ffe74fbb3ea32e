//! Every setting: its one name, what it means, and what it is when nobody says otherwise.
//!
//! Invariant: a setting `some_name` is the key `some_name` of the file, the variable `COUNTERSIGN_SOME_NAME` and the flag
//! `--some-name`.

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Which one.
    pub(crate) key: Name,
    /// Its text.
    pub(crate) name: &'static str,
    /// What stands for its value in a help text.
    pub(crate) hint: &'static str,
    /// What it means, in a sentence or two.
    pub(crate) doc: &'static str,
    /// What it is by default; empty means absent.
    pub(crate) default: &'static str,
    /// What it is by default in development, where that differs.
    pub(crate) in_development: Option<&'static str>,
    /// How its text is read.
    pub(crate) shape: Shape,
}

/// Which setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Listen,
    Data,
    DatabaseUrl,
    Node,
    PublicUrl,
    FeedbackMailListen,
    ApiKey,
    AllowTargets,
    AllowHttpTargets,
    MasterKey,
    TlsCaFile,
    TrustForwardedFor,
    KeepPayloads,
    KeepDeliveries,
    OpenRequestsMax,
    Log,
}

/// How a setting's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As it is.
    Text,
    /// As it is, and never shown.
    Secret,
    /// A URL whose password is never shown.
    Address,
    /// `true` or `false`.
    Switch,
    /// Several, with commas between.
    List,
}

impl Setting {
    /// Gives the variable.
    pub(crate) fn variable(&self) -> String {
        format!("COUNTERSIGN_{}", self.name.to_uppercase())
    }

    /// Gives the flag, without its dashes.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// Every setting.
pub(crate) const TABLE: [Setting; 16] = [
    Setting {
        key: Name::Listen,
        name: "listen",
        hint: "ADDRESS",
        doc: "Where the service listens; port 0 takes a free one",
        default: "127.0.0.1:8080",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::Data,
        name: "data",
        hint: "FOLDER",
        doc: "The folder of the embedded store; `dev` keeps a folder of its own in it",
        default: "./countersign-data",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::DatabaseUrl,
        name: "database_url",
        hint: "URL",
        doc: "A PostgreSQL that any number of nodes share, postgres://user:password@host:5432/name; of several hosts, the one that takes writes [default: the embedded store]",
        default: "",
        in_development: None,
        shape: Shape::Address,
    },
    Setting {
        key: Name::Node,
        name: "node_name",
        hint: "NAME",
        doc: "How operators call this node, where several share a database [default: the name of the host]",
        default: "",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::PublicUrl,
        name: "public_url",
        hint: "URL",
        doc: "Where people and systems find the service [default: http://<listen>]",
        default: "",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::FeedbackMailListen,
        name: "feedback_mail_listen",
        hint: "ADDRESS",
        doc: "Where mails are taken that come back to the return paths of SMTP providers, as plain SMTP such as 127.0.0.1:2525; for your own mail server to hand on, not for the open internet [default: nowhere]",
        default: "",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::ApiKey,
        name: "api_key",
        hint: "KEY",
        doc: "A key to begin with: all scopes, default account, 32 characters or more; also what client commands call with",
        default: "",
        in_development: None,
        shape: Shape::Secret,
    },
    Setting {
        key: Name::AllowTargets,
        name: "allow_targets",
        hint: "RANGES",
        doc: "Ranges that webhooks may reach on top of public addresses, such as 10.1.0.0/16,fd00::/8; `dev` adds loopback",
        default: "",
        in_development: None,
        shape: Shape::List,
    },
    Setting {
        key: Name::AllowHttpTargets,
        name: "allow_http_targets",
        hint: "BOOL",
        doc: "Whether webhooks may go to http as well as https",
        default: "false",
        in_development: Some("true"),
        shape: Shape::Switch,
    },
    Setting {
        key: Name::MasterKey,
        name: "master_key",
        hint: "BASE64",
        doc: "32 bytes that seal secrets at rest; absent means the file master.key in the data folder, made at the first start",
        default: "",
        in_development: None,
        shape: Shape::Secret,
    },
    Setting {
        key: Name::TlsCaFile,
        name: "tls_ca_file",
        hint: "FILE",
        doc: "Certificates (PEM) of further authorities that webhook targets may show",
        default: "",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::TrustForwardedFor,
        name: "trust_forwarded_for",
        hint: "BOOL",
        doc: "Whether X-Forwarded-For says where a call came from; only behind a proxy that sets it",
        default: "false",
        in_development: None,
        shape: Shape::Switch,
    },
    Setting {
        key: Name::KeepPayloads,
        name: "keep_payloads",
        hint: "DURATION",
        doc: "How long the text of an event is kept, P7D or longer, or `forever`; what is pending or belongs to an open request stays",
        default: "P90D",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::KeepDeliveries,
        name: "keep_deliveries",
        hint: "DURATION",
        doc: "How long a delivery that has ended is kept with its attempts, P7D or longer, or `forever`; timelines stay",
        default: "P90D",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::OpenRequestsMax,
        name: "open_requests_max",
        hint: "NUMBER",
        doc: "How many requests of an account may be with their signers at once, 1 to 10000 [default: any number]",
        default: "",
        in_development: None,
        shape: Shape::Text,
    },
    Setting {
        key: Name::Log,
        name: "log",
        hint: "FILTER",
        doc: "What is logged: error, warn, info, debug, or a list such as warn,engine=debug",
        default: "info",
        in_development: Some("warn"),
        shape: Shape::Text,
    },
];

/// Finds a setting.
pub(crate) fn setting(key: Name) -> &'static Setting {
    const { assert!(!TABLE.is_empty(), "a table without settings has none to fall back on") };
    let [first, ..] = &TABLE;
    TABLE.iter().find(|setting| setting.key == key).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_stands_in_the_table_once() {
        let keys: BTreeSet<Name> = TABLE.iter().map(|setting| setting.key).collect();
        let names: BTreeSet<&str> = TABLE.iter().map(|setting| setting.name).collect();
        assert_eq!((keys.len(), names.len()), (TABLE.len(), TABLE.len()));
        assert!(TABLE.iter().all(|row| setting(row.key).name == row.name));
    }

    #[test]
    fn a_name_is_a_flag_and_a_variable() {
        let row = setting(Name::AllowHttpTargets);
        assert_eq!(row.flag(), "allow-http-targets");
        assert_eq!(row.variable(), "COUNTERSIGN_ALLOW_HTTP_TARGETS");
    }
}
