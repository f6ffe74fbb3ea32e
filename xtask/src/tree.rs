//! The files of the project, as they lie on this machine.
//!
//! Invariant: paths are relative to the root and use `/`, so that rules read the same everywhere.
//! Left to others: judging what is in them (`tidy`).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// One file, with its text.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// What follows the last dot of the name, or nothing.
    pub(crate) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// Asks Cargo where the workspace begins.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .output()
        .context("asking cargo for the workspace")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let manifest = String::from_utf8(output.stdout).context("reading cargo's answer")?;
    let root = Path::new(manifest.trim()).parent().context("finding the folder of Cargo.toml")?;
    Ok(root.to_owned())
}

/// Reads every file of the project, in the order of their paths.
pub(crate) fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading the folder {}", folder.display()))?;
        let name = entry.file_name();
        let kind = entry.file_type().context("asking what kind of file an entry is")?;
        let path = join(prefix, &name);
        if kind.is_dir() && !is_left_out(&path) {
            collect(&entry.path(), &path, files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= FILE_BYTES_MAX {
            let bytes = fs::read(entry.path()).with_context(|| format!("reading {path}"))?;
            files.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
    Ok(())
}

/// Larger files are data, not text.
const FILE_BYTES_MAX: u64 = 4 << 20;

fn join(prefix: &str, name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") }
}

/// What tools make, and what belongs to somebody's editor, is not the project's.
fn is_left_out(folder: &str) -> bool {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let ours = [".cargo", ".ci", ".config", ".github"];
    let made = ["target", "node_modules", "countersign-data"];
    made.contains(&name)
        || (name.starts_with('.') && !ours.contains(&name))
        || ["fuzz/corpus", "fuzz/artifacts"].contains(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_tools_and_editors_are_left_out() {
        for folder in [".git", ".idea", "target", "fuzz/target", "ui/node_modules", "fuzz/corpus"] {
            assert!(is_left_out(folder), "{folder}");
        }
        for folder in [".cargo", ".ci", "crates", "crates/domain/src", "docs"] {
            assert!(!is_left_out(folder), "{folder}");
        }
    }

    #[test]
    fn a_file_knows_its_name_and_extension() {
        let file = |path: &str| File { path: path.to_owned(), text: String::new() };
        assert_eq!(file("crates/domain/src/lib.rs").name(), "lib.rs");
        assert_eq!(file("crates/domain/src/lib.rs").extension(), "rs");
        assert_eq!(file("Makefile").extension(), "");
    }
}
