//! A call as a `curl` command, read back by a real shell.

use std::borrow::Cow;
use std::process::Command;
use std::sync::Arc;

use domain::call::{Call, Method};
use domain::endpoint::Dialect;
use domain::event::Kind;
use url::Url;

use super::world::{ACCOUNT, EVENT, call, endpoint, noon};

/// Lets a shell run the command with a `curl` that prints its arguments.
fn arguments(call: &Call) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{}", dialects::curl(call));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end_matches('\0').split('\0').map(ToOwned::to_owned).collect()
}

#[test]
fn a_shell_reads_back_what_was_written() {
    let call = Call {
        method: Method::Post,
        url: Arc::new(Url::parse("https://example.com/a?b={c}&d=[1-9]").unwrap()),
        headers: vec![
            (Cow::Borrowed("x-quote"), "it's $HOME `id` \"\\".to_owned()),
            (Cow::Borrowed("x-empty"), String::new()),
        ],
        body: r#"{"a":"'; touch /tmp/x; echo '$(id) @file é\n"}"#.into(),
    };
    assert_eq!(
        arguments(&call),
        [
            "--globoff",
            "--request",
            "POST",
            "--url",
            "https://example.com/a?b={c}&d=[1-9]",
            "--header",
            "x-quote: it's $HOME `id` \"\\",
            "--header",
            "x-empty;",
            "--data-raw",
            r#"{"a":"'; touch /tmp/x; echo '$(id) @file é\n"}"#,
        ]
    );
}

#[test]
fn a_post_without_a_body_says_so() {
    let event = dialects::sample(Kind::SignerViewed, ACCOUNT, EVENT, noon());
    let call = call(&event, &endpoint(Dialect::Esaw));
    assert_eq!(arguments(&call).last().map(String::as_str), Some("content-length: 0"));
}

#[test]
fn every_word_is_one_line() {
    for which in Dialect::ALL {
        for word in dialects::dialect(which).words() {
            let event = dialects::sample(word.kind, ACCOUNT, EVENT, noon());
            let line = dialects::curl(&call(&event, &endpoint(which)));
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
