//! What the binary refuses, and how it says so.

use std::fs;

use insta::assert_snapshot;

use crate::process::{Scratch, text};

fn refused(scratch: &Scratch, args: &[&str]) -> String {
    let output = scratch.run(args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_database_url_is_refused_until_there_is_one() {
    let url = "postgres://user:hunter2@host/db";
    let said = refused(&Scratch::new(), &["serve", "--database-url", url]);
    assert!(!said.contains("hunter2"));
    assert_snapshot!(said);
}

#[test]
fn time_does_not_run_backwards_in_a_folder_of_dev() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("dev")).unwrap();
    fs::write(scratch.path().join("dev/clock-offset"), "86400000").unwrap();
    let said =
        refused(&scratch, &["serve", "--listen", "127.0.0.1:0", "--data", "dev", "--log", "off"]);
    assert_snapshot!(said);
}

#[test]
fn a_database_without_its_master_key_is_left_alone() {
    let scratch = Scratch::new();
    let made = scratch.run(&["keys", "create", "--data", "data", "--log", "off"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    fs::remove_file(scratch.path().join("data/master.key")).unwrap();
    let said = refused(&scratch, &["keys", "create", "--data", "data", "--log", "off"]);
    assert_snapshot!(said);
    assert!(!scratch.path().join("data/master.key").exists());
}

#[test]
fn another_master_key_is_noticed_at_the_start() {
    let scratch = Scratch::new();
    let made = scratch.run(&["keys", "create", "--data", "data", "--log", "off"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let other = "Y291bnRlcnNpZ24tYmVuY2gtbWFzdGVyLWtleS0zMiE=";
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data", "--master-key", other];
    assert!(refused(&scratch, &args).contains("the master key is not the one"));
}

#[test]
fn a_problem_is_explained_by_number_and_by_code() {
    let explained = |name| text(&Scratch::new().run(&["explain", name]).stdout);
    assert_eq!(explained("p0201"), explained("target_refused"));
    assert!(explained("P0201").starts_with("# P0201: The target may not be called\n"));
    assert!(refused(&Scratch::new(), &["explain", "P9999"]).contains("list them all"));
}
