//! Which room may know which, and which crate belongs to which room, compared with Cargo.
//!
//! Invariant: the tables below are the architecture; a new arrow is a change here, with a decision in `docs/adr/`.
//! Left to others: cycles, which Cargo itself refuses; crates that come in through other crates (`deny.toml`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::finding::Finding;

/// What came of comparing the tables with Cargo.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    /// What is allowed, but worth a look.
    pub(crate) notes: Vec<Finding>,
}

/// A package, and which of our rooms it may depend on.
struct Room {
    name: &'static str,
    may_know: &'static [&'static str],
    /// More rooms that its tests alone may use.
    tests_may_know: &'static [&'static str],
}

const ROOMS: [Room; 11] = [
    Room { name: "domain", may_know: &[], tests_may_know: &[] },
    Room { name: "dialects", may_know: &["domain"], tests_may_know: &[] },
    Room { name: "channels", may_know: &["domain"], tests_may_know: &[] },
    Room { name: "store", may_know: &["domain"], tests_may_know: &[] },
    Room { name: "templates", may_know: &["domain"], tests_may_know: &[] },
    Room {
        name: "engine",
        may_know: &["domain", "dialects", "channels", "store", "templates"],
        tests_may_know: &[],
    },
    // Tests of web step a whole service, which only the lower rooms can give them.
    Room {
        name: "web",
        may_know: &["domain", "engine", "store"],
        tests_may_know: &["dialects", "channels"],
    },
    // Tests of the binary may borrow the world that sim keeps for its own.
    Room {
        name: "countersign",
        may_know: &["domain", "dialects", "channels", "store", "templates", "engine", "web"],
        tests_may_know: &["sim"],
    },
    Room {
        name: "sim",
        may_know: &["domain", "dialects", "channels", "store", "engine"],
        tests_may_know: &[],
    },
    Room { name: "bench", may_know: &[], tests_may_know: &[] },
    Room { name: "xtask", may_know: &[], tests_may_know: &[] },
];

/// A crate of others, and the only rooms that may use it.
struct Fence {
    name: &'static str,
    rooms: &'static [&'static str],
    why: &'static str,
}

const FENCES: [Fence; 19] = [
    Fence { name: "rusqlite", rooms: &["store"], why: "only store speaks SQL" },
    Fence { name: "tokio-postgres", rooms: &["store"], why: "only store speaks SQL" },
    Fence { name: "axum", rooms: &["web"], why: "only web listens" },
    Fence { name: "askama", rooms: &["web"], why: "only web shows pages" },
    Fence {
        name: "hyper",
        rooms: &["web", "bench"],
        why: "only web listens, and channels call out by their own hand",
    },
    Fence {
        name: "hyper-util",
        rooms: &["web", "bench"],
        why: "only web listens, and channels call out by their own hand",
    },
    Fence {
        name: "httparse",
        rooms: &["channels", "web"],
        why: "only channels read answers, and web calls",
    },
    Fence {
        name: "mimalloc",
        rooms: &["countersign"],
        why: "only the binary chooses how to allocate",
    },
    Fence { name: "ureq", rooms: &["countersign"], why: "only the command line asks a server" },
    Fence {
        name: "rustls",
        rooms: &["channels", "store"],
        why: "only channels call out, and store its database",
    },
    Fence {
        name: "tokio-rustls",
        rooms: &["channels", "store"],
        why: "only channels call out, and store its database",
    },
    Fence {
        name: "webpki-roots",
        rooms: &["channels", "store"],
        why: "only channels call out, and store its database",
    },
    Fence { name: "minijinja", rooms: &["templates"], why: "only templates fills in words" },
    Fence { name: "mrml", rooms: &["templates"], why: "only templates lays out mails" },
    Fence { name: "htmlparser", rooms: &["templates"], why: "only templates lays out mails" },
    Fence {
        name: "rustls-webpki",
        rooms: &["channels"],
        why: "only channels read certificates of others",
    },
    Fence { name: "mail-parser", rooms: &["channels"], why: "only channels read mails" },
    Fence {
        name: "clap",
        rooms: &["countersign", "sim", "bench"],
        why: "only binaries parse arguments",
    },
    Fence {
        name: "anyhow",
        rooms: &["countersign", "bench", "xtask"],
        why: "rooms have errors of their own",
    },
];

/// Crates that no room may use, not even through another crate.
const NEVER: [(&str, &str); 5] = [
    ("chrono", "jiff is the one time library"),
    ("openssl-sys", "rustls is the one TLS stack"),
    ("native-tls", "rustls is the one TLS stack"),
    ("reqwest", "the guarded client of channels is the one way out"),
    ("sqlx", "store speaks to its databases directly"),
];

