//! What the help says: snapshots, since people read it.

use insta::assert_snapshot;

use crate::process::{Scratch, text};

fn help(args: &[&str]) -> String {
    let output = Scratch::new().run(args);
    assert!(output.status.success());
    text(&output.stdout)
}

#[test]
fn the_short_help_fits_a_screen() {
    assert_snapshot!(help(&["-h"]));
}

#[test]
fn the_long_help_lists_every_setting() {
    assert_snapshot!(help(&["--help"]));
}

#[test]
fn every_command_explains_itself() {
    let commands: [&[&str]; 17] = [
        &["serve"],
        &["dev"],
        &["listen"],
        &["trigger"],
        &["vendor"],
        &["events", "tail"],
        &["replay"],
        &["keys", "create"],
        &["providers", "list"],
        &["providers", "test"],
        &["config"],
        &["doctor"],
        &["explain"],
        &["verify"],
        &["backup"],
        &["export"],
        &["import"],
    ];
    for command in commands {
        // The settings are the same everywhere, and stand in the snapshot above.
        let help = help(&[command, &["--help"]].concat());
        let (before, after) = help.split_once("\nSettings:\n").unwrap();
        let examples = after.split_once("\nExamples:\n").map_or("", |(_, examples)| examples);
        assert_snapshot!(command.join("-"), format!("{before}\n[settings]\n{examples}"));
    }
}
