//! The binary as a child of the test: in a folder of its own, with no settings but the test's, ended by its id.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Whatever a test waits for may be so long in coming.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(30);
/// Whoever can only be asked is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// A folder that is gone after the test.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("countersign-it-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the command with these arguments, in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(args).current_dir(&self.0).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs the command with these arguments to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A command that goes on until it is ended.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        let err = child.stderr.take().unwrap();
        let pipes: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for pipe in pipes {
            let said = said.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines() {
                    if line.is_err() || said.send(line.unwrap()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains a text; gives all lines up to there.
    pub(crate) fn until(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(TIME_MAX) {
                Ok(line) => {
                    let is_there = line.contains(text);
                    seen.push(line);
                    if is_there {
                        return seen;
                    }
                }
                Err(error) => panic!("no line with `{text}` ({error}) after:\n{}", seen.join("\n")),
            }
        }
    }

    /// Asks the process to stop, waits until it has, and gives its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.end().0
    }

    /// Asks the process to stop, and gives its exit code and what it has said since it was listened to.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
        // Both pipes close when the process is gone.
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(TIME_MAX) {
            lines.push(line);
        }
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Gives what a command has printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Makes the command of a script of the tests, in the Python that they have for themselves.
pub(crate) fn python(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = folder.join("../../target/venv/bin/python");
    assert!(
        python.exists(),
        "there is no {}: run `make test`, whose first step, scripts/setup.sh, makes it",
        python.display()
    );
    let mut command = Command::new(python);
    command.arg(folder.join("tests").join(script));
    command
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    for _ in 0..TIME_MAX.as_millis() / ASK_AGAIN.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        thread::park_timeout(ASK_AGAIN);
    }
    panic!("waited too long for {what}");
}
