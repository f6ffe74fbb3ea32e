//! Where settings come from: flags, then variables, then the file, then what they are by default.
//!
//! Invariants: every text knows its origin; an unknown key of the file is an error with its line; an empty variable is
//! as good as none.
//! Left to others: what the texts mean (`config`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::table::{Name, Setting, Shape, TABLE};
use crate::failure::Advise as _;

/// The file that is read when nobody names one.
pub(crate) const FILE: &str = "countersign.toml";

/// What the service is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To be relied on.
    Production,
    /// To be tried out.
    Development,
}

/// Who said a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Variable,
    /// The file, at a line.
    File(PathBuf, usize),
    /// Nobody.
    Default,
}

/// A setting's text, and who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The text; empty means absent.
    pub(crate) text: String,
    /// Who said it.
    pub(crate) origin: Origin,
}

/// What was said outside of the file.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// By flags.
    pub(crate) flags: BTreeMap<Name, String>,
    /// By variables.
    pub(crate) variables: BTreeMap<Name, String>,
}

/// Every setting as it was said.
#[derive(Debug)]
pub(crate) struct Gathered {
    given: BTreeMap<Name, Given>,
    /// What the service is started for.
    pub(crate) mode: Mode,
}

impl Gathered {
    /// Puts everything that was said in order of who counts most.
    pub(crate) fn of(said: Said, file: BTreeMap<Name, Given>, mode: Mode) -> Self {
        let Said { mut flags, mut variables } = said;
        let mut file = file;
        let given = TABLE.iter().map(|setting| {
            let flag = flags.remove(&setting.key).map(|text| Given { text, origin: Origin::Flag });
            let variable = variables.remove(&setting.key);
            let variable = variable.map(|text| Given { text, origin: Origin::Variable });
            let given = flag.or(variable).or_else(|| file.remove(&setting.key));
            (setting.key, given.unwrap_or_else(|| by_default(setting, mode)))
        });
        Self { given: given.collect(), mode }
    }

    /// Gives a setting's text; `None` when it is absent.
    pub(crate) fn text(&self, key: Name) -> Option<&str> {
        self.given.get(&key).map(|given| given.text.as_str()).filter(|text| !text.is_empty())
    }

    /// Gives who said a setting.
    pub(crate) fn origin(&self, key: Name) -> Origin {
        self.given.get(&key).map_or(Origin::Default, |given| given.origin.clone())
    }
}

fn by_default(setting: &Setting, mode: Mode) -> Given {
    let text = match (mode, setting.in_development) {
        (Mode::Development, Some(text)) => text,
        (Mode::Development | Mode::Production, _) => setting.default,
    };
    Given { text: text.to_owned(), origin: Origin::Default }
}

impl Origin {
    /// Says who it was, of a setting.
    pub(crate) fn named(&self, setting: &Setting) -> String {
        match self {
            Self::Flag => format!("--{}", setting.flag()),
            Self::Variable => setting.variable(),
            Self::File(path, line) => format!("{}:{line}", path.display()),
            Self::Default => "default".to_owned(),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Production => "production",
            Self::Development => "development",
        })
    }
}

/// Reads the file that was named, or the usual one if it is there.
pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<BTreeMap<Name, Given>> {
    let path = named.unwrap_or_else(|| Path::new(FILE));
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path).with_context(|| format!("reading {}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(BTreeMap::new()),
        Err(error) => Err(error)
            .with_context(|| format!("reading {}", path.display()))
            .advise("name a file that can be read with --config or COUNTERSIGN_CONFIG"),
    }
}

/// Reads the settings of a file.
pub(crate) fn parse(text: &str, path: &Path) -> anyhow::Result<BTreeMap<Name, Given>> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow!("line {line}: {}", error.message())
    })?;
    let mut given = BTreeMap::new();
    for (name, value) in table.into_inner() {
        let line = line_of(text, name.span().start);
        let name = name.into_inner();
        let Some(setting) = TABLE.iter().find(|setting| setting.name == name) else {
            let names = TABLE.map(|setting| setting.name).join(", ");
            return Err(anyhow!("line {line}: there is no setting `{name}`"))
                .advise(format!("choose one of {names}"));
        };
        let text = value_text(setting, &value).with_context(|| format!("line {line}: {name}"))?;
        let origin = Origin::File(path.to_owned(), line);
        given.insert(setting.key, Given { text, origin });
    }
    Ok(given)
}

fn value_text(setting: &Setting, value: &Spanned<DeValue<'_>>) -> anyhow::Result<String> {
    let value = value.get_ref();
    match setting.shape {
        Shape::Switch => match value.as_bool() {
            Some(switch) => Ok(switch.to_string()),
            None => value.as_str().map(str::to_owned).context("expected true or false"),
        },
        Shape::List => match value.as_array() {
            Some(parts) => {
                let parts: Option<Vec<&str>> =
                    parts.iter().map(|part| part.get_ref().as_str()).collect();
                Ok(parts.context("expected a list of texts")?.join(","))
            }
            None => value.as_str().map(str::to_owned).context("expected a list of texts"),
        },
        Shape::Text | Shape::Secret | Shape::Address => {
            value.as_str().map(str::to_owned).context("expected a text in quotes")
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> BTreeMap<Name, Given> {
        parse(text, Path::new("a.toml")).unwrap()
    }

    fn said(flag: Option<&str>, variable: Option<&str>) -> Said {
        let one = |text: Option<&str>| text.map(|text| (Name::Listen, text.to_owned()));
        Said {
            flags: one(flag).into_iter().collect(),
            variables: one(variable).into_iter().collect(),
        }
    }

    fn listen(said: Said, text: &str) -> (String, Origin) {
        let gathered = Gathered::of(said, file(text), Mode::Production);
        (gathered.text(Name::Listen).unwrap().to_owned(), gathered.origin(Name::Listen))
    }

    #[test]
    fn a_flag_counts_more_than_a_variable_more_than_the_file_more_than_the_default() {
        let line = "\nlisten = \"c\"";
        assert_eq!(listen(said(Some("a"), Some("b")), line), ("a".to_owned(), Origin::Flag));
        assert_eq!(listen(said(None, Some("b")), line), ("b".to_owned(), Origin::Variable));
        let third = Origin::File("a.toml".into(), 2);
        assert_eq!(listen(said(None, None), line), ("c".to_owned(), third));
        let fourth = ("127.0.0.1:8080".to_owned(), Origin::Default);
        assert_eq!(listen(said(None, None), ""), fourth);
    }

    #[test]
    fn development_has_defaults_of_its_own() {
        let gathered = Gathered::of(Said::default(), BTreeMap::new(), Mode::Development);
        assert_eq!(gathered.text(Name::AllowHttpTargets), Some("true"));
        assert_eq!(gathered.text(Name::Listen), Some("127.0.0.1:8080"));
    }

    #[test]
    fn the_file_takes_switches_and_lists() {
        let file = file("allow_http_targets = true\nallow_targets = [\"10.0.0.0/8\", \"::1\"]\n");
        assert_eq!(file[&Name::AllowHttpTargets].text, "true");
        assert_eq!(file[&Name::AllowTargets].text, "10.0.0.0/8,::1");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_told_with_its_line() {
        let check = |text: &str, expected: &str| {
            let error = parse(text, Path::new("a.toml")).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        };
        check("log = \"info\"\nlissten = \"x\"", "line 2: there is no setting `lissten`");
        check("\n\nlisten = 8080", "line 3: listen: expected a text in quotes");
        check("listen = \"a\"\nlog = ", "line 2");
        check("[log]\nlevel = \"x\"", "line 1: log: expected a text");
    }
}
