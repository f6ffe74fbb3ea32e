//! The command line.
//!
//! Invariant: every setting is a flag of every command; a command reads only the settings that it needs.

mod backup;
mod config;
mod dev;
mod doctor;
mod events;
mod explain;
mod export;
mod import;
mod keys;
mod listen;
mod log;
mod loopback;
mod progress;
mod providers;
mod replay;
mod serve;
mod server;
mod target;
mod trigger;
mod vendor;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::gather::{Gathered, Mode};
use crate::config::table::{Name, Setting, Shape, TABLE};
use crate::config::{self as settings, Settings};
use crate::telemetry;

/// Runs signature requests, and makes sure that the systems which must know hear of every step.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// The file of settings; otherwise countersign.toml, if it is there [env: `COUNTERSIGN_CONFIG`].
    #[arg(long, global = true, value_name = "FILE", help_heading = SETTINGS, hide_short_help = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

const SETTINGS: &str = "Settings";

const EXAMPLES: &str = "\
Examples:
  countersign dev                                         try it out: a store, a key, a first request
  countersign serve --listen 0.0.0.0:8080                 run it
  countersign keys create --name ci --scopes requests     make a key
  countersign listen --forward-to http://localhost:3000   hear of events on this machine
  countersign explain target_refused                      what a problem means, and what to do

Every setting is a flag, a variable and a key of countersign.toml; `countersign config` lists them.
`--help` says more than `-h`.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Dev(dev::Args),
    Listen(listen::Args),
    Trigger(trigger::Args),
    Vendor(vendor::Args),
    Events(events::Args),
    Replay(replay::Args),
    Keys(keys::Args),
    Providers(providers::Args),
    Config(config::Args),
    Doctor(doctor::Args),
    Explain(explain::Args),
    Verify(verify::Args),
    Backup(backup::Args),
    Export(export::Args),
    Import(import::Args),
}

/// What a command may ask for beside its own arguments.
pub(crate) struct Context {
    flags: BTreeMap<Name, String>,
    file: Option<PathBuf>,
}

impl Context {
    /// Gathers the settings, and starts the log as they say.
    fn gather(self, mode: Mode) -> anyhow::Result<Gathered> {
        let gathered = self.look(mode)?;
        telemetry::start(gathered.text(Name::Log).unwrap_or_default())?;
        Ok(gathered)
    }

    /// Gathers the settings.
    fn look(self, mode: Mode) -> anyhow::Result<Gathered> {
        settings::gather(self.flags, self.file.as_deref(), mode)
    }

    /// Gathers and reads the settings.
    fn settings(self, mode: Mode) -> anyhow::Result<Settings> {
        Settings::of(&self.gather(mode)?)
    }
}

/// Parses the command line and runs what it asks for.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).context("reading the command line")?;
    let context = Context { flags: flags(&matches), file: cli.config };
    match cli.command {
        Command::Serve(args) => serve::run(args, context),
        Command::Dev(args) => dev::run(&args, context),
        Command::Listen(args) => listen::run(args, context),
        Command::Trigger(args) => trigger::run(args, context),
        Command::Vendor(args) => vendor::run(args, context),
        Command::Events(args) => events::run(args, context),
        Command::Replay(args) => replay::run(&args, context),
        Command::Keys(args) => keys::run(args, context),
        Command::Providers(args) => providers::run(args, context),
        Command::Config(args) => config::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Explain(args) => explain::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Backup(args) => backup::run(&args, context),
        Command::Export(args) => export::run(&args, context),
        Command::Import(args) => import::run(&args, context),
    }
}

/// Adds a flag for every setting.
fn command() -> clap::Command {
    let flag = |setting: &'static Setting| {
        let default = match setting.in_development {
            _ if setting.default.is_empty() => String::new(),
            Some(other) => format!(" [default: {}; in dev: {other}]", setting.default),
            None => format!(" [default: {}]", setting.default),
        };
        let arg = Arg::new(setting.name)
            .long(setting.flag())
            .value_name(setting.hint)
            .help(format!("{}\n[env: {}]{default}", setting.doc, setting.variable()))
            .help_heading(SETTINGS)
            .hide_short_help(true)
            .global(true);
        if setting.shape == Shape::Switch {
            // Without `=`, the word behind it would be taken for its value.
            arg.num_args(0..=1).require_equals(true).default_missing_value("true")
        } else {
            arg
        }
    };
    Cli::command().args(TABLE.iter().map(flag))
}

fn flags(matches: &ArgMatches) -> BTreeMap<Name, String> {
    let said = |setting: &Setting| {
        let text = matches.get_one::<String>(setting.name)?;
        Some((setting.key, text.clone()))
    };
    TABLE.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(Name, &str)]) {
        let matches = command().try_get_matches_from(line.split(' ')).unwrap();
        let found = flags(&matches);
        let found: Vec<_> = found.iter().map(|(key, text)| (*key, text.as_str())).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn settings_stand_before_or_behind_the_command() {
        check("countersign serve --listen 1.2.3.4:5", &[(Name::Listen, "1.2.3.4:5")]);
        check("countersign --listen 1.2.3.4:5 serve", &[(Name::Listen, "1.2.3.4:5")]);
        check("countersign keys create --data x", &[(Name::Data, "x")]);
    }

    #[test]
    fn a_switch_needs_no_value() {
        check("countersign --allow-http-targets serve", &[(Name::AllowHttpTargets, "true")]);
        check("countersign serve --allow-http-targets=false", &[(Name::AllowHttpTargets, "false")]);
    }
}