/// Asks Cargo for the packages and compares them with the tables.
pub(crate) fn report(root: &Path) -> anyhow::Result<Report> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .context("asking cargo for the packages")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata = serde_json::from_slice(&output.stdout).context("reading cargo's answer")?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("reading Cargo.lock")?;
    Ok(compare(&packages(&metadata, root)?, &lock))
}

fn compare(packages: &[Package], lock: &str) -> Report {
    let mut report = Report::default();
    for package in packages {
        if let Some(room) = ROOMS.iter().find(|room| room.name == package.name) {
            for used in &package.uses {
                judge(room, package, used, &mut report);
            }
        } else {
            let what = format!(
                "`{}` is no room; add it to xtask/src/rooms.rs, with a decision",
                package.name
            );
            report.findings.push(package.at(&package.name, what));
        }
    }
    report.findings.extend(locked(lock));
    report.findings.sort();
    report.notes.sort();
    report
}

fn judge(room: &Room, package: &Package, used: &Use, report: &mut Report) {
    if ROOMS.iter().any(|other| other.name == used.name) {
        let for_tests = used.kind == Kind::Dev && room.tests_may_know.contains(&used.name.as_str());
        // A package may use itself in its tests, to turn on one of its own features.
        let itself = used.kind == Kind::Dev && used.name == room.name;
        if !room.may_know.contains(&used.name.as_str()) && !for_tests && !itself {
            let tests = if used.kind == Kind::Dev { ", not even in its tests" } else { "" };
            let what = format!("`{}` may not know `{}`{tests}", room.name, used.name);
            report.findings.push(package.at(&used.name, what));
        }
        return;
    }
    if let Some((_, why)) = NEVER.iter().find(|(name, _)| *name == used.name) {
        let what = format!("`{}` may not use `{}`: {why}", room.name, used.name);
        report.findings.push(package.at(&used.name, what));
    }
    let Some(fence) = FENCES.iter().find(|fence| fence.name == used.name) else { return };
    if fence.rooms.contains(&room.name) {
        return;
    }
    if used.kind == Kind::Dev {
        let what = format!("`{}` uses `{}` in its tests", room.name, used.name);
        report.notes.push(package.at(&used.name, what));
    } else {
        let what = format!("`{}` may not use `{}`: {}", room.name, used.name, fence.why);
        report.findings.push(package.at(&used.name, what));
    }
}

/// Looks for what nobody may use among everything that Cargo would build.
fn locked(lock: &str) -> Vec<Finding> {
    let never = |line: &str| {
        let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
        NEVER.iter().find(|(never, _)| *never == name)
    };
    (1..)
        .zip(lock.lines())
        .filter_map(|(at, line)| never(line).map(|found| (at, found)))
        .map(|(at, (name, why))| {
            Finding::new("Cargo.lock", at, format!("a crate brings in `{name}`: {why}"))
        })
        .collect()
}

/// What Cargo says of one of our packages.
#[derive(Debug)]
struct Package {
    name: String,
    /// The path of its manifest, from the root.
    path: String,
    manifest: String,
    uses: BTreeSet<Use>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Normal,
    Build,
    Dev,
}

impl Package {
    /// A finding at the line of the manifest that first speaks of a dependency.
    fn at(&self, dependency: &str, what: String) -> Finding {
        let speaks = |line: &str| {
            let key = line.split(['.', '=', ' ']).next().unwrap_or("");
            key == dependency || line.contains(&format!("\"{dependency}\""))
        };
        let line = self.manifest.lines().position(speaks).map_or(1, |at| at + 1);
        Finding::new(&self.path, line, what)
    }
}

fn packages(metadata: &Value, root: &Path) -> anyhow::Result<Vec<Package>> {
    let listed = metadata.get("packages").and_then(Value::as_array);
    listed
        .context("cargo named no packages")?
        .iter()
        .map(|package| {
            let path = Path::new(text(package, "manifest_path")?);
            let manifest =
                fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            let path = path.strip_prefix(root).unwrap_or(path);
            let path = path.to_string_lossy().replace('\\', "/");
            Ok(Package {
                name: text(package, "name")?.to_owned(),
                path,
                manifest,
                uses: uses(package)?,
            })
        })
        .collect()
}

