//! Laws over every kind, every dialect and any data.

use domain::endpoint::{Dialect, Endpoint, Scope, Signing};
use domain::event::{Event, Kind};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::world::{ACCOUNT, EVENT, call, endpoint, noon, say};

#[test]
fn a_dialect_says_exactly_what_it_has_words_for() {
    for which in Dialect::ALL {
        for kind in Kind::ALL {
            for test in [false, true] {
                let event = Event { test, ..dialects::sample(*kind, ACCOUNT, EVENT, noon()) };
                let endpoint = endpoint(which);
                let said = say(&event, &endpoint).unwrap();
                assert_eq!(said.is_some(), dialects::speaks(which, *kind), "{which:?} {kind}");
                let callback = Endpoint { scope: Scope::Callback, ..endpoint };
                assert!(say(&event, &callback).is_ok(), "{which:?} {kind}");
            }
        }
    }
}

#[test]
fn words_stand_in_the_order_of_the_catalogue() {
    for which in Dialect::ALL {
        let words = dialects::dialect(which).words();
        assert!(words.is_sorted_by(|a, b| a.kind < b.kind), "{which:?}");
    }
}

#[test]
fn every_body_but_of_esaw_is_json_and_says_so() {
    for which in Dialect::ALL {
        for word in dialects::dialect(which).words() {
            let event = dialects::sample(word.kind, ACCOUNT, EVENT, noon());
            let call = call(&event, &endpoint(which));
            let is_json = serde_json::from_slice::<serde_json::Value>(&call.body).is_ok();
            let says_so = call
                .headers
                .iter()
                .any(|(name, value)| name == "content-type" && value == "application/json");
            assert_eq!((is_json, says_so), (which != Dialect::Esaw, which != Dialect::Esaw));
        }
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    select(Kind::ALL)
}

proptest! {
    #[test]
    fn no_data_panic(kind in any_kind(), data: String, name: String, test: bool) {
        for which in Dialect::ALL {
            let sample = dialects::sample(kind, ACCOUNT, EVENT, noon());
            let event = Event { data: data.clone(), name: name.clone().into(), test, ..sample };
            drop(say(&event, &Endpoint { signing: Signing::Ed25519, ..endpoint(which) }));
        }
    }

    #[test]
    fn cut_data_are_unsayable_where_they_are_read(kind in any_kind(), cut: Index) {
        let sample = dialects::sample(kind, ACCOUNT, EVENT, noon());
        let chars = cut.index(sample.data.chars().count());
        let data: String = sample.data.chars().take(chars).collect();
        let event = Event { data, ..sample };
        for which in Dialect::ALL {
            // The standard dialect never parses data.
            if which != Dialect::Standard && dialects::speaks(which, kind) {
                prop_assert!(say(&event, &endpoint(which)).is_err());
            }
        }
    }
}
