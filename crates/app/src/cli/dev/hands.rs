//! What to try by hand: a link to sign at, and calls that take a request from draft to complete.
//!
//! Invariant: a start finds what an earlier one has made and nobody has used, so that nothing piles up.

use anyhow::Context as _;
use domain::id::AccountId;
use domain::request::Request;
use engine::{Engine, Once};
use serde_json::json;
use store::{Page, RequestFilter};

use crate::cli::dev::story::{self, CONSENT};

/// The title of the request that waits to be sent.
const BY_HAND: &str = "To be sent and signed by hand";
/// The title of the request that waits to be signed on its page.
const ON_A_PAGE: &str = "To be signed on its page";
/// Requests that are looked through.
const LOOK_AT: u32 = 200;

/// What to try.
#[derive(Debug)]
pub(crate) struct Hands {
    /// A page to sign at.
    pub(crate) link: String,
    /// Calls, each one line of a shell.
    pub(crate) calls: Vec<String>,
}

/// Finds or makes what there is to try, at a server's URL and with a key.
pub(crate) async fn prepare(
    engine: &Engine,
    account: AccountId,
    server: (&str, &str),
) -> anyhow::Result<Hands> {
    let (url, key) = server;
    let waiting = find(engine, account, "draft", BY_HAND).await?;
    let draft = match waiting {
        Some(draft) => draft,
        None => story::draft(engine, account, BY_HAND).await?,
    };
    let sent = if let Some(sent) = find(engine, account, "sent", ON_A_PAGE).await? {
        sent
    } else {
        let id = story::draft(engine, account, ON_A_PAGE).await?.id;
        engine.send_request(account, id, &Once::unkept()).await.context("sending a request")?
    };
    let open = sent.signers.iter().find(|signer| signer.is_open()).context("nobody is to sign")?;
    let link = format!("{url}/s/{}", engine.signing_token(sent.id, open.id));
    Ok(Hands { link, calls: calls(&draft, url, key) })
}

/// Finds the request of a title that stands there.
async fn find(
    engine: &Engine,
    account: AccountId,
    status: &str,
    title: &str,
) -> anyhow::Result<Option<Request>> {
    let filter = RequestFilter { status: Some(status.to_owned()), archived: Some(false) };
    let page = Page { limit: LOOK_AT, after: None };
    let found =
        engine.views().requests(account, filter, page).await.context("looking for requests")?;
    Ok(found.into_iter().find(|request| request.title == title))
}

/// Writes the calls that send a draft and sign it, one after the other.
fn calls(draft: &Request, url: &str, key: &str) -> Vec<String> {
    let path = |rest: &str| quoted(&format!("{url}/api/v1/requests/{}/{rest}", draft.id));
    let bearer = quoted(&format!("authorization: Bearer {key}"));
    let send = format!("curl -sS -w '\\n' -X POST {} -H {bearer}", path("send"));
    let sign = draft.signers.iter().map(|signer| {
        let body = json!({"name": signer.person.name, "consent": CONSENT});
        format!(
            "curl -sS -w '\\n' {} -H {bearer} -H 'content-type: application/json' -d {}",
            path(&format!("signers/{}/sign", signer.id)),
            quoted(&body.to_string())
        )
    });
    [send].into_iter().chain(sign).collect()
}

/// Writes a text so that a shell takes it as one word.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_text_as_one_word() {
        assert_eq!(quoted("http://127.0.0.1:8080/s/x"), "http://127.0.0.1:8080/s/x");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