fn uses(package: &Value) -> anyhow::Result<BTreeSet<Use>> {
    let dependencies = package.get("dependencies").and_then(Value::as_array);
    dependencies
        .context("cargo named no dependencies")?
        .iter()
        .map(|dependency| {
            let kind = match dependency.get("kind").and_then(Value::as_str) {
                Some("dev") => Kind::Dev,
                Some("build") => Kind::Build,
                Some(_) | None => Kind::Normal,
            };
            Ok(Use { name: text(dependency, "name")?.to_owned(), kind })
        })
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("cargo gave no `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a package from lines such as `web`, `  store`, `  clap (dev)`.
    fn package(text: &str) -> Package {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let name = lines.next().unwrap().to_owned();
        let uses = lines.map(|line| match line.split_once(' ') {
            Some((name, "(dev)")) => Use { name: name.to_owned(), kind: Kind::Dev },
            Some((name, "(build)")) => Use { name: name.to_owned(), kind: Kind::Build },
            _ => Use { name: line.to_owned(), kind: Kind::Normal },
        });
        let uses: BTreeSet<_> = uses.collect();
        let lines: Vec<_> =
            uses.iter().map(|used| format!("{}.workspace = true", used.name)).collect();
        let manifest = lines.join("\n");
        Package { path: format!("crates/{name}/Cargo.toml"), name, manifest, uses }
    }

    fn check(text: &str, expected: &[&str]) {
        let report = compare(&[package(text)], "");
        let found: Vec<_> = report.findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn an_arrow_that_is_in_the_table_is_fine() {
        check("engine\n domain\n dialects\n channels\n store", &[]);
        check("countersign\n domain\n web\n engine\n store\n channels\n dialects", &[]);
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        check("domain\n store", &["`domain` may not know `store`"]);
        check("web\n dialects", &["`web` may not know `dialects`"]);
        check("countersign\n sim", &["`countersign` may not know `sim`"]);
        check("bench\n domain", &["`bench` may not know `domain`"]);
        check("store\n engine (build)", &["`store` may not know `engine`"]);
    }

    #[test]
    fn tests_may_know_a_little_more_and_not_all() {
        check("countersign\n sim (dev)", &[]);
        check("store\n store (dev)", &[]);
        check("domain\n store (dev)", &["`domain` may not know `store`, not even in its tests"]);
    }

    #[test]
    fn a_package_that_is_not_in_the_table_is_found() {
        let expected = "`util` is no room; add it to xtask/src/rooms.rs, with a decision";
        check("util\n", &[expected]);
    }

    #[test]
    fn a_fenced_crate_belongs_to_its_rooms() {
        check("store\n rusqlite", &[]);
        check("web\n rusqlite", &["`web` may not use `rusqlite`: only store speaks SQL"]);
        check(
            "web\n axum\n rustls",
            &["`web` may not use `rustls`: only channels call out, and store its database"],
        );
        check(
            "engine\n anyhow",
            &["`engine` may not use `anyhow`: rooms have errors of their own"],
        );
    }

    #[test]
    fn tests_use_a_fenced_crate_and_it_is_noted() {
        let report = compare(&[package("web\n rustls (dev)")], "");
        assert_eq!(report.findings, []);
        let note = "crates/web/Cargo.toml:1: `web` uses `rustls` in its tests";
        assert_eq!(report.notes.first().unwrap().to_string(), note);
    }

    #[test]
    fn what_nobody_may_use_is_found_wherever_it_hides() {
        check("sim\n chrono (dev)", &["`sim` may not use `chrono`: jiff is the one time library"]);
        let lock = "[[package]]\nname = \"openssl-sys\"\nversion = \"0.9\"\n";
        let report = compare(&[], lock);
        let expected = "Cargo.lock:2: a crate brings in `openssl-sys`: rustls is the one TLS stack";
        assert_eq!(report.findings.first().unwrap().to_string(), expected);
    }

    #[test]
    fn a_finding_points_at_the_line_of_the_manifest() {
        let mut package = package("domain\n store");
        package.manifest = "[dependencies]\nserde = \"1\"\nstore.workspace = true\n".to_owned();
        let report = compare(&[package], "");
        let expected = "crates/domain/Cargo.toml:3: `domain` may not know `store`";
        assert_eq!(report.findings.first().unwrap().to_string(), expected);
    }

    #[test]
    fn cargo_is_read_as_it_writes() {
        let text = r#"{"name": "web", "dependencies": [
            {"name": "axum", "kind": null}, {"name": "hyper", "kind": "dev"}]}"#;
        let uses = uses(&serde_json::from_str(text).unwrap()).unwrap();
        let kinds: Vec<_> = uses.iter().map(|used| (used.name.as_str(), used.kind)).collect();
        assert_eq!(kinds, [("axum", Kind::Normal), ("hyper", Kind::Dev)]);
    }

    #[test]
    fn every_room_in_the_table_is_spelt_the_same_everywhere() {
        let names: BTreeSet<_> = ROOMS.iter().map(|room| room.name).collect();
        let spoken_of =
            ROOMS.iter().flat_map(|room| room.may_know.iter().chain(room.tests_may_know));
        let fenced = FENCES.iter().flat_map(|fence| fence.rooms);
        for name in spoken_of.chain(fenced) {
            assert!(names.contains(name), "{name}");
        }
    }
}
