//! The folder of a world, which is gone when the world is, however that ends.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
};

use anyhow::{Context, Result};

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Removes the folder, once nobody holds the other end of its input any more.
    undertaker: Option<Child>,
}

impl Folder {
    /// Makes the folder in another one, or where temporary files go.
    pub(crate) fn make(parent: Option<&Path>, keep: bool) -> Result<Self> {
        let parent = parent.map_or_else(env::temp_dir, Path::to_owned);
        let path = parent.join(format!("countersign-chaos-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        let mut folder = Self { path, undertaker: None };
        if keep {
            eprintln!("bench: the data stay in {}", folder.path.display());
            return Ok(folder);
        }
        let mut command = Command::new("sh");
        // An interrupt of the terminal must not reach it.
        command.args(["-c", UNDERTAKER]).arg(&folder.path).process_group(0);
        let started = command.stdin(Stdio::piped()).spawn();
        folder.undertaker = Some(started.context("starting who removes the folder")?);
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(undertaker) = &mut self.undertaker else { return };
        drop(undertaker.stdin.take());
        if undertaker.wait().is_err() || self.path.exists() {
            eprintln!("bench: could not remove {}", self.path.display());
        }
    }
}

/// Processes that were killed a moment ago may still write.
const UNDERTAKER: &str = r#"cat >/dev/null
for turn in 1 2 3 4 5; do
    umount -l "$0/a" "$0/b" "$0/node-1/data" 2>/dev/null
    rm -rf "$0" 2>/dev/null && exit
    sleep 1
done"#;
