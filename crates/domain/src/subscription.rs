//! What an endpoint wants to hear.
//!
//! Invariant: matching is a question about names only; it reads no data and no clock.
//! Left to others: translating a dialect's own event names into kinds (`dialects`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::{Event, Kind};

/// What an endpoint wants to hear.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subscription {
    /// The names as the endpoint gave them, in its dialect's own words.
    pub names: Vec<String>,
    /// The kinds they mean, [`Kind::Custom`] never among them.
    pub kinds: BTreeSet<Kind>,
    /// Which of the account's own events, and which of vendors' words: whole names, or prefixes that end in `.*`.
    pub custom: Vec<String>,
}

impl Subscription {
    /// Tells whether the endpoint wants the event.
    pub fn matches(&self, event: &Event) -> bool {
        self.matches_name(event.kind, &event.name)
    }

    /// Lists the canonical names that the endpoint wants; `None` where a pattern takes more than can be listed.
    pub fn plain_names(&self) -> Option<Vec<String>> {
        let takes_more = self.kinds.contains(&Kind::Foreign)
            || self.custom.iter().any(|name| name.ends_with('*'));
        let kinds = self.kinds.iter().map(|kind| kind.as_str().to_owned());
        (!takes_more).then(|| kinds.chain(self.custom.iter().cloned()).collect())
    }

    /// Tells whether the endpoint wants events of that kind and name.
    pub fn matches_name(&self, kind: Kind, name: &str) -> bool {
        if kind != Kind::Custom && (kind != Kind::Foreign || self.kinds.contains(&kind)) {
            return self.kinds.contains(&kind);
        }
        self.custom.iter().any(|pattern| {
            pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_takes_every_longer_name() {
        let wants = Subscription { custom: vec!["custom.bill.*".to_owned()], ..Default::default() };
        assert!(wants.matches_name(Kind::Custom, "custom.bill.paid"));
        assert!(!wants.matches_name(Kind::Custom, "custom.billing"));
        assert!(!wants.matches_name(Kind::RequestSent, "request.sent"));
    }

    #[test]
    fn names_are_listed_where_no_pattern_takes_more() {
        let wants = |kind, custom: &str| Subscription {
            kinds: BTreeSet::from([kind]),
            custom: vec![custom.to_owned()],
            ..Default::default()
        };
        let names = wants(Kind::RequestSent, "custom.bill").plain_names();
        assert_eq!(names, Some(["request.sent", "custom.bill"].map(str::to_owned).to_vec()));
        assert_eq!(wants(Kind::RequestSent, "custom.*").plain_names(), None);
        assert_eq!(wants(Kind::Foreign, "custom.bill").plain_names(), None);
    }
}
