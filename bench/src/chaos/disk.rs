//! A small disk of our own, which is full when we say so.
//!
//! Invariant: it is seen by us and our children alone, and gone with the last of them.

use std::{env, os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::postgres::said;

/// Begins anew where mounts are ours alone, if this user may have that; comes back only where not.
pub(crate) fn step_inside() -> Result<()> {
    let may = Command::new("unshare").args(["-m", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let ourselves = env::current_exe().context("finding the bench itself")?;
    let mut command = Command::new("unshare");
    command.args(["-m", "--"]).arg(ourselves).args(env::args_os().skip(1)).arg("--inside");
    Err(command.exec()).context("going where mounts are ours alone")
}

/// Mounts an empty disk of that size on a folder.
pub(crate) fn mount(folder: &Path, mib: u64) -> Result<()> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "none"]).arg(folder);
    said(&mut command).map(drop)
}

/// Takes away what is free.
pub(crate) fn fill(folder: &Path) -> Result<()> {
    for _ in 0..TRIES_MAX {
        let mut df = Command::new("df");
        df.args(["-k", "--output=used"]).arg(folder);
        let text = said(&mut df)?;
        let used: u64 = text
            .lines()
            .last()
            .and_then(|line| line.trim().parse().ok())
            .context("reading how full a disk is")?;
        // It cannot be made smaller than what is there, and that may have grown meanwhile.
        if resize(folder, &format!("{}k", used + LEFT_KIB)).is_ok() {
            return Ok(());
        }
    }
    bail!("a disk could not be filled")
}

/// Gives back what was taken away.
pub(crate) fn free(folder: &Path, mib: u64) -> Result<()> {
    resize(folder, &format!("{mib}m"))
}

fn resize(folder: &Path, size: &str) -> Result<()> {
    let mut command = Command::new("mount");
    command.args(["-o", &format!("remount,size={size}")]).arg(folder);
    said(&mut command).map(drop)
}

const TRIES_MAX: u32 = 20;
/// What is written between a look and the change would keep the disk from shrinking.
const LEFT_KIB: u64 = 64;
