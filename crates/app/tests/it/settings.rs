//! Where settings come from, from outside.

use std::fs;

use insta::assert_snapshot;

use crate::process::{Scratch, text};

/// Finds the row of a setting in what `countersign config` prints.
fn row(scratch: &Scratch, args: &[&str], variable: Option<&str>, name: &str) -> Vec<String> {
    let mut command = scratch.command(&[&["config"], args].concat());
    command.envs(variable.map(|value| ("COUNTERSIGN_LISTEN", value)));
    let printed = text(&command.output().unwrap().stdout);
    let row = printed.lines().find(|line| line.starts_with(name)).unwrap();
    row.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_flag_counts_more_than_a_variable_more_than_the_file_more_than_the_default() {
    let scratch = Scratch::new();
    let listen = |args: &[&str], variable| row(&scratch, args, variable, "listen");
    assert_eq!(listen(&[], None), ["127.0.0.1:8080", "default"]);
    fs::write(scratch.path().join("countersign.toml"), "\nlisten = \"127.0.0.1:1\"\n").unwrap();
    assert_eq!(listen(&[], None), ["127.0.0.1:1", "countersign.toml:2"]);
    assert_eq!(listen(&[], Some("127.0.0.1:2")), ["127.0.0.1:2", "COUNTERSIGN_LISTEN"]);
    let flag = ["--listen", "127.0.0.1:3"];
    assert_eq!(listen(&flag, Some("127.0.0.1:2")), ["127.0.0.1:3", "--listen"]);
}

#[test]
fn every_setting_is_printed_and_no_secret() {
    let scratch = Scratch::new();
    let key = "cs_0123456789012345678901234567wxyz";
    let printed = text(&scratch.run(&["config", "--api-key", key]).stdout);
    assert!(!printed.contains(key));
    assert_snapshot!(printed);
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_its_line() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join("a.toml"), "log = \"info\"\nlissten = \"x\"\n").unwrap();
    let output = scratch.run(&["serve", "--config", "a.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!(text(&output.stderr));
}
