//! The interface of a stand-in: pages that change as the request goes on, on this machine alone.
//!
//! Invariant: what was asked is told in order; of what nobody has told yet, so much is kept and no more.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dialects::stand_in::{Page, base_path, page_missing};
use domain::secret::Secret;
use domain::source::Vendor;
use engine::Shutdown;
use tokio::sync::Notify;

use crate::cli::loopback::{Loopback, Reply};
use crate::screen::Screen;

/// So many lines wait to be told.
const LINES_MAX: usize = 1_000;

/// The interface of a vendor.
pub(super) struct Interface {
    inner: Arc<Inner>,
    server: Option<Loopback>,
}

struct Inner {
    vendor: Vendor,
    token: Option<Secret>,
    shown: Mutex<Shown>,
    asked: Notify,
}

#[derive(Default)]
struct Shown {
    pages: Vec<Page>,
    untold: VecDeque<String>,
}

impl Interface {
    pub(super) fn new(vendor: Vendor, token: Option<Secret>) -> Self {
        let shown = Mutex::default();
        let inner = Inner { vendor, token, shown, asked: Notify::new() };
        Self { inner: Arc::new(inner), server: None }
    }

    /// Answers at an address from now on.
    pub(super) async fn start(
        &mut self,
        address: SocketAddr,
        screen: &mut Screen,
    ) -> anyhow::Result<()> {
        let inner = Arc::clone(&self.inner);
        let answers = move |call: &str| inner.answer(call);
        let server = Loopback::start(address, Arc::new(answers)).await?;
        match base_path(self.inner.vendor) {
            Some(path) => screen.line(format!("base_url {}", server.url(path)))?,
            None => screen.line("this vendor has no interface that is known; nobody will ask")?,
        }
        self.server = Some(server);
        Ok(())
    }

    /// Shows these pages from now on.
    pub(super) fn shows(&self, pages: Vec<Page>) {
        self.inner.shown().pages = pages;
    }

    /// Says what was asked since it was last said.
    pub(super) fn tells(&self, screen: &mut Screen) -> anyhow::Result<()> {
        let untold: Vec<String> = self.inner.shown().untold.drain(..).collect();
        untold.into_iter().try_for_each(|line| screen.line(line))
    }

    /// Goes on answering until it is to stop, if it answers at all.
    pub(super) async fn stay(&self, stop: &Shutdown, screen: &mut Screen) -> anyhow::Result<()> {
        if self.server.is_none() {
            return Ok(());
        }
        screen.line("the interface goes on answering. Ctrl-C stops.")?;
        loop {
            self.tells(screen)?;
            tokio::select! {
                () = stop.begun() => return self.tells(screen),
                () = self.inner.asked.notified() => {}
            }
        }
    }
}

impl Inner {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, call: &str) -> Reply {
        let mut words = call.lines().next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        let json = |status, body| Reply { status, media_type: "application/json", body };
        let below = base_path(self.vendor).and_then(|base| path.strip_prefix(base));
        let mut shown = self.shown();
        let page = shown.pages.iter().find(|page| below == Some(&page.path));
        let is_secret = page.is_none_or(|page| page.media_type == "application/json");
        let reply = if method != "GET" {
            json(405, page_missing(self.vendor))
        } else if is_secret && !self.lets_in(call) {
            json(401, page_missing(self.vendor))
        } else {
            page.map_or_else(
                || json(404, page_missing(self.vendor)),
                |page| Reply { status: 200, media_type: page.media_type, body: page.body.clone() },
            )
        };
        shown
            .untold
            .push_back(format!("\nasked {method} {target}\n{} {}", reply.status, reply.body));
        if shown.untold.len() > LINES_MAX {
            drop(shown.untold.pop_front());
        }
        drop(shown);
        self.asked.notify_one();
        reply
    }

    /// Tells whether a call comes with the token, in one of the headers that vendors have for it.
    fn lets_in(&self, call: &str) -> bool {
        let Some(token) = &self.token else { return true };
        let head = call.lines().take_while(|line| !line.is_empty());
        let mut pairs = head.filter_map(|line| line.split_once(':'));
        pairs.any(|(name, value)| {
            let value = value.trim();
            let said = if name.eq_ignore_ascii_case("authorization") {
                value.strip_prefix("Bearer ")
            } else if name.eq_ignore_ascii_case("apitoken") {
                Some(value)
            } else {
                None
            };
            said.is_some_and(|said| Secret::new(said) == *token)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, media_type: &'static str) -> Page {
        Page { path: path.to_owned(), media_type, body: "{}".to_owned() }
    }

    #[test]
    fn a_page_is_shown_to_who_has_the_token_and_a_key_to_everybody() {
        let interface = Interface::new(Vendor::Ironclad, Some(Secret::new("tok")));
        let pages = [page("/workflows/a", "application/json"), page("/key", "text/plain")];
        interface.shows(pages.into());
        let status = |call: &str| interface.inner.answer(call).status;
        let bearer = "\r\nAuthorization: Bearer tok\r\n\r\n";
        let get =
            |path: &str, head: &str| status(&format!("GET /public/api/v1{path} HTTP/1.1{head}"));
        assert_eq!(get("/workflows/a?b=c", bearer), 200);
        assert_eq!(get("/workflows/b", bearer), 404);
        assert_eq!(get("/workflows/a", "\r\nAuthorization: Bearer no\r\n\r\n"), 401);
        assert_eq!(get("/workflows/a", "\r\n\r\nAuthorization: Bearer tok"), 401);
        assert_eq!(get("/key", "\r\n\r\n"), 200);
        assert_eq!(status(&format!("GET /workflows/a HTTP/1.1{bearer}")), 404);
        assert_eq!(status(&format!("POST /public/api/v1/workflows/a HTTP/1.1{bearer}")), 405);
    }
}
