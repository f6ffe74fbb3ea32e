//! The server that client commands ask.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::Context as _;
use domain::secret::Secret;

use crate::client::{Client, Trouble, is_here};
use crate::clock;
use crate::config::gather::Mode;
use crate::config::{self, Settings};
use crate::folder;
use crate::screen::Screen;

/// Between two tries to reach a server at the start.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Finds the server, and a key: the one of the settings, else that of `countersign dev` on this machine.
pub(crate) fn client(settings: &Settings) -> anyhow::Result<Client> {
    let url = settings.url_at(settings.listen);
    let key = match &settings.api_key {
        Some(key) => Some(key.clone()),
        None if is_here(&url) => dev_key(settings)?,
        None => None,
    };
    Ok(Client::new(&url, key))
}

fn dev_key(settings: &Settings) -> anyhow::Result<Option<Secret>> {
    let folder = match settings.mode {
        Mode::Production => config::dev_folder(&settings.data),
        Mode::Development => settings.data.clone(),
    };
    let file = folder.join(folder::DEV_KEY);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

/// Asks until the server is there.
pub(crate) fn insist<T>(
    client: &Client,
    screen: &mut Screen,
    ask: impl Fn() -> Result<T, Trouble>,
) -> anyhow::Result<T> {
    let mut said = false;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(trouble) if trouble.is_transient() => {
                if !said {
                    let text = format!("{trouble}; waiting until {} is there", client.url());
                    screen.line(screen.faint(&text))?;
                }
                said = true;
                clock::pause(TRY_EVERY);
            }
            Err(trouble) => return Err(trouble.advised()),
        }
    }
}
