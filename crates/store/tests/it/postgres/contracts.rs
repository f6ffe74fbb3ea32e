//! The contracts of `store`, on PostgreSQL.

use super::database;
use crate::contracts;

store::conformance!(database::open);

#[test]
fn the_same_claims_are_tested_as_on_sqlite() {
    assert_eq!(CLAIMS, contracts::CLAIMS);
}
