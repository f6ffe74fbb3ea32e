//! From a dialect's event names to what an endpoint wants.
//!
//! Invariant: a name means the same whenever it is asked; the names are kept as they were given.

use domain::endpoint;
use domain::event::{Kind, is_custom_name, is_foreign_name};
use domain::source::Vendor;
use domain::subscription::Subscription;

use crate::error::{UnknownName, UnknownNames};
use crate::{Dialect, dialect};

/// Turns names of a dialect into what an endpoint wants.
///
/// `*` means everything the dialect has a word for. A dialect that says custom events also takes `custom.*`,
/// `custom.invoice.paid`, `custom.invoice.*`, vendors' words such as `ironclad.*` and `clickwrap.version_published`, and
/// prefixes of its own names such as `request.*`.
/// No names give a subscription to nothing.
pub fn subscribe(which: endpoint::Dialect, names: &[String]) -> Result<Subscription, UnknownNames> {
    let dialect = dialect(which);
    let mut wants = Subscription { names: names.to_vec(), ..Subscription::default() };
    let mut unknown = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Meaning { kinds, custom } = meaning(dialect, name);
        if kinds.is_empty() && custom.is_none() {
            unknown.push(UnknownName { index, name: name.clone() });
        }
        wants.kinds.extend(kinds);
        if let Some(pattern) = custom.filter(|pattern| !wants.custom.contains(pattern)) {
            wants.custom.push(pattern);
        }
    }
    if unknown.is_empty() {
        Ok(wants)
    } else {
        Err(UnknownNames { unknown, acceptable: acceptable(dialect) })
    }
}

/// Tells whether a dialect has a word for a kind.
pub fn speaks(which: endpoint::Dialect, kind: Kind) -> bool {
    let dialect = dialect(which);
    if kind == Kind::Custom {
        dialect.says_custom()
    } else {
        dialect.words().iter().any(|word| word.kind == kind)
    }
}

/// What one name means: nothing at all if both are empty.
struct Meaning {
    kinds: Vec<Kind>,
    custom: Option<String>,
}

fn meaning(dialect: &dyn Dialect, name: &str) -> Meaning {
    let kinds_where = |holds: &dyn Fn(&str) -> bool| -> Vec<Kind> {
        dialect.words().iter().filter(|word| holds(word.name)).map(|word| word.kind).collect()
    };
    if name == "*" {
        let custom = dialect.says_custom().then(|| "custom.*".to_owned());
        return Meaning { kinds: kinds_where(&|_| true), custom };
    }
    if !dialect.says_custom() {
        return Meaning { kinds: kinds_where(&|word| word == name), custom: None };
    }
    let prefix = name.strip_suffix(".*");
    let is_custom = match prefix {
        Some(prefix) => {
            let is_vendor = Vendor::named(prefix).is_some();
            prefix == "custom" || is_vendor || is_custom_name(prefix) || is_foreign_name(prefix)
        }
        None => is_custom_name(name) || is_foreign_name(name),
    };
    let kinds = kinds_where(&|word| match prefix {
        Some(prefix) => word.split_once('.').is_some_and(|(group, _)| group == prefix),
        None => word == name,
    });
    Meaning { kinds, custom: is_custom.then(|| name.to_owned()) }
}

/// Lists what a client may ask for, each name once.
fn acceptable(dialect: &dyn Dialect) -> Vec<&'static str> {
    let mut names = vec!["*"];
    for word in dialect.words() {
        if !names.contains(&word.name) {
            names.push(word.name);
        }
    }
    if dialect.says_custom() {
        names.push("custom.*");
    }
    names
}

#[cfg(test)]
mod tests {
    use domain::endpoint::Dialect::{Clickwrap, Esaw, Standard};

    use super::*;

    fn wants(which: endpoint::Dialect, names: &[&str]) -> Result<Subscription, UnknownNames> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        subscribe(which, &names)
    }

    #[test]
    fn a_star_wants_every_word_and_the_accounts_own() {
        let all = wants(Standard, &["*"]).unwrap();
        assert_eq!(all.kinds.len(), Kind::ALL.len() - 1);
        assert_eq!(all.custom, ["custom.*"]);
        let some = wants(Clickwrap, &["*"]).unwrap();
        assert_eq!(some.kinds.len(), 4);
        assert!(some.custom.is_empty());
    }

    #[test]
    fn one_name_may_mean_two_kinds() {
        let kinds = wants(Esaw, &["envelopeFinished"]).unwrap().kinds;
        assert_eq!(
            kinds.into_iter().collect::<Vec<_>>(),
            [Kind::RequestCompleted, Kind::RequestDeclined]
        );
    }

    #[test]
    fn a_prefix_wants_its_group() {
        let wanted =
            wants(Standard, &["contact.*", "custom.bill.*", "custom.x", "custom.x"]).unwrap();
        assert_eq!(
            wanted.kinds.into_iter().collect::<Vec<_>>(),
            [Kind::ContactCreated, Kind::ContactUpdated, Kind::ContactDeleted]
        );
        assert_eq!(wanted.custom, ["custom.bill.*", "custom.x"]);
        assert_eq!(wanted.names.len(), 4);
    }

    #[test]
    fn unknown_names_are_told_with_their_places() {
        let names = ["request.sent", "request.lost", "custom", "req.*", "request.sent.*", ".*", ""];
        let UnknownNames { unknown, acceptable } = wants(Standard, &names).unwrap_err();
        assert_eq!(unknown.iter().map(|name| name.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(unknown.first().map(|name| name.name.as_str()), Some("request.lost"));
        assert_eq!(acceptable.first(), Some(&"*"));
        let error = wants(Clickwrap, &["request.sent", "custom.x"]).unwrap_err();
        assert_eq!(error.unknown.len(), 2);
        assert_eq!(
            error.to_string(),
            "unknown event type; *, request_sent, request_signed, request_complete, request_expired are acceptable"
        );
    }
}
