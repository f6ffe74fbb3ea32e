//! What receivers see: every word of every dialect, said of its sample.

use std::fmt::Write as _;

use domain::call::Call;
use domain::endpoint::Dialect;
use domain::event::Kind;
use domain::secret::Secret;
use serde_json::Value;

use super::world::{ACCOUNT, EVENT, call, endpoint, noon};

fn check(which: Dialect, name: &str, kind: Kind) {
    let event = dialects::sample_named(which, name, ACCOUNT, EVENT, noon()).unwrap();
    // A name of two kinds gives the sample of the first.
    let event =
        if event.kind == kind { event } else { dialects::sample(kind, ACCOUNT, EVENT, noon()) };
    let mut endpoint = endpoint(which);
    endpoint.secrets.token = Some(Secret::new("my-secret-code"));
    let file = if kind == Kind::Custom { name } else { kind.as_str() };
    insta::assert_snapshot!(format!("{}-{file}", which.as_str()), show(&call(&event, &endpoint)));
}

fn show(call: &Call) -> String {
    let mut text = format!("{} {}\n", call.method.as_str(), call.url);
    for (name, value) in &call.headers {
        writeln!(text, "{name}: {value}").unwrap();
    }
    if !call.body.is_empty() {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        write!(text, "\n{}", serde_json::to_string_pretty(&body).unwrap()).unwrap();
    }
    text
}

#[test]
fn every_word_is_said() {
    for which in Dialect::ALL {
        for word in dialects::dialect(which).words() {
            check(which, word.name, word.kind);
        }
    }
    check(Dialect::Standard, "custom.invoice.paid", Kind::Custom);
    check(Dialect::Clickwrap, "test_event", Kind::Custom);
}
