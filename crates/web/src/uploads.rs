//! Documents that come in: a PDF as it is, or as a file of a form.
//!
//! Invariants: a body comes in within its bound and its time, and never lies in memory as a whole; whatever goes wrong is
//! answered, and what was kept of it goes; only so many uploads are under way at once.
//! Left to others: what is taken, and keeping it (`engine::documents`).

use std::time::Duration;

use axum::BoxError;
use axum::body::HttpBody;
use bytes::Bytes;
use domain::chain::sha256;
use domain::document::{BYTES_MAX, Document};
use engine::documents::Upload;
use engine::problem::Problem as Page;
use engine::{Once, Refusal};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::auth::Caller;
use crate::idempotency;
use crate::input::form::{Form, Malformed, Next};
use crate::problem::{Halt, Problem};

/// The most uploads under way at once: each holds a piece in memory, in some forms.
pub(crate) const UPLOADS_MAX: usize = 64;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_mins(5);
/// How long the next bytes may take to arrive.
const CHUNK_TIME_MAX: Duration = Duration::from_secs(30);
/// What the heads and boundaries of a form may add to its file.
const FORM_BYTES_MAX: u64 = 64 * 1024;
/// The most characters of a file's name.
const NAME_CHARS_MAX: usize = 200;
/// What a document is called whose file has no name.
const NAMELESS: &str = "document.pdf";

/// What is answered, and so kept for a repetition: status and body.
pub(crate) type Show<'a> = &'a (dyn Fn(&Document) -> (u16, String) + Send + Sync);

/// Takes a document from a body: `name` instead of what a form calls it. Gives status and body of the answer.
pub(crate) async fn take<B>(
    caller: &Caller,
    body: B,
    name: Option<String>,
    show: Show<'_>,
) -> Result<(u16, String), Halt>
where
    B: HttpBody<Data = Bytes> + Unpin + Send,
    B::Error: Into<BoxError>,
{
    let Ok(_place) = caller.state.uploads().try_acquire() else {
        let detail = "as many uploads are under way as may be; try again in a moment";
        return Err(Problem::new(Page::Unavailable, detail).into());
    };
    let mut coming = Coming::of(&caller.parts.headers)?;
    let mut upload = caller.engine().begin_upload(caller.account());
    let came = timeout(BODY_TIME_MAX, coming.run(body, &mut upload)).await;
    let came = came.unwrap_or_else(|_elapsed| Err(too_slow("5 minutes")));
    let name = name.or(coming.file.take()).unwrap_or_else(|| NAMELESS.to_owned());
    let asked = match came {
        Ok(()) => {
            let said = [upload.sha256().0.as_slice(), &sha256(name.as_bytes())].concat();
            idempotency::ask(caller, &said).await
        }
        Err(halt) => Err(halt),
    };
    match asked {
        Ok(key) => {
            let once = Once { key, answer: &|document: &Document| show(document) };
            Ok(show(&upload.finish(name, &once).await?))
        }
        Err(halt) => {
            if let Err(error) = upload.give_up().await {
                tracing::debug!(error = %error, "what was kept of an upload goes later");
            }
            Err(halt)
        }
    }
}

/// A body on its way.
struct Coming {
    form: Option<Form>,
    /// Whether the part that comes in is the file.
    is_inside: bool,
    /// What the file is called, once it has begun.
    file: Option<String>,
}

impl Coming {
    fn of(headers: &HeaderMap) -> Result<Self, Halt> {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if length
            .and_then(|text| text.parse().ok())
            .is_some_and(|bytes: u64| bytes > BYTES_MAX + FORM_BYTES_MAX)
        {
            return Err(Refusal::TooLarge { bytes_max: BYTES_MAX }.into());
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let form = match essence.as_str() {
            "application/pdf" | "application/octet-stream" => None,
            "multipart/form-data" => Some(Form::of(kind).map_err(unreadable)?),
            _ => {
                let said =
                    if essence.is_empty() { "nothing".to_owned() } else { format!("`{essence}`") };
                let detail = format!(
                    "the content-type is {said}; send application/pdf, or a file in multipart/form-data"
                );
                return Err(Problem::new(Page::UnsupportedMediaType, detail).into());
            }
        };
        Ok(Self { form, is_inside: false, file: None })
    }

    /// Takes in the whole body.
    async fn run<B>(&mut self, mut body: B, upload: &mut Upload) -> Result<(), Halt>
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let mut around = 0;
        loop {
            let frame = timeout(CHUNK_TIME_MAX, body.frame()).await;
            let frame = match frame.map_err(|_elapsed| too_slow("30 seconds of the last"))? {
                None => break,
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Err(malformed("the body broke off")),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            let Some(form) = &mut self.form else {
                upload.add(&bytes).await?;
                continue;
            };
            around += bytes.len() as u64;
            if around > BYTES_MAX + FORM_BYTES_MAX {
                return Err(Refusal::TooLarge { bytes_max: BYTES_MAX }.into());
            }
            form.push(bytes);
            self.take_apart(upload).await?;
        }
        let Some(form) = &self.form else { return Ok(()) };
        form.end().map_err(unreadable)?;
        if self.file.is_none() {
            return Err(malformed("no part of the form is a file; send one, with a filename"));
        }
        Ok(())
    }

    async fn take_apart(&mut self, upload: &mut Upload) -> Result<(), Halt> {
        while let Some(form) = &mut self.form {
            match form.next().map_err(unreadable)? {
                Next::Part(head) => {
                    self.is_inside =
                        head.file_name.is_some() || head.name.as_deref() == Some("file");
                    if self.is_inside && self.file.is_some() {
                        return Err(malformed(
                            "the form has more than one file; send each by itself",
                        ));
                    }
                    if self.is_inside {
                        self.file = Some(file_name(&head.file_name.unwrap_or_default()));
                    }
                }
                Next::Bytes(bytes) if self.is_inside => upload.add(&bytes).await?,
                Next::Bytes(_) => {}
                Next::End | Next::More => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Makes of what a file is called elsewhere a name that can be kept.
pub(crate) fn file_name(text: &str) -> String {
    let last = text.rsplit(['/', '\\']).next().unwrap_or("");
    let name: String = last.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    let name = name.trim();
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

fn unreadable(why: Malformed) -> Halt {
    malformed(&why.to_string())
}

fn malformed(why: &str) -> Halt {
    Problem::new(Page::Malformed, format!("the body cannot be read: {why}")).into()
}

fn too_slow(within: &str) -> Halt {
    Problem::new(Page::TooSlow, format!("the body did not arrive within {within}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_becomes_one_that_can_be_kept() {
        let long = format!("{}.pdf", "é".repeat(300));
        let cases = [
            ("lease.pdf", "lease.pdf"),
            ("C:\\docs\\lease.pdf", "lease.pdf"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nb\0.pdf", "ab.pdf"),
            ("", NAMELESS),
            ("docs/", NAMELESS),
            (&long, &"é".repeat(200)),
        ];
        for (text, expected) in cases {
            assert_eq!(file_name(text), expected, "{text}");
        }
    }
}
