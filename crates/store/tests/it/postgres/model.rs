//! Random verbs against a small model.

use proptest::collection;
use proptest::prelude::*;

use super::database;
use crate::model::{run, step};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_each_event_reaches_each_endpoint_once(
        steps in collection::vec(step(), 1..60),
    ) {
        run(steps, database::open);
    }
}
