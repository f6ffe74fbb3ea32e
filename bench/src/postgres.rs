//! A PostgreSQL that somebody else started: databases in it, made and dropped through its own programs, and what all of
//! its processes use.
//!
//! Invariant: of the cluster, only databases that were made here are touched, and they are gone when this is dropped.

use std::{
    convert::Infallible,
    env,
    ffi::OsStr,
    fmt::{self, Debug, Formatter},
    fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    str::FromStr,
};

use anyhow::{Context, Result, ensure};

use crate::process::{Usage, family_usage, with_argument};

#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    url: Url,
    version: String,
    /// Where it keeps its data.
    folder: PathBuf,
    /// The parent of all its processes, where it runs on this machine.
    postmaster: Option<u32>,
    made: u32,
    database: Option<String>,
}

/// A connection string, which may hold a password.
#[derive(Clone)]
pub(crate) struct Url(String);

impl Cluster {
    /// Connects, and looks where the server keeps its data.
    pub(crate) fn find(url: Option<&Url>) -> Result<Self> {
        let url = url.with_context(|| format!("{VARIABLE} is not set; {ADVICE}"))?.clone();
        let programs = programs(&PROGRAMS)?;
        let version = ask(&programs, &url, "SHOW server_version")?;
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        let folder = PathBuf::from(ask(&programs, &url, "SHOW data_directory")?);
        let postmaster = with_argument("postgres", folder.as_os_str())?;
        Ok(Self { programs, url, version, folder, postmaster, made: 0, database: None })
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The folder that holds the data, on whatever disk that is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Drops the database of the run before and makes an empty one.
    pub(crate) fn renew(&mut self) -> Result<()> {
        self.drop_database()?;
        self.made += 1;
        let name = format!("bench_{}_{}", process::id(), self.made);
        let mut command = self.program("createdb");
        command.arg(format!("--maintenance-db={}", self.url.0)).arg(&name);
        succeed(&mut command)?;
        self.database = Some(name);
        Ok(())
    }

    /// The URL of the database that was made last.
    pub(crate) fn database_url(&self) -> Result<String> {
        let name = self.database.as_deref().context("no database was made yet")?;
        Ok(self.url.of_database(name))
    }

    /// Runs statements in the database that was made last.
    pub(crate) fn execute(&self, statements: &str) -> Result<()> {
        ask(&self.programs, &Url(self.database_url()?), statements).map(drop)
    }

    /// Prepares one of PostgreSQL's programs.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    /// What all processes of the server have used, if they can be seen.
    pub(crate) fn usage(&self) -> Result<Option<Usage>> {
        self.postmaster.map(family_usage).transpose()
    }

    fn drop_database(&mut self) -> Result<()> {
        let Some(name) = self.database.take() else { return Ok(()) };
        let mut command = self.program("dropdb");
        command.args(["--if-exists", "--force"]);
        command.arg(format!("--maintenance-db={}", self.url.0)).arg(&name);
        succeed(&mut command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.drop_database() {
            eprintln!("bench: could not drop the database: {error:#}");
        }
    }
}

impl Url {
    fn of_database(&self, name: &str) -> String {
        let (url, options) = match self.0.split_once('?') {
            Some((url, options)) => (url, format!("?{options}")),
            None => (self.0.as_str(), String::new()),
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
        let authority = rest.split('/').next().unwrap_or_default();
        format!("{scheme}://{authority}/{name}{options}")
    }
}

impl FromStr for Url {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Debug for Url {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Url(..)")
    }
}

/// Finds the folder that has all of the programs: in the PATH, or the newest of the system's versions.
pub(crate) fn programs(names: &[&str]) -> Result<PathBuf> {
    let all = |folder: &PathBuf| names.iter().all(|name| folder.join(name).is_file());
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = env::split_paths(&path).find(all) {
        return Ok(folder);
    }
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().filter_map(Result::ok);
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            all(&folder).then_some((version, folder))
        })
        .max();
    let (_, folder) = newest
        .context("PostgreSQL's programs are missing; on Debian: apt-get install postgresql")?;
    Ok(folder)
}

fn ask(programs: &Path, url: &Url, statements: &str) -> Result<String> {
    let mut command = Command::new(programs.join("psql"));
    // Nobody's own settings, and an end at the first failure.
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"]).arg(&url.0);
    command.args([OsStr::new("-c"), OsStr::new(statements)]);
    said(&mut command)
}

fn succeed(command: &mut Command) -> Result<()> {
    said(command).map(drop)
}

/// Runs a command and answers what it said. Its arguments are never shown, since a URL may hold a password.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where the URL of the cluster stands.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_TEST_DATABASE_URL";
const ADVICE: &str = "run it through: \
     cargo xtask with-postgres -- target/release/bench run --store postgres";
/// Where Debian and its like keep the programs, by version.
const VERSIONS: &str = "/usr/lib/postgresql";
const PROGRAMS: [&str; 4] = ["psql", "createdb", "dropdb", "pgbench"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_pointed_at_another_database() {
        for (from, to) in [
            ("postgres://a:b@h:5432/postgres", "postgres://a:b@h:5432/x"),
            ("postgres://h", "postgres://h/x"),
            ("postgresql://h/?host=/tmp", "postgresql://h/x?host=/tmp"),
        ] {
            assert_eq!(Url(from.to_owned()).of_database("x"), to);
        }
    }

    #[test]
    fn a_missing_cluster_says_how_to_get_one() {
        let error = format!("{:#}", Cluster::find(None).unwrap_err());
        assert!(error.contains("cargo xtask with-postgres --"), "{error}");
    }

    #[test]
    fn a_url_is_never_shown() {
        assert_eq!(format!("{:?}", Url("postgres://a:hidden@h".to_owned())), "Url(..)");
    }
}
