//! Many who write to one workflow at the same moment.

use std::array;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Client, JSON};
use crate::http::at_once;

/// More than a call is tried anew for.
const CALLERS: usize = 32;
/// Before nobody is taken to be outrun.
const ROUNDS_MAX: usize = 20;

/// Has many comment on a workflow at once, until one of them is told that the others were faster; what each of them is told
/// is true.
pub(super) fn is_told(client: &Client<'_>, template: &str) {
    let is_outrun = (0..ROUNDS_MAX).any(|_| round(client, template));
    assert!(is_outrun, "nobody was told of a conflict");
}

/// Tells whether somebody was outrun.
fn round(client: &Client<'_>, template: &str) -> bool {
    let launch = json!({"template": template, "attributes": {"counterpartyName": "Acme"}});
    let made = client.call("POST", "/workflows", &launch).expect(200).json();
    let path = format!("/workflows/{}/comments", made["id"].as_str().unwrap());
    let post = ("POST", path.as_str());
    let words: [Value; CALLERS] = array::from_fn(|n| json!(format!("word {n}")));
    let calls = words
        .each_ref()
        .map(|word| client.bytes(post, JSON, json!({"comment": word}).to_string().as_bytes()));
    let mut said = BTreeSet::new();
    for (answer, word) in at_once(&client.service.address, &calls).iter().zip(&words) {
        client.check(post, answer);
        let body = answer.json();
        if answer.status() == 200 {
            assert_eq!(&body["commentMessage"], word);
            said.insert(word.to_string());
        } else {
            assert_eq!((answer.status(), &body["code"]), (409, &json!("CONFLICT")), "{body}");
        }
    }
    let kept = client.get(&format!("{path}?pageSize=100"));
    let kept = kept["list"].as_array().unwrap().iter();
    let kept: BTreeSet<String> = kept.map(|one| one["commentMessage"].to_string()).collect();
    assert_eq!(kept, said, "who is told of a conflict has written nothing");
    said.len() < CALLERS
}
