//! The pages that say how to move an integration here: their commands are run as they stand.

mod clickwrap;
mod esaw;
mod fintechos;
mod insertsign;
mod ironclad;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::process::text;
use crate::service::{KEY, Service};

/// Gives the commands of a page as one script.
fn script(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vendors").join(page);
    let page = fs::read_to_string(path).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    format!("set -euo pipefail\n{}", blocks.concat())
}

/// Runs the commands of a page against a service, with a receiver of webhooks; gives what they printed.
fn run(page: &str, service: &Service, hook: &str) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-c", &script(page)]).current_dir(service.scratch.path()).stdin(Stdio::null());
    bash.env("URL", format!("http://{}", service.address)).env("KEY", KEY).env("HOOK", hook);
    let Output { status, stdout, stderr } = bash.output().unwrap();
    let (said, wrong) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{page} ended with {status}:\n{said}\n{wrong}");
    said
}
