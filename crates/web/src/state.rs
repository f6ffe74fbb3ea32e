//! What a handler may reach.

use std::fmt;
use std::sync::Arc;

use engine::Engine;
use tokio::sync::Semaphore;

use crate::auth::Keys;
use crate::uploads::UPLOADS_MAX;

/// What a handler may reach. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    settings: Settings,
    keys: Keys,
    uploads: Semaphore,
}

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where people and systems find the service, without a slash at the end.
    pub public_url: String,
    /// Whether `X-Forwarded-For` says where a call came from: only behind a proxy that sets it.
    pub trusted_proxies: bool,
}

impl State {
    /// Gathers what handlers reach.
    pub fn new(engine: Engine, mut settings: Settings) -> Self {
        settings.public_url.truncate(settings.public_url.trim_end_matches('/').len());
        let (keys, uploads) = (Keys::default(), Semaphore::new(UPLOADS_MAX));
        Self { inner: Arc::new(Inner { engine, settings, keys, uploads }) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Gives the places for uploads under way.
    pub(crate) fn uploads(&self) -> &Semaphore {
        &self.inner.uploads
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
