//! The contracts of `store`, on SQLite.

use std::fs;
use std::path::Path;

use crate::folder;

store::conformance!(folder::open);

#[test]
fn no_claim_is_forgotten() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let mut there = Vec::new();
    for file in fs::read_dir(files).unwrap() {
        let file = file.unwrap().path();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let claims = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        there.extend(claims.map(|rest| format!("{stem}::{}", rest.split('(').next().unwrap())));
    }
    there.sort();
    let mut tested: Vec<_> = CLAIMS.to_vec();
    tested.sort_unstable();
    assert_eq!(there, tested);
}
